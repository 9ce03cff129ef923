"""Conditions of generated ECGs as tensors, and how each part is left out.

Every part can be absent, with a value of its own: no token (text), NaN (numbers), 0 (categories). Networks learn a null
for each, so absence is known in training and in guidance.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from diffusion.conditions.condition import GROUPS, SEXES, SOURCES, Condition
from gen.quantities import QUANTITIES
from gen.randomness import Stream, seeded_uniform
from gen.text import ReadText, encode


@dataclass(frozen=True, eq=False)
class ConditionBatch:
    """Conditions as tensors, all on one device.

    Attributes:
        token_ids: (batch, token) int64, see `gen.text.vocabulary`.
        token_attributes: (batch, token, 4) int64, see `gen.text.ATTRIBUTES`.
        token_values: (batch, token) float32; number tokens only.
        token_mask: (batch, token) bool, True where valid; all False where the text is absent.
        numbers: (batch, 7) float32 in the units and the order of `QUANTITIES`; NaN where absent.
        sex: (batch,) int64; 0 absent, then `SEXES`.
        source: (batch,) int64; 0 absent, then `SOURCES`.
    """

    token_ids: torch.Tensor
    token_attributes: torch.Tensor
    token_values: torch.Tensor
    token_mask: torch.Tensor
    numbers: torch.Tensor
    sex: torch.Tensor
    source: torch.Tensor

    def __len__(self) -> int:
        return len(self.sex)

    def as_dict(self) -> dict[str, torch.Tensor]:
        """The tensors by name, as a training batch carries them."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_dict(cls, tensors: Mapping[str, torch.Tensor]) -> "ConditionBatch":
        """The conditions in a training batch, which may hold other tensors too."""
        return cls(**{f.name: tensors[f.name] for f in fields(cls)})

    def to(self, device: torch.device | str) -> "ConditionBatch":
        """The same on another device."""
        return ConditionBatch(**{name: value.to(device) for name, value in self.as_dict().items()})

    def without(self, groups: Iterable[str] | Mapping[str, torch.Tensor]) -> "ConditionBatch":
        """The same with some groups absent.

        Args:
            groups: names of `GROUPS`, absent in all samples; or name -> (batch,) bool, True where absent.

        Raises:
            ValueError: an unknown group.
        """
        every = torch.ones(len(self), dtype=torch.bool, device=self.sex.device)
        chosen = dict(groups) if isinstance(groups, Mapping) else dict.fromkeys(groups, every)
        mask, numbers, sex = self.token_mask, self.numbers, self.sex
        names = list(QUANTITIES)
        for group, absent in chosen.items():
            if group not in GROUPS:
                raise ValueError(f"group {group!r} is unknown; known: {', '.join(GROUPS)}")
            for part in GROUPS[group]:
                if part == "text":
                    mask = mask & ~absent[:, None]
                elif part == "sex":
                    sex = torch.where(absent, 0, sex)
                else:
                    column = torch.tensor([name == part for name in names], device=numbers.device)
                    numbers = torch.where(absent[:, None] & column, torch.nan, numbers)
        return replace(self, token_mask=mask, numbers=numbers, sex=sex)

    @staticmethod
    def cat(batches: Sequence["ConditionBatch"]) -> "ConditionBatch":
        """One batch after another, with texts padded to the longest."""
        width = max(b.token_ids.shape[1] for b in batches)
        padded = [_padded(b, width).as_dict() for b in batches]
        return ConditionBatch(**{name: torch.cat([p[name] for p in padded]) for name in padded[0]})


def collate(conditions: Sequence[Condition]) -> ConditionBatch:
    """Tensors of several requests; numbers in texts go to the numeric conditions."""
    texts = [c.words for c in conditions]
    tokens = encode([t if t is not None else ReadText() for t in texts])
    said = np.array([t is not None for t in texts], dtype=bool)
    numbers = [[_or_nan(getattr(c, name)) for name in QUANTITIES] for c in conditions]
    return ConditionBatch(
        token_ids=torch.from_numpy(tokens.ids.astype(np.int64)),
        token_attributes=torch.from_numpy(tokens.attributes.astype(np.int64)),
        token_values=torch.from_numpy(tokens.values),
        token_mask=torch.from_numpy(tokens.mask & said[:, None]),
        numbers=torch.tensor(numbers, dtype=torch.float32).reshape(len(conditions), len(QUANTITIES)),
        sex=torch.tensor([0 if c.sex is None else 1 + SEXES.index(c.sex) for c in conditions]),
        source=torch.tensor([0 if c.source is None else 1 + SOURCES.index(c.source) for c in conditions]),
    )


def drop_at_random(
    batch: ConditionBatch, sample_seed: torch.Tensor, *, each: float, everything: float, within: float
) -> ConditionBatch:
    """Leave out parts of conditions, sample by sample, as training for guidance wants it.

    Args:
        batch: the conditions.
        sample_seed: (batch,) int64.
        each: probability that a group is left out, independently of the others.
        everything: probability that all groups are left out together.
        within: probability that a single number is left out, so that any subset of them is known in training.
    """
    names = list(GROUPS)
    draws = seeded_uniform((len(names) + 1,), sample_seed, batch.sex.device, stream=Stream.CONDITIONS)
    alone = seeded_uniform((len(QUANTITIES),), sample_seed, batch.sex.device, stream=Stream.NUMBERS)
    numbers = torch.where(alone < within, torch.nan, batch.numbers)
    all_of_them = draws[:, -1] < everything
    absent = {name: (draws[:, k] < each) | all_of_them for k, name in enumerate(names)}
    return replace(batch, numbers=numbers).without(absent)


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _padded(batch: ConditionBatch, width: int) -> ConditionBatch:
    extra = width - batch.token_ids.shape[1]
    pad = torch.nn.functional.pad
    return replace(
        batch,
        token_ids=pad(batch.token_ids, (0, extra)),
        token_attributes=pad(batch.token_attributes, (0, 0, 0, extra)),
        token_values=pad(batch.token_values, (0, extra)),
        token_mask=pad(batch.token_mask, (0, extra)),
    )
