"""Two scores of a twin: is it still the same person, and does it show what was asked for.

Identity is the cosine of identity embeddings, read against the threshold at which the extractor confuses held-out
persons least. It comes from the network that the generator was told about the person by, so it is a check and no proof;
the benchmark judges identity with an extractor of its own. Achievement is measured on the signal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from diffusion.conditions.condition import Condition
from gen.text.phrases import rhythms
from metrics.measurement.criteria import CRITERIA
from metrics.measurement.parameters import Parameters

RATE_TOLERANCE_BPM = 5.0
#: How much more of it a twin has to show to count as moved: about what two ECGs of one condition differ by.
MOVED = 1.1


def moved(code: str, before: Parameters, after: Parameters, sex: str | None = None) -> bool:
    """Whether what a statement is measured on went its way by a tenth or more, from one ECG to another.

    Raises:
        ValueError: the statement's criterion has no degree.
    """
    degree = CRITERIA[code].degree
    if degree is None:
        raise ValueError(f"{code}: its criterion is not measured on one number")
    return bool(degree(after, sex) >= MOVED * degree(before, sex))


#: Findings that the order of the beats shows, and not their form.
RHYTHMIC = (rhythms() - {"PACE"}) | {"BIGU", "TRIGU"}
#: Goes with any finding, whose ECG may still meet all of its limits.
_WHOLE = frozenset({"NORM"})


def unmet(own: Condition, target: Condition, before: Parameters, after: Parameters) -> list[str]:
    """Codes of findings that came and are not to be seen, or went and still are; what cannot be measured is left out.

    A finding that the person showed already, unsaid, counts where it is measured on one number that should have moved.
    """
    out = []
    came, went = _codes(target) - _codes(own), _codes(own) - _codes(target)
    for code in sorted(came & set(CRITERIA)):
        criterion = CRITERIA[code]
        seen = criterion.met(after, target.sex)
        if criterion.degree is not None and not criterion.met(before, own.sex):
            seen = seen and moved(code, before, after, target.sex)
        if not seen:
            out.append(code)
    gone = sorted(went & set(CRITERIA) - _WHOLE)
    return out + [code for code in gone if CRITERIA[code].met(after, target.sex)]


#: Sinus rhythms whatever the rate.
_SINUS = frozenset({"SR", "SARRH"})
_RHYTHMS = rhythms("sinus", "main")
#: Twins of another person's look that are named.
_NAMED = 5


@dataclass(frozen=True)
class TwinScores:
    """Scores of one twin.

    Attributes:
        identity: cosine of its identity embedding and the reference's, -1 to 1.
        threshold: cosine from which on two ECGs are taken as one person's, None where unknown.
        achieved: share of the checks that are met, None where nothing asked for can be checked.
        checks: name -> whether it is met.
    """

    identity: float
    threshold: float | None
    achieved: float | None
    checks: Mapping[str, bool]

    @property
    def kept(self) -> bool | None:
        """Whether twin and reference are taken as one person's; None where the threshold is unknown."""
        return None if self.threshold is None else self.identity >= self.threshold

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "identity": round(self.identity, 4),
            "identity_threshold": None if self.threshold is None else round(self.threshold, 4),
            "identity_kept": self.kept,
            "achieved": self.achieved,
            "checks": dict(self.checks),
        }


def not_kept(scores: Mapping[str, TwinScores]) -> str | None:
    """A line on the twins that are not taken as the person's, None where all are.

    Args:
        scores: name of each twin -> its scores.
    """
    found = {name: each for name, each in scores.items() if each.kept is False}
    if not found:
        return None
    named = ", ".join(f"{name} ({each.identity:.2f})" for name, each in list(found.items())[:_NAMED])
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    limit = next(iter(found.values())).threshold
    return (
        f"{len(found)} of {len(scores)} twins would not be taken for the person's: identity below {limit:.2f} in "
        f"{named}{more}; other seeds, a smaller change or --strength below 1 keep more of the person"
    )


def checks_of(own: Condition, target: Condition, measured: Parameters) -> dict[str, bool]:
    """Which of the changes from ``own`` to ``target`` the measured parameters show.

    Statements in both conditions are no change and are not asked; a removed one is met when its criterion is not. A
    sinus rhythm that is merely not named again goes on: only another rhythm ends it.
    """
    found: dict[str, bool] = {}
    if target.heart_rate is not None:
        rate = measured.hr_bpm
        found["heart_rate"] = bool(isfinite(rate) and abs(rate - target.heart_rate) <= RATE_TOLERANCE_BPM)
    after, before = _codes(target), _codes(own)
    for code in sorted((after - before) & set(CRITERIA)):
        found[code] = bool(CRITERIA[code].met(measured, target.sex))
    goes_on = _WHOLE if after & _RHYTHMS else _WHOLE | _SINUS
    for code in sorted((before - after) & set(CRITERIA) - goes_on):
        found[f"no {code}"] = measured.failure is None and not CRITERIA[code].met(measured, target.sex)
    return found


def score(cosine: float, threshold: float | None, checks: Mapping[str, bool]) -> TwinScores:
    """Both scores from their parts."""
    achieved = sum(checks.values()) / len(checks) if checks else None
    return TwinScores(float(cosine), threshold, achieved, dict(checks))


def _codes(condition: Condition) -> set[str]:
    return condition.text.codes() if condition.text is not None else set()
