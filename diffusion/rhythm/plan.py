"""`BeatPlan`: every beat and every atrial activation of a stretch of ECG."""

from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

#: What the atria do. ``none``: no atrial wave can be told (hidden in QRS, or standing still); ``paced``: an atrial
#: pacemaker drives them.
ATRIAL = ("sinus", "fibrillation", "flutter", "none", "paced")
#: Reference of a beat against the onset of its QRS complex where nothing is known, seconds.
ONSET_TO_REFERENCE_S = 0.040
_SAME_WAVE_S = 0.04


class BeatKind(IntEnum):
    """Where a ventricular beat comes from."""

    NORMAL = 0  #: conducted from the atria's own rhythm: sinus, fibrillation, flutter, tachycardia
    VENTRICULAR = 1  #: premature, or of a ventricular tachycardia; wide
    ATRIAL = 2  #: premature, conducted; its P wave has another shape
    PACED = 3  #: the ventricles follow a pacemaker
    JUNCTIONAL = 4  #: from the AV junction, narrow, without a P wave before it
    ESCAPE = 5  #: late, from the ventricles; wide

    @property
    def symbol(self) -> str:
        """Annotation code of the WFDB library (``ecgcodes.h``)."""
        return "NVA/JE"[self]


@dataclass(frozen=True, eq=False, kw_only=True)
class BeatPlan:
    """Beats and atrial activations of a stretch of ECG.

    Events may lie a little before 0 and after ``duration_s``, so that the ends can be drawn like the middle; `inside`
    tells those that count.

    Attributes:
        times_s: (beat,) references of QRS, where the complex is largest over all leads (R peak); ascending, from the
            start of the stretch.
        kinds: (beat,) int8, values of `BeatKind`.
        pr_s: (beat,) onset of the conducted P wave to onset of QRS; NaN where no P wave leads to the beat.
        p_times_s: (wave,) onsets of all P waves, conducted or not; ascending. Empty in fibrillation and flutter.
        atrial: one of `ATRIAL`.
        wave_hz: rate of fibrillation or flutter waves; 0 elsewhere.
        duration_s: length of the stretch.
        start_s: where it begins within the recording.
        onset_to_reference_s: onset of QRS to its reference in beats of kind NORMAL.

    Raises:
        ValueError: arrays do not fit each other or are not in order.
    """

    times_s: Array
    kinds: npt.NDArray[np.int8]
    pr_s: Array
    duration_s: float
    p_times_s: Array = field(default_factory=lambda: np.empty(0))
    atrial: str = "sinus"
    wave_hz: float = 0.0
    start_s: float = 0.0
    onset_to_reference_s: float = ONSET_TO_REFERENCE_S

    def __post_init__(self) -> None:
        for name in ("times_s", "pr_s", "p_times_s"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        object.__setattr__(self, "kinds", np.asarray(self.kinds, dtype=np.int8))
        count = len(self.times_s)
        if self.times_s.shape != (count,) or self.kinds.shape != (count,) or self.pr_s.shape != (count,):
            raise ValueError(
                f"times_s {self.times_s.shape}, kinds {self.kinds.shape}, pr_s {self.pr_s.shape}: expected (beat,) each"
            )
        if self.atrial not in ATRIAL:
            raise ValueError(f"atrial {self.atrial!r}: expected one of {', '.join(ATRIAL)}")
        if (np.diff(self.times_s) <= 0).any() or (np.diff(self.p_times_s) <= 0).any():
            raise ValueError("times_s and p_times_s must ascend")
        if count and (self.kinds.min() < 0 or self.kinds.max() >= len(BeatKind)):
            raise ValueError(f"kinds: expected values of BeatKind, 0 to {len(BeatKind) - 1}")

    def __len__(self) -> int:
        return len(self.times_s)

    @property
    def inside(self) -> npt.NDArray[np.bool_]:
        """(beat,) whether a beat's reference lies within the stretch."""
        return (self.times_s >= 0) & (self.times_s < self.duration_s)

    @property
    def rr_s(self) -> Array:
        """(inside - 1,) intervals between neighbouring beats inside, seconds."""
        return np.diff(self.times_s[self.inside])

    @property
    def heart_rate_bpm(self) -> float:
        """60 / mean RR interval inside; NaN with fewer than two beats."""
        rr = self.rr_s
        return float(60.0 / rr.mean()) if len(rr) else float("nan")

    @property
    def blocked_p_s(self) -> Array:
        """Onsets of P waves that lead to no beat."""
        led = self.times_s - self.onset_to_reference_s - self.pr_s
        led = led[np.isfinite(led)]
        if not len(led) or not len(self.p_times_s):
            return self.p_times_s
        # References lie at slightly different places in different complexes.
        nearest = np.abs(self.p_times_s[:, None] - led[None, :]).min(axis=1)
        return self.p_times_s[nearest > _SAME_WAVE_S]

    def previous_rr_s(self) -> Array:
        """(beat,) interval to the beat before, the median interval for the first."""
        rr = np.diff(self.times_s)
        first = float(np.median(rr)) if len(rr) else self.duration_s
        return np.concatenate([[first], rr])[: len(self)]

    def window(self, start_s: float, duration_s: float, margin_s: float = 2.0) -> "BeatPlan":
        """A part of the stretch, with the events of a margin on both sides; its times count from its own start."""
        low, high = start_s - margin_s, start_s + duration_s + margin_s
        beats = (self.times_s >= low) & (self.times_s < high)
        waves = (self.p_times_s >= low) & (self.p_times_s < high)
        return replace(
            self,
            times_s=self.times_s[beats] - start_s,
            kinds=self.kinds[beats],
            pr_s=self.pr_s[beats],
            p_times_s=self.p_times_s[waves] - start_s,
            duration_s=duration_s,
            start_s=self.start_s + start_s,
        )


def events_of(plan: BeatPlan, start_s: float = 0.0) -> dict[str, Any]:
    """Events inside a stretch as JSON values, as `gen.io.annotations` writes them beside a record.

    Args:
        plan: beats in the places where they are drawn.
        start_s: added to all times.
    """
    inside = plan.inside
    p, blocked = ((w[(w >= 0) & (w < plan.duration_s)] + start_s).round(4) for w in (plan.p_times_s, plan.blocked_p_s))
    return {
        "times_s": (plan.times_s[inside] + start_s).round(4).tolist(),
        "symbols": "".join(BeatKind(k).symbol for k in plan.kinds[inside].tolist()),
        "p_onsets_s": p.tolist(),
        "blocked_p_s": blocked.tolist(),
        "atrial": plan.atrial,
        "rhythm": rhythm_name(plan),
    }


def rhythm_name(plan: BeatPlan) -> str:
    """WFDB's name of the prevailing rhythm."""
    kinds = plan.kinds[plan.inside]
    shares = np.bincount(kinds, minlength=len(BeatKind)) / max(len(kinds), 1)
    early = (kinds == BeatKind.VENTRICULAR).astype(int)
    if shares[BeatKind.PACED] > 0.5:
        return "(P"
    if shares[BeatKind.VENTRICULAR] > 0.8:
        return "(VT"
    if len(early) > 4 and (np.diff(early) != 0).all():
        return "(B"
    if len(early) > 5 and early.any() and (np.diff(np.flatnonzero(early)) == 3).all() and early.sum() >= 2:
        return "(T"
    if shares[BeatKind.ESCAPE] > 0.5:
        return "(IVR"
    if shares[BeatKind.JUNCTIONAL] > 0.5:
        return "(NOD"
    if plan.atrial in ("fibrillation", "flutter"):
        return "(AFIB" if plan.atrial == "fibrillation" else "(AFL"
    if len(plan.blocked_p_s) and not early.any() and np.isfinite(plan.pr_s).any():
        return "(BII"
    if plan.atrial == "none":
        return "(SVTA"
    return "(SBR" if plan.heart_rate_bpm < 60 else "(N"
