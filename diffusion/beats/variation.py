"""What differs from beat to beat, and what lies between the beats: measured on recordings, and drawn again.

Two things change a beat's picture without changing the beat: the heart turns and moves against the electrodes, mostly
with breathing, and everything else the electrodes see is added: drift, muscle, fibrillating atria, mains, the
recorder's own noise. The first is a mixing of leads, beat by beat (two thirds of the QRS variability of PTB-XL's
recordings); the second is noise with a power for each lead and band, leads that agree as they do in recordings, and an
amplitude that swells and falls.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, rfft, rfftfreq

from diffusion.beats.measure import ObservedBeats, level_before
from diffusion.beats.noise import BANDS, EDGES_HZ, ENVELOPE_HZ, ENVELOPE_S, LEAST
from diffusion.beats.shape import LEAD_IN, NUM_LEADS, QRS, add_p, add_qrst, cut, grid_s, ramp, stt_stretch

Array = npt.NDArray[np.float64]

_USUAL_S = 0.25
#: From here on complexes and the stretches between them have powers of their own.
GATED_HZ = 1.2
#: Ridge of the mixing, as a share of QRS energy per lead.
_RIDGE = 0.02
#: Logarithm of the power below .35 Hz over that of .7 to 1.2 Hz from which on a recorder keeps the baseline.
_DRIFTS = 0.5
#: What all leads share of a beat's mixing, as drawn for one as measured; on fold 9.
_ALIKE = 1.4
#: SD of the logarithm of how much beats differ.
_UNEVEN = 0.7


@dataclass(frozen=True, eq=False)
class Variation:
    """Of one recording.

    Attributes:
        mixing: (beat, 8, 8) added to the unit matrix; of the beats of the prevailing form that lie inside.
        size: root mean square of a beat's mixing, without what noise alone would seem to mix.
        power_mv2: (2, 8, BANDS) power of what is left between complexes, and what complexes have more.
        swelling: SD of the logarithm of its amplitude above 12 Hz, in windows of half a second.
    """

    mixing: Array
    size: float
    power_mv2: Array
    swelling: float


def measure_variation(
    signal_mv: npt.NDArray[np.floating], fs_hz: float, beats: ObservedBeats
) -> tuple[Variation, Array]:
    """Variation of a recording (8, time), and what is left of it without its beats."""
    shape = beats.shapes["own"]
    own = np.flatnonzero([form == "own" for form in beats.forms])
    times = beats.plan.times_s
    level = signal_mv - level_before(signal_mv, fs_hz, times + shape.on_s)
    corner = slice(LEAD_IN, LEAD_IN + QRS + 8)
    pieces, inside = cut(level, fs_hz, grid_s(shape.knots_s)[corner] + times[own, None])
    middle = shape.qrst[:, corner]
    energy = float((middle**2).sum())
    solve = np.linalg.inv(middle @ middle.T + (_RIDGE * energy / NUM_LEADS + 1e-9) * np.eye(NUM_LEADS))
    mixing = np.zeros((len(times), NUM_LEADS, NUM_LEADS))
    found = np.einsum("blt,mt->blm", pieces[inside] - middle, middle) @ solve
    length = np.linalg.norm(found, axis=(1, 2))
    usual = length < 4 * max(float(np.median(length)), 1e-6) if len(length) else np.zeros(0, dtype=bool)
    found, good = found[usual], own[inside][usual]
    mixing[good] = found - (found.mean(axis=0) if len(found) else 0)
    # Noise between the beats, treated as if it were a beat.
    between = times[own] - 0.33 * beats.plan.previous_rr_s()[own]
    still = signal_mv - modulated_strip(beats, np.zeros_like(mixing), signal_mv.shape[1], fs_hz)
    quiet, inside = cut(still, fs_hz, grid_s(shape.knots_s)[corner] + between[:, None])
    quiet = quiet[inside] - quiet[inside][:, :, : LEAD_IN // 2].mean(axis=2, keepdims=True)
    apparent = np.einsum("blt,mt->blm", quiet, middle) @ solve
    seen = float(np.median((mixing[good] ** 2).sum(axis=(1, 2)))) if len(good) else 0.0
    noise = float(np.median((apparent**2).sum(axis=(1, 2)))) if len(apparent) else 0.0
    size = float(np.sqrt(max(seen - noise, 0.1 * seen)))
    # What noise only seems to mix must not be put into the rest.
    samples = signal_mv.shape[1]
    believed = size**2 / seen if seen > 0 else 0.0
    rest = signal_mv - modulated_strip(beats, believed * mixing, samples, fs_hz)
    within = around(times, -shape.on_s, shape.off_s, samples, fs_hz)
    apart = apart_of(beats, samples, fs_hz)
    power = band_power(rest, fs_hz, within, apart)
    return Variation(mixing[good], size, power, swelling(rest, fs_hz, apart)), rest


def apart_of(beats: ObservedBeats, length: int, fs_hz: float) -> npt.NDArray[np.bool_]:
    """(length,) samples far from all complexes."""
    shape = beats.shapes["own"]
    return ~around(beats.plan.times_s, 0.03 - shape.on_s, 0.03 + shape.off_s, length, fs_hz)


def modulated_strip(beats: ObservedBeats, mixing: Array, length: int, fs_hz: float, start_s: float = 0.0) -> Array:
    """(8, length) mV: the beats, each with its own mixing (beat, 8, 8) of leads."""
    out = np.zeros((NUM_LEADS, length))
    plan = beats.plan
    rr = plan.previous_rr_s()
    for form, shape in beats.shapes.items():
        own = np.array([f == form for f in beats.forms], dtype=bool)
        if own.any():
            stretch = stt_stretch(rr, shape.rr_s)[own]
            add_qrst(out, shape, plan.times_s[own] - start_s, stretch, fs_hz, mixing[own])
    if beats.has_p and len(plan.p_times_s):
        add_p(out, beats.shapes["own"], plan.p_times_s - start_s, fs_hz)
    return out


def band_power(signal_mv: Array, fs_hz: float, inside: npt.NDArray[np.bool_], outside: npt.NDArray[np.bool_]) -> Array:
    """(2, 8, BANDS) mV^2: between complexes, and what complexes have more.

    Below `GATED_HZ` there is no telling them apart: all of it counts as between.

    Args:
        signal_mv: (8, time).
        fs_hz: its rate.
        inside, outside: (time,) samples of complexes, and far from them.
    """
    length = signal_mv.shape[1]
    centred = signal_mv - signal_mv.mean(axis=1, keepdims=True)
    taper = np.ones(length)
    edge = round(0.25 * fs_hz)
    taper[:edge], taper[-edge:] = ramp(edge), ramp(edge)[::-1]
    spectrum, frequency = rfft(centred * taper, axis=1), rfftfreq(length, 1 / fs_hz)
    bins = np.searchsorted(EDGES_HZ, frequency, side="right") - 1
    middle = taper > 0.99
    out = np.full((2, NUM_LEADS, BANDS), LEAST)
    for band in range(BANDS):
        part = irfft(np.where(bins == band, spectrum, 0), length, axis=1) ** 2
        if EDGES_HZ[band] < GATED_HZ or not (outside & middle).any() or not (inside & middle).any():
            out[0, :, band] += part[:, middle].mean(axis=1)
        else:
            out[0, :, band] += _usual(part, outside & middle, fs_hz)
            out[1, :, band] += np.maximum(part[:, inside & middle].mean(axis=1) - out[0, :, band], 0)
    return out


def _usual(square: Array, chosen: npt.NDArray[np.bool_], fs_hz: float) -> Array:
    """(8,) level of most stretches: a movement raises the mean of all, but few of them."""
    size = round(_USUAL_S * fs_hz)
    count = chosen[: len(chosen) // size * size].reshape(-1, size).sum(axis=1)
    total = np.where(chosen, square, 0)[:, : len(chosen) // size * size].reshape(NUM_LEADS, -1, size).sum(axis=2)
    enough = count > 0.3 * size
    if enough.sum() < 4:
        return square[:, chosen].mean(axis=1)
    level = total[:, enough] / count[enough]
    return np.exp(np.log(level + LEAST).mean(axis=1)) * np.exp(0.5 * np.minimum(np.log(level + LEAST).var(axis=1), 0.5))


def around(times_s: Array, before_s: float, after_s: float, length: int, fs_hz: float) -> npt.NDArray[np.bool_]:
    """(length,) samples from ``before_s`` before to ``after_s`` after any of some times."""
    out = np.zeros(length, dtype=bool)
    for time in times_s.tolist():
        out[max(0, int((time - before_s) * fs_hz)) : max(0, int((time + after_s) * fs_hz) + 1)] = True
    return out


def swelling(signal_mv: Array, fs_hz: float, chosen: npt.NDArray[np.bool_]) -> float:
    """SD of the logarithm of the amplitude above 12 Hz at chosen samples (time,), in short stretches."""
    length = signal_mv.shape[1]
    spectrum = rfft(signal_mv, axis=1)
    spectrum[:, rfftfreq(length, 1 / fs_hz) < ENVELOPE_HZ] = 0
    square = np.where(chosen, irfft(spectrum, length, axis=1) ** 2, 0)
    size = round(ENVELOPE_S * fs_hz)
    whole = length // size * size
    count = chosen[:whole].reshape(-1, size).sum(axis=1)
    total = square[:, :whole].reshape(NUM_LEADS, -1, size).sum(axis=2)
    enough = count > 0.3 * size
    if enough.sum() < 4:
        return 0.3
    level = 0.5 * np.log(total[:, enough] / count[enough] + LEAST)
    return float(level.std(axis=1).mean())


def mean_agreement(rests: "Sequence[npt.NDArray[np.floating]]", fs_hz: float) -> Array:
    """(BANDS, 8, 8) mean correlation of leads in each band over many rests (8, time)."""
    total = np.zeros((BANDS, NUM_LEADS, NUM_LEADS))
    for rest in rests:
        length = rest.shape[1]
        window = np.hanning(length + 2)[1:-1]
        spectrum = rfft((rest - rest.mean(axis=1, keepdims=True)) * window, axis=1)
        bins = np.searchsorted(EDGES_HZ, rfftfreq(length, 1 / fs_hz), side="right") - 1
        for band in range(BANDS):
            part = spectrum[:, bins == band]
            cross = (part @ part.conj().T).real
            scale = np.sqrt(np.maximum(np.diag(cross), 1e-12))
            total[band] += cross / scale / scale[:, None]
    return total / max(len(rests), 1)


def keeps_baseline(power_mv2: Array) -> bool:
    """Whether a recorder with powers (2, 8, BANDS) mV^2 lets drift through.

    Diagnostic recorders do, down to .05 Hz (Kligfield et al. 2007, doi:10.1161/CIRCULATIONAHA.106.180200); some take
    the baseline away, and then the slowest band holds less than those above it.
    """
    level = np.log(power_mv2[0].sum(axis=0)[:3])
    return bool(level[0] - level[2] > _DRIFTS)


def draw_mixing(
    rng: np.random.Generator, times_s: Array, scale: float, root: Array, breathing: float, rate_hz: float
) -> Array:
    """(beat, 8, 8) mixing of the beats of one recording.

    Args:
        rng: drawn from.
        times_s: (beat,) of the beats.
        scale: root mean square of a beat's mixing.
        root: (64, 64) square root of the covariance of mixing of unit size.
        breathing: share of the variance that goes with breathing.
        rate_hz: of breathing.
    """
    size = len(root)
    phase = rng.random(size) * 2 * np.pi
    wave = np.sqrt(2) * np.sin(2 * np.pi * rate_hz * times_s[:, None] + phase)
    often = rng.standard_normal(len(times_s))
    return mixing_of(rng.standard_normal((len(times_s), size)), often, wave, scale, root, breathing)


def mixing_of(normal: Array, often: Array, wave: Array, scale: float, root: Array, breathing: float) -> Array:
    """(beat, 8, 8) mixing of beats from standard normal draws.

    Args:
        normal: (beat, 64).
        often: (beat,) some beats differ much: a movement, a deep breath.
        wave: (beat, 64) of breathing, of unit variance.
        scale, root, breathing: see `draw_mixing`.
    """
    size = np.exp(_UNEVEN * often - _UNEVEN**2)[:, None]
    drawn = size * (np.sqrt(breathing) * wave + np.sqrt(1 - breathing) * normal)
    mixing = scale * (drawn @ root.T).reshape(len(normal), NUM_LEADS, NUM_LEADS)
    gain = np.trace(mixing, axis1=1, axis2=2)[:, None, None] / NUM_LEADS
    return np.asarray(mixing + (_ALIKE - 1) * gain * np.eye(NUM_LEADS))
