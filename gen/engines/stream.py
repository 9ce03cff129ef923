"""`in_order`: records worked on by several processes while one reads and writes them, in the order they were read."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any, TypeVar

from gen.engines.machine import cores, forks, in_one_thread
from gen.engines.pool import Forked, Lost, Pool, Result
from gen.records import InputError

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")
#: Items that may wait for the oldest one that is not finished, for each worker.
_AHEAD = 2


def in_order(
    work: Callable[[_Item], _Made], items: Iterable[_Item], *, workers: int | None = None, tries: int = 3
) -> Iterator[tuple[_Item, _Made]]:
    """Items with what was made of them, in order, however many processes share the work.

    Args:
        work: by a forked process, so that what it holds (weights) is there once in memory.
        items: read one by one, a few ahead.
        workers: processes, as many as there are cores by default; with 1, or with a single item, all is done in this
            one.
        tries: how often an item is given out when processes die over it.

    Raises:
        InputError: processes died over an item again and again, or fewer than one worker.
        Exception: what ``work`` raises.
    """
    workers = cores() if workers is None else workers
    if workers < 1:
        raise InputError(f"--workers {workers}: expected at least 1")
    source = iter(items)
    first = list(islice(source, 2))
    if workers < 2 or len(first) < 2 or not forks():
        with in_one_thread():
            for item in chain(first, source):
                yield item, work(item)
        return

    def serve(item: Any, tell: object) -> tuple[bool, Any]:
        try:
            return True, work(item)
        except Exception as error:
            return False, error

    taken: dict[int, _Item] = {}

    def noted() -> Iterator[_Item]:
        for index, item in enumerate(chain(first, source)):
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
