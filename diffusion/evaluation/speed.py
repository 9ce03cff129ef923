"""Time per ten-second ECG from text, side by side in one run: ``python -m diffusion.evaluation.speed``.

The published system is timed at its own size (12 leads x 1,024 samples at 102.4 Hz, U-Net of 14.18 M parameters,
float32, 1,000 steps, VAE decoding) with random weights, which decide nothing about time; some of its equal steps are
timed and multiplied.
"""

import argparse
from collections.abc import Sequence
from typing import Any

import torch

from diffusion.networks.diffusets import DiffuSETSUNet
from diffusion.pipeline import ECGPipeline, load
from gen import registry
from gen.timing import median_seconds

STEPS_PUBLISHED, STEPS_TIMED = 1000, 5
PROMPT = "atrial fibrillation, left bundle branch block"
#: Samplers beside the one that the weights come with, and their steps.
OTHERS = (("dpm++", 16), ("heun", 12), ("ddim", 50), ("ddpm", 100))


@torch.inference_mode()
def published(count: int, repeats: int) -> float:
    """Seconds for ``count`` ECGs of the published system."""
    network = DiffuSETSUNet().eval()
    decoder = registry.get("gen.codecs", "diffusets")(untrained=True).eval()
    latent, text, patient = torch.randn(count, 4, 128), torch.randn(count, 1536), torch.randn(count, 3)

    def steps() -> None:
        for t in range(STEPS_TIMED):
            network(latent, torch.full((count,), float(t)), text, patient)

    decoding = median_seconds(lambda: decoder.decode(latent), repeats)
    return median_seconds(steps, repeats) / STEPS_TIMED * STEPS_PUBLISHED + decoding


def ours(pipeline: ECGPipeline, count: int, repeats: int, **settings: Any) -> float:
    """Seconds for ``count`` ECGs of a pipeline."""
    return median_seconds(lambda: pipeline([PROMPT] * count, heart_rate=110, age=70, seed=0, **settings), repeats)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m diffusion.evaluation.speed", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32])
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    pipeline = load()
    pipeline.set_progress_bar_config(disable=True)
    own = pipeline.sampling()
    print(f"{options.threads} threads, median of {options.repeats} runs; seconds per ten-second ECG at each batch size")
    rows: dict[str, list[float]] = {}
    for count in options.batches:
        name = f"default: {own.scheduler}, {own.steps} steps, guided"
        rows.setdefault(name, []).append(ours(pipeline, count, options.repeats) / count)
        rows.setdefault("default, not guided", []).append(
            ours(pipeline, count, options.repeats, guidance_scale=1.0) / count
        )
        for scheduler, steps in OTHERS:
            taken = ours(pipeline, count, 1, scheduler=scheduler, num_inference_steps=steps)
            rows.setdefault(f"{scheduler}, {steps} steps, guided", []).append(taken / count)
        rows.setdefault("DiffuSETS as published", []).append(published(count, options.repeats) / count)
    print("| system | " + " | ".join(f"batch {count}" for count in options.batches) + " |")
    print("|---" * (len(options.batches) + 1) + "|")
    for name, values in rows.items():
        print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in values) + " |")
    base, default = rows["DiffuSETS as published"], next(iter(rows.values()))
    print("\nratio published / default: " + ", ".join(f"{b / d:.0f}x" for b, d in zip(base, default, strict=True)))


if __name__ == "__main__":
    main()
