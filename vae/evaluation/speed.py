"""Time per 10-second record of reconstruction methods, side by side in one run: ``physiogen evaluate speed --of vae``.

The published network is timed as its authors configured it last: 500 Hz, float32, with random weights (they decide
nothing about time).
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from gen.evaluation.settings import Speed
from gen.evaluations import Progress
from gen.precision import in_threads
from gen.results import Node, Value
from gen.simulate import simulate
from gen.timing import median_seconds
from vae.networks.objective import Decoded
from vae.networks.wearecg import WearECG
from vae.pipeline import load
from vae.predictors import LinearPredictor, NetworkPredictor, Windows
from vae.training.masks import MAIN_SET, lead_mask

PUBLISHED = "WearECG as published (500 Hz, float32)"


def windows(count: int) -> Windows:
    """Simulated ten-second records at 500 Hz with leads II, V1, V5 observed."""
    signal = simulate(range(count), seed=0, fs_hz=500).signal_mv
    observed = np.repeat(lead_mask(MAIN_SET, signal.shape[2])[None], count, axis=0)
    lone = np.full((count, 4, signal.shape[2]), np.nan, dtype=np.float32)
    return Windows(signal, observed, lone, tuple((0, str(k)) for k in range(count)))


@torch.inference_mode()
def _published(model: WearECG, x: torch.Tensor, mask: torch.Tensor) -> Decoded:
    return model.forward(x, mask)


def bench(settings: Speed, progress: Progress) -> dict[str, Node]:
    """Milliseconds per record of every method at each batch size."""
    with in_threads(settings.threads):
        return _timed(settings, progress)


def _timed(settings: Speed, progress: Progress) -> dict[str, Node]:
    default = load().predictor
    assert isinstance(default, NetworkPredictor)
    published, linear = WearECG(fs_hz=500.0).eval(), LinearPredictor("least-squares")
    rows: dict[str, dict[str, float]] = {}
    for count in settings.sizes or (1, 32):
        batch = windows(count)
        x, mask = torch.from_numpy(batch.signal_mv), torch.from_numpy(batch.observed)
        few = settings.repeats if count == 1 else max(1, settings.repeats // 3)
        calls: list[tuple[str, Callable[[], object], int]] = [
            ("default, mean", partial(default, batch, 0), settings.repeats),
            ("default, mean and 20 samples", partial(default, batch, 20), few),
            ("least-squares", partial(linear, batch, 0), settings.repeats),
            (PUBLISHED, partial(_published, published, x, mask), few),
        ]
        for name, call, times in calls:
            rows.setdefault(name, {})[f"batch {count}"] = 1000 * median_seconds(call, times) / count
        progress(f"reconstruction, batch {count}: timed")
    shown = {name: {key: Value(v, unit="ms", better="lower") for key, v in row.items()} for name, row in rows.items()}
    base, ours = rows[PUBLISHED], rows["default, mean"]
    ratio = {key: Value(base[key] / ours[key], better="higher") for key in base}
    return {"time per 10-second record": shown, "published / default": ratio}
