"""Random access to ECGs for training: ``physiogen evaluate speed --of reading``."""

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from gen.datasets import open_source, prepare
from gen.datasets.indexed import EcgDataset, dataset
from gen.evaluation.settings import Speed
from gen.evaluations import Progress
from gen.io.writer import RecordSetWriter
from gen.leads import LEADS_8, LEADS_12
from gen.records import EcgRecord
from gen.results import Node, Value
from gen.simulate import simulate

_BATCH = 64


def bench(settings: Speed, progress: Progress) -> dict[str, Node]:
    """Records a second in random batches, of one processor's time: it does not count what else the machine does."""
    count = max(settings.sizes or (1024,))
    rows: dict[str, dict[str, Value]] = {}
    with TemporaryDirectory() as folder:
        _write(Path(folder) / "set", count)
        progress(f"{count} simulated ECGs written as Parquet")
        prepare(open_source(Path(folder) / "set"), Path(folder) / "cache")
        progress("cache prepared")
        for name, place, leads in (
            ("cache, eight leads", "cache", LEADS_8),
            ("cache, twelve leads", "cache", LEADS_12),
            ("Parquet, twelve leads", "set", LEADS_12),
        ):
            data = dataset(Path(folder) / place, leads=leads)
            first = _rate(data.__getitems__, data, 0)
            later = [_rate(data.__getitems__, data, k) for k in range(1, settings.repeats + 1)]
            rows[name] = {
                "first time": Value(first, unit="1/s", better="higher"),
                "later": Value(float(np.median(later)), unit="1/s", better="higher"),
                "in a DataLoader": Value(_rate(_collated(data), data, 9), unit="1/s", better="higher"),
            }
            progress(f"{name}: timed")
    return {f"ECGs of 10 s in random batches of {_BATCH}, per second of one processor": rows}


def _write(folder: Path, count: int) -> None:
    with RecordSetWriter(folder, format="parquet", records_per_shard=512) as out:
        for start in range(0, count, 64):
            signals = simulate(range(start, min(start + 64, count)), seed=0, fs_hz=500).signal_mv
            for k, signal in enumerate(signals, start):
                out.add(EcgRecord(signal, 500, LEADS_8, f"r{k}", statements={"NORM": 100.0}, synthetic=True).to_12())


def _rate(read: Callable[[list[int]], object], data: EcgDataset, seed: int) -> float:
    order = np.random.default_rng(seed).permutation(len(data))
    began = time.process_time()
    for start in range(0, len(order), _BATCH):
        read([int(k) for k in order[start : start + _BATCH]])
    return len(order) / (time.process_time() - began)


def _collated(data: EcgDataset) -> Callable[[list[int]], object]:
    from torch.utils.data import default_collate

    return lambda indices: default_collate(data.__getitems__(indices))
