"""Blocks by an array of Slurm jobs, through submitit: a task of the array makes several blocks, one after the other.

A task that is preempted or reaches its time is put into the queue again and skips what is there. What became of a block
stands in a file of its own, so a driver that is gone leaves its array at work, and the same command joins it.
"""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gen.engines.engine import Engine, Heard
from gen.engines.failures import Failed
from gen.engines.processes import over_processes
from gen.engines.task import Task
from gen.files import one_line, write_json
from gen.records import InputError

#: Tasks of an array where nobody says (sites limit them), and how often a task may reach its time and go on.
_TASKS, _REQUEUES = 64, 1000
_POLL_S = 0.5
_JOBS, _DONE, _FAILED = "jobs.json", "done", "failed"


@dataclass(frozen=True)
class Chunk:
    """What one task of the array does; submitit calls it on the node.

    Attributes:
        task: opens what makes blocks.
        numbers: of its blocks.
        folder: where it notes what became of them.
        limit_s, tries: see `Engine`.
    """

    task: Task
    numbers: tuple[int, ...]
    folder: str
    limit_s: float | None
    tries: int

    def __call__(self) -> int:
        """Make the blocks, with all cores of the task; how many failed."""
        engine = Engine(limit_s=self.limit_s, tries=self.tries)
        left = [number for number in self.numbers if not (Path(self.folder) / _DONE / str(number)).exists()]
        failed = over_processes(engine, engine.count(len(left)), left, self.task, self._heard)
        for each in failed:
            write_json(Path(self.folder) / _FAILED / f"{each.block}.json", asdict(each))
        return len(failed)

    def _heard(self, number: int, done: int | None) -> None:
        if done is None:
            (Path(self.folder) / _DONE / str(number)).touch()

    def checkpoint(self) -> Any:
        """Called by submitit before a task ends early: the same again, which skips what is there."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def over_slurm(engine: Engine, numbers: Sequence[int], task: Task, heard: Heard, place: Path) -> list[Failed]:
    """See `gen.engines.hand_out`; ``engine.slurm`` holds parameters of `submitit.AutoExecutor`.

    Raises:
        InputError: there is no Slurm here, or it does not take the jobs.
    """
    folder = place.resolve() / "slurm"
    for name in (_DONE, _FAILED):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number in numbers:  # not there, whatever an earlier run has noted
        (folder / _DONE / str(number)).unlink(missing_ok=True)
        (folder / _FAILED / f"{number}.json").unlink(missing_ok=True)
    executor = _executor(engine, folder)
    tries = dict.fromkeys(numbers, 0)
    jobs = _joined(executor, folder, set(numbers))
    taken = {number for _, held in jobs for number in held}
    waiting = [number for number in numbers if number not in taken]
    failed: dict[int, Failed] = {}
    while waiting or jobs:
        if waiting:
            for number in waiting:
                tries[number] += 1
            jobs += _submitted(executor, engine, waiting, task, folder)
            write_json(folder / _JOBS, [[job.job_id, list(held)] for job, held in jobs])
        lost = _watched(jobs, folder, heard)
        waiting, jobs = [], []
        for number, reason in lost.items():
            noted = _note(folder / _FAILED / f"{number}.json")
            if noted is None and tries[number] < engine.tries:
                waiting.append(number)  # the task died, not the block
            else:
                facts = noted or {"tries": tries[number], "reason": reason}
                failed[number] = Failed(number, int(facts["tries"]), str(facts["reason"]))
    return list(failed.values())


def _executor(engine: Engine, folder: Path) -> Any:
    import submitit

    settings: Mapping[str, Any] = {key: value for key, value in engine.slurm.items() if key != "cluster"}
    cluster = engine.slurm.get("cluster", "slurm")
    try:
        executor = submitit.AutoExecutor(folder / "jobs", cluster=cluster, slurm_max_num_timeout=_REQUEUES)
        executor.update_parameters(name="physiogen", **settings)
    except (RuntimeError, ValueError, TypeError, NameError, AssertionError) as error:
        raise InputError(
            f"--engine slurm: {one_line(error)}; accepted: a machine with sbatch and srun, and parameters of submitit"
        ) from error
    return executor


def _submitted(
    executor: Any, engine: Engine, numbers: Sequence[int], task: Task, folder: Path
) -> list[tuple[Any, tuple[int, ...]]]:
    count = min(engine.workers or _TASKS, len(numbers))
    parts = [tuple(numbers[k::count]) for k in range(count)]
    try:
        with executor.batch():  # one array
            jobs = [executor.submit(Chunk(task, part, str(folder), engine.limit_s, engine.tries)) for part in parts]
    except (RuntimeError, OSError, ValueError) as error:
        raise InputError(f"--engine slurm: the jobs were not taken ({one_line(error)})") from error
    except Exception as error:  # submitit's own
        if not type(error).__module__.startswith("submitit"):
            raise
        raise InputError(f"--engine slurm: the jobs were not taken ({one_line(error)})") from error
    return list(zip(jobs, parts, strict=True))


def _joined(executor: Any, folder: Path, numbers: set[int]) -> list[tuple[Any, tuple[int, ...]]]:
    """Jobs of an earlier driver that are still at work on some of these blocks; local ones cannot be seen."""
    import submitit

    if executor.cluster != "slurm":
        return []
    try:
        noted = json.loads((folder / _JOBS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    found = []
    for job_id, held in noted:
        job: Any = submitit.SlurmJob(executor.folder, job_id)
        mine = tuple(number for number in held if number in numbers)
        if mine and not job.done():
            found.append((job, mine))
    return found


def _watched(jobs: Sequence[tuple[Any, tuple[int, ...]]], folder: Path, heard: Heard) -> dict[int, str]:
    """Wait until all jobs have ended; blocks that they did not make, with a reason."""
    left = {number for _, held in jobs for number in held}
    running = list(jobs)
    lost: dict[int, str] = {}
    while running:
        ended = [(job, held) for job, held in running if job.done()]
        for number in [each for each in left if (folder / _DONE / str(each)).exists()]:
            left.discard(number)
            heard(number, None)
        for job, held in ended:
            missing = [number for number in held if number in left]
            if missing:
                reason = _ending(job)
                lost |= dict.fromkeys(missing, reason)
        running = [each for each in running if each not in ended]
        if running:
            time.sleep(_POLL_S)
    return lost


def _ending(job: Any) -> str:
    with suppress(Exception):
        state = str(job.state)
        return f"job {job.job_id} ended before the block was made ({state}); see {job.paths.stderr}"
    return f"job {job.job_id} ended before the block was made"


def _note(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
