"""How far a benchmark is: steps with expected costs, reported to whoever shows them, and timed."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

#: Called with (done, total, what is being done); units are arbitrary, about milliseconds.
Report = Callable[[float, float, str], None]


class Progress:
    """Counts work in units that are roughly proportional to time, so that an ETA makes sense.

    Args:
        costs: expected units of each step.
        report: receives every change.
    """

    def __init__(self, costs: Mapping[str, float], report: Report | None = None) -> None:
        self.costs = dict(costs)
        self.wall_s: dict[str, float] = {}
        self._report = report
        self._done = 0.0
        self._step: tuple[str, float] | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Run one step; its cost counts as done at the end whatever `advance` said."""
        start, before = time.perf_counter(), self._done
        self._step = (name, before)
        self._tell(name)
        yield
        self.wall_s[name] = round(self.wall_s.get(name, 0.0) + time.perf_counter() - start, 3)
        self._done = before + self.costs.get(name, 0.0)
        self._tell(name)

    def advance(self, share: float) -> None:
        """Within a step: this share of it (0 to 1) has been done since the last call."""
        if self._step is None:
            return
        name, before = self._step
        self._done = min(self._done + share * self.costs.get(name, 0.0), before + self.costs.get(name, 0.0))
        self._tell(name)

    def _tell(self, name: str) -> None:
        if self._report is not None:
            self._report(self._done, sum(self.costs.values()), name)
