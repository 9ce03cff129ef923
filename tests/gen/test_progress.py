"""Progress: a line within two seconds and every ten, the time left, and nothing for what is quick."""

import io
import re
import time

import pytest

from gen import progress as module
from gen.progress import EVERY_S, FIRST_S, Heartbeat, Progress, format_seconds


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_slow_start_is_told_although_nothing_is_done_yet():
    assert FIRST_S < 2
    assert EVERY_S <= 10
    out = io.StringIO()
    with Progress("records", 400, stream=out, first_s=0.02, every_s=60):
        time.sleep(0.3)
    assert re.fullmatch(r"records 0/400, \d+ s so far\n", out.getvalue())


def test_lines_come_again_with_state_and_time_left():
    out = io.StringIO()
    with Progress("step", 100, done=50, stream=out, first_s=0.02, every_s=0.02) as bar:
        bar.update(60, "loss 0.5", left_s=3600)
        time.sleep(0.3)
    lines = out.getvalue().splitlines()
    assert len(lines) > 2
    assert lines[-1] == "step 60/100, loss 0.5, 60 min left"


def test_what_is_quick_prints_nothing():
    out = io.StringIO()
    with Progress("records", 3, stream=out, first_s=5) as bar:
        for done in range(4):
            bar.update(done)
    assert out.getvalue() == ""


def test_time_left_is_of_what_was_done_now(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    bar = Progress("step", 100, done=50, stream=io.StringIO())
    assert bar.left_s() is None
    clock[0] = 20.0
    bar.update(60)
    assert bar.left_s() == pytest.approx(80.0)  # ten steps in 20 s, forty to go
    bar.update(60, left_s=7.0)
    assert bar.left_s() == 7.0


def test_a_callback_takes_what_functions_report():
    bar = Progress("benchmark", percent=True, stream=io.StringIO())
    tell = bar.callback()
    tell(30, 120, "features")
    assert bar.line().startswith("benchmark 25 %, features, ")
    Progress("records", 10).callback()(3)


def test_later_loops_go_on_where_earlier_ones_ended():
    bar = Progress("two loops", 10)
    bar.after(6)(3)
    assert bar.done == 9


def test_one_line_can_be_said_at_once_and_nothing_by_the_silent():
    out = io.StringIO()
    with Progress("x", stream=out, first_s=60) as bar:
        bar.noted("half done")
    assert out.getvalue() == "half done\n"
    assert bar.line().startswith("x, half done, ")
    with Progress.silent() as nobody:
        nobody.update(1)
        nobody.say("hidden")


def test_a_terminal_gets_a_bar_and_is_left_clean():
    out = Terminal()
    with Progress("records", 4, stream=out) as bar:
        bar.update(2, "here [b]")
        bar.say("a [c] line")
    assert "a [c] line" in out.getvalue()


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (89, "89 s"), (720, "12 min"), (12_000, "3 h 20 min")])
def test_durations(seconds, text):
    assert format_seconds(seconds) == text


class TestHeartbeat:
    def test_it_speaks_where_nothing_else_does(self):
        out = io.StringIO()
        with Heartbeat("measure", out, first_s=0.05, every_s=0.1):
            time.sleep(0.5)
        lines = out.getvalue().splitlines()
        assert 2 <= len(lines) <= 6
        assert all(re.fullmatch(r"measure: at work, \d+ s so far", line) for line in lines)

    def test_it_leaves_the_word_to_what_counts(self):
        out = io.StringIO()
        with Heartbeat("measure", out, first_s=0.3, every_s=0.1), Progress("records", 9, stream=out, first_s=0.01):
            time.sleep(0.5)
        assert out.getvalue().splitlines() == ["records 0/9, 0 s so far"]
        out = Terminal()
        with Heartbeat("measure", out, first_s=0.05, every_s=0.05), Progress("records", 9, stream=out):
            time.sleep(0.3)
        assert "at work" not in out.getvalue()

    def test_what_is_quick_prints_nothing(self):
        out = io.StringIO()
        with Heartbeat("text", out, first_s=5):
            pass
        assert out.getvalue() == ""
