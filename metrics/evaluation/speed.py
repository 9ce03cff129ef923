"""Cost of the measures against n: ``physiogen evaluate speed --of metrics --sizes 1000,3000,10000``.

Each measure runs in a process of its own, so that time and peak memory are its own.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np

from gen.evaluation.settings import Speed
from gen.evaluations import Progress
from gen.records import InputError
from gen.results import Node, Value
from metrics.statistics.arrays import Array

_WIDTH = 1024
_LARGEST = {"near_copies": 2000, "two_sample": 10000}  # beyond it a full run takes many minutes


def _features(count: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((count, _WIDTH)), rng.standard_normal((count, _WIDTH))


def _streaming_fid(count: int) -> None:
    from metrics.distribution.frechet import GaussianStatistics, frechet_distance

    def blocks(side: int) -> Iterator[Array]:
        for start in range(0, count, 2000):
            rng = np.random.default_rng((side, start))
            yield rng.standard_normal((min(2000, count - start), _WIDTH))

    sets = [GaussianStatistics.stream(blocks(side)) for side in (0, 1)]
    frechet_distance(reference=sets[0], generated=sets[1])


def _kid(count: int) -> None:
    from metrics.distribution.mmd import kid

    first, second = _features(count)
    kid(reference=first, generated=second)


def _manifold(count: int) -> None:
    from metrics.distribution.manifold import manifold_scores

    first, second = _features(count)
    manifold_scores(reference=first, generated=second)


def _two_sample(count: int) -> None:
    from metrics.distribution.two_sample import two_sample_test

    first, second = _features(count)
    two_sample_test(reference=first, generated=second)


def _near_copies(count: int) -> None:
    from metrics.privacy.copies import find_copies

    rng = np.random.default_rng(0)
    first, second = (rng.standard_normal((count, 8, 5000), dtype=np.float32) for _ in range(2))
    find_copies(reference=first, generated=second, fs_hz=500)


def _random_conv(count: int) -> None:
    from metrics.distribution.extractors import extractor

    extract = extractor("random-conv")
    rng = np.random.default_rng(0)
    for start in range(0, count, 100):
        extract(rng.standard_normal((min(100, count - start), 8, 5000)), 500)


BENCHES: dict[str, Callable[[int], None]] = {
    "streaming_fid": _streaming_fid,
    "kid": _kid,
    "precision_recall_density_coverage": _manifold,
    "two_sample": _two_sample,
    "near_copies": _near_copies,
    "random_conv_features": _random_conv,
}


def measure(name: str, count: int) -> dict[str, float]:
    """Time in s (wall and CPU) and peak memory in MiB of one measure at n = ``count``, in a process of its own."""
    code = f"from metrics.evaluation.speed import print_one; print_one({name!r}, {count})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{name} at n={count} failed: {result.stderr.strip().splitlines()[-1:]}")
    return json.loads(result.stdout)


def print_one(name: str, count: int) -> None:
    """What the process of `measure` runs: one measure, its cost as JSON on stdout."""
    wall, cpu = time.perf_counter(), time.process_time()
    BENCHES[name](count)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": round(wall, 2), "cpu_seconds": round(cpu, 2), "peak_mib": round(peak)}))


def bench(settings: Speed, progress: Progress) -> dict[str, Node]:
    """Time and memory of each measure at each sample count.

    Raises:
        InputError: an unknown measure.
    """
    unknown = [name for name in settings.only if name not in BENCHES]
    if unknown:
        raise InputError(f"--only {unknown[0]}: accepted: {', '.join(BENCHES)}")
    rows: dict[str, Node] = {}
    for name in settings.only or BENCHES:
        for count in settings.sizes or (1000, 3000):
            if count > _LARGEST.get(name, count):
                continue
            found = measure(name, count)
            rows[f"{name.replace('_', ' ')}, n = {count}"] = {
                "time": Value(found["seconds"], n=count, unit="s", better="lower"),
                "processor time": Value(found["cpu_seconds"], n=count, unit="s", better="lower"),
                "peak memory": Value(found["peak_mib"], n=count, unit="MiB", better="lower"),
            }
            progress(f"{name}, n = {count}: timed")
    return {f"{_WIDTH} features, or ECGs of 8 x 5,000 samples": rows}
