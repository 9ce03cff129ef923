"""One lead at a time: whether there is a usable signal, and how clean it is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import uniform_filter1d

from gen.quality.acceptance import Acceptance
from gen.quality.features import LEAD_FEATURES
from gen.records import EcgRecord
from gen.signals import fill_gaps

#: Below this peak-to-peak value nothing of a heart is left: the smallest QRS of a low-voltage ECG is above 50 uV.
FLAT_RANGE_MV = 0.02
#: A constant value for this long is no physiology: noise alone moves the last bit of any converter within 100 ms.
FLAT_RUN_S = 0.5
#: A lead is flat when such runs make up half of it; less is a contact that came and went, and is a warning.
FLAT_SHARE = 0.5
#: Clipped: plateaus of at least 16 ms exactly at one extreme value. A QRS peak stays within one 5 uV step for 4-8 ms.
PLATEAU_S = 0.016
#: ... three of them, or one this long. Constant stretches at either end are what filters leave there, and do not count.
PLATEAU_COUNT = 3
PLATEAU_LONG_S = 0.25
#: ... in a lead whose range the steps of a coarse converter (5 uV) do not fill.
PLATEAU_RANGE_MV = 0.2
#: Robust range (0.5 to 99.5 percentile) beyond which a lead is no surface ECG: in PTB-XL's training folds 3 of 27,960
#: leads exceed it, all of one record with a loose electrode.
LARGEST_RANGE_MV = 20.0
#: The median range over the leads is 0.3-5 mV in adults; a factor 1000 either way is a mistaken unit.
UNIT_MICROVOLT_MV = 100.0
UNIT_VOLT_MV = (0.0002, 0.01)
#: Log odds from which a lead is unusable, and from which it is doubtful.
UNUSABLE, DOUBTFUL = 0.0, -2.0
#: Beats that resemble their median beat less than this in the lead's median stretch are doubtful too.
LEAST_ALIKE = 0.45
#: A lead shows beats where it shows this share of the other leads' too, or where they resemble each other so much.
BEATS_SHARED, SURELY_ALIKE = 0.7, 0.8
#: Signs of movement: a baseline that steps (mV) or wanders (mV) by more; half seconds of over 3 mV; and stretches that
#: move so many times more than the usual one.
STEP_MV, DRIFT_MV, WILD_SHARE, UNSTEADY = 1.0, 2.0, 0.05, 2.5
#: Mains and noise drown the beats from these shares of their height.
MAINS_SHARE, NOISE_SHARE = 0.1, 0.05
#: Mains (RMS) of more than this share of the beats' height make a lead unusable, whatever else it is.
MAINS_DROWNS = 0.5


@dataclass(frozen=True)
class LeadQuality:
    """One lead; shares are of its samples, amplitudes in mV."""

    nan_share: float
    flat_share: float  #: in constant runs of at least `FLAT_RUN_S`
    longest_flat_s: float
    saturated_share: float  #: in plateaus at the highest or lowest value
    range_mv: float  #: between the 0.5 and 99.5 percentile
    mains_50_mv: float  #: RMS at 50 Hz above the spectrum around it
    mains_60_mv: float
    drift_mv: float  #: peak to peak below 0.5 Hz
    noise_mv: float  #: standard deviation of broadband noise; strong mains add to it
    problem: str | None  #: why the lead is unusable
    score: float = float("nan")  #: log odds that readers would not accept it; NaN where not judged
    doubt: str | None = None  #: why it should be read with care


def lead_qualities(record: EcgRecord, max_nan_share: float) -> dict[str, LeadQuality]:
    """Measure every lead of a record; infinite samples count as missing.

    A lead with more than ``max_nan_share`` missing samples has a problem, whatever the rest of it looks like.
    """
    signal = np.where(np.isfinite(record.signal_mv), record.signal_mv, np.nan).astype(np.float64)
    if signal.shape[1] < 2:
        return {name: LeadQuality(0, 0, 0, 0, 0, 0, 0, 0, 0, "holds no signal") for name in record.leads}
    fs_hz = record.fs_hz
    nan_share = np.mean(np.isnan(signal), axis=1)
    filled = fill_gaps(signal)
    low, high = np.percentile(filled[:, :: max(1, filled.shape[1] // 4000)], [0.5, 99.5], axis=1)
    mains_50, mains_60, drift = _spectral(filled, fs_hz)
    noise = _noise(filled)
    out = {}
    for i, name in enumerate(record.leads):
        runs = _constant_runs(signal[i])
        flat_share = runs[1][runs[1] >= FLAT_RUN_S * fs_hz].sum() / signal.shape[1]
        saturated = _saturated_samples(signal[i], runs, fs_hz)
        span, peak_mv = float(high[i] - low[i]), float(np.ptp(filled[i]))
        missing = f"has {100 * nan_share[i]:.3g} % missing samples (NaN)" if nan_share[i] > max_nan_share else None
        out[name] = LeadQuality(
            nan_share=float(nan_share[i]),
            flat_share=float(flat_share),
            longest_flat_s=float(runs[1].max(initial=0) / fs_hz),
            saturated_share=saturated / signal.shape[1],
            range_mv=span,
            mains_50_mv=float(mains_50[i]),
            mains_60_mv=float(mains_60[i]),
            drift_mv=float(drift[i]),
            noise_mv=float(noise[i]),
            problem=missing or _problem(flat_share / max(1 - nan_share[i], 1e-9), span, saturated / fs_hz, peak_mv),
        )
    return out


def with_verdicts(leads: Mapping[str, LeadQuality], judged: Acceptance) -> dict[str, LeadQuality]:
    """The same leads, in the order they were ``judged`` in, with what is wrong by that."""
    return {name: _with(lead, *judged.lead(row)) for row, (name, lead) in enumerate(leads.items())}


def _with(lead: LeadQuality, score: float, features: np.ndarray) -> LeadQuality:
    """The same with the verdict of `gen.quality.acceptance`."""
    found = dict(zip(LEAD_FEATURES, features.tolist(), strict=True))
    unlike = found["alike"] < LEAST_ALIKE
    mains = found["log_mains_share"] > np.log(MAINS_DROWNS)
    if lead.problem is not None or not (score > DOUBTFUL or unlike or mains):
        return replace(lead, score=score)
    if score > UNUSABLE or mains:
        return replace(lead, score=score, problem=fault(found))
    return replace(lead, score=score, doubt=fault(found))


def fault(features: Mapping[str, float]) -> str:
    """What is wrong with a lead that is not acceptable, in words, from its features."""
    step, drift, unsteady, mains, noise = (
        float(np.exp(features[f"log_{name}"])) for name in ("step", "drift", "unsteady", "mains_share", "noise_share")
    )
    beats = features["alike"] >= SURELY_ALIKE or features["agrees"] >= BEATS_SHARED
    if features["still"] >= FLAT_SHARE:
        return "is flat most of the time"
    if mains > MAINS_SHARE and mains > 0.5 * noise:  # a sine has 1.5 times as much noise by the median as its RMS
        return "drowns in mains interference" if beats else "is off: mains and no beats"
    if features["wild"] > WILD_SHARE or step > STEP_MV or drift > DRIFT_MV or unsteady > UNSTEADY:
        return "is mostly movement"
    if not beats:
        return "is off: it shows no beats"
    return "drowns in noise" if noise > NOISE_SHARE else "shows beats that do not resemble each other"


def _problem(flat_share: float, range_mv: float, saturated_s: float, peak_mv: float) -> str | None:
    if peak_mv == 0 or flat_share >= FLAT_SHARE:
        return "is flat"
    if peak_mv < FLAT_RANGE_MV:
        return f"is flat (range {1e3 * peak_mv:.3g} uV)"
    if saturated_s > 0 and peak_mv >= PLATEAU_RANGE_MV:
        return f"is saturated (clipped for {1e3 * saturated_s:.0f} ms)"
    if range_mv > LARGEST_RANGE_MV:
        return f"is out of range ({range_mv:.3g} mV)"
    return None


def without_amplitude_problems(leads: dict[str, LeadQuality]) -> dict[str, LeadQuality]:
    """With a mistaken unit amplitudes say nothing about single leads; constant and missing ones stay unusable."""

    def keeps(lead: LeadQuality) -> bool:
        return lead.nan_share >= 0.5 or lead.flat_share >= FLAT_SHARE or lead.range_mv == 0

    return {name: lead if keeps(lead) else replace(lead, problem=None) for name, lead in leads.items()}


def _constant_runs(lead: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Starts and lengths (samples) of stretches without any change; NaN end a stretch."""
    change = np.flatnonzero(~(np.abs(np.diff(lead)) <= 1e-6))
    edges = np.concatenate([[-1], change, [lead.size - 1]])
    starts, lengths = edges[:-1] + 1, np.diff(edges)
    recorded = ~np.isnan(lead[starts])
    return starts[recorded], lengths[recorded]


def _saturated_samples(lead: np.ndarray, runs: tuple[np.ndarray, np.ndarray], fs_hz: float) -> int:
    """Samples in plateaus exactly at the lead's highest or lowest value, if they make a clipped signal; else 0.

    The value at which the lead rests, its median, is no limit of an amplifier.
    """
    starts, lengths = runs
    long = (lengths >= max(3, PLATEAU_S * fs_hz)) & (starts > 0) & (starts + lengths < lead.size)
    if not long.any():
        return 0
    value, length = lead[starts[long]], lengths[long]
    found, rest = 0, np.nanmedian(lead)
    for extreme in (value >= np.nanmax(lead) - 1e-6, value <= np.nanmin(lead) + 1e-6):
        samples = int(length[extreme].sum())
        if (np.abs(value[extreme] - rest) <= 1e-6).any():
            continue  # where the lead rests: a noise-free one whose waves all go one way
        if extreme.sum() >= PLATEAU_COUNT or samples >= PLATEAU_LONG_S * fs_hz:
            found += samples
    return found


def _spectral(signal: np.ndarray, fs_hz: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """RMS at 50 and 60 Hz and peak-to-peak drift below 0.5 Hz, each (lead,) mV; one FFT serves all three."""
    time = signal.shape[1]
    window = np.hanning(time)
    centred = signal - signal.mean(axis=1, keepdims=True)
    density = np.abs(np.fft.rfft(centred * window, axis=1)) ** 2 * 2 / (fs_hz * max(np.sum(window**2), 1e-12))
    frequency = np.fft.rfftfreq(time, 1 / fs_hz)

    def line(at_hz: float) -> np.ndarray:
        width = max(0.5, 2 * fs_hz / time)
        distance = np.abs(frequency - at_hz)
        inside, around = distance <= width, (distance > 2 * width) & (distance < 2 * width + 4)
        if at_hz + width >= fs_hz / 2 or not around.any():
            return np.zeros(signal.shape[0])
        floor = np.median(density[:, around], axis=1, keepdims=True)
        return np.sqrt(np.maximum(density[:, inside] - floor, 0).sum(axis=1) * fs_hz / time)

    # Means over 0.5 s take the beats out well enough to see a trace wander off.
    step = max(1, round(0.5 * fs_hz))
    slow = uniform_filter1d(centred, min(time, 2 * step), axis=1, mode="nearest")[:, ::step]
    return line(50.0), line(60.0), np.ptp(slow, axis=1)


def _noise(signal: np.ndarray) -> np.ndarray:
    """(lead,) standard deviation of white noise in mV, from the median of the second difference.

    For white noise x[n-1] - 2 x[n] + x[n+1] has 6 times the variance; the waves of an ECG are smooth enough to vanish
    in it except for the QRS, which the median leaves out (Donoho's robust estimate of scale, MAD / 0.6745).
    """
    second = np.abs(np.diff(signal, 2, axis=1))
    if not second.size:
        return np.zeros(signal.shape[0])
    return np.median(second[:, : 2 * (second.shape[1] // 2) or None], axis=1) / (0.6745 * np.sqrt(6))
