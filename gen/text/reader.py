"""Reads clinical ECG text into statements: code, negation, certainty, location, acuity, numbers, unknown words.

Every rule is written from the words of a report; nothing here has seen a label. The grammar is shallow on purpose:
phrases are found by longest match (`gen.text.phrases`), walls, leads and acuity attach to the nearest statement that
can take them, and negation or doubt reach the next statement and those joined to it by "or" (negation also "and").
Time is linear in the length of the text.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import Any

from gen.text import scope
from gen.text.items import Item
from gen.text.numbers import take_numbers
from gen.text.phrases import longest, trie
from gen.text.territory import INFARCT, INJURY, ISCHAEMIA, territory
from gen.text.tokens import MAX_CHARS, Token, tokenise

#: Words that say nothing by themselves; all others that no phrase takes are listed as not understood.
_SILENT = frozenset({
    "axis", "beat", "cause", "commonly", "criteria", "degree", "ecg", "heart", "hr", "indeterminate", "interpolated",
    "lead", "limit", "limits", "normal", "normocardic", "other", "range", "s", "type",
    "unspecific", "upper", "v", "within", "zone", "at", "mean", "qrs", "unit_bpm", "variable", "grown", "atrial-rate",
})  # fmt: skip
CONCEPTS = {"@MI": (INFARCT, "MI"), "@ISC": (ISCHAEMIA, "ISC_"), "@INJ": (INJURY, "INJ")}
#: Statements that a wall or leads can belong to.
LOCATABLE = {
    "@MI", "@ISC", "@INJ", "STE_", "STD_", "INVT", "LOWT", "NT_", "NST_", "NDT", "TAB_", "TPEAK", "BIPHT", "QWAVE",
    "QS", "ANEUR", "PRWP",
}  # fmt: skip
_ACUTE_TOO = {
    "@MI",
    "@ISC",
    "@INJ",
    "STE_",
    "STD_",
    "PERI",
    "PE",
    *INFARCT.values(),
    *ISCHAEMIA.values(),
    *INJURY.values(),
}
#: What stays true when a report says that it was: an infarct does not heal.
_LASTING = frozenset({"@MI", "ANEUR", *INFARCT.values()})
_SUBJECT_OF = dict.fromkeys(("INVT", "LOWT", "NT_", "TAB_", "NDT", "BIPHT", "TPEAK"), "t") | {
    "STE_": "st", "STD_": "st", "NST_": "st", "ABQRS": "qrs", "QWAVE": "q",
    "LNGQT": "qt", "SQT": "qt", "LPR": "pr", "SPR": "pr", "WQRS": "qrs",
}  # fmt: skip
_ADJECTIVES = {
    ("t", "inverted"): "INVT", ("t", "low"): "LOWT", ("t", "biphasic"): "BIPHT", ("t", "abnormal"): "TAB_",
    ("st", "elevated"): "STE_", ("st", "depressed"): "STD_", ("st", "abnormal"): "NST_", ("qrs", "abnormal"): "ABQRS",
    ("qrs", "low"): "LVOLT", ("st", "inverted"): "INVT",
    ("qt", "prolonged"): "LNGQT", ("pr", "prolonged"): "LPR", ("qrs", "prolonged"): "WQRS", ("qrs", "wide"): "WQRS",
    ("qt", "short"): "SQT", ("pr", "short"): "SPR",
}  # fmt: skip


@dataclass(frozen=True)
class StatementRead:
    """One statement as the text makes it."""

    code: str  #: SCP-ECG code of PTB-XL, or one of our own (``statements.csv``)
    negated: bool = False
    certainty: str = "certain"  #: 'certain' or 'possible'
    location: str | None = None  #: wall: anterior, anteroseptal, inferior, ...
    text: str = ""  #: the words that say so
    acuity: str | None = None  #: 'acute', 'old' or None
    likelihood: int = 100  #: PTB-XL's scale: 100 certain, 50 probable, 35 possible, 15 "cannot rule out"


@dataclass(frozen=True)
class ReadText:
    """What a text was understood to say.

    Attributes:
        statements: in the order of the text, each code and location once.
        numbers: heart_rate (bpm), pr_ms, qrs_ms, qt_ms, qtc_ms, axis_deg (degrees), age (years).
        unknown: words and stray numbers that were not understood.
        wording: the text itself, where there is one; it says nothing about what was understood.
    """

    statements: tuple[StatementRead, ...] = ()
    numbers: dict[str, float] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    wording: str | None = field(default=None, compare=False, repr=False)

    @property
    def empty(self) -> bool:
        """Nothing at all was understood."""
        return not self.statements and not self.numbers

    def codes(self, *, possible: bool = True, least: int = 0) -> set[str]:
        """Codes that are not negated; certain ones only with ``possible=False``, else from likelihood ``least`` on."""
        least = least if possible else 100
        return {s.code for s in self.statements if not s.negated and s.likelihood >= least}

    def as_dict(self) -> dict[str, Any]:
        """JSON values as ``physiogen text --json`` prints them."""
        return {
            "statements": [asdict(statement) for statement in self.statements],
            "numbers": {name: int(v) if v == int(v) else v for name, v in self.numbers.items()},
            "unknown": list(self.unknown),
        }


@lru_cache(maxsize=65_536)
def read_text(text: str) -> ReadText:
    """Statements, numbers and unknown words of a text in English, German, or common words of six other languages.

    Never raises for any string; text beyond `gen.text.tokens.MAX_CHARS` characters is not read. The result is cached
    by the text and must not be changed.
    """
    wording, text = text, text[:MAX_CHARS]
    tokens, numbers = take_numbers(tokenise(text), text)
    items, unknown = _match(tokens, text)
    _locate(items)
    unknown += [text[start:end] for start, end in scope.past(items, _LASTING)]
    scope.apply(items)
    found = tuple(_statements(items, text))
    if items and not (found or numbers or unknown):  # "borderline", "WNL": words that speak of nothing named
        unknown = text.split()
    return ReadText(found, numbers, tuple(unknown), wording)


def _match(tokens: list[Token], text: str) -> tuple[list[Item], list[str]]:
    """Phrases by longest match from left to right; what no phrase takes becomes noise or unknown."""
    meanings = [token.meaning for token in tokens]
    root = trie()
    items: list[Item] = []
    unknown: list[str] = []
    subject = ""
    position = 0
    while position < len(tokens):
        token = tokens[position]
        name, length = longest(meanings, position, root)
        if name == "!IGN" and token.meaning == "no":  # "no change of repolarisation" denies more than a change
            beyond, further = (longest(meanings, position + k, root)[1] + k for k in (1, 2))
            if beyond > length and beyond >= further:
                name, length = "!NEG", 1
        if length:
            start, end = token.start, max(t.end for t in tokens[position : position + length])
            if name.startswith("!SUBJ"):
                subject = name[6:]
            elif name.startswith("!ADJ"):
                name = _ADJECTIVES.get((subject, name[5:])) or ("ABNORM" if name == "!ADJ:abnormal" else "!UNK")
            if name == "!UNK":  # understood, but there is no statement for it
                unknown.append(" ".join(text[start:end].split()))
                name = "!NOISE"
            items.extend(_between(items, text, start))
            items.extend(_items(name, start, end, text))
            subject = _SUBJECT_OF.get(name, subject)
            position += length
            continue
        items.extend(_between(items, text, token.start))
        items.append(_single(token))
        if token.meaning == ".":
            subject = ""
        elif items[-1].kind == "noise" and token.meaning not in _SILENT and not _again(tokens, position):
            unknown.append(text[token.start : token.end])
        position += 1
    return items, unknown


def _again(tokens: list[Token], position: int) -> bool:
    """Whether a token is a further meaning of the word before it."""
    return position > 0 and tokens[position - 1].start == tokens[position].start


def _between(items: list[Item], text: str, start: int) -> Iterator[Item]:
    """A stroke between two statements ("no STE/STD"), or a colon or dash after what has none ("no P waves: AF")."""
    if not items:
        return
    end = items[-1].end
    gap = text[end:start]
    if gap.strip() == "/" and items[-1].kind == "statement":
        yield Item("slash", "", end, start)
    elif items[-1].kind == "noise" and (":" in gap or gap in _DASHES):
        yield Item(":", "", end, start)


#: Beside a colon, what a negation does not reach over.
_DASHES = frozenset((" - ", " – ", " — ", "–", "—"))


def _items(name: str, start: int, end: int, text: str) -> Iterator[Item]:
    if name.startswith("!"):
        kind, _, value = name[1:].lower().partition(":")
        doubtful = value == "doubt" or kind.startswith("poss")
        yield Item(kind, value, start, end, likelihood=scope.grade(text[start:end]) if doubtful else 100)
        return
    name, _, acuity = name.partition("^")
    likelihood = scope.PROBABLE if name.endswith("?") else 100
    for code in name.rstrip("?").split("+"):
        yield Item("statement", code, start, end, likelihood=likelihood, acuity=acuity or None, assumed=bool(acuity))


def _single(token: Token) -> Item:
    """Item for a token that no phrase took."""
    if token.leads:
        return Item("leads", "", token.start, token.end, leads=token.leads)
    if token.meaning in (".", ","):
        return Item(token.meaning, "", token.start, token.end)
    if token.meaning == "?":
        return Item("posspost", "", token.start, token.end, likelihood=scope.POSSIBLE)
    if token.meaning.startswith("="):
        return Item("statement", token.meaning[1:], token.start, token.end)
    return Item("noise", token.meaning, token.start, token.end)


def _locate(items: list[Item]) -> None:
    """Attaches walls, leads and acuity to the statements they belong to."""
    for index, item in enumerate(items):
        if item.kind in ("wall", "leads"):
            target = _target(items, index, LOCATABLE.__contains__)
            if target is not None and item.kind == "wall":
                target.locations.append(item.value)
            elif target is not None:
                target.leads += item.leads
        elif item.kind in ("acute", "old", "former"):
            target = _target(items, index, _ACUTE_TOO.__contains__, before_first=True)
            if target is not None:
                acuity = "old" if item.kind == "former" else item.kind
                if target.acuity is None or (target.assumed and acuity == "old"):
                    target.acuity, target.assumed = acuity, False
                # "probably old infarct" doubts the infarct, "infarct, probably old" its age.
                if item.value == "doubt" and target.start > item.start:
                    target.likelihood = min(target.likelihood, item.likelihood)
            elif item.value == "doubt":
                item.kind = "poss"
    for item in items:
        if item.kind == "statement" and item.leads and not item.locations:
            item.locations = territory(item.leads)
    for before, joint, after in zip(items, items[1:], items[2:], strict=False):  # "anterior ischaemia or injury"
        if joint.kind == "or" and before.value in CONCEPTS and after.value in CONCEPTS:
            after.locations = after.locations or list(before.locations)


_PASS = frozenset(
    (
        "wall",
        "leads",
        "acute",
        "old",
        "or",
        "and",
        "neg",
        "poss",
        "posspost",
        "cons",
        "subj",
        "leadword",
        "ign",
        "now",
        "former",
    )
)


def _target(items: list[Item], index: int, fits: Callable[[str], bool], *, before_first: bool = False) -> Item | None:
    """Statement that a wall, leads or acuity at ``index`` belongs to.

    A wall belongs to the statement after it ("inferior infarct") unless leads or the word "leads" follow first ("T
    inversion in inferior leads, ..."); then, and for leads, it is the statement before.
    """
    before = _nearest(items, index, -1, fits, _PASS | {","})
    after = _nearest(
        items, index, 1, fits, _PASS if items[index].kind != "leads" else frozenset({"leads", "or", "and"})
    )
    if before_first:
        if before is not None and _adjacent(items, index) and (before.value in CONCEPTS or not _leads_on(items, index)):
            return before
        return after or before
    if _close(before, items[index]) and not _close(items[index], after):  # "infarctus antérieur avec anévrysme"
        return before
    follows = index + 1 < len(items) and items[index + 1].kind in ("leadword", "leads")
    if items[index].kind == "leads" or follows:
        return before or after
    return after or before


def _close(one: Item | None, other: Item | None) -> bool:
    """Whether nothing but a blank is between two items."""
    return one is not None and other is not None and other.start - one.end == 1


def _leads_on(items: list[Item], index: int) -> bool:
    """Whether an infarct follows an acuity: "ST elevation, consider acute infarct"."""
    position = index + 1
    while position < len(items) and items[position].kind == "wall":
        position += 1
    after = items[position] if position < len(items) else None
    return after is not None and after.kind == "statement" and after.value in CONCEPTS


def _adjacent(items: list[Item], index: int) -> bool:
    """Whether the item just before is a statement, or a wall or doubt that follows one."""
    position = index - 1
    while position >= 0 and items[position].kind in ("posspost", "poss", "ign", "wall"):
        position -= 1
    return position >= 0 and items[position].kind == "statement"


def _nearest(
    items: list[Item], index: int, step: int, fits: Callable[[str], bool], passing: frozenset[str]
) -> Item | None:
    noise = 0
    position = index + step
    while 0 <= position < len(items) and abs(position - index) <= scope.REACH:
        item = items[position]
        if item.kind == "statement":
            if fits(item.value):
                return item
            return None
        if item.kind == "noise":
            noise += 1
            if noise > 2:
                return None
        elif item.kind not in passing:
            return None
        position += step
    return None


def _statements(items: list[Item], text: str) -> Iterator[StatementRead]:
    """Statements with codes by wall; the same code, place and polarity is given once, certain beats possible."""
    found: dict[tuple[str, str | None, bool], StatementRead] = {}
    for item in items:
        if item.kind != "statement":
            continue
        words = " ".join(text[item.start : item.end].split())
        places: list[str | None] = [*dict.fromkeys(item.locations)]
        for place in places or [None]:
            code = item.value
            if code in CONCEPTS:
                table, plain = CONCEPTS[code]
                code = table.get(place or "", plain)
            key = (code, place, item.negated)
            old = found.get(key)
            likelihood = max(item.likelihood, old.likelihood if old else 0)
            certainty = "certain" if likelihood == 100 else "possible"
            if old:
                new = replace(old, likelihood=likelihood, certainty=certainty, acuity=old.acuity or item.acuity)
            else:
                new = StatementRead(code, item.negated, certainty, place, words, item.acuity, likelihood)
            found[key] = new
    yield from found.values()
