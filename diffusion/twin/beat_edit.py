"""What is done to a person's beat besides the learned change: numbers that were asked for, and limits of amplitudes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from diffusion.beats.criteria import axis_of
from diffusion.beats.plausible import P_MV, QRS_MV, ST_T_MV, fault
from diffusion.beats.shape import LEAD_IN, NUM_LEADS, POINTS, QRS, BeatShape
from diffusion.conditions.condition import Condition
from diffusion.twin.amplitudes import allowed, heights, larger, outside
from diffusion.twin.beat_change import BeatCondition
from diffusion.twin.scores import RATE_TOLERANCE_BPM, RHYTHMIC, unmet
from gen.leads import LEADS_12
from gen.text.phrases import touching
from metrics.measurement.criteria import CRITERIA
from metrics.measurement.parameters import Parameters

Array = npt.NDArray[np.float64]
#: Leads that are drawn and that each measured lead is made of.
_MADE_OF: Mapping[str, tuple[int, ...]] = {
    **{lead: (k,) for k, lead in enumerate(("I", "II", "V1", "V2", "V3", "V4", "V5", "V6"))},
    **dict.fromkeys(("III", "aVR", "aVL", "aVF"), (0, 1)),
}
#: Findings that the prevailing complex has a form of its own with; premature beats and usual axes have none.
_ECTOPIC = frozenset({"PVC", "PAC", "PRC(S)", "BIGU", "TRIGU", "COUP", "SVARR"})
_QRS_FORM = touching("qrs") - _ECTOPIC - {"SAB", "MID", "AXIND", "ARTEF", "REVERSAL"}
#: Years over which a beat stays what it is.
_YEARS = 5.0
#: Amplitudes are brought this far inside their range: beats differ a little.
_INSIDE = 0.96
#: A lead is not made larger than this many times.
_MOST = 1.6
#: The form is not brought over the limit of a finding by more than this.
_ENFORCED_MOST = 3.0
#: What findings are brought to, as a share of their limit, and how much more of it than before; see
#: `diffusion.twin.scores.moved`.
_OVER, _BELOW, _FARTHER = 1.06, 0.94, 1.16


def beat_condition(condition: Condition, heart_rate: float, has_p: bool) -> BeatCondition:
    """A condition as the change of a beat is told it."""
    codes = condition.text.codes() if condition.text is not None else ()
    return BeatCondition(frozenset(codes), heart_rate, condition.age, condition.sex, has_p)


def with_numbers(shape: BeatShape, numbers: Mapping[str, float]) -> BeatShape:
    """A form with the intervals and the axis that were asked for (``qrs_ms``, ``qt_ms``, ``pr_ms``, ``axis_deg``)."""
    if "qrs_ms" in numbers:
        off = shape.on_s + numbers["qrs_ms"] / 1e3
        shape = replace(shape, off_s=off, t_off_s=max(shape.t_off_s, off + 0.10))
    if "qt_ms" in numbers:
        shape = replace(shape, t_off_s=max(shape.on_s + numbers["qt_ms"] / 1e3, shape.off_s + 0.08))
    if "pr_ms" in numbers:
        shape = replace(shape, pr_s=numbers["pr_ms"] / 1e3)
    if "axis_deg" in numbers:
        shape = shape.mixed(turned(numbers["axis_deg"] - axis_of(shape)))
    return shape


def turned(degrees: float) -> Array:
    """(8, 8) mixing of leads that turns the heart in the frontal plane; chest leads are left alone."""
    angle = np.deg2rad(degrees)
    # aVF points down with 2 / sqrt(3) of the scale of I: aVF = II - I / 2.
    to_plane = np.array([[1.0, 0.0], [-1.0 / np.sqrt(3.0), 2.0 / np.sqrt(3.0)]])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    out = np.eye(NUM_LEADS)
    out[:2, :2] = np.linalg.inv(to_plane) @ turn @ to_plane
    return out


def held(shape: BeatShape, measured: Parameters, codes: Collection[str]) -> BeatShape:
    """A form with leads that are larger or smaller than in recordings with the findings brought into their range."""
    limits, _ = allowed(codes)
    found = heights(measured)
    with np.errstate(invalid="ignore", divide="ignore"):
        less = np.nanmin(np.where(found > limits.high, _INSIDE * limits.high / found, 1.0), axis=0)
        more = np.where(larger(found) < limits.low, limits.low / (_INSIDE * larger(found)), 1.0).clip(1, _MOST)
    if "LVOLT" in codes:  # small leads are what was asked for
        more = np.ones_like(more)
    gain = np.ones(NUM_LEADS)
    for lead, (down, up) in zip(LEADS_12, zip(less.tolist(), more.tolist(), strict=True), strict=True):
        factor = down if down < 1 else up
        for made_of in _MADE_OF[lead]:
            if factor < 1 or gain[made_of] >= 1:
                gain[made_of] = min(gain[made_of], factor) if factor < 1 else max(gain[made_of], factor)
    return possible(replace(shape, qrst=gain[:, None] * shape.qrst))


def possible(shape: BeatShape) -> BeatShape:
    """A form whose waves are larger than a heart makes them brought under the limits of `diffusion.beats.plausible`."""
    complex_, rest = shape.qrst[:, : LEAD_IN + QRS], shape.qrst[:, LEAD_IN + QRS :]
    factors = [
        min(1.0, _INSIDE * limit / max(float(np.abs(wave).max()), 1e-6))
        for wave, limit in ((complex_, QRS_MV), (rest, ST_T_MV), (shape.p, P_MV))
    ]
    weight = np.interp(np.arange(POINTS), [LEAD_IN + QRS, LEAD_IN + QRS + 8], factors[:2])
    return replace(shape, qrst=weight * shape.qrst, p=factors[2] * shape.p)


def enforced(
    shape: BeatShape, missing: Collection[str], before: Parameters, after: Parameters, sex: str | None, gone: bool
) -> BeatShape:
    """A form that is brought over the limit of what findings are measured on.

    Args:
        shape: as it was drawn.
        missing: codes that it should show, or should show no longer.
        before, after: measured on the reference and on the drawn twin.
        sex: of the person.
        gone: whether the findings should be gone.
    """
    for code in sorted(missing):
        degree = CRITERIA[code].degree
        if degree is None:
            continue
        now, was = degree(after, sex), degree(before, sex)
        wanted = _BELOW if gone else max(_OVER, _FARTHER * min(was, 1.0))
        if not np.isfinite(now) or now <= 0:
            continue
        ratio = float(np.clip(wanted / now, 1 / _ENFORCED_MOST, _ENFORCED_MOST))
        if code == "LVH":
            shape = replace(shape, qrst=ratio * shape.qrst)
        elif code == "LVOLT":  # the degree is of how small the limb leads are
            gain = np.ones(NUM_LEADS)
            gain[:2] = 1.0 / ratio
            shape = replace(shape, qrst=gain[:, None] * shape.qrst)
        elif code == "1AVB":
            shape = replace(shape, pr_s=ratio * shape.pr_s)
        else:  # the length of QRS
            more = (ratio - 1.0) * (shape.off_s - shape.on_s)
            shape = replace(shape, off_s=shape.off_s + more, t_off_s=shape.t_off_s + max(more, 0.0))
    return shape


@dataclass(frozen=True)
class Verdict:
    """How a drawn twin stands.

    Attributes:
        impossible: why no heart makes its beat; empty where one can.
        outside: amplitudes outside those of recordings with the findings.
        missing: codes of findings asked for, or that should have gone, whose criteria say otherwise.
    """

    impossible: str
    outside: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Nothing is wrong."""
        return not (self.impossible or self.outside or self.missing)

    @property
    def weight(self) -> tuple[bool, bool, int]:
        """The larger, the worse."""
        return bool(self.impossible), bool(self.outside), len(self.missing)

    @property
    def measurable(self) -> bool:
        """Whether a finding is missed that is measured on one number of the beat's form."""
        return any(CRITERIA[code].degree is not None for code in self.missing)

    @property
    def irregular(self) -> bool:
        """Whether the rhythm is what is wrong."""
        return any(code in RHYTHMIC for code in self.missing)


def judged(own: Condition, target: Condition, shape: BeatShape, before: Parameters, after: Parameters) -> Verdict:
    """How a twin stands that was measured.

    Args:
        own, target: conditions of the person and of the twin.
        shape: the twin's prevailing beat.
        before, after: measured on the reference and on the twin.
    """
    kept = not changes_qrs(own, target)  # a complex that is not changed may be as unusual as it was
    found = outside(after, judged_codes(own, target), unless=before if kept else None)
    impossible = "" if kept else fault(shape)
    return Verdict(impossible, tuple(found), tuple(unmet(own, target, before, after)))


def changes_qrs(own: Condition, target: Condition) -> bool:
    """Whether findings come or go that the form of QRS comes and goes with, or the age changes."""
    differ = added_codes(own, target) | added_codes(target, own)
    return bool(differ & _QRS_FORM) or _other_age(own, target)


def changes_pr(own: Condition, target: Condition, rr_s: float) -> bool:
    """Whether findings come or go that PR depends on, or the rate or the age changes."""
    differ = added_codes(own, target) | added_codes(target, own)
    rate = own.heart_rate is None or abs(60.0 / rr_s - own.heart_rate) > RATE_TOLERANCE_BPM
    return bool(differ & touching("pr")) or rate or _other_age(own, target)


def _other_age(own: Condition, target: Condition) -> bool:
    return own.age is not None and target.age is not None and abs(own.age - target.age) > _YEARS


def judged_codes(own: Condition, target: Condition) -> frozenset[str]:
    """Findings that come, as far as amplitudes of recordings with them say something of the prevailing beat."""
    return added_codes(own, target) - _ECTOPIC


def added_codes(own: Condition, target: Condition) -> frozenset[str]:
    """Findings that come."""
    after, before = (frozenset(c.text.codes()) if c.text is not None else frozenset() for c in (target, own))
    return after - before
