"""Latents and conditions of a training set, encoded once: a folder of arrays that training draws from.

latents.npy       (record, channel, position) float16, unit variance
<condition>.npy   the tensors of a `ConditionBatch`; those of the text are (record, wording, token, ...)
latents.json      what was encoded, by which codec
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from diffusion.conditions.batch import ConditionBatch, collate
from diffusion.conditions.condition import Condition
from gen.files import read_json, replace_folder, write_json
from gen.records import InputError
from gen.training import Batch, sample_generator, shuffled_indices

#: Tokens kept of a text; reports of PTB-XL have 12 at most, ones of MIMIC-IV-ECG about 25.
TOKENS = 32
_TEXT = ("token_ids", "token_attributes", "token_values", "token_mask")
_MANIFEST = "latents.json"


class Codec(Protocol):
    """Turns eight leads in mV into latents of unit variance and back."""

    @property
    def fs_hz(self) -> float:
        """Rate of its signals."""
        ...

    def encode(self, signal_mv: torch.Tensor) -> torch.Tensor:
        """(batch, 8, time) mV to (batch, channel, position)."""
        ...

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        """(batch, channel, position) to (batch, 8, time) mV."""
        ...


@dataclass(frozen=True, eq=False)
class Example:
    """Some recordings with what is known of them.

    Attributes:
        signal_mv: (n, 8, time) mV at the codec's rate.
        wordings: for each way to word the conditions, one condition per recording.
    """

    signal_mv: np.ndarray
    wordings: Sequence[Sequence[Condition]]


def write_latents(
    folder: Path, blocks: Iterator[Example], codec: Codec, facts: dict[str, Any], batch_size: int = 64
) -> Path:
    """Encode blocks of recordings and write the folder, whole or not at all.

    Raises:
        InputError: there is nothing to encode, or the folder cannot be written.
    """
    latents: list[np.ndarray] = []
    conditions: dict[str, list[np.ndarray]] = {}
    for block in blocks:
        for start in range(0, len(block.signal_mv), batch_size):
            signal = torch.from_numpy(np.ascontiguousarray(block.signal_mv[start : start + batch_size]))
            with torch.inference_mode():
                latents.append(codec.encode(signal.float()).numpy().astype(np.float16))
        for name, array in condition_arrays(block.wordings).items():
            conditions.setdefault(name, []).append(array)
    if not latents:
        raise InputError(f"{folder}: no recording to encode")
    with replace_folder(folder) as temporary:
        np.save(temporary / "latents.npy", np.concatenate(latents))
        for name, arrays in conditions.items():
            np.save(temporary / f"{name}.npy", np.concatenate(arrays))
        write_json(temporary / _MANIFEST, facts | {"records": sum(map(len, latents))})
    return folder


def condition_arrays(wordings: Sequence[Sequence[Condition]]) -> dict[str, np.ndarray]:
    """Tensors of a `ConditionBatch` of every recording; those of the text with a second axis of wordings."""
    batches = [_wide(collate(conditions)) for conditions in wordings]
    out = {name: np.stack([b[name] for b in batches], axis=1) for name in _TEXT}
    return out | {name: value for name, value in batches[0].items() if name not in _TEXT}


def _wide(batch: ConditionBatch) -> dict[str, np.ndarray]:
    """Arrays of a batch with all texts `TOKENS` wide."""
    out = {}
    for name, tensor in batch.as_dict().items():
        array = tensor.numpy()
        if name in _TEXT:
            kept = array[:, :TOKENS]
            pad = [(0, 0), (0, TOKENS - kept.shape[1]), *[(0, 0)] * (kept.ndim - 2)]
            array = np.pad(kept, pad)
        out[name] = array
    return out


@dataclass(frozen=True, eq=False)
class LatentSet:
    """A folder written by `write_latents`, memory-mapped."""

    folder: Path
    facts: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @classmethod
    def open(cls, folder: str | Path) -> "LatentSet":
        """Open a folder.

        Raises:
            InputError: a file is missing.
        """
        folder = Path(folder)
        facts = read_json(folder / _MANIFEST)
        names = ("latents", *ConditionBatch.__dataclass_fields__)
        try:
            arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}
        except (OSError, ValueError) as error:
            raise InputError(f"{folder}: not a complete set of latents ({error})") from error
        return cls(folder, facts, arrays)

    def __len__(self) -> int:
        return len(self.arrays["latents"])

    def batch(self, rows: np.ndarray, wordings: np.ndarray) -> Batch:
        """``latent`` and the tensors of a `ConditionBatch`; ``wordings`` (batch,) chooses one (modulo their number)."""
        out: Batch = {"latent": torch.from_numpy(self.arrays["latents"][rows].astype(np.float32))}
        for name, array in self.arrays.items():
            if name == "latents":
                continue
            values = array[rows, wordings % array.shape[1]] if name in _TEXT else array[rows]
            out[name] = torch.from_numpy(np.ascontiguousarray(values))
        width = max(1, int(out["token_mask"].any(dim=0).sum()))
        for name in _TEXT:
            out[name] = out[name][:, :width]
        return out


class LatentSource:
    """Draws from several sets in fixed shares; sample g of run seed s is always the same.

    Args:
        sets: the sets.
        shares: probability of each, adding up to one.
        channel_weight: (channel,) weight of each channel's error, or None for equal ones.
    """

    def __init__(
        self, sets: Sequence[LatentSet], shares: Sequence[float], channel_weight: np.ndarray | None = None
    ) -> None:
        if len(sets) != len(shares) or abs(sum(shares) - 1) > 1e-6:
            raise ValueError(f"{len(shares)} shares that add up to {sum(shares):g} for {len(sets)} sets; expected 1")
        self.sets, self.bounds = list(sets), np.cumsum(shares)
        self.channel_weight = channel_weight

    def batch(self, numbers: np.ndarray, seed: int) -> Batch:
        """See `gen.training.BatchSource`."""
        draws = np.array([sample_generator(seed, int(n)).random(2) for n in numbers])
        chosen = np.minimum(np.searchsorted(self.bounds, draws[:, 0], side="right"), len(self.sets) - 1)
        wordings = (draws[:, 1] * 2**20).astype(np.int64)
        rows = np.empty(len(numbers), dtype=np.int64)
        for k, latents in enumerate(self.sets):
            own = chosen == k
            rows[own] = shuffled_indices(numbers[own], len(latents), seed)
        return gathered(self.sets, chosen, rows, wordings) | repeated_weight(self.channel_weight, len(numbers))


def gathered(sets: Sequence[LatentSet], chosen: np.ndarray, rows: np.ndarray, wordings: np.ndarray) -> Batch:
    """Latents and conditions of rows of several sets, in the order asked for.

    Args:
        sets: the sets.
        chosen: (batch,) which of them.
        rows, wordings: (batch,) see `LatentSet.batch`.
    """
    parts, places = [], []
    for k, latents in enumerate(sets):
        own = np.flatnonzero(chosen == k)
        if len(own):
            parts.append(latents.batch(rows[own], wordings[own]))
            places.append(own)
    conditions = ConditionBatch.cat([ConditionBatch.from_dict(p) for p in parts]).as_dict()
    order = torch.from_numpy(np.argsort(np.concatenate(places)))
    latent = torch.cat([p["latent"] for p in parts])
    return {name: value[order] for name, value in {"latent": latent, **conditions}.items()}


def repeated_weight(weight: np.ndarray | None, count: int) -> Batch:
    """``channel_weight`` (count, channel) of a batch; nothing where channels weigh the same."""
    if weight is None:
        return {}
    return {"channel_weight": torch.from_numpy(weight.astype(np.float32))[None].repeat(count, 1)}


def check_facts(folder: Path, latents: LatentSet, facts: Mapping[str, Any]) -> None:
    """Refuse a set that was encoded with other facts than these.

    Raises:
        InputError: with the first fact that differs.
    """
    for key, value in facts.items():
        if latents.facts.get(key) != value:
            raise InputError(f"{folder}: encoded with {key} {latents.facts.get(key)}; this run needs {value}")


def channel_weights(codec: Codec, latent: torch.Tensor, step: float = 0.25) -> np.ndarray:
    """(channel,) share of each latent channel in the decoded signal, as weights of mean one.

    Channels differ in how many millivolts they move; without weights a network spends its capacity on those that carry
    recording noise. The weight is the root mean square change of the decoded signal for ``step`` standard deviations.

    Args:
        codec: its decoder is probed.
        latent: (batch, channel, position) of real recordings.
        step: size of the change.
    """
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        base = codec.decode(latent)
        moved = []
        for channel in range(latent.shape[1]):
            changed = latent.clone()
            signs = torch.randint(0, 2, changed[:, channel].shape, generator=generator) * 2 - 1
            changed[:, channel] += step * signs
            moved.append((codec.decode(changed) - base).pow(2).mean().sqrt().item())
    weights = np.array(moved)
    return weights / weights.mean()
