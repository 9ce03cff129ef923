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
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

from diffusion.beats.measure import ObservedBeats, level_before
from diffusion.beats.shape import LEAD_IN, NUM_LEADS, QRS, add_p, add_qrst, cut, grid_s, stt_stretch

Array = npt.NDArray[np.float64]

#: Edges of the bands, Hz.
EDGES_HZ = np.array(
    [0.0, 0.35, 0.7, 1.2, 2.0, 3.2, 5.0, 7.5, 11, 16, 23, 32, 42, 49, 51, 60, 75, 99, 101, 125, 150, 200, 250.1]
)
BANDS = len(EDGES_HZ) - 1
#: Ridge of the mixing, as a share of QRS energy per lead.
_RIDGE = 0.02
#: Lowest power of a band, mV^2: nothing is known below a hundredth of a microvolt.
_LEAST = 1e-10
_ENVELOPE_HZ, _ENVELOPE_S = 12.0, 0.5


@dataclass(frozen=True, eq=False)
class Variation:
    """Of one recording.

    Attributes:
        mixing: (beat, 8, 8) added to the unit matrix; of the beats of the prevailing form that lie inside.
        size: root mean square of a beat's mixing, without what noise alone would seem to mix.
        power_mv2: (8, BANDS) power of what is left, by lead and band.
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
    rest = signal_mv - modulated_strip(beats, mixing, signal_mv.shape[1], fs_hz)
    # Noise between the beats, treated as if it were a beat.
    between = times[own] - 0.33 * beats.plan.previous_rr_s()[own]
    quiet, inside = cut(rest, fs_hz, grid_s(shape.knots_s)[corner] + between[:, None])
    quiet = quiet[inside] - quiet[inside][:, :, : LEAD_IN // 2].mean(axis=2, keepdims=True)
    apparent = np.einsum("blt,mt->blm", quiet, middle) @ solve
    seen = float(np.median((mixing[good] ** 2).sum(axis=(1, 2)))) if len(good) else 0.0
    noise = float(np.median((apparent**2).sum(axis=(1, 2)))) if len(apparent) else 0.0
    size = float(np.sqrt(max(seen - noise, 0.1 * seen)))
    return Variation(mixing[good], size, band_power(rest, fs_hz), swelling(rest, fs_hz)), rest


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


def band_power(signal_mv: Array, fs_hz: float) -> Array:
    """(8, BANDS) mV^2, of a signal that is tapered at its ends for what is above 2 Hz."""
    length = signal_mv.shape[1]
    centred = signal_mv - signal_mv.mean(axis=1, keepdims=True)
    window = np.hanning(length + 2)[1:-1]
    spectrum = np.abs(rfft(centred * window, axis=1)) ** 2 * (2 / (length * (window**2).sum()))
    bins = np.searchsorted(EDGES_HZ, rfftfreq(length, 1 / fs_hz), side="right") - 1
    return np.stack([spectrum[:, bins == b].sum(axis=1) for b in range(BANDS)], axis=1) + _LEAST


def swelling(signal_mv: Array, fs_hz: float) -> float:
    """SD of the logarithm of the amplitude above 12 Hz."""
    length = signal_mv.shape[1]
    spectrum = rfft(signal_mv, axis=1)
    spectrum[:, rfftfreq(length, 1 / fs_hz) < _ENVELOPE_HZ] = 0
    fast = irfft(spectrum, length, axis=1)
    size = round(_ENVELOPE_S * fs_hz)
    parts = fast[:, : length // size * size].reshape(NUM_LEADS, -1, size)
    level = np.log(np.sqrt((parts**2).mean(axis=2)) + 1e-5)
    return float((level - level.mean(axis=1, keepdims=True)).mean(axis=0).std())


def agreement(rests: "Sequence[npt.NDArray[np.floating]]", fs_hz: float) -> Array:
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


def draw_rest(
    rng: np.random.Generator, power_mv2: Array, correlation: Array, swell: float, length: int, fs_hz: float
) -> Array:
    """(8, length) mV of noise with given power by lead and band.

    Args:
        rng: drawn from.
        power_mv2: (8, BANDS).
        correlation: (BANDS, 8, 8) of the leads.
        swell: see `Variation`.
        length: samples.
        fs_hz: rate.
    """
    whole = next_fast_len(length + round(4 * fs_hz), real=True)  # its ends would meet: a part is used
    frequency = rfftfreq(whole, 1 / fs_hz)
    bins = np.searchsorted(EDGES_HZ, frequency, side="right") - 1
    spectrum = np.zeros((NUM_LEADS, len(frequency)), dtype=complex)
    for band in range(BANDS):
        own = np.flatnonzero((bins == band) & (frequency > 0))
        if not len(own):
            continue
        root = np.linalg.cholesky(0.97 * correlation[band] + 0.03 * np.eye(NUM_LEADS))
        noise = root @ (rng.standard_normal((NUM_LEADS, len(own))) + 1j * rng.standard_normal((NUM_LEADS, len(own))))
        if EDGES_HZ[band + 1] - EDGES_HZ[band] == 2 and band > 0:  # mains are a line
            noise *= np.exp(-0.5 * ((frequency[own] - EDGES_HZ[band] - 1) / 0.08) ** 2)
        noise *= np.sqrt(len(own) / np.maximum((np.abs(noise) ** 2).sum(axis=1, keepdims=True), 1e-12))
        spectrum[:, own] = noise * np.sqrt(power_mv2[:, band, None] / (2 * len(own))) * whole
    slow = spectrum.copy()
    slow[:, frequency >= _ENVELOPE_HZ] = 0
    signal = irfft(slow, whole, axis=1)
    fast = irfft(spectrum - slow, whole, axis=1)
    knots = np.exp(swell * rng.standard_normal(int(whole / fs_hz / _ENVELOPE_S) + 3) - 0.5 * swell**2)
    envelope = np.interp(np.arange(whole) / fs_hz / _ENVELOPE_S, np.arange(len(knots)), knots)
    return (signal + fast * envelope)[:, :length]


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
    drawn = np.sqrt(breathing) * wave + np.sqrt(1 - breathing) * rng.standard_normal((len(times_s), size))
    return scale * (drawn @ root.T).reshape(len(times_s), NUM_LEADS, NUM_LEADS)
