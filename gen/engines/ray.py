"""Blocks by actors of a Ray cluster: a data set of numbers, one block a call.

An actor starts a worker of its own, which loads the weights once, writes the block itself and skips one that is there.
What Ray carries is numbers. It starts actors again that died and repeats their calls; a block made twice is the same
bytes, so nothing has to be remembered elsewhere.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from gen.engines.engine import Engine, Heard
from gen.engines.failures import Failed
from gen.engines.machine import cores
from gen.engines.pool import Lost, Pool, Started
from gen.engines.task import Task
from gen.files import one_line
from gen.records import InputError

#: Seconds that a cluster has to answer, and bytes of the store of one that is started here: numbers need no room.
_ANSWER_S, _STORE_BYTES = 20, 80 * 2**20


class Actor:
    """Makes blocks in a worker of its own, which outlives none of the actor's calls but holds the weights.

    Args:
        task: opens what makes blocks.
        limit_s, tries: see `Engine`.
    """

    def __init__(self, task: Task, limit_s: float | None, tries: int) -> None:
        self._pool = Pool(lambda others: Started(task), 1, limit_s=limit_s, tries=tries)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Rows (number, tries, reason) of blocks; a block that was made has no reason."""
        numbers = [int(number) for number in batch["number"]]
        rows: dict[str, list[Any]] = {"number": numbers, "tries": [0] * len(numbers), "reason": [""] * len(numbers)}
        for event in self._pool.run(numbers):
            if isinstance(event, Lost):
                rows["tries"][event.index], rows["reason"][event.index] = event.tries, event.reason
                if event.trace:
                    print(event.trace, file=sys.stderr)
        return rows


def over_ray(engine: Engine, numbers: Sequence[int], task: Task, heard: Heard) -> list[Failed]:
    """See `gen.engines.hand_out`.

    Raises:
        InputError: the cluster does not answer.
    """
    import ray
    import ray.data

    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    failed, left = [], set(numbers)
    with _cluster(engine, len(numbers)):
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        fixed = engine.workers is not None or engine.address is None
        pool: dict[str, Any] = (
            {"size": engine.count(len(numbers))} if fixed else {"min_size": 1, "max_size": len(numbers)}
        )
        numbered = ray.data.from_items([{"number": number} for number in numbers], override_num_blocks=len(numbers))
        made = numbered.map_batches(
            Actor,
            fn_constructor_args=(task, engine.limit_s, engine.tries),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(**pool),
            num_cpus=1,
        )
        try:
            for row in made.iter_rows():
                number = int(row["number"])
                left.discard(number)
                if row["reason"]:
                    failed.append(Failed(number, int(row["tries"]), str(row["reason"])))
                else:
                    heard(number, None)
        except ray.exceptions.RayError as error:
            failed += [Failed(number, 1, f"Ray: {one_line(error)}") for number in sorted(left)]
    return failed


@contextmanager
def _cluster(engine: Engine, blocks: int) -> Iterator[None]:
    """A connection to the cluster at the address, or to one of this machine that ends with the block."""
    import ray

    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # leave what a node has to its own settings
    if ray.is_initialized():
        yield
        return
    how: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    if engine.address is None:
        count = engine.workers or cores()
        how |= {"num_cpus": count, "object_store_memory": _STORE_BYTES, "include_dashboard": False}
        how |= {"address": "local"}
    else:
        how |= {"address": engine.address}
    try:
        ray.init(**how)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise InputError(f"--engine ray: {engine.address or 'this machine'}: {one_line(error)}") from error
    try:
        yield
    finally:
        ray.shutdown()


def check_answer(address: str) -> None:
    """Raises `InputError` where no cluster answers in time."""
    words = [sys.executable, "-m", "ray.scripts.scripts", "health-check"]
    words += [] if address == "auto" else ["--address", address]
    try:
        subprocess.run(words, check=True, timeout=_ANSWER_S, capture_output=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise InputError(
            f"--address {address}: no Ray cluster answers there; accepted: HOST:PORT of one that runs, or auto"
        ) from error
