"""The phrase table ``phrases.csv``: sequences of meanings -> statements and modifiers, found by longest match.

A phrase is words apart by blanks, ``a|b`` alternatives, ``word?`` optional; phrases are apart by ``;``. The item in the
first column is a statement code (``?`` after it: possible; ``A+B``: both), ``@MI``, ``@ISC`` or ``@INJ`` (a code that
depends on the wall), or a modifier (``!NEG``, ``!POSS``, ``!WALL:inferior``, ...). A code may have several rows.
"""

from dataclasses import dataclass
from functools import cache
from itertools import product

from gen.text.lexicon import read_table

_END = ""  # key of a trie node's item; no meaning is empty
MAX_FORMS = 4096


@dataclass(frozen=True)
class Statement:
    """Row of ``statements.csv``."""

    code: str
    source: str  #: 'scp' (PTB-XL's SCP-ECG code) or 'own'
    kind: str  #: 'diagnostic', 'form', 'rhythm' (or several joined by '+'), 'axis', 'other'
    description: str


@cache
def statements() -> dict[str, Statement]:
    """Every statement by its code; the 71 of PTB-XL come first."""
    return {row["code"]: Statement(**row) for row in read_table("statements.csv")}


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
