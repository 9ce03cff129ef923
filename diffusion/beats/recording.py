"""Recordings of any length in the memory of a minute, without seams.

Nothing that is drawn depends on the piece it is seen in: a beat's own variation comes from its number, noise from
stretches on a fixed grid that fade into each other with constant power, flutter from one phase for all. A piece is
therefore a window on one recording, and pieces of any length laid side by side are the same samples.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from diffusion.beats.code import BeatCode, Habits
from diffusion.beats.compose import (
    SWELLED,
    breath_rate,
    breath_share,
    flutter_wave,
    gate_of,
    mixing_size,
    placed,
    with_fine,
)
from diffusion.beats.measure import forms_of
from diffusion.beats.noise import draw_rest
from diffusion.beats.shape import NUM_LEADS, BeatShape, add_p, add_qrst, stt_stretch
from diffusion.beats.variation import Array, mixing_of
from diffusion.rhythm.plan import BeatPlan
from diffusion.rhythm.stream import RhythmStream

#: Beats that share a generator; seconds of noise that do, and over which they fade; seconds seen around a piece, which
#: the longest beat does not outlast.
_BEATS, _NOISE_S, _FADE_S, _MARGIN_S = 64, 40.0, 4.0, 5.0
_ONCE, _MIXING, _REST = range(3)


class LongRecording:
    """A generated recording, window by window.

    Args:
        code: see `diffusion.beats.compose.compose`, as the next three.
        shapes: forms by name.
        habits: of the recording.
        stream: its beats.
        seed: of what varies from beat to beat, and of the noise.
        fs_hz: rate.
        clean: without noise.
    """

    def __init__(
        self,
        code: BeatCode,
        shapes: Mapping[str, BeatShape],
        habits: Habits,
        stream: RhythmStream,
        seed: int,
        fs_hz: float,
        *,
        clean: bool = False,
    ) -> None:
        self.stream, self.fs_hz = stream, float(fs_hz)
        self._code, self._habits, self._seed, self._clean = code, habits, int(seed), clean
        rng = self._generator(_ONCE, 0)
        self._shapes = with_fine(code, shapes, habits, rng)
        self._breathing = breath_share(rng, float(code.array("breathing")[0]))
        self._breath_hz = breath_rate(rng)
        self._phase = rng.random(len(code.array("mixing_root"))) * 2 * np.pi
        self._agreement = code.agreement(rng)
        self._flutter = flutter_wave(rng) if stream.rhythm.atrial == "flutter" else None
        # Which form prevails, and how repolarisation remembers earlier intervals, is of the whole recording.
        forms = [form if form in self._shapes else "own" for form in forms_of(stream.kinds)]
        rr = np.diff(stream.times_s, prepend=stream.times_s[:1] - 60.0 / stream.rhythm.heart_rate)
        self._is = {name: np.array([form == name for form in forms], dtype=bool) for name in self._shapes}
        self._stretch = {name: stt_stretch(rr, shape.rr_s) for name, shape in self._shapes.items()}
        self._kept: dict[int, Array] = {}

    def pieces(self, piece_s: float = 60.0) -> Iterator[tuple[Array, BeatPlan]]:
        """Signals (8, time) mV side by side to the end of the recording, and the beats of each."""
        total, size = round(self.stream.duration_s * self.fs_hz), round(piece_s * self.fs_hz)
        for first in range(0, total, size):
            yield self.piece(first, min(size, total - first))

    def piece(self, first: int, length: int) -> tuple[Array, BeatPlan]:
        """Samples ``first`` to ``first + length`` of the recording, (8, length) mV, and their beats."""
        start_s, length_s = first / self.fs_hz, length / self.fs_hz
        seen = placed(self.stream.window(start_s, length_s, _MARGIN_S), self._shapes["own"])
        signal = self._beats(start_s, seen, length)
        if self._flutter is not None:
            signal = signal + self._flutter(start_s + np.arange(length) / self.fs_hz, seen.wave_hz)
        if not self._clean:
            signal = signal + self._noise(first, length)
        return signal, self.plan(first, length)

    def plan(self, first: int, length: int) -> BeatPlan:
        """The beats of a piece alone."""
        inside = self.stream.window(first / self.fs_hz, length / self.fs_hz, 0.0)
        return placed(inside, self._shapes["own"])

    def _generator(self, what: int, number: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence((self._seed, number), spawn_key=(what,)))

    def _beats(self, start_s: float, plan: BeatPlan, length: int) -> Array:
        """(8, length) mV of the beats of a window with margins."""
        out = np.zeros((NUM_LEADS, length))
        mixing = self._mixing(start_s, plan)
        number = self.stream.before(start_s - _MARGIN_S)
        for form, shape in self._shapes.items():
            own = self._is[form][number : number + len(plan)]
            if own.any():
                stretch = self._stretch[form][number : number + len(plan)][own]
                add_qrst(out, shape, plan.times_s[own], stretch, self.fs_hz, mixing[own])
        if len(plan.p_times_s):
            add_p(out, self._shapes["own"], plan.p_times_s, self.fs_hz)
        return out

    def _mixing(self, start_s: float, plan: BeatPlan) -> Array:
        """(beat, 8, 8) of the beats of a window."""
        size, count = len(self._phase), len(plan)
        number = self.stream.before(start_s - _MARGIN_S)
        blocks = range(number // _BEATS, (number + max(count, 1) - 1) // _BEATS + 1)
        normal = np.concatenate([self._generator(_MIXING, k).standard_normal((_BEATS, size + 1)) for k in blocks])
        normal = normal[number - blocks.start * _BEATS :][:count]
        wave = np.sqrt(2) * np.sin(2 * np.pi * self._breath_hz * (plan.times_s[:, None] + start_s) + self._phase)
        return mixing_of(
            normal[:, :size],
            normal[:, size],
            wave,
            mixing_size(self._habits),
            self._code.array("mixing_root"),
            self._breathing,
        )

    def _noise(self, first: int, length: int) -> Array:
        """(8, length) mV: stretches of noise on a grid, faded into each other with constant power."""
        step, fade = round(_NOISE_S * self.fs_hz), round(_FADE_S * self.fs_hz)
        out = np.zeros((NUM_LEADS, length))
        numbers = range((first - fade) // step, (first + length - 1) // step + 1)
        self._kept = {k: self._noise_stretch(k, step, fade) for k in numbers}
        for number, noise in self._kept.items():
            begin = number * step - first
            low, high = max(0, begin), min(length, begin + step + fade)
            if low < high:
                out[:, low:high] += noise[:, low - begin : high - begin]
        return out

    def _noise_stretch(self, number: int, step: int, fade: int) -> Array:
        """(8, step + fade) mV of the stretch that begins at sample ``number * step``."""
        if number in self._kept:
            return self._kept[number]
        own, length = self._shapes["own"], step + fade
        plan = placed(self.stream.window(number * step / self.fs_hz, length / self.fs_hz, 1.0), own)
        gate = gate_of(plan, own, length, self.fs_hz)
        noise = draw_rest(
            self._generator(_REST, number + 1),
            self._habits.power_mv2,
            self._agreement,
            SWELLED * self._habits.swelling,
            gate,
            length,
            self.fs_hz,
        )
        rise = np.sin(0.5 * np.pi * (np.arange(fade) + 0.5) / fade)
        noise[:, :fade] *= rise
        noise[:, -fade:] *= rise[::-1]
        return noise
