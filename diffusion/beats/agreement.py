"""How leads agree in the noise of a recording: measured between complexes, and drawn for another person.

Electrodes differ from person to person: a loose arm is heard in both limb leads, a chest muscle in two neighbours. What
most recordings share is therefore not enough, and a mean over recordings would make all of them equally alike. The
logarithms of correlation matrices can be added and averaged (Arsigny et al. 2006, doi:10.1002/mrm.20965): a recording's
are a mean and a few components, and every draw is a correlation matrix again.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, rfft, rfftfreq

from diffusion.beats.noise import BANDS, EDGES_HZ, OWN
from diffusion.beats.profile import Buffers
from diffusion.beats.shape import NUM_LEADS
from diffusion.beats.variation import GATED_HZ

Array = npt.NDArray[np.float64]
#: Components of what differs between recordings.
COMPONENTS = 32
_PLACES = np.triu_indices(NUM_LEADS)
_WINDOW_S, _LEAST_SHARE, _FADE_S = 0.25, 0.3, 0.08
#: Stretches of so many times the usual noise are movements, which all leads hear.
_MOVED = 4.0
_LEAST = 1e-12
_CORRECTIONS, _DRAWS = 2, 400


def quiet_agreement(rest_mv: Array, fs_hz: float, apart: npt.NDArray[np.bool_]) -> Array:
    """(BANDS, 8, 8) correlation of leads in the quieter stretches between complexes.

    Args:
        rest_mv: (8, time) a recording without its beats.
        fs_hz: its rate.
        apart: (time,) samples far from complexes. Below `GATED_HZ` all of the recording counts.
    """
    length = rest_mv.shape[1]
    bins = np.searchsorted(EDGES_HZ, rfftfreq(length, 1 / fs_hz), side="right") - 1
    spectrum = rfft(rest_mv - rest_mv.mean(axis=1, keepdims=True), axis=1)
    size = round(_WINDOW_S * fs_hz)
    count = length // size
    still = apart[: count * size]
    enough = still.reshape(count, size).mean(axis=1) > _LEAST_SHARE
    # What is left of complexes would ring into the stretches beside them: it is faded out before bands are taken.
    first = int(np.searchsorted(EDGES_HZ, GATED_HZ))
    fast = irfft(np.where(bins >= first, spectrum, 0), length, axis=1)
    fade = np.hanning(round(_FADE_S * fs_hz) + 2)[1:-1]
    gate = np.convolve(apart, fade / fade.sum(), mode="same") * apart
    quiet = rfft(fast * gate, axis=1)
    out = np.zeros((BANDS, NUM_LEADS, NUM_LEADS))
    for band in range(BANDS):
        gated = band >= first and enough.sum() >= 2
        part = irfft(np.where(bins == band, quiet if gated else spectrum, 0), length, axis=1)
        if gated:
            part = np.where(still, part[:, : count * size], 0).reshape(NUM_LEADS, count, size)[:, enough]
            power = (part**2).sum(axis=(0, 2)) + _LEAST
            # Every stretch counts alike, however loud it is.
            part = (part / np.sqrt(power)[:, None])[:, power <= _MOVED * np.median(power)].reshape(NUM_LEADS, -1)
        cross = part @ part.T
        scale = np.sqrt(np.maximum(np.diag(cross), _LEAST))
        out[band] = cross / scale / scale[:, None]
        np.fill_diagonal(out[band], 1.0)
    return out


class LeadAgreement(Buffers):
    """Buffers: mean and components of the logarithms of correlation matrices, all bands together."""

    def __init__(self) -> None:
        super().__init__({"mean": (BANDS, len(_PLACES[0])), "basis": (COMPONENTS, BANDS * len(_PLACES[0]))})

    def fit(self, measured: "Sequence[Array] | Array") -> None:
        """Learn from recordings' correlation matrices (n, BANDS, 8, 8), n of 2 or more."""
        kept = np.asarray(measured, dtype=np.float64)
        rows = _logarithms(kept)
        mean = rows.mean(axis=0)
        _, sizes, directions = np.linalg.svd((rows - mean).reshape(len(rows), -1), full_matrices=False)
        basis = np.zeros(self.get_buffer("basis").shape)
        count = min(COMPONENTS, len(sizes))
        basis[:count] = directions[:count] * sizes[:count, None] / np.sqrt(len(rows))
        self.set_arrays(mean=mean, basis=basis)
        # The mean of matrices is not that of their logarithms: drawn ones are to agree as measured ones do on average.
        goal = _logarithms(kept.mean(axis=0))
        rng = np.random.default_rng(0)
        for _ in range(_CORRECTIONS):
            drawn = np.mean([self.draw(rng) for _ in range(_DRAWS)], axis=0)
            mean = mean + goal - _logarithms(drawn)
            self.set_arrays(mean=mean)

    def draw(self, rng: np.random.Generator) -> Array:
        """(BANDS, 8, 8) correlation of leads in one recording's noise."""
        rows = self.array("mean") + (rng.standard_normal(COMPONENTS) @ self.array("basis")).reshape(BANDS, -1)
        logarithm = np.zeros((BANDS, NUM_LEADS, NUM_LEADS))
        logarithm[:, _PLACES[0], _PLACES[1]] = logarithm[:, _PLACES[1], _PLACES[0]] = rows
        values, vectors = np.linalg.eigh(logarithm)
        matrix = (vectors * np.exp(values)[:, None]) @ vectors.transpose(0, 2, 1)
        scale = np.sqrt(np.diagonal(matrix, axis1=1, axis2=2))
        matrix = matrix / scale[:, :, None] / scale[:, None]
        return np.asarray((matrix - OWN * np.eye(NUM_LEADS)) / (1 - OWN))  # `noise.lead_roots` adds it again


def _logarithms(correlation: Array) -> Array:
    """(..., 36) upper triangles of the logarithms of (..., 8, 8)."""
    values, vectors = np.linalg.eigh((1 - OWN) * correlation + OWN * np.eye(NUM_LEADS))
    logarithm = (vectors * np.log(np.maximum(values, 1e-6))[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    return np.asarray(logarithm[..., _PLACES[0], _PLACES[1]])
