"""gen.records: what the record type accepts, refuses and keeps."""

from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest

from gen.leads import LEADS_8, LEADS_12, LeadError, to_12
from gen.records import EcgRecord, InputError, Patient


def record(rng: np.random.Generator, leads=LEADS_8, samples: int = 500, fs_hz: float = 250, **facts) -> EcgRecord:
    return EcgRecord(rng.normal(size=(len(leads), samples)), fs_hz, leads, **facts)


FACTS = {
    "record_id": "r1",
    "patient": Patient(id="p", age=61.5, sex="F", height_cm=170, weight_kg=60),
    "report": "sinus rhythm",
    "statements": {"SR": 0.0},
    "synthetic": True,
    "metadata": {"seed": 3},
}


def test_signal_is_float32_and_names_are_standard():
    ecg = EcgRecord([[0, 1, 2], [3, 4, 5]], 100, ["MLII", "AVR"])
    assert ecg.signal_mv.dtype == np.float32
    assert ecg.leads == ("II", "aVR")
    assert isinstance(ecg.fs_hz, float)
    assert (ecg.num_samples, ecg.duration_s) == (3, 0.03)


def test_a_float32_array_is_not_copied(rng):
    signal = rng.normal(size=(2, 10)).astype(np.float32)
    assert np.shares_memory(EcgRecord(signal, 100, ("I", "II")).signal_mv, signal)


@pytest.mark.parametrize("shape", [(3, 10), (10,), (2, 2, 10), (10, 2)])
def test_shape_must_be_lead_by_time(shape):
    with pytest.raises(ValueError, match="does not fit 2 leads"):
        EcgRecord(np.zeros(shape), 100, ("I", "II"))


@pytest.mark.parametrize("fs_hz", [0, -500, float("nan")])
def test_rate_must_be_positive(fs_hz):
    with pytest.raises(ValueError, match="sampling rate must be above 0 Hz"):
        EcgRecord(np.zeros((1, 4)), fs_hz, ("I",))


def test_bad_lead_names_are_refused():
    with pytest.raises(LeadError, match="unknown lead 'PLETH'"):
        EcgRecord(np.zeros((1, 4)), 100, ("PLETH",))
    with pytest.raises(LeadError, match="given twice"):
        EcgRecord(np.zeros((2, 4)), 100, ("II", "MLII"))


def test_sex_is_f_m_or_unknown():
    assert Patient().sex is None
    for sex in ("female", "f", "", 0):
        with pytest.raises(ValueError, match="sex must be 'F', 'M' or None"):
            Patient(sex=sex)


def test_records_are_frozen(rng):
    with pytest.raises(FrozenInstanceError):
        record(rng).fs_hz = 100


def test_input_error_is_a_value_error():
    assert issubclass(InputError, ValueError)
    assert issubclass(LeadError, ValueError)


@pytest.mark.parametrize(
    "change", [EcgRecord.to_12, EcgRecord.to_8, lambda ecg: ecg.select(["V6", "aVR"]), lambda ecg: ecg.at(100)]
)
def test_everything_else_survives_a_change_of_leads_or_rate(change, rng):
    """A field added later must survive too, so the fields are not listed here."""
    before = record(rng, **FACTS)
    after = change(before)
    kept = {field.name for field in fields(EcgRecord)} - {"signal_mv", "leads", "fs_hz"}
    assert set(FACTS) == kept
    for name in kept:
        assert getattr(after, name) == getattr(before, name)


def test_selecting_and_deriving(rng):
    ecg = record(rng)
    twelve = ecg.to_12()
    assert twelve.leads == LEADS_12
    np.testing.assert_array_equal(twelve.signal_mv, to_12(ecg.signal_mv))
    np.testing.assert_array_equal(twelve.to_8().signal_mv, ecg.signal_mv)
    np.testing.assert_array_equal(ecg.lead("v5"), ecg.signal_mv[LEADS_8.index("V5")])
    np.testing.assert_allclose(ecg.lead("III"), ecg.lead("II") - ecg.lead("I"), atol=1e-6)
    two = ecg.select(["V1", "MLII"])
    assert two.leads == ("V1", "II")
    with pytest.raises(LeadError, match="lead V2 does not follow from V1, II"):
        two.lead("V2")
    with pytest.raises(LeadError):
        two.to_12()


def test_rate_changes_keep_the_duration(rng):
    ecg = record(rng, samples=1000, fs_hz=250)
    assert ecg.at(250) is ecg
    for fs_hz in (100, 360, 500, 62.5):
        other = ecg.at(fs_hz)
        assert other.fs_hz == fs_hz
        assert other.signal_mv.dtype == np.float32
        assert other.duration_s == pytest.approx(ecg.duration_s, abs=0.5 / fs_hz)


def test_gaps_are_kept(rng):
    ecg = record(rng)
    signal = ecg.signal_mv.copy()
    signal[0, 10:20] = np.nan
    gapped = replace(ecg, signal_mv=signal)
    np.testing.assert_array_equal(gapped.signal_mv, signal)
    assert np.isnan(gapped.lead("III")[10:20]).all()


def test_records_compare_by_identity(rng):
    """Arrays have no single truth value; two records are the same only when they are one object."""
    ecg = record(rng)
    assert ecg == ecg
    assert ecg != replace(ecg)
    assert len({ecg, replace(ecg)}) == 2
