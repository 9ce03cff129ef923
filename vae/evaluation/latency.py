"""One record rebuilt while other processes keep every core busy: ``physiogen evaluate speed --of latency``."""

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from gen.engines import cores
from gen.evaluation.settings import Speed
from gen.evaluations import Progress
from gen.results import Node, Value
from gen.simulate import simulate
from gen.timing import seconds
from vae.pipeline import load
from vae.training.masks import MAIN_SET

#: Calls behind every repeat that is asked for: a median of few says nothing of a busy machine.
_CALLS = 20


def bench(settings: Speed, progress: Progress) -> dict[str, Node]:
    """Milliseconds of a call of the pipeline with one record, in turn on the machine as it is and beside others."""
    pipeline = load()
    (record,) = simulate([0], seed=0, fs_hz=500).records()
    strip = record.select(MAIN_SET)

    def call() -> None:
        pipeline(strip)

    call()
    taken: dict[str, list[float]] = {"alone": [], "beside others": []}
    for turn in range(settings.repeats):
        taken["alone"] += seconds(call, _CALLS)
        with _busy(cores()):
            taken["beside others"] += seconds(call, _CALLS)
        progress(f"latency: {turn + 1} of {settings.repeats}")
    rows: dict[str, Node] = {
        name: {
            "median": Value(1000 * float(np.median(found)), unit="ms", better="lower", n=len(found)),
            "95th percentile": Value(1000 * float(np.quantile(found, 0.95)), unit="ms", better="lower", n=len(found)),
        }
        for name, found in taken.items()
    }
    ratio = np.median(taken["beside others"]) / np.median(taken["alone"])
    return {"one record": rows, "beside others / alone": Value(float(ratio), better="lower")}


@contextmanager
def _busy(count: int) -> Iterator[None]:
    """So many processes that do nothing but compute."""
    others = [multiprocessing.get_context("spawn").Process(target=_spin, daemon=True) for _ in range(count)]
    for each in others:
        each.start()
    time.sleep(1.0)  # they have started
    try:
        yield
    finally:
        for each in others:
            each.kill()
            each.join()


def _spin() -> None:
    while True:
        pass
