"""What the beats of an ECG are, and the rhythm they make: kinds by shape, width and time, statements as SCP-ECG codes.

A description of what was measured, by the usual definitions; no diagnosis. Limits of rates are those of
`gen.text.statements`.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from gen.signals import highpass
from gen.text import statements
from metrics.measurement.beats import Beats
from metrics.measurement.conduction import block_of
from metrics.measurement.delineation.segments import Segments
from metrics.measurement.flutter import FlutterWaves
from metrics.measurement.parameters import Parameters, Rhythm

Array = npt.NDArray[np.float64]

#: Kinds of beats.
NORMAL, VENTRICULAR, ATRIAL, PACED, UNKNOWN = "normal", "ventricular", "atrial", "paced", "unknown"
#: A beat that comes after less than this share of the usual interval is premature.
PREMATURE = 0.85
#: Width in seconds from which a beat of another form counts as ventricular, and how much wider than usual it is.
WIDE_S, WIDER_S = 0.12, 0.025
#: Share of premature beats of another form below which, and of the others above one less it, the forms change places.
TURNED = 0.25
#: Least resemblance of a beat to the prevailing form.
ALIKE = 0.8
#: A pacing spike: higher than this (mV) within 4 ms, and this many times steeper than anything in the rest of the ECG.
SPIKE_MV, SPIKE_TIMES = 0.25, 3.0
#: Rhythms in which an early beat of the usual form is no extrasystole.
OWN_INTERVALS = frozenset({"AFIB", "AFLT", "2AVB", "3AVB"})
#: Extrasystoles that make a bigeminy or trigeminy, and the share of their distances that are alike.
GROUPS, GROUPED = 3, 0.75
IRREGULAR_CV, FIBRILLATION_CV, ARRHYTHMIA_CV = 0.12, 0.1, 0.12
#: Least share that waves of one rate explain between complexes in a flutter: in an irregular rhythm, in a regular one,
#: in one so fast (bpm) that P and T alone look alike, and in an irregular one with something before most beats that
#: could be a P wave. On folds 1-8 of PTB-XL and simulated ECGs.
FLUTTER, REGULAR_FLUTTER, FAST_FLUTTER, FLUTTER_WITH_P, FAST_BPM = 0.55, 0.6, 0.7, 0.8, 110.0


def beat_kinds(beats: Beats, like: Array, spikes: npt.NDArray[np.bool_]) -> list[str]:
    """Kind of every beat.

    Args:
        beats: in order.
        like: (beat,) resemblance to the prevailing form.
        spikes: (beat,) whether a pacing spike comes just before it.
    """
    width = beats.qrs_off - beats.qrs_on
    rr = np.diff(beats.qrs_on, prepend=np.nan)
    # Where short and long intervals take turns, the median may be a short one.
    usual_rr = max(float(np.nanmedian(rr)), float(np.nanmean(rr))) if len(rr) > 1 else np.nan
    others = like < min(ALIKE, float(np.median(like)))
    soon = rr < PREMATURE * usual_rr
    if soon.sum() >= 2 and others[soon].mean() < TURNED and others[~soon].mean() > 1 - TURNED:
        others = ~others  # in bigeminy the form that prevails may be that of the extrasystoles
    usual_width = float(np.median(width[~others]) if (~others).any() else np.median(width))
    irregular = (
        len(rr) > 4 and float(np.nanstd(rr) / np.nanmean(rr)) > IRREGULAR_CV and np.isnan(beats.p_on).mean() > 0.5
    )
    kinds = []
    for k in range(len(beats)):
        early, other = bool(soon[k]), bool(others[k])
        wide = bool(width[k] >= WIDE_S and width[k] > usual_width + WIDER_S)
        if spikes[k]:
            kinds.append(PACED)
        elif (other and (wide or early)) or (wide and early):
            kinds.append(VENTRICULAR)
        elif early and not irregular:
            kinds.append(ATRIAL)
        else:
            kinds.append(UNKNOWN if other else NORMAL)
    return kinds


def kinds_in(rhythm: Rhythm, kinds: list[str]) -> list[str]:
    """Kinds of beats where the rhythm is known: early beats of one whose intervals vary by themselves are its own."""
    if rhythm.code not in OWN_INTERVALS:
        return kinds
    return [NORMAL if kind == ATRIAL else kind for kind in kinds]


def pacing_spikes(signal_mv: npt.NDArray[np.float32], fs_hz: float, beats: Beats) -> npt.NDArray[np.bool_]:
    """(beat,) whether a spike stands within 80 ms before a complex or at its beginning.

    Args:
        signal_mv: (lead, time) without holes.
        fs_hz: its rate; below 200 Hz no spike is left to be seen.
        beats: in order.
    """
    found = np.zeros(len(beats), dtype=bool)
    if fs_hz < 200:
        return found
    step = max(1, round(0.002 * fs_hz))
    fast = highpass(signal_mv, fs_hz, 20.0)
    jump = np.abs(fast[:, step:] - fast[:, :-step]).max(axis=0)
    rest = float(np.quantile(jump, 0.5)) + 1e-6
    for k, onset in enumerate(beats.qrs_on.tolist()):
        first, last = max(0, int((onset - 0.08) * fs_hz)), int((onset + 0.012) * fs_hz)
        before = jump[first:last]
        within = jump[last : int(beats.qrs_off[k] * fs_hz)]
        if len(before) and len(within):
            steepest = float(before.max())
            found[k] = steepest > SPIKE_MV and steepest > SPIKE_TIMES * max(rest, float(np.quantile(within, 0.9)) / 2)
    return found


def rhythm_of(
    p: Parameters,
    beats: Beats,
    p_waves: Segments,
    kinds: list[str],
    waves: Callable[[], FlutterWaves | None] = lambda: None,
) -> Rhythm:
    """The rhythm that the measured parameters, the P waves and the beats' kinds make.

    Args:
        p: what was measured.
        beats: in order.
        p_waves: all of them.
        kinds: of the beats.
        waves: looks for flutter, see `metrics.measurement.flutter`; called only where there may be one.
    """
    if p.failure is not None or not np.isfinite(p.hr_bpm):
        return Rhythm(None, "not measurable")
    own = [kind for kind in kinds if kind not in (VENTRICULAR, ATRIAL)]
    if kinds.count(PACED) >= 0.5 * len(kinds):
        return _named("PACE")
    if (block := block_of(beats, p_waves)) is not None:
        # A rate below the complexes' own is that of the P waves that were seen.
        return _named(block.code, block.atrial_bpm if block.atrial_bpm > p.hr_bpm else None, block.form)
    if (atrial_bpm := _flutter(p, waves)) is not None:
        return _named("AFLT", atrial_bpm)
    if (grouped := _grouped(kinds)) is not None:
        return _named(grouped)
    if p.rr_cv >= FIBRILLATION_CV and p.p_present < 0.5 and len(own) >= 3:
        return Rhythm(None, "regular rhythm with pauses") if _dropped(beats) else _named("AFIB")
    if p.p_present >= 0.5:
        if round(p.hr_bpm) > _limit("STACH", low=True):
            return _named("STACH")
        if round(p.hr_bpm) < _limit("SBRAD", low=False):  # as it is printed: 59.9 is 60
            return _named("SBRAD")
        return _named("SARRH" if p.rr_cv >= ARRHYTHMIA_CV and len(own) == len(kinds) else "SR")
    if p.hr_bpm >= _limit("SVTAC", low=True) and p.qrs_ms < 1e3 * WIDE_S:
        return _named("SVTAC")
    return Rhythm(None, "regular rhythm without P waves" if p.rr_cv < IRREGULAR_CV else "irregular rhythm")


def _flutter(p: Parameters, waves: Callable[[], FlutterWaves | None]) -> float | None:
    """Rate of flutter waves in bpm, or None."""
    irregular, with_p = p.rr_cv >= FIBRILLATION_CV, p.p_present >= 0.5
    if with_p and not irregular:
        return None
    found = waves()
    if irregular:
        least = FLUTTER_WITH_P if with_p else FLUTTER
    else:
        least = FAST_FLUTTER if p.hr_bpm >= FAST_BPM else REGULAR_FLUTTER
    return None if found is None or found.share < least else round(60.0 * found.hz, 1)


def _grouped(kinds: list[str]) -> str | None:
    """Bigeminy or trigeminy: extrasystoles that come as every second or third beat, again and again."""
    early = [k for k, kind in enumerate(kinds) if kind in (VENTRICULAR, ATRIAL)]
    if len(early) < GROUPS:
        return None
    apart = np.diff(early)
    for code, every in (("BIGU", 2), ("TRIGU", 3)):
        if (apart == every).mean() >= GROUPED and len(early) * every >= GROUPED * len(kinds):
            return code
    return None


def _dropped(beats: Beats) -> bool:
    """Whether intervals are once or a few times one length: beats are missing from a regular row."""
    rr = np.diff(beats.qrs_on)
    times = rr / max(float(rr.min()), 1e-3)
    whole = np.abs(times - np.rint(times)) < 0.1
    return len(rr) >= 3 and bool(whole.mean() >= 0.8) and float(times.max()) > 1.8


def _limit(code: str, *, low: bool) -> float:
    rate = statements()[code].rate
    if rate is None:
        raise ValueError(f"{code}: no rate in statements.csv")
    return rate.low if low else rate.high


def _named(code: str, atrial_bpm: float | None = None, form: str = "") -> Rhythm:
    words = statements()[code].description
    return Rhythm(code, f"{words}, {form}" if form else words, atrial_bpm)
