"""Negation and doubt: which statements a "no", "cannot rule out", "Verdacht auf" or "möglich" reaches."""

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gen.text.items import Item

#: What may stand between a cue and its statement.
_SKIP = frozenset(("wall", "leads", "acute", "old", "former", "subj", "leadword", "cons", "ign", "poss", "neg", "now"))
_NOISE_BETWEEN = 1
#: ... and between a statement and a cue that belongs to what was said: "SVT with aberrant conduction not excluded".
_NOISE_BEFORE = 4
#: Likelihoods as PTB-XL derives them from the words of a report.
PROBABLE, POSSIBLE, NOT_EXCLUDED = 50, 35, 15
_EXCLUDED_WORDS = re.compile(
    r"exclu|esclu|descart|rule|auszus|ausges|ausschl|uteslut|uitges|sluiten|除外|排除", re.IGNORECASE
)
_PROBABLE_WORDS = re.compile(r"prob|lik|wahrsch|sannol|sugg|susp|verd|v\.|presum|vermut|misst", re.IGNORECASE)


def grade(cue: str) -> int:
    """Likelihood in percent that the words of a doubt stand for."""
    if _EXCLUDED_WORDS.search(cue):
        return NOT_EXCLUDED
    return PROBABLE if _PROBABLE_WORDS.search(cue) else POSSIBLE


#: Items that a cue, a wall or a list of leads reaches over at most; keeps the time linear in the length of a text.
REACH = 24


def apply(items: "list[Item]") -> None:
    """Mark statements as negated or possible, in place."""
    for index, item in enumerate(items):
        if item.kind in ("neg", "negpost") and _of_before(items, index):
            continue
        if item.kind == "neg":
            reached = _forward(items, index, comma=False)
            if reached is None and (joint := _listed(items, index)) is not None:  # "no FOO BAR or hypertrophy"
                reached = _forward(items, joint, comma=False)
            elif reached is None:
                _mark(items, _backward(items, index, comma=False), 0)
            if reached is None:
                continue
            _mark(items, reached, 0)
            _chain(items, reached, ("or", "and", "slash"), 0)
        elif item.kind == "negpost":
            reached = _backward(items, index)
            _mark(items, reached if reached is not None else _forward(items, index, comma=True), 0)
        elif item.kind == "gaveway":  # "converted to sinus rhythm" alone denies nothing
            _mark(items, _backward(items, index), 0)
        elif item.kind == "gone":
            reached = _backward(items, index, comma=False)
            reached = _forward(items, index, comma=False) if reached is None else reached
            reached = _backward(items, index, noises=_NOISE_BEFORE) if reached is None else reached
            _mark(items, reached, 0)
            _mark_namesakes(items, reached)
        elif item.kind == "swap":
            _mark(items, _swapped(items, index), 0)
        elif item.kind == "poss":
            reached = _forward(items, index, comma=False)
            if reached is None and (listed := _in_list(items, index)) is not None:
                _mark(items, listed, item.likelihood)
                _chain(items, listed, ("or",), item.likelihood)
                continue
            if reached is None and (item.value == "asked" or _foreign(items, index)):
                continue  # "consider FOO" doubts what is not understood, "probably nonspecific" no finding
            if reached is None:
                _mark(items, _backward(items, index, comma=not item.value), item.likelihood)
            else:
                _mark(items, reached, item.likelihood)
                _chain(items, reached, ("or", "slash"), item.likelihood)
        elif item.kind == "posspost":
            reached = _backward(items, index, noises=_NOISE_BEFORE)
            if reached is None:
                reached = _forward(items, index, comma=False)
            else:
                _chain_back(items, reached, item.likelihood)
            _mark(items, reached, item.likelihood)
    _alternatives(items)


def past(items: "list[Item]", lasting: Collection[str]) -> list[tuple[int, int]]:
    """Take out statements about the past or about relatives ("history of ..., now ..."), in place.

    Args:
        items: in order.
        lasting: statements that stay true when they are of the past, such as an infarct.

    Returns:
        (start, end) of the words that are no statement about this ECG, cue and all.
    """
    found = []
    for index, item in enumerate(items):
        if item.kind == "former":  # "Z.n. Infarkt" is an old infarct that is there, "Z.n. Vorhofflimmern" is over
            after = items[index + 1] if index + 1 < len(items) else None
            if after is not None and after.kind == "noise" and not (after.value or item.value):
                item.kind = "ign"  # "s/p CABG with old infarct": it is the surgery that is over
                continue
            said = _forward(items, index, comma=False)
            # "Previously noted LBBB has resolved" denies it; "previously flutter, now ..." needs its "now".
            alone = item.value == "ifnow" and not _now(items, index)
            if said is None and item.value == "ifnow" and (named := _backward(items, index, comma=False)) is not None:
                item.kind = "ign"  # "FA connue, aujourd'hui ..." names it first
                if not alone and items[named].value not in lasting:
                    items[named].kind = "past"
                    found.append((items[named].start, item.end))
            elif said is not None and (alone or _resolved(items, said)):
                item.kind = "ign"
            else:
                item.kind = "old" if said is None or items[said].value in lasting else "hist"
        if item.kind != "hist":
            continue
        named = _backward(items, index, comma=False)
        if named is not None and _forward(items, index, comma=False) is None:
            if items[named].value in lasting:  # "AF by history" names it first
                items[named].acuity = items[named].acuity or "old"
            else:
                items[named].kind = "past"
                found.append((items[named].start, item.end))
            continue
        end = item.end
        noise = 0
        for other in items[index + 1 : index + 1 + REACH]:
            if other.kind == "statement" and other.value in lasting and not item.value:
                other.acuity, noise = other.acuity or "old", 0
            elif other.kind == "statement":
                other.kind, end, noise = "past", other.end, 0
            elif other.kind == "noise":
                noise += 1
                if noise > _NOISE_BETWEEN + 1:
                    break
            elif other.kind not in _SKIP - {"now"} | {"or", "and"}:
                break
        found.append((item.start, end))
    return found


def _now(items: "list[Item]", index: int) -> bool:
    """Whether the sentence of an item says "now" of something."""
    for step in (1, -1):
        position = index + step
        while 0 <= position < len(items) and abs(position - index) < REACH and items[position].kind != ".":
            if items[position].kind == "now":
                return True
            position += step
    return False


def _resolved(items: "list[Item]", index: int) -> bool:
    """Whether a "resolved" follows a statement, with nothing but a little noise between."""
    for other in items[index + 1 : index + 4]:
        if other.kind in ("gone", "negpost", "neg"):
            return True
        if other.kind not in ("noise", "now", "wall", "leads"):
            return False
    return False


def _mark_namesakes(items: "list[Item]", index: int | None) -> None:
    """Negate what was said of the same finding before: "SVT at 190, likely AVNRT, terminated"."""
    for item in items[max(0, (index or 0) - REACH) : index or 0]:
        same = item.kind == "statement" and index is not None and item.value == items[index].value
        item.negated = item.negated or (same and item.locations == items[index or 0].locations)


def _foreign(items: "list[Item]", index: int) -> bool:
    """Whether a cue is followed by words that were not understood, or by one that only judges: "suggests COPD"."""
    for after in items[index + 1 : index + 4]:
        if after.kind != "noise" and after.kind not in _SKIP:
            return False
        if after.kind == "noise" and after.value in ("", "unspecific"):
            return True
    return False


def _of_before(items: "list[Item]", index: int) -> bool:
    """Whether a "not seen" speaks of an earlier tracing: "not seen on the prior", "im Vor-EKG nicht vorhanden"."""
    if _forward(items, index, comma=False) is not None:
        return False
    after, before = items[index + 1 : index + 4], items[max(0, index - 2) : index][::-1]
    for near in (after, before):
        for item in near:
            if item.kind in ("old", "former"):
                return near is after or item.acuity is None
            if item.kind != "noise":
                break
    return False


def _listed(items: "list[Item]", index: int) -> int | None:
    """The "or" after a denied thing that was not understood: what it joins is denied, too."""
    for position in range(index + 1, min(len(items), index + 6)):
        if items[position].kind == "or" and position > index + 1:
            return position
        if items[position].kind not in ("noise", "wall", "acute"):
            return None
    return None


def _in_list(items: "list[Item]", index: int) -> int | None:
    """First statement of a list that begins with what was not understood: "consider FOO, pericarditis, or injury"."""
    for position in range(index + 1, min(len(items), index + 5)):
        if items[position].kind == ",":
            said = _forward(items, position, comma=False) if _or_follows(items, position) else None
            return said if position > index + 1 else None
        if items[position].kind != "noise":
            return None
    return None


def _swapped(items: "list[Item]", index: int) -> int | None:
    """What an "ersetzt" takes away: "A ersetzt B" takes B; "A wurde durch B ersetzt" takes A."""
    after = _forward(items, index, comma=False)
    if after is not None:
        return after
    last = _backward(items, index, comma=False)
    return None if last is None else _backward(items, last, comma=False)


def _alternatives(items: "list[Item]") -> None:
    """Doubt two different statements joined by "or": "ischaemia or strain" asserts neither.

    "Ischaemia versus FOO" and "ischaemia or FOO" doubt what stands before them, too.
    """
    for index, item in enumerate(items):
        if item.kind == "or":
            before, after = _backward(items, index), _forward(items, index, comma=False)
            judged = items[min(index + 1, len(items) - 1)].kind == "ign"  # "vs. normal variant"
            if after is None and not judged and (item.value == "versus" or _foreign(items, index)):
                _mark(items, before if before is None or not items[before].negated else None, PROBABLE)
            if before is None or after is None or items[before].negated or items[after].negated:
                continue
            if items[before].value != items[after].value:
                _mark(items, before, PROBABLE)
                _mark(items, after, PROBABLE)


def _mark(items: "list[Item]", index: int | None, likelihood: int) -> None:
    """Lower the likelihood of a statement; 0 negates it."""
    if index is None:
        return
    start = items[index].start
    # One phrase may have given two statements ("AFIB+RVR"): they share place and fate.
    for item in items[max(0, index - 2) : index + 3]:
        if item.kind == "statement" and item.start == start:
            if not likelihood:
                item.negated = True
            else:
                item.likelihood = min(item.likelihood, likelihood)


def _forward(items: "list[Item]", index: int, *, comma: bool) -> int | None:
    """Index of the next statement that nothing separates from the cue."""
    noise = 0
    for position in range(index + 1, min(len(items), index + 1 + REACH)):
        kind = items[position].kind
        if kind == "statement":
            return position
        if kind == "noise":
            noise += 1
            if noise > _NOISE_BETWEEN:
                return None
        elif kind not in _SKIP and not (kind == "," and comma):
            return None
    return None


def _backward(items: "list[Item]", index: int, *, comma: bool = True, noises: int = _NOISE_BETWEEN) -> int | None:
    """Index of the statement before the cue that nothing separates from it."""
    noise = 0
    for position in range(index - 1, max(-1, index - 1 - REACH), -1):
        kind = items[position].kind
        if kind == "statement":
            return position
        if kind == "noise":
            noise += 1
            if noise > noises:
                return None
        elif kind not in ("wall", "leads", "acute", "old", "leadword", "subj", "cons", "now") and not (
            kind == "," and comma
        ):
            return None
    return None


def _chain(items: "list[Item]", index: int, joints: tuple[str, ...], likelihood: int) -> None:
    """Goes on over "a or b" and "a, b or c"."""
    position = index + 1
    joined = False
    while position < min(len(items), index + REACH):
        kind = items[position].kind
        if kind == "statement":
            if not joined and items[position].start != items[index].start:
                return
            _mark(items, position, likelihood)
            joined = False
        elif kind in joints:
            joined = True
        elif kind == ",":
            joined = joined or _or_follows(items, position)
            if not joined:
                return
        elif kind not in _SKIP - {"neg", "poss"}:
            return
        position += 1


def _or_follows(items: "list[Item]", index: int) -> bool:
    """Whether a list goes on: "no a, b or c" has its "or" after one of the next few statements and before any break."""
    for item in items[index + 1 : index + 12]:
        if item.kind == "or":
            return True
        if item.kind not in ("statement", "wall", "leads", ",", "acute", "old", "subj", "slash", "noise"):
            return False
    return False


def _chain_back(items: "list[Item]", index: int, likelihood: int) -> None:
    """Doubt both in "a or b possible"."""
    position = index - 1
    joined = False
    while position >= max(0, index - REACH):
        kind = items[position].kind
        if kind == "statement":
            if not joined:
                return
            _mark(items, position, likelihood)
            joined = False
        elif kind == "or":
            joined = True
        elif kind not in ("wall", "leads", "acute", "old"):
            return
        position -= 1
