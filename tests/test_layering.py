"""Importing the low floors loads nothing heavy. What may import what is the business of ``lint-imports``, see
`tool.importlinter` in pyproject.toml; here are the proofs that its contracts watch, and what it cannot see.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODELS = ("vae", "diffusion", "flow")
PACKAGES = ("physiogen", "gen", "metrics", *MODELS)
#: What must not be loaded by importing these modules.
FREE_OF_TORCH = (
    "gen",
    "gen.leads",
    "gen.records",
    "gen.signals",
    "gen.files",
    "gen.results",
    "gen.io",
    "gen.datasets",
    "gen.simulate",
    "gen.text",
    "gen.quality",
    "gen.plot",
    "gen.page",
    "gen.cli",
)

#: File, what is planted in it, what the report must say of it, and the first words of the contract that breaks.
PLANTED = [
    ("gen/leads.py", "import gen.training", "gen.leads -> gen.training", "Floors of gen"),
    ("gen/io/wfdb.py", "def f():\n    from gen.checkpoint import x", "gen.io.wfdb -> gen.checkpoint", "Floors of gen"),
    ("gen/novelty.py", "", "novelty", "Floors of gen"),
    ("gen/training/trainer.py", "import vae.pipeline", "gen.training.trainer -> vae.pipeline", "Models stand"),
    ("vae/observation.py", "import diffusion.pipeline", "vae.observation -> diffusion.pipeline", "Models stand"),
    ("metrics/suite/run.py", "from vae import pipeline", "metrics.suite.run -> vae.pipeline", "Models stand"),
    ("metrics/cine.py", "from metrics.suite import run", "metrics.cine -> metrics.suite.run", "Floors of metrics"),
    ("vae/networks/losses.py", "from vae import pipeline", "vae.networks.losses -> vae.pipeline", "Rooms of vae"),
    ("diffusion/networks/dit.py", "import diffusion.twin.batch", "diffusion.networks.dit -> diffusion.twin.batch",
     "Rooms of diffusion"),
    ("gen/layers.py", "import flow.training.sources", "gen.layers -> flow.training.sources",
     "Rooms of flow"),
    ("gen/text/items.py", "def f():\n    import gen.text.reader", "No cycles are allowed in gen.text.", "No circle"),
    ("gen/quality/lead.py", "def f():\n    import torch", "gen.quality.lead -> torch", "Torch lives"),
    ("gen/registry.py", "import pandas as pd", "gen.registry -> pandas", "The lowest floor"),
    ("flow/networks/pamae.py", "import metrics.cine", "flow.networks.pamae -> metrics.cine", "Networks know nothing"),
]  # fmt: skip


def _copy(folder: Path) -> Path:
    """The suite's Python files and contracts, to plant faults in."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("weights", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@pytest.fixture(scope="module")
def faulty(tmp_path_factory) -> str:
    """The report on a suite with all faults in it: one run, which costs seconds."""
    folder = _copy(tmp_path_factory.mktemp("faulty"))
    for file, source, *_ in PLANTED:
        path = folder / file
        path.write_text((path.read_text() if path.exists() else '"""New."""\n') + "\n" + source + "\n")
    return report(folder)


def report(folder: Path) -> str:
    """What ``lint-imports`` says of the suite in a folder."""
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    run = subprocess.run(
        [sys.executable, "-c", command, "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(folder), "COLUMNS": "300"},
    )
    return run.stdout + run.stderr


def test_imports_obey_the_law(tmp_path):
    said = report(_copy(tmp_path))
    assert " 0 broken" in said, said


@pytest.mark.parametrize(("file", "source", "words", "contract"), PLANTED, ids=[case[0] for case in PLANTED])
def test_a_planted_import_is_found(faulty, file, source, words, contract):
    del file, source
    assert words in faulty
    assert any(line.startswith(contract) and "BROKEN" in line for line in faulty.splitlines())


def loaders(modules: tuple[str, ...], forbidden: tuple[str, ...], path: Path = ROOT) -> str:
    """Import modules one after another in a fresh interpreter; which forbidden ones each of them brought in."""
    code = (
        "import sys, importlib\n"
        f"sys.path.insert(0, {str(path)!r})\n"
        "before = set()\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
        f"    loaded = {{bad for bad in {forbidden!r} if bad in sys.modules}}\n"
        "    for bad in sorted(loaded - before):\n"
        "        print(name, 'loads', bad)\n"
        "    before |= loaded\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_importing_the_floor_does_not_load_torch():
    assert loaders(FREE_OF_TORCH, ("torch", "diffusers", "accelerate")) == ""


def test_the_command_line_starts_light():
    assert (
        loaders(("gen.cli",), ("torch", "pandas", "matplotlib", "wfdb", "pyarrow", "sklearn", "metrics", *MODELS)) == ""
    )


def test_a_planted_torch_is_found(tmp_path):
    (tmp_path / "torch.py").write_text("")  # a stand-in, so that the proof costs nothing
    (tmp_path / "planted_floor.py").write_text("from gen import leads\nimport planted_helper\n")
    (tmp_path / "planted_helper.py").write_text("import torch\n")
    found = loaders(("gen.leads", "planted_floor", "planted_helper"), ("torch",), tmp_path)
    assert found == "planted_floor loads torch"
