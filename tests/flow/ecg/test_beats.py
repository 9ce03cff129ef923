"""R peaks against the simulated truth, the choice of beats, and cycles that start at the R peak."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flow.ecg.beats import Beats, find_beats, find_r_peaks, phase_labels
from flow.ecg.preparation import prepare
from gen.records import EcgRecord, InputError
from gen.simulate import simulate

FS = 200.0


def _drawn(statements: list[str], count: int = 3, **options: object) -> tuple[np.ndarray, list]:
    batch = simulate(range(count), seed=4, fs_hz=FS, noise="light", conditions={"statements": statements}, **options)
    return batch.signal_mv, batch.truth


def _inside(truth: object, peaks_s: np.ndarray) -> tuple[int, int]:
    """QRS complexes that hold a peak, and all that lie well inside."""
    spans = [b.qrs for b in truth.beats if np.isfinite(b.qrs[0]) and 0.2 < b.qrs[0] < 9.6]
    return sum(bool(((peaks_s > a - 0.03) & (peaks_s < c + 0.03)).any()) for a, _, c in spans), len(spans)


@pytest.mark.parametrize("statements", [["NORM"], ["AFIB"], ["CLBBB"], ["PACE"], ["LVH"]])
def test_peaks_lie_in_the_qrs_complexes(statements: list[str]) -> None:
    signals, truths = _drawn(statements)
    for signal, truth in zip(signals, truths, strict=True):
        peaks_s = find_r_peaks(signal, FS) / FS
        hit, count = _inside(truth, peaks_s)
        assert hit == count
        assert len(peaks_s) <= count + 3


def test_r_peaks_are_within_ten_degrees_of_the_truth() -> None:
    signals, truths = _drawn(["NORM"], 12)
    errors = []
    for signal, truth in zip(signals, truths, strict=True):
        beats = find_beats(signal, FS)
        wanted = np.array([b.qrs[1] for b in truth.beats])
        errors += [360 * np.abs(wanted - start).min() / beats.rr_s for start in beats.cycles[:, 0]]
    assert np.median(errors) < 5
    assert np.quantile(errors, 0.95) < 12


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 700), st.integers(1, 8), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_wild_input_gives_beats_or_an_input_error(time: int, leads: int, seed: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    signal = rng.normal(0, 10.0 ** rng.uniform(-3, 2), (leads, time))
    signal[rng.random(signal.shape) < missing] = np.nan
    try:
        beats = find_beats(signal, FS)
    except InputError:
        return
    assert (np.diff(beats.peaks_s) > 0).all()
    assert np.isfinite(beats.average(signal, FS)).all()


def test_polarity_and_scale_do_not_matter() -> None:
    signal = _drawn(["NORM"], 1)[0][0]
    assert np.array_equal(find_r_peaks(signal, FS), find_r_peaks(-signal, FS))
    assert np.array_equal(find_r_peaks(signal, FS), find_r_peaks(2.0 * signal, FS))


def test_one_noisy_lead_does_not_rule() -> None:
    signal = _drawn(["NORM"], 1)[0][0]
    loud = signal.copy()
    loud[3] += np.random.default_rng(0).normal(0, 2.0, loud.shape[1])
    found, wanted = find_r_peaks(loud, FS) / FS, find_r_peaks(signal, FS) / FS
    assert len(found) == len(wanted)
    assert np.abs(found - wanted).max() < 0.06


def test_premature_beats_are_left_out_and_named() -> None:
    signals, truths = _drawn(["PVC"], 6)
    described = 0
    for signal, truth in zip(signals, truths, strict=True):
        beats = find_beats(signal, FS)
        wide = np.array([b.qrs[0] for b in truth.beats if b.kind == "PVC"])
        starts = beats.cycles[:, 0]
        assert all(np.abs(starts - w - 0.05).min() > 0.08 for w in wide)
        described += "of another shape" in beats.description
    assert described >= 2


def test_fibrillation_is_named_irregular_and_uses_near_median_cycles() -> None:
    for signal in _drawn(["AFIB"])[0]:
        beats = find_beats(signal, FS)
        rr = np.diff(beats.cycles, axis=1)[:, 0]
        assert "irregular" in beats.description
        assert len(rr) >= 3
        assert rr.max() / rr.min() < 2.1


def test_wide_qrs_is_named() -> None:
    assert all("wide QRS" in find_beats(signal, FS).description for signal in _drawn(["CLBBB"])[0])


def test_noise_is_refused_with_the_reason() -> None:
    for seed in range(5):
        noise = np.random.default_rng(seed).normal(0, 0.2, (8, 2000))
        with pytest.raises(InputError, match=r"noise|heartbeats|no R peaks"):
            find_beats(noise, FS)


def test_flat_and_short_records_are_refused() -> None:
    with pytest.raises(InputError, match="no R peaks"):
        find_beats(np.zeros((8, 2000)), FS)
    signal = _drawn(["NORM"], 1)[0][0]
    with pytest.raises(InputError, match=r"at least (3|three)"):
        find_beats(signal[:, :250], FS, name="strip")


def test_phase_is_zero_at_the_peaks_and_valid_between_them_only() -> None:
    peaks, times = np.array([1.0, 2.0, 2.8]), np.arange(0, 4, 0.01)
    phase, valid = phase_labels(peaks, times)
    assert not valid[times < 0.999].any()
    assert not valid[times > 2.801].any()
    assert phase[np.searchsorted(times, 1.0)] == pytest.approx(0.0, abs=1e-6)
    assert phase[np.searchsorted(times, 1.5)] == pytest.approx(np.pi, abs=1e-6)
    assert phase[np.searchsorted(times, 2.4 - 1e-9)] == pytest.approx(np.pi, abs=1e-6)
    assert not phase_labels(np.array([1.0]), times)[1].any()


def test_a_gap_is_no_heart_cycle() -> None:
    _, valid = phase_labels(np.array([1.0, 5.0, 6.0]), np.arange(0, 7, 0.1))
    assert not valid[(np.arange(0, 7, 0.1) > 1.0) & (np.arange(0, 7, 0.1) < 4.9)].any()


def test_cycle_starts_at_the_r_peak() -> None:
    """Perfect phase features: the extracted cycle runs from 0 to 2 pi, not from mid-RR to mid-RR."""
    times = (np.arange(200) + 0.5) * 0.05
    peaks = 0.37 + 0.83 * np.arange(11)
    cycles = np.stack([peaks[:-1], peaks[1:]], axis=1)
    beats = Beats(peaks, np.ones(11, bool), cycles, 0.83, 0.09, "")
    weights = beats.cycle_weights(times, 50)
    phase, _ = phase_labels(np.concatenate([[peaks[0] - 0.83], peaks, [peaks[-1] + 0.83]]), times)
    found = np.arctan2(weights @ np.sin(phase), weights @ np.cos(phase)) % (2 * np.pi)
    wanted = 2 * np.pi * np.arange(50) / 50
    gap = np.abs((found - wanted + np.pi) % (2 * np.pi) - np.pi)
    assert gap[0] < 0.1
    assert gap.max() < 0.1
    assert weights.sum(axis=1) == pytest.approx(1.0)


def test_average_beat_lowers_noise_and_keeps_the_wave() -> None:
    batch = simulate([0], seed=4, fs_hz=FS, conditions={"statements": ["NORM"]})
    clean = batch.signal_mv[0]
    noisy = clean + np.random.default_rng(1).normal(0, 0.05, clean.shape).astype(np.float32)
    beat = find_beats(noisy, FS).average(noisy, FS)
    wanted = find_beats(clean, FS).average(clean, FS)
    assert beat.shape == (8, 160)
    assert np.sqrt(((beat - wanted) ** 2).mean()) < 0.04


def _with_a_hole(how: str) -> tuple[EcgRecord, EcgRecord]:
    """A regular rhythm of ten seconds, whole, and with one long hole as a recorder may write it."""
    strip = simulate([0], seed=3, noise="none", fs_hz=250, duration_s=10).records()[0]
    signal = strip.signal_mv.copy()
    signal[:, 900:1700] = {"nan": np.nan, "held": signal[:, 900:901], "zero": 0.0}[how]
    return strip, replace(strip, signal_mv=signal)


@pytest.mark.parametrize("how", ["nan", "held", "zero"])
def test_an_interval_across_missing_signal_is_no_heart_cycle(how: str, make_encoder: Callable) -> None:
    strip, hole = _with_a_hole(how)
    encoder = make_encoder()
    whole, found = (prepare(one, encoder).beats for one in (strip, hole))
    assert found.rr_s == pytest.approx(whole.rr_s, rel=0.03)
    assert not ((found.peaks_s > 3.61) & (found.peaks_s < 6.79)).any()
    assert not ((found.cycles[:, 0] < 3.7) & (found.cycles[:, 1] > 6.7)).any()
    assert "irregular" not in found.description


def test_beats_that_were_rebuilt_where_nothing_was_recorded_do_not_count(make_encoder: Callable) -> None:
    strip, hole = _with_a_hole("nan")
    lone = hole.select(["II"])

    def rebuild(record: EcgRecord) -> EcgRecord:
        return replace(strip, signal_mv=strip.signal_mv)  # as if the model knew them

    found = prepare(lone, make_encoder(), rebuild=rebuild).beats
    assert not ((found.peaks_s > 3.61) & (found.peaks_s < 6.79)).any()


def test_the_part_with_least_missing_is_read(make_encoder: Callable) -> None:
    strip = simulate([0], seed=3, noise="none", fs_hz=250, duration_s=10).records()[0]
    signal = np.tile(strip.signal_mv, (1, 30))  # five minutes
    signal[:, 120 * 250 : 170 * 250] = np.nan
    found = prepare(replace(strip, signal_mv=signal), make_encoder())
    assert found.ecg.duration_s == pytest.approx(70)
    assert np.isfinite(found.signal_mv).all()
    (text,) = [text for text in found.warnings if text.startswith("only")]
    assert text == "only 10 s from 170.0 s on are used"
    assert found.read_from_s == pytest.approx(30)
    peaks_s = find_r_peaks(strip.signal_mv, 250) / 250
    with pytest.raises(InputError, match="nothing was recorded between any two heartbeats"):
        find_beats(strip.signal_mv, 250, gaps=[(at + 0.3, at + 0.5) for at in peaks_s])
