"""Time per ten-second ECG from text, side by side in one run: ``physiogen evaluate speed --of diffusion``.

The published system is timed at its own size (12 leads x 1,024 samples at 102.4 Hz, U-Net of 14.18 M parameters,
float32, 1,000 steps, VAE decoding) with random weights, which decide nothing about time; some of its equal steps are
timed and multiplied.
"""

from typing import Any

import torch

from diffusion.beat_pipeline import BeatPipeline, load
from diffusion.networks.diffusets import DiffuSETSUNet
from diffusion.pipeline import ECGPipeline
from gen import registry
from gen.evaluation.settings import Speed
from gen.evaluations import Progress
from gen.precision import in_threads
from gen.results import Node, Value
from gen.timing import median_seconds

PUBLISHED = "DiffuSETS as published"
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


def bench(settings: Speed, progress: Progress) -> dict[str, Node]:
    """Seconds per ECG of the shipped weights with several samplers, and of the published system."""
    with in_threads(settings.threads):
        return _timed(settings, progress)


def _timed(settings: Speed, progress: Progress) -> dict[str, Node]:
    pipeline = load()
    pipeline.set_progress_bar_config(disable=True)
    own, repeats = pipeline.sampling(), settings.repeats
    rows: dict[str, dict[str, float]] = {}
    for count in settings.sizes or (1, 32):
        taken = {
            f"default: {own.scheduler}, {own.steps} steps, guided": ours(pipeline, count, repeats),
            "default, not guided": ours(pipeline, count, repeats, guidance_scale=1.0),
        }
        for scheduler, steps in () if isinstance(pipeline, BeatPipeline) else OTHERS:
            name = f"{scheduler}, {steps} steps, guided"
            taken[name] = ours(pipeline, count, 1, scheduler=scheduler, num_inference_steps=steps)
        taken[PUBLISHED] = published(count, repeats)
        for name, seconds in taken.items():
            rows.setdefault(name, {})[f"batch {count}"] = seconds / count
        progress(f"synthesis, batch {count}: timed")
    shown = {name: {key: Value(v, unit="s", better="lower") for key, v in row.items()} for name, row in rows.items()}
    base, default = rows[PUBLISHED], next(iter(rows.values()))
    ratio = {key: Value(base[key] / default[key], better="higher") for key in base}
    return {"time per ten-second ECG": shown, "published / default": ratio}
