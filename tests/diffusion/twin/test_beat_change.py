"""The change of a beat: nothing without a change, free of gain, the same there and back; pairs it is learned from."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from diffusion.beats.criteria import axis_of
from diffusion.beats.network import BeatDenoiser
from diffusion.checkpoints import WEIGHTS
from diffusion.twin.beat_change import CHANGED, BeatChange, BeatCondition, voltage
from diffusion.twin.beat_edit import turned, with_numbers
from diffusion.twin.change_sets import (
    ChangeSource,
    codes_of,
    condition_of,
    read_pairs,
    rows_of,
    scaled,
    simulated_pairs,
    write_pairs,
)
from gen.checkpoint import load_model

PLAIN = BeatCondition(frozenset({"SR"}), 70.0, 60.0, "F", True)


@pytest.fixture(scope="module")
def pairs():
    return list(simulated_pairs(8, seed=11))


@pytest.fixture(scope="module")
def model(pairs):
    torch.manual_seed(0)
    network = BeatChange(codes_of(pairs, least=1), width=48, depth=1)
    network.code = load_model(BeatDenoiser, WEIGHTS / "default").code
    return network.eval()


def test_nothing_changes_where_the_conditions_are_the_same(model, pairs):
    shape = pairs[0].before.own
    mean, root = model.expected(shape, PLAIN, PLAIN)
    assert not mean.any()
    assert not root.any()
    same = model.changed(shape, mean, shape.rr_s, True, True)
    assert np.array_equal(same.qrst, shape.qrst)
    assert np.array_equal(same.p, shape.p)
    assert np.allclose(same.knots_s, shape.knots_s)
    mean, root = model.expected(shape, PLAIN, replace(PLAIN, codes=frozenset({"CLBBB"}), heart_rate=95.0))
    assert np.abs(mean).max() > 0
    assert np.all(np.linalg.eigvalsh(root @ root.T) > -1e-12)


def test_a_change_of_an_age_that_is_not_known_is_none(model, pairs):
    unknown = replace(PLAIN, age=None)
    assert not model.expected(pairs[0].before.own, unknown, unknown)[0].any()


def test_the_change_between_two_forms_brings_one_to_the_other(model, pairs):
    for pair in pairs:
        before, after = pair.before, pair.after
        change, mask = model.change(before.own, after.own, before.has_p, after.has_p)
        assert mask[-1] == float(after.has_p)
        made = model.changed(before.own, change, after.own.rr_s, before.has_p, after.has_p)
        missed = made.qrst - after.own.qrst
        # The components hold most of the difference; what they miss is what they miss of the forms.
        basis = model.code.array("qrst_basis")
        flat = (before.own.qrst - after.own.qrst).ravel()
        left = flat - (flat @ basis.T) @ basis
        assert np.allclose(missed.ravel(), left, atol=1e-6)
        if after.has_p:
            assert made.pr_s == pytest.approx(np.clip(after.own.pr_s, 0.07, 0.42), abs=2e-3)
        assert made.off_s - made.on_s == pytest.approx(np.clip(after.own.off_s - after.own.on_s, 0.05, 0.235), abs=1e-6)
        assert made.rr_s == after.own.rr_s


def test_a_change_does_not_depend_on_gain(model, pairs):
    pair = next(p for p in pairs if voltage(p.before.own) > 0.15)
    louder = [replace(e.own, qrst=3.0 * e.own.qrst, p=e.own.p) for e in (pair.before, pair.after)]
    plain, _ = model.change(pair.before.own, pair.after.own, True, True)
    loud, _ = model.change(*louder, True, True)
    assert np.allclose(loud[:64], plain[:64], rtol=0.1, atol=1e-3 * np.abs(plain[:64]).max())
    made = model.changed(louder[0], plain, pair.after.own.rr_s, True, True)
    quiet = model.changed(pair.before.own, plain, pair.after.own.rr_s, True, True)
    moved = (made.qrst - louder[0].qrst).std() / (quiet.qrst - pair.before.own.qrst).std()
    assert moved == pytest.approx(voltage(louder[0]) / voltage(pair.before.own))


def test_both_sides_of_a_pair_are_one_heart_on_one_day(pairs):
    for pair in pairs:
        assert pair.before.person == pair.after.person
        assert pair.before.sex == pair.after.sex
    again = list(simulated_pairs(8, seed=11))
    assert all(np.array_equal(a.after.own.qrst, b.after.own.qrst) for a, b in zip(pairs, again, strict=True))
    some = list(simulated_pairs(3, seed=11, block=2))
    assert np.array_equal(some[0].before.own.qrst, pairs[0].before.own.qrst)


def test_rows_hold_both_directions_and_sources_repeat(model, pairs):
    rows, unit = scaled(rows_of(pairs, model, variants=2, seed=0))
    assert len(rows) == 2 * len(pairs)
    assert unit.shape == (CHANGED,)
    forth, back = rows.own[::2], rows.target[1::2]
    assert np.array_equal(forth, back)
    source = ChangeSource(rows, len(model.codes))
    whole, part = source.batch(np.arange(6), 3), source.batch(np.arange(4, 6), 3)
    for name, value in part.items():
        assert torch.equal(value, whole[name][4:])
    found = model.train().loss(whole)
    found["loss"].backward()
    assert model.eval().mean.weight.grad.abs().max() > 0


def test_conditions_are_those_of_the_words(pairs):
    side = pairs[0].before
    condition = condition_of(side, 1)
    assert condition.codes == side.codes[1]
    assert condition.heart_rate == pytest.approx(60.0 / side.own.rr_s)


def test_pairs_are_read_as_they_were_written(pairs, tmp_path):
    write_pairs(pairs, tmp_path / "pairs.npz")
    for one, again in zip(pairs, read_pairs(tmp_path / "pairs.npz"), strict=True):
        for a, b in ((one.before, again.before), (one.after, again.after)):
            assert (a.codes, a.person, a.age, a.sex, a.has_p) == (b.codes, b.person, b.age, b.sex, b.has_p)
            assert np.allclose(a.own.qrst, b.own.qrst, atol=1e-6)
            assert np.array_equal(a.own.knots_s, b.own.knots_s)


@pytest.mark.parametrize("degrees", [-60.0, 25.0, 110.0])
def test_an_axis_that_is_asked_for_is_had(pairs, degrees):
    shape = with_numbers(pairs[1].before.own, {"axis_deg": degrees})
    assert axis_of(shape) == pytest.approx(degrees, abs=0.5)
    assert np.array_equal(shape.qrst[2:], pairs[1].before.own.qrst[2:])
    assert np.allclose(turned(40.0) @ turned(-40.0), np.eye(8))


def test_intervals_that_are_asked_for_are_had(pairs):
    shape = with_numbers(pairs[0].before.own, {"qrs_ms": 150.0, "qt_ms": 460.0, "pr_ms": 240.0})
    assert shape.off_s - shape.on_s == pytest.approx(0.150)
    assert shape.t_off_s - shape.on_s == pytest.approx(0.460)
    assert shape.pr_s == pytest.approx(0.240)
