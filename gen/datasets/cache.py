"""Memory-mapped caches of ECG sets: build one with `prepare`, read it with `SignalCache`."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gen.datasets.base import Source
from gen.datasets.cache_build import prepare
from gen.datasets.cache_reader import SignalCache

__all__ = ["ReadSpeed", "SignalCache", "benchmark_read", "prepare"]


@dataclass(frozen=True)
class ReadSpeed:
    """Records per second in random batches, side by side."""

    cache_per_s: float
    source_per_s: float
    reader: str  #: what the cache is compared with: 'wfdb.rdrecord' or the source's own reader
    records: int

    @property
    def ratio(self) -> float:
        """How many times faster the cache is."""
        return self.cache_per_s / self.source_per_s


def benchmark_read(
    cache: SignalCache, source: Source, *, batch_size: int = 32, batches: int = 8, seed: int = 0
) -> ReadSpeed:
    """Time random batches from the cache against reading the same records with ``wfdb.rdrecord``.

    Both sides read the same records, drawn without replacement, after one untimed batch each; the same page cache
    serves both. A source that is not WFDB, or whose records that package cannot read, is timed with its own reader.
    """
    rng = np.random.default_rng(seed)
    count = min(batch_size * batches, len(cache))
    chosen = np.array_split(rng.permutation(len(cache))[:count], max(1, count // batch_size))
    positions = cache.table["source_index"].to_numpy()
    stems = [str(source.root / path).removesuffix(".hea") for path in source.table["path"]]
    is_wfdb = all(_wfdb_reads(stems[positions[i]]) for i in np.concatenate(chosen))

    def read_source(indices: np.ndarray) -> None:
        import wfdb

        for index in indices:
            if is_wfdb:
                wfdb.rdrecord(stems[positions[index]])
            else:
                source[int(positions[index])]

    return ReadSpeed(
        cache_per_s=_rate(cache.batch, chosen),
        source_per_s=_rate(read_source, chosen),
        reader="wfdb.rdrecord" if is_wfdb else f"the {source.info.name} reader",
        records=count,
    )


def _wfdb_reads(stem: str) -> bool:
    """Whether there is a header that the ``wfdb`` package accepts; dates in another form are enough to refuse."""
    if not Path(f"{stem}.hea").is_file():
        return False
    import wfdb

    try:
        wfdb.rdrecord(stem, sampto=1)
    except Exception:  # whatever it is, the package is no yardstick for this set
        return False
    return True


def _rate(read: Callable[[np.ndarray], object], batches: list[np.ndarray]) -> float:
    read(batches[0])
    start = time.perf_counter()
    for indices in batches:
        read(indices)
    return sum(map(len, batches)) / (time.perf_counter() - start)
