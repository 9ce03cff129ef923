"""How often each class is asked for: equally often, so many of each, or as many as fill up to the majority.

A row of a set can carry several classes (an infarct beside a block), so that drawing each class equally often does not
make them equally frequent. Here the marginals are balanced: rows are grouped by the classes they carry (*patterns*),
patterns get the shares that are nearest to those of the set and make all marginals equal (the maximum entropy solution,
as in raking), and draws follow the shares so that no pattern is ever more than about one draw off its share.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gen.records import InputError

Pattern = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Plan:
    """Which row each draw takes.

    Attributes:
        rows: (draw,) row numbers; the first draws are the same however many follow, where shares are balanced.
        classes: class -> records that will carry it.
    """

    rows: np.ndarray
    classes: Mapping[str, int]


def class_counts(patterns: Iterable[Pattern]) -> Counter[str]:
    """How many rows carry each class."""
    return Counter(name for pattern in patterns for name in pattern)


def equal_shares(patterns: Sequence[Pattern], count: int, seed: int) -> Plan:
    """A plan of ``count`` draws in which every class is equally frequent.

    Args:
        patterns: the classes of each row; rows without one are never drawn.
        count: draws.
        seed: of the order and of the rows within a pattern.

    Raises:
        InputError: no row carries a class.
    """
    drawer = _Drawer(patterns, dict.fromkeys(class_counts(patterns), 1.0), seed)
    return drawer.plan([drawer.next() for _ in range(count)])


def targets(patterns: Sequence[Pattern], wanted: Mapping[str, int], seed: int) -> Plan:
    """A plan that gives every class its number of records.

    Rows that carry a class which has its number already are not drawn. Only where no other row is left that carries a
    class which lacks some does another class get more than was asked for; the plan's counts say so.

    Args:
        patterns: the classes of each row.
        wanted: class -> records; classes that are not named, or with 0, are avoided.
        seed: of the order and of the rows within a pattern.

    Raises:
        InputError: a class that no row carries, or nothing wanted.
    """
    left = {name: number for name, number in wanted.items() if number > 0}
    known = class_counts(patterns)
    missing = sorted(set(left) - set(known))
    if missing:
        raise InputError(f"class {missing[0]!r}: no row carries it; there are {', '.join(sorted(known)) or 'none'}")
    if not left:
        raise InputError("no class lacks a record: there is nothing to make")
    drawer = _Drawer(patterns, {name: float(number) for name, number in left.items()}, seed)
    drawn: list[int] = []
    while left:
        allowed = [k for k, pattern in enumerate(drawer.patterns) if set(pattern) <= set(left)]
        if not allowed:  # a class that comes with others only
            rare = max(left, key=lambda name: (left[name], name))
            with_it = [k for k, pattern in enumerate(drawer.patterns) if rare in pattern]
            least = min(len(drawer.patterns[k]) for k in with_it)
            allowed = [k for k in with_it if len(drawer.patterns[k]) == least]
        drawn.append(drawer.next(allowed))
        for name in drawer.patterns[drawn[-1]]:
            if name in left:
                left[name] -= 1
                if not left[name]:
                    del left[name]
    return drawer.plan(drawn)


def fill_up(patterns: Sequence[Pattern], names: Iterable[str]) -> dict[str, int]:
    """How many records each of the classes lacks to be as frequent as the most frequent one."""
    counts = class_counts(patterns)
    most = max((counts[name] for name in names), default=0)
    return {name: most - counts[name] for name in sorted(names)}


def check_plan(count: int | None, balance: str, per_class: int | None) -> None:
    """Refuse ways to share out samples that exclude each other; see `plan_of`.

    Raises:
        InputError: two ways at once, or the number is given where classes decide it.
    """
    if per_class is not None and balance not in ("none", "superclass", "label"):
        raise InputError("--per-class gives every class the same number; --balance fill makes up for what is there")
    if per_class is not None and per_class < 1:
        raise InputError(f"--per-class {per_class}: expected at least 1")
    if count is not None and (per_class is not None or balance == "fill"):
        raise InputError("--per-class and --balance fill decide how many ECGs are made; leave -n out")


def plan_of(
    patterns: Sequence[tuple[str, ...]],
    names: Sequence[str],
    count: int | None,
    *,
    balance: str,
    per_class: int | None,
    seed: int,
    filled: Mapping[str, int] | None = None,
) -> Plan | None:
    """The plan that was asked for; None where rows are to be taken as they come.

    Args:
        patterns: classes of each row.
        names: classes meant.
        count: samples, for equal shares.
        balance: "none", "fill", or anything else for equal shares.
        per_class: samples of each class.
        seed: of the order.
        filled: class -> samples for "fill"; counted in the rows themselves where not given.

    Raises:
        InputError: two ways at once, or the number is given where classes decide it.
    """
    check_plan(count, balance, per_class)
    if per_class is not None:
        return targets(patterns, dict.fromkeys(names, per_class), seed)
    if balance == "fill":
        return targets(patterns, fill_up(patterns, names) if filled is None else filled, seed)
    if balance != "none":
        return equal_shares(patterns, len(patterns) if count is None else count, seed)
    return None


class _Drawer:
    """Draws patterns by their shares, without chance: the one that lags most behind its share comes next."""

    def __init__(self, patterns: Sequence[Pattern], weights: Mapping[str, float], seed: int) -> None:
        of = Counter(pattern for pattern in patterns if pattern)
        if not of:
            raise InputError("no row carries a class")
        self.patterns = sorted(of)
        self._shares = _shares(self.patterns, [of[p] for p in self.patterns], weights)
        rng = np.random.default_rng(np.random.SeedSequence((seed, len(patterns))))
        self._used = -rng.random(len(self.patterns))
        self._turns = 0.0
        where = {pattern: k for k, pattern in enumerate(self.patterns)}
        self._members: list[list[int]] = [[] for _ in self.patterns]
        for row in rng.permutation(len(patterns)):
            if patterns[row]:
                self._members[where[patterns[row]]].append(int(row))

    def next(self, allowed: Sequence[int] | None = None) -> int:
        """The next pattern, among some of them."""
        self._turns += 1.0
        behind = self._turns * self._shares - self._used
        if allowed is not None:
            few = np.full(len(behind), -np.inf)
            few[list(allowed)] = behind[list(allowed)]
            behind = few
        chosen = int(behind.argmax())
        self._used[chosen] += 1.0
        return chosen

    def plan(self, drawn: Sequence[int]) -> Plan:
        """Rows in the place of patterns: those of a pattern in turn."""
        turn = Counter[int]()
        rows = np.zeros(len(drawn), dtype=np.int64)
        for place, pattern in enumerate(drawn):
            members = self._members[pattern]
            rows[place] = members[turn[pattern] % len(members)]
            turn[pattern] += 1
        counts = class_counts(self.patterns[k] for k in drawn)
        return Plan(rows, dict(sorted(counts.items())))


def _shares(patterns: Sequence[Pattern], counts: Sequence[int], weights: Mapping[str, float]) -> np.ndarray:
    """Shares of the patterns, nearest to their counts, with which classes are as frequent as their weights say.

    Minimises the Kullback-Leibler divergence from the counts under equal (class frequency / weight); its dual is
    convex and has one variable a class. Where no shares do that, the best ones are found as far as it goes.
    """
    from scipy.optimize import minimize

    names = sorted(name for name, weight in weights.items() if weight > 0)
    carried = np.array([[float(name in pattern) / weights[name] for name in names] for pattern in patterns])
    carried /= max(float(carried.max()), 1e-12)
    usable = np.array([set(pattern) <= set(names) for pattern in patterns])
    if not usable.any():
        usable = carried.sum(axis=1) > 0
    off = carried - carried.mean(axis=1, keepdims=True)
    base = np.where(usable, np.log(np.maximum(counts, 1)), -np.inf)

    def dual(tilt: np.ndarray) -> tuple[float, np.ndarray]:
        power = base + off @ tilt
        top = float(power.max())
        mass = np.exp(power - top)
        shares = mass / mass.sum()
        return top + float(np.log(mass.sum())), shares @ off

    tilt = minimize(dual, np.zeros(len(names)), jac=True, method="L-BFGS-B", bounds=[(-60, 60)] * len(names)).x
    power = base + off @ tilt
    shares = np.exp(power - power.max())
    return shares / shares.sum()
