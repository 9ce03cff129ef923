"""`hand_out`: numbers of blocks to processes of this machine, of a Ray cluster, or of Slurm."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from gen.engines.engine import Engine, Heard
from gen.engines.failures import Failed
from gen.engines.machine import forks
from gen.engines.processes import here, over_processes
from gen.engines.task import Make, Task
from gen.records import InputError


def check_reach(engine: Engine) -> None:
    """Refuse an engine that is not within reach, before anything is written.

    Raises:
        InputError: no cluster answers at the address, or Slurm's commands are not here.
    """
    if engine.name == "ray" and engine.address is not None:
        from gen.engines.ray import check_answer

        check_answer(engine.address)
    if engine.name == "slurm" and engine.slurm.get("cluster", "slurm") == "slurm" and shutil.which("sbatch") is None:
        raise InputError("--engine slurm: no sbatch here; accepted: a login node of a Slurm cluster")


def hand_out(
    engine: Engine,
    numbers: Sequence[int],
    *,
    make: Make,
    place: Path,
    task: Task | None = None,
    heard: Heard | None = None,
) -> list[Failed]:
    """Have blocks made.

    Args:
        engine: by whom.
        numbers: of the blocks.
        make: makes one; in this process, or in one that is forked from it.
        place: folder for what an engine has to remember, seen by all machines; it is the caller's to remove.
        task: gives a ``make`` to processes that cannot be forked; without it they do all in this one.
        heard: told how far blocks are.

    Returns:
        What could not be made; all other blocks are there.

    Raises:
        InputError: the engine cannot be reached.
    """
    heard = heard or (lambda number, done: None)
    if not numbers:
        return []
    if engine.name != "local":
        if task is None:
            raise InputError(f"--engine {engine.name}: not for this; accepted: local")
        if engine.name == "ray":
            from gen.engines.ray import over_ray

            return over_ray(engine, numbers, task, heard)
        from gen.engines.slurm import over_slurm

        return over_slurm(engine, numbers, task, heard, place)
    count = engine.count(len(numbers))
    forked = forks() and not engine.fresh
    if (count == 1 and engine.limit_s is None) or os.name == "nt" or not (forked or task):
        return here(numbers, make, heard, engine.tries)
    return over_processes(engine, count, numbers, None if forked else task, heard, make)
