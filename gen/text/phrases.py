"""The phrase table ``phrases.csv``: sequences of meanings -> statements and modifiers, found by longest match.

A phrase is words apart by blanks, ``a|b`` alternatives, ``word?`` optional; phrases are apart by ``;``. The item in the
first column is a statement code (``?`` after it: possible; ``A+B``: both), ``@MI``, ``@ISC`` or ``@INJ`` (a code that
depends on the wall), or a modifier (``!NEG``, ``!POSS``, ``!WALL:inferior``, ...). A code may have several rows.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from itertools import product

from gen.text.lexicon import read_table

_END = ""  # key of a trie node's item; no meaning is empty


@dataclass(frozen=True)
class Rate:
    """Ventricular rates of a rhythm in beats per minute.

    Attributes:
        low, high: limits of the word itself: sinus rhythm has 60 to 100, a tachycardia 100 or more (ACC/AHA/HRS
            guideline on supraventricular tachycardia, 2015), a bradycardia 60 or fewer (ECG reports; the ACC/AHA/HRS
            guideline of 2018 calls rates under 50 bradycardia).
        usual_low, usual_high, mean, sd: of adults at rest, to draw from where nothing is known of a rate.
    """

    low: float
    high: float
    usual_low: float
    usual_high: float
    mean: float
    sd: float


@dataclass(frozen=True)
class Statement:
    """Row of ``statements.csv``: what is known of a statement, for everything that reads or makes one.

    Attributes:
        code: SCP-ECG code of PTB-XL, or our own.
        source: 'scp' or 'own'.
        kind: 'diagnostic', 'form', 'rhythm' (or several joined by '+'), 'axis', 'other'.
        description: in words.
        rhythm: 'sinus'; 'main', a rhythm that takes the place of another; 'other', one that is rarely told apart from
            these; '' where it names no rhythm.
        excludes: codes that cannot hold beside it.
        rate: ventricular rates that it goes with; None where it says nothing of them.
        touches: parts of an ECG that come and go with it: 'qrs', 'pr'; 'no_pr' where there is none.
        voltage_factor: what it does to the voltage of the same heart: the median over 192 simulated hearts with it
            against without it. None where it is not about voltage.
    """

    code: str
    source: str
    kind: str
    description: str
    rhythm: str = ""
    excludes: frozenset[str] = frozenset()
    rate: Rate | None = None
    touches: frozenset[str] = frozenset()
    voltage_factor: float | None = None


_RATES = ("rate_low", "rate_high", "usual_low", "usual_high", "usual_mean", "usual_sd")


@cache
def statements() -> dict[str, Statement]:
    """Every statement by its code; the 71 of PTB-XL come first."""
    return {row["code"]: _statement(row) for row in read_table("statements.csv")}


def _statement(row: dict[str, str]) -> Statement:
    return Statement(
        row["code"],
        row["source"],
        row["kind"],
        row["description"],
        row["rhythm"],
        frozenset(row["excludes"].split()),
        Rate(*(float(row[name]) for name in _RATES)) if row["rate_low"] else None,
        frozenset(row["touches"].split()),
        float(row["voltage_factor"]) if row["voltage_factor"] else None,
    )


@cache
def rhythms(*kinds: str) -> frozenset[str]:
    """Codes that name a rhythm of these kinds (see `Statement`), all where none is given."""
    return frozenset(c for c, s in statements().items() if (s.rhythm in kinds if kinds else s.rhythm))


@cache
def touching(part: str) -> frozenset[str]:
    """Codes of findings that a part of the ECG comes and goes with; see `Statement`."""
    return frozenset(code for code, statement in statements().items() if part in statement.touches)


def rate_of(codes: Collection[str]) -> Rate | None:
    """Rates of the rhythm that decides among these codes; None where none of them says anything of rates."""
    named = [s for s in statements().values() if s.code in codes and s.rate is not None]
    return min(named, key=lambda s: _FIRST.get(s.code, len(_FIRST))).rate if named else None


#: Of several rhythms in one request the first of these counts; sinus rhythm last.
_FIRST = {
    code: k
    for k, code in enumerate(("RVR", "SVR", "3AVB", "PACE", "STACH", "SBRAD", "SVTAC", "PSVT", "AFIB", "AFLT", "2AVB"))
}


def expand(phrase: str) -> list[tuple[str, ...]]:
    """All sequences that a phrase with alternatives and optional words stands for."""
    slots = []
    for word in phrase.split():
        options = word.rstrip("?").split("|")
        slots.append([*options, ""] if word.endswith("?") else options)
    forms = {tuple(word for word in form if word) for form in product(*slots)}
    return sorted(form for form in forms if form)


@cache
def trie() -> dict:
    """Nested dictionary meaning -> node; the item of a phrase that ends at a node has the key ''.

    Raises:
        ValueError: one sequence is listed under two items.
    """
    root: dict = {}
    for row in read_table("phrases.csv"):
        for phrase in row["phrases"].split(";"):
            for form in expand(phrase):
                node = root
                for word in form:
                    node = node.setdefault(word, {})
                if node.setdefault(_END, row["item"]) != row["item"]:
                    raise ValueError(f"phrases.csv: {' '.join(form)!r} is both {node[_END]} and {row['item']}")
    return root


def longest(meanings: list[str], start: int, node: dict) -> tuple[str, int]:
    """Item of the longest phrase that begins at ``start`` and its length in tokens; ('', 0) if there is none."""
    item, length = "", 0
    for position in range(start, len(meanings)):
        node = node.get(meanings[position]) or {}
        if not node or not meanings[position]:
            break
        if _END in node:
            item, length = node[_END], position - start + 1
    return item, length
