"""gen.registry: finds things by name without importing them, refuses what is doubtful."""

import json
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

import gen
from gen import registry
from gen.registry import RegistryError


@pytest.fixture
def installed(monkeypatch):
    """Pretend that these entry points are installed: ``installed(name="module:object", ...)`` for every group."""

    def install(*pairs: tuple[str, str]) -> None:
        def entry_points(*, group: str) -> list[EntryPoint]:
            return [EntryPoint(name, value, group) for name, value in pairs]

        monkeypatch.setattr(registry, "entry_points", entry_points)
        registry._entries.cache_clear()

    yield install
    registry._entries.cache_clear()


def test_names_are_sorted_and_nothing_is_imported(installed):
    installed(("twin", "no_such_module:load"), ("cmr", "no_such_module:load"))
    assert registry.names("gen.pipelines") == ["cmr", "twin"]


def test_get_loads_the_object(installed):
    installed(("dumps", "json:dumps"))
    assert registry.get("gen.pipelines", "dumps") is json.dumps


def test_a_dotted_path_needs_no_installation(installed):
    installed()
    assert registry.get("gen.pipelines", "json:dumps") is json.dumps


def test_unknown_names_list_the_known_ones(installed):
    installed(("b", "json:dumps"), ("a", "json:loads"))
    with pytest.raises(RegistryError, match="unknown name 'c'; known: a, b"):
        registry.get("gen.recipes", "c")
    installed()
    with pytest.raises(RegistryError, match="known: none"):
        registry.get("gen.recipes", "c")


def test_two_providers_of_one_name_are_refused(installed):
    installed(("same", "json:dumps"), ("same", "json:loads"))
    with pytest.raises(RegistryError, match=r"'same' in gen\.recipes is provided by both json:dumps and json:loads"):
        registry.names("gen.recipes")


def test_the_same_entry_seen_twice_is_one(installed):
    """An editable install can list its metadata twice."""
    installed(("same", "json:dumps"), ("same", "json:dumps"))
    assert registry.names("gen.recipes") == ["same"]


def test_load_by_shipped_name_calls_the_loader_without_arguments(installed):
    installed(("fresh", "builtins:dict"))
    assert registry.load("fresh") == {}
    assert gen.load("fresh") == {}


@pytest.mark.parametrize("file", ["config.json", "model_index.json"])
def test_load_from_a_checkpoint_folder_hands_the_folder_over(installed, tmp_path, file):
    installed(("mine", "builtins:str"))
    (tmp_path / file).write_text(json.dumps({"pipeline": "mine"}))
    assert registry.load(tmp_path) == str(tmp_path)
    assert registry.load(str(tmp_path)) == str(tmp_path)


def test_what_is_no_checkpoint_is_refused(installed, tmp_path):
    installed(("reconstruct", "builtins:str"))
    (tmp_path / "config.json").write_text("{}")
    for target in (tmp_path, tmp_path / "absent", "reconstrukt"):
        with pytest.raises(RegistryError, match=r"neither a shipped pipeline \(reconstruct\) nor a checkpoint folder"):
            registry.load(target)


def test_registry_errors_are_value_errors():
    assert issubclass(RegistryError, ValueError)


def test_the_groups_are_those_of_the_project_file():
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert set(project["entry-points"]) <= set(registry.GROUPS)


def test_the_door_opens_lazily_and_only_to_known_names():
    assert gen.InputError is __import__("gen.records", fromlist=["InputError"]).InputError
    assert set(gen.__all__) == {*gen._HOMES, "__version__"}
    with pytest.raises(AttributeError, match="no attribute 'reed'"):
        gen.reed  # noqa: B018


def test_listing_names_imports_no_package():
    code = (
        "import sys\nfrom gen import registry\n[registry.names(group) for group in registry.GROUPS]\n"
        "print([name for name in ('torch', 'vae', 'diffusion', 'flow', 'metrics') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
