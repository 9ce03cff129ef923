"""How much leads agree, by band: coherence within each beat, and of these the median over beats."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from metrics.measurement.delineation.preprocess import FS_HZ
from metrics.waveform.descriptors.beats import BeatSet

#: Bands in Hz, each with at least four lines of a beat's spectrum; above them noise decides, not the heart.
BANDS = ((1.25, 5.0), (6.25, 10.0), (11.25, 15.0), (16.25, 25.0))


def names(leads: Sequence[str]) -> tuple[str, ...]:
    """Names of the columns."""
    pairs = list(combinations(leads, 2))
    return tuple(f"coherence_{low:g}_{high:g}hz_{one}_{two}" for low, high in BANDS for one, two in pairs)


def coherence(found: Sequence[BeatSet], leads: Sequence[str]) -> npt.NDArray[np.float64]:
    """Magnitude of the normalised cross-spectrum of every pair of leads, (n, d) as `names`, 0 to 1.

    The spectra are summed over the lines of a band within a beat (Hann window), so a beat of another form changes its
    own value only, and the median over beats not at all. NaN with fewer than four beats.
    """
    return np.array([_of(each, len(leads)) for each in found]).reshape(len(found), len(names(leads)))


def _of(found: BeatSet, count: int) -> npt.NDArray[np.float64]:
    one, two = np.array(list(combinations(range(count), 2)), dtype=int).reshape(-1, 2).T
    if not found.enough:
        return np.full(len(BANDS) * len(one), np.nan)
    beats = found.beats - found.beats.mean(axis=-1, keepdims=True)
    spectrum = np.fft.rfft(beats * np.hanning(beats.shape[-1]), axis=-1)
    frequency = np.fft.rfftfreq(beats.shape[-1], 1 / FS_HZ)
    out = []
    for low, high in BANDS:
        lines = spectrum[..., (frequency >= low - 1e-6) & (frequency <= high + 1e-6)]
        cross = np.abs(np.einsum("blf,bmf->blm", lines, lines.conj()))
        power = np.sqrt(np.maximum(np.einsum("bll->bl", cross), 1e-18))
        out.append(np.median((cross / (power[:, :, None] * power[:, None, :]))[:, one, two], axis=0))
    return np.concatenate(out)
