"""Measured ECG parameters of records: names, units, what could not be measured and why."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from math import nan

import numpy as np
import numpy.typing as npt

from gen.leads import LEADS_12

Array = npt.NDArray[np.float64]


#: Why a record could not be measured at all.
FAILURES = {
    "too_short": "less than 1.5 s",
    "missing": "in more than half of the time nothing was recorded, or between any two beats",
    "flat": "no lead moves",
    "few_beats": "fewer than two QRS complexes were found",
    "noise": "the complexes that were found do not resemble each other",
}


def _unknown() -> Array:
    return np.full(len(LEADS_12), np.nan)


@dataclass(frozen=True)
class Rhythm:
    """The rhythm of an ECG.

    Attributes:
        code: SCP-ECG statement of PTB-XL, or None where it cannot be named.
        words: the same in words.
        atrial_bpm: rate of P or flutter waves where it differs from that of the complexes; else None.
    """

    code: str | None
    words: str
    atrial_bpm: float | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Parameters:
    """Parameters of one ECG; NaN where not measurable.

    Intervals are medians over the beats of the dominant form, from the earliest onset to the latest end in any lead.
    Amplitudes are medians over these beats, in mV against the level just before QRS, in the order of
    `gen.leads.LEADS_12`.

    Attributes:
        beats: QRS complexes found.
        hr_bpm: 60 / mean RR interval.
        rr_ms, rr_sd_ms, rmssd_ms: mean and standard deviation of the RR intervals, RMS of their successive differences.
        rr_cv: standard deviation / mean of the RR intervals; above about 0.12 the rhythm is irregular.
        pnn50: share of successive differences over 50 ms, 0 to 1.
        rr_lag1: correlation of each RR interval with the next one.
        p_present: share of dominant beats that follow a P wave.
        pr_ms, qrs_ms, qt_ms: intervals. PR needs P waves at a steady distance before most beats.
        qtcb_ms, qtcf_ms, qtcfra_ms, qtch_ms: QT corrected by Bazett, Fridericia, Framingham, Hodges.
        p_ms, t_ms: durations.
        axis_deg: frontal QRS axis, -180 to 180.
        r_mv, s_mv, q_mv: (12,) heights of R, depths of S and Q (not negative).
        p_mv, t_mv: (12,) largest deflections, signed.
        st_mv: (12,) level 60 ms after the end of QRS.
        sokolow_mv: S(V1) + max(R(V5), R(V6)); 3.5 and above speaks for left ventricular hypertrophy.
        cornell_mv: R(aVL) + S(V3); so does above 2.8 in men, 2.0 in women.
        quality: 0 to 1, probability that readers accept the recording; see `gen.quality.acceptance`.
        alike: 0 to 1, median correlation of the beats with their median beat.
        failure: key of `FAILURES`, or None.
        rhythm: what the beats and P waves make; see `metrics.measurement.rhythm`.
        beat_kinds: (QRS onset in seconds, kind) of every beat; kinds are normal, ventricular, atrial, paced, unknown.
    """

    beats: int = 0
    hr_bpm: float = nan
    rr_ms: float = nan
    rr_sd_ms: float = nan
    rmssd_ms: float = nan
    rr_cv: float = nan
    pnn50: float = nan
    rr_lag1: float = nan
    p_present: float = nan
    pr_ms: float = nan
    qrs_ms: float = nan
    qt_ms: float = nan
    p_ms: float = nan
    t_ms: float = nan
    axis_deg: float = nan
    r_mv: Array = field(default_factory=_unknown)
    s_mv: Array = field(default_factory=_unknown)
    q_mv: Array = field(default_factory=_unknown)
    p_mv: Array = field(default_factory=_unknown)
    t_mv: Array = field(default_factory=_unknown)
    st_mv: Array = field(default_factory=_unknown)
    quality: float = nan
    alike: float = nan
    failure: str | None = None
    rhythm: Rhythm = Rhythm(None, "not measurable")
    beat_kinds: tuple[tuple[float, str], ...] = ()

    @property
    def qtcb_ms(self) -> float:
        """QT / sqrt(RR in s), Bazett."""
        return float(self.qt_ms / np.sqrt(self.rr_ms / 1e3))

    @property
    def qtcf_ms(self) -> float:
        """QT / cube root(RR in s), Fridericia."""
        return float(self.qt_ms / np.cbrt(self.rr_ms / 1e3))

    @property
    def qtcfra_ms(self) -> float:
        """QT + 154 (1 - RR in s), Framingham."""
        return float(self.qt_ms + 154.0 * (1.0 - self.rr_ms / 1e3))

    @property
    def qtch_ms(self) -> float:
        """QT + 1.75 (rate - 60), Hodges."""
        return float(self.qt_ms + 1.75 * (self.hr_bpm - 60.0))

    @property
    def sdnn_ms(self) -> float:
        """Standard deviation of the RR intervals, by the name that variability has it under."""
        return self.rr_sd_ms

    @property
    def sokolow_mv(self) -> float:
        """S(V1) + max(R(V5), R(V6))."""
        v5, v6 = self.r_mv[LEADS_12.index("V5")], self.r_mv[LEADS_12.index("V6")]
        return float(self.s_mv[LEADS_12.index("V1")] + max(v5, v6)) if v5 == v5 and v6 == v6 else nan

    @property
    def cornell_mv(self) -> float:
        """R(aVL) + S(V3)."""
        return float(self.r_mv[LEADS_12.index("aVL")] + self.s_mv[LEADS_12.index("V3")])

    def numbers(self) -> dict[str, float]:
        """All scalar parameters by name, and the amplitudes as ``r_mv_V5`` and so on."""
        out = {name: float(getattr(self, name)) for name in SCALARS}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, np.ndarray):
                out |= {f"{f.name}_{lead}": float(v) for lead, v in zip(LEADS_12, value, strict=True)}
        return out


#: Scalar parameters, in the order of reports.
SCALARS = (
    "beats", "hr_bpm", "rr_ms", "rr_sd_ms", "rmssd_ms", "rr_cv", "pnn50", "rr_lag1", "p_present", "pr_ms", "qrs_ms",
    "qt_ms", "qtcb_ms", "qtcf_ms", "qtcfra_ms", "qtch_ms", "p_ms", "t_ms", "axis_deg", "sokolow_mv", "cornell_mv",
    "quality", "alike",
)  # fmt: skip


def coverage(parameters: Sequence[Parameters]) -> dict[str, float]:
    """Share of records in which each scalar could be measured; PR, for one, does not exist in atrial fibrillation."""
    count = max(len(parameters), 1)
    return {
        name: sum(bool(np.isfinite(getattr(p, name))) and p.failure is None for p in parameters) / count
        for name in SCALARS
    }
