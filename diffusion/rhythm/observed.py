"""The beats of a recording as a `BeatPlan`, from its delineation."""

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from diffusion.rhythm.plan import ONSET_TO_REFERENCE_S, Array, BeatKind, BeatPlan
from gen.leads import LEADS_8, to_leads
from gen.records import EcgRecord
from gen.signals import bandpass, fill_gaps

if TYPE_CHECKING:
    from metrics.measurement.delineation.delineator import Delineation
    from metrics.measurement.parameters import Parameters

#: Ratio of an RR interval to the running median, and to the interval before, below which a beat is premature; the
#: second where no statement speaks of premature beats (breathing alone comes down to .75).
PREMATURE, PREMATURE_UNSAID = 0.86, 0.72
#: Resemblance to the median beat below which a complex has another form.
OTHER_FORM = 0.80
#: A complex of another origin is at least so much wider than the median one, seconds.
WIDER_S = 0.020
_REACH_S, _BEFORE_S, _AFTER_S = 0.030, 0.06, 0.10
_EARLY_SAID = frozenset({"PAC", "PRC(S)", "SVARR", "BIGU", "TRIGU", "PVC"})
_HIDDEN = frozenset({"SVTAC", "PSVT", "JR", "JTACH"})


def observed_plan(record: EcgRecord, codes: Collection[str] = ()) -> BeatPlan | None:
    """Beats of one recording; None where they cannot be found (see `metrics` for the reasons).

    Args:
        record: with the leads I, II and V1 to V6, or such that they follow.
        codes: statements about it; they say what the atria do and whether a pacemaker works, which waves alone do not.
    """
    return observed_plans([record], [codes])[0]


def observed_plans(records: list[EcgRecord], codes: "list[Collection[str]] | None" = None) -> list[BeatPlan | None]:
    """As `observed_plan`, of many recordings."""
    from metrics.measurement.records import measure_and_delineate

    codes = [()] * len(records) if codes is None else codes
    out: list[BeatPlan | None] = []
    for record, said, (measured, waves) in zip(records, codes, measure_and_delineate(records), strict=True):
        if waves is None or measured.failure is not None:
            out.append(None)
            continue
        signal = fill_gaps(to_leads(record.signal_mv, record.leads, LEADS_8))
        out.append(plan_of(signal, record.fs_hz, measured, waves, said))
    return out


def plan_of(
    signal_mv: npt.NDArray[np.floating],
    fs_hz: float,
    measured: "Parameters",
    waves: "Delineation",
    codes: Collection[str] = (),
) -> BeatPlan:
    """Beats of a recording that is measured already.

    Args:
        signal_mv: (8, time) without gaps.
        fs_hz: its rate.
        measured, waves: of `metrics.measurement.records.measure_and_delineate`, without a failure.
        codes: see `observed_plan`.
    """
    from metrics.measurement.amplitudes import resemblance
    from metrics.measurement.beats import Beats, associate

    beats: Beats = associate(*waves.consensus)
    signal = signal_mv.astype(np.float64)
    like = resemblance(signal.astype(np.float32), fs_hz, beats)
    times = references(signal, fs_hz, beats.qrs_on, beats.qrs_off, like > OTHER_FORM)
    said = frozenset(codes)
    kinds = _kinds(times, beats.qrs_off - beats.qrs_on, like, said)
    atrial = _atrial(said, measured.p_present, measured.rr_cv)
    quiet = atrial in ("fibrillation", "flutter")
    pr = np.full(len(times), np.nan) if quiet else np.where(_led(kinds), beats.qrs_on - beats.p_on, np.nan)
    rise = times - beats.qrs_on
    own = kinds == BeatKind.NORMAL
    order = np.argsort(times, kind="stable")
    return BeatPlan(
        times_s=times[order],
        kinds=kinds[order],
        pr_s=pr[order],
        p_times_s=np.empty(0) if quiet else np.unique(waves.consensus[0].onset),
        atrial=atrial,
        duration_s=signal_mv.shape[1] / fs_hz,
        onset_to_reference_s=float(np.median(rise[own])) if own.any() else ONSET_TO_REFERENCE_S,
    )


def references(
    signal_mv: Array, fs_hz: float, qrs_on_s: Array, qrs_off_s: Array, alike: npt.NDArray[np.bool_]
) -> Array:
    """Times of QRS at which complexes of one form are at the same place of their course, to a fraction of a sample.

    Complexes of the prevailing form are laid on their median by cross-correlation of all leads; its largest magnitude
    is the reference. Others are taken where their own magnitude is largest.

    Args:
        signal_mv: (8, time).
        fs_hz: its rate.
        qrs_on_s, qrs_off_s: (beat,) ends of the complexes.
        alike: (beat,) whether a complex has the prevailing form.

    Returns:
        (beat,) seconds.
    """
    clean = bandpass(signal_mv, fs_hz, 1.0, 40.0)
    before, after, reach = (round(s * fs_hz) for s in (_BEFORE_S, _AFTER_S, _REACH_S))
    padded = np.pad(clean, [(0, 0), (before + reach, after + reach + 1)], mode="edge")
    magnitude = (clean**2).sum(axis=0)
    peak = np.empty(len(qrs_on_s), dtype=int)
    for k, (on, off) in enumerate(zip(qrs_on_s, qrs_off_s, strict=True)):
        first = max(0, int(on * fs_hz))
        last = min(clean.shape[1], max(first + 1, int(np.ceil(off * fs_hz)) + 1))
        peak[k] = first + int(np.argmax(magnitude[first:last]))
    times = peak / fs_hz
    if alike.sum() < 2:
        return times
    index = peak[alike][:, None] + np.arange(before + after + 2 * reach + 1)
    wide = padded[:, index].transpose(1, 0, 2)  # (beat, lead, window and reach), the peak at before + reach
    width = before + after + 1
    shift = np.full(len(wide), float(reach))
    for _ in range(3):
        at = np.rint(shift).astype(int)[:, None] + np.arange(width)
        core = np.median(np.take_along_axis(wide, at[:, None, :], axis=2), axis=0)
        score = np.stack(
            [np.einsum("blt,lt->b", wide[:, :, lag : lag + width], core) for lag in range(2 * reach + 1)], axis=1
        )
        shift = _vertex(score)
    top = int(np.argmax((core**2).sum(axis=0)))
    times[alike] = (peak[alike] - before + shift - reach + top) / fs_hz
    return times


def _vertex(score: Array) -> Array:
    """(row,) position of the largest value of each row, by a parabola through it and its neighbours."""
    best = np.clip(score.argmax(axis=1), 1, score.shape[1] - 2)
    row = np.arange(len(score))
    low, mid, high = score[row, best - 1], score[row, best], score[row, best + 1]
    bend = low - 2 * mid + high
    step = np.where(bend < 0, 0.5 * (low - high) / np.where(bend < 0, bend, 1.0), 0.0)
    return best + np.clip(step, -0.5, 0.5)


def _led(kinds: npt.NDArray[np.int8]) -> npt.NDArray[np.bool_]:
    return np.isin(kinds, (BeatKind.NORMAL, BeatKind.ATRIAL, BeatKind.PACED))


def _kinds(times: Array, width: Array, like: Array, codes: frozenset[str]) -> npt.NDArray[np.int8]:
    kinds = np.full(len(times), BeatKind.NORMAL, dtype=np.int8)
    rr = np.diff(times, prepend=np.nan)
    usual = np.array([np.nanmedian(rr[max(1, k - 4) : k + 5]) if len(rr) > 2 else np.nan for k in range(len(rr))])
    least = PREMATURE if not codes or codes & _EARLY_SAID else PREMATURE_UNSAID
    before = np.concatenate([[np.nan], rr[:-1]])
    early = rr < least * np.fmin(usual, before)
    other = (like < OTHER_FORM) & (width > np.median(width) + WIDER_S)
    if "PACE" in codes:
        kinds[:] = BeatKind.PACED
    elif "3AVB" in codes:
        kinds[:] = BeatKind.ESCAPE if np.median(width) > 0.12 else BeatKind.JUNCTIONAL
    elif codes & {"JR", "JTACH"}:
        kinds[:] = BeatKind.JUNCTIONAL
    elif not codes & {"AFIB", "AFLT"}:
        kinds[early & ~other] = BeatKind.ATRIAL
    kinds[other & (early | np.isnan(usual) | bool(codes & {"AFIB", "AFLT", "PVC", "VT"}))] = BeatKind.VENTRICULAR
    return kinds


def _atrial(codes: frozenset[str], p_present: float, rr_cv: float) -> str:
    if "AFIB" in codes:
        return "fibrillation"
    if "AFLT" in codes:
        return "flutter"
    if codes & _HIDDEN:
        return "none"
    if codes or not (p_present < 0.3 and rr_cv > 0.12):
        return "sinus"
    return "fibrillation"
