"""Noise of recordings: drawn with given power by lead and band, and the fine structure of a complex.

Leads agree as they do in recordings, bands have no steps between them, the mains is a line, and what is above
`ENVELOPE_HZ` swells and falls. Noise is shaped in float32: its error is a millionth of the noise.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

from diffusion.beats.shape import NUM_LEADS, QRS

Array = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Spectrum = npt.NDArray[np.complex64]

#: Edges of the bands, Hz.
EDGES_HZ = np.array(
    [
        0.0,
        0.35,
        0.7,
        1.2,
        2.0,
        3.2,
        5.0,
        7.5,
        11,
        16,
        23,
        32,
        42,
        49,
        51,
        60,
        75,
        99,
        101,
        125,
        150,
        175,
        200,
        220,
        235,
        250.1,
    ]
)
BANDS = len(EDGES_HZ) - 1
#: Bands of the mains and its harmonic.
_LINES = tuple(np.flatnonzero(np.diff(EDGES_HZ) == 2).tolist())
_WIDTHS = np.diff(EDGES_HZ)
#: Bands that are not the mains', and the logarithms of their middles.
_BROAD = np.flatnonzero(_WIDTHS != 2)
_MIDDLE = np.log(0.5 * (EDGES_HZ[:-1] + EDGES_HZ[1:])[_BROAD])
#: Share of each lead's noise that is its own alone.
OWN = 0.03
#: Lowest power of a band, mV^2: nothing is known below a hundredth of a microvolt.
LEAST = 1e-10
#: What is above this swells and falls, at knots of so many seconds.
ENVELOPE_HZ, ENVELOPE_S = 12.0, 0.2
#: What is slower swells in seconds: movements come and go.
_SLOW_SWELL, _SLOW_S = 0.6, 1.2
#: Ten seconds show nothing slower, and its mean is not counted.
_SLOWEST_HZ = 0.09
#: A recording without mains has up to this much in the mains' band of what the neighbours would make of it.
_NO_LINE = 2.0


def draw_rest(
    rng: np.random.Generator,
    power_mv2: Array,
    correlation: Array,
    swell: float,
    gate: Array,
    length: int,
    fs_hz: float,
) -> Array:
    """(8, length) mV of noise with given power by lead and band.

    Args:
        rng: drawn from.
        power_mv2: (2, 8, BANDS) everywhere, and in complexes besides.
        correlation: (2, BANDS, 8, 8) of the leads, in the same order.
        swell: see `diffusion.beats.variation.Variation`.
        gate: (length,) 0 to 1, complexes.
        length: samples.
        fs_hz: rate.
    """
    whole = next_fast_len(length + round(4 * fs_hz), real=True)  # its ends would meet: a part is used
    grid, roots = _noise_grid(whole, fs_hz), lead_roots(correlation)
    everywhere = _noise_spectrum(rng, power_mv2[0], roots[0], grid)
    envelope = _envelope(rng, swell, ENVELOPE_S, whole, fs_hz)
    slow_envelope = _envelope(rng, _SLOW_SWELL, _SLOW_S, whole, fs_hz)
    slow, fast, more = (
        irfft(spectrum, whole, axis=1, overwrite_x=True)[:, :length]
        for spectrum in (*grid.apart(everywhere), _noise_spectrum(rng, power_mv2[1], roots[1], grid))
    )
    fast *= envelope[:length].astype(np.float32)
    slow *= slow_envelope[:length].astype(np.float32)
    more *= gate.astype(np.float32)
    fast += slow
    fast += more
    return fast.astype(np.float64)


def _envelope(rng: np.random.Generator, swell: float, step_s: float, length: int, fs_hz: float) -> Array:
    """(length,) lognormal factor of mean square one."""
    knots = np.exp(swell * rng.standard_normal(int(length / fs_hz / step_s) + 3) - swell**2)
    return np.interp(np.arange(length) / fs_hz / step_s, np.arange(len(knots)), knots)


def lead_roots(correlation: Array) -> Array:
    """(..., BANDS, 8, 8) roots of how leads agree in each band, with a little that is each lead's own."""
    return np.asarray(np.linalg.cholesky((1 - OWN) * correlation + OWN * np.eye(NUM_LEADS)))


@dataclass(frozen=True, eq=False)
class _NoiseGrid:
    """Frequencies of noise of one length and rate, from `_SLOWEST_HZ` on, band by band.

    Attributes:
        whole: samples.
        width: frequencies of the whole spectrum.
        first: the lowest that is drawn; those below are zero.
        fast: the first from `ENVELOPE_HZ` on.
        bands: (band, first, last) of each that has frequencies, counted from ``first``.
        starts: ``first`` of ``bands``.
        counts: of their frequencies.
        frequency: (count,) Hz of those that are drawn.
        step_hz: between frequencies.
        mixture: (broad bands, count) weights of the bands' logarithms in the density.
        beyond: (count,) logarithm above the last band's middle.
    """

    whole: int
    width: int
    first: int
    fast: int
    bands: tuple[tuple[int, int, int], ...]
    starts: npt.NDArray[np.intp]
    counts: npt.NDArray[np.intp]
    frequency: Array
    step_hz: float
    mixture: Floats
    beyond: Floats

    def apart(self, spectrum: Spectrum) -> tuple[Spectrum, Spectrum]:
        """A spectrum below and from `ENVELOPE_HZ` on; the second takes the place of the first."""
        slow: Spectrum = np.zeros_like(spectrum)
        slow[:, : self.fast] = spectrum[:, : self.fast]
        spectrum[:, : self.fast] = 0
        return slow, spectrum

    def amplitude(self, power_mv2: Array) -> Floats:
        """(8, count) root of the density of `_smooth`."""
        level = np.log(power_mv2[:, _BROAD] / _WIDTHS[_BROAD])
        half = (0.5 * level).astype(np.float32) @ self.mixture
        above = int(np.searchsorted(self.beyond, 0.0, side="right"))
        slope = 0.5 * np.minimum(_last_slope(level), 0)
        half[:, above:] += slope.astype(np.float32)[:, None] * self.beyond[above:]
        return np.asarray(np.exp(half, out=half))


@lru_cache(maxsize=8)
def _noise_grid(whole: int, fs_hz: float) -> _NoiseGrid:
    frequency = rfftfreq(whole, 1 / fs_hz)
    bins = np.searchsorted(EDGES_HZ, frequency, side="right") - 1
    drawn = np.flatnonzero((bins < BANDS) & (frequency > _SLOWEST_HZ))
    first, own = int(drawn[0]), bins[drawn]
    bands = tuple(
        (band, *np.searchsorted(own, [band, band + 1]).tolist()) for band in range(BANDS) if (own == band).any()
    )
    at = np.log(np.maximum(frequency[drawn], 1e-3))
    mixture = np.stack([np.interp(at, _MIDDLE, unit) for unit in np.eye(len(_MIDDLE))])
    return _NoiseGrid(
        whole=whole,
        width=len(frequency),
        first=first,
        fast=int(np.searchsorted(frequency, ENVELOPE_HZ)),
        bands=bands,
        starts=np.array([low for _, low, _ in bands]),
        counts=np.array([high - low for _, low, high in bands]),
        frequency=frequency[drawn],
        step_hz=float(frequency[1]),
        mixture=mixture.astype(np.float32),
        beyond=np.maximum(at - _MIDDLE[-1], 0).astype(np.float32),
    )


def _noise_spectrum(rng: np.random.Generator, power_mv2: Array, roots: Array, grid: _NoiseGrid) -> Spectrum:
    """(8, width) spectrum of noise in mV."""
    count = len(grid.frequency)
    draws = rng.standard_normal(2 * NUM_LEADS * count).astype(np.float32)
    noise = np.empty((2, NUM_LEADS, count), dtype=np.float32)  # real and imaginary parts
    roots = roots.astype(np.float32)
    for band, low, high in grid.bands:
        own = draws[2 * NUM_LEADS * low : 2 * NUM_LEADS * high].reshape(2, NUM_LEADS, high - low)
        noise[:, :, low:high] = roots[band] @ own
    amplitude = grid.amplitude(power_mv2)
    power, lines = power_mv2[:, [band for band, _, _ in grid.bands]], []
    for place, (band, low, high) in enumerate(grid.bands):
        if band not in _LINES:
            continue
        # On the noise that its neighbours have.
        own, density = noise[:, :, low:high], amplitude[:, low:high] ** 2
        power[:, place] = np.maximum(power[:, place] - _NO_LINE * density.sum(axis=1) * grid.step_hz, 0)
        even = own / np.sqrt((own**2).sum(axis=0).mean(axis=1))[:, None]
        lines.append((low, high, even * amplitude[:, low:high] * np.float32(np.sqrt(0.5 * grid.step_hz) * grid.whole)))
        amplitude[:, low:high] = np.exp(-0.5 * ((grid.frequency[low:high] - EDGES_HZ[band] - 1) / 0.08) ** 2)
    noise *= amplitude
    square = noise[0] ** 2
    square += noise[1] ** 2
    total = np.add.reduceat(square, grid.starts, axis=1, dtype=np.float64)
    gain = np.sqrt(power / (2 * np.maximum(total, 1e-12))) * grid.whole
    noise *= np.repeat(gain.astype(np.float32), grid.counts, axis=1)
    for low, high, under in lines:
        noise[:, :, low:high] += under
    spectrum = np.zeros((NUM_LEADS, grid.width), dtype=np.complex64)
    spectrum.real[:, grid.first : grid.first + count] = noise[0]
    spectrum.imag[:, grid.first : grid.first + count] = noise[1]
    return spectrum


def _smooth(power_mv2: Array, frequency: Array) -> Array:
    """(8, frequency) density without steps between bands, up to a factor for each band."""
    density = np.log(power_mv2[:, _BROAD] / _WIDTHS[_BROAD])
    at = np.log(np.maximum(frequency, 1e-3))
    # Above the last band's middle the density falls on as steeply as before it.
    beyond = np.exp(np.minimum(_last_slope(density), 0)[:, None] * np.maximum(at - _MIDDLE[-1], 0))
    return np.exp([np.interp(at, _MIDDLE, row) for row in density]) * beyond


def _last_slope(density: Array) -> Array:
    """(8,) of logarithms (8, broad bands) over the last two."""
    return np.asarray((density[:, -1] - density[:, -2]) / (_MIDDLE[-1] - _MIDDLE[-2]))


def line_bands() -> list[int]:
    """Bands of the mains and its harmonic."""
    return list(_LINES)


def line_floor(power_mv2: Array) -> Array:
    """(8, lines) mV^2 that the neighbours of powers (8, BANDS) would make of the bands of the mains."""
    bands = list(_LINES)
    return np.asarray(_smooth(power_mv2, EDGES_HZ[bands] + 1.0) * np.diff(EDGES_HZ)[bands])


def fine_power(difference: Array, length_s: float) -> Array:
    """(8, BANDS) mV^2 of a difference of QRS complexes (8, QRS) on the grid of a complex of ``length_s``."""
    spectrum = np.abs(rfft(difference, axis=1)) ** 2 * (2 / QRS**2)
    bins = np.searchsorted(EDGES_HZ, rfftfreq(QRS, length_s / QRS), side="right") - 1
    return np.stack([spectrum[:, bins == b].sum(axis=1) for b in range(BANDS)], axis=1) + LEAST


def draw_fine(rng: np.random.Generator, power_mv2: Array, correlation: Array, length_s: float) -> Array:
    """(8, QRS) mV of fine structure with given power, for a complex of ``length_s``."""
    frequency = rfftfreq(QRS, length_s / QRS)
    bins = np.minimum(np.searchsorted(EDGES_HZ, frequency, side="right") - 1, BANDS - 1)[1:]
    roots, draws = lead_roots(correlation), rng.standard_normal(2 * NUM_LEADS * len(bins))
    noise = np.empty((2, NUM_LEADS, len(bins)))
    bands, starts, counts = np.unique(bins, return_index=True, return_counts=True)
    for band, low, count in zip(bands.tolist(), starts.tolist(), counts.tolist(), strict=True):
        own = draws[2 * NUM_LEADS * low : 2 * NUM_LEADS * (low + count)].reshape(2, NUM_LEADS, count)
        noise[:, :, low : low + count] = roots[band] @ own
    noise *= np.repeat(np.sqrt(power_mv2[:, bands] / (4 * counts)) * QRS, counts, axis=1)
    spectrum = np.zeros((NUM_LEADS, len(frequency)), dtype=complex)
    spectrum.real[:, 1:], spectrum.imag[:, 1:] = noise
    return np.asarray(irfft(spectrum, QRS, axis=1))
