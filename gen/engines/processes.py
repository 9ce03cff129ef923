"""Blocks made on this machine: in this process, or by workers."""

import gc
import sys
from collections.abc import Sequence

from gen.engines.engine import Engine, Heard
from gen.engines.failures import Failed
from gen.engines.machine import in_one_thread
from gen.engines.pool import Forked, Lost, Pool, Serve, Started, Told, Worker
from gen.engines.task import Make, Task
from gen.files import one_line
from gen.records import InputError


def here(numbers: Sequence[int], make: Make, heard: Heard, tries: int) -> list[Failed]:
    """In this process, one after the other; a fault of the program is not held up."""
    failed = []
    with in_one_thread():
        for number in numbers:
            for attempt in range(1, tries + 1):
                try:
                    make(number, lambda done, number=number: heard(number, done))  # type: ignore[misc]
                except (InputError, OSError, MemoryError) as error:
                    if attempt == tries:
                        failed.append(Failed(number, tries, one_line(error)))
                else:
                    heard(number, None)
                    break
    return failed


def over_processes(
    engine: Engine, count: int, numbers: Sequence[int], task: Task | None, heard: Heard, make: Make | None = None
) -> list[Failed]:
    """By processes of this machine: programs of their own with a task, else forked ones."""

    def serve() -> Serve:
        assert make is not None
        return make

    def start(others: list[Worker]) -> Worker:
        return Forked(serve, others) if task is None else Started(task)

    failed = []
    gc.collect()
    gc.freeze()  # what is there stays in memory that forked workers share
    try:
        with Pool(start, count, limit_s=engine.limit_s, tries=engine.tries) as pool:
            for event in pool.run(numbers):
                number = numbers[event.index]
                if isinstance(event, Told):
                    heard(number, event.done)
                elif isinstance(event, Lost):
                    if event.trace:
                        print(event.trace, file=sys.stderr)
                    failed.append(Failed(number, event.tries, event.reason))
                else:
                    heard(number, None)
    finally:
        gc.unfreeze()
    return failed
