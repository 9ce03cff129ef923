"""Basal, mid and apical slices: in the cache, in training, and never from weights that did not learn them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from flow.evaluation.cmr import evaluate
from flow.networks.objective import Context, sample
from flow.networks.velocity import VelocityDiT
from flow.pipeline import ECGToCMRPipeline, load
from flow.training import recipes
from flow.training.cohort import FACTS
from flow.training.latents import latent_arrays
from flow.training.pair_cache import PairCache, build, unpack_masks
from flow.training.sources import EcgSource
from flow.volumes.reader import VolumeReader
from gen.cine import LV_CAVITY
from gen.files import read_json
from gen.io import write_record
from gen.io.cine import read_cine
from gen.records import EcgRecord, InputError
from gen.simulate.cine import LEVEL_SHARES, simulate_cine

STEPS = {"steps": "2", "batch_size": "4", "warmup": "1", "validate_every": "2", "save_every": "2", "precision": "fp32"}


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> PairCache:
    """The hearts of `cache` (conftest), three slices each."""
    counts = {"train": 12, "val": 6, "test": 6, "ecgs": 4}
    return build(tmp_path_factory.mktemp("pairs") / "three", counts=counts, seed=1, size=32, levels="three")


def test_a_row_is_a_slice_of_a_heart(three: PairCache, cache: PairCache) -> None:
    part, mid = three.part("train"), cache.part("train")
    assert len(part) == 3 * len(mid)
    assert part.fact("level").reshape(-1, 3)[5] == pytest.approx(LEVEL_SHARES["three"])
    index = FACTS.index("level")
    for column in range(len(FACTS)):
        if column != index:
            assert np.array_equal(part.facts[:, column], np.repeat(mid.facts[:, column], 3), equal_nan=True)
    assert np.array_equal(part.ecg[3:6], np.repeat(mid.ecg[1:2], 3, axis=0))
    assert np.array_equal(part.hearts, 3 * mid.hearts + 1)
    stack = simulate_cine([4], seed=1, size=32, spacing_mm=6.0, levels="three")[0]
    assert np.array_equal(part.frames[12:15], np.rint(255 * stack.frames).astype(np.uint8))
    area = (unpack_masks(part.packed_masks[part.usable][:, 0]) == LV_CAVITY).sum(axis=(1, 2)).reshape(-1, 3)
    assert (area.mean(axis=0)[:2] > area.mean(axis=0)[2]).all()  # towards the apex the cavity closes
    assert three.digest != cache.digest
    assert "levels" not in cache.manifest  # caches of mid slices keep their name
    assert three.part("ecgs").slices == 1


def test_three_slices_are_one_heart_to_the_encoder(three: PairCache, make_encoder: Callable[..., object]) -> None:
    source = EcgSource([three.part("train"), three.part("ecgs")], make_encoder())
    assert len(source.rows) == len(three.part("train").hearts) + len(three.part("ecgs").usable)


def test_unknown_levels_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--levels stack: accepted: mid, three"):
        build(tmp_path / "c", counts={"val": 2}, levels="stack", size=32)
    assert not (tmp_path / "c").exists()


@pytest.fixture(scope="module")
def trained(three: PairCache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three recipes on three levels, in two steps each."""
    root, data = tmp_path_factory.mktemp("runs"), three.folder
    recipes.pamae(data=data, out=root / "pamae", overrides={**STEPS, "width": "24", "depth": "1", "heads": "2"})
    small = {"widths": "8,8,16", "anatomy_channels": "4", "motion_width": "5", "frames": "4"}
    recipes.codec(data=data, out=root / "codec", overrides={**STEPS, **small})
    parts = {"encoder": str(root / "pamae" / "best"), "codec": str(root / "codec" / "codec")}
    recipes.amdf(data=data, out=root / "amdf", overrides={**STEPS, **parts, "width": "16", "depth": "1", "heads": "2"})
    return root / "amdf"


def test_the_recipe_learns_all_levels(trained: Path, three: PairCache) -> None:
    config = read_json(trained / "pipeline" / "network" / "config.json")
    assert tuple(config["levels"]) == LEVEL_SHARES["three"]
    with np.load(next(trained.with_name("amdf.latents").glob("train-*.npz"))) as arrays:
        levels = arrays["numbers"][:, 5]
        assert len(arrays["latent"]) == len(three.part("train").usable)
    assert sorted(set(levels.round(2).tolist())) == pytest.approx([-1.15, 0.0, 1.25])


def test_trained_weights_draw_three_slices_of_one_heart(trained: Path, records: list[EcgRecord]) -> None:
    pipeline = load(trained / "pipeline")
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # after two steps the outputs are still zero, and all slices the template
        for weight in pipeline.network.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
    heart = pipeline(records[0], num_samples=2, levels="three")
    cine = heart.cine
    assert cine.frames.shape == (3, 50, 32, 32)
    assert cine.metadata["levels"] == list(LEVEL_SHARES["three"])
    length = 92.0 * (cine.edv_ml / 145.0) ** (1 / 3)
    assert cine.slice_positions_mm == pytest.approx(length * np.array([0.0, 0.23, 0.48]))
    alone = pipeline(records[0], num_samples=2)
    for many, one in zip(heart.samples, alone.samples, strict=True):
        assert np.abs(many.frames[1] - one.frames[0]).max() < 0.02  # the mid slice does not depend on the others
        assert many.edv_ml == pytest.approx(one.edv_ml, rel=0.02)  # and the volumes are read off it
    assert np.abs(cine.frames[0] - cine.frames[1]).max() > 1e-3


def test_scores_count_hearts_not_slices(trained: Path, three: PairCache) -> None:
    report = evaluate(load(trained / "pipeline"), three, n=6, num_samples=2, sections=("volumes", "groups"))
    assert report["settings"]["hearts"] == len(three.part("test").hearts) <= 6
    assert sum(row["n"] for row in report["groups"]) == report["settings"]["hearts"]


def test_shipped_like_weights_refuse_other_levels(
    pipeline_folder: Path, records: list[EcgRecord], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    from gen.cli import run

    pipeline = load(pipeline_folder)
    with pytest.raises(InputError, match="trained on mid slices alone"):
        pipeline(records[0], levels="three")
    with pytest.raises(InputError, match="accepted: mid or three"):
        pipeline(records[0], levels="stack")
    path = write_record(records[0], tmp_path / "ecg.hea", format="wfdb")
    for levels, words in (("three", "mid slices alone"), ("stack", "accepted: mid or three")):
        out = tmp_path / "out"
        assert run(["cmr", str(path), "--out", str(out), "--levels", levels, "--checkpoint", str(pipeline_folder)]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert words in captured.err.strip().splitlines()[-1]
        assert not out.exists()


def test_the_command_writes_three_slices(trained: Path, records: list[EcgRecord], tmp_path: Path) -> None:
    from gen.cli import run

    path = write_record(records[0], tmp_path / "ecg.hea", format="wfdb")
    options = [
        "--levels",
        "three",
        "--samples",
        "1",
        "--format",
        "nifti,gif",
        "--checkpoint",
        str(trained / "pipeline"),
    ]
    assert run(["cmr", str(path), "--out", str(tmp_path / "out"), *options]) == 0
    files = [p for p in (tmp_path / "out").glob("*.nii.gz") if "_gt" not in p.name]
    assert read_cine(files[0]).frames.shape[0] == 3
    assert "3 short-axis slices" in (tmp_path / "out" / "index.html").read_text()


class Correlated:
    """Exact velocity to a two-dimensional normal distribution of correlation rho from a standard normal start."""

    alpha, drop_ecg, drop_number, time_shape, weights = 1.0, 0.0, 0.0, "uniform", 1.0
    template = torch.zeros(2)

    def __init__(self, rho: float) -> None:
        self.covariance = torch.tensor([[1.0, rho], [rho, 1.0]])

    def __call__(self, x: torch.Tensor, time: torch.Tensor, context: Context) -> torch.Tensor:
        t, one = float(time[0]), torch.eye(2)
        total = (1 - t) ** 2 * self.covariance + t**2 * one
        return x @ torch.linalg.solve(total, t * one - (1 - t) * self.covariance)


@pytest.mark.parametrize("solver", ["euler", "heun"])
def test_known_numbers_stay_and_the_rest_goes_with_them(solver: str) -> None:
    n = 3000
    noise = torch.randn(n, 2, generator=torch.Generator().manual_seed(0))
    context = Context(torch.zeros(n, 1, 1), torch.zeros(n, 1), torch.zeros(n, 6), torch.ones(n, dtype=torch.bool))
    known = torch.stack([torch.full((n,), 2.0), torch.full((n,), float("nan"))], dim=1)
    free = sample(Correlated(0.8), noise, context, steps=20, solver=solver)
    assert float(torch.corrcoef(free.T)[0, 1]) == pytest.approx(0.8, abs=0.05)
    fixed = sample(Correlated(0.8), noise, context, steps=20, solver=solver, known=known)
    assert torch.equal(fixed[:, 0], known[:, 0])
    # The rest is drawn towards its conditional mean of 1.6; replacing falls short of it (Lugmayr et al. 2022).
    assert 0.5 < float(fixed[:, 1].mean()) < 1.6
    # What the same noise would give anyway changes little: so slices of one heart are drawn.
    own = torch.stack([free[:, 0], known[:, 1]], dim=1)
    again = sample(Correlated(0.8), noise, context, steps=20, solver=solver, known=own)
    assert float(torch.corrcoef(torch.stack([again[:, 1], free[:, 1]]))[0, 1]) > 0.99
    alone = sample(Correlated(0.0), noise, context, steps=20, solver=solver, known=known)
    independent = sample(Correlated(0.0), noise, context, steps=20, solver=solver)
    assert torch.allclose(alone[:, 1], independent[:, 1], atol=1e-5)


def test_reader_is_fitted_on_mid_slices(
    three: PairCache, make_encoder: Callable[..., object], make_codec: Callable[..., object], reader: VolumeReader
) -> None:
    network = VelocityDiT(
        anatomy_shape=(4, 4, 4), motion_width=5, width=16, depth=1, heads=2, token_width=24, summary_width=12
    )
    arrays = latent_arrays(make_encoder(), make_codec(), network, three.part("val"))
    assert len(arrays["latent"]) == len(three.part("val").usable)
    pipeline = ECGToCMRPipeline(make_encoder(), make_codec(), network, reader)
    assert pipeline.slice_levels("mid") == (0.45,)
