"""Fits the table of rhythms to the beats of recordings."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffusion.rhythm.plan import BeatKind, BeatPlan
from diffusion.rhythm.population import fit_variation
from diffusion.rhythm.request import MECHANISMS, RhythmRequest
from diffusion.rhythm.table import LEAST, TEXTBOOK, RhythmTable
from diffusion.rhythm.variation import Array
from gen.records import InputError
from gen.text.phrases import rhythms

_SINUS = rhythms("sinus")
_NOT_SINUS = frozenset(
    {"AFIB", "AFLT", "PACE", "3AVB", "2AVB", "SVTAC", "PSVT", "PVC", "PAC", "PRC(S)", "BIGU", "TRIGU", "SVARR", "VT"}
)
#: An interval beyond these times the median is a missed beat or a doubled one.
_DOUBLED, _MISSED = 0.55, 1.7
_QUANTILES = 41


@dataclass(frozen=True, eq=False)
class Example:
    """Beats of a recording, its statements, and the person's age in years."""

    plan: BeatPlan
    codes: frozenset[str]
    age: float


def sinus_examples(examples: Sequence[Example]) -> list[Example]:
    """Those in undisturbed sinus rhythm: five intervals and more, no ectopic, missed or doubled beat."""
    return [
        example
        for example in examples
        if example.codes & _SINUS
        and not example.codes & _NOT_SINUS
        and len(example.plan.rr_s) >= 5
        and not example.plan.kinds.any()
        and _plausible(example.plan.rr_s)
    ]


def _plausible(rr: Array) -> bool:
    usual = float(np.median(rr))
    return bool(rr.min() > _DOUBLED * usual and rr.max() < _MISSED * usual)


def fit_table(examples: Sequence[Example], about: Mapping[str, Any], *, candidates: int = 8192) -> RhythmTable:
    """The table from recordings; for mechanisms with fewer than `LEAST` of them, textbook numbers.

    Raises:
        InputError: fewer than 50 recordings in sinus rhythm, or `LEAST` in fibrillation.
    """
    sinus = sinus_examples(examples)
    fibrillating = [e for e in _of(examples, {"AFIB"}, {"PACE", "AFLT", "3AVB", "PVC"}) if len(e.plan.rr_s) >= 5]
    if len(sinus) < 50 or len(fibrillating) < LEAST:
        raise InputError(
            f"{len(sinus)} recordings in undisturbed sinus rhythm, {len(fibrillating)} in atrial fibrillation; "
            f"expected 50 and {LEAST} at least"
        )
    variation = fit_variation(
        [e.plan.rr_s for e in sinus], [e.age for e in sinus], ["SARRH" in e.codes for e in sinus], candidates=candidates
    )
    counts = {"sinus": len(sinus), "fibrillation": len(fibrillating)}
    return RhythmTable(
        variation=variation,
        rates=_rates(examples),
        pr=_pr(examples),
        fibrillation=_fibrillation(fibrillating),
        flutter=_flutter(examples),
        ectopy={"PVC": _ectopy(examples, "PVC", counts), "PAC": _ectopy(examples, "PAC", counts)},
        about={**about, "recordings": counts},
    )


def _of(examples: Sequence[Example], some: Collection[str], none: Collection[str] = ()) -> list[Example]:
    return [e for e in examples if e.codes & set(some) and not e.codes & set(none) and len(e.plan.rr_s) >= 3]


def _rates(examples: Sequence[Example]) -> dict[str, tuple[float, float]]:
    found: dict[str, list[float]] = {}
    for example in examples:
        rate = example.plan.heart_rate_bpm
        if not np.isfinite(rate):
            continue
        mechanism = RhythmRequest(codes=example.codes).mechanism
        names = [mechanism] if mechanism != "sinus" else ["sinus", *(example.codes & {"STACH", "SBRAD", "SARRH"})]
        for name in names:
            found.setdefault(name, []).append(float(np.log(rate)))
    rates = dict(TEXTBOOK)
    for name, logs in sorted(found.items()):
        if len(logs) >= LEAST:
            rates[name] = (round(float(np.exp(np.median(logs))), 2), round(float(np.std(logs)), 4))
    missing = [name for name in MECHANISMS if name not in rates]
    if missing or not {"STACH", "SBRAD", "SARRH"} <= set(rates):
        raise InputError(f"too few recordings to learn the rates of {', '.join(missing) or 'STACH, SBRAD, SARRH'}")
    return rates


def _pr(examples: Sequence[Example]) -> dict[str, list[float]]:
    rows: list[list[float]] = []
    values: list[float] = []
    long: list[float] = []
    for example in _of(examples, _SINUS, _NOT_SINUS | {"WPW"}):
        pr = example.plan.pr_s[np.isfinite(example.plan.pr_s)]
        if len(pr) < 5:
            continue
        log_pr = float(np.log(1e3 * np.median(pr)))
        if example.codes & {"1AVB", "LPR"}:
            long.append(log_pr)
        else:
            rows.append([1.0, (example.age - 60.0) / 20.0, np.log(float(example.plan.rr_s.mean()) / 0.85)])
            values.append(log_pr)
    x, y = np.array(rows), np.array(values)
    weights = np.linalg.lstsq(x, y, rcond=None)[0]
    # Readers call a block from 200 ms on; a stated one that measures less was read in another lead.
    beyond = np.array([v for v in long if v > np.log(200.0)])
    return {
        "normal": [round(float(v), 4) for v in (*weights, (y - x @ weights).std())],
        "long": [round(float(v), 4) for v in (beyond.mean(), beyond.std())],
    }


def _fibrillation(examples: Sequence[Example]) -> dict[str, Any]:
    spread: list[float] = []
    rate: list[float] = []
    memory: list[float] = []
    shape: list[float] = []
    for example in examples:
        y = np.log(example.plan.rr_s)
        d = y - y.mean()
        spread.append(np.log(y.std(ddof=1)))
        rate.append(np.log(example.plan.heart_rate_bpm / 88.0))
        # The estimate of a short series is too low by about 1 / n.
        memory.append(float((d[1:] * d[:-1]).sum() / (d**2).sum()) + 1.0 / len(y))
        shape.extend((d / d.std(ddof=1)).tolist())
    slope, mean = np.polyfit(rate, spread, 1)
    left = np.array(spread) - mean - slope * np.array(rate)
    # Of the scatter of the estimates, what the length of the recordings makes is not the people's.
    length = np.mean([len(e.plan.rr_s) for e in examples])
    own = np.sqrt(max(float(left.var()) - 0.5 / float(length), 0.05**2))
    between = np.sqrt(max(float(np.var(memory)) - 1.0 / float(length), 0.03**2))
    quantiles = np.quantile(shape, np.linspace(0, 1, _QUANTILES))
    quantiles = (quantiles - np.mean(shape)) / np.std(shape)
    return {
        "spread": [round(float(v), 4) for v in (mean, own, slope)],
        "memory": [round(float(np.mean(memory)), 4), round(float(between), 4)],
        "quantiles": np.round(quantiles, 4).tolist(),
    }


def _flutter(examples: Sequence[Example]) -> dict[str, float]:
    cv = np.array([e.plan.rr_s.std() / e.plan.rr_s.mean() for e in _of(examples, {"AFLT"}, {"PACE"})])
    fixed = [
        float((e.plan.rr_s - np.median(e.plan.rr_s)).std())
        for e in _of(examples, {"AFLT"}, {"PACE"})
        if e.plan.rr_s.std() < 0.05 * e.plan.rr_s.mean()
    ]
    share = float((cv > 0.05).mean()) if len(cv) else 0.4
    return {
        "recordings": len(cv),
        "changing": round(float(np.clip(share, 0.2, 0.6)), 3),
        "jitter_s": round(float(np.median(fixed)) / 2**0.5 if fixed else 0.006, 4),
    }


def _ectopy(examples: Sequence[Example], code: str, counts: dict[str, int]) -> dict[str, float]:
    kind = BeatKind.VENTRICULAR if code == "PVC" else BeatKind.ATRIAL
    middle: list[float] = []
    within: list[float] = []
    pause: list[float] = []
    share: list[float] = []
    for example in _of(examples, {code}, {"AFIB", "AFLT", "PACE", "SARRH"}):
        kinds, rr = example.plan.kinds, np.diff(example.plan.times_s)
        usual = rr[(kinds[1:] == 0) & (kinds[:-1] == 0)]
        at = np.flatnonzero(kinds == kind)
        at = at[(at >= 1) & (at < len(kinds) - 1)]
        alone = at[(kinds[at - 1] == 0) & (kinds[at + 1] == 0)] if len(at) else at
        if len(usual) < 2 or not len(alone):
            continue
        coupling = np.log(rr[alone - 1] / np.median(usual))
        middle.append(float(np.median(coupling)))
        within.extend((coupling - np.median(coupling)).tolist() if len(coupling) > 1 else [])
        pause.extend((rr[alone] / np.median(usual)).tolist())
        share.append(len(at) / max(int((kinds == 0).sum()), 1))
    counts[code] = len(middle)
    return {
        "coupling": round(float(np.exp(np.median(middle))), 4),
        "between": round(float(np.std(middle)), 4),
        # Two or three beats a recording: their own mean takes a third of the scatter.
        "within": round(1.2 * float(np.std(within)), 4),
        "pause": round(float(np.median(pause)), 4),
        "share": round(float(np.mean(share)), 4),
    }
