"""Workers, drivers and all processes of a bulk job killed at random moments: ``physiogen evaluate engine-faults``.

A job that waits instead of computing is driven under an engine; a process is killed (SIGKILL) at a moment drawn at
random, and the same command goes on if the driver was among the dead. Every finished set is compared, byte by byte,
with one that a single process made undisturbed. Processes are found by a word in their environment, so none that
belongs to somebody else is touched.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gen.engines import ENGINES
from gen.evaluation.settings import EngineFaults
from gen.evaluation.stand_in import Job
from gen.evaluations import Progress
from gen.records import InputError
from gen.results import Data, Node, Results, Value

VICTIMS = {"worker": 0.5, "driver": 0.25, "all processes": 0.25}
_MARK = "PHYSIOGEN_CAMPAIGN"
#: Seconds: between looks, and until a driver that has no worker yet counts as stuck.
_POLL_S, _STUCK_S = 0.02, 120.0
#: Mean seconds from the first worker to a kill: long enough that some blocks are made between two.
_WAIT_S = {"local": 0.4, "ray": 2.0, "slurm": 2.0}
_MOST_RUNS = 20


@dataclass
class Counts:
    """What became of a campaign under one engine."""

    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VICTIMS, 0))
    sets: int = 0
    differing: int = 0
    lost: int = 0
    twice: int = 0
    listed: int = 0

    def values(self) -> dict[str, Node]:
        """For a table."""
        return {
            **{f"kills: {name}": Value(count) for name, count in self.kills.items()},
            "sets finished": Value(self.sets),
            "runs that listed failed blocks": Value(self.listed),
            "shards lost": Value(self.lost, better="lower"),
            "shards twice": Value(self.twice, better="lower"),
            "files that differ": Value(self.differing, better="lower"),
        }


class Campaign:
    """Kills under one engine.

    Args:
        engine: keyword arguments of `gen.engines.Engine`.
        job: what is made.
        rng: draws moments and victims.
        folder: for the sets.
    """

    def __init__(self, engine: dict[str, Any], job: Job, rng: random.Random, folder: Path) -> None:
        self.engine, self.job, self.folder = engine, job, folder
        self._rng, self._word = rng, uuid.uuid4().hex
        self.counts = Counts()

    def run(self, kills: int, whole: dict[str, bytes]) -> Counts:
        """Kill so often; sets are finished and compared with ``whole``.

        Raises:
            InputError: a set cannot be finished.
        """
        try:
            while sum(self.counts.kills.values()) < kills:
                out = self.folder / f"set{self.counts.sets}"
                self._make(out, kills)
                found = contents(out)
                self.counts.sets += 1
                self.counts.differing += sum(found.get(key) != whole.get(key) for key in {*found, *whole})
                shards = [name.partition("/")[0] for name in found if name.startswith("shard-")]
                wanted = {name.partition("/")[0] for name in whole if name.startswith("shard-")}
                self.counts.lost += len(wanted - set(shards))
                self.counts.twice += len(set(shards) - wanted)
        finally:
            for process in self._processes():
                _kill(process)
        return self.counts

    def _make(self, out: Path, kills: int) -> None:
        """One set, by as many drivers as it takes."""
        for _ in range(_MOST_RUNS + kills):
            log = out.parent / "driver.log"
            with log.open("ab") as said:
                driver = subprocess.Popen(
                    self._words(out), env={**os.environ, _MARK: self._word}, stdout=said, stderr=said
                )
            while driver.poll() is None:
                if sum(self.counts.kills.values()) < kills and self._wait(driver):
                    self._strike(driver)
                else:
                    driver.wait()
            if driver.returncode == 0:
                return
            if driver.returncode not in (3, -signal.SIGKILL):
                text = log.read_text(errors="replace").strip().splitlines()
                raise InputError(f"{out}: the driver ended with status {driver.returncode}: {(text or [''])[-1]}")
            self.counts.listed += driver.returncode == 3
        raise InputError(f"{out}: not finished after {_MOST_RUNS + kills} runs")

    def _words(self, out: Path) -> list[str]:
        asked = {"out": str(out), "job": vars(self.job), "engine": self.engine}
        return [sys.executable, "-m", "gen.evaluation.stand_in", json.dumps(asked)]

    def _wait(self, driver: "subprocess.Popen[bytes]") -> bool:
        """Wait until workers are there, and then for a random time; whether the driver is still at it."""
        start = time.monotonic()
        while driver.poll() is None and not self._workers(driver):
            if time.monotonic() - start > _STUCK_S:
                raise InputError(f"--engine {self.engine['name']}: no worker came up in {_STUCK_S:g} s")
            time.sleep(_POLL_S)
        time.sleep(self._rng.expovariate(1 / _WAIT_S[self.engine["name"]]))
        return driver.poll() is None

    def _strike(self, driver: "subprocess.Popen[bytes]") -> None:
        (victim,) = self._rng.choices(list(VICTIMS), list(VICTIMS.values()))
        workers = self._workers(driver)
        if victim == "worker":
            if not workers:
                return
            _kill(self._rng.choice(workers))
        else:
            if victim == "all processes":
                for process in self._processes():
                    _kill(process)
            _kill(driver.pid)
            driver.wait()
        self.counts.kills[victim] += 1

    def _processes(self) -> list[int]:
        """All processes of this campaign."""
        return [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and self._ours(p)]

    def _ours(self, process: Path) -> bool:
        try:
            return f"{_MARK}={self._word}".encode() in (process / "environ").read_bytes()
        except OSError:
            return False

    def _workers(self, driver: "subprocess.Popen[bytes]") -> list[int]:
        """Processes that make blocks, and those that hold one of them: Ray's actors, tasks of an array."""
        found = []
        for process in self._processes():
            with suppress(OSError):
                words = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
                forked = self.engine["name"] == "local" and "stand_in" in words and process != driver.pid
                if forked or "gen.engines.worker" in words or "ray::MapWorker" in words or "_submit" in words:
                    found.append(process)
        return found


def _kill(process: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def engine_settings(name: str, workers: int) -> dict[str, Any]:
    """Keyword arguments of `gen.engines.Engine`; Slurm's tasks are processes of this machine here."""
    settings: dict[str, Any] = {"name": name, "workers": workers, "tries": 5}
    return settings | ({"slurm": {"cluster": "local", "timeout_min": 60}} if name == "slurm" else {})


def run(settings: EngineFaults, progress: Progress) -> Results:
    """A column for each engine.

    Raises:
        InputError: an unknown engine, one that is not installed, or no Linux: processes are found in /proc.
    """
    if not Path("/proc/self/environ").exists():
        raise InputError("engine-faults: processes are found in /proc, which is not here; accepted: Linux")
    names = settings.engine or tuple(ENGINES)
    unknown = [name for name in names if name not in ENGINES]
    if unknown:
        raise InputError(f"--engine {unknown[0]}: accepted: {', '.join(ENGINES)}")
    job = Job(number=settings.number, seconds=settings.seconds, seed=settings.seed, format=settings.format)
    values: dict[str, Node] = {}
    with tempfile.TemporaryDirectory(prefix="physiogen-") as place:
        calm = Campaign({"name": "local", "workers": 1}, job, random.Random(settings.seed), Path(place))
        calm._make(Path(place) / "whole", 0)
        whole = contents(Path(place) / "whole")
        for name in names:
            folder = Path(place) / name
            folder.mkdir()
            rng = random.Random(f"{settings.seed} {name}")
            campaign = Campaign(engine_settings(name, settings.workers), job, rng, folder)
            counts = campaign.run(settings.kills, whole)
            values[name] = counts.values()
            progress(
                f"{name}: {sum(counts.kills.values())} kills, {counts.sets} sets, {counts.differing} files that differ"
            )
    data = [Data(f"{job.number} records of noise in {job.data().shards} shards; a block takes {job.seconds:g} s")]
    notes = ["Slurm: tasks of submitit's local executor."] if "slurm" in names else []
    return settings.results(values, data=data, n=settings.kills, notes=notes)
