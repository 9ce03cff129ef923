"""``physiogen train vae/bands``: bands that hold the validation records as often as they say."""

from dataclasses import replace

import numpy as np
import pytest

from gen.checkpoint import load_checkpoint, load_model
from gen.cli import run
from gen.datasets import open_source
from gen.datasets.cache import prepare
from gen.io import write
from gen.leads import LEADS_8
from gen.simulate import simulate
from vae.networks.lead_vae import LeadVAE
from vae.pipeline import NetworkPredictor, load


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Cache of eight records, all of the validation part."""
    folder = tmp_path_factory.mktemp("data")
    records = simulate(range(8), seed=3, duration_s=2.0, noise="light").records()
    write([replace(record, metadata={"split": "val"}) for record in records], folder / "set")
    return prepare(open_source(folder / "set"), folder / "cache", duration_s=2.0).path


def test_bands_are_fitted_to_a_trained_network(cache, checkpoint, tmp_path, capsys):
    asked = [
        "train",
        "vae/bands",
        "--data",
        str(cache),
        "--set",
        f"checkpoint={checkpoint}",
        "--out",
        str(tmp_path / "b"),
    ]
    assert run(asked) == 0
    assert "factors_90" in capsys.readouterr().out
    found = load_checkpoint(tmp_path / "b", expected_class=LeadVAE)
    factors = {level: np.array(each) for level, each in found.config["band_factors"].items()}
    assert factors["90"].shape == (len(LEADS_8),)
    assert (factors["90"] > factors["50"]).all()
    assert found.card["facts"]["bands"].startswith("fitted on fold 9")
    assert str(tmp_path) not in str(found.card)
    load_model(LeadVAE, tmp_path / "b")
    predictor = load(tmp_path / "b").predictor
    assert isinstance(predictor, NetworkPredictor)
    assert predictor.fs_hz
    assert run(asked) == 2
    assert "use --overwrite" in capsys.readouterr().err
    assert run([*asked, "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ([], "accepted: --set checkpoint=RUN/best"),
        (["--set", "checkpoint=/nowhere"], "/nowhere"),
        (["--set", "a=1"], "a"),
    ],
)
def test_what_cannot_be_calibrated_is_one_line(cache, tmp_path, capsys, settings, words):
    assert run(["train", "vae/bands", "--data", str(cache), *settings, "--out", str(tmp_path / "b")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert not (tmp_path / "b").exists()
