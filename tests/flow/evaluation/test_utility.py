"""What generated cines are good for: the sets, and the report."""

import numpy as np
import pytest

from flow.evaluation import utility, utility_sets
from flow.evaluation.settings import CmrUtility
from flow.evaluation.utility_sets import FRAMES, GROUPS, OF, PHENOTYPES, SIZE, Hearts, draw_frames, patients_of
from flow.pipeline import load
from gen.datasets.cine.sunnybrook import read_two_frames
from gen.records import InputError
from gen.simulate.cine import anatomy_of
from gen.simulate.heart import draw_heart


def test_sets_take_turns_of_the_groups_and_share_no_patient():
    numbers, groups = patients_of(13, seed=1, first=500)
    assert groups.tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2]
    assert len(set(numbers.tolist())) == 13
    assert numbers.min() >= 500
    found = [anatomy_of(draw_heart(190_001, int(k), oversample={"SEHYP": 30.0, "CLBBB": 4.0})).group for k in numbers]
    assert found == [GROUPS[g] for g in groups]
    np.testing.assert_array_equal(patients_of(8, seed=1, first=500)[0][:5], numbers[:5])


def test_the_frames_are_those_of_the_whole_loop(pipeline_folder, records):
    pipeline = load(pipeline_folder)
    frames, masks = draw_frames(pipeline, records[0], seed=3)
    whole = pipeline(records[0], num_samples=1, seed=3).cine
    step = whole.num_frames // OF
    np.testing.assert_allclose(frames, whole.frames[0, : FRAMES * step : step], atol=1e-5)
    np.testing.assert_array_equal(masks, whole.masks[0, : FRAMES * step : step])


def hearts(n, seed):
    """Squares that are as large as their group, in ten lines of time."""
    rng = np.random.default_rng(seed)
    groups = np.arange(n) % len(GROUPS)
    frames = 0.1 * rng.random((n, FRAMES, SIZE, SIZE), np.float32)
    for row, group in enumerate(groups):
        frames[row, :, 8 : 14 + 6 * group, 8 : 14 + 6 * group] += 0.8
    return Hearts(frames, np.full(n, 7), groups, rng.normal(groups[:, None], 0.3, (n, len(PHENOTYPES))), refused=2)


def test_the_report_has_every_way_both_tasks_and_the_paper(monkeypatch, pipeline_folder, tmp_path, write_studies):
    monkeypatch.setattr(utility_sets, "simulated", lambda n, *, seed, first, progress: hearts(n, first % 97))
    monkeypatch.setattr(utility_sets, "generated", lambda pipeline, n, *, seed, progress: hearts(n, 5))
    write_studies(tmp_path / "edes_png")
    settings = CmrUtility(
        checkpoint=pipeline_folder, real=tmp_path, hearts=30, folds=2, seeds=1, pretrain=6, steps=3, replicates=100
    )
    found = utility.run(settings, lambda line: None)
    values = found.values
    main = values["(a) simulated hearts"]
    assert set(main) >= {"0 %", "100 %", "400 %", *utility.CONTROLS}
    assert [main[name]["cines before"].value for name in ("0 %", "100 %", "400 %")] == [0, 15, 60]
    assert {"gain AUC", "gain R²"} <= set(main["300 %"])
    assert "gain AUC" not in main["0 %"]
    assert set(values["(a) simulated hearts, R² of phenotypes"]["300 %"]) == set(PHENOTYPES)
    assert {"ACC", "AUC", "F1", "R² EF"} <= set(values["(b) Sunnybrook"]["300 %"])
    assert values["(b) Sunnybrook"]["300 %"]["cines before"].value == 12
    assert values["the paper, real patients of UK Biobank"]["82 phenotypes"]["mean R², 300 %"].value == 0.499
    assert any("2 ECGs refused" in note for note in found.notes)
    assert found.headline
    with pytest.raises(InputError, match="--hearts 52: accepted: a multiple of 10"):
        utility.run(CmrUtility(hearts=52, folds=2), lambda line: None)


@pytest.fixture
def write_studies():
    """Studies in Sunnybrook's layout: a disc that empties, two slices, phases 7 and 18."""
    image_module = pytest.importorskip("PIL.Image")

    def write(
        folder, studies=("HF-I-1", "HF-I-2", "HF-NI-1", "HF-NI-2", "HYP-1", "HYP-2", "N-1", "N-2"), phases=(7, 18)
    ):
        x = np.arange(256) - 128.0
        for number, study in enumerate(studies):
            for place in (3, 4):
                for phase in phases:
                    disc = np.hypot(x[:, None], x[None] - 10) < (20 if phase > 10 else 14)
                    name = f"SC-{study}-IM-0001-{1 + 20 * place + phase:04d}.dcm.png"
                    for kind, picture in (("Images", 180 * disc + number), ("Labels", 255 * disc)):
                        file = folder / "Train" / kind / "Part" / name
                        file.parent.mkdir(parents=True, exist_ok=True)
                        image_module.fromarray(picture.astype(np.uint8)).save(file)
        return folder

    return write


def test_end_diastole_and_systole_of_studies(tmp_path, write_studies):
    write_studies(tmp_path / "edes_png", ("N-3", "HYP-7"))
    studies = read_two_frames(tmp_path)
    assert [(s.record_id, s.group) for s in studies] == [("SC-HYP-7", "LVH"), ("SC-N-3", "normal")]
    assert studies[0].ef == pytest.approx(1 - (14 / 20) ** 2, abs=0.01)
    assert studies[0].cavity[0].sum() > studies[0].cavity[1].sum()
    cut = utility_sets.sunnybrook(tmp_path)
    assert cut.frames.shape == (2, 2, SIZE, SIZE)
    # The cavity lies right of the picture's middle, where that of the heart is.
    bright = cut.frames[0, 0] > 0.5
    assert np.nonzero(bright)[1].mean() == pytest.approx((SIZE - 1) / 2 + 5, abs=0.5)
    assert np.nonzero(bright)[0].mean() == pytest.approx((SIZE - 1) / 2, abs=0.5)
    with pytest.raises(InputError, match="no pictures of end-diastole"):
        read_two_frames(tmp_path / "edes_png" / "Train" / "Labels")


def test_a_study_without_end_diastole_is_one_line(tmp_path, write_studies):
    write_studies(tmp_path / "edes_png", ("N-3",), phases=(7,))
    with pytest.raises(InputError, match=r"SC-N-3 has phases \[7\]; accepted: end-diastole and end-systole"):
        read_two_frames(tmp_path)


def test_sunnybrook_itself(data_dir):
    pytest.importorskip("PIL.Image")
    studies = read_two_frames(data_dir("sunnybrook"))
    assert len(studies) == 45
    assert (
        np.median([s.ef for s in studies if s.group == "normal"])
        > 0.5
        > np.max([np.median([s.ef for s in studies if s.group == g]) for g in ("DCM", "MI")])
    )
