"""Feature extractors by name: what turns an ECG into the vector that distribution measures compare.

An extractor carries a digest of all that decides its output, so that figures from different features are never
mixed up. A ranking of generators should hold under at least two extractors.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from scipy import fft

from gen.leads import LEADS_8
from gen.records import InputError
from gen.registry import RegistryError
from gen.signals import resample
from metrics.statistics.arrays import Array, signals


@runtime_checkable
class Extractor(Protocol):
    """Turns ECGs into features.

    Attributes:
        name: under which it is registered.
        dim: features per ECG.
        digest: hexadecimal SHA-256 of everything that decides the output (code version, settings, weights).
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def dim(self) -> int: ...  # noqa: D102

    @property
    def digest(self) -> str: ...  # noqa: D102

    def __call__(self, signal_8_mv: npt.ArrayLike, fs_hz: float) -> Array:
        """Features (n, dim) of ECGs (n, 8, time) in mV, leads `gen.leads.LEADS_8`; row k depends on ECG k alone."""
        ...


_FACTORIES: dict[str, Callable[[], Extractor]] = {}


def register(name: str, factory: Callable[[], Extractor]) -> None:
    """Announce an extractor; ``factory`` runs when it is first asked for, so weights load late.

    Raises:
        RegistryError: the name is taken.
    """
    if name in _FACTORIES:
        raise RegistryError(f"extractor {name!r} is registered already")
    _FACTORIES[name] = factory


def extractor(name: str) -> Extractor:
    """Make the extractor of this name.

    Raises:
        RegistryError: no such name; the message lists the known ones.
    """
    if name not in _FACTORIES:
        raise RegistryError(f"unknown extractor {name!r}; known: {', '.join(extractor_names())}")
    return _FACTORIES[name]()


def extractor_names() -> list[str]:
    """Sorted names of all registered extractors."""
    return sorted(_FACTORIES)


@dataclass(frozen=True)
class RandomConvolutions:
    """Fixed random convolutions: features without training or weights, the same on every machine to rounding.

    Each filter mixes two to four leads, smooths them at its own time scale and takes a random short pattern with no
    mean (in the manner of ROCKET, Dempster et al. 2020). Three numbers are kept of its output over time, so that
    a shift of the ECG changes almost nothing: the log of its RMS in mV, and of its shape (output / RMS) the mean of
    the positive part, which is its polarity, and the log of the fourth moment, which is its peakedness.

    Attributes:
        filters: how many; there are three features for each.
        taps: samples of a filter before dilation.
        fs_hz: rate the ECG is brought to.
        seed: of the filters.
    """

    filters: int = 64
    taps: int = 9
    fs_hz: float = 100.0
    seed: int = 0

    @property
    def name(self) -> str:
        """Name in the registry."""
        return "random-conv"

    @property
    def dim(self) -> int:
        """Features per ECG."""
        return 3 * self.filters

    @cached_property
    def digest(self) -> str:
        """SHA-256 of version, settings and filter weights."""
        settings = {"version": 1, "filters": self.filters, "taps": self.taps, "fs_hz": self.fs_hz, "seed": self.seed}
        sha = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
        sha.update(np.round(self._kernels, 9).tobytes())
        return sha.hexdigest()

    @cached_property
    def _kernels(self) -> Array:
        """(filters, 8, longest) impulse responses; filter k has its own seed, so more filters keep the first ones."""
        longest = (self.taps - 1) * 16 + 1
        kernels = np.zeros((self.filters, len(LEADS_8), longest))
        for k in range(self.filters):
            rng = np.random.default_rng(np.random.SeedSequence((self.seed, k)))
            pattern = rng.standard_normal(self.taps)
            pattern -= pattern.mean()  # blind to the electrode offset
            dilation = int(2 ** rng.integers(0, 5))  # 10 to 160 ms between taps: from QRS slopes to whole beats
            leads = rng.choice(len(LEADS_8), rng.integers(2, 5), replace=False)
            weights = rng.standard_normal(len(leads))
            spread = np.repeat(pattern, dilation)[:longest] / dilation  # steps smooth at the filter's own scale
            spread /= np.linalg.norm(spread) * np.linalg.norm(weights)
            kernels[k, leads, : len(spread)] = weights[:, None] * spread
        return kernels

    def __call__(self, signal_8_mv: npt.ArrayLike, fs_hz: float) -> Array:
        """Features (n, dim) of ECGs (n, 8, time) in mV.

        Raises:
            InputError: not eight leads, shorter than two seconds, or values that are not finite.
        """
        x = signals(signal_8_mv, name="signal_8_mv")
        if x.shape[1] != len(LEADS_8):
            raise InputError(f"signal_8_mv: {x.shape[1]} leads; accepted: the 8 leads {', '.join(LEADS_8)}")
        if x.shape[-1] < 2 * fs_hz:
            raise InputError(f"signal_8_mv: {x.shape[-1] / fs_hz:g} s; accepted: at least 2 s")
        time = round(x.shape[-1] * self.fs_hz / fs_hz)
        length = fft.next_fast_len(time, real=True)
        spectra = fft.rfft(self._kernels, length)
        slow = (resample(x[start : start + 64], fs_hz, self.fs_hz) for start in range(0, len(x), 64))
        # One ECG at a time: vectorised transforms round differently with the number of rows.
        return np.stack([self._pool(record, spectra, length) for block in slow for record in block])

    def _pool(self, record: Array, spectra: npt.NDArray[np.complex128], length: int) -> Array:
        centred = record - record.mean(axis=-1, keepdims=True)
        response = fft.irfft((fft.rfft(centred, length) * spectra).sum(axis=1), length)
        response = response[:, self._kernels.shape[-1] - 1 : record.shape[-1]]  # where the filter lies inside
        # 1 uV: below it the logarithm would measure the resolution of the recorder.
        size = np.sqrt((response**2).mean(axis=1) + 1e-3**2)
        shape = response / size[:, None]
        return np.concatenate(
            [np.log(size), np.maximum(shape, 0).mean(axis=1), np.log1p((shape**4).mean(axis=1))],
        )


def digest_of_data(signal_mv: npt.ArrayLike, fs_hz: float, leads: tuple[str, ...] = LEADS_8) -> str:
    """SHA-256 of ECGs (n, lead, time) at the resolution of 0.1 uV, with their rate and leads."""
    array = np.asarray(signal_mv)
    sha = hashlib.sha256(json.dumps([list(array.shape), float(fs_hz), list(leads)]).encode())
    for record in array:
        sha.update(np.rint(np.nan_to_num(record, nan=-2e5) * 1e4).astype("<i4").tobytes())
    return sha.hexdigest()


register("random-conv", RandomConvolutions)
