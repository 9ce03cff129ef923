"""A small random pipeline on disk, and simulated records, which the tests of this folder share."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from weights import awake

from flow.networks.cine_codec import CineCodec
from flow.networks.ecg_reader import EcgReader
from flow.networks.pamae import PhaseAwareMAE
from flow.networks.velocity import VelocityDiT
from flow.pipeline import ECGToCMRPipeline
from flow.reading import HeartReader
from flow.training import steering
from flow.training.pair_cache import PairCache, build
from flow.volumes.reader import VolumeReader
from flow.volumes.told import KINDS, QUANTITIES, ToldIntervals
from gen.records import EcgRecord
from gen.simulate import simulate


def shaken(model: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """The model awake, with the noise that the tests of this folder were tuned with."""
    return awake(model, seed=seed, scale=0.05)


@pytest.fixture(scope="session")
def make_encoder() -> Callable[..., PhaseAwareMAE]:
    """A small encoder."""

    def make(seed: int = 0, **settings: object) -> PhaseAwareMAE:
        torch.manual_seed(seed)
        small = {"width": 24, "depth": 1, "heads": 2, "decoder_width": 16, "decoder_depth": 1, "summary_width": 12}
        return shaken(PhaseAwareMAE(**{**small, **settings}), seed)

    return make


@pytest.fixture(scope="session")
def make_codec() -> Callable[..., CineCodec]:
    """A small codec of 32 x 32 pixels."""

    def make(seed: int = 0, **settings: object) -> CineCodec:
        torch.manual_seed(seed)
        small = {"size": 32, "anatomy_channels": 4, "motion_width": 5, "widths": (8, 8, 16)}
        statistics = {
            "anatomy_mean": (0.1, -0.2, 0.0, 0.3),
            "anatomy_spread": (1.0, 0.5, 2.0, 1.5),
            "motion_mean": (0.0, 0.1, 0.2, 0.3, 0.4),
            "motion_spread": (1.0, 2.0, 0.5, 1.0, 1.0),
        }
        return shaken(CineCodec(**{**small, **statistics, **settings}), seed)

    return make


@pytest.fixture(scope="session")
def make_network() -> Callable[..., VelocityDiT]:
    """A small velocity network that fits `make_encoder` and `make_codec`."""

    def make(seed: int = 0, **settings: object) -> VelocityDiT:
        torch.manual_seed(seed)
        small = {"anatomy_shape": (4, 4, 4), "motion_width": 5, "width": 16, "depth": 2, "heads": 2}
        widths = {"token_width": 24, "summary_width": 12}
        return shaken(VelocityDiT(**{**small, **widths, **settings}), seed)

    return make


@pytest.fixture(scope="session")
def reader() -> VolumeReader:
    """Some plausible regression."""
    return VolumeReader((-2.0, 1.2, 0.0, 0.0), (-2.0, 0.1, 0.9), 0.1, 0.1)


@pytest.fixture(scope="session")
def pipeline_folder(
    tmp_path_factory: pytest.TempPathFactory,
    make_encoder: Callable[..., PhaseAwareMAE],
    make_codec: Callable[..., CineCodec],
    make_network: Callable[..., VelocityDiT],
    reader: VolumeReader,
) -> Path:
    """A saved pipeline with random weights."""
    folder = tmp_path_factory.mktemp("pipeline") / "tiny"
    return ECGToCMRPipeline(make_encoder(), make_codec(), make_network(), reader, steps=2).save_pretrained(folder)


@pytest.fixture(scope="session")
def records() -> list[EcgRecord]:
    """Twelve-lead simulated records."""
    return simulate(range(3), seed=5, noise="light").records()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> PairCache:
    """A few simulated pairs of 32 x 32 pixels."""
    counts = {"train": 12, "val": 6, "test": 6, "ecgs": 4}
    return build(tmp_path_factory.mktemp("pairs") / "cache", counts=counts, seed=1, size=32)


@pytest.fixture(scope="session")
def reader_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random reader of ECGs, whose intervals are the middle 90 % of what it tells."""
    torch.manual_seed(0)
    network = shaken(EcgReader(width=16, depth=1))
    levels = {kind: dict.fromkeys(QUANTITIES, (0.05, 0.95)) for kind in KINDS}
    intervals = ToldIntervals(0.9, 0.9, 3000, levels, {"cohort": "none"})
    return HeartReader(network, intervals).save(tmp_path_factory.mktemp("reader") / "reader")


@pytest.fixture(scope="session")
def told_folder(
    pipeline_folder: Path, reader_folder: Path, cache: PairCache, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The pipeline with that reader, by the recipe."""
    out = tmp_path_factory.mktemp("told") / "pipeline"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steering, "FEWEST", 4)
        asked = {"checkpoint": str(pipeline_folder), "reader": str(reader_folder)}
        steering.steering(data=cache.folder, out=out, overrides=asked)
    return out
