"""Training pairs: recorded ECGs with their reports, and simulated ones with reports in English or German."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from gen.randomness import sample_generator
from gen.records import InputError
from gen.text import TokenBatch, vocabulary
from gen.text.encoding import ATTRIBUTES
from gen.training.data import Batch, shuffled_indices
from metrics.judges.classifier.data import FS_HZ, Augmentation, to_network, vary
from metrics.judges.clip.tokens import MAX_TOKENS, groups, tokens_of

if TYPE_CHECKING:
    from gen.datasets.cache import SignalCache

_NEGATED = list(ATTRIBUTES).index("negated")
#: Rare findings that the simulated cohort shows more often, as a factor on their odds.
OVERSAMPLE = dict.fromkeys(
    ("CLBBB", "CRBBB", "ILBBB", "IRBBB", "WPW", "AFIB", "AFLT", "PACE", "1AVB", "2AVB", "3AVB", "SVTAC", "LVH", "RVH",
     "LAFB", "LPFB", "STACH", "SBRAD", "LNGQT", "BIGU", "TRIGU", "PVC", "PAC", "LVOLT"), 3.0)  # fmt: skip
#: Statements that texts are told not to have.
_ABSENT = ("CLBBB", "CRBBB", "AFIB", "AFLT", "LVH", "PACE", "WPW", "1AVB", "PVC", "STACH", "SBRAD", "IMI", "ASMI")


@dataclass(frozen=True, kw_only=True)
class TextAugmentation:
    """Strength of each variation of a text; 0 switches it off."""

    token_dropout: float = 0.1
    """Chance of each token to be left out; one stays."""
    negation: float = 0.2
    """Share of texts that also deny a finding which nothing says is there."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """ECGs with one or more wordings of their text.

    Attributes:
        signal_uv: (record, 8, time) int16 microvolt at 100 Hz.
        texts: wordings, each for all records.
        group: (record,) equal where the texts say the same.
    """

    signal_uv: np.ndarray
    texts: tuple[TokenBatch, ...]
    group: np.ndarray

    def __len__(self) -> int:
        return len(self.signal_uv)


def recorded_pairs(cache: "SignalCache", rows: np.ndarray, block: int = 256) -> Pairs:
    """Records of a cache that have a report; raises `InputError` where none has."""
    reports = cache.table["report"].iloc[rows]
    kept = np.array([isinstance(text, str) and bool(text.strip()) for text in reports], dtype=bool)
    if not kept.any():
        raise InputError(f"{cache.path}: no record of a split has a report; accepted: a set with reports")
    rows, texts = np.asarray(rows)[kept], [str(text) for text in reports[kept]]
    slow = [
        microvolt(to_network(cache.batch(rows[start : start + block]), cache.fs_hz))
        for start in range(0, len(rows), block)
    ]
    return pairs_of(np.concatenate(slow), [texts])


def simulated_pairs(count: int, seed: int) -> Pairs:
    """Simulated ECGs with noise, each with an English and a German report."""
    from gen.simulate import simulate

    signals, english, german = [], [], []
    for start in range(0, count, 64):
        numbers = range(start, min(start + 64, count))
        batch = simulate(numbers, seed=seed, noise="light", fs_hz=FS_HZ, oversample=OVERSAMPLE)
        signals.append(microvolt(batch.signal_mv))
        english += [truth.report_en for truth in batch.truth]
        german += [truth.report_de for truth in batch.truth]
    return pairs_of(np.concatenate(signals), [english, german])


def pairs_of(signal_uv: np.ndarray, wordings: Sequence[Sequence[str]]) -> Pairs:
    """Pairs of signals and texts; ``wordings`` holds one or more texts for each signal."""
    texts = tuple(tokens_of(each, len(vocabulary()), MAX_TOKENS) for each in wordings)
    return Pairs(signal_uv, texts, groups(texts[0]))


def microvolt(signal_mv: np.ndarray) -> np.ndarray:
    """int16 microvolt of millivolt."""
    return np.clip(np.rint(1000 * signal_mv), -32767, 32767).astype(np.int16)


class PairSource:
    """Draws varied pairs, a share of them simulated; sample g of run seed s is always the same."""

    def __init__(
        self,
        recorded: Pairs,
        simulated: Pairs | None,
        *,
        simulated_share: float,
        augmentation: Augmentation,
        text: TextAugmentation,
    ) -> None:
        self.recorded, self.simulated = recorded, simulated
        self.share = simulated_share if simulated is not None else 0.0
        self.augmentation, self.text = augmentation, text
        self._absent = np.array([vocabulary().id(code) for code in _ABSENT])

    def batch(self, numbers: np.ndarray, seed: int) -> Batch:
        """Tensors as `EcgTextClip.loss` takes them; see `gen.training.BatchSource`."""
        chosen = shuffled_indices(numbers, len(self.recorded), seed)
        samples = [self._sample(int(i), seed, int(n)) for i, n in zip(chosen, numbers, strict=True)]
        return {name: torch.from_numpy(np.stack([sample[name] for sample in samples])) for name in samples[0]}

    def _sample(self, index: int, seed: int, number: int) -> dict[str, np.ndarray]:
        rng = sample_generator(seed, number)
        pairs = self.recorded
        if self.simulated is not None and rng.random() < self.share:
            pairs, index = self.simulated, int(rng.integers(len(self.simulated)))
        signal = pairs.signal_uv[index].astype(np.float32) / 1000
        text = pairs.texts[int(rng.integers(len(pairs.texts)))]
        tokens = {name: np.array(getattr(text, name)[index]) for name in ("ids", "attributes", "values", "mask")}
        self._vary_text(tokens, rng)
        return {"signal_mv": vary(signal, rng, self.augmentation), **tokens, "group": pairs.group[index]}

    def _vary_text(self, tokens: dict[str, np.ndarray], rng: np.random.Generator) -> None:
        mask, said = tokens["mask"], tokens["ids"]
        dropped = mask & (rng.random(mask.shape) < self.text.token_dropout)
        if dropped.sum() < mask.sum():
            for name, value in tokens.items():
                tokens[name] = value * ~dropped if value.ndim == 1 else value * ~dropped[:, None]
        free = np.flatnonzero(~tokens["mask"])
        absent = np.setdiff1d(self._absent, said)
        if rng.random() < self.text.negation and len(free) and len(absent):
            at = free[0]
            tokens["ids"][at], tokens["mask"][at] = rng.choice(absent), True
            tokens["attributes"][at], tokens["values"][at] = 0, 0
            tokens["attributes"][at, _NEGATED] = 1
