"""Small random generators, saved as pipelines' folders; no part is switched off by a zero initialisation."""

from pathlib import Path
from typing import Any

import pytest
import torch

from gen.card import NAMELESS

#: Size of the tiny twin pipeline's identity embeddings.
TWIN_BASE = 16


@pytest.fixture(scope="session")
def pipeline_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an `ECGPipeline` with random weights."""
    from diffusion.networks.dit import LatentDiT
    from diffusion.pipeline import ECGPipeline
    from diffusion.process.samplers import make_scheduler
    from vae.codec.network import EcgCodec

    denoiser = LatentDiT(latent_channels=8, width=32, depth=2, heads=2)
    codec = EcgCodec(latent_channels=8, width=8, token_width=16, blocks=1, token_blocks=1)
    _randomise(denoiser, codec)
    folder = tmp_path_factory.mktemp("generator") / "tiny"
    ECGPipeline(denoiser, codec, make_scheduler("dpm++")).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def twin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an `ECGTwinPipeline` with random weights."""
    from diffusion.networks.dit import LatentDiT
    from diffusion.process.samplers import make_scheduler
    from diffusion.twin.identity import IdentityEncoder
    from diffusion.twin.pipeline import ECGTwinPipeline
    from diffusion.twin.sources import GAP_FEATURES
    from vae.codec.network import EcgCodec

    denoiser = LatentDiT(latent_channels=8, width=32, depth=2, heads=2, base_width=TWIN_BASE + GAP_FEATURES)
    codec = EcgCodec(latent_channels=8, width=8, token_width=16, blocks=1, token_blocks=1)
    extractor = IdentityEncoder(latent_channels=8, width=32, depth=1, heads=2, base_width=TWIN_BASE)
    _randomise(denoiser, codec, extractor)
    pipeline = ECGTwinPipeline(denoiser, codec, make_scheduler("dpm++"), extractor)
    pipeline.identity_card = {**NAMELESS, "training": {"validation": {"threshold": 0.5}}}
    folder = tmp_path_factory.mktemp("twin") / "tiny"
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def twin_pipeline(twin_folder: Path) -> Any:
    """The tiny `ECGTwinPipeline`, silent."""
    import gen

    pipeline = gen.load(twin_folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _randomise(*modules: torch.nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in modules:
            for value in module.parameters():
                value.copy_(0.1 * torch.randn(value.shape, generator=generator))


@pytest.fixture(scope="session")
def beat_pipeline() -> Any:
    """A `BeatPipeline` with random weights, and the code that the tests of beats are fitted with."""
    from made_beats import fitted_code

    from diffusion.beat_pipeline import BeatPipeline
    from diffusion.beats.network import BeatDenoiser

    torch.manual_seed(0)
    model = BeatDenoiser(width=32, depth=1, condition_width=32)
    model.code = fitted_code()
    made = BeatPipeline(model)
    made.set_progress_bar_config(disable=True)
    return made
