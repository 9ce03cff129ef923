"""The recipe of the reader: what a sample is, and that a run leaves a checkpoint that reads."""

from pathlib import Path

import numpy as np
import pytest

from flow.networks.ecg_reader import EcgReader
from flow.training import reader as module
from flow.training.pair_cache import PairCache, build
from gen.checkpoint import load_model
from gen.files import read_json
from gen.leads import LEADS_8
from gen.records import InputError


@pytest.fixture(scope="module")
def beats(tmp_path_factory: pytest.TempPathFactory) -> PairCache:
    return build(tmp_path_factory.mktemp("beats") / "cache", counts={"beats": 40}, seed=2)


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


def test_the_recipe_leaves_a_reader(beats: PairCache, tmp_path: Path) -> None:
    few = {"steps": "3", "batch_size": "8", "warmup": "1", "validate_every": "3", "save_every": "3"}
    few |= {"width": "16", "depth": "1", "validation": "10"}
    found = module.reader(data=beats.folder, out=tmp_path / "run", overrides=few)
    assert np.isfinite(found["loss"])
    assert "r_mass_g" in found
    model = load_model(EcgReader, found["checkpoint"])
    part = beats.part("beats")
    told = module.read_rows(model, part, part.usable[:5])
    means = module.expectations(told)
    assert means["edv_ml"].shape == (5,)
    assert (means["sv_ml"] + means["esv_ml"]) == pytest.approx(means["edv_ml"])
    some = module.read_rows(model, part, part.usable[:5], np.isin(LEADS_8, ["I"]))
    assert not np.array_equal(some.mean, told.mean)
    card = read_json(tmp_path / "run" / "best" / "card.json")
    assert card["data"][0]["split"].startswith("part beats")
    with pytest.raises(InputError, match="validation=100"):
        module.reader(data=beats.folder, out=tmp_path / "x", overrides={"validation": "100"})
