"""Questions and answers about an ECG in which every number is a measured one.

The form is the one that GEM (arXiv:2503.06073) trains on: a list of items with ``id``, ``ecg`` and ``image`` (paths),
and ``conversations`` of a human and a model. Each item says beside that which measured values its answer rests on.
"""

from collections.abc import Sequence
from typing import Any

from metrics.measurement.delineation.delineator import Delineation
from metrics.measurement.parameters import Parameters
from metrics.multimodal.findings import Evidence, Finding, measured

#: What a general answer goes through, in the order a reader does: rate and rhythm, conduction, axis, voltage.
_STEPS = ("hr_bpm", "rr_cv", "p_present", "pr_ms", "qrs_ms", "qtcb_ms", "axis_deg", "sokolow_mv")
_ASKED = (
    ("hr_bpm", "What is the heart rate?"),
    ("pr_ms", "How long is the PR interval?"),
    ("qrs_ms", "How long does the QRS complex last?"),
    ("qtcb_ms", "What is the QT interval, corrected after Bazett?"),
    ("axis_deg", "Where does the frontal axis of the QRS complex point?"),
)
#: What a model of this family is told that signal and picture stand for.
_GIVEN = "<ecg>\n<image>\n"


def items(
    name: str,
    ecg: str,
    image: str,
    parameters: Parameters,
    found: Sequence[Finding],
    waves: Delineation | None = None,
    *,
    synthetic: bool,
) -> list[dict[str, Any]]:
    """Items of one ECG: its interpretation step by step, single quantities, and each finding that has a criterion.

    Args:
        name: of the record; items are numbered behind it.
        ecg, image: paths of signal and picture within the set.
        parameters: measured on it; nothing is asked about what could not be measured.
        found: of the record.
        waves: delineated on it, for the stretches of time that carry a value.
        synthetic: whether the record is generated.
    """
    pairs = [_interpretation(parameters, found, waves)]
    values = {each.quantity: each for each in measured(parameters, waves=waves)}
    pairs += [(question, _sentence(values[key]), [values[key]]) for key, question in _ASKED if key in values]
    pairs += [_about(each) for each in found if each.shown is not None and each.evidence]
    return [
        {
            "id": f"{name}-{k}",
            "record_id": name,
            "ecg": ecg,
            "image": image,
            "conversations": [
                {"from": "human", "value": _GIVEN + question},
                {"from": "gpt", "value": answer},
            ],
            "evidence": [each.as_dict() for each in evidence],
            "synthetic": synthetic,
        }
        for k, (question, answer, evidence) in enumerate(pairs)
    ]


Pair = tuple[str, str, list[Evidence]]


def _sentence(evidence: Evidence) -> str:
    text = evidence.text
    return f"{text[0].upper()}{text[1:]}{_where(evidence.leads)}."


def _where(leads: Sequence[str]) -> str:
    if len(leads) == 12:
        return " over all leads"
    return f" in {', '.join(leads[:-1])} and {leads[-1]}" if len(leads) > 1 else f" in {leads[0]}"


def _interpretation(parameters: Parameters, found: Sequence[Finding], waves: Delineation | None) -> Pair:
    steps = measured(parameters, _STEPS, waves)
    text = [_sentence(each) for each in steps]
    rhythm = parameters.rhythm.words
    text.append(f"The beats and P waves make: {rhythm}.")
    shown = [each for each in found if each.shown and each.evidence]
    for each in shown:
        text.append(f"{_reason(each)}: this speaks for {each.name}.")
    names = [each.name for each in shown]
    text.append(f"Conclusion: {'; '.join(names)}." if names else "Conclusion: none of the measured criteria is met.")
    evidence = {e.quantity: e for e in [*steps, *(e for each in shown for e in each.evidence)]}
    return (
        "Interpret this ECG step by step, from what is measured to what it means.",
        " ".join(text),
        [*evidence.values()],
    )


def _reason(finding: Finding) -> str:
    parts = " and ".join(each.text for each in finding.evidence)
    return f"{parts[0].upper()}{parts[1:]}"


def _about(finding: Finding) -> Pair:
    answer = "Yes" if finding.shown else "Not by its measured criterion"
    return f"Does this ECG show {finding.name}?", f"{answer}: {_reason(finding)}.", list(finding.evidence)
