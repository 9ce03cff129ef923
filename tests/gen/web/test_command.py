"""What ``physiogen web`` refuses, in one line; what is unpacked of an archive; the forge and its jobs."""

import ast
import asyncio
import inspect
import socket
import sys
import time
import zipfile

import pytest

from gen import cli
from gen.records import InputError
from gen.web.page import _share, rooms
from gen.web.rooms.prompt import understood
from gen.web.rooms.room import python_call
from gen.web.uploads import one_folder, stage
from gen.web.visitors import Visitors
from gen.web.workshop import Workshop


def refused(capsys, *words: str) -> str:
    assert cli.run(["web", *words]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_other_machines_are_let_in_only_when_it_is_said(capsys):
    pytest.importorskip("gradio", reason="the extra 'web' is not installed")
    said = refused(capsys, "--host", "0.0.0.0")
    assert "no password" in said
    assert "--allow-network" in said


def test_a_port_in_use(capsys):
    pytest.importorskip("gradio", reason="the extra 'web' is not installed")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"127.0.0.1:{port}: address already in use" in refused(capsys, "--port", str(port))


def test_an_address_of_another_machine(capsys):
    pytest.importorskip("gradio", reason="the extra 'web' is not installed")
    assert "192.0.2.1:0" in refused(capsys, "--host", "192.0.2.1", "--allow-network", "--port", "0")


def test_without_the_extra(capsys, monkeypatch):
    monkeypatch.setattr("gen.web.command.find_spec", lambda name: None)
    assert 'pip install "physiogen[web]"' in refused(capsys)


def test_the_page_loads_no_model():
    import subprocess

    code = "import sys, gen.web.server, gen.web.page; print({'torch', 'vae', 'diffusion', 'flow'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_uploads_stand_under_their_names(tmp_path):
    given, work = tmp_path / "given", tmp_path / "work"
    given.mkdir(), work.mkdir()
    for name in ("a.hea", "a.dat", "-b.csv"):
        (given / name).write_text(name)
    names = stage([str(path) for path in sorted(given.iterdir())], work, 1000)
    assert sorted(names) == ["./-b.csv", "a.hea"]
    assert (work / "a.dat").read_text() == "a.dat"
    with pytest.raises(InputError, match="nothing to work on; give a recording"):
        stage([], work, 1000, "a recording")


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"../x.csv": "1"}, "outside of it"),
        ({"/x.csv": "1"}, "outside of it"),
        ({"a.csv": "0" * 2000}, "MB unpacked"),
        ({}, "an empty archive"),
    ],
)
def test_archives_that_are_refused(tmp_path, members, words):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    (tmp_path / "work").mkdir()
    with pytest.raises(InputError, match=words):
        stage([str(tmp_path / "set.zip")], tmp_path / "work", 100)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set.zip", "work"]


def test_a_set_is_one_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("SET/metadata.csv", "file\n")
        archive.writestr("SET/a.csv", "1")
    assert one_folder([str(tmp_path / "set.zip")], tmp_path, "REAL", 1000) == "REAL/set/SET"
    (tmp_path / "b.csv").write_text("1")
    assert one_folder([str(tmp_path / "b.csv")], tmp_path, "GENERATED", 1000) == "GENERATED"
    (tmp_path / "broken.zip").write_text("no zip")
    with pytest.raises(InputError, match=r"broken\.zip: not a zip"):
        stage([str(tmp_path / "broken.zip")], tmp_path, 1000)


def test_what_is_understood_is_shown():
    shown = understood("atrial fibrillation 130 bpm, no LVH, <b>gibberish</b>")
    assert "AFIB" in shown
    assert "no left ventricular hypertrophy" in shown
    assert "130 bpm" in shown
    assert "<b>" not in shown
    assert "nothing yet" in understood(" ")


def test_lines_of_progress_as_shares():
    assert _share("ECGs 3/16, 4 s left") == 3 / 16
    assert _share("benchmark 40 %, beats, 9 s left") == 0.4
    assert _share("hearts, 2 s so far") is None


def test_python_says_what_was_given():
    assert python_call({"age": "70", "sex": "F", "hr": "", "text": "a 'b'", "on": True}) == (
        """age=70, sex='F', text="a 'b'", on=True"""
    )


def run_in_workshop(tmp_path, scenario, at_once=1):
    async def main():
        (tmp_path / "forge").mkdir()
        shop = Workshop(at_once, tmp_path / "forge")
        try:
            return await asyncio.wait_for(scenario(shop), 60)
        finally:
            await shop.close()

    return asyncio.run(main())


@pytest.fixture
def cold(monkeypatch):
    """A forge that loads nothing beforehand: it has what a command line starts with."""
    monkeypatch.setattr(
        "gen.web.workshop.MODULE", ["-c", "from gen.web import forge; forge._EXAMPLES = (); forge.main()"]
    )


def test_jobs_run_in_turn_and_say_what_the_command_says(tmp_path, cold):
    async def scenario(shop):
        folders = [tmp_path / name / "WORK" for name in "ab"]
        for folder in folders:
            folder.mkdir(parents=True)
        first = shop.order(["text", "LBBB"], folders[0])
        second = shop.order(["measure", "nothing.hea", "--out", "M.csv"], folders[1])
        assert [shop.ahead(job) for job in (first, second)] == [0, 1]
        await second.ended.wait()
        return first, second

    first, second = run_in_workshop(tmp_path, scenario)
    assert (first.status, first.fault()) == (0, None)
    assert "CLBBB" in first.lines("out")[0]
    assert second.status == 2
    assert second.fault() == "physiogen: nothing.hea: not found"


def test_a_job_is_ended_waiting_or_running(tmp_path, cold):
    (tmp_path / "visitors").mkdir()

    async def scenario(shop):
        visitors = Visitors(tmp_path / "visitors", shop)
        visitor = visitors.visitor("one")
        jobs = []
        for room in ("Generate", "Rebuild"):
            work = visitors.begin(visitor, room)
            work.job = shop.order(
                ["text", "-"] if jobs else ["data", "simulate", "-n", "5000", "--out", "SIM"], work.folder
            )
            jobs.append(work.job)
        while jobs[0].process is None:
            await asyncio.sleep(0.02)
        started = time.monotonic()
        visitors.leave("one")
        for job in jobs:
            await job.ended.wait()
        await asyncio.sleep(0.2)
        return jobs, time.monotonic() - started, list((tmp_path / "visitors").iterdir())

    jobs, _, left = run_in_workshop(tmp_path, scenario)
    assert [job.cancelled for job in jobs] == [True, True]
    assert [job.fault() for job in jobs] == ["physiogen: cancelled"] * 2
    assert left == []


def test_a_forge_that_dies_is_replaced(tmp_path, cold):
    async def scenario(shop):
        folder = tmp_path / "a" / "WORK"
        folder.mkdir(parents=True)
        lost = shop.order(["data", "simulate", "-n", "5000", "--out", "SIM"], folder)
        while lost.process is None:
            await asyncio.sleep(0.02)
        shop._forge.kill()
        await lost.ended.wait()
        again = shop.order(["text", "LBBB"], folder)
        await again.ended.wait()
        return lost, again

    lost, again = run_in_workshop(tmp_path, scenario)
    assert "memory may have run out" in lost.fault()
    assert again.status == 0


#: What a visitor may fill in, everything at once.
FILLED = {
    "text": "AF", "age": "70", "sex": "F", "hr": "90", "pr": "160", "qrs": "90", "qt": "380", "axis": "20",
    "negative": "LVH", "guidance": "text=2,rate=1.5", "literal": True, "unconditional": True, "allow_unknown": True,
    "allow_contradictions": True, "seconds": "8", "number": "2", "seed": "3", "add": "LVH", "remove": "AF",
    "same": True, "report": "sinus rhythm", "strength": "0.5", "height": "180", "weight": "80", "samples": "4",
    "allow_bad_leads": True, "trust_reference": True, "leads": "I,II", "fs": "500", "unit": "mV",
    "columns": "time,I,II", "preset": "quick",
}  # fmt: skip


def test_python_lines_name_arguments_that_there_are(tmp_path):
    from diffusion.beat_pipeline import BeatPipeline
    from diffusion.twin.pipeline import ECGTwinPipeline
    from flow.pipeline import ECGToCMRPipeline
    from gen.io import read
    from gen.records import Patient
    from metrics.measurement.records import measure_records
    from metrics.suite import benchmark
    from vae.pipeline import ReconstructionPipeline

    given = tmp_path / "one.hea"
    given.write_text("one")
    known = {
        "synthesize": BeatPipeline.__call__,
        "reconstruct": ReconstructionPipeline.__call__,
        "cmr": ECGToCMRPipeline.__call__,
        "pipe": ECGTwinPipeline.__call__,
        "prepare": ECGTwinPipeline.prepare,
        "read": read,
        "benchmark": benchmark,
        "measure_records": measure_records,
        "with_patient": Patient,  # whose fields it replaces
    }
    seen = set()
    for room in rooms():
        folder = tmp_path / room.name
        folder.mkdir()
        files = {key: [str(given)] for key in ("files", "reference", "real", "generated", "train")}
        tree = ast.parse(room.order(folder, {**FILLED, **files}, 10_000).python)
        for call in ast.walk(tree):
            if not (isinstance(call, ast.Call) and call.keywords):
                continue
            name = getattr(call.func, "id", None) or getattr(call.func, "attr", None) or call.func.args[0].value
            accepted = set(inspect.signature(known[name]).parameters)
            assert {each.arg for each in call.keywords} <= accepted, (room.name, name)
            seen.add(name)
    assert seen >= {"synthesize", "reconstruct", "cmr", "pipe", "prepare", "read", "benchmark", "with_patient"}
