"""The quality report finds what was done to a clean ECG, and leaves clean ones alone."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gen.datasets import open_source
from gen.leads import LEADS_8, LEADS_12, to_12
from gen.quality import arms_reversed, bad_leads, quality_report
from gen.records import EcgRecord

FS = 500
# Signed heights in mV of P, Q, R, S and T of a normal ECG, leads I, II, V1-V6.
WAVES = {
    "I": (0.10, -0.05, 0.7, -0.10, 0.20),
    "II": (0.15, -0.05, 1.0, -0.15, 0.30),
    "V1": (0.05, 0.00, 0.2, -0.90, -0.05),
    "V2": (0.06, 0.00, 0.4, -1.20, 0.40),
    "V3": (0.06, -0.02, 0.8, -0.80, 0.45),
    "V4": (0.07, -0.05, 1.4, -0.40, 0.40),
    "V5": (0.07, -0.08, 1.2, -0.20, 0.30),
    "V6": (0.06, -0.08, 0.9, -0.10, 0.22),
}
CENTRES_S = (-0.16, -0.03, 0.0, 0.03, 0.28)
WIDTHS_S = (0.025, 0.010, 0.012, 0.012, 0.050)


def clean(seconds: float = 10.0, noise_mv: float = 0.01) -> EcgRecord:
    """Twelve leads at 72/min from Gaussian waves, with a little white noise in the eight."""
    time = np.arange(round(seconds * FS)) / FS
    beats = np.arange(0.4, seconds, 60 / 72)
    shape = [
        sum(np.exp(-0.5 * ((time - beat - centre) / width) ** 2) for beat in beats)
        for centre, width in zip(CENTRES_S, WIDTHS_S, strict=True)
    ]
    eight = np.array([sum(h * s for h, s in zip(WAVES[lead], shape, strict=True)) for lead in LEADS_8])
    eight = eight + noise_mv * np.random.default_rng(0).standard_normal(eight.shape)
    return EcgRecord(to_12(eight), FS, LEADS_12)


def changed(lead: str, change) -> EcgRecord:
    record = clean()
    signal = record.signal_mv.copy()
    row = LEADS_12.index(lead)
    signal[row] = change(signal[row].copy())
    return replace(record, signal_mv=signal)


def everywhere(change) -> EcgRecord:
    record = clean()
    return replace(record, signal_mv=change(record.signal_mv.copy()))


TIME = np.arange(10 * FS) / FS


def test_a_clean_record_is_ok():
    report = quality_report(clean())
    assert report.verdict == "ok"
    assert not report.reasons
    assert not report.warnings
    assert report.limb_residual_mv < 1e-6
    assert bad_leads(clean()) == {}
    assert set(report.to_dict()["leads"]) == set(LEADS_12)


def _set(part: slice, value: float):
    def change(lead: np.ndarray) -> np.ndarray:
        lead[part] = value
        return lead

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_set(slice(None), np.nan), "missing"),
        (_set(slice(None), 0.0), "flat"),
        (_set(slice(None), 3.3), "flat"),
        (_set(slice(0, 3000), 0.1), "flat"),
        (lambda lead: 0.001 * lead, "flat"),
        (lambda lead: np.clip(lead, -0.4, 0.4), "saturated"),
        (lambda lead: np.clip(lead + 2 * np.sin(0.6 * TIME), None, 1.5), "saturated"),
        (lambda lead: lead + 20 * np.sin(7 * TIME), "out of range"),
        (_set(slice(0, 4000), np.inf), "missing"),
    ],
)
def test_an_unusable_lead_is_named_with_the_reason(change, reason):
    record = changed("V3", change)
    found = bad_leads(record)
    assert list(found) == ["V3"]
    assert reason in found["V3"]
    report = quality_report(record)
    assert not report.ok
    assert report.reasons[0].startswith("lead V3 ")
    assert reason in report.reasons[0]


def test_a_few_missing_samples_make_a_lead_bad_unless_allowed():
    record = changed("II", _set(slice(100, 200), np.nan))
    assert "2 % missing" in bad_leads(record)["II"]
    assert bad_leads(record, max_nan_share=0.05) == {}
    assert quality_report(record).ok
    assert "missing samples in II" in quality_report(record).warnings


def test_a_lead_with_holes_can_still_be_flat():
    """A paper layout shows 2.5 s of a lead; a flat one must be found there too."""
    record = changed("V2", lambda lead: np.where(TIME < 2.5, 0.0, np.nan))
    assert bad_leads(record, max_nan_share=0.8) == {"V2": "is flat"}
    good = changed("V2", lambda lead: np.where(TIME < 2.5, lead, np.nan))
    assert bad_leads(good, max_nan_share=0.8) == {}


@pytest.mark.parametrize("hz", [50, 60])
@pytest.mark.parametrize("amplitude", [0.1, 0.3])
def test_mains_amplitude_is_measured(hz, amplitude):
    report = quality_report(changed("V1", lambda lead: lead + amplitude * np.sin(2 * np.pi * hz * TIME)))
    lead = report.leads["V1"]
    measured, other = (lead.mains_50_mv, lead.mains_60_mv) if hz == 50 else (lead.mains_60_mv, lead.mains_50_mv)
    assert measured == pytest.approx(amplitude / np.sqrt(2), rel=0.05)  # RMS of a sine
    assert other < 0.01
    assert report.ok
    assert report.warnings == (f"{hz} Hz mains in V1",)


def test_drift_and_noise_are_measured_and_only_warned_of():
    drift = quality_report(changed("V4", lambda lead: lead + 1.5 * np.sin(2 * np.pi * 0.15 * TIME)))
    assert drift.leads["V4"].drift_mv == pytest.approx(3.0, rel=0.15)
    assert drift.warnings == ("baseline drift in V4",)
    noise = np.random.default_rng(1).standard_normal(TIME.size)
    noisy = quality_report(changed("V5", lambda lead: lead + 0.1 * noise))
    assert noisy.leads["V5"].noise_mv == pytest.approx(0.1, rel=0.1)
    assert noisy.warnings == ("noise in V5",)
    assert drift.ok
    assert noisy.ok


@pytest.mark.parametrize(("factor", "unit"), [(1e3, "uV"), (1e-3, "V")])
def test_a_mistaken_unit_is_recognised(factor, unit):
    report = quality_report(everywhere(lambda signal: factor * signal))
    assert report.unit_suspected == unit
    assert report.reasons == (f"values look like {unit}, not mV",)


@pytest.mark.parametrize(("first", "second"), [("aVL", "aVF"), ("II", "III"), ("aVR", "aVL"), ("I", "II")])
def test_exchanged_limb_leads_are_named(first, second):
    order = list(LEADS_12)
    a, b = order.index(first), order.index(second)

    def exchange(signal: np.ndarray) -> np.ndarray:
        signal[[a, b]] = signal[[b, a]]
        return signal

    report = quality_report(everywhere(exchange))
    assert report.exchanged_leads == (first, second)
    assert not report.ok


def test_a_broken_limb_law_that_no_exchange_explains():
    report = quality_report(changed("III", lambda lead: lead + 0.5 * np.sin(2 * np.pi * 3 * TIME)))
    assert report.exchanged_leads is None
    assert "Einthoven" in report.reasons[0]
    # RMS over the four identities, one of which is off by a sine of 0.5 mV.
    assert report.limb_residual_mv == pytest.approx(0.5 / np.sqrt(2) / 2, rel=0.01)


def reverse_arms(record: EcgRecord) -> EcgRecord:
    """Left and right arm electrodes exchanged: I' = RA - LA = -I, II' = LL - LA = III."""
    eight = record.to_8().signal_mv.copy()
    eight[1] -= eight[0]
    eight[0] *= -1
    return replace(record, signal_mv=to_12(eight))


def test_reversed_arms_are_suspected_and_mirror_hearts_are_not():
    assert not arms_reversed(clean())
    report = quality_report(reverse_arms(clean()))
    assert report.arms_reversed
    assert report.ok  # a suspicion, no proof
    assert "arm electrodes" in report.warnings[-1]
    mirrored = reverse_arms(clean())
    signal = mirrored.signal_mv.copy()
    signal[6:] = signal[[7, 6, 6, 6, 6, 6]] * 0.5  # dextrocardia: no R progression, V6 like V1
    assert not arms_reversed(replace(mirrored, signal_mv=signal))
    assert not arms_reversed(clean().select(["I", "II"]))


def test_exchanged_arms_of_recorded_ecgs(data_dir):
    source = open_source(data_dir("ptb-xl"))
    records = [source[int(row)] for row in source.split("val")[:120]]
    assert np.mean([arms_reversed(reverse_arms(record.to_12())) for record in records]) >= 0.9
    assert np.mean([arms_reversed(record) for record in records]) <= 0.01


@pytest.mark.parametrize("leads", [("I",), ("V1",), ("II", "V1", "V5"), ("I", "II")])
def test_few_leads_are_judged_too(leads):
    report = quality_report(clean().select(leads))
    assert report.ok
    assert report.limb_residual_mv is None


@pytest.mark.parametrize("samples", [0, 1, 2, 3, 10, 499])
def test_too_short_is_said(samples):
    record = clean()
    report = quality_report(replace(record, signal_mv=record.signal_mv[:, :samples]))
    assert any("at least 1 s" in reason for reason in report.reasons)


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.floats(width=32)),
    st.sampled_from([50.0, 300.0, 1000.0]),
)
def test_no_signal_makes_the_report_fail(signal, fs_hz):
    with np.errstate(all="ignore"):
        record = EcgRecord(signal, fs_hz, LEADS_12[: signal.shape[0]])
        assert quality_report(record).verdict in ("ok", "bad")
        bad_leads(record)


def test_ordinary_recordings_are_not_flagged(data_dir):

    source = open_source(data_dir("ptb-xl"))
    rows = source.split("train")[::20]
    reports = [quality_report(source[int(i)]) for i in rows]
    assert sum(not report.ok for report in reports) <= 1
    assert sum(report.arms_reversed for report in reports) <= 1
    reversed_arms = [arms_reversed(reverse_arms(source[int(i)])) for i in rows[:60]]
    assert np.mean(reversed_arms) > 0.5


def test_hand_held_strips_and_ludb_are_not_flagged(data_dir):

    strips = open_source(data_dir("alivecor"), fs_hz=None)
    assert sum(bool(bad_leads(strips[i])) for i in range(0, 300, 10)) == 0
    ludb = open_source(data_dir("ludb"))
    assert all(quality_report(ludb[i]).ok for i in range(0, 100, 10))


@pytest.mark.parametrize("offset_mv", [1.0, -2.0])
def test_a_baseline_that_other_electrodes_do_not_share_is_no_bad_lead(offset_mv):
    """Amplifiers without a high-pass: every channel has an offset and a drift of its own, which breaks no law."""
    record = clean()
    rng = np.random.default_rng(3)
    offsets = offset_mv * rng.uniform(-1, 1, (12, 1))
    offsets[2] = offset_mv
    slow = 0.3 * np.sin(2 * np.pi * 0.08 * TIME + rng.uniform(0, 6, (12, 1)))
    report = quality_report(replace(record, signal_mv=record.signal_mv + offsets + slow))
    assert report.ok, report.reasons
    assert report.acceptance > 0.9
    assert bad_leads(replace(record, signal_mv=record.signal_mv + offsets)) == {}


def test_a_lead_without_heart_is_off_and_named():
    rng = np.random.default_rng(0)
    off = 0.05 * rng.standard_normal(TIME.size) + 0.2 * np.sin(2 * np.pi * 50 * TIME)
    assert list(bad_leads(changed("V2", lambda lead: off))) == ["V2"]
    assert "is off" in bad_leads(changed("V2", lambda lead: off))["V2"]


def test_movement_is_named():
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.standard_normal(TIME.size)) / np.sqrt(FS)
    found = quality_report(changed("V4", lambda lead: lead + 2.5 * walk / walk.std()))
    lead = found.leads["V4"]
    assert "movement" in (lead.problem or lead.doubt)
    assert all(other.problem is None for name, other in found.leads.items() if name != "V4")


def test_a_strip_that_is_mostly_movement_is_flagged(data_dir):

    strips = open_source(data_dir("alivecor"), fs_hz=None)
    names = list(strips.table["record_id"])
    report = quality_report(strips[names.index("A00022")])
    assert report.warnings
    assert report.leads["I"].doubt
    quiet = [quality_report(strips[names.index(name)]) for name in ("A00001", "A00002", "A00003")]
    assert not any(one.leads["I"].doubt for one in quiet)


def test_a_line_at_rest_is_no_limit_of_an_amplifier():
    at = np.arange(10 * FS) / FS
    beats = np.maximum(np.sin(2 * np.pi * 2.4 * (at % 0.8)), 0) * ((at % 0.8) < 0.2)  # exactly 0 between them
    for sign in (1, -1):
        record = EcgRecord((sign * np.stack([beats, 0.5 * beats])).astype(np.float32), FS, ("I", "II"))
        assert not any("saturated" in reason for reason in bad_leads(record).values())
        clipped = np.minimum(np.abs(record.signal_mv[:1]), 0.3) + 0.01 * np.sin(2 * np.pi * 7 * at)[None]
        clipped = np.minimum(clipped, 0.25)  # and an amplifier that ends there is still found
        assert "saturated" in bad_leads(EcgRecord(clipped.astype(np.float32), FS, ("I",)))["I"]
