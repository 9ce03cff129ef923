"""From sample numbers to batches: which process sees what, in which order, prepared ahead."""

import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, TypeVar

import numpy as np
import torch

from gen.randomness import Purpose, sample_seeds
from gen.records import InputError

Item = TypeVar("Item")
Batch = dict[str, torch.Tensor]


class BatchSource(Protocol):
    """Where samples come from.

    Sample number g of a run with seed s is fully determined by (s, g): which record is drawn, its augmentation and
    its masks (use `gen.training.sample_generator` and `shuffled_indices`). Then neither the number of processes nor
    a resume changes what is trained on. `batch` may be called from another thread, so it must not use a global
    random generator.
    """

    def batch(self, numbers: np.ndarray, seed: int) -> Batch:
        """Tensors, batch axis first, of the samples with these global numbers (int64)."""
        ...


@dataclass(frozen=True)
class Share:
    """The part of every global batch that one process computes.

    Raises:
        InputError: the batch cannot be cut evenly.
    """

    batch_size: int
    rank: int = 0
    processes: int = 1
    parts: int = 1

    def __post_init__(self) -> None:
        if self.batch_size % (self.processes * self.parts):
            raise InputError(
                f"batch_size {self.batch_size} must be a multiple of processes ({self.processes}) "
                f"x gradient_accumulation ({self.parts})"
            )

    def numbers(self, step: int) -> list[np.ndarray]:
        """Global sample numbers of a step: one int64 array for each accumulated part."""
        own = self.batch_size // self.processes
        start = step * self.batch_size + self.rank * own
        return np.split(np.arange(start, start + own, dtype=np.int64), self.parts)


def batches(source: BatchSource, share: Share, seed: int, steps: range) -> Iterator[Batch]:
    """The parts of all steps in order, each with its ``sample_seed``."""
    for step in steps:
        for numbers in share.numbers(step):
            batch = dict(source.batch(numbers, seed))
            batch["sample_seed"] = torch.from_numpy(sample_seeds(numbers, seed))
            yield batch


class Prefetch(Iterator[Item]):
    """Runs an iterator ahead in one background thread; the order stays exact, and so do its errors.

    Use as a context manager: leaving it stops the thread.
    """

    _END = object()

    def __init__(self, items: Iterable[Item], depth: int) -> None:
        self._items = iter(items)
        self._stop = threading.Event()
        self._queue: queue.Queue = queue.Queue(maxsize=max(1, depth))
        self._thread = threading.Thread(target=self._work, name="prefetch", daemon=True) if depth else None
        if self._thread:
            self._thread.start()

    def __enter__(self) -> "Prefetch[Item]":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()

    def __next__(self) -> Item:
        if self._thread is None:
            return next(self._items)
        item, error = self._queue.get()
        if error is not None:
            self._put(self._END, error)  # asked again, it fails again instead of waiting for ever
            raise error
        return item

    def _work(self) -> None:
        try:
            for item in self._items:
                if not self._put(item, None):
                    return
            self._put(self._END, StopIteration())
        except BaseException as error:  # handed to the thread that waits for it
            self._put(self._END, error)

    def _put(self, item: object, error: BaseException | None) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put((item, error), timeout=0.1)
                return True
            except queue.Full:
                continue
        return False


def shuffled_indices(numbers: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Indices into a data set of ``size`` for global sample numbers: every epoch is its own permutation.

    Args:
        numbers: (batch,) int64 global sample numbers.
        size: records in the data set.
        seed: the run's seed.

    Returns:
        (batch,) int64 in [0, size).
    """
    epochs, positions = np.divmod(np.asarray(numbers, dtype=np.int64), size)
    return np.array(
        [_permutation(int(e), size, seed)[p] for e, p in zip(epochs, positions, strict=True)], dtype=np.int64
    )


@lru_cache(maxsize=4)
def _permutation(epoch: int, size: int, seed: int) -> np.ndarray:
    sequence = np.random.SeedSequence((int(seed), epoch), spawn_key=(Purpose.ORDER,))
    return np.random.default_rng(sequence).permutation(size)
