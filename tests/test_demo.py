"""``physiogen demo``: figures and one page, from what is installed, without any download."""

import json
import shutil
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from gen import cli, registry
from gen.commands import demo as module


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Few hearts, and a small random network in place of the shipped one."""
    import torch

    from gen.checkpoint import model_config, save_checkpoint
    from vae import pipeline
    from vae.networks.lead_vae import LeadVAE

    torch.manual_seed(0)
    model = LeadVAE(
        widths=(16, 16),
        condition_width=16,
        latent=4,
        posterior_width=16,
        heads=2,
        covariance=tuple(map(tuple, (0.5 * np.eye(8) + 0.5).tolist())),
        band_factors={"90": [2.0] * 8},
    )
    shutil.copytree(pipeline.WEIGHTS / "linear", tmp_path / "weights" / "linear")
    save_checkpoint(tmp_path / "weights" / "default", config=model_config(model), model=model)
    monkeypatch.setattr(pipeline, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(pipeline.LinearPredictor.__init__, "__defaults__", (tmp_path / "weights" / "linear",))
    monkeypatch.setattr(module, "COHORT", 3)
    monkeypatch.setattr(module, "DIAGNOSES", ("NORM", "AFIB"))
    monkeypatch.setattr("metrics.demo.JUDGED", 50)
    monkeypatch.delenv("PHYSIOGEN_DATA", raising=False)


@pytest.fixture
def few(small, monkeypatch):
    """The quick sections alone."""
    real = registry._entries
    monkeypatch.setattr(
        registry,
        "_entries",
        lambda group: {k: v for k, v in real(group).items() if group != "gen.demos" or k == "measure"},
    )


def test_the_demo_ends_with_figures_and_a_page(few, tmp_path, capsys):
    out = tmp_path / "demo"
    assert cli.run(["demo", "--out", str(out), "--seed", "4"]) == 0
    said = capsys.readouterr()
    assert "measure   -> 3 ECGs" in said.out
    page = (out / "index.html").read_text()
    assert "Measured ECGs" in page
    assert "Synthetic" in page
    assert "http" not in page.replace("http-equiv", "")
    assert json.loads((out / "figures.json").read_text())["truth"] == "simulated"


@pytest.mark.slow
def test_the_demo_shows_every_job(small, tmp_path, capsys):
    out = tmp_path / "demo"
    assert cli.run(["demo", "--out", str(out), "--seed", "4"]) == 0
    said = capsys.readouterr()
    assert str(out / "index.html") in said.out
    assert "3 simulated hearts" in said.out
    assert "MAE" in said.out
    assert "8 ECGs" in said.out
    assert "rebuilding" in said.err  # progress stays out of the result
    page = (out / "index.html").read_text()
    assert page.count("<img") == 10
    for line in ("twin      -> 2 twins", "cmr       -> a heart", "measure   -> 3 ECGs", "benchmark -> told from"):
        assert line in said.out
    assert "http" not in page.replace("http-equiv", "")
    assert "Synthetic" in page
    figures = json.loads((out / "figures.json").read_text())
    assert figures["truth"] == "simulated"
    assert {(row["method"], len(row["leads"])) for row in figures["reconstruct"]} == {
        (method, size) for method in ("default", "least-squares") for size in (1, 2, 3)
    }
    for row in figures["reconstruct"]:
        assert np.isfinite([row["mae_mv"], row["pearson_mean"], row["pearson_median"]]).all()
        assert ("inside_90_band" in row) == (row["method"] == "default")
    # Three leads tell more than one.
    mae = {tuple(row["leads"]): row["mae_mv"] for row in figures["reconstruct"] if row["method"] == "least-squares"}
    assert mae["II", "V1", "V5"] < mae["I",]

    assert cli.run(["demo", "--out", str(out)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert cli.run(["demo", "--out", str(out), "--seed", "4", "--overwrite", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["reconstruct"] == figures["reconstruct"]


def test_the_demo_shows_what_is_installed_and_nothing_else(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(module, "COHORT", 2)
    monkeypatch.setattr(module, "DIAGNOSES", ("NORM",))
    (tmp_path / "planted_demo.py").write_text(
        "def section(page, hearts, seed):\n    page.heading('Planted')\n    return [f'{len(hearts)} planted, {seed}']\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    planted = [EntryPoint("planted", "planted_demo:section", "gen.demos")]
    command = [EntryPoint("demo", "gen.commands.demo:demo", "gen.commands")]
    found = {"gen.demos": planted, "gen.commands": command}
    monkeypatch.setattr(registry, "entry_points", lambda group: found.get(group, []))
    registry._entries.cache_clear()
    try:
        assert cli.run(["demo", "--out", str(tmp_path / "demo"), "--seed", "9"]) == 0
    finally:
        registry._entries.cache_clear()
    said = capsys.readouterr().out
    assert "2 planted, 9" in said
    page = (tmp_path / "demo" / "index.html").read_text()
    assert "Planted" in page
    for absent in ("reconstruct", "Twelve leads from a few", "least squares"):
        assert absent not in page
        assert absent not in said


def test_a_recording_is_shown_where_the_data_is(few, tmp_path, capsys, monkeypatch, data_dir):
    monkeypatch.setenv("PHYSIOGEN_DATA", str(data_dir("ptb-xl").parent))
    assert cli.run(["demo", "--out", str(tmp_path / "demo")]) == 0
    capsys.readouterr()
    page = (tmp_path / "demo" / "index.html").read_text()
    assert "test fold" in page
