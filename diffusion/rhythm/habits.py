"""How a person's heart beats, read from a recording, so that another recording can be drawn with the same habits."""

import numpy as np

from diffusion.rhythm.draw import Habits
from diffusion.rhythm.plan import BeatKind, BeatPlan
from diffusion.rhythm.process import Ectopy
from diffusion.rhythm.table import RhythmTable, read_table

_ENOUGH = 5


def habits_of(plan: BeatPlan, age: float | None = None, seed: int = 0, table: RhythmTable | None = None) -> Habits:
    """Habits of a recording's rhythm; what it does not show is None, and is drawn anew.

    Args:
        plan: of the recording, see `diffusion.rhythm.observed_plan`.
        age: years.
        seed: of the draw from what ten seconds leave open about sinus variation.
        table: fitted numbers instead of the shipped ones.
    """
    table = table or read_table()
    kinds, rr = plan.kinds, np.diff(plan.times_s)
    if plan.atrial == "fibrillation":
        if len(rr) < _ENOUGH:
            return Habits()
        y = np.log(rr)
        d = y - y.mean()
        memory = float((d[1:] * d[:-1]).sum() / max(float((d**2).sum()), 1e-9)) + 1.0 / len(y)
        # A dozen intervals tell little of memory: shrunk to that of most.
        usual, between = table.fibrillation["memory"]
        weight = between**2 / (between**2 + 1.0 / len(y))
        return Habits(spread=float(np.clip(y.std(ddof=1), 0.05, 0.45)), memory=float(usual + weight * (memory - usual)))
    normal = (kinds[1:] == BeatKind.NORMAL) & (kinds[:-1] == BeatKind.NORMAL)
    pr = plan.pr_s[(kinds == BeatKind.NORMAL) & np.isfinite(plan.pr_s)]
    variation = None
    if plan.atrial == "sinus" and normal.sum() >= _ENOUGH:
        rng = np.random.default_rng(np.random.SeedSequence((int(seed), 7)))
        variation = table.variation.draw_given(rng, rr[normal], 60.0 if age is None else age)
    return Habits(
        variation=variation,
        pr_ms=float(1e3 * np.median(pr)) if len(pr) >= 3 else None,
        ectopy=_ectopy(plan, rr, normal, table),
    )


def _ectopy(plan: BeatPlan, rr: np.ndarray, normal: np.ndarray, table: RhythmTable) -> Ectopy | None:
    kinds = plan.kinds
    for kind, code in ((BeatKind.VENTRICULAR, "PVC"), (BeatKind.ATRIAL, "PAC")):
        at = np.flatnonzero(kinds == kind)
        at = at[(at >= 1) & (at < len(kinds) - 1)]
        if not len(at):
            continue
        # In bigeminy no two sinus beats follow each other; then half of what lies round a premature one.
        usual = float(np.median(rr[normal])) if normal.any() else 0.5 * float(np.median(rr[at - 1] + rr[at]))
        alternating = len(at) >= 3 and bool((np.diff(at) == 2).all())
        return Ectopy(
            kind,
            "bigeminy" if alternating else "single",
            share=float(np.clip(len(at) / max(int((kinds == BeatKind.NORMAL).sum()), 1), 0.04, 0.6)),
            coupling=float(np.clip(np.median(rr[at - 1]) / usual, 0.45, 0.84)),
            spread=float(table.ectopy[code]["within"]),
            pause=float(np.clip(np.median(rr[at]) / usual, 0.95, 1.6)),
        )
    return None
