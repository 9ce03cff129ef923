"""The three recipes in a few steps, one after the other, and the pipeline they leave."""

from pathlib import Path

import numpy as np
import pytest

from flow.pipeline import load
from flow.training import recipes
from flow.training.pair_cache import PairCache
from flow.training.sources import EcgSource, FrameSource
from gen.files import read_json
from gen.records import EcgRecord, InputError

STEPS = {"steps": "2", "batch_size": "4", "warmup": "1", "validate_every": "2", "save_every": "2", "precision": "fp32"}


@pytest.fixture(scope="module")
def trained(cache: PairCache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the three runs."""
    root, data = tmp_path_factory.mktemp("runs"), cache.folder
    recipes.pamae(data=data, out=root / "pamae", overrides={**STEPS, "width": "24", "depth": "1", "heads": "2"})
    small = {"widths": "8,8,16", "anatomy_channels": "4", "motion_width": "5", "frames": "4"}
    scores = recipes.codec(data=data, out=root / "codec", overrides={**STEPS, **small})
    assert 0 < scores["simulated"]["psnr_db"] < 60
    parts = {"encoder": str(root / "pamae" / "best"), "codec": str(root / "codec" / "codec")}
    parts |= {"width": "16", "depth": "1", "heads": "2"}
    recipes.amdf(data=data, out=root / "amdf", overrides={**STEPS, **parts})
    return root


def test_recipes_leave_a_pipeline(trained: Path, records: list[EcgRecord]) -> None:
    pipeline = load(trained / "amdf" / "pipeline")
    assert pipeline(records[0], num_samples=1).cine.frames.shape == (1, 50, 32, 32)
    card = read_json(trained / "amdf" / "pipeline" / "card.json")
    assert "Not a diagnostic device" in card["intended_use"]
    assert "--set encoder=ENCODER --set codec=CODEC" in card["training"]["commands"][0]  # no path of this machine
    assert float(pipeline.network.template.abs().max()) > 0


def test_codec_statistics_standardise_the_training_hearts(trained: Path) -> None:
    with np.load(next((trained / "amdf.latents").glob("train-*.npz"))) as arrays:
        latent = arrays["latent"]
    assert abs(float(latent.mean())) < 0.3
    assert 0.5 < float(latent.std()) < 2.0


def test_network_of_another_codec_is_refused(trained: Path, cache: PairCache) -> None:
    config = read_json(trained / "amdf" / "best" / "config.json")
    assert config["codec_digest"] != config["encoder_digest"]
    with pytest.raises(InputError, match="encoder="):
        recipes.amdf(data=cache.folder, out=trained / "x")
    with pytest.raises(InputError, match="--data"):
        recipes.codec(data=None, out=trained / "x")


def test_a_sample_number_names_a_sample(cache: PairCache) -> None:
    from flow.networks.pamae import PhaseAwareMAE

    model = PhaseAwareMAE(width=24, depth=1, heads=2)
    for source in (EcgSource([cache.part("train")], model), FrameSource(cache.part("train"), count=4)):
        together = source.batch(np.arange(6), seed=3)
        alone = source.batch(np.array([4]), seed=3)
        for key, value in together.items():
            assert np.array_equal(value[4].numpy(), alone[key][0].numpy(), equal_nan=True)


def test_frames_start_with_the_r_peak(cache: PairCache) -> None:
    part = cache.part("train")
    batch = FrameSource(part, count=4, shift=0).batch(np.arange(12), seed=0)
    first = {np.asarray(f[0]).tobytes() for f in (part.frames.astype(np.float32) / 255.0)}
    assert all(frames[0].numpy().tobytes() in first for frames in batch["frames"])
    assert np.allclose(batch["share"][:, 0], 1.0)
