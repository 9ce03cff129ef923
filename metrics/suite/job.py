"""What every section of a benchmark works on: the aligned sets, features that are computed once, and what to say."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from gen.io.kept import Kept
from gen.leads import LEADS_8
from gen.records import InputError
from gen.signals import resample
from metrics.distribution.extractors import Extractor
from metrics.report.entries import Entry
from metrics.statistics.arrays import Array
from metrics.suite.aligned import AlignedSet, blocks
from metrics.suite.halves import Halving, halvings
from metrics.suite.measured import Measured, measure_set
from metrics.suite.pairing import Pairs
from metrics.suite.presets import Preset
from metrics.suite.progress import Progress

SLOW_HZ = 100.0
TRAIN_FEATURES = 2000


@dataclass(eq=False)
class Drawn:
    """What sections leave for the pictures; None where a section was not run or had nothing.

    Attributes:
        spectra: real and generated ECGs (n, lead, time) in mV, and their rate in Hz.
        parameters: name -> real and generated values, and the unit.
        waveform: the same of the waveform descriptors that tell most.
        copies: the set that was searched, and (generated row, its row, correlation, lag in s) of the nearest pairs.
    """

    spectra: tuple[Array, Array, float] | None = None
    parameters: Mapping[str, tuple[Array, Array, str]] | None = None
    waveform: Mapping[str, tuple[Array, Array, str]] | None = None
    copies: tuple[AlignedSet, Sequence[tuple[int, int, float, float]]] | None = None


@dataclass(eq=False)
class Job:
    """One benchmark under way.

    Attributes:
        real, generated: aligned, thinned to at most ``preset.max_records``.
        train: aligned training set, if one was given.
        pairs: which generated record belongs to which real one; None for unpaired sets.
        identical: the two sets are the same recordings.
        extractors: of the features; the first one's figures carry no suffix.
        preset, seed: as asked for.
        progress: steps and wall times.
        warnings: what the report must say; sections append.
        drawn: what pictures are drawn from; sections fill it.
        kept: what a run before this one has worked out.
    """

    real: AlignedSet
    generated: AlignedSet
    train: AlignedSet | None
    pairs: Pairs | None
    identical: bool
    extractors: tuple[Extractor, ...]
    preset: Preset
    seed: int
    progress: Progress
    warnings: list[str] = field(default_factory=list)
    drawn: Drawn = field(default_factory=Drawn)
    kept: Kept = field(default_factory=Kept)
    _parameters: dict[str, Measured | str] = field(default_factory=dict)
    _features: dict[tuple[str, str], Array] = field(default_factory=dict)

    def features(self, extractor: Extractor, which: str) -> Array:
        """Features (n, d) of ``real``, ``generated``, ``train`` (its `train_rows`) or ``noise``, computed once.

        Raises:
            InputError: the set lacks one of the eight independent leads.
        """
        key = (extractor.name, which)
        if key not in self._features:
            self._features[key] = self.kept.arrays(
                f"features of {which} by {extractor.name}",
                lambda: {"x": np.concatenate([extractor(x, self.real.fs_hz) for x in self._blocks(which)])},
            )["x"]
        return self._features[key]

    def parameters(self, which: Literal["real", "generated"]) -> Measured | str:
        """ECG parameters of a set, measured once, or in words why there are none."""
        if which not in self._parameters:
            each = {"real": self.real, "generated": self.generated}[which]
            try:
                self._parameters[which] = measure_set(each, which, self.kept)
            except (InputError, ImportError) as error:
                self._parameters[which] = f"no delineation: {' '.join(str(error).split())}"
        return self._parameters[which]

    def slow(self, which: str, rows: npt.NDArray[np.int64]) -> Array:
        """Some records with the eight leads (or all there are) at 100 Hz, (rows, lead, time)."""
        leads = LEADS_8 if self.real.has_8 else self.real.leads
        parts = [self._records(which, rows[part], leads) for part in blocks(len(rows))]
        return np.concatenate([resample(x, self.real.fs_hz, self.slow_hz).astype(np.float64) for x in parts])

    @property
    def slow_hz(self) -> float:
        """Rate of `slow`."""
        return min(SLOW_HZ, self.real.fs_hz)

    @cached_property
    def splits(self) -> list[Halving]:
        """Random halves by patient, as many as the preset asks for."""
        return halvings(self.real.patients, self.generated.patients, count=self.preset.halvings, seed=self.seed)

    @cached_property
    def size(self) -> int:
        """Records a side where sets must be equally large."""
        return min(len(self.real), len(self.generated))

    @cached_property
    def equal_rows(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Rows of both sets, equally many: the larger one is thinned; paired rows stay beside each other."""
        if self.pairs is not None and len(self.pairs.real) == self.size:
            return self.pairs.real, self.pairs.generated
        return tuple(draw(len(each), self.size, (self.seed, 7)) for each in (self.real, self.generated))  # type: ignore[return-value]

    @property
    def paired_rows(self) -> bool:
        """Whether `equal_rows` are pairs."""
        return self.pairs is not None and len(self.pairs.real) == self.size

    def _blocks(self, which: str) -> Iterator[npt.NDArray[np.float32]]:
        count = {"real": len(self.real), "generated": len(self.generated), "noise": self.noise_count}.get(which)
        if count is None:
            if self.train is None:
                raise InputError("no training set was given")
            count = len(self.train)
        rows = self.train_rows if which == "train" else np.arange(count)
        for part in blocks(len(rows)):
            yield self._records(which, rows[part], LEADS_8)

    @cached_property
    def train_rows(self) -> npt.NDArray[np.int64]:
        """Training records whose features are compared; more would change little and cost much."""
        count = 0 if self.train is None else len(self.train)
        return draw(count, min(TRAIN_FEATURES, self.preset.max_records), (self.seed, 41))

    def _records(self, which: str, rows: npt.NDArray[np.int64], leads: Sequence[str]) -> npt.NDArray[np.float32]:
        if which == "noise":
            return self.noise(rows, leads)
        each = {"real": self.real, "generated": self.generated, "train": self.train}[which]
        if each is None:
            raise InputError("no training set was given")
        return each.block(rows, leads)

    @property
    def noise_count(self) -> int:
        """Records of the noise baseline: as many as the halves hold, which is what they are compared with."""
        return max(20, min(self.size, len(self.real) // 2))

    @cached_property
    def _level(self) -> tuple[Array, Array]:
        """Mean and standard deviation of each lead of the real set, (lead, 1)."""
        sums = [(x.mean(axis=-1), x.var(axis=-1)) for x in self._each_real()]
        mean, variance = (np.concatenate([part[i] for part in sums]) for i in (0, 1))
        return mean.mean(axis=0)[:, None], np.sqrt(variance.mean(axis=0))[:, None]

    def _each_real(self) -> Iterator[Array]:
        for part in blocks(len(self.real)):
            yield self.real.block(part).astype(np.float64)

    def noise(self, rows: npt.NDArray[np.int64], leads: Sequence[str]) -> npt.NDArray[np.float32]:
        """White noise with each lead's own mean and standard deviation; record k has its own seed."""
        mean, spread = self._level
        index = [self.real.leads.index(lead) for lead in leads]
        shape = (len(index), self.real.target.num_samples)
        draws = (np.random.default_rng(np.random.SeedSequence((self.seed, 11, int(k)))) for k in rows)
        return np.stack([mean[index] + spread[index] * rng.standard_normal(shape) for rng in draws]).astype(np.float32)


def draw(count: int, size: int, seed: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """``size`` of ``count`` rows at random, ascending."""
    if size >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng(np.random.SeedSequence(seed)).choice(count, size, replace=False))


Section = Callable[[Job], list[Entry]]
