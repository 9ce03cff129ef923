"""The forest and the network: what they tell, what they cannot, and that a seed repeats it."""

import numpy as np
import pytest

from gen.records import InputError
from metrics.judges.forest import ALL, judge
from metrics.judges.waveform import raw_waveform_test
from metrics.waveform.descriptors import Descriptors

NAMES = tuple(f"power_{k}_V1" for k in range(4)) + tuple(f"rr_{k}" for k in range(4))
KINDS = ("spectrum",) * 4 + ("rhythm",) * 4
FAST = {"trees": 30, "replicates": 200, "families": (ALL, "spectrum", "rhythm")}


def descriptors(seed, count=120, shift=0.0, column=5):
    values = np.random.default_rng(seed).standard_normal((count, len(NAMES)))
    values[:, column] += shift
    return Descriptors(values, NAMES, KINDS)


def test_equal_sets_are_not_told_apart_and_the_floor_says_the_same():
    found = judge(descriptors(0), descriptors(1), **FAST)
    for verdict in found.values():
        # Four standard errors of 120 a side, and of the floor's 60.
        assert verdict.auroc.value == pytest.approx(0.5, abs=0.15)
        assert verdict.floor.value == pytest.approx(0.5, abs=0.21)


def test_a_shift_is_told_by_its_family_alone_and_named_with_its_direction():
    found = judge(descriptors(0), descriptors(1, shift=-2.0), reference=descriptors(2), **FAST)
    assert found["rhythm"].auroc.low > 0.8
    assert found[ALL].auroc.low > 0.8
    assert found["spectrum"].auroc.value == pytest.approx(0.5, abs=0.15)
    first = found[ALL].telling[0]
    assert (first.name, first.direction) == ("rr_1", "lower")
    assert first.real == pytest.approx(0.0, abs=0.3)
    assert first.generated == pytest.approx(-2.0, abs=0.3)
    assert "other recordings" in found.floor_name


def test_the_same_seed_gives_the_same_figures_and_another_does_not():
    given = {"trees": 20, "replicates": 200, "families": (ALL,), "floor": False}
    first, again, other = (judge(descriptors(0), descriptors(1, shift=0.4), seed=seed, **given) for seed in (1, 1, 2))
    assert dict(first) == dict(again)
    assert first[ALL].auroc.value != other[ALL].auroc.value


def test_a_patient_in_both_sets_is_never_judged_by_a_forest_that_saw_the_twin():
    """Copies of the real set: a forest that saw a record's twin under the other label would be wrong about it."""
    real = descriptors(0)
    people = [f"p{k}" for k in range(len(real))]
    apart = judge(real, real, real_groups=people, generated_groups=people, floor=False, **FAST)
    assert apart[ALL].auroc.value == pytest.approx(0.5, abs=0.02)


def test_descriptors_that_a_set_lacks_are_left_out_and_a_family_without_any_is_skipped():
    real, fake = descriptors(0), descriptors(1)
    fake.values[:, :4] = np.nan
    real.values[::10, 6] = np.nan
    found = judge(real, fake, floor=False, **FAST)
    assert found.left_out == NAMES[:4]
    assert "spectrum" in found.skipped
    assert found[ALL].descriptors == found["rhythm"].descriptors == 4


def test_too_few_records_and_other_descriptors_are_refused():
    with pytest.raises(InputError, match="at least 20"):
        judge(descriptors(0, count=10), descriptors(1), **FAST)
    with pytest.raises(InputError, match="other leads"):
        judge(descriptors(0), Descriptors(np.zeros((40, 1)), ("r_mv_I",), ("amplitude",)), **FAST)


def noises(seed, count=48, sd=0.02, colour=0.0):
    x = np.random.default_rng(seed).standard_normal((count, 2, 500)).astype(np.float32)
    return sd * (x + colour * np.roll(x, 1, axis=-1))


def test_the_network_hears_noise_of_another_colour_and_nothing_in_equal_noise():
    told = raw_waveform_test(noises(0), noises(1, colour=0.7), 500.0, floor=False, epochs=10, replicates=200)
    assert told.auroc.low > 0.9
    equal = raw_waveform_test(noises(0), noises(1), 500.0, floor=False, epochs=3, replicates=200)
    assert equal.auroc.value == pytest.approx(0.5, abs=0.25)
    again = raw_waveform_test(noises(0), noises(1), 500.0, floor=False, epochs=3, replicates=200)
    assert again == equal


def test_the_network_refuses_few_records_and_other_shapes():
    with pytest.raises(InputError, match="at least 40"):
        raw_waveform_test(noises(0, count=10), noises(1), 500.0)
    with pytest.raises(InputError, match="the same"):
        raw_waveform_test(noises(0), noises(1)[:, :1], 500.0)
