"""`in_order`: records worked on by several processes while one reads and writes them, in the order they were read."""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from gen.engines.machine import forks, in_one_thread
from gen.engines.pool import Forked, Lost, Pool, Result
from gen.records import InputError

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")
#: Items that may wait for the oldest one that is not finished, for each worker.
_AHEAD = 3


def in_order(
    work: Callable[[_Item], _Made], items: Iterable[_Item], *, workers: int, tries: int = 3
) -> Iterator[tuple[_Item, _Made]]:
    """Items with what was made of them, in order, however many processes share the work.

    Args:
        work: by a forked process, so that what it holds (weights) is there once in memory.
        items: read one by one, a few ahead.
        workers: processes; with 1 all is done in this one.
        tries: how often an item is given out when processes die over it.

    Raises:
        InputError: processes died over an item again and again.
        Exception: what ``work`` raises.
    """
    if workers < 2 or os.name == "nt" or not forks():
        with in_one_thread():
            for item in items:
                yield item, work(item)
        return

    def serve(item: Any, tell: object) -> tuple[bool, Any]:
        try:
            return True, work(item)
        except Exception as error:
            return False, error

    taken: dict[int, _Item] = {}

    def noted() -> Iterator[_Item]:
        for index, item in enumerate(items):
            taken[index] = item
            yield item

    waiting: dict[int, tuple[bool, Any]] = {}
    due = 0
    with Pool(lambda others: Forked(lambda: serve, others), workers, tries=tries) as pool:
        for event in pool.run(noted(), ahead=_AHEAD * workers):
            if isinstance(event, Lost):
                raise InputError(f"{event.reason}, {event.tries} times over the same records")
            if isinstance(event, Result):
                waiting[event.index] = event.value
            while due in waiting:
                good, made = waiting.pop(due)
                if not good:
                    raise made
                yield taken.pop(due), made
                due += 1
