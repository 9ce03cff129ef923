"""A small random generator, saved as a pipeline's folder."""

from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def pipeline_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an `ECGPipeline` with random weights; none of its parts is switched off by a zero initialisation."""
    from diffusion.dit import LatentDiT
    from diffusion.pipeline import ECGPipeline
    from diffusion.samplers import make_scheduler
    from vae.codec import EcgCodec

    denoiser = LatentDiT(latent_channels=8, width=32, depth=2, heads=2)
    codec = EcgCodec(latent_channels=8, width=8, token_width=16, blocks=1, token_blocks=1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in (*denoiser.parameters(), *codec.parameters()):
            value.copy_(0.1 * torch.randn(value.shape, generator=generator))
    folder = tmp_path_factory.mktemp("generator") / "tiny"
    ECGPipeline(denoiser, codec, make_scheduler("dpm++")).save_pretrained(folder)
    return folder
