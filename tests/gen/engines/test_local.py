"""Blocks and records handed to worker processes that fail, hang and die."""

import os
import signal
import subprocess
import sys
import time

import pytest

from gen.engines import Engine, Failed, Task, hand_out, in_order
from gen.engines.machine import cores
from gen.engines.processes import over_processes
from gen.records import InputError

linux = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")


class Marks:
    """Makes files; what it does to a number may be something else."""

    def __init__(self, folder, **wrong):
        self.folder, self.wrong = folder, {int(name[1:]): what for name, what in wrong.items()}

    def __call__(self, number, tell):
        tell(1)
        tries = self.folder / f"tries{number}"
        with tries.open("a") as file:
            file.write(f"{os.getpid()}\n")
        what = self.wrong.get(number)
        if what is not None:
            what(len(tries.read_text().splitlines()))
        (self.folder / f"block{number}").write_text(str(number))
        tell(2)

    def made(self):
        return sorted(int(path.name[5:]) for path in self.folder.glob("block*"))

    def pids(self):
        return {line for path in self.folder.glob("tries*") for line in path.read_text().splitlines()}


def refuse(tries):
    raise InputError("no room")


def die_once(tries):
    if tries == 1:
        os.kill(os.getpid(), signal.SIGKILL)


def die(tries):
    os.kill(os.getpid(), signal.SIGKILL)


def hang(tries):
    time.sleep(60)


def break_down(tries):
    raise ZeroDivisionError("a fault")


@linux
@pytest.mark.parametrize("workers", [1, 3])
def test_every_block_is_made_once_and_told_of(workers, tmp_path):
    make, heard = Marks(tmp_path), []
    engine = Engine(workers=workers)
    assert hand_out(engine, range(7), make=make, place=tmp_path, heard=lambda *told: heard.append(told)) == []
    assert make.made() == list(range(7))
    assert sorted(heard, key=str) == sorted([(k, d) for k in range(7) for d in (1, 2, None)], key=str)
    assert len(make.pids()) == workers
    assert (str(os.getpid()) in make.pids()) == (workers == 1)
    assert all(len((tmp_path / f"tries{k}").read_text().split()) == 1 for k in range(7))


@linux
def test_what_a_dying_worker_held_is_made_by_another(tmp_path):
    make = Marks(tmp_path, n2=die_once, n5=die_once)
    assert hand_out(Engine(workers=2), range(8), make=make, place=tmp_path) == []
    assert make.made() == list(range(8))


@linux
def test_failing_blocks_are_named_and_the_others_made(tmp_path, capfd):
    make = Marks(tmp_path, n0=refuse, n1=die, n2=hang, n3=break_down)
    failed = hand_out(Engine(workers=2, limit_s=0.3, tries=2), range(6), make=make, place=tmp_path)
    assert make.made() == [4, 5]
    assert sorted(failed, key=lambda each: each.block) == [
        Failed(0, 2, "no room"),
        Failed(1, 2, "the worker was ended by SIGKILL; memory may have run out"),
        Failed(2, 2, "took longer than 0.3 s"),
        Failed(3, 2, "ZeroDivisionError: a fault"),
    ]
    assert 'raise ZeroDivisionError("a fault")' in capfd.readouterr().err


def test_in_one_process_bad_input_is_named_and_a_fault_is_raised(tmp_path):
    make = Marks(tmp_path, n1=refuse)
    assert hand_out(Engine(workers=1, tries=2), range(3), make=make, place=tmp_path) == [Failed(1, 2, "no room")]
    assert make.made() == [0, 2]
    with pytest.raises(ZeroDivisionError):
        hand_out(Engine(workers=1), [4], make=Marks(tmp_path, n4=break_down), place=tmp_path)


DRIVER = """
import os, sys, time
from pathlib import Path
from gen.engines import Engine, hand_out
def make(number, tell):
    (Path(sys.argv[1]) / str(os.getpid())).touch()
    time.sleep(60)
hand_out(Engine(workers=2), range(4), make=make, place=Path(sys.argv[1]))
"""


@linux
def test_workers_end_with_their_driver(tmp_path):
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(tmp_path)])
    end = time.monotonic() + 60
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < end:
        time.sleep(0.02)
    workers = [int(path.name) for path in tmp_path.iterdir()]
    assert len(workers) == 2
    driver.kill()
    driver.wait()
    while any(runs(worker) for worker in workers) and time.monotonic() < end:
        time.sleep(0.02)
    assert not any(runs(worker) for worker in workers)


def runs(process):
    try:
        return open(f"/proc/{process}/stat").read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@linux
def test_programs_of_their_own_do_the_same(tmp_path):
    task = Task("gen.evaluation.stand_in:shards", {"out": str(tmp_path / "none"), "job": {}})
    failed = over_processes(Engine(tries=2), 2, range(2), task, lambda *told: None)
    assert [each.block for each in sorted(failed, key=lambda each: each.block)] == [0, 1]
    assert "no set for this worker; accepted: one folder, weights and tables for all workers" in failed[0].reason


@linux
@pytest.mark.parametrize("workers", [1, 3])
def test_records_come_back_in_order_however_long_they_take(workers):
    def work(number):
        time.sleep(0.01 * (number % 3))
        return number * number

    taken = []
    items = (taken.append(k) or k for k in range(20))
    found = []
    for item, made in in_order(work, items, workers=workers):
        found.append((item, made))
        assert len(taken) - len(found) <= 2 * workers
    assert found == [(k, k * k) for k in range(20)]


@linux
@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_raised_over_a_record_is_raised_here(workers):
    made = in_order(not_three, range(9), workers=workers)
    assert [next(made) for _ in range(3)] == [(0, 0), (1, 1), (2, 2)]
    with pytest.raises(InputError, match="not 3"):
        next(made)


def not_three(number):
    if number == 3:
        raise InputError("not 3")
    return number


@linux
def test_a_record_that_kills_its_workers_is_told_of():
    with pytest.raises(InputError, match="SIGKILL; memory may have run out, 2 times over the same records"):
        list(in_order(lambda number: die(1) if number == 1 else number, range(4), workers=2, tries=2))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "spark"}, "--engine spark: expected one of local, ray, slurm"),
        ({"workers": 0}, "--workers 0: expected at least 1"),
        ({"limit_s": 0}, "--block-limit 0: expected seconds above 0"),
        ({"address": "auto"}, "--address belongs to --engine ray"),
    ],
)
def test_impossible_engines(given, words):
    with pytest.raises(InputError, match=words):
        Engine(**given)


@pytest.mark.parametrize(("name", "library"), [("ray", "ray"), ("slurm", "submitit")])
def test_an_engine_that_is_not_installed(name, library, monkeypatch):
    from gen.engines import engine

    monkeypatch.setattr(engine, "find_spec", lambda module: None)
    with pytest.raises(InputError, match=rf"needs {library}: pip install 'physiogen\[{name}\]'"):
        Engine(name)


def test_workers_by_the_cores_and_the_work():
    assert Engine().count(1) == 1
    assert Engine().count(10**6) == cores()
    assert Engine(workers=64).count(3) == 3
