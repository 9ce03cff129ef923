"""Search a generated set for near-copies of training ECGs: shifted, scaled, or with noise on top.

The judge is the normalised cross-correlation of all leads together at the best lag: it ignores a positive factor, and
energies are those of the overlap alone, so a copy cut 200 ms later still reaches 1. Two stages make it affordable:
the best few partners of each ECG are found on slow copies (25 Hz) with matrix products, and only those are
compared at 100 Hz with lags interpolated to 2 ms. Pairs that then look alike are cut to their overlap and filtered
again, which gives the correlation that is judged: a filter's run-in at the ends is no difference between two ECGs.

The stages only have to find partner and lag, so they look at the steep part of the ECG and limit what stands out of
it. In a wider band, drift, a step, or the seam that a circular shift leaves can outweigh every beat and win at a lag
of their own.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

from gen.records import InputError
from gen.signals import bandpass, resample
from metrics.statistics.arrays import Array

#: A correlation above this is a copy. 20 dB of white noise leaves .995; two patients' ECGs stay well below.
COPY_THRESHOLD = 0.99

_ALIKE = 0.6  # above it a pair is worth a second look; planted copies of 600 real records reach .92 and more

_COARSE_HZ = 25.0
_FINE_HZ = 100.0
_INTERPOLATION = 5
_PEAKS = 3  # lags looked at twice: in a regular rhythm the next beat fits nearly as well
_PEAK_WIDTH_S = 0.05
_JUDGED = 5  # pairs and lags of an ECG that are looked at twice, at most
_TOGETHER = 64  # ECGs filtered in one call: designing a filter takes longer than using it once
_BAND_HZ = (0.5, 25.0)  # of the judgement: without drift, and with a tenth of any white noise at 500 Hz
_STEEP_HZ = (5.0, 25.0)  # of the second stage: a step is as short as a QRS complex in it
_SLOW_STEEP_HZ = (2.0, 12.0)  # of the first: with lags 40 ms apart, faster waves would pass each other unseen
_LIMIT = 2.0  # amplitudes are limited to so many times the 95th percentile of their lead


@dataclass(frozen=True, eq=False)
class CopySearch:
    """The nearest training ECG of each generated one.

    Attributes:
        correlation: (n,) best normalised cross-correlation, -1 to 1.
        index: (n,) the training ECG it is with.
        lag_s: (n,) how much later the generated ECG shows the same thing.
        threshold: above which a pair counts as a copy.
    """

    correlation: Array
    index: npt.NDArray[np.int64]
    lag_s: Array
    threshold: float

    @property
    def copies(self) -> npt.NDArray[np.bool_]:
        """(n,) which generated ECGs are copies."""
        return self.correlation > self.threshold

    @property
    def share(self) -> float:
        """Share of generated ECGs that are copies; 0 is best."""
        return float(self.copies.mean())

    def top(self, count: int = 10) -> list[tuple[int, int, float, float]]:
        """List the most alike pairs as (generated, training, correlation, lag in s), the most alike first."""
        order = np.argsort(-self.correlation, kind="stable")[:count]
        return [(int(i), int(self.index[i]), float(self.correlation[i]), float(self.lag_s[i])) for i in order]


def find_copies(
    *,
    reference: npt.ArrayLike,
    generated: npt.ArrayLike,
    fs_hz: float,
    max_lag_s: float = 1.0,
    candidates: int = 8,
    threshold: float = COPY_THRESHOLD,
    exclude_self: bool = False,
) -> CopySearch:
    """Nearest training ECG of each generated one by cross-correlation.

    Args:
        reference: training ECGs (m, lead, time) in mV; the eight independent leads are enough.
        generated: ECGs (n, lead, time) in mV, same leads, rate and length.
        fs_hz: sampling rate.
        max_lag_s: largest shift searched, either way; at most half the length.
        candidates: partners kept by the first stage.
        threshold: see `COPY_THRESHOLD`.
        exclude_self: the two are one set, and ECG k is no partner of itself.

    Raises:
        InputError: a set of one ECG that has no other, other shapes, values that are not finite, or ECGs shorter than
            two seconds.
    """
    train, fake = np.asarray(reference), np.asarray(generated)
    if train.ndim != 3 or fake.ndim != 3 or train.shape[1:] != fake.shape[1:] or 0 in (*train.shape, *fake.shape):
        raise InputError(
            f"signals of shapes {train.shape} and {fake.shape}; accepted: (m, lead, time), (n, lead, time)"
        )
    if exclude_self and (train.shape != fake.shape or len(train) < 2):
        raise InputError(f"{len(train)} and {len(fake)} ECGs; accepted: the same set twice, of two ECGs or more")
    duration = train.shape[-1] / fs_hz
    if duration < 2:
        raise InputError(f"signals of {duration:g} s; accepted: at least 2 s for a copy search")
    reach = min(max_lag_s, duration / 2)
    (slow_train, fine_train), (slow_fake, fine_fake) = (
        _search_copies(x, fs_hz, name) for x, name in ((train, "reference"), (fake, "generated"))
    )
    count = min(candidates, len(train) - int(exclude_self))
    chosen = _candidates(slow_train, slow_fake, round(reach * _COARSE_HZ), count, exclude_self)
    correlation, lag = _refine(fine_train, fine_fake, chosen, reach)
    cut = np.sort(correlation.reshape(len(fake), -1), axis=1)[:, -_JUDGED:][:, :1, None]
    for i, j, k in zip(*np.nonzero((correlation > _ALIKE) & (correlation >= cut)), strict=True):
        correlation[i, j, k] = _overlap_correlation(train[chosen[i, j]], fake[i], round(lag[i, j, k] * fs_hz), fs_hz)
    best = np.argmax(correlation.reshape(len(fake), -1), axis=1)
    rows = np.arange(len(fake))
    partner, peak = np.divmod(best, _PEAKS)
    return CopySearch(correlation[rows, partner, peak], chosen[rows, partner], lag[rows, partner, peak], threshold)


def near_copy_share(*, reference: npt.ArrayLike, generated: npt.ArrayLike, fs_hz: float) -> float:
    """Share of generated ECGs that are near-copies of a training ECG; 0 is best. See `find_copies`."""
    return find_copies(reference=reference, generated=generated, fs_hz=fs_hz).share


def _search_copies(x: npt.NDArray, fs_hz: float, name: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """What the two stages search in: (n, lead, time) at 25 and at 100 Hz; float32 holds three digits, which do.

    A few ECGs at a time, so that a memory-mapped set is never copied at its own rate.
    """
    coarse, fine = [], []
    for start in range(0, len(x), _TOGETHER):
        signal = _at_100_hz(x[start : start + _TOGETHER], fs_hz, name)
        coarse.append(_limited(resample(bandpass(signal, _FINE_HZ, *_SLOW_STEEP_HZ), _FINE_HZ, _COARSE_HZ)))
        fine.append(_limited(bandpass(signal, _FINE_HZ, *_STEEP_HZ)))
    return np.concatenate(coarse), np.concatenate(fine)


def _at_100_hz(x: npt.NDArray, fs_hz: float, name: str) -> Array:
    signal = resample(np.asarray(x, dtype=np.float64), fs_hz, _FINE_HZ)
    if not np.isfinite(signal).all():
        raise InputError(f"{name}: a record holds NaN or infinity; accepted: finite values")
    return signal


def _limited(x: Array) -> npt.NDArray[np.float32]:
    limit = _LIMIT * np.quantile(np.abs(x), 0.95, axis=-1, keepdims=True)
    return np.clip(x, -limit, limit).astype(np.float32)


def _candidates(
    train: npt.NDArray[np.float32], fake: npt.NDArray[np.float32], reach: int, count: int, exclude_self: bool
) -> npt.NDArray[np.int64]:
    """(n, count) training indices with the highest coarse correlation at any lag up to ``reach`` samples."""
    chosen = np.empty((len(fake), count), dtype=np.int64)
    for start in range(0, len(fake), 1024):
        block = fake[start : start + 1024]
        best = np.full((len(block), len(train)), -np.inf, dtype=np.float32)
        for lag in range(-reach, reach + 1):
            late, early = (block, train) if lag >= 0 else (train, block)
            step = abs(lag)
            parts = [late[..., step:], early[..., : early.shape[-1] - step]]
            parts = [_unit(part) for part in (parts if lag >= 0 else parts[::-1])]
            np.maximum(best, parts[0] @ parts[1].T, out=best)
        if exclude_self:
            best[np.arange(len(block)), np.arange(start, start + len(block))] = -np.inf
        chosen[start : start + 1024] = np.argpartition(-best, count - 1, axis=1)[:, :count]
    return chosen


def _unit(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    rows = x.reshape(len(x), -1)
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(norm > 1e-6, norm, np.inf)).astype(np.float32)  # a flat ECG is like nothing


def _refine(
    train: npt.NDArray[np.float32], fake: npt.NDArray[np.float32], chosen: npt.NDArray[np.int64], reach_s: float
) -> tuple[Array, Array]:
    """Best `_PEAKS` normalised cross-correlations (n, count, peak) and their lags in s, on the 2 ms grid."""
    time = train.shape[-1]
    reach = round(reach_s * _FINE_HZ)
    length = fft.next_fast_len(time + reach, real=True)
    grid = np.arange(-reach * _INTERPOLATION, reach * _INTERPOLATION + 1)
    lags = grid / _INTERPOLATION
    energy_train, energy_fake = _energy(train), _energy(fake)
    spectra = fft.rfft(train[np.unique(chosen)], length)
    position = np.searchsorted(np.unique(chosen), chosen)
    correlation = np.empty((*chosen.shape, _PEAKS))
    lag_s = np.empty((*chosen.shape, _PEAKS))
    rows, width = np.arange(chosen.shape[1]), _PEAK_WIDTH_S * _FINE_HZ
    for i, record in enumerate(fake):
        cross = (fft.rfft(record, length) * spectra[position[i]].conj()).sum(axis=1)
        # A longer inverse transform interpolates the band-limited correlation between the samples.
        shared = fft.irfft(cross, length * _INTERPOLATION)[:, grid] * _INTERPOLATION
        mine = _overlap(energy_fake[i : i + 1], lags, time)
        theirs = _overlap(energy_train[chosen[i]], -lags, time)
        scale = np.sqrt(mine * theirs)
        values = np.where(scale > 1e-6, shared / np.maximum(scale, 1e-6), 0.0)
        for k in range(_PEAKS):
            best = np.argmax(values, axis=1)
            correlation[i, :, k] = np.minimum(values[rows, best], 1.0)
            lag_s[i, :, k] = lags[best] / _FINE_HZ
            values[np.abs(lags - lags[best][:, None]) < width] = -1.0
    return correlation, lag_s


def _overlap_correlation(train: npt.NDArray, fake: npt.NDArray, lag: int, fs_hz: float) -> float:
    """Correlation of two ECGs (lead, time) where they overlap when ``fake`` is ``lag`` samples later."""
    time = train.shape[-1]
    parts = np.stack([train[:, max(0, -lag) : time - max(0, lag)], fake[:, max(0, lag) : time - max(0, -lag)]])
    band = bandpass(_at_100_hz(parts, fs_hz, "pair"), _FINE_HZ, *_BAND_HZ)
    first, second = _unit(band.astype(np.float32)).astype(np.float64)
    return min(1.0, float(first @ second))


def _energy(x: npt.NDArray[np.float32]) -> Array:
    """(n, time + 1) energy of all leads up to each sample."""
    power = np.einsum("nlt,nlt->nt", x, x, dtype=np.float64)
    return np.pad(np.cumsum(power, axis=1), [(0, 0), (1, 0)])


def _overlap(energy: Array, lags: Array, time: int) -> Array:
    """(n, lags) energy of what of an ECG overlaps its partner, where it shows the same thing ``lags`` samples later."""
    first, last = np.clip(lags, 0, time), np.clip(time + lags, 0, time)
    place = np.arange(energy.shape[1])
    return np.stack([np.interp(last, place, row) - np.interp(first, place, row) for row in energy])
