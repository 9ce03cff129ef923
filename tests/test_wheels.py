"""The two wheels: how large they are, and that both in an empty environment do the main jobs, offline."""

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MB = 1e6


def copied(into: Path) -> Path:
    """The checkout's own files: a build leaves its own beside them, and packs what an earlier one left."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    names = [name for name in listed.stdout.split("\0") if name and not name.startswith(("docs", "tests", "notebooks"))]
    if listed.returncode or not names:
        pytest.skip("no git checkout to build wheels of")
    for name in names:
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, into / name)
    return into


@pytest.fixture(scope="session")
def wheels(tmp_path_factory):
    source, out = copied(tmp_path_factory.mktemp("source")), tmp_path_factory.mktemp("wheels")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    done = subprocess.run([*build, str(out), ".", "./weights-package"], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    code, weights = next(out.glob("physiogen-*.whl")), next(out.glob("physiogen_weights-*.whl"))
    return code, weights


def test_code_is_small_and_holds_no_weights(wheels):
    code, weights = wheels
    assert code.stat().st_size < 3 * MB
    assert weights.stat().st_size < 60 * MB
    names = [set(zipfile.ZipFile(each).namelist()) for each in wheels]
    assert not names[0] & names[1]
    assert not [name for name in names[0] if name.endswith(".safetensors")]
    assert not [name for name in names[1] if name.endswith((".py", "card.json"))]


class Environment:
    """A virtual environment with the wheels alone; their dependencies are those of this one."""

    def __init__(self, folder: Path, wheels: list[Path]) -> None:
        venv.create(folder / "env", with_pip=False)
        self.python, self.folder = folder / "env/bin/python", folder / "empty"
        self.folder.mkdir()
        self.site = next((folder / "env/lib").glob("python*/site-packages"))
        # Path lines of these folders are not read there, so nothing of an editable installation gets in.
        known = [path for path in sys.path if path.endswith("site-packages")]
        (self.site / "dependencies.pth").write_text("\n".join(known) + "\n")
        for wheel in wheels:
            zipfile.ZipFile(wheel).extractall(self.site)

    def run(self, *words: str) -> subprocess.CompletedProcess:
        """``physiogen WORDS`` in an empty folder, without the checkout and its data."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PHYSIOGEN"))}
        command = [str(self.python), "-P", "-m", "physiogen", *words]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=env)


def test_code_alone_names_the_package_of_weights(wheels, tmp_path):
    env = Environment(tmp_path, [wheels[0]])
    found = env.run("synthesize", "--text", "AF", "--out", "OUT")
    lines = [line for line in found.stderr.splitlines() if "at work" not in line]  # a slow machine says so
    assert (found.returncode, len(lines)) == (2, 1), found.stderr
    assert "diffusion/weights/default: no weights there; accepted: physiogen-weights " in found.stderr


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_both_wheels_do_the_jobs(wheels, tmp_path):
    env = Environment(tmp_path, list(wheels))
    where = env.run("evaluate", "--json")
    assert where.returncode == 0, where.stderr
    names = [each["name"] for each in json.loads(where.stdout)]
    assert len(names) > 30
    for words in (("demo", "--out", "DEMO"), ("teach", "--out", "CASES")):
        done = env.run(*words)
        assert done.returncode == 0, done.stderr[-2000:]
    assert (env.folder / "DEMO/index.html").is_file()
    script = "import sys; from gen.cli import run; sys.exit(max(run(['evaluate', n, '--help']) for n in sys.argv[1:]))"
    helped = subprocess.run(
        [str(env.python), "-P", "-c", script, *names], cwd=env.folder, capture_output=True, text=True
    )
    assert helped.returncode == 0, helped.stderr
    assert all(f"evaluate {name} " in helped.stdout for name in names)
    damaged = env.site / "vae/weights/default/config.json"
    damaged.write_text(damaged.read_text() + " ")
    refused = env.run("reconstruct", "DEMO/missing.hea", "--out", "OUT")
    assert refused.returncode == 2
    wfdb = next((env.folder / "CASES").rglob("*.hea"))
    refused = env.run("reconstruct", str(wfdb), "--leads", "II", "--out", "OUT")
    assert (refused.returncode, "config.json: changed since it was installed" in refused.stderr) == (2, True)
