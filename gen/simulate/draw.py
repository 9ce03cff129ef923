"""Draws the waves of one recording into the eight leads."""

from dataclasses import dataclass

import numpy as np

from gen.simulate import waves
from gen.simulate.population import Loops
from gen.simulate.rhythm import ESCAPE, MARGIN_S, PVC, Rhythm

#: Direction of fibrillation waves: largest in V1, some in the inferior leads.
_F_WAVES = np.array([[-0.25, 0.35, -0.75], [0.10, 0.65, -0.25], [0.35, 0.10, 0.35]])
#: Flutter circuit: negative in the inferior leads, positive in V1.
_FLUTTER = np.array([-0.12, -0.95, -0.45])


@dataclass(frozen=True, eq=False)
class Plan:
    """All that is drawn: loops by beat type, their times, and how they appear in the leads.

    Attributes:
        normal, ectopic: loops of conducted and of ectopic (PVC, escape) beats.
        st_s: (beat,) J point to T end of each beat.
        field: (8, 8) source components -> leads.
    """

    rhythm: Rhythm
    normal: Loops
    ectopic: Loops
    st_s: np.ndarray
    field: np.ndarray


def is_ectopic(plan: Plan) -> np.ndarray:
    """(beat,) whether a beat uses the ectopic loops."""
    return (plan.rhythm.kind == PVC) | (plan.rhythm.kind == ESCAPE)


class Canvas:
    """Leads with a margin on both sides, to which waves are added; (time, 8) float32 inside."""

    def __init__(self, duration_s: float, fs_hz: float) -> None:
        self.fs_hz = fs_hz
        self.samples = round(duration_s * fs_hz)
        self.pad = int(np.ceil((MARGIN_S + 1.5) * fs_hz))
        self.array = np.zeros((self.samples + 2 * self.pad, 8), dtype=np.float32)

    def add(self, basis: waves.WaveBasis, leads: np.ndarray, onset: np.ndarray, length: np.ndarray) -> None:
        """Adds one wave at every onset.

        Args:
            basis: kernels of the wave.
            leads: (kernel, 8) mV.
            onset, length: (event,) seconds.
        """
        if len(onset) == 0:
            return
        first = np.floor((onset - basis.reach * length) * self.fs_hz).astype(int)
        span = int(np.ceil((1 + 2 * basis.reach) * length.max() * self.fs_hz)) + 2
        phase = ((first[:, None] + np.arange(span)) / self.fs_hz - onset[:, None]) / length[:, None]
        values = basis(phase.astype(np.float32)) @ leads.astype(np.float32)
        for start, value in zip(first + self.pad, values, strict=True):
            if start >= 0 and start + span <= len(self.array):
                self.array[start : start + span] += value

    def signal(self) -> np.ndarray:
        """The recording without margins, (8, time)."""
        return np.ascontiguousarray(self.array[self.pad : self.pad + self.samples].T)


def draw_waves(plan: Plan, duration_s: float, fs_hz: float, rng: np.random.Generator) -> np.ndarray:
    """The noise-free recording, (8, time) mV."""
    canvas = Canvas(duration_s, fs_hz)
    rhythm, ectopic = plan.rhythm, is_ectopic(plan)
    for loops, chosen in ((plan.normal, ~ectopic), (plan.ectopic, ectopic)):
        onset = rhythm.qrs_on[chosen]
        length = np.full(len(onset), loops.qrs_s)
        canvas.add(waves.QRS, loops.qrs @ plan.field.T, onset, length)
        canvas.add(waves.STT, loops.stt @ plan.field.T, onset + loops.qrs_s, plan.st_s[chosen])
    p_on = np.concatenate([rhythm.p_on[np.isfinite(rhythm.p_on)], rhythm.free_p_on])
    canvas.add(waves.P, plan.normal.p @ plan.field.T, p_on, np.full(len(p_on), plan.normal.p_s))
    signal = canvas.signal()
    if rhythm.atrial == "fibrillation":
        signal += plan.field[:, :3] @ fibrillation_waves(rng, rhythm.atrial_hz, signal.shape[1], fs_hz)
    elif rhythm.atrial == "flutter":
        signal += plan.field[:, :3] @ flutter_waves(rng, rhythm, signal.shape[1], fs_hz)
    return signal


def fibrillation_waves(rng: np.random.Generator, hz: float, samples: int, fs_hz: float) -> np.ndarray:
    """Three wandering wavelets of 4-9 Hz; (3, samples) dipole in mV."""
    time = np.arange(samples) / fs_hz
    size = 0.045 * np.exp(0.45 * rng.standard_normal())
    out = np.zeros((3, samples))
    for direction, gain in zip(_F_WAVES, (1.0, 0.55, 0.4), strict=True):
        u = rng.random(6)
        rate = hz * (0.9 + 0.2 * u[0])
        phase = 2 * np.pi * (rate * time + u[1]) + 1.6 * np.sin(2 * np.pi * (0.23 * time + u[2]))
        phase += 0.9 * np.sin(2 * np.pi * (0.71 * time + u[3]))
        envelope = 1.0 + 0.45 * np.sin(2 * np.pi * (0.31 * time + u[4])) * np.cos(2 * np.pi * (0.11 * time + u[5]))
        wave = envelope * (np.sin(phase) + 0.35 * np.sin(2 * phase + 0.8))
        out += np.outer(direction * size * gain, wave)
    return out


def flutter_waves(rng: np.random.Generator, rhythm: Rhythm, samples: int, fs_hz: float) -> np.ndarray:
    """Sawtooth of the atrial circuit; (3, samples) dipole in mV."""
    time = np.arange(samples) / fs_hz
    phase = 2 * np.pi * (rhythm.atrial_hz * time + rng.random())
    saw = sum(np.sin(k * phase + 0.25 * k) / k for k in range(1, 5))
    return np.outer(_FLUTTER * 0.10 * np.exp(0.3 * rng.standard_normal()), np.asarray(saw))


def pacing_spikes(onset: np.ndarray, samples: int, fs_hz: float, gain: np.ndarray) -> np.ndarray:
    """Two-millisecond stimuli just before each paced QRS; (8, samples) mV."""
    out = np.zeros((8, samples))
    for at in np.rint((onset - 0.004) * fs_hz).astype(int):
        if 0 <= at < samples:
            out[:, at] += gain
            out[:, min(at + 1, samples - 1)] -= 0.25 * gain
    return out
