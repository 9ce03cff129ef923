"""Traffic lights: where a figure lies between real half against real half and a trivial generator."""

from typing import Literal

from metrics.report.entries import Entry

Light = Literal["green", "amber", "red", "none"]

SYMBOLS: dict[Light, str] = {"green": "🟢", "amber": "🟡", "red": "🔴", "none": ""}
LEGEND = (
    "🟢 as good as real data: inside the spread of real half against real half, or within 5 % of the way from there to "
    "the trivial generator. 🟡 in between. 🔴 more than half of the way to the trivial generator. Floor and light use "
    "the value at the floor's number of records (column 'at floor n'), because distances grow as records get fewer. "
    "Paired errors have no real floor: 🟢 below a quarter of the mean beat's error, 🔴 no better than the mean beat."
)
_NEAR, _FAR = 0.05, 0.5


def light(each: Entry) -> Light:
    """Light of one figure; ``none`` where there is nothing to compare it with."""
    if each.value is None or each.extra.get("descriptive"):
        return "none"
    if each.section == "Privacy":
        return _privacy(each)
    if each.floor is None:
        return _paired(each)
    value = each.value if each.at_floor_n is None else each.at_floor_n
    sign = 1.0 if each.better == "lower" else -1.0
    worst = max(sign * bound for bound in each.floor_ci) if each.floor_ci else sign * each.floor
    worse = sign * value
    # Without halves, value and floor each have an interval of their own: overlapping ones are no difference.
    likely = min(sign * bound for bound in each.ci) if each.at_floor_n is None and each.ci else worse
    if each.name.startswith(("density", "spread_ratio", "vendi_score")):
        # Crowding and excess variety are faults, too: both sides of the floor count.
        return _by_share(abs(value - each.floor), 0.0, each, spread=_half_width(each))
    if min(worse, likely) <= worst + 1e-12:
        return "green"
    return _by_share(worse - sign * each.floor, 0.0, each)


def _by_share(distance: float, start: float, each: Entry, spread: float = 0.0) -> Light:
    if distance <= start + spread + 1e-12:
        return "green"
    if each.baseline is None or each.floor is None:
        return "amber"
    span = abs(each.baseline - each.floor)
    share = distance / span if span > 1e-12 else float("inf")
    return "green" if share <= _NEAR else "amber" if share <= _FAR else "red"


def _half_width(each: Entry) -> float:
    if each.floor is None or each.floor_ci is None:
        return 0.0
    return max(abs(bound - each.floor) for bound in each.floor_ci)


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
