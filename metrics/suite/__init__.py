"""One benchmark: two record sets in, one report out. It judges files, so it scores anybody's generator.

    from metrics.suite import benchmark
    report = benchmark(real="REAL", generated="GEN", out="R")
    report["fid"].value

Importing this package reads no data and loads no torch.
"""

from metrics.report.entries import BenchmarkReport, Entry
from metrics.suite.run import benchmark

__all__ = ["BenchmarkReport", "Entry", "benchmark"]
