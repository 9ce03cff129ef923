"""What the two wheels hold: every module, table and card; all weights; and no code that reads beside its package."""

import ast
import importlib.util
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("physiogen", "gen", "vae", "diffusion", "flow", "metrics")

LIST = """
import json, os, sys
from setuptools import Distribution
found = Distribution({"script_name": "setup.py"})
found.parse_config_files()
build = found.get_command_obj("build_py")
build.build_lib = sys.argv[1]
build.ensure_finalized()
print(json.dumps([os.path.relpath(path, sys.argv[1]) for path in build.get_outputs(include_bytecode=0)]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Files that setuptools would put into a wheel, by their path in it."""
    place = str(tmp_path_factory.mktemp("lib"))
    done = subprocess.run([sys.executable, "-c", LIST, place], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return {Path(path).as_posix() for path in json.loads(done.stdout.splitlines()[-1])}


@pytest.fixture(scope="module")
def weights():
    """Files of the package of weights, by the table that the code has of them."""
    lines = (ROOT / "gen/weights.sha256").read_text().splitlines()
    return dict(reversed(line.split("  ")) for line in lines[1:])


def test_everything_of_the_packages_is_in_one_of_two_wheels(wheel, weights):
    there = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    assert {path for path in there if path.endswith(".safetensors")} >= {"diffusion/weights/default/model.safetensors"}
    assert sorted(there - wheel - set(weights)) == [], "add their suffix to package-data in pyproject.toml"
    assert sorted(wheel & set(weights)) == []


def test_the_table_of_weights_is_that_of_the_files_and_its_version_rose_with_them(weights):
    path = ROOT / "weights-package/table.py"
    spec = importlib.util.spec_from_file_location("weights_table", path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    assert (ROOT / "gen/weights.sha256").read_text() == made.table(), "make weights"
    assert made.known()[made.version()] == made.digest(), (
        "raise the version in weights-package/pyproject.toml, make weights"
    )
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["weights"]
    assert extra == [f"physiogen-weights=={made.version()}"]


def test_nothing_else_is(wheel):
    assert sorted(path for path in wheel if path.split("/")[0] not in PACKAGES) == []


@pytest.mark.parametrize(
    "name",
    [
        "vae/weights/default/model.safetensors",
        "vae/weights/codec/model.safetensors",
        "vae/weights/linear/model.safetensors",
        "diffusion/weights/twin/change/model.safetensors",
        "diffusion/weights/twin/identity/model.safetensors",
        "diffusion/weights/twin/model_index.json",
        "diffusion/twin/amplitudes.json",
        "diffusion/requests_rare.csv",
        "flow/weights/default/model_index.json",
        "flow/weights/default/reader/intervals.json",
        "metrics/weights/classifier/model.safetensors",
        "metrics/weights/clip/model.safetensors",
        "metrics/weights/delineator/model.safetensors",
        "gen/simulate/population.json",
    ],
)
def test_what_is_read_at_run_time_is_there(wheel, weights, name):
    assert name in wheel or name in weights


def reaches_out(tree: ast.AST, depth: int) -> list[int]:
    """Lines that climb from ``__file__`` out of the package; a module lies ``depth`` folders deep."""
    found = []
    for node in ast.walk(tree):
        text = ast.unparse(node) if isinstance(node, ast.Subscript | ast.Attribute) else ""
        climbed = 0
        if "__file__" in text and isinstance(node, ast.Subscript) and ".parents[" in text:
            climbed = int(ast.literal_eval(node.slice)) + 1
        elif "__file__" in text and text.endswith(".parent"):
            climbed = text.count(".parent")
        if climbed > depth:
            found.append(node.lineno)
    return sorted(found)


#: Asks git for the revision where it lies in a checkout; an installed package tells its version.
ALLOWED = {"gen/results.py"}


def test_data_that_code_reads_lives_in_the_package():
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.relative_to(ROOT).as_posix() not in ALLOWED
        for line in reaches_out(ast.parse(path.read_text()), len(path.relative_to(ROOT).parts) - 1)
    ]
    assert found == []


def test_a_planted_climb_is_found():
    code = "A = Path(__file__).parents[1] / 'docs'\nB = Path(__file__).parent.parent\nC = Path(__file__).parent / 'x'"
    assert reaches_out(ast.parse(code), 1) == [1, 2]
    assert reaches_out(ast.parse(code), 2) == []
