"""What a caller asks of the generator: conditions checked and put into words, and samples ready to be drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from diffusion.conditions.condition import Condition
from diffusion.conditions.implied import completed
from gen.quantities import QUANTITIES
from gen.randomness import sample_seeds
from gen.records import InputError

_UNSEEDED_BITS = 53


@dataclass(frozen=True, eq=False)
class Prepared:
    """Samples ready to be drawn, in one piece: what was asked for, what the network is told, and their seeds.

    Attributes:
        asked: a condition for each sample, as it was asked for.
        told: the same as the network is told it: no finding that is denied, and the numbers that findings imply.
        numbers: of the samples within their seed.
        seeds: (n,) int64, which fix all noise.
        seed: they are of; None where every sample has its own.
    """

    asked: Sequence[Condition]
    told: Sequence[Condition]
    numbers: Sequence[int]
    seeds: torch.Tensor
    seed: int | None

    def __len__(self) -> int:
        return len(self.asked)

    def __getitem__(self, part: slice) -> "Prepared":
        return Prepared(self.asked[part], self.told[part], self.numbers[part], self.seeds[part], self.seed)

    def rows(self, chosen: Sequence[int]) -> "Prepared":
        """Some of the samples, by position."""
        return Prepared(
            [self.asked[k] for k in chosen],
            [self.told[k] for k in chosen],
            [self.numbers[k] for k in chosen],
            self.seeds[list(chosen)],
            self.seed,
        )

    @classmethod
    def of(
        cls,
        asked: Sequence[Condition],
        numbers: Sequence[int],
        seed: int | None,
        seeds: torch.Tensor | None = None,
        *,
        literal: bool = False,
    ) -> "Prepared":
        """Samples with what their findings imply.

        Args:
            asked: a condition for each sample.
            numbers: of the samples.
            seed: they are of.
            seeds: (n,) int64; those of ``numbers`` and ``seed`` where not given.
            literal: leave numbers open that findings imply.
        """
        if seeds is None:
            seeds = torch.from_numpy(sample_seeds(np.asarray(numbers), int(seed or 0)))
        affirmed = [condition.affirmed() for condition in asked]
        return cls(asked, affirmed if literal else completed(affirmed, seeds), numbers, seeds, seed)


def seeds_of(
    seed: int | None, generator: torch.Generator | Sequence[torch.Generator] | None, numbers: Sequence[int]
) -> tuple[int | None, torch.Tensor]:
    """The seed to record, and (n,) int64 seeds of the samples.

    Raises:
        InputError: both were given, a negative seed, or not one generator for each sample.
    """
    if seed is not None and generator is not None:
        raise InputError("seed and generator: give one of them")
    if isinstance(generator, Sequence):
        if len(generator) != len(numbers):
            raise InputError(f"{len(generator)} generators for {len(numbers)} samples; expected one for each, or one")
        return None, torch.stack([_draw(g) for g in generator])
    if generator is not None:
        seed = int(_draw(generator))
    elif seed is None:
        seed = int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> (64 - _UNSEEDED_BITS))
    if seed < 0:
        raise InputError(f"seed {seed}: expected 0 or more")
    return seed, torch.from_numpy(sample_seeds(np.asarray(numbers), seed))


def _draw(generator: torch.Generator) -> torch.Tensor:
    return torch.randint(2**_UNSEEDED_BITS, (), generator=generator, device=generator.device).cpu()


def report_of(condition: Condition) -> str | None:
    """The text asked for, as it was worded where that is known."""
    if condition.text is None:
        return None
    if condition.text.wording is not None:
        return condition.text.wording or None
    return ", ".join(s.text for s in condition.text.statements) or None


def statements_of(condition: Condition) -> dict[str, float]:
    """Statements asked for: SCP-ECG code -> likelihood in percent."""
    found: dict[str, float] = {}
    for statement in condition.text.statements if condition.text is not None else ():
        if not statement.negated:
            found[statement.code] = max(found.get(statement.code, 0.0), float(statement.likelihood))
    return found


def request_of(condition: Condition) -> dict[str, Any]:
    """What was asked for, as JSON values; numbers in the text count as asked for."""
    text = report_of(condition)
    asked: dict[str, Any] = {} if text is None else {"text": text}
    if condition.sex is not None:
        asked["sex"] = condition.sex
    return asked | {name: getattr(condition, name) for name in QUANTITIES if getattr(condition, name) is not None}


def implied_by(asked: Condition, told: Condition) -> dict[str, Any]:
    """Numbers that were drawn for a request, under ``implied``; nothing where none was."""
    before, after = request_of(asked), request_of(told)
    drawn = {name: round(after[name], 3) for name in QUANTITIES if name in after and name not in before}
    return {"implied": drawn} if drawn else {}


def conditions_of(prompt: Any, values: Mapping[str, Any]) -> list[Condition]:
    """One condition per prompt; values are one for all or one for each."""
    lists = {name: list(value) for name, value in values.items() if _is_many(value)}
    if _is_many(prompt):
        lists["prompt"] = list(prompt)
    sizes = {len(value) for value in lists.values()}
    if len(sizes) > 1 or 0 in sizes:
        counts = ", ".join(f"{name} {len(value)}" for name, value in lists.items())
        raise InputError(f"lists of different length ({counts}); expected one value for all, or one for each prompt")
    size = sizes.pop() if sizes else 1
    prompts = lists.pop("prompt", [prompt] * size)
    return [
        Condition(
            text=prompts[k] or None,
            **{name: lists[name][k] if name in lists else value for name, value in values.items()},
        )
        for k in range(size)
    ]


def _is_many(value: Any) -> bool:
    return isinstance(value, Sequence | np.ndarray) and not isinstance(value, str)
