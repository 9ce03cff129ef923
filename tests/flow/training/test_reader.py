"""The recipe of the reader: what a sample is, and that a run leaves a checkpoint that reads."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flow.evaluation.settings import CmrReader
from flow.networks.ecg_reader import EcgReader
from flow.training import reader as module
from flow.training.pair_cache import PairCache, build
from gen import registry
from gen.checkpoint import load_model
from gen.cli import run
from gen.datasets import open_source, prepare
from gen.files import read_json
from gen.leads import LEADS_8
from gen.records import EcgRecord, InputError, Patient


@pytest.fixture(scope="module")
def beats(tmp_path_factory: pytest.TempPathFactory) -> PairCache:
    return build(tmp_path_factory.mktemp("beats") / "cache", counts={"beats": 160}, seed=2)


def test_a_sample_number_names_a_sample(beats: PairCache) -> None:
    part = beats.part("beats")
    real = module.RealBeats(np.ones((2, 8, 160), np.float32), np.ones((2, 7), np.float32))
    source = module.BeatSource(part, part.usable, real, real_share=0.4)
    together, alone = source.batch(np.arange(30), seed=3), source.batch(np.array([17]), seed=3)
    for key, value in together.items():
        assert np.array_equal(value[17].numpy(), alone[key][0].numpy(), equal_nan=True)
    recorded, unknown = together["recorded"].numpy(), together["group"].numpy() < 0
    assert unknown.any()
    assert not recorded[unknown].all(axis=1).any()  # something is left to rebuild
    assert recorded.any(axis=1).all()
    assert recorded.all(axis=1).any()
    assert np.isfinite(together["patient"].numpy()).any()
    assert np.isnan(together["patient"].numpy()[unknown]).all()


def test_usual_leads_are_leads() -> None:
    assert {lead for leads in module.USUAL_LEADS for lead in leads} <= set(LEADS_8)


@pytest.fixture(scope="module")
def trained(beats: PairCache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short run."""
    few = {"steps": "3", "batch_size": "8", "warmup": "1", "validate_every": "3", "save_every": "3"}
    few |= {"width": "16", "depth": "1", "validation": "120"}
    out = tmp_path_factory.mktemp("run") / "run"
    found = module.reader(data=beats.folder, out=out, overrides=few)
    assert np.isfinite(found["loss"])
    assert "r_mass_g" in found
    return Path(found["checkpoint"])


def test_the_recipe_leaves_a_reader(trained: Path, beats: PairCache) -> None:
    model = load_model(EcgReader, trained)
    part = beats.part("beats")
    rows = part.usable[:5]
    means = module.expectations(module.read_rows(model, part, rows))
    assert means["edv_ml"].shape == (5,)
    assert (means["sv_ml"] + means["esv_ml"]) == pytest.approx(means["edv_ml"])
    few, whole = (module.told_clouds(model, part, rows, few=each) for each in (True, False))
    assert not np.array_equal(few["edv_ml"], whole["edv_ml"])
    one = module.read_rows(model, part, rows[:1], np.isin(LEADS_8, module.USUAL_LEADS[0])).cloud().numpy()
    assert np.allclose(few["mass_g"][0], np.exp(one[0, :, 1]), rtol=1e-4)
    card = read_json(trained / "card.json")
    assert card["data"][0]["split"].startswith("part beats")
    with pytest.raises(InputError, match="validation=200"):
        module.reader(data=beats.folder, out=trained.parent / "x", overrides={"validation": "200"})


def test_a_reader_reads_records(trained: Path, records: list[EcgRecord]) -> None:
    reader = registry.load(trained)
    told = reader(records[0])
    assert set(told.volumes) == set(told.expected)
    for interval in told.volumes.values():
        assert interval.low <= interval.value <= interval.high
    assert told.expected["ef_percent"] == pytest.approx(reader(records[0].at(250.0)).expected["ef_percent"], abs=3.0)
    assert sum(told.groups.values()) == pytest.approx(1.0, abs=1e-3)
    nobody = replace(records[0], patient=Patient())
    assert reader(nobody).expected["mass_g"] != told.expected["mass_g"]
    few = reader(nobody.select(("II", "V2")))
    assert "the intervals are those of such ECGs" in few.warnings[-1]
    with pytest.raises(InputError, match=r"flat|R peaks"):
        reader(replace(records[0], signal_mv=0 * records[0].signal_mv))


def test_the_evaluation_of_a_reader(
    trained: Path, beats: PairCache, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture
) -> None:
    other = build(tmp_path_factory.mktemp("other") / "cache", counts={"beats": 110}, seed=3)
    settings = CmrReader(data=other.folder, checkpoint=trained, learned=beats.folder)
    found = settings.run()
    row = found.values["correlation with the truth"]["LV mass"]
    assert -1 <= row["expectation"].value <= 1
    assert row["ceiling"].value == pytest.approx(0.6**0.5)
    assert "ceiling" not in found.values["correlation with the truth"]["EF"]
    usual = found.values["correlation with the truth"]["EF outside infarct and LBBB"]
    assert usual["ceiling"].value == pytest.approx(0.2**0.5)
    assert usual["expectation"].n < row["expectation"].n
    assert 0 <= found.values["90 % intervals, few leads recorded"]["EDV"]["hold the truth"].value <= 1
    assert found.values["groups"]["normal"]["LV mass, told"].value > 0
    assert "| LV mass |" in found.to_markdown()
    given = ["--checkpoint", str(trained), "--learned", str(beats.folder), "--data", str(beats.folder)]
    assert run(["evaluate", "cmr-reader", *given]) == 2
    assert "hearts of the cohort that was learned from" in capsys.readouterr().err


def test_the_card_names_the_recordings_and_their_licence(
    beats: PairCache, tmp_path: Path, data_dir: Callable[[str], Path]
) -> None:
    recordings = prepare(open_source(data_dir("ludb")), tmp_path / "cache")
    few = {"steps": "2", "batch_size": "4", "warmup": "1", "validate_every": "2", "save_every": "2", "width": "8"}
    few |= {"depth": "1", "validation": "120", "real": str(tmp_path / "cache")}
    found = module.reader(data=beats.folder, out=tmp_path / "run", overrides=few)
    card = read_json(Path(found["checkpoint"]) / "card.json")
    described = recordings.manifest["source"]
    assert [source["name"] for source in card["data"]][1] == described["name"]
    assert described["licence"] in card["licence"]
