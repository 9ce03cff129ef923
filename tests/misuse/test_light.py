"""A mistyped name is told before any network's library is loaded: what takes seconds is imported afterwards."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "cv2", "pandas", "scipy.ndimage", "diffusers", "sklearn", "matplotlib.pyplot")
COMMANDS = (
    "reconstruct set --method magic --out OUT",
    "reconstruct set --layout 9x9 --out OUT",
    "synthesize --out OUT",
    "synthesize --text AF --engine spark --out OUT",
    "measure set --workers 0 --out OUT",
    "benchmark --real set --generated set --preset magic --out OUT",
    "study make --real missing --generated missing --out OUT",
    "teach --conditions missing.csv --out OUT",
    "paper missing.hea --out OUT",
    "paper set --layout 9x9 --out OUT",
    "multimodal missing.hea --out OUT",
    "multimodal set --layout 9x9 --out OUT",
    "cmr set --format avi --out OUT",
    "cmr set --levels all --out OUT",
    "data convert set --format doc --out OUT",
    "reconstruct missing.hea --out OUT",
    "reconstruct good.hea --checkpoint missing --out OUT",
    "synthesize --conditions missing.csv --out OUT",
    "synthesize --text AF -n 0 --out OUT",
    "synthesize --age 130 --out OUT",
    "synthesize --text AF --sampler magic --out OUT",
    "synthesize --text AF --steps 0 --out OUT",
    "twin set --text AF --sampler magic --out OUT",
    "teach --steps 0 --out OUT",
    "synthesize --text AF --hr 900 --out OUT",
    "synthesize --text AF --sex X --out OUT",
    "twin missing.hea --text LBBB --out OUT",
    "twin missing.hea --strength 2 --out OUT",
    "cmr missing.hea --out OUT",
    "cmr empty.csv --out OUT",
    "cmr ragged.csv --out OUT",
    "measure missing.hea --out OUT",
    "reconstruct set --leads X9 --out OUT",
    "measure set --leads II,X9 --out OUT",
    "cmr set --leads X9 --out OUT",
    "twin set --text AF --leads X9 --out OUT",
    "paper set --leads X9 --out OUT",
    "multimodal set --leads X9 --out OUT",
    "benchmark --real set --generated set --leads X9 --out OUT",
    "data convert set --leads X9 --out OUT",
    "export --format onnx --leads X9 --out OUT",
    "benchmark --real missing --generated missing --out OUT",
    "augment --real missing --synthetic missing --out OUT",
    "compare A=missing B=missing",
    "data prepare missing --out OUT",
    "data simulate -n 0 --out OUT",
    "data convert missing.hea --out OUT",
    "train vae/tune --data missing --out OUT",
    "train nothing --out OUT",
    "train vae/default --set steps --out OUT",
    "train vae/default --set magic=1 --out OUT",
    "train diffusion/beats --set steps=abc --out OUT",
    "evaluate reconstruction --data missing",
    "reconstruct set --out good.hea/OUT",
    "measure set --out good.hea/OUT",
    "data simulate -n 2 --out=good.hea/OUT",
    "reconstruct set --method least-squares --samples 5 --out OUT",
    "synthesize --like set --per-class 3 -n 10 --out OUT",
    "synthesize --text AF --out good.hea",
    "synthesize --like missing --out OUT",
    "twin good.hea --out OUT",
    "train vae/tune --init defualt --data set --out OUT",
    "train diffusion/beats-tune --set init=defualt --data set --out OUT",
    "benchmark --real full --generated full --extractor inception --out OUT",
    "benchmark --real full --generated set --out OUT",
    "pack missing OUT",
    "text zzqq",
    "train vae/default --data set --out OUT",
    "train vae/default --out OUT --resume always",
    "train vae/default --data full --out full --resume always",
    "synthesize --text zzqq --out OUT",
    "synthesize --text 'normal ECG with AF' --out OUT",
    "synthesize --text AF --guidance much --out OUT",
    "synthesize --text AF --fs 0 --out OUT",
    "synthesize --text AF --seconds 0 --out OUT",
    "synthesize --text AF --format doc --out OUT",
    "synthesize --text AF --batch 0 --out OUT",
    "synthesize --text AF --out full",
    "synthesize --text AF --checkpoint set --out OUT",
    "synthesize --text AF --seconds 90 --out full",
    "synthesize --conditions good.hea --out OUT",
    "synthesize --conditions full/metadata.csv --out OUT",
    "synthesize --conditions empty.csv --out OUT",
    "synthesize --conditions words.csv --out OUT",
    "synthesize --conditions words.csv --balance label --out OUT",
    "synthesize --labels words.csv --out OUT",
    "synthesize --like set --out OUT",
    "synthesize --continue empty.csv --out OUT",
    "twin set --text AF --out OUT",
    "twin empty.csv --text AF --out OUT",
    "twin set --text zzqq --out OUT",
    "twin set --text AF --checkpoint set --out OUT",
    "augment --real set --synthetic full --out OUT",
    "augment --real full --synthetic set --out OUT",
    "augment --real notes --synthetic notes --out OUT",
    "synthesize --like notes --out OUT",
    "data prepare notes --out OUT",
    "benchmark --real set --generated full --out OUT",
    "compare A=set B=set",
    "compare A=set B=set C=set",
    "compare A=empty.csv B=empty.csv",
    "measure set --out OUT",
    "measure empty.csv --out OUT",
    "reconstruct set --out OUT",
    "reconstruct empty.csv --out OUT",
    "reconstruct ecg.csv --reference set --out OUT",
    "cmr set --out OUT",
    "paper set --out OUT",
    "multimodal set --out OUT",
    "teach --conditions words.csv --out OUT",
    "teach --conditions empty.csv --out OUT",
    "study make --real set --generated full --out OUT",
    "study score set ecg.csv",
    "data prepare set --out OUT",
    "data convert set --out OUT",
    "data pairs --out ecg.csv",
    "train vae/default --out OUT",
    "train vae/default --data full --out OUT",
    "train flow/amdf --data full --out OUT",
    "benchmark --real full:magic --generated full --out OUT",
    "export --checkpoint set --out OUT",
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
    (tmp_path / "good.hea").write_text("x")
    (tmp_path / "set").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "metadata.csv").write_text("file\n")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "notes.txt").write_text("no recording")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "words.csv").write_text("text,age\nzzqq,60\n")
    (tmp_path / "ecg.csv").write_text("# fs_hz: 250\n# unit: mV\nII,V1\n" + "0.1,0.2\n0.2,0.1\n" * 400)
    done = subprocess.run(
        [sys.executable, "-c", _ASK, command, *HEAVY, *(["numpy"] if "missing" in command else [])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    status, said, heavy = json.loads(done.stdout)
    assert status == 2, said
    assert len(said.splitlines()) == 1, said
    assert heavy == []
    assert not (tmp_path / "OUT").exists()
