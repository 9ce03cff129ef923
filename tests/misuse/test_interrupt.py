"""Ctrl-C at any moment, while libraries are imported too: one line, status 130, nothing half-written."""

import subprocess
import sys

import pytest

_PRESS = """
import os, signal, sys, threading
from gen import start
timer = threading.Timer(float(sys.argv.pop(1)), os.kill, (os.getpid(), signal.SIGINT))
timer.daemon = True
timer.start()
start.main()
"""


@pytest.mark.parametrize("after_s", [0.05, 0.15, 0.3, 0.6, 1.0, 1.6, 2.5])
def test_an_interrupt_gets_one_line(after_s, tmp_path):
    words = ["data", "simulate", "-n", "100000", "--out", "OUT"]
    done = subprocess.run(
        [sys.executable, "-c", _PRESS, str(after_s), *words], cwd=tmp_path, capture_output=True, text=True
    )
    lines = done.stderr.splitlines()
    assert done.returncode == 130, done.stderr
    assert lines[-1] == "physiogen: interrupted"
    told = ("data: at work", "simulating")
    assert [line for line in lines[:-1] if not line.startswith(told)] == []
    assert not (tmp_path / "OUT").exists()


def test_a_library_that_turns_it_into_another_error_changes_nothing(tmp_path):
    script = """
import os, signal, sys
from gen import cli, start
def run(arguments=None, heartbeat=None):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt as error:
        raise ImportError("numpy did not load") from error
cli.run = run
start.main()
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "physiogen: interrupted\n")


def test_an_interrupt_after_the_work_is_done_changes_nothing(tmp_path):
    script = """
import os, signal, sys
from gen import start
class Last:  # taken apart when Python has given its signal handlers up already
    kill, me, number = os.kill, os.getpid(), signal.SIGINT
    def __del__(self):
        Last.kill(self.me, self.number)
last = Last()
start.main()
"""
    done = subprocess.run([sys.executable, "-c", script, "text", "AF"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0
    assert "AFIB" in done.stdout


def test_nothing_is_said_after_the_last_line(tmp_path):
    script = """
import sys, time
from gen import cli, progress, start
cli.app = lambda **given: time.sleep(0.5) or (_ for _ in ()).throw(KeyboardInterrupt)
progress.Heartbeat.__init__.__defaults__ = (None, 0.01, 0.0)  # speaks all the time
start.main()
"""
    done = subprocess.run([sys.executable, "-c", script, "text"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr.splitlines().count("physiogen: interrupted") == 1
    assert done.stderr.splitlines()[-1] == "physiogen: interrupted"
    assert "text: at work" in done.stderr
