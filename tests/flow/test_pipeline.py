"""The pipeline: what it returns, what it refuses, and that its parts must belong together."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flow.networks.cine_codec import CineCodec
from flow.networks.velocity import VelocityDiT
from flow.pipeline import ECGToCMRPipeline, load, save_pipeline, with_patient
from flow.volumes.reader import VolumeReader
from gen.checkpoint import model_config, save_checkpoint
from gen.io.cine import read_cine, write_cine
from gen.records import EcgRecord, InputError
from metrics.cine import periodicity_gap


@pytest.fixture(scope="module")
def pipeline(pipeline_folder: Path) -> ECGToCMRPipeline:
    return load(pipeline_folder)


def test_a_record_becomes_a_heart(pipeline: ECGToCMRPipeline, records: list[EcgRecord], tmp_path: Path) -> None:
    heart = pipeline(records[0], num_samples=3, seed=1)
    cine = heart.cine
    assert cine.frames.shape == (1, 50, 32, 32)
    assert cine.masks is not None
    assert cine.masks.shape == cine.frames.shape
    assert cine.synthetic
    assert cine.rr_s == pytest.approx(heart.beats.rr_s)
    assert "not a diagnostic device" in cine.metadata["trained_on"]
    assert cine.patient == records[0].patient
    assert len(heart.samples) == 3
    assert {c.record_id for c in heart.samples} == {f"{records[0].record_id}_s{k:02d}" for k in (1, 2, 3)}
    for interval in heart.volumes.values():
        assert interval.low is not None
        assert interval.high is not None
        assert interval.low <= interval.value <= interval.high
    assert heart.volumes["ef_percent"].value == pytest.approx(
        np.median([100 * (1 - c.esv_ml / c.edv_ml) for c in heart.samples])
    )
    back = read_cine(write_cine(cine, tmp_path / "heart.nii.gz"))
    assert back.rr_s == pytest.approx(cine.rr_s)
    assert back.spacing_mm == (6.0, 6.0)
    assert np.isfinite(periodicity_gap(generated=cine.frames[0]))


def test_a_seed_names_a_sample(pipeline: ECGToCMRPipeline, records: list[EcgRecord]) -> None:
    many, few = pipeline(records[0], num_samples=4, seed=1), pipeline(records[0], num_samples=2, seed=1)
    for a, b in zip(few.samples, many.samples[:2], strict=True):
        assert np.abs(a.frames - b.frames).max() < 0.02
    other = pipeline(records[0], num_samples=2, seed=2)
    assert np.abs(other.samples[0].frames - few.samples[0].frames).max() > 0.02
    again = pipeline(records[0], num_samples=2, seed=1)
    assert np.array_equal(again.samples[1].frames, few.samples[1].frames)


def test_progress_is_told_from_the_first_step_to_the_last_heart(
    pipeline: ECGToCMRPipeline, records: list[EcgRecord]
) -> None:
    told: list[float] = []
    heard = pipeline(records[0], num_samples=2, seed=1, steps=4, progress=told.append)
    assert len(told) == 4 + 2
    assert told == sorted(told)
    assert (told[0] > 0, told[-1]) == (True, 1.0)
    silent = pipeline(records[0], num_samples=2, seed=1, steps=4)
    assert np.array_equal(heard.cine.frames, silent.cine.frames)


def test_rate_lead_order_and_length_are_accepted(pipeline: ECGToCMRPipeline, records: list[EcgRecord]) -> None:
    record = records[0]
    wanted = pipeline(record, num_samples=1)
    turned = pipeline(record.select(tuple(reversed(record.leads))), num_samples=1)
    assert np.abs(turned.cine.frames - wanted.cine.frames).max() < 0.02
    assert pipeline(record.at(250.0), num_samples=1).beats.rr_s == pytest.approx(wanted.beats.rr_s, abs=0.01)
    short = replace(record, signal_mv=record.signal_mv[:, : 500 * 6])
    assert len(pipeline(short, num_samples=1).beats.peaks_s) >= 3
    long = replace(record, signal_mv=np.tile(record.signal_mv, (1, 2)))
    assert any("only 10 s" in text for text in pipeline(long, num_samples=1).warnings)


def test_patient_may_be_unknown_and_matters(pipeline: ECGToCMRPipeline, records: list[EcgRecord]) -> None:
    nobody = replace(records[0], patient=type(records[0].patient)())
    heart = pipeline(nobody, num_samples=1)
    assert np.isfinite(heart.volumes["edv_ml"].value)
    aged = pipeline(with_patient(nobody, age=30.0, sex="F"), num_samples=1)
    assert aged.cine.patient.age == 30.0
    assert not np.array_equal(aged.cine.frames, heart.cine.frames)
    assert with_patient(aged.ecg, age=None).patient.age == 30.0


def _refused(pipeline: ECGToCMRPipeline, record: EcgRecord, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        pipeline(record, num_samples=1)
    assert "\n" not in str(caught.value)
    assert record.record_id in str(caught.value)


def test_bad_ecgs_are_refused_with_the_reason(pipeline: ECGToCMRPipeline, records: list[EcgRecord]) -> None:
    record = records[0]
    rng = np.random.default_rng(0)
    noise = record.select(("I", "II", "V1", "V2", "V3", "V4", "V5", "V6"))
    noise = replace(noise, signal_mv=rng.normal(0, 0.3, noise.signal_mv.shape)).to_12()
    _refused(pipeline, noise, "noise|heartbeats")
    _refused(pipeline, replace(record, signal_mv=0 * record.signal_mv), "flat")
    _refused(pipeline, replace(record, signal_mv=record.signal_mv[:, :600]), "at least (3|three)")
    _refused(pipeline, replace(record, signal_mv=1000 * record.signal_mv), "look like uV")
    order = [record.leads.index(name) for name in ("II", "I", *record.leads[2:])]
    _refused(pipeline, replace(record, signal_mv=record.signal_mv[order]), "exchanged")
    flat = record.signal_mv.copy()
    flat[6] = 0
    _refused(pipeline, replace(record, signal_mv=flat), "lead V1 is flat")
    with pytest.raises(InputError, match="num_samples"):
        pipeline(record, num_samples=0)


def test_missing_leads_are_reconstructed_first(pipeline: ECGToCMRPipeline, records: list[EcgRecord]) -> None:
    heart = pipeline(records[0].select(("II", "V1", "V5")), num_samples=1)
    assert any("reconstructed leads" in text and "V2" in text for text in heart.warnings)
    assert len(heart.ecg.leads) == 12


def test_two_limb_leads_are_enough_for_six(pipeline: ECGToCMRPipeline, records: list[EcgRecord]) -> None:
    heart = pipeline(records[0].to_8(), num_samples=1)
    assert not any("reconstructed" in text for text in heart.warnings)


def _copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


@pytest.mark.parametrize("part", ["encoder", "codec"])
def test_a_foreign_part_is_an_error(
    part: str,
    pipeline_folder: Path,
    tmp_path: Path,
    reader: VolumeReader,
    make_encoder: Callable[..., object],
    make_codec: Callable[..., object],
) -> None:
    folder = _copy(pipeline_folder, tmp_path)
    model = make_encoder(5) if part == "encoder" else make_codec(5)
    save_checkpoint(folder / part, config=model_config(model), model=model)
    with pytest.raises(InputError, match="is not the part"):
        load(folder)
    parts = {name: folder / name for name in ("encoder", "codec", "network")}
    with pytest.raises(InputError, match=f"trained with another {part}"):
        save_pipeline(tmp_path / "new", volumes=reader, **parts)
    assert not (tmp_path / "new").exists()


def test_wrong_alpha_missing_part_and_other_pipelines_are_errors(pipeline_folder: Path, tmp_path: Path) -> None:
    folder = _copy(pipeline_folder, tmp_path)
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "alpha": 0.6}))
    with pytest.raises(InputError, match="alpha"):
        load(folder)
    (folder / "model_index.json").write_text(json.dumps({**index, "_class_name": "Other"}))
    with pytest.raises(InputError, match="Other"):
        load(folder)
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "network" / "model.safetensors").unlink()
    with pytest.raises(InputError, match="network"):
        load(folder)
    with pytest.raises(InputError, match="model_index"):
        load(tmp_path)


def test_saving_keeps_the_samples(pipeline: ECGToCMRPipeline, records: list[EcgRecord], tmp_path: Path) -> None:
    again = load(pipeline.save_pretrained(tmp_path / "again"))
    a, b = pipeline(records[1], num_samples=1), again(records[1], num_samples=1)
    assert np.array_equal(a.cine.frames, b.cine.frames)


def test_parts_are_plain_checkpoints(pipeline_folder: Path) -> None:
    from gen.checkpoint import load_model

    network = load_model(VelocityDiT, pipeline_folder / "network")
    assert network.config["codec_digest"]
    assert isinstance(load_model(CineCodec, pipeline_folder / "codec"), CineCodec)
