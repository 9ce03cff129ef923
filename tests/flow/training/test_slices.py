"""Slices from base to apex: in the cache, in training, in a pipeline, and not from weights that did not learn them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from weights import awake

from flow.heart import discs_of
from flow.networks.slice_codec import SliceCodec
from flow.networks.slices import SliceContext, SliceFlow
from flow.pipeline import ECGToCMRPipeline, load
from flow.stack import LENGTHS_MM, heart_length_mm, slice_shares
from flow.training import slice_codec, slices
from flow.training.cohort import OTHER_SLICES, SLICE_PHASES, SLICE_REACH
from flow.training.pair_cache import PairCache, build, unpack_masks
from gen.cine import LV_CAVITY, RV_CAVITY, mask_volume_ml
from gen.io import write_record
from gen.io.cine import read_cine
from gen.records import EcgRecord, InputError
from gen.simulate import simulate
from gen.simulate.cine import LEVEL_SHARES, MID_LEVEL, anatomy_of, cines_of, simulate_cine, slices_at

STEPS = {"steps": "2", "batch_size": "4", "warmup": "1", "validate_every": "2", "save_every": "2", "precision": "fp32"}
HEARTS = 10


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> PairCache:
    """A few hearts of 32 x 32 pixels, from base to apex."""
    return build(tmp_path_factory.mktemp("pairs") / "slices", counts={"slices": HEARTS}, seed=1, size=32)


@pytest.fixture(scope="module")
def trained(stacks: PairCache, pipeline_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pipeline of the tests with slices, both recipes in two steps, and weights that draw something."""
    root, own = tmp_path_factory.mktemp("runs"), {"checkpoint": str(pipeline_folder), "validation": "2"}
    small = {"widths": "8,8,16", "still_widths": "8,8,16", "anatomy_channels": "4"}
    slice_codec.slice_codec(data=stacks.folder, out=root / "codec", overrides={**STEPS, **own, **small})
    own["codec"] = str(root / "codec" / "codec")
    small = {"width": "16", "depth": "1", "heads": "2"}
    slices.slices(data=stacks.folder, out=root / "slices", overrides={**STEPS, **own, **small})
    pipeline = load(root / "slices" / "pipeline")
    assert pipeline.slices is not None
    for network in (pipeline.slices.codec, pipeline.slices.flow):
        awake(network, seed=0, scale=0.05)
    return pipeline.save_pretrained(root / "awake")


def test_slices_of_a_heart_are_those_of_its_cine() -> None:
    batch = simulate(range(4, 6), seed=1, fs_hz=250.0)
    frames = np.arange(50)[::10]
    cines = cines_of(batch, size=48, spacing_mm=4.0)
    pictures, masks, volume = slices_at(batch, np.full((2, 1), MID_LEVEL), frames / 50, size=48, spacing_mm=4.0)
    for row, cine in enumerate(cines):
        assert np.array_equal(masks[row, 0], cine.masks[0, frames])
        assert volume[row] == pytest.approx(cine.lv_volume_ml[frames], rel=1e-6)
    assert pictures.shape == (2, 1, 5, 48, 48)
    alone, _, _ = slices_at(
        simulate([5], seed=1, fs_hz=250.0), np.full((1, 1), MID_LEVEL), frames / 50, size=48, spacing_mm=4.0
    )
    assert np.array_equal(alone[0], pictures[1])  # whatever else is drawn with it


def test_the_cache_goes_from_base_to_apex(stacks: PairCache) -> None:
    part = stacks.part("slices")
    assert part.frames.shape == (HEARTS, 1 + OTHER_SLICES, len(SLICE_PHASES), 32, 32)
    assert (part.level[:, 0] == np.float32(MID_LEVEL)).all()
    others = part.level[:, 1:]
    assert (np.diff(others, axis=1) > 0).all()
    assert others.min() >= SLICE_REACH[0]
    assert others.max() <= SLICE_REACH[1]
    cavity = (unpack_masks(part.packed_masks[:, :, 0]) == LV_CAVITY).sum(axis=(2, 3)).mean(axis=0)
    assert cavity[-1] < 0.5 * cavity[0]  # towards the apex the cavity closes
    assert (part.share[:, 0] == 1.0).all()
    assert (part.share.min(axis=1) < 0.9).all()
    again = build(stacks.folder, counts={"slices": HEARTS}, seed=1, size=32)
    assert again.digest == stacks.digest


def test_length_follows_from_volume_and_mid_area() -> None:
    """Of phantoms, whose outline is known: within what one slice's own outline and one pixel's size leave open."""
    batch = simulate(range(40), seed=3, fs_hz=250.0)
    found, true = [], []
    _, masks, _ = slices_at(batch, np.full((40, 1), MID_LEVEL), np.zeros(1))
    for heart, labels in zip(batch.hearts, masks[:, 0], strict=True):
        anatomy = anatomy_of(heart)
        if anatomy.group in ("normal", "LVH"):
            found.append(heart_length_mm(labels, 4.0, anatomy.edv_ml))
            true.append(anatomy.length_mm)
    ratio = np.array(found) / np.array(true)
    assert len(ratio) > 10
    assert abs(np.median(ratio) - 1) < 0.04
    assert np.abs(ratio - 1).max() < 0.15
    assert heart_length_mm(np.zeros((50, 8, 8), np.uint8), 4.0, 150.0) == LENGTHS_MM[1]  # no cavity at all


def test_a_stack_of_the_phantom_holds_its_volume() -> None:
    stack = simulate_cine([3], seed=0, levels="stack")[0]
    shares = slice_shares("stack", anatomy_of(simulate([3], seed=0).hearts[0]).length_mm)
    assert shares == pytest.approx(np.array(stack.metadata["levels"])[1:], abs=6e-4)
    assert not (stack.masks[0] == LV_CAVITY).any()  # the one above the base holds none of the ventricle
    assert mask_volume_ml(stack, LV_CAVITY).max() == pytest.approx(stack.edv_ml, rel=0.06)
    assert slice_shares("three", 90.0).tolist() == list(LEVEL_SHARES["three"])


def test_a_slice_stands_still_where_nothing_moves() -> None:
    """Motion 0 gives the frame that anatomy alone gives, whatever the other frames do."""
    torch.manual_seed(0)
    codec = awake(
        SliceCodec(size=32, anatomy_channels=4, widths=(8, 8, 16), still_widths=(8, 8, 16)), seed=0, scale=0.05
    )
    anatomy, motion = torch.randn(2, 4, 4, 4), torch.randn(2, 3, 16)
    motion[:, 0] = 0
    with torch.no_grad():
        three, one = codec.decode(anatomy, motion), codec.decode(anatomy, motion[:, :1])
    assert three.frames.shape == (2, 3, 32, 32)
    assert three.scores.shape == (2, 3, 4, 32, 32)
    assert torch.allclose(three.frames[:, :1], one.frames, atol=1e-5)
    assert (three.frames[:, 1] - three.frames[:, 0]).abs().max() > 1e-4


def test_the_flow_learns_slices_that_follow_from_the_mid_one() -> None:
    """Truth: anatomy = level times the mid one. A few hundred steps find it."""
    torch.manual_seed(0)
    flow = SliceFlow(anatomy_shape=(2, 4, 4), mid_channels=2, figures=1, width=32, depth=2, heads=2)
    optimiser = torch.optim.Adam(flow.parameters(), lr=3e-3)
    for step in range(300):
        mid, level = torch.randn(64, 2, 4, 4), torch.rand(64)
        batch = {"mid": mid, "level": level, "figures": torch.zeros(64, 1), "sample_seed": torch.arange(64) + 64 * step}
        optimiser.zero_grad()
        flow.loss({**batch, "anatomy": level[:, None, None, None] * mid})["loss"].backward()
        optimiser.step()
    from flow.networks.objective import sample

    mid, level = torch.randn(200, 2, 4, 4), torch.linspace(0.1, 0.9, 200)
    context = SliceContext(mid, torch.zeros(200, 1), level)
    drawn = sample(flow, torch.randn(200, 32), context, steps=8).unflatten(1, (2, 4, 4))
    error = (drawn - level[:, None, None, None] * mid).square().mean()
    assert float(error) < 0.15 * float((level[:, None, None, None] * mid).square().mean())


def test_three_slices_and_a_stack_are_one_heart(trained: Path, records: list[EcgRecord]) -> None:
    pipeline = load(trained)
    three, stack = (pipeline(records[0], num_samples=2, levels=levels) for levels in ("three", "stack"))
    alone = pipeline(records[0], num_samples=2)
    assert three.cine.frames.shape == (3, 50, 32, 32)
    assert three.cine.metadata["levels"] == list(LEVEL_SHARES["three"])
    for many, one, all_of in zip(three.samples, alone.samples, stack.samples, strict=True):
        assert np.array_equal(many.frames[1], one.frames[0])  # the mid slice does not depend on the others
        assert many.edv_ml == one.edv_ml == all_of.edv_ml  # and the volumes are read off it
        assert np.diff(all_of.slice_positions_mm) == pytest.approx(10.0)
        assert one.rv_volume_ml is None
        assert all_of.rv_volume_ml == pytest.approx(mask_volume_ml(all_of, RV_CAVITY))
    assert np.abs(three.cine.frames[0] - three.cine.frames[1]).max() > 1e-3
    assert discs_of(alone.cine) == {}
    assert set(discs_of(stack.cine)) == {"edv_discs_ml", "esv_discs_ml", "rv_edv_ml", "rv_esv_ml", "rv_ef_percent"}
    first = pipeline(records[0], num_samples=1, levels="stack")
    assert np.array_equal(first.samples[0].frames, stack.samples[0].frames)  # whatever else is drawn


def test_pipelines_without_slices_refuse_them(
    pipeline_folder: Path, records: list[EcgRecord], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    from gen.cli import run

    pipeline = load(pipeline_folder)
    with pytest.raises(InputError, match="draw mid slices alone"):
        pipeline(records[0], levels="three")
    with pytest.raises(InputError, match="--levels all: accepted: mid, three, stack"):
        pipeline(records[0], levels="all")
    path = write_record(records[0], tmp_path / "ecg.hea", format="wfdb")
    for word, words in (("stack", "mid slices alone"), ("all", "accepted: mid, three, stack")):
        out = tmp_path / "out"
        assert run(["cmr", str(path), "--out", str(out), "--levels", word, "--checkpoint", str(pipeline_folder)]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert words in captured.err.strip().splitlines()[-1]
        assert not out.exists()
    elsewhere = ["cmr", str(path), "--out", str(tmp_path / "out"), "--levels", "stack", "--checkpoint", str(tmp_path)]
    assert run(elsewhere) == 2  # a folder that is no pipeline is not one without slices
    assert "no model_index.json" in capsys.readouterr().err


def test_slices_of_another_pipeline_are_refused(
    trained: Path, make_codec: Callable[..., object], stacks: PairCache, pipeline_folder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(trained, tmp_path / "mixed")
    shutil.rmtree(folder / "slices")
    with pytest.raises(InputError, match="slices"):
        ECGToCMRPipeline.from_pretrained(folder)
    with pytest.raises(InputError, match="needs --set codec=FOLDER"):
        slices.slices(data=stacks.folder, out=tmp_path / "a", overrides={**STEPS, "checkpoint": str(pipeline_folder)})
    own = {"checkpoint": str(pipeline_folder), "validation": str(HEARTS)}
    with pytest.raises(InputError, match="validation=10 are held out"):
        slice_codec.slice_codec(data=stacks.folder, out=tmp_path / "b", overrides={**STEPS, **own})


def test_the_command_writes_a_stack(trained: Path, records: list[EcgRecord], tmp_path: Path) -> None:
    from gen.cli import run

    path, out = write_record(records[0], tmp_path / "ecg.hea", format="wfdb"), tmp_path / "out"
    options = ["--levels", "stack", "--samples", "1", "--format", "nifti,gif", "--checkpoint", str(trained)]
    assert run(["cmr", str(path), "--out", str(out), *options]) == 0
    files = [p for p in out.glob("*.nii.gz") if "_gt" not in p.name]
    record = read_cine(files[0])
    assert record.num_slices >= 6
    assert record.slice_step_mm == pytest.approx(10.0, rel=1e-4)
    assert "short-axis stack" in (out / "index.html").read_text()
    header, row = ((out / "metadata.csv").read_text().splitlines()[k].split(",") for k in (0, 1))
    told = dict(zip(header, row, strict=False))
    assert float(told["rv_edv_ml"]) >= float(told["rv_esv_ml"]) >= 0
