"""The recipe that gives a pipeline a reader: what it leaves, what it refuses, and what the pipeline does with it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from flow.ecg.preparation import prepare
from flow.pipeline import ECGToCMRPipeline, load
from flow.training.pair_cache import PairCache
from flow.weights import WEIGHTS
from gen import registry
from gen.card import validation_metrics
from gen.cli import run
from gen.files import read_json
from gen.records import EcgRecord, InputError


@pytest.fixture(scope="module")
def pipeline(told_folder: Path) -> ECGToCMRPipeline:
    return load(told_folder)


def test_intervals_are_those_of_the_reader(
    pipeline: ECGToCMRPipeline, reader_folder: Path, pipeline_folder: Path, records: list[EcgRecord]
) -> None:
    reading = registry.load(reader_folder)(records[0])
    for count in (1, 3):
        heart = pipeline(records[0], num_samples=count)
        assert heart.reading is not None
        assert heart.volumes == {name: reading.volumes[name] for name in heart.volumes}
        assert heart.reading.groups == reading.groups
        assert not any("not calibrated" in text for text in heart.warnings)
    plain = load(pipeline_folder)(records[0], num_samples=2)
    assert plain.reading is None
    assert any("not calibrated" in text for text in plain.warnings)
    few = pipeline(records[0].select(("II", "V1", "V5")), num_samples=1)
    assert any("leads that were not recorded are not read" in text for text in few.warnings)
    assert few.volumes != heart.volumes


def test_hearts_have_the_figures_that_were_drawn(pipeline: ECGToCMRPipeline, records: list[EcgRecord]) -> None:
    assert pipeline.telling is not None
    steering = pipeline.telling.steering
    prepared = prepare(records[0], pipeline.encoder)
    told = pipeline.telling.reader.tell(prepared)
    packed = pipeline.latents(prepared, (3, "name"), 5, told=told)
    wanted = pipeline.figures(told, pipeline.chance(3, "name", 5)[1])
    assert np.allclose(steering.read(packed).numpy(), wanted.numpy(), atol=0.05)
    assert np.allclose(packed[:, -4:].numpy(), wanted.numpy(), atol=1e-5)
    assert wanted.std(dim=0).max() > 0.05  # hearts of one ECG differ; an untrained codec reads some volumes as one
    fewer = pipeline.figures(told, pipeline.chance(3, "name", 2)[1])
    assert np.array_equal(fewer.numpy(), wanted[:2].numpy())


def test_many_draws_have_the_distribution_that_is_told(pipeline: ECGToCMRPipeline, records: list[EcgRecord]) -> None:
    assert pipeline.telling is not None
    told = pipeline.telling.reader.tell(prepare(records[0], pipeline.encoder))
    drawn = pipeline.figures(told, pipeline.chance(0, "name", 3000)[1]).numpy()
    cloud = pipeline.telling.steering.within(pipeline.encoder.standardise(told.cloud()[0, :, :4])).numpy()
    assert drawn.mean(axis=0) == pytest.approx(cloud.mean(axis=0), abs=0.1)
    assert drawn.std(axis=0) == pytest.approx(cloud.std(axis=0), abs=0.1)


def test_saving_keeps_reader_and_steering(pipeline: ECGToCMRPipeline, records: list[EcgRecord], tmp_path: Path) -> None:
    again = load(pipeline.save_pretrained(tmp_path / "again"))
    a, b = (each(records[1], num_samples=1) for each in (pipeline, again))
    assert np.abs(a.cine.frames - b.cine.frames).max() < 0.01
    assert a.volumes == b.volumes


def test_foreign_parts_are_refused(told_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(told_folder, tmp_path / "copy"))
    config = read_json(folder / "steering" / "config.json")
    (folder / "steering" / "config.json").write_text(json.dumps({**config, "codec_digest": "other"}))
    with pytest.raises(InputError, match=r"steering.*is not the part"):
        load(folder)
    shutil.rmtree(folder / "steering")
    with pytest.raises(InputError, match="steering"):
        load(folder)


def test_few_hearts_and_missing_readers_are_refused(
    cache: PairCache, pipeline_folder: Path, reader_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["train", "flow/steering", "--data", str(cache.folder), "--set", f"checkpoint={pipeline_folder}"]
    for reader, words in ((reader_folder, "hearts with pictures; accepted: at least 50"), (tmp_path, "no config.json")):
        assert run([*asked, "--set", f"reader={reader}", "--out", str(tmp_path / "p")]) == 2
        assert words in capsys.readouterr().err.splitlines()[-1]
    assert run([*asked, "--out", str(tmp_path / "p")]) == 2
    assert "no reader; give --set reader=" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "p").exists()


def test_the_card_says_how_well_figures_are_read(told_folder: Path, pipeline_folder: Path) -> None:
    card = read_json(told_folder / "steering" / "card.json")
    assert set(validation_metrics(card)) == {"r_log_edv", "r_log_mass", "r_logit_ef", "r_es_share"}
    assert not (pipeline_folder / "reader").exists()


def test_the_shipped_weights_are_told() -> None:
    if not WEIGHTS.is_dir():
        pytest.skip("no weights are shipped")
    telling = load(WEIGHTS).telling
    assert telling is not None
    intervals = telling.reader.intervals
    assert (intervals.coverage, intervals.confidence) == (0.9, 0.9)
    assert intervals.hearts >= 2900
    assert intervals.source["cohort_seed"] not in (0, 2720)  # not the cohorts of pairs and of the test
