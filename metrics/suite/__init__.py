"""One benchmark: two record sets in, one report out. It judges files, so it scores anybody's generator.

    from metrics.suite import benchmark
    report = benchmark(real="REAL", generated="GEN", out="R")
    report["fid"].value

Importing this package reads no data and loads no torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metrics.report.entries import BenchmarkReport, Entry
    from metrics.suite.run import benchmark

_HOMES = {
    "benchmark": "metrics.suite.run",
    "BenchmarkReport": "metrics.report.entries",
    "Entry": "metrics.report.entries",
}
__all__ = ["BenchmarkReport", "Entry", "benchmark"]


def __getattr__(name: str) -> Any:
    """Import on first use, so that a mistyped preset costs no library."""
    if name not in _HOMES:
        raise AttributeError(f"module 'metrics.suite' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
