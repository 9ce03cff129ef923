"""Wall time of a call, for the benches of all packages."""

import statistics
import time
from collections.abc import Callable


def seconds(run: Callable[[], object], repeats: int) -> list[float]:
    """Wall time of every call in seconds."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return taken


def median_seconds(run: Callable[[], object], repeats: int = 5) -> float:
    """Median wall time of a call in seconds, after one call that is not timed."""
    run()
    return statistics.median(seconds(run, repeats))
