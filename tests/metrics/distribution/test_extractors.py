import numpy as np
import pytest

from gen.records import InputError
from gen.registry import RegistryError
from gen.signals import resample
from metrics.distribution.extractors import (
    Extractor,
    RandomConvolutions,
    digest_of_data,
    extractor,
    extractor_names,
    register,
)


@pytest.fixture
def ecg(rng):
    """(6, 8, 1000) at 100 Hz: beats that repeat, each record with its own leads and rate."""
    out = np.zeros((6, 8, 1000))
    beat = np.exp(-0.5 * (np.arange(-10, 11) / 2.0) ** 2)
    for record in out:
        period = rng.integers(60, 120)
        record[:, ::period] = rng.standard_normal((8, 1))
    return np.apply_along_axis(np.convolve, -1, out, beat, "same")


def test_random_convolutions_keep_the_protocol(ecg):
    made = extractor("random-conv")
    assert isinstance(made, Extractor)
    found = made(ecg, 100.0)
    assert found.shape == (6, made.dim)
    assert found.dtype == np.float64
    assert np.isfinite(found).all()
    assert len(made.digest) == 64


def test_bits_do_not_depend_on_the_batch(ecg):
    made = extractor("random-conv")
    whole = made(ecg, 100.0)
    np.testing.assert_array_equal(np.concatenate([made(ecg[i : i + 1], 100.0) for i in range(6)]), whole)
    np.testing.assert_array_equal(extractor("random-conv")(ecg[::-1], 100.0)[::-1], whole)


def test_shift_changes_less_than_another_person_does(ecg):
    made = extractor("random-conv")
    base = made(ecg, 100.0)
    moved = made(np.roll(ecg, 20, axis=-1), 100.0)
    between = np.linalg.norm(base[:, None] - base[None], axis=-1)
    assert np.linalg.norm(moved - base, axis=1).max() < 0.25 * between[np.triu_indices(6, 1)].min()


def test_rate_is_taken_into_account(ecg):
    made = extractor("random-conv")
    base, faster = made(ecg, 100.0), made(resample(ecg, 100, 500), 500.0)
    assert np.abs(faster - base).max() < 0.1 * base.std()


def test_other_settings_have_another_digest():
    digests = {RandomConvolutions(seed=s, filters=f).digest for s in (0, 1) for f in (16, 32)}
    assert len(digests) == 4
    assert RandomConvolutions().digest == RandomConvolutions().digest


def test_a_flat_record_has_finite_features():
    assert np.isfinite(extractor("random-conv")(np.zeros((1, 8, 1000)), 100.0)).all()


def test_unfit_signals_are_refused(ecg):
    made = extractor("random-conv")
    with pytest.raises(InputError, match="8 leads"):
        made(ecg[:, :3], 100.0)
    with pytest.raises(InputError, match="2 s"):
        made(ecg[..., :100], 100.0)


def test_registry_refuses_duplicates_and_lists_what_it_knows():
    with pytest.raises(RegistryError, match="already"):
        register("random-conv", RandomConvolutions)
    with pytest.raises(RegistryError, match="random-conv"):
        extractor("inception")
    assert "random-conv" in extractor_names()


def test_data_digest_sees_samples_rate_and_leads(ecg):
    base = digest_of_data(ecg, 100.0)
    changed = ecg.copy()
    changed[3, 2, 500] += 0.001
    others = {digest_of_data(changed, 100.0), digest_of_data(ecg, 200.0), digest_of_data(ecg[:5], 100.0)}
    assert len(others | {base}) == 4
    assert digest_of_data(ecg.astype(np.float32), 100.0) == digest_of_data(ecg.astype(np.float32), 100.0)
