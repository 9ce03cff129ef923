"""The contract of recipes: seeded before the first weight, one process afterwards, never continued on other data.

This file is also the script of its tests with two processes.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from gen import registry
from gen.card import About, Source
from gen.checkpoint import load_checkpoint
from gen.datasets.cache import SignalCache
from gen.files import read_json, write_json, write_text
from gen.records import InputError
from gen.training import Fit, Job, Recipe, TrainingConfig, sample_generator
from gen.training.recipe import Work

ROOT = Path(__file__).resolve().parents[3]
SIMULATED_DATA = Source(name="nothing", licence="Apache-2.0")
SHORT = {"steps": "2", "batch_size": "4", "log_every": "1", "cpu": "true", "precision": "fp32", "warmup": "0"}


class Net(nn.Module):
    def __init__(self, width: int = 4):
        super().__init__()
        self.inner = nn.Linear(3, width)
        self.outer = nn.Linear(width, 1)

    def loss(self, batch):
        return {
            "loss": (self.outer(torch.tanh(self.inner(batch["x"]))) - batch["x"].sum(1, keepdim=True)).pow(2).mean()
        }


class Numbers:
    def batch(self, numbers, seed):
        x = np.stack([sample_generator(seed, int(n)).standard_normal(3, dtype=np.float32) for n in numbers])
        return {"x": torch.from_numpy(x)}


@dataclass(frozen=True, kw_only=True)
class Settings:
    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(steps=2, batch_size=4, log_every=1, cpu=True)
    )
    width: int = 4
    init: str = ""


class Toy(Job[Settings]):
    needs = "a text file"
    places = ("init",)
    leaves = ("after.json",)

    def inputs(self):
        return {"data": self.data.read_text()}

    def sources(self):
        return [SIMULATED_DATA]

    def prepare(self):
        made = self.out.with_name("prepared")
        if not made.exists():
            time.sleep(0.5)
            with made.open("x") as file:  # a second writer would fail
                file.write(str(os.getpid()))

    def build_model(self):
        assert self.out.with_name("prepared").is_file()
        return Net(self.settings.width)

    def build_source(self, model):
        return Numbers()

    def finish(self, result, card):
        time.sleep(0.2)
        folder = self.out / "once"
        folder.mkdir()  # fails where two processes do it
        folder.rmdir()
        write_json(self.out / "after.json", {"recipe": card["training"]["recipe"]})
        return {"after": 1}


ABOUT = About(name="toy/net", task="Three numbers.", intended_use="Tests.", limits="All of them.")
TOY = Recipe(ABOUT, Settings, Toy)


@pytest.fixture
def data(tmp_path):
    write_text(tmp_path / "data.txt", "a" * 64)
    return tmp_path / "data.txt"


def losses(out: Path) -> list[float]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def test_the_seed_is_obeyed_by_the_first_weights(data, tmp_path):
    for name, seed, state in (("a", 7, 1), ("b", 7, 2), ("c", 8, 1)):
        torch.manual_seed(state)  # whatever ran before
        TOY(data=data, out=tmp_path / name, overrides={"training.seed": str(seed)})
    assert losses(tmp_path / "a") == losses(tmp_path / "b")
    assert losses(tmp_path / "a")[0] != losses(tmp_path / "c")[0]


def test_the_result_has_what_comes_after(data, tmp_path):
    result = TOY(data=data, out=tmp_path / "run")
    assert result["after"] == 1
    assert result["steps"] == 2
    assert read_json(tmp_path / "run" / "after.json") == {"recipe": "toy/net"}


def test_other_data_is_refused_in_one_line(data, tmp_path):
    out = tmp_path / "run"
    TOY(data=data, out=out)
    assert read_json(out / "run.json")["identity"]["inputs"] == {"data": "a" * 64}
    data.write_text("b" * 64)
    before = (out / "last" / "card.json").read_bytes()
    with pytest.raises(InputError, match=r"started on other data \(digest aaaaaaaaaaaa\).*\(bbbbbbbbbbbb\)") as caught:
        TOY(data=data, out=out, resume=True, overrides={"steps": "4"})
    assert len(str(caught.value).splitlines()) == 1
    assert (out / "last" / "card.json").read_bytes() == before
    data.write_text("a" * 64)
    assert TOY(data=data, out=out, resume=True, overrides={"steps": "4"})["steps"] == 4


def test_going_on_with_nothing_is_said_before_anything_is_prepared(data, tmp_path, capsys):
    out = tmp_path / "run"
    TOY(data=data, out=out, resume=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"{out}: no run there to go on with: one is started"
    TOY(data=data, out=out, resume=True, overrides={"steps": "3"})
    assert "no run there" not in capsys.readouterr().err


def test_another_setting_or_recipe_is_refused(data, tmp_path):
    out = tmp_path / "run"
    TOY(data=data, out=out, overrides={"init": "/somewhere"})
    with pytest.raises(InputError, match=r"started with width=4; it cannot go on with width=5"):
        TOY(data=data, out=out, resume=True, overrides={"width": "5"})
    other = Recipe(About(name="toy/other", task="x", intended_use="x", limits="x"), Settings, Toy)
    with pytest.raises(InputError, match=r"a run of recipe toy/net; it cannot go on as toy/other"):
        other(data=data, out=out, resume=True)
    # Where a thing lies is no part of what a run is.
    TOY(data=data, out=out, resume=True, overrides={"init": "/elsewhere", "steps": "3"})


def test_a_run_without_an_identity_can_go_on(data, tmp_path):
    out = tmp_path / "run"
    TOY(data=data, out=out)
    run = read_json(out / "run.json")
    write_json(out / "run.json", {key: value for key, value in run.items() if key != "identity"})
    assert TOY(data=data, out=out, resume=True, overrides={"steps": "3"})["steps"] == 3


def test_a_run_is_replaced_only_on_request(data, tmp_path):
    out = tmp_path / "run"
    TOY(data=data, out=out)
    with pytest.raises(InputError, match="--overwrite"):
        TOY(data=data, out=out)
    write_text(out / "notes.txt", "mine")
    write_text(out / "after.json", "old")
    TOY(data=data, out=out, overwrite=True, overrides={"steps": "1"})
    assert (out / "notes.txt").read_text() == "mine"
    assert "toy/net" in (out / "after.json").read_text()


def test_no_card_shows_where_things_lie(data, tmp_path):
    TOY(data=data, out=tmp_path / "run", overrides={"init": "/home/someone/weights", "width": "5"})
    card = load_checkpoint(tmp_path / "run" / "last").card
    assert "someone" not in json.dumps(card)
    assert card["training"]["commands"] == [
        "physiogen train toy/net --data CACHE --out RUN --set init=INIT --set width=5"
    ]
    assert card["training"]["config"]["init"] == "INIT"


def test_a_fit_is_whole_and_replaced_only_on_request(data, tmp_path):
    class Sum(Fit[Settings]):
        needs = "a text file"

        def sources(self):
            return [SIMULATED_DATA]

        def fit(self, card):
            write_json(self.out, {"letters": len(self.data.read_text()), "by": card["name"]})
            return {"letters": 64}

    recipe, out = Recipe(ABOUT, Settings, Sum), tmp_path / "sum.json"
    assert recipe(data=data, out=out) == {"letters": 64}
    with pytest.raises(InputError, match="--overwrite"):
        recipe(data=data, out=out)
    with pytest.raises(InputError, match="nothing to resume"):
        recipe(data=data, out=out, resume=True)
    assert recipe(data=data, out=out, overwrite=True) == {"letters": 64}


@pytest.mark.slow
def test_two_processes_do_the_rest_once(data, tmp_path):
    """What runs on both is a race; the folder that only one can make, and a pause, let it be seen each time."""
    process = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", __file__,
         str(data), str(tmp_path / "run")],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.returncode == 0, process.stderr[-2000:]
    assert read_json(tmp_path / "run" / "after.json") == {"recipe": "toy/net"}
    assert not [path for path in (tmp_path / "run").iterdir() if path.name.startswith(".")]


RECIPES = registry.names("gen.recipes")


def test_there_are_at_least_fourteen():
    assert len(RECIPES) >= 14


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_keeps_the_contract(name, tmp_path):
    recipe = registry.get("gen.recipes", name)
    assert isinstance(recipe, Recipe)
    assert recipe.about.name == name
    settings = recipe.settings()
    assert is_dataclass(settings)
    work = recipe.work(settings, None, tmp_path / "run")
    assert isinstance(work, Work)
    if isinstance(work, Job):
        assert isinstance(settings.training, TrainingConfig)
    with pytest.raises(InputError, match="no such setting"):
        recipe(data=tmp_path, out=tmp_path / "run", overrides={"nonsense": "1"})
    if work.needs is not None:
        with pytest.raises(InputError, match=f"recipe {name} needs --data: ") as caught:
            recipe(out=tmp_path / "run")
        assert len(str(caught.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    from gen.datasets import open_source
    from gen.datasets.cache import prepare
    from gen.io import write
    from gen.simulate import simulate

    root = tmp_path_factory.mktemp("recipes")
    write(simulate(range(24), seed=3).records(), root / "set", format="npz")
    return prepare(open_source(root / "set"), root / "cache").path


SMALL = {
    "vae/default": {"widths": "8,8,8", "simulated_share": "0"},
    "metrics/classifier": {"widths": "8,8,8,8", "blocks": "1", "feature_width": "8"},
}


@pytest.mark.parametrize("name", SMALL)
def test_shipped_recipes_obey_their_seed(name, cache, tmp_path):
    recipe = registry.get("gen.recipes", name)
    assert isinstance(SignalCache.open(cache), SignalCache)
    for run, state in (("a", 1), ("b", 2)):
        torch.manual_seed(state)
        recipe(data=cache, out=tmp_path / run, overrides={**SHORT, **SMALL[name], "training.seed": "7"})
    assert losses(tmp_path / "a") == losses(tmp_path / "b")
    assert len(losses(tmp_path / "a")) == 2
    one, two = (load_checkpoint(tmp_path / run / "last").tensors for run in "ab")
    assert all(torch.equal(one[key], two[key]) for key in one)


if __name__ == "__main__":
    TOY(data=Path(sys.argv[1]), out=Path(sys.argv[2]))
