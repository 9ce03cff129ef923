"""Rhythms as plans: one for a strip, or a stream of windows over hours."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
import numpy.typing as npt

from diffusion.rhythm.draw import Habits, Rhythm, draw
from diffusion.rhythm.plan import ONSET_TO_REFERENCE_S, BeatPlan
from diffusion.rhythm.process import LONE
from diffusion.rhythm.request import RhythmRequest
from diffusion.rhythm.table import RhythmTable, read_table
from diffusion.rhythm.variation import Array

#: Events are planned so far outside a recording, too.
MARGIN_S = 2.0
#: A QRS complex needs so much room before and after its reference to be seen whole.
_ROOM_S = 0.10
_TRIES, _ROUNDS, _CLOSE_BPM = 12, 8, 0.02
#: What a bpm of error counts against a complex cut by the end.
_RATE_FIRST = 4.0


@dataclass(frozen=True)
class _Fit:
    """Where the recording lies in the events: event time x is at ``x * stretch - origin``."""

    stretch: float
    origin: float


class RhythmStream:
    """The beats of one recording of any length, whole or in windows.

    The whole recording's mean ventricular rate (60 / mean RR interval of the beats inside) is the one asked for. What
    comes out does not depend on the windows it is taken in.

    Args:
        request: what rhythm.
        seed: names it; the same seed gives the same beats.
        duration_s: length of the recording.
        habits: a person's own, see `Habits`.
        table: fitted numbers instead of the shipped ones.
        since_s: time that has passed since the last beat of a recording that this one goes on from; the first beat then
            comes when it is due.
    """

    def __init__(
        self,
        request: RhythmRequest,
        seed: int,
        duration_s: float = 10.0,
        *,
        habits: Habits | None = None,
        table: RhythmTable | None = None,
        since_s: float | None = None,
    ) -> None:
        self.request, self.duration_s = request, float(duration_s)
        once, beating, place = map(np.random.default_rng, np.random.SeedSequence(int(seed)).spawn(3))
        self.rhythm: Rhythm = draw(request, once, table or read_table(), self.duration_s, habits)
        self._lay(place, beating, since_s)

    def plan(self) -> BeatPlan:
        """All of it as one plan."""
        return self._part(0.0, self.duration_s, MARGIN_S)

    def windows(self, length_s: float, step_s: float | None = None, margin_s: float = MARGIN_S) -> Iterator[BeatPlan]:
        """Plans of windows of ``length_s`` every ``step_s`` (side by side where None), to the recording's end.

        The last window ends with the recording and may be shorter. Events of a margin on both sides are with each.
        """
        step_s = length_s if step_s is None else step_s
        if not (length_s > 0 and 0 < step_s <= length_s):
            raise ValueError(f"windows of {length_s} s every {step_s} s: expected 0 < step <= length")
        number = 0
        while True:
            start = number * step_s
            stop = min(start + length_s, self.duration_s)
            yield self._part(start, stop - start, margin_s)
            if stop >= self.duration_s:
                return
            number += 1

    @property
    def times_s(self) -> Array:
        """(beat,) references of all planned beats, from the start of the recording."""
        return self._times

    @property
    def kinds(self) -> npt.NDArray[np.int8]:
        """(beat,) kinds of all planned beats."""
        return self._kinds

    def before(self, time_s: float) -> int:
        """How many planned beats come before a time; numbers beats whatever window they are seen in."""
        return int(np.searchsorted(self._times, time_s))

    def window(self, start_s: float, duration_s: float, margin_s: float = MARGIN_S) -> BeatPlan:
        """A part of the recording, with the events of a margin on both sides."""
        return self._part(start_s, duration_s, margin_s)

    def _part(self, start: float, duration: float, margin_s: float) -> BeatPlan:
        low, high = start - margin_s, start + duration + margin_s
        beats = slice(*np.searchsorted(self._times, [low, high]))
        waves = slice(*np.searchsorted(self._waves, [low, high]))
        return BeatPlan(
            times_s=self._times[beats] - start,
            kinds=self._kinds[beats],
            pr_s=self._pr[beats],
            p_times_s=self._waves[waves] - start,
            atrial=self.rhythm.atrial,
            wave_hz=self.rhythm.wave_hz,
            duration_s=duration,
            start_s=start,
        )

    def _lay(self, place: np.random.Generator, beating: np.random.Generator, since_s: float | None) -> None:
        """Events in order of time: some thirty bytes a beat, three megabytes for a day."""
        mean = 60.0 / self.rhythm.heart_rate
        # Room for stretching, and a start that the process has forgotten.
        lead_in = MARGIN_S + 3.0 + 2 * mean
        last = 1.6 * (self.duration_s + 2 * lead_in) if self.duration_s < 60 else 1.15 * self.duration_s + 60.0
        raw = np.array(list(takewhile(lambda event: event.at < last, self.rhythm.events(beating))))
        beat = raw[:, 2] != LONE
        fit = _placed(raw[beat, 0], raw[beat, 1], mean, lead_in, self.duration_s, place)
        times = raw[:, 0] * fit.stretch - fit.origin + raw[:, 1]
        if since_s is not None:
            times -= _due(np.sort(times[beat]), since_s)
        order = np.argsort(times[beat], kind="stable")
        self._times = times[beat][order]
        self._kinds = raw[beat, 2][order].astype(np.int8)
        self._pr = raw[beat, 3][order]
        led = self._times - ONSET_TO_REFERENCE_S - self._pr
        self._waves = np.unique(np.concatenate([led[np.isfinite(led)], times[~beat]]))


def _due(times: Array, since_s: float) -> float:
    """What to take from all times so that the first beat from 0 on is due ``since_s`` after one that was before."""
    first = int(np.searchsorted(times, 0.0))
    while times[first] - times[first - 1] <= since_s and first < len(times) - 1:
        first += 1  # a beat that was due already
    return float(times[first - 1] + since_s)


def _placed(at: Array, after: Array, mean: float, lead_in: float, duration_s: float, rng: np.random.Generator) -> _Fit:
    """Stretch and origin with which the beats inside have the mean RR interval, and none is cut by the ends."""
    best, least = _Fit(1.0, lead_in), np.inf
    for _ in range(_TRIES):
        fit, times, found = _stretched(_Fit(1.0, lead_in + mean * float(rng.random())), at, after, mean, duration_s)
        cost = _cost(times, found, mean, duration_s)
        if cost < least:
            best, least = fit, cost
        if least < _RATE_FIRST * _CLOSE_BPM:
            return best
    # Beats come and go at the ends as the rhythm is stretched; where that hinders convergence, look everywhere.
    for origin in lead_in + mean * rng.random(16):
        for stretch in np.linspace(0.7, 1.4, 36):
            fit, times, found = _stretched(_Fit(float(stretch), float(origin)), at, after, mean, duration_s)
            cost = _cost(times, found, mean, duration_s)
            if cost < least:
                best, least = fit, cost
        if least < _RATE_FIRST * _CLOSE_BPM + 1.0:
            break
    return best


def _stretched(fit: _Fit, at: Array, after: Array, mean: float, duration_s: float) -> tuple[_Fit, Array, float | None]:
    """The fit with the mean RR interval asked for, the times of beats with it, and the mean that they have."""
    times = at * fit.stretch - fit.origin + after
    found = _mean_rr(times, duration_s)
    for _ in range(_ROUNDS):
        if found is None or abs(60.0 / found - 60.0 / mean) < _CLOSE_BPM:
            break
        change = min(max(mean / found, 0.7), 1.4)
        fit = _Fit(min(max(fit.stretch * change, 0.5), 2.0), fit.origin)
        times = at * fit.stretch - fit.origin + after
        found = _mean_rr(times, duration_s)
    return fit, times, found


def _mean_rr(times: Array, duration_s: float) -> float | None:
    inside = times[(times >= 0) & (times < duration_s)]
    return float(inside.max() - inside.min()) / (len(inside) - 1) if len(inside) >= 2 else None


def _cost(times: Array, found: float | None, mean: float, duration_s: float) -> float:
    """Error of the rate, and up to 1 for every complex that the ends cut; much where there is no interval."""
    near = np.minimum(np.abs(times), np.abs(times - duration_s))
    cut = float((1.0 - 0.5 * near[near < _ROOM_S] / _ROOM_S).sum())
    return cut + (100.0 if found is None else _RATE_FIRST * abs(60.0 / found - 60.0 / mean))


def draw_rhythm(
    request: RhythmRequest,
    seed: int,
    duration_s: float = 10.0,
    *,
    habits: Habits | None = None,
    table: RhythmTable | None = None,
) -> BeatPlan:
    """The plan of one strip; see `RhythmStream`.

    Raises:
        InputError: see `RhythmRequest.of`.
    """
    return RhythmStream(request, seed, duration_s, habits=habits, table=table).plan()
