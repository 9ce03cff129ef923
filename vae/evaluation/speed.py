"""Time per 10-second record of reconstruction methods, side by side in one run: ``python -m vae.evaluation.speed``.

The published network is timed as its authors configured it last: 500 Hz, float32, with random weights (they decide
nothing about time).
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch

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
    return Windows(signal, observed, lone, tuple((0, k) for k in range(count)))


@torch.inference_mode()
def _published(model: WearECG, x: torch.Tensor, mask: torch.Tensor) -> Decoded:
    return model.forward(x, mask)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m vae.evaluation.speed", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    default = load().predictor
    assert isinstance(default, NetworkPredictor)
    published = WearECG(fs_hz=500.0).eval()
    print(f"{options.threads} threads, median of {options.repeats} runs; milliseconds per 10-second record")
    print("| method | batch 1 | batch 32 |\n|---|---|---|")
    linear = LinearPredictor("least-squares")
    rows: dict[str, list[float]] = {}
    for count in (1, 32):
        batch = windows(count)
        x, mask = torch.from_numpy(batch.signal_mv), torch.from_numpy(batch.observed)
        few = options.repeats if count == 1 else max(1, options.repeats // 3)
        calls: list[tuple[str, Callable[[], object], int]] = [
            ("default, mean", partial(default, batch, 0), options.repeats),
            ("default, mean and 20 samples", partial(default, batch, 20), few),
            ("least-squares", partial(linear, batch, 0), options.repeats),
            (PUBLISHED, partial(_published, published, x, mask), few),
        ]
        for name, call, times in calls:
            rows.setdefault(name, []).append(1000 * median_seconds(call, times) / count)
    for name, values in rows.items():
        print(f"| {name} | " + " | ".join(f"{v:.1f}" for v in values) + " |")
    base, ours = rows[PUBLISHED], rows["default, mean"]
    print("\nratio published / default: " + ", ".join(f"{b / o:.0f}x" for b, o in zip(base, ours, strict=True)))


if __name__ == "__main__":
    main()
