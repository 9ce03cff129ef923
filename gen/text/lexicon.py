"""Words of ECG reports: English, German, Swedish, abbreviated or misspelt -> one small set of English meanings.

The table ``words.csv`` maps surfaces to a *sequence* of meanings, so that a compound or an abbreviation becomes the
words it stands for (``Linksschenkelblock``, ``LBBB`` -> ``left bundle block``); a trailing ``*`` marks a stem that
takes any ending. The empty meaning marks words that carry nothing here (articles, "ECG shows ...").
"""

import csv
import re
import unicodedata
from functools import cache
from importlib.resources import files

_FOLD = str.maketrans({"ß": "ss", "æ": "a", "ø": "o", "œ": "o", "’": "'"})
_MARKS = re.compile("[\u0300-\u036f]")
_DIGRAPH = re.compile(r"([aou])e")
#: Words shorter than this are never corrected: one letter turns "ant" into "and", "LAFB" into "LPFB".
MIN_FUZZY, MIN_FUZZY_2 = 6, 10
_MIN_SLIP = 5
#: Shorter endings of a stem are endings, and no word of their own.
_MIN_TAIL = 5
_MAX_WORD = 48
_MEMO_SIZE = 200_000

#: Meaning of words that are none of ours but look like one ("hypertension"): unknown, and never corrected.
FOREIGN = "-"

Meanings = tuple[str, ...]


def fold(word: str) -> str:
    """Lower case without accents; ``ä`` = ``ae`` = ``a``, so that spellings with accents and in ASCII meet."""
    plain = word.lower().translate(_FOLD)
    if not plain.isascii():
        plain = _MARKS.sub("", unicodedata.normalize("NFD", plain))
    return _DIGRAPH.sub(r"\1", plain)


def read_table(name: str) -> list[dict[str, str]]:
    """Rows of a CSV table of this package."""
    with files("gen.text").joinpath(name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


class Lexicon:
    """Looks words up: exact, by stem, as a compound, then with a conservative edit distance."""

    def __init__(self, rows: list[dict[str, str]]) -> None:
        self.exact: dict[str, Meanings] = {}
        self.stems: dict[str, Meanings] = {}
        for row in rows:
            meanings = tuple(row["meaning"].split())
            for surface in row["surfaces"].split():
                table, key = (self.stems, surface[:-1]) if surface.endswith("*") else (self.exact, surface)
                if table.setdefault(fold(key), meanings) != meanings:
                    raise ValueError(f"words.csv: {surface!r} has two meanings: {meanings}, {table[fold(key)]}")
        self._stem_lengths = sorted({len(stem) for stem in self.stems}, reverse=True)
        self._correctable = self._by_first_letter()
        self._memo: dict[str, Meanings | None] = {}

    def __call__(self, word: str) -> Meanings | None:
        """Meanings of one word, ``()`` for a word without weight, None for an unknown one."""
        found = self._memo.get(word, False)
        if found is not False:
            return found  # type: ignore[return-value]
        key = fold(word)
        found = self._known(key)
        if found is None and len(key) <= _MAX_WORD:
            found = self._compound(key)
            if found is None:
                found = self._corrected(key)
        if found and FOREIGN in found:
            found = None
        if len(self._memo) < _MEMO_SIZE:
            self._memo[word] = found
        return found

    def _known(self, key: str) -> Meanings | None:
        if key in self.exact:
            return self.exact[key]
        for length in self._stem_lengths:
            if length <= len(key) and key[:length] in self.stems:
                stem = self.stems[key[:length]]
                return stem + self._tail(key[length:]) if stem and len(key) - length >= _MIN_TAIL else stem
        return None

    def _tail(self, ending: str) -> Meanings:
        """Meanings of the known word that an ending ends in: "schmal|komplex|tachykardie"."""
        for cut in range(len(ending) - _MIN_TAIL + 1):
            if found := self._known(ending[cut:]):
                return found
        return ()

    def _compound(self, key: str) -> Meanings | None:
        """``vorhof|flimmern``, ``rechts|herz|belastung``: exact left part, then a known word or another compound."""
        for cut in range(len(key) - 4, 3, -1):
            left = self.exact.get(key[:cut])
            if left is None:
                continue
            rest = key[cut:]
            right = self._known(rest) or self._compound(rest) or (self._known(rest[1:]) if rest[0] == "s" else None)
            if right or (left and rest in self.exact):  # "brugada|muster": the second part says nothing
                return left + (right or ())
        return None

    def _by_first_letter(self) -> dict[str, list[tuple[str, int, bool, Meanings]]]:
        """Words and stems long enough to be corrected to: (form, set of its letters, is a stem, meanings)."""
        index: dict[str, list[tuple[str, int, bool, Meanings]]] = {}
        for table, is_stem in ((self.exact, False), (self.stems, True)):
            for form, meanings in table.items():
                if len(form) >= MIN_FUZZY:
                    index.setdefault(form[0], []).append((form, _letters(form), is_stem, meanings))
        return index

    def _corrected(self, key: str) -> Meanings | None:
        """Nearest word within one slip (two in long words), if just one; first letters are taken to be right."""
        if not key.isalpha():
            return None
        if len(key) < MIN_FUZZY:
            return self._slipped(key)
        letters = _letters(key)
        best: dict[Meanings, int] = {}
        for form, form_letters, is_stem, meanings in self._correctable.get(key[0], ()):
            allowed = 2 if min(len(key), len(form)) >= MIN_FUZZY_2 else 1
            too_long = len(form) > len(key) + allowed or (not is_stem and len(key) > len(form) + allowed)
            if too_long or (form_letters & ~letters).bit_count() > allowed:
                continue
            distance = edit_distance(form, key, prefix=is_stem)
            if distance <= allowed:
                best[meanings] = min(distance, best.get(meanings, allowed))
        nearest = min(best.values(), default=0)
        winners = [meanings for meanings, distance in best.items() if distance == nearest]
        # A tie ("anormal") is not guessed; nor is a word taken for one without weight, for it would be swallowed.
        return winners[0] if len(winners) == 1 and winners[0] else None

    def _slipped(self, key: str) -> Meanings | None:
        """Short words are corrected where two neighbours are swapped or one letter is left out: "rigth", "degee"."""
        if len(key) < _MIN_SLIP:
            return None
        near = {key[:k] + key[k + 1] + key[k] + key[k + 2 :] for k in range(1, len(key) - 1)} - {key}
        near |= {key[:k] + letter + key[k:] for k in range(1, len(key)) for letter in "abcdefghijklmnopqrstuvwxyz"}
        found = {meanings for word in near if (meanings := self.exact.get(word))}
        return found.pop() if len(found) == 1 else None


def _letters(word: str) -> int:
    """Set of a word's letters as bits, to rule out most candidates cheaply."""
    bits = 0
    for letter in word:
        bits |= 1 << (ord(letter) & 31)
    return bits


def edit_distance(a: str, b: str, *, prefix: bool = False) -> int:
    """Optimal string alignment distance: insertions, deletions, substitutions, swaps of neighbours.

    With ``prefix`` the distance of ``a`` to the nearest beginning of ``b``.
    """
    b = b[: len(a) + 2] if prefix else b
    previous2: list[int] = []
    previous = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        row = [i]
        for j, other in enumerate(b, 1):
            cost = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                cost = min(cost, previous2[j - 2] + 1)
            row.append(cost)
        previous2, previous = previous, row
    return min(previous) if prefix else previous[-1]


@cache
def lexicon() -> Lexicon:
    """Lexicon of this package, with every statement code as a word of its own."""
    rows = read_table("words.csv")
    found = Lexicon(rows)
    for row in read_table("statements.csv"):
        for part in row["code"].split("/"):  # LAO/LAE: either half
            key = fold(part.rstrip("_"))
            if len(key) > 2 and key.isalnum() and found._known(key) is None:
                found.exact[key] = (f"={row['code']}",)
    return found


@cache
def chinese() -> dict[str, Meanings]:
    """Chinese words -> meanings, of ``words_zh.csv``."""
    return {row["surface"]: tuple(row["meaning"].split()) for row in read_table("words_zh.csv")}
