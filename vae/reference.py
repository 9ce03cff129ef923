"""One person's own twelve-lead ECG, which says how this heart lies under the leads that another recording lacks.

The reference is rebuilt from the leads that the recording has, and what the rebuilding misses is learnt: a linear map
from all eight leads (given ones as recorded, others as rebuilt) to the misses, ridge-regressed towards none, and the
median beat of what a share of the map leaves. Both are added to the rebuilt leads of the recording, a little less than
in full, since hearts change between visits; a beat only as far as the given leads look like the reference's there, and
as large as they are. Nothing is trained for a person, and any method of reconstruction can be helped so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from gen.leads import CHEST_LEADS, LEADS_8, derivable
from gen.records import EcgRecord, InputError
from gen.signals import fill_gaps, highpass
from gen.simulate.measure import find_beats
from vae.networks.baseline import slow_with_jumps
from vae.predictors import Prediction

#: Strength of the ridge in units of the reference's mean power, and the shares of map and beat that are added; chosen
#: on pairs of folds 1-9.
RIDGE, MAP_SHARE, BEAT_SHARE = 0.3, 0.3, 0.4
#: Correlation of a beat's given leads with the reference's from which its correction begins, and at which it is whole.
ALIKE = (0.3, 0.9)
#: Median beats of the shared leads that correlate less are hardly the same heart's.
LEAST_CORRELATION = 0.6
BEFORE_S, AFTER_S, FADE_S = 0.3, 0.5, 0.08
_LAG_S = 0.04

#: Rebuilt deviations (n, 8, time) mV from deviations (n, 8, time) mV and the given leads (8,) bool.
Rebuild = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Personal:
    """What references of one person add to a reconstruction from certain leads.

    Attributes:
        given: (8,) bool, the leads it is for.
        weights: (8, 8) from deviations of the eight leads to what is missed; 0 for given leads.
        seen_mv: (given, samples) median beat of the given leads, from `BEFORE_S` before to `AFTER_S` after a complex.
        beat_mv: (8, samples) what is missed at the same time, 0 at both ends.
        narrower: (8,) share by which the scale of the error falls, 0 for given leads.
        fs_hz: rate of the beats.
    """

    given: np.ndarray
    weights: np.ndarray
    seen_mv: np.ndarray
    beat_mv: np.ndarray
    narrower: np.ndarray
    fs_hz: float

    def improved(self, prediction: Prediction, signal_mv: np.ndarray, observed: np.ndarray) -> Prediction:
        """A window's prediction with what is known of the person; signals (8, time) mV and bool as the method saw."""
        eight = np.where(observed, signal_mv, prediction.mean_mv)
        added = np.where(self.given[:, None], 0.0, self.correction(deviations(eight[None], self.fs_hz)[0]))
        added = added.astype(np.float32)
        scale = prediction.scale_mv
        narrow = (1 - self.narrower).astype(np.float32)[:, None]
        middle = prediction.mean_mv[None]
        return Prediction(
            prediction.mean_mv + added,
            None if scale is None else scale * narrow,
            middle + added + (prediction.draws_mv - middle) * narrow,
            prediction.slow_half_mv,
        )

    def correction(self, deviation_mv: np.ndarray) -> np.ndarray:
        """What to add to the rebuilt leads (8, time) mV; 0 for given leads."""
        before, size = round(BEFORE_S * self.fs_hz), self.beat_mv.shape[1]
        length = deviation_mv.shape[1]
        given = steady(deviation_mv[self.given], self.fs_hz)
        found = aligned(given, self.seen_mv, self.fs_hz)
        alike = [min(1.0, max(0.0, (like - ALIKE[0]) / (ALIKE[1] - ALIKE[0]))) for _, like, _ in found]
        # The map has no beats to be weighed by; the usual likeness stands for all.
        added = MAP_SHARE * (float(np.median(alike)) if alike else 0.0) * (self.weights @ deviation_mv)
        for (place, _, amplitude), weight in zip(found, alike, strict=True):
            start = place - before
            low, high = max(0, -start), min(size, length - start)
            if high > low:
                part = BEAT_SHARE * weight * amplitude * self.beat_mv[:, low:high]
                added[:, start + low : start + high] += part
        return added.astype(np.float32)


def aligned(given_mv: np.ndarray, seen_mv: np.ndarray, fs_hz: float) -> list[tuple[int, float, float]]:
    """Complexes of the given leads (lead, time), where they fit a beat (lead, samples) best.

    Returns:
        Place (sample), correlation and amplitude relative to the beat's, of every complex whose core is inside.
    """
    before, reach = round(BEFORE_S * fs_hz), round(_LAG_S * fs_hz)
    first, last = before - round(0.1 * fs_hz), before + round(0.3 * fs_hz)
    core = seen_mv[:, first:last] - seen_mv[:, first:last].mean(axis=1, keepdims=True)
    size = float(np.sqrt((core**2).sum()))
    found = []
    for middle in find_beats(given_mv, fs_hz):
        start, end = middle - before + first - reach, middle - before + last + reach
        if start < 0 or end > given_mv.shape[1] or size == 0:
            continue
        windows = np.lib.stride_tricks.sliding_window_view(given_mv[:, start:end], last - first, axis=1)
        windows = windows - windows.mean(axis=2, keepdims=True)  # (lead, lag, sample)
        product = np.einsum("kls,ks->l", windows, core)
        power = np.sqrt((windows**2).sum(axis=(0, 2)))
        like = product / np.maximum(power * size, 1e-12)
        best = int(np.argmax(like))
        amplitude = float(np.clip(product[best] / size**2, 0.25, 4.0))
        found.append((int(middle) + best - reach, float(like[best]), amplitude))
    return found


def learn(references: Sequence[np.ndarray], given: np.ndarray, fs_hz: float, rebuild: Rebuild) -> Personal:
    """What complete recordings of one person tell about rebuilding this person's other leads from those given.

    Args:
        references: each (8, time) mV, complete.
        given: (8,) bool.
        fs_hz: rate.
        rebuild: the method that is to be helped.
    """
    inner, cross = np.zeros((8, 8)), np.zeros((8, 8))
    known: list[tuple[np.ndarray, np.ndarray]] = []
    for signal in references:
        deviation = deviations(signal[None])
        eight = np.where(given[:, None], deviation, rebuild(deviation, given))[0].astype(np.float64)
        missed = np.where(given[:, None], 0.0, deviation[0] - eight)
        known.append((eight, missed))
        inner += eight @ eight.T / eight.shape[1]
        cross += missed @ eight.T / eight.shape[1]
    ridge = max(RIDGE * np.trace(inner) / len(inner), 1e-9)
    weights = cross @ np.linalg.inv(inner + ridge * np.eye(len(inner)))
    size = round((BEFORE_S + AFTER_S) * fs_hz)
    seen = np.zeros((int(given.sum()), size))
    places = [find_beats(steady(eight[given], fs_hz), fs_hz) for eight, _ in known]
    for _ in range(2):  # the second time around the beat that the first has found
        cuts = [_cut(steady(eight[given], fs_hz), own, fs_hz) for (eight, _), own in zip(known, places, strict=True)]
        together = np.concatenate(cuts)
        if len(together) < 3:
            return Personal(given, weights, seen, np.zeros((len(LEADS_8), size)), np.zeros(len(LEADS_8)), fs_hz)
        seen = np.median(together, axis=0)
        fits = [aligned(steady(eight[given], fs_hz), seen, fs_hz) for eight, _ in known]
        places = [np.array([p for p, like, _ in own if like > 0.8] or [p for p, _, _ in own]) for own in fits]
    left = [
        _cut(missed - MAP_SHARE * weights @ eight, own, fs_hz)
        for (eight, missed), own in zip(known, places, strict=True)
    ]
    fade = np.minimum(1, np.minimum(np.arange(size), np.arange(size)[::-1]) / (FADE_S * fs_hz))
    beat = np.median(np.concatenate(left), axis=0) * fade
    personal = Personal(given, weights, seen, beat, np.zeros(len(LEADS_8)), fs_hz)
    return replace(personal, narrower=_narrower(personal, known))


#: How much of the error's fall on the reference itself is believed of another recording.
BELIEVED = 0.5


def _narrower(personal: Personal, known: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    before, after = np.zeros(len(LEADS_8)), np.zeros(len(LEADS_8))
    for eight, missed in known:
        before += np.abs(missed).mean(axis=1)
        after += np.abs(missed - personal.correction(eight)).mean(axis=1)
    fall = 1 - np.divide(after, before, out=np.ones_like(after), where=before > 0)
    return BELIEVED * np.clip(fall, 0, 1)


def deviations(signal_mv: np.ndarray, fs_hz: float = 500.0) -> np.ndarray:
    """(n, 8, time) mV less their slow parts."""
    x = torch.from_numpy(np.ascontiguousarray(signal_mv, dtype=np.float32))
    return (x - slow_with_jumps(x, torch.ones(x.shape, dtype=torch.bool), fs_hz)).numpy()


def steady(signal_mv: np.ndarray, fs_hz: float) -> np.ndarray:
    """(lead, time) without what a baseline leaves, for finding beats."""
    return highpass(np.asarray(signal_mv, dtype=np.float64), fs_hz, 0.5)


def _cut(signal_mv: np.ndarray, places: np.ndarray, fs_hz: float) -> np.ndarray:
    """(beat, lead, samples) windows of a signal (lead, time) around places, those inside it."""
    before, size = round(BEFORE_S * fs_hz), round((BEFORE_S + AFTER_S) * fs_hz)
    inside = [int(p) - before for p in places if before <= p <= signal_mv.shape[1] - size + before]
    if not inside:
        return np.empty((0, len(signal_mv), size))
    return np.stack([signal_mv[:, start : start + size] for start in inside])


def likeness(one: EcgRecord, other: EcgRecord) -> float | None:
    """Correlation of two recordings' median beats in those of `LEADS_8` that both have; None without beats."""
    shared = [lead for lead in LEADS_8 if lead in derivable(one.leads) and lead in derivable(other.leads)]
    if not shared:
        return None
    fs, found = 100.0, []
    for record in (one, other):
        signal = fill_gaps(record.select(shared).at(fs).signal_mv)
        clean = steady(signal, fs)
        beats = _cut(clean, find_beats(clean, fs), fs)
        if not len(beats):
            return None
        found.append(np.median(beats, axis=0))
    reach, best = round(_LAG_S * fs), -1.0
    core = found[0][:, reach:-reach]
    for lag in range(2 * reach + 1):
        moved = found[1][:, lag : lag + core.shape[1]]
        a, b = (x - x.mean(axis=1, keepdims=True) for x in (core, moved))
        power = np.sqrt((a**2).sum() * (b**2).sum())
        best = max(best, float((a * b).sum() / power) if power > 0 else -1.0)
    return best


def check_references(references: Sequence[EcgRecord], *, trust: bool = False) -> None:
    """Raise `InputError` where recordings are no reference, or not of one person.

    Args:
        references: at least one.
        trust: leave the likeness of their beats alone.
    """
    for reference in references:
        missing = [lead for lead in ("I", "II", *CHEST_LEADS) if lead not in derivable(reference.leads)]
        if missing:
            raise InputError(
                f"{reference.source_name}: as a reference lacks {', '.join(missing)}; accepted: twelve leads"
            )
    first = references[0]
    for other in references[1:]:
        _same_person(other, first, trust)


def check_same(record: EcgRecord, references: Sequence[EcgRecord], *, trust: bool = False) -> float | None:
    """Likeness of a recording and its references, the best of them; raises `InputError` where they contradict it."""
    found = [_same_person(record, reference, trust) for reference in references]
    known = [value for value in found if value is not None]
    return max(known) if known else None


def _same_person(record: EcgRecord, reference: EcgRecord, trust: bool) -> float | None:
    names = (record.patient.id, reference.patient.id)
    if all(names) and names[0] != names[1] and not trust:
        raise InputError(
            f"{reference.source_name}: a reference of person {names[1]} for {record.source_name} of person {names[0]}; "
            "accepted: one person (--trust-reference takes it all the same)"
        )
    like = likeness(record, reference)
    if not trust and (like is None or like < LEAST_CORRELATION):
        told = "no beats to compare" if like is None else f"beats of the shared leads correlate {like:.2f}"
        raise InputError(
            f"{reference.source_name}: {told} with {record.source_name}; accepted: {LEAST_CORRELATION:g} or more, "
            "or --trust-reference"
        )
    return like
