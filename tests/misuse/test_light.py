"""A mistyped name is told before any network's library is loaded: what takes seconds is imported afterwards."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "diffusers", "sklearn", "matplotlib.pyplot")
COMMANDS = (
    "reconstruct missing.hea --out OUT",
    "reconstruct good.hea --checkpoint missing --out OUT",
    "synthesize --conditions missing.csv --out OUT",
    "synthesize --text AF -n 0 --out OUT",
    "synthesize --age 130 --out OUT",
    "synthesize --text AF --hr 900 --out OUT",
    "synthesize --text AF --sex X --out OUT",
    "twin missing.hea --text LBBB --out OUT",
    "twin missing.hea --strength 2 --out OUT",
    "cmr missing.hea --out OUT",
    "measure missing.hea --out OUT",
    "benchmark --real missing --generated missing --out OUT",
    "augment --real missing --synthetic missing --out OUT",
    "compare A=missing B=missing",
    "data prepare missing --out OUT",
    "data simulate -n 0 --out OUT",
    "data convert missing.hea --out OUT",
    "train vae/tune --data missing --out OUT",
    "train nothing --out OUT",
    "evaluate reconstruction --data missing",
    "pack missing OUT",
    "text zzqq",
)
_ASK = """
import json, shlex, sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from gen.cli import run
with redirect_stderr(StringIO()) as said, redirect_stdout(StringIO()):
    status = run(shlex.split(sys.argv[1]))
print(json.dumps([status, said.getvalue(), [name for name in sys.argv[2:] if name in sys.modules]]))
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_heavy_is_imported_for_an_error(command, tmp_path):
    for name in ("good.hea",):
        (tmp_path / name).write_text("x")
    done = subprocess.run(
        [sys.executable, "-c", _ASK, command, *HEAVY], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    status, said, heavy = json.loads(done.stdout)
    assert status == 2, said
    assert len(said.splitlines()) == 1, said
    assert heavy == []
    assert not (tmp_path / "OUT").exists()
