"""Small-sample bias of the Fréchet distance, and the error of its streaming form: ``physiogen evaluate fid-bias``."""

import numpy as np

from gen.evaluations import Progress
from gen.results import Node, Results, Value
from metrics.distribution.frechet import GaussianStatistics, bias_table, expected_bias, frechet_distance
from metrics.evaluation.settings import FidBias

_WIDTH = 1024


def streaming_error(count: int = 20_000, width: int = _WIDTH, seed: int = 0) -> float:
    """Relative difference of the streamed Fréchet distance and the one from numpy's covariance of all rows at once."""
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


def run(settings: FidBias, progress: Progress) -> Results:
    """The bias of each width and size beside what the formula says, and the error of streaming."""
    table = bias_table(settings.widths, settings.sizes, seed=settings.seed)
    values: dict[str, Node] = {
        f"d = {width}": {
            f"n = {n}": {
                "two equal sets": Value(found),
                "d²/(2n) + 2d/n": Value(expected_bias(width, n), better="reference"),
            }
            for n, found in zip(settings.sizes, row, strict=True)
        }
        for width, row in zip(settings.widths, table, strict=True)
    }
    if settings.streamed:
        progress("bias measured; streaming")
        error = streaming_error(settings.streamed, seed=settings.seed)
        words = "streamed and all at once differ, relative"
        values[f"{_WIDTH} features"] = {words: Value(error, n=settings.streamed, better="lower")}
    return settings.results(values)
