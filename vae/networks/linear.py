"""Linear and trivial reconstructions, in the same harness as the networks.

Each *method* maps signals (n, 8, time) mV and observed samples (n, 8, time) bool to complete signals (n, 8, time);
values of unobserved samples are not read (except by ``per-patient``, whose purpose it is).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.linalg import toeplitz

from gen.leads import DOWER, LEADS_8, LeadError
from gen.signals import resample

#: Rate and reach of the temporal filters: 21 taps, 100 ms to each side.
FIR_FS_HZ = 100.0
FIR_REACH = 10
_RIDGE = 1e-6


@dataclass(frozen=True)
class LinearStatistics:
    """Second moments of training records (mV^2) that every least-squares method follows from.

    Attributes:
        covariance: (8, 8) E[x_a x_b].
        lagged: (8, 8, 4 * FIR_REACH + 1) E[x_a(t) x_b(t + lag)] at ``FIR_FS_HZ``, lags -2 FIR_REACH..2 FIR_REACH.
    """

    covariance: np.ndarray
    lagged: np.ndarray

    @classmethod
    def of(cls, signal_mv: np.ndarray, fs_hz: float) -> "LinearStatistics":
        """Moments of complete records (n, 8, time) mV."""
        slow = resample(signal_mv, fs_hz, FIR_FS_HZ).astype(np.float64)
        count, leads, length = slow.shape
        spectrum = np.fft.rfft(slow, 2 * length, axis=2)
        lags = np.arange(-2 * FIR_REACH, 2 * FIR_REACH + 1)
        lagged = np.empty((leads, leads, len(lags)))
        for a in range(leads):
            cross = np.fft.irfft((spectrum[:, a : a + 1].conj() * spectrum).sum(axis=0), axis=1)
            lagged[a] = cross[:, lags] / (count * (length - np.abs(lags)))
        return cls(np.einsum("nat,nbt->ab", slow, slow) / (count * length), lagged)

    @classmethod
    def load(cls, folder: str | Path) -> "LinearStatistics":
        """Read what ``physiogen train vae/linear`` wrote."""
        from gen.checkpoint import load_checkpoint

        tensors = load_checkpoint(folder, expected_class="LinearStatistics").tensors
        return cls(tensors["covariance"].numpy(), tensors["lagged"].numpy())


def _whole_leads(observed: np.ndarray, method: str) -> list[int]:
    pattern = observed[0, :, 0]
    if not (observed == pattern[None, :, None]).all():
        raise LeadError(f"method {method!r} takes whole leads, the same in all records; use 'default' for holes")
    return list(np.flatnonzero(pattern))


def least_squares(signal: np.ndarray, observed: np.ndarray, statistics: LinearStatistics) -> np.ndarray:
    """Population least squares: each missing sample from the leads observed at the same instant."""
    here = _whole_leads(observed, "least-squares")
    s = statistics.covariance
    weights = np.linalg.solve(s[np.ix_(here, here)] + _RIDGE * np.eye(len(here)), s[here]).T
    predicted = np.einsum("wl,nlt->nwt", weights, signal[:, here])
    return np.where(observed, signal, predicted.astype(signal.dtype))


def fir_least_squares(
    signal: np.ndarray, observed: np.ndarray, statistics: LinearStatistics, fs_hz: float
) -> np.ndarray:
    """Population least squares over a window of 200 ms of every observed lead (a Wiener filter, at 100 Hz)."""
    here = _whole_leads(observed, "fir")
    taps = np.arange(-FIR_REACH, FIR_REACH + 1)
    centre = 2 * FIR_REACH
    steps = np.arange(len(taps))
    # E[x_a(t + i) x_b(t + j)] depends on j - i alone: one Toeplitz block for each pair of leads.
    normal = np.block(
        [
            [toeplitz(statistics.lagged[a, b, centre - steps], statistics.lagged[a, b, centre + steps]) for b in here]
            for a in here
        ]
    )
    right = np.concatenate([statistics.lagged[a][:, centre - taps].T for a in here])  # (leads * taps, 8)
    weights = np.linalg.solve(normal + _RIDGE * np.eye(len(normal)), right)
    slow = resample(signal[:, here], fs_hz, FIR_FS_HZ).astype(np.float64)
    padded = np.pad(slow, ((0, 0), (0, 0), (FIR_REACH, FIR_REACH)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(taps), axis=2)  # (n, lead, time, tap)
    predicted = np.einsum("nltk,lkw->nwt", windows, weights.reshape(len(here), len(taps), -1), optimize=True)
    fast = resample(predicted.astype(signal.dtype), FIR_FS_HZ, fs_hz)
    length = signal.shape[2]
    fast = np.pad(fast, ((0, 0), (0, 0), (0, max(0, length - fast.shape[2]))), mode="edge")[..., :length]
    return np.where(observed, signal, fast)


def per_patient(signal: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Least squares fitted on each record's own missing leads: what an instantaneous linear map could reach at best.

    It reads the truth, so it is an upper reference and no reconstruction.
    """
    here = _whole_leads(observed, "per-patient")
    x = signal[:, here].astype(np.float64)
    inner = np.einsum("nat,nbt->nab", x, x) + _RIDGE * np.eye(len(here))
    weights = np.einsum("nwt,nlt->nwl", signal, x) @ np.linalg.inv(inner)
    return np.where(observed, signal, (weights @ x).astype(signal.dtype))


def copy_nearest(signal: np.ndarray, observed: np.ndarray, statistics: LinearStatistics) -> np.ndarray:
    """Every missing lead is a copy of the observed lead that correlates best with it in training records."""
    here = _whole_leads(observed, "nearest")
    s = statistics.covariance
    correlation = s / np.sqrt(np.outer(np.diag(s), np.diag(s)))
    source = [here[int(np.argmax(correlation[lead, here]))] for lead in range(len(LEADS_8))]
    return np.where(observed, signal, signal[:, source])


def dower(signal: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """The dipole that explains the observed leads best under Dower's matrix, projected onto the missing leads."""
    here = _whole_leads(observed, "dower")
    predicted = np.einsum("wl,nlt->nwt", DOWER @ np.linalg.pinv(DOWER[here]), signal[:, here])
    return np.where(observed, signal, predicted.astype(signal.dtype))
