"""Simulated patients as rows of a cache: the ECG at the networks' rate, its beats, the heart's figures and a slice."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from flow.ecg.beats import BEAT_SAMPLES, ECG_HZ, ECG_S, RHYTHM, Beats, find_beats
from gen.cine import CineRecord
from gen.records import InputError
from gen.simulate import simulate
from gen.simulate.cine import GROUPS, MID_LEVEL, Anatomy, anatomy_of, cines_of, slices_at, wall_thickness_mm
from gen.simulate.cine.cohort import beat_of
from gen.simulate.cohort import SimulatedBatch
from gen.simulate.heart import generator

#: Most R peaks and cycles that are kept of a record.
MOST_BEATS = 48
#: Columns of ``facts``.
FACTS = (
    *("usable", "rr_s", "age", "male", "height_cm", "weight_kg"),
    *("edv_ml", "esv_ml", "ef", "mass_g", "es_share", "group", "af", "lbbb", "pvc", "index"),
)
#: What of them may be told of a patient besides the ECG, in the order of `flow.networks.ecg_reader.PATIENT`.
PATIENT_FACTS = ("age", "male", "height_cm", "weight_kg")
#: Width of a picture.
FIELD_MM = 192.0
#: Where the slices of `draw_slices` lie, somewhat beyond base and apex as in a stack; how many besides mid.
SLICE_REACH, OTHER_SLICES = (-0.10, 1.10), 5
#: Their frames as shares of the beat: R peak, ejection, end-systole, early filling, diastasis.
SLICE_PHASES = np.array([0.0, 0.1, 0.2, 0.36, 0.5, 0.7])
_SLICE_KEY = 1005
#: Codes of rhythms that make a beat hard to choose.
_AF, _LBBB, _PVC = {"AFIB", "AFLT"}, {"CLBBB", "PACE"}, {"PVC", "BIGU", "TRIGU"}


@dataclass(frozen=True, eq=False)
class Rows:
    """Some patients; first axis patient.

    Attributes:
        ecg: (n, 8, 2000) int16 microvolt at `ECG_HZ`.
        beat: (n, 8, 160) float16 mV, the averaged beat; zero where no beat was found.
        peaks, cycles: (n, 48), (n, 48, 2) float32 seconds, NaN behind the last.
        facts: (n, len(FACTS)) float32.
        cines: mid slices, or None.
    """

    ecg: np.ndarray
    beat: np.ndarray
    peaks: np.ndarray
    cycles: np.ndarray
    facts: np.ndarray
    cines: list[CineRecord] | None


def draw_rows(indices: np.ndarray, *, seed: int, visit: int = 0, cine: bool = True, size: int = 96) -> Rows:
    """Patients of the simulated cohort, with light noise on the ECG; a cine is a mid slice of 50 frames.

    Args:
        indices: patients.
        seed: of the cohort.
        visit: examination.
        cine: draw the cines (about 0.15 s each); without, only the ECG and the heart's figures.
        size: rows and columns of the cine, 192 mm wide.
    """
    batch = simulate(indices, seed=seed, visit=visit, fs_hz=ECG_HZ, duration_s=ECG_S, noise="light")
    ecg = _microvolt(batch)
    n = len(ecg)
    beat = np.zeros((n, 8, BEAT_SAMPLES), np.float16)
    peaks = np.full((n, MOST_BEATS), np.nan, np.float32)
    cycles = np.full((n, MOST_BEATS, 2), np.nan, np.float32)
    facts = np.stack([_facts(batch, row, anatomy_of(batch.hearts[row])) for row in range(n)])
    for row in range(n):
        signal = ecg[row].astype(np.float32) / 1000.0
        try:
            found = find_beats(signal, ECG_HZ)
        except InputError:
            facts[row, FACTS.index("usable")] = 0.0
            continue
        beat[row] = found.average(signal, ECG_HZ)
        peaks[row], cycles[row] = padded(found)
        facts[row, FACTS.index("rr_s")] = found.rr_s
    cines = cines_of(batch, size=size, spacing_mm=FIELD_MM / size) if cine else None
    return Rows(ecg, beat, peaks, cycles, facts, cines)


@dataclass(frozen=True, eq=False)
class SliceRows:
    """Slices all over some hearts; first axis patient.

    Attributes:
        frames: (n, slice, frame, size, size) uint8, 255 = 1, at `SLICE_PHASES`; slice 0 is the mid one.
        masks: labels of the same shape.
        level: (n, slice) float32, height at end-diastole, 0 base to 1 apex.
        share: (n, frame) float32, volume of the left ventricle over that at the R peak.
        facts: (n, len(FACTS)) float32.
    """

    frames: np.ndarray
    masks: np.ndarray
    level: np.ndarray
    share: np.ndarray
    facts: np.ndarray


def draw_slices(indices: np.ndarray, *, seed: int, visit: int = 0, size: int = 96) -> SliceRows:
    """A mid slice and `OTHER_SLICES` others of patients of the cohort, a few frames of each.

    Args:
        indices: patients.
        seed: of the cohort.
        visit: examination.
        size: rows and columns, 192 mm wide.
    """
    batch = simulate(indices, seed=seed, visit=visit, fs_hz=ECG_HZ)
    low, high = SLICE_REACH
    places = np.stack([generator(h.seed, h.index, _SLICE_KEY).random(OTHER_SLICES) for h in batch.hearts])
    others = low + (high - low) * (np.arange(OTHER_SLICES) + places) / OTHER_SLICES
    level = np.concatenate([np.full((len(others), 1), MID_LEVEL), others], axis=1)
    frames, masks, volume = slices_at(batch, level, SLICE_PHASES, size=size, spacing_mm=FIELD_MM / size)
    facts = np.stack([_facts(batch, row, anatomy_of(heart)) for row, heart in enumerate(batch.hearts)])
    share = (volume / volume[:, :1]).astype(np.float32)
    return SliceRows(np.rint(255 * frames).astype(np.uint8), masks, level.astype(np.float32), share, facts)


@dataclass(frozen=True, eq=False)
class BeatRows:
    """What a reader of beats learns from; first axis patient.

    Attributes:
        beat: (n, 8, 160) float16 mV, the averaged beat; zero where no beat was found.
        rhythm: (n, 7) float32, see `flow.ecg.beats.RHYTHM`.
        facts: (n, len(FACTS)) float32.
        wall: (n,) float32 mm, thickest wall of the mid slice at end-diastole.
    """

    beat: np.ndarray
    rhythm: np.ndarray
    facts: np.ndarray
    wall: np.ndarray


def draw_beats(indices: np.ndarray, *, seed: int, visit: int = 0) -> BeatRows:
    """The averaged beats of the ECGs that `draw_rows` draws for the same patients; about 10 ms each.

    Args:
        indices: patients.
        seed: of the cohort.
        visit: examination.
    """
    batch = simulate(indices, seed=seed, visit=visit, fs_hz=ECG_HZ, duration_s=ECG_S, noise="light")
    n = len(batch.hearts)
    beat, rhythm = np.zeros((n, 8, BEAT_SAMPLES), np.float16), np.zeros((n, len(RHYTHM)), np.float32)
    facts, wall = np.empty((n, len(FACTS)), np.float32), np.empty(n, np.float32)
    for row, microvolt in enumerate(_microvolt(batch)):
        anatomy = anatomy_of(batch.hearts[row])
        facts[row], wall[row] = _facts(batch, row, anatomy), wall_thickness_mm(anatomy)
        signal = microvolt.astype(np.float32) / 1000.0
        try:
            found = find_beats(signal, ECG_HZ)
        except InputError:
            facts[row, FACTS.index("usable")] = 0.0
            continue
        beat[row], rhythm[row] = found.average(signal, ECG_HZ), found.rhythm
        facts[row, FACTS.index("rr_s")] = found.rr_s
    return BeatRows(beat, rhythm, facts, wall)


def _microvolt(batch: SimulatedBatch) -> np.ndarray:
    """(n, 8, time) int16, as a cache keeps them."""
    return np.clip(np.rint(1000.0 * batch.signal_mv), -32767, 32767).astype(np.int16)


def padded(beats: Beats) -> tuple[np.ndarray, np.ndarray]:
    """Peaks (48,) and cycles (48, 2) of a record with NaN behind the last."""
    peaks, cycles = np.full(MOST_BEATS, np.nan, np.float32), np.full((MOST_BEATS, 2), np.nan, np.float32)
    count, chosen = min(len(beats.peaks_s), MOST_BEATS), min(len(beats.cycles), MOST_BEATS)
    peaks[:count], cycles[:chosen] = beats.peaks_s[:count], beats.cycles[:chosen]
    return peaks, cycles


def _facts(batch: SimulatedBatch, row: int, anatomy: Anatomy) -> np.ndarray:
    heart, truth = batch.hearts[row], batch.truth[row]
    codes = set(truth.statements)
    timing = beat_of(heart, truth, anatomy)
    values: dict[str, Any] = {
        "usable": 1.0,
        "rr_s": timing.rr_s,
        "age": heart.age,
        "male": heart.sex == "M",
        "height_cm": heart.height_cm,
        "weight_kg": heart.weight_kg,
        "edv_ml": anatomy.edv_ml,
        "esv_ml": anatomy.edv_ml * (1.0 - anatomy.ef),
        "ef": anatomy.ef,
        "mass_g": anatomy.mass_g,
        "es_share": timing.end_systole_s / timing.rr_s,
        "group": GROUPS.index(anatomy.group),
        "af": bool(codes & _AF),
        "lbbb": bool(codes & _LBBB),
        "pvc": bool(codes & _PVC),
        "index": heart.index,
    }
    return np.array([values[name] for name in FACTS], dtype=np.float32)
