"""Numbers with units: ``HR 130``, ``130 bpm``, ``PQ 0,24 s``, ``QT/QTc 400/480 ms``, ``axis -45 deg``, ``72 years``."""

import re
from itertools import pairwise, takewhile

from gen.text.tokens import Token

QUANTITIES = {"hr": "heart_rate", "pr": "pr_ms", "qrs": "qrs_ms", "qt": "qt_ms", "qtc": "qtc_ms", "axis": "axis_deg"}
_AGE = {"age": "age", "alter": "age"}
NUMBERS = (*QUANTITIES.values(), "age")
_INTERVALS = frozenset({"pr", "qrs", "qt", "qtc"})
_NAMES = QUANTITIES | _AGE
#: Words that may stand between a quantity and its number.
_BETWEEN = frozenset(
    {
        "or",
        "and",
        ",",
        "prolonged",
        "wide",
        "deviation",
        "short",
        "ventricular",
        "possible",
        "qrs",
        "normal",
        "at",
        "grown",
        "now",
        "left",
        "right",
        "leftward",
        "rightward",
        "overturned",
    }
)
_UNITS = frozenset({"unit_bpm", "unit_min", "unit_ms", "unit_s", "unit_deg", "degree", "beat"})
_MAX_BETWEEN = 3
#: Before a bare number: it is the rate of the rhythm named before.
_ABOUT = (" at", "@", "~", "≈", " approx", " approx.")


def take_numbers(tokens: list[Token], text: str = "") -> tuple[list[Token], dict[str, float]]:
    """Quantities found, and the tokens without the numbers and units that were understood.

    The name of a quantity stays in place, since it may belong to a phrase as well ("prolonged PR 240 ms"). Ranges and
    limits ("60-100", "< 50") are no value, and the rate of the atria is none of the ventricles: their numbers stay.
    """
    found: dict[str, float] = {}
    used: set[int] = set()
    _open(tokens, text)
    before: dict[str, float] = {}
    position = 0
    while position < len(tokens):
        token = tokens[position]
        if token.meaning in ("now", "gaveway") and "heart_rate" in found:
            before["heart_rate"] = found.pop("heart_rate")  # "SVT at 190, now sinus rhythm at 80"
        if token.value is not None:
            if token.meaning == OPEN:
                _skip_units(tokens, position + 1, used)
            elif position not in used:
                _by_unit(tokens, position, found, used)
                if position not in used:
                    _after_rhythm(tokens, position, found, used)
                if position not in used and text[: token.start].rstrip().lower().endswith(_ABOUT):
                    _at(tokens, position, found, used)
                if position not in used:
                    _of_axis(tokens, position, text, found, used)
            position += 1
        elif token.meaning in _NAMES:
            names, position = _names(tokens, position)
            _assign(tokens, names, position, found, used)
        else:
            position += 1
    return [
        token for index, token in enumerate(tokens) if index not in used and token.meaning not in _LOOSE
    ], before | found


#: Meaning of a number that is no value.
OPEN = "#open"
_RANGE = re.compile(r"\s*(?:[-–—~]|to|bis|till|a|à|tot)\s*", re.IGNORECASE)
#: Words of a rhythm, after which a bare number is its rate ("NSR 72", "AF @ 142").
_RHYTHMS = frozenset(
    {"rhythm", "sinus", "tachycardia", "bradycardia", "fibrillation", "flutter", "escape", "pacemaker", "response"}
)
_CHAMBERS = frozenset({"atrial", "ventricular", "supraventricular", "junctional"})
_RATES = (20.0, 350.0)


def _open(tokens: list[Token], text: str) -> None:
    """Mark the numbers of ranges, of limits and of the atria's rate, in place."""
    for k, token in enumerate(tokens):
        if token.value is None:
            continue
        before = [t.meaning for t in tokens[max(0, k - 3) : k]]
        atrial = any({"atrial", "hr"} == set(pair) for pair in (before[-2:], before[-3:-1]))
        if atrial and (named := _ventricular(tokens, k)):
            named.meaning = "hr"  # "atrial rate 280, ventricular 140"
        after = tokens[k + 1] if k + 1 < len(tokens) else None
        if before[-2:] in (["p", "axis"], ["t", "axis"]) and not {"qrs", "r"} & set(before):
            token.meaning = OPEN
        if before[-1:] == ["until-now"]:  # "QTc 445, previously 510"
            token.meaning = OPEN
        if after is not None and after.value is not None and _RANGE.fullmatch(text[token.end : after.start]):
            token.meaning = after.meaning = OPEN
        elif (
            atrial or _extreme(tokens, k) or before[-1:] in (["limit"], ["atrial-rate"]) or before[-2:] == [OPEN, "and"]
        ):
            token.meaning = OPEN


def _extreme(tokens: list[Token], index: int) -> bool:
    """Whether a number is the least or greatest of a day: "min HR 45", "maximum rate of 132", "max. 140/min"."""
    near = [t.meaning for t in tokens[max(0, index - 3) : index]]
    least = [k for k, pair in enumerate(pairwise(near)) if pair == ("unit_min", "hr")]  # "min HR 45"
    place = max([k for k, meaning in enumerate(near) if meaning == "extreme-value"] + least, default=-1)
    return place >= 0 and set(near[place + 1 :]) <= {"hr", "ventricular", "sinus", "at"}


def _ventricular(tokens: list[Token], index: int) -> Token | None:
    """The word "ventricular" that a rate of the atria is followed by, where a number comes next."""
    for one, other in zip(tokens[index + 1 : index + 6], tokens[index + 2 : index + 7], strict=False):
        if one.meaning == "ventricular" and other.value is not None:
            return one
    return None


def _after_rhythm(tokens: list[Token], index: int, found: dict[str, float], used: set[int]) -> None:
    """Take a bare number after the name of a rhythm for its rate."""
    place = index - 2 if index and tokens[index - 1].meaning == "at" else index - 1
    if place > 0 and tokens[place].meaning == "," and _ends(tokens, index + 1):  # "sinus rhythm, 72, ..."
        place -= 1
    if place > 0 and tokens[place].meaning in _CHAMBERS:  # "fibrilación auricular @ 110"
        place -= 1
    value = tokens[index].value or 0.0
    rhythm = place >= 0 and (tokens[place].meaning in _RHYTHMS or _mean(tokens, place))
    if not rhythm or not _free(tokens, index) or not _RATES[0] <= value <= _RATES[1]:
        return
    if value == int(value):
        found.setdefault("heart_rate", value)
        used.add(index)


def _mean(tokens: list[Token], place: int) -> bool:
    """Whether a "mean" speaks of a rate that was named before: "HR 48-130, mean 72"."""
    return tokens[place].meaning == "mean" and any(t.meaning == "hr" for t in tokens[max(0, place - 9) : place])


def _at(tokens: list[Token], index: int, found: dict[str, float], used: set[int]) -> None:
    """Take the number of "..., V-sensed at 60" for the rate of the rhythm that is named before it."""
    value = tokens[index].value or 0.0
    sentence = takewhile(lambda t: t.meaning != ".", reversed(tokens[max(0, index - 8) : index]))
    named = any(t.meaning in _RHYTHMS for t in sentence)
    if named and _RATES[0] <= value <= _RATES[1] and value == int(value) and _free(tokens, index):
        found.setdefault("heart_rate", value)
        used.add(index)


#: Statements of the axis that a bare angle follows: "LAD (-40)", "LAFB, -60 degrees".
_AXES = frozenset({"=LAD", "=RAD", "=ARAD", "deviation", "left", "right", "normal"})


def _of_axis(tokens: list[Token], index: int, text: str, found: dict[str, float], used: set[int]) -> None:
    """Take an angle after a statement of the axis for the axis: "LAD -45 deg", "überdrehter Linkstyp (-40°)"."""
    near = [t.meaning for t in takewhile(lambda t: t.meaning != ".", reversed(tokens[max(0, index - 4) : index]))]
    unit = tokens[index + 1].meaning if index + 1 < len(tokens) else ""
    value = tokens[index].value or 0.0
    degrees = unit in ("unit_deg", "degree") or text[tokens[index].end :].lstrip()[:1] == "°"
    angle = degrees or (value < 0 and near[:1] and near[0] in _AXES)
    if angle and "block" not in near and {"axis", *_AXES} & set(near) and -180 <= value <= 360:
        found.setdefault("axis_deg", value - 360 if value > 180 else value)
        used.add(index)
        _skip_units(tokens, index + 1, used)


def _free(tokens: list[Token], index: int) -> bool:
    """Whether no unit after a number says that it is no rate."""
    unit = tokens[index + 1].meaning if index + 1 < len(tokens) else ""
    return unit not in ("degree", "unit_ms", "unit_s", "unit_deg", "year", "beat") and not tokens[index].leads


def _ends(tokens: list[Token], position: int) -> bool:
    """Whether nothing more is said of a number before the next break."""
    return position >= len(tokens) or tokens[position].meaning in (",", ".")


#: Fewer "per minute" are minutes.
_LEAST_BPM = 20.0
_LOOSE = frozenset({"unit_bpm", "unit_min", "unit_ms", "unit_s", "unit_deg", "sex_f", "sex_m", "year"})


def _names(tokens: list[Token], position: int) -> tuple[list[str], int]:
    """A quantity, or a list of intervals ("QT/QTc", "PR, QRS and QT"), and the place after it."""
    names = [tokens[position].meaning]
    position += 1
    if names[0] not in _INTERVALS:
        return names, position
    end = position
    while position < len(tokens):
        word = tokens[position].meaning
        if word in _INTERVALS:
            names.append(word)
            end = position + 1
        elif word not in ("and", "or", ","):
            break
        position += 1
    return names, end


def _assign(tokens: list[Token], names: list[str], position: int, found: dict[str, float], used: set[int]) -> None:
    """Numbers after their names, in order; one number after several names belongs to the last."""
    limit = min(len(tokens), position + _MAX_BETWEEN)
    while position < limit and tokens[position].value is None:
        if tokens[position].meaning not in _BETWEEN:
            return
        position += 1
    numbers: list[tuple[int, float]] = []  # place, value in ms, bpm, degrees or years
    while position < len(tokens) and len(numbers) < 3:
        value = tokens[position].value
        if value is None or position in used or tokens[position].meaning == OPEN:
            if not numbers or tokens[position].meaning not in ("and", "or"):
                break
            position += 1
            continue
        after = _skip_units(tokens, position + 1, set())
        units = [token.meaning for token in tokens[position + 1 : after]]
        if numbers and not units and len(names) == 1 and names[0] != "axis":
            break
        if not numbers and _foreign_unit(names[0], units):
            return
        in_seconds = "unit_s" in units or (0 < abs(value) < 3 and "unit_ms" not in units)
        numbers.append((position, round(value * 1000, 6) if in_seconds and names[0] in _INTERVALS else value))
        position = after
        if len(names) == 1 and names[0] != "axis":
            break
    if names == ["axis"] and numbers and numbers[0][1] in (1, 2, 3) and not units:
        return  # "Brugada-Typ 1"
    if names == ["axis"] and len(numbers) == 3:  # P, QRS and T axis
        used.update(place for place, _ in numbers)
        numbers = numbers[1:2]
    if len(numbers) < len(names):
        names, numbers = names[-1:], numbers[:1] if len(numbers) == 1 else []
    for name, (place, value) in zip(names, numbers, strict=False):
        # An angle is told from -180 to 180 or from 0 to 360 degrees; other numbers stay what they are.
        turned = value - 360 if name == "axis" and 180 < value <= 360 else value
        found.setdefault(_NAMES[name], turned)
        used.add(place)
        _skip_units(tokens, place + 1, used)


def _foreign_unit(name: str, units: list[str]) -> bool:
    """Whether a number's unit says that it is of something else: no interval is per minute, no rate in milliseconds."""
    per_minute, time = {"unit_bpm", "unit_min", "beat"}, {"unit_ms", "unit_s"}
    return bool((per_minute if name in _INTERVALS else time if name == "hr" else set()) & set(units))


def _by_unit(tokens: list[Token], index: int, found: dict[str, float], used: set[int]) -> None:
    """Take a number whose unit says what it is: beats per minute, years."""
    units = [token.meaning for token in tokens[index + 1 : index + 3]]
    value = tokens[index].value or 0.0
    # "80/min" is a rate, "for 2 min" a time; the stroke is gone here, so the number decides.
    if (
        units[:1] == ["unit_bpm"]
        or units == ["beat", "unit_min"]
        or (units[:1] == ["unit_min"] and value >= _LEAST_BPM)
    ):
        name = "heart_rate"
    elif units[:1] == ["year"]:
        name = "age"
    else:
        return
    found.setdefault(name, value)
    used.add(index)
    if name == "heart_rate":
        _skip_units(tokens, index + 1, used)


def _skip_units(tokens: list[Token], position: int, used: set[int]) -> int:
    while position < len(tokens) and tokens[position].meaning in _UNITS:
        used.add(position)
        position += 1
    return position
