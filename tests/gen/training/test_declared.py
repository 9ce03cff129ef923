"""What recipes declare in ``recipes.toml``: read whole, and all of it used."""

import importlib
import sys
from dataclasses import asdict
from importlib.metadata import entry_points

import pytest

from gen.overrides import apply_overrides
from gen.records import InputError
from gen.training import TrainingConfig
from gen.training.declared import Declared
from gen.training.recipe import Recipe


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "declaring", raising=False)
    folder = tmp_path / "declaring"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()

    def write(text):
        (folder / "recipes.toml").write_text(text, encoding="utf-8")
        return Declared("declaring")

    return write


WORDS = 'task = "a"\nintended_use = "b"\nlimits = "c"\n'


def test_words_and_settings_are_as_declared(package):
    declared = package(f"[one]\n{WORDS}[one.training]\nsteps = 7\nbetas = [0.5, 0.6]\nclip_norm = false\n")
    about = declared.about("one")
    assert (about.name, about.task, about.intended_use, about.limits) == ("declaring/one", "a", "b", "c")
    assert declared.training("one") == TrainingConfig(steps=7, betas=(0.5, 0.6), clip_norm=None)


def test_a_recipe_without_a_training_has_the_usual_settings(package):
    assert package(f"[one]\n{WORDS}").training("one") == TrainingConfig()


class Net:
    def __init__(self, size: int, width: int = 8, rates: tuple[float, ...] = (0.1,)) -> None:
        """Sizes."""


def test_a_network_has_the_declared_arguments_and_no_others(package):
    settings = package(f"[one]\n{WORDS}[one.network]\nrates = [0.5, 0.6]\nwidth = 4\n").network("one", Net)
    assert asdict(settings) == {"rates": (0.5, 0.6), "width": 4}
    assert asdict(apply_overrides(settings, {"width": "3", "rates": "1,2"})) == {"rates": (1.0, 2.0), "width": 3}
    with pytest.raises(InputError, match="no such setting; known: rates, width"):
        apply_overrides(settings, {"size": "3"})
    with pytest.raises(ValueError, match="Net takes no depth"):
        package(f"[one]\n{WORDS}[one.network]\ndepth = 4\n").network("one", Net)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[one]\ntask = "a"\n', "no intended_use, limits"),
        (f"[one]\n{WORDS}licence = 'x'\n", "nothing reads licence"),
        (f"[one]\n{WORDS}[one.training]\nstep = 3\n", "no training setting step"),
        (f"[two]\n{WORDS}", "no recipe one, only two"),
    ],
)
def test_what_nothing_reads_or_is_missing_is_named(package, text, said):
    with pytest.raises(ValueError, match=said):
        package(text).training("one")


def test_every_declared_recipe_exists_and_every_recipe_is_declared():
    recipes = {point.load().about.name for point in entry_points(group="gen.recipes") if point.name}
    recipes = {name for name in recipes if name.split("/")[0] in ("gen", "metrics", "vae", "diffusion", "flow")}
    declared = {
        f"{package}/{recipe}"
        for package in ("gen", "metrics", "vae", "diffusion", "flow")
        for recipe in Declared(package).recipes
    }
    assert declared == recipes


def test_settings_of_a_recipe_are_those_of_its_file():
    for point in entry_points(group="gen.recipes"):
        recipe = point.load()
        if isinstance(recipe, Recipe) and hasattr(recipe.settings(), "training"):
            package, name = recipe.about.name.split("/")
            assert recipe.settings().training == Declared(package).training(name)
