"""Traffic lights: where a figure lies between real half against real half and a trivial generator."""

from typing import Literal

from metrics.report.entries import Entry

Light = Literal["green", "amber", "red", "none"]

#: A light in words; figures with a floor, and paired errors, which have none.
WORDS: dict[Light, str] = {"green": "as real", "amber": "not as real", "red": "far from real", "none": ""}
PAIRED_WORDS: dict[Light, str] = {
    "green": "small",
    "amber": "middling",
    "red": "as the mean beat",
    "none": "",
}
LEGEND = (
    "'As real' (green): inside the interval of real half against real half, nothing else. 'Not as real' (amber): "
    "outside of it. 'Far from real' (red): more than half of the way to the trivial generator. Floor and light use the "
    "value at the floor's number of records (column 'at floor n'), because distances grow as records get fewer. "
    "Measures that should be as in the real set are judged by their distance to it, on either side. "
    "Paired errors have no real floor: 'small' (green) is below a quarter of the mean beat's error. "
    "A judge that learned from the scored generator's data gives no light."
)
_FAR = 0.5


def light(each: Entry) -> Light:
    """Light of one figure; ``none`` where there is nothing to compare it with."""
    if each.value is None or each.extra.get("descriptive") or each.extra.get("partial_judge"):
        return "none"
    if each.section == "Privacy":
        return _privacy(each)
    if each.floor is None:
        return _paired(each)
    value = each.value if each.at_floor_n is None else each.at_floor_n
    low, high = each.floor_ci or _own_interval(each, each.floor)
    sign = 1.0 if each.better == "lower" else -1.0
    outside = max(low - value, value - high) if each.as_in_real else sign * value - max(sign * low, sign * high)
    if outside <= 1e-12:
        return "green"
    if each.baseline is None:
        return "amber"
    away = abs(value - each.floor) if each.as_in_real else sign * (value - each.floor)
    span = abs(each.baseline - each.floor)
    return "amber" if span > 1e-12 and away / span <= _FAR else "red"


def words(each: Entry) -> str:
    """The light of a figure in words; empty where it has none."""
    return (PAIRED_WORDS if each.floor is None and each.section != "Privacy" else WORDS)[light(each)]


def _own_interval(each: Entry, floor: float) -> tuple[float, float]:
    """For a floor without an interval: the value's own, laid around it."""
    if each.ci is None or each.value is None:
        return floor, floor
    return floor + each.ci[0] - each.value, floor + each.ci[1] - each.value


def _paired(each: Entry) -> Light:
    """No floor: between the ideal and the trivial generator."""
    if each.baseline is None or each.ideal is None or each.value is None:
        return "none"
    span = each.baseline - each.ideal
    if abs(span) < 1e-12:
        return "none"
    share = (each.value - each.ideal) / span
    return "green" if share <= 0.25 else "amber" if share < 1 else "red"


def _privacy(each: Entry) -> Light:
    if each.name == "near_copy_share":
        return "green" if each.value == 0 else "red"
    if each.ci is None or each.ideal is None:
        return "none"
    return "green" if each.ci[0] <= each.ideal else "amber" if each.ci[0] <= 0.6 else "red"
