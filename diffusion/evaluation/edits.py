"""Does an edit change what was asked for, and nothing else? ``physiogen evaluate edits --hearts 40``.

Each simulated heart is seen as *reference* (visit 0, before), as *edit* (what the pipeline makes of the reference), and
as *repeat* (visit 1, before). What an edit should not change may differ from the reference as much as the repeat does:
the error of measuring a person twice, with other electrodes, on another day. ``within`` is the share of edits that
differ by no more than the 95th percentile of the repeats, ``excess`` the mean paired difference of edit and repeat.

Three more say what to expect: the *perfect* edit (visit 1, simulated in the condition asked for), the *same day*
(visit 0 in that condition: how much the quantity truly moves), and a *stranger* (the next heart, before).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from diffusion.evaluation.differences import QUANTITIES, Seen, look
from diffusion.evaluation.intervals import interval
from diffusion.evaluation.settings import Edits
from diffusion.twin.batch import twins_of, usable_people
from diffusion.twin.change import Change
from diffusion.twin.scores import RATE_TOLERANCE_BPM
from gen.evaluations import Progress, silent
from gen.leads import LEADS_12
from gen.records import EcgRecord, InputError
from gen.results import Data, Results, Value
from metrics.measurement.parameters import Parameters

if TYPE_CHECKING:
    from diffusion.twin.pipeline import ECGTwinPipeline

#: Of the measured edit, the measured reference and its rate in bpm.
Check = Callable[[Parameters, Parameters, float], bool]
#: A cohort of its own; see `diffusion.twin.recipes` for those of training and selection.
COHORT = 5_500_021
#: RR variation up to which a rhythm counts as regular.
REGULAR = 0.10
#: Lead order of ST levels that a lateral depression shows in.
_LATERAL = [LEADS_12.index(name) for name in ("V4", "V5", "V6")]


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One kind of edit.

    Attributes:
        before, after: statements that the heart is simulated with.
        change: what the pipeline is asked for, besides the rate.
        kept: names of `QUANTITIES` that must not move.
        shown: name -> whether (ECG, reference, rate asked for) shows what was asked for.
        rate: which one is asked for: the reference's "own" or an "other"; None leaves it to the pipeline.
    """

    before: tuple[str, ...]
    after: tuple[str, ...]
    change: Change
    kept: tuple[str, ...]
    shown: Mapping[str, Check]
    rate: Literal["own", "other"] | None = None


_QRS = ("QRS shape, 1 - r", "QRS shape, residual", "QRS duration", "QRS axis", "voltage (Sokolow-Lyon)")
_ATRIA = ("RR variation", "P before beats", "PR")


def _lateral_st(p: Parameters) -> float:
    return float(np.mean(p.st_mv[_LATERAL]))


def _same_rate(p: Parameters, reference: Parameters, rate: float) -> bool:
    return abs(p.hr_bpm - reference.hr_bpm) <= RATE_TOLERANCE_BPM


_NO_FIBRILLATION: Mapping[str, Check] = {
    "P before most beats": lambda p, *_: p.p_present >= 0.5,
    f"RR variation < {REGULAR:g}": lambda p, *_: p.rr_cv < REGULAR,
}

#: What is edited, by name.
EDITS: Mapping[str, Edit] = {
    "remove atrial fibrillation": Edit(
        before=("AFIB",),
        after=("SR",),
        change=Change(remove="atrial fibrillation"),
        kept=_QRS,
        shown=_NO_FIBRILLATION,
    ),
    "remove atrial fibrillation, rate given": Edit(
        before=("AFIB",),
        after=("SR",),
        change=Change(remove="atrial fibrillation"),
        kept=_QRS,
        shown=_NO_FIBRILLATION,
        rate="own",
    ),
    "add atrial fibrillation": Edit(
        before=("SR",),
        after=("AFIB",),
        change=Change(add="atrial fibrillation"),
        kept=_QRS,
        shown={
            "P before under half of the beats": lambda p, *_: p.p_present < 0.5,
            f"RR variation >= {REGULAR:g}": lambda p, *_: p.rr_cv >= REGULAR,
        },
    ),
    "add left bundle branch block": Edit(
        before=("SR",),
        after=("SR", "CLBBB"),
        change=Change(add="left bundle branch block"),
        kept=_ATRIA,
        shown={"QRS >= 120 ms": lambda p, *_: p.qrs_ms >= 120, "rate kept within 5 bpm": _same_rate},
    ),
    "remove left bundle branch block": Edit(
        before=("SR", "CLBBB"),
        after=("SR",),
        change=Change(remove="left bundle branch block"),
        kept=_ATRIA,
        shown={"QRS < 120 ms": lambda p, *_: p.qrs_ms < 120, "rate kept within 5 bpm": _same_rate},
    ),
    "add ST depression": Edit(
        before=("SR",),
        after=("SR", "STD_"),
        change=Change(add="ST depression"),
        kept=(*_QRS, *_ATRIA),
        shown={
            "ST of V4-V6 .05 mV lower": lambda p, r, _: _lateral_st(p) <= _lateral_st(r) - 0.05,
            "rate kept within 5 bpm": _same_rate,
        },
    ),
    "another rate": Edit(
        before=("SR",),
        after=("SR",),
        change=Change(),
        kept=(*_QRS, "RR variation", "P before beats"),
        shown={"rate within 5 bpm": lambda p, _, rate: abs(p.hr_bpm - rate) <= RATE_TOLERANCE_BPM},
        rate="other",
    ),
}

#: References, change of each -> edits; None where a reference cannot be used.
Editor = Callable[[Sequence[EcgRecord], Sequence[Change]], Sequence[EcgRecord | None]]


def edit_specificity(edit: Editor, name: str, hearts: int) -> dict[str, Any]:
    """Figures of one kind of edit, each with value, 95 % bootstrap interval over hearts, and number.

    Args:
        edit: what is judged.
        name: of `EDITS`.
        hearts: how many; fewer are compared where a reference cannot be used.

    Raises:
        InputError: an unknown edit, or fewer than two usable hearts.
    """
    if name not in EDITS:
        raise InputError(f"unknown edit {name!r}; accepted: {', '.join(EDITS)}")
    kind = EDITS[name]
    rates, wanted = rates_of(kind, hearts)
    reference, repeat = (simulated(kind.before, rates, visit) for visit in (0, 1))
    same_day, perfect = (simulated(kind.after, wanted, visit) for visit in (0, 1))
    rates_asked = [None] * hearts if kind.rate is None else wanted.tolist()
    changes = [replace(kind.change, heart_rate=rate) for rate in rates_asked]
    made = edit(reference, changes)
    kept = [k for k, record in enumerate(made) if record is not None]
    if len(kept) < 2:
        raise InputError(f"{name}: {len(kept)} of {hearts} references can be used; accepted: at least 2, ask for more")
    sets = {"edit": made, "reference": reference, "repeat": repeat, "same day": same_day, "perfect": perfect}
    seen = {key: look([record for k in kept if (record := records[k])]) for key, records in sets.items()}
    seen["stranger"] = [*seen["reference"][1:], seen["reference"][0]]
    shown = {
        criterion: {
            key: interval(_met(check, seen[key], seen["reference"], wanted[kept]))
            for key in ("reference", "edit", "perfect")
        }
        for criterion, check in kind.shown.items()
    }
    unchanged = {}
    for quantity in kind.kept:
        unit, differ = QUANTITIES[quantity]
        gaps = {
            key: np.array([differ(*pair) for pair in zip(ecgs, seen["reference"], strict=True)])
            for key, ecgs in seen.items()
        }
        unchanged[quantity] = {"unit": unit, **compared(gaps["edit"], gaps["repeat"])}
        unchanged[quantity] |= {"perfect_within": compared(gaps["perfect"], gaps["repeat"])["within"]}
        unchanged[quantity] |= {key: interval(gaps[key]) for key in ("perfect", "same day", "stranger")}
    return {"hearts": len(kept), "left_out": hearts - len(kept), "shown": shown, "unchanged": unchanged}


def rates_of(kind: Edit, hearts: int) -> tuple[np.ndarray, np.ndarray]:
    """(hearts,) rates in bpm before and after."""
    before = np.random.default_rng(COHORT).uniform(60, 95, hearts)
    return before, np.where(before < 78, before + 30, before - 25) if kind.rate == "other" else before


def compared(edits: np.ndarray, repeats: np.ndarray) -> dict[str, dict[str, float]]:
    """How much edits differ from their references, against how much repeats do.

    Args:
        edits, repeats: (n,) differences of the same hearts; NaN where not measurable. An edit in which a quantity
            cannot be measured, while it can in the repeat, is not within.

    Returns:
        Intervals of both means, of ``within`` and of ``excess``; see the module.
    """
    limit = np.nanquantile(repeats, 0.95) if np.isfinite(repeats).any() else np.nan
    within = np.where(np.isfinite(repeats), edits <= limit, np.nan)
    return {
        "edit": interval(edits),
        "repeat": interval(repeats),
        "within": interval(within),
        "excess": interval(edits - repeats),
    }


def editor(
    pipeline: "ECGTwinPipeline",
    *,
    strength: float = 1.0,
    steps: int | None = None,
    seed: int = 0,
    tell: Progress = silent,
) -> Editor:
    """`Editor` of a pipeline; heart k is given sample k of the seed, ``tell`` hears of references left out."""
    settings = pipeline.sampling(num_inference_steps=steps)

    def edit(records: Sequence[EcgRecord], changes: Sequence[Change]) -> list[EcgRecord | None]:
        people = usable_people(pipeline, records, tell)
        out: list[EcgRecord | None] = [None] * len(people)
        rows = [k for k, person in enumerate(people) if person is not None]
        usable = [person for person in people if person is not None]
        made = twins_of(pipeline, usable, [changes[k] for k in rows], settings, seed=seed, strength=strength)
        for k, record in zip(rows, made, strict=True):
            out[k] = record
        return out

    return edit


def tables(figures: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Value]]]:
    """What `edit_specificity` gives of several edits: what is shown, and what should not change."""
    shown, stays = {}, {}
    for name, found in figures.items():
        for criterion, row in found["shown"].items():
            shown[f"{name}: {criterion}"] = {
                "reference": Value.of(row["reference"], better="reference"),
                "edit": Value.of(row["edit"], better="higher"),
                "perfect edit": Value.of(row["perfect"], better="reference"),
            }
        for quantity, row in found["unchanged"].items():
            unit = "" if row["unit"] == "share" else row["unit"]
            stays[f"{name}: {quantity}"] = {
                "edit differs": Value.of(row["edit"], unit=unit, better="lower"),
                "repeat differs": Value.of(row["repeat"], unit=unit, better="reference"),
                "within": Value.of(row["within"], better="higher"),
                "perfect within": Value.of(row["perfect_within"], better="reference"),
                "excess": Value.of(row["excess"], unit=unit, better="lower"),
                "same day": Value.of(row["same day"], unit=unit, better="reference"),
                "stranger": Value.of(row["stranger"], unit=unit, better="reference"),
            }
    return {"shown": shown, "should stay": stays}


def simulated(statements: Sequence[str], rates: np.ndarray, visit: int) -> list[EcgRecord]:
    """The cohort's hearts in one condition, heart k at rate k in bpm; visits of a heart are of one age."""
    from gen.simulate import draw_heart, simulate

    specifications = [
        {"statements": list(statements), "heart_rate": float(rate), "age": draw_heart(COHORT, k).age}
        for k, rate in enumerate(rates)
    ]
    batch = simulate(range(len(rates)), seed=COHORT, visit=visit, noise="light", conditions=specifications)
    return batch.records()


def _met(
    check: Check,
    ecgs: Sequence[Seen],
    references: Sequence[Seen],
    rates: np.ndarray,
) -> np.ndarray:
    rows = zip(ecgs, references, rates.tolist(), strict=True)
    return np.array([float(check(a.parameters, b.parameters, rate)) for a, b, rate in rows])


def run(settings: Edits, progress: Progress) -> Results:
    """Every edit that is asked for."""
    from diffusion.twin.beat_twin import load

    names = settings.only or tuple(EDITS)
    for name in names:
        if name not in EDITS:
            raise InputError(f"unknown edit {name!r}; accepted: {', '.join(EDITS)}")
    pipeline = load(settings.checkpoint)
    pipeline.set_progress_bar_config(disable=True)
    edit = editor(pipeline, strength=settings.strength, steps=settings.steps, seed=settings.seed, tell=progress)
    figures = {}
    for name in names:
        figures[name] = edit_specificity(edit, name, settings.hearts)
        progress(f"{name}: {figures[name]['hearts']} hearts")
    return settings.results(
        tables(figures),
        data=[Data("simulated hearts", f"cohort {COHORT}")],
        n=settings.hearts,
        weights=dict(pipeline.digests),
        left_out={name: found["left_out"] for name, found in figures.items()},
    )
