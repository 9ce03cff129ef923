"""A person's own beats, read off a recording: forms, rhythm, and how the beats and the noise vary."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, rfft, rfftfreq

from diffusion.beats.code import Habits, as_drawn
from diffusion.beats.measure import LEAST_BEATS, ObservedBeats, observed_beats
from diffusion.beats.shape import BeatShape
from diffusion.beats.variation import measure_variation

if TYPE_CHECKING:
    from metrics.measurement.delineation.delineator import Delineation
    from metrics.measurement.parameters import Parameters

Array = npt.NDArray[np.float64]
#: Size of the beats' mixing where too few of them show it.
_MIXING = 0.1
#: Beats and movements are told apart above this, Hz.
_SLOW_HZ = 0.7


@dataclass(frozen=True, eq=False)
class OwnBeats:
    """Beats of one recording.

    Attributes:
        beats: when they are and their forms.
        habits: how they vary, as `diffusion.beats.compose` draws it.
        explained: share of the signal's energy above `_SLOW_HZ` that the beats make up; below half, movement does.
    """

    beats: ObservedBeats
    habits: Habits
    explained: float

    @property
    def shape(self) -> BeatShape:
        """The prevailing form."""
        return self.beats.shapes["own"]


def own_beats(signal_mv: Array, fs_hz: float, beats: ObservedBeats) -> OwnBeats:
    """What can be read off a recording (8, time) whose beats are known."""
    variation, rest = measure_variation(signal_mv, fs_hz, beats)
    size = variation.size if len(variation.mixing) >= LEAST_BEATS else _MIXING
    habits = Habits(size, variation.swelling, as_drawn(variation.power_mv2))
    left, whole = (_energy(x, fs_hz) for x in (rest, signal_mv))
    return OwnBeats(beats, habits, float(np.clip(1.0 - left / max(whole, 1e-12), 0.0, 1.0)))


def find_own_beats(
    signal_mv: Array, fs_hz: float, measured: "Parameters", waves: "Delineation | None", codes: Collection[str]
) -> OwnBeats | None:
    """Beats of a recording (8, time) that is measured already; None where too few can be used.

    Args:
        signal_mv: without gaps.
        fs_hz: its rate.
        measured, waves: of `metrics.measurement.records.measure_and_delineate`.
        codes: statements about it.
    """
    from diffusion.rhythm.observed import plan_of

    if waves is None or measured.failure is not None or measured.qrs_ms != measured.qrs_ms:
        return None
    if measured.beats < LEAST_BEATS:
        return None
    plan = plan_of(signal_mv, fs_hz, measured, waves, codes)
    intervals = (measured.qrs_ms / 1e3, measured.qt_ms / 1e3, measured.p_ms / 1e3)
    beats = observed_beats(signal_mv, fs_hz, plan, intervals)
    return None if beats is None else own_beats(signal_mv, fs_hz, beats)


def _energy(signal_mv: Array, fs_hz: float) -> float:
    spectrum = rfft(signal_mv - signal_mv.mean(axis=1, keepdims=True), axis=1)
    spectrum[:, rfftfreq(signal_mv.shape[1], 1 / fs_hz) < _SLOW_HZ] = 0
    return float((irfft(spectrum, signal_mv.shape[1], axis=1) ** 2).mean())
