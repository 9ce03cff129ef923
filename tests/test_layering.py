"""Imports point down only, and the low floors stay light. The rules are the table of floors below."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gen

ROOT = Path(__file__).resolve().parent.parent
MODELS = ("vae", "diffusion", "flow")

#: Lowest floor first. A module may import its own floor and those below it.
FLOORS = (
    (
        "gen.records",
        "gen.leads",
        "gen.signals",
        "gen.registry",
        "gen.cine",
        "gen.timing",
        "gen.files",
        "gen.values",
        "gen.markdown",
        "gen.results",
    ),
    ("gen.datasets", "gen.simulate", "gen.text", "gen.io", "gen.quality", "gen.plot", "gen.page"),
    ("gen.randomness", "gen.precision", "gen.training", "gen.synthesis", "gen.checkpoint", "gen.pack"),
    ("metrics",),
    MODELS,
    ("gen.cli", "gen.commands", "gen.evaluation"),
)
#: Allowed outside the standard library on the lowest floor.
LIGHT = {"numpy", "scipy"}
#: Allowed from the third floor up.
TORCH = {"torch", "diffusers", "accelerate", "torchmetrics", "transformers", "torchvision"}
#: What must not be loaded by importing these modules.
FREE_OF_TORCH = (
    "gen",
    "gen.leads",
    "gen.records",
    "gen.signals",
    "gen.io",
    "gen.datasets",
    "gen.simulate",
    "gen.text",
    "gen.quality",
    "gen.plot",
    "gen.page",
    "gen.cli",
)


def floor_of(module: str) -> int | None:
    """Number of the floor a module of the suite stands on; the package ``gen`` itself is the ground."""
    if module == "gen":
        return 0
    for number, floor in enumerate(FLOORS):
        if any(module == name or module.startswith(name + ".") for name in floor):
            return number
    return None


def module_name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below one, without what stands under ``if TYPE_CHECKING``: that never runs."""
    for child in ast.iter_child_nodes(node):
        yield child
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield other
                yield from _executed(other)
        else:
            yield from _executed(child)


def imported(tree: ast.Module, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """(line, module) of every import, wherever it stands, also ``import_module("...")`` with a literal name."""
    for node in _executed(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".")[: None if is_package else -1]
                package = package[: len(package) - node.level + 1]
                base = ".".join([*package, *([base] if base else [])])
            for alias in node.names:
                # `from gen import read` goes through the door to the module that has it.
                home = gen._HOMES.get(alias.name) if base == "gen" else None
                yield node.lineno, home or f"{base}.{alias.name}"
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function = ast.unparse(node.func).split(".")[-1]
            if function in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value


def complaint(module: str, target: str) -> str | None:
    """What is wrong with ``module`` importing ``target``, or None."""
    here, there = floor_of(module), floor_of(target)
    top = target.split(".")[0]
    if here is None:
        return None  # test_every_module_has_a_floor speaks of it
    if there is not None and there > here:
        return f"upward import of {target}"
    if top in MODELS and module.split(".")[0] != top:
        if module.startswith("gen"):
            return f"{target} is reached by entry point (gen.registry), not by import"
        return f"{target}: model packages do not import each other"
    if top in TORCH and here < 2:
        return f"{target}: torch lives from gen.training up"
    if here == 0 and there is None and top not in LIGHT and top not in sys.stdlib_module_names:
        return f"{target}: the lowest floor knows numpy, scipy and the standard library only"
    return None


def violations(root: Path) -> list[str]:
    """``file:line: complaint`` for every forbidden import below ``root``."""
    found = []
    for package in ("gen", "metrics", *MODELS):
        for path in sorted((root / package).rglob("*.py")):
            module = module_name(path, root)
            for line, target in imported(ast.parse(path.read_text()), module, path.name == "__init__.py"):
                wrong = complaint(module, target)
                if wrong:
                    found.append(f"{path.relative_to(root)}:{line}: {wrong}")
    return found


def test_imports_point_down_only():
    assert violations(ROOT) == []


def test_every_module_has_a_floor():
    """A new module of gen has to be put on a floor, or nothing would watch its imports."""
    names = {module_name(path, ROOT) for path in (ROOT / "gen").rglob("*.py")}
    assert sorted(name for name in names if floor_of(name) is None) == [], "add them to FLOORS in this file"


def test_the_suite_is_really_scanned():
    scanned = [path for package in ("gen", "metrics", *MODELS) for path in (ROOT / package).rglob("*.py")]
    assert len(scanned) > 20
    assert {path.relative_to(ROOT).parts[0] for path in scanned} == {"gen", "metrics", *MODELS}


PLANTED = [
    ("gen/leads.py", "import gen.training", "upward import of gen.training"),
    ("gen/records.py", "from gen.io import read", "upward import of gen.io.read"),
    ("gen/records.py", "from gen import read", "upward import of gen.io"),
    ("gen/io/wfdb.py", "def f():\n    from gen.checkpoint import save", "upward import of gen.checkpoint.save"),
    ("gen/io/wfdb.py", "from ..training import train", "upward import of gen.training.train"),
    ("gen/plot/__init__.py", "from ..cli import app", "upward import of gen.cli.app"),
    ("gen/training/loop.py", "import vae.model", "upward import of vae.model"),
    ("gen/datasets/x.py", "import importlib\nm = importlib.import_module('vae.pipeline')", "upward import of vae"),
    ("vae/model.py", "from gen.cli import app", "upward import of gen.cli.app"),
    ("vae/model.py", "from diffusion.noise import x", "model packages do not import each other"),
    ("metrics/suite/run.py", "import vae.pipeline", "upward import of vae.pipeline"),
    ("metrics/training.py", "from vae.model import x", "upward import of vae.model.x"),
    ("gen/cli.py", "def f():\n    import vae.command", "reached by entry point"),
    ("gen/signals.py", "def f():\n    import torch", "torch lives from gen.training up"),
    ("gen/text/read.py", "from diffusers import DDIMScheduler", "torch lives from gen.training up"),
    ("gen/registry.py", "import pandas as pd", "the lowest floor knows numpy, scipy"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "source", "expected"), PLANTED)
def test_a_planted_import_is_found(tmp_path, file, source, expected):
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text('"""Planted."""\n' + source + "\n")
    (found,) = violations(tmp_path)
    assert found.startswith(file + ":")
    assert expected in found


ALLOWED = [
    ("gen/leads.py", "import numpy as np\nfrom scipy import signal\nimport json, os.path"),
    ("gen/io/wfdb.py", "import pandas\nfrom gen.leads import X\nfrom gen import leads, InputError\nfrom . import csv"),
    ("gen/io/wfdb.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\n    import vae.model"),
    ("gen/training/loop.py", "import torch\nfrom gen.datasets import x"),
    ("vae/training/recipes.py", "from metrics.waveform.paired import mse\nfrom gen.training import train"),
    ("gen/cli.py", "import typer\nfrom gen import registry\nfrom gen.training import train"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "source"), ALLOWED)
def test_a_lawful_import_is_left_alone(tmp_path, file, source):
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(source + "\n")
    assert violations(tmp_path) == []


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
