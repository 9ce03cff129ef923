"""Cost of the measures against n: ``python -m metrics.evaluation.speed --n 1000 3000 10000``.

Each measure runs in a process of its own, so that time and peak memory are its own. ``--bias-table`` prints the
small-sample bias of the Fréchet distance instead; ``--streaming`` its cost on a million samples in blocks, and how
far it is from the distance on all samples at once.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

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


def measure(name: str, count: int) -> dict[str, float | int | str]:
    """Time in s (wall and CPU) and peak memory in MiB of one measure at n = ``count``, in a process of its own."""
    command = [sys.executable, "-m", "metrics.evaluation.speed", "--one", name, "--n", str(count)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{name} at n={count} failed: {result.stderr.strip().splitlines()[-1:]}")
    return json.loads(result.stdout)


def _run_here(name: str, count: int) -> dict[str, float | int | str]:
    wall, cpu = time.perf_counter(), time.process_time()
    BENCHES[name](count)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "metric": name,
        "n": count,
        "seconds": round(wall, 2),
        "cpu_seconds": round(cpu, 2),
        "peak_mib": round(peak),
    }


def streaming_error(count: int = 20_000, width: int = _WIDTH, seed: int = 0) -> float:
    """Relative difference of the streamed Fréchet distance and the one from numpy's covariance of all rows at once."""
    from metrics.distribution.frechet import GaussianStatistics, frechet_distance

    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((width, width)) / np.sqrt(width)
    sets = [10.0 + shift + rng.standard_normal((count, width)) @ mixing for shift in (0.0, 0.1)]
    cuts = np.sort(rng.choice(count, 23, replace=False))
    streamed = frechet_distance(
        reference=GaussianStatistics.stream(np.array_split(sets[0], 24)),
        generated=GaussianStatistics.stream(part for part in np.split(sets[1], cuts) if len(part)),
    )
    moments = [GaussianStatistics(count, x.mean(axis=0), (count - 1) * np.cov(x, rowvar=False)) for x in sets]
    whole = frechet_distance(reference=moments[0], generated=moments[1])
    return abs(streamed - whole) / whole


def _print_streaming(count: int) -> None:
    row = measure("streaming_fid", count)
    blocks = "in blocks of 2,000, generated on the way (which takes part of the time)"
    print(f"{count} x {_WIDTH} features a side {blocks}:")
    print("{seconds} s, {cpu_seconds} s of CPU, peak {peak_mib} MiB".format(**row), flush=True)
    print(f"20000 x {_WIDTH}: streamed and all at once differ by {streaming_error():.1e}, relative")


def _print_bias(seed: int) -> None:
    from metrics.distribution.frechet import bias_table, expected_bias

    widths, counts = (64, 1024), (500, 1000, 2000, 5000, 10000)
    table = bias_table(widths, counts, seed=seed)
    print("FID of two sets of n draws from one N(0, I_d); in brackets d²/(2n) + 2d/n")
    print("| d | " + " | ".join(f"n={n}" for n in counts) + " |")
    print("|---" * (len(counts) + 1) + "|")
    for width, row in zip(widths, table, strict=True):
        cells = (f"{value:.3g} ({expected_bias(width, n):.3g})" for value, n in zip(row, counts, strict=True))
        print(f"| {width} | " + " | ".join(cells) + " |")


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line of the bench."""
    parser = argparse.ArgumentParser(prog="python -m metrics.evaluation.speed", description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, nargs="+", default=[1000, 3000], help="sample counts (default: 1000 3000)")
    parser.add_argument("--only", choices=sorted(BENCHES), nargs="+", help="these measures only")
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of the table")
    parser.add_argument("--bias-table", action="store_true", help="small-sample bias of the Fréchet distance")
    parser.add_argument(
        "--streaming", type=int, nargs="?", const=1_000_000, metavar="N", help="streaming Fréchet distance of N samples"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--one", choices=sorted(BENCHES), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.bias_table:
        _print_bias(options.seed)
        return
    if options.streaming:
        _print_streaming(options.streaming)
        return
    if options.one:
        print(json.dumps(_run_here(options.one, options.n[0])))
        return
    if not options.json:
        print(f"{_WIDTH} features, or ECGs of 8 x 5,000 samples")
        print("| measure | n | time s | CPU s | peak MiB |\n|---|---|---|---|---|")
    for name in options.only or BENCHES:
        for count in options.n:
            if count > _LARGEST.get(name, count):
                continue
            row = measure(name, count)
            text = (
                json.dumps(row)
                if options.json
                else "| {metric} | {n} | {seconds} | {cpu_seconds} | {peak_mib} |".format(**row)
            )
            print(text, flush=True)


if __name__ == "__main__":
    main()
