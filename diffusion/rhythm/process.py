"""The events of each rhythm, one after the other, without end.

An event is (``at``, ``after``, ``kind``, ``pr``): a beat's reference lies at ``at * stretch + after``, so that a whole
rhythm can be stretched to a mean rate while conduction times stay what they are; a P wave that leads to no beat has
kind `LONE`, and ``at`` is its onset.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from math import nan
from typing import NamedTuple

import numpy as np

from diffusion.rhythm.plan import ONSET_TO_REFERENCE_S as RISE_S
from diffusion.rhythm.plan import BeatKind
from diffusion.rhythm.variation import Variation, intervals

LONE = -1
#: Beats follow each other at no less than this, seconds.
_REFRACTORY_S = 0.24
#: A sinus P wave that comes this soon after a ventricular beat finds the AV node refractory, share of the interval.
_NODE_RECOVERS = 0.62


class Event(NamedTuple):
    """See the module."""

    at: float
    after: float
    kind: int
    pr: float


@dataclass(frozen=True)
class Ectopy:
    """Premature beats of one person.

    Attributes:
        kind: VENTRICULAR or ATRIAL.
        pattern: ``single`` at random, or ``bigeminy``, ``trigeminy``, ``quadrigeminy``, ``couplets``, ``runs``.
        share: of sinus beats that a premature beat follows, where at random.
        coupling: interval before a premature beat over the sinus interval, its median.
        spread: SD of its logarithm from beat to beat.
        pause: (ATRIAL) interval after it over the sinus interval.
        longest: sinus beats between them at most, so that a strip that is said to have them has them.
    """

    kind: BeatKind
    pattern: str = "single"
    share: float = 0.15
    coupling: float = 0.65
    spread: float = 0.04
    pause: float = 1.15
    longest: int = 1_000


_EVERY = {"bigeminy": 1, "trigeminy": 2, "quadrigeminy": 3}


def sinus(
    rng: np.random.Generator,
    rr: Iterator[float],
    pr_s: float,
    ectopy: Ectopy | None = None,
    *,
    pauses: float = 0.0,
    exact_pause: bool = False,
    wandering: float = 0.0,
) -> Iterator[Event]:
    """Sinus beats, with premature beats and pauses among them.

    Args:
        rng: for what is not in ``rr``.
        rr: sinus intervals.
        pr_s: PR interval.
        ectopy: premature beats; none where None.
        pauses: mean number of sinus pauses a beat.
        exact_pause: pauses are two intervals long (sinoatrial block), else 1.8 to 3.5.
        wandering: SD of PR between beats from several atrial places, seconds.
    """
    p, wait = 0.0, int(rng.integers(0, 3))
    since_pause, gap = 0, 1 + int(rng.integers(2, 6)) if pauses else 0
    steady = 0.0
    while True:
        steady = 0.8 * steady + 0.6 * 0.0015 * float(rng.standard_normal())
        pr = pr_s + steady + (wandering * float(rng.standard_normal()) if wandering else 0.0)
        yield Event(p, pr + RISE_S, BeatKind.NORMAL, pr)
        step = next(rr)
        since_pause += 1
        if pauses and since_pause >= gap:
            step *= 2.0 if exact_pause else 1.8 + 1.7 * rng.random()
            since_pause, gap = 0, max(2, int(rng.geometric(pauses)))
        elif ectopy is not None:
            wait -= 1
            if wait < 0:
                wait = _wait(rng, ectopy)
                size = _size(rng, ectopy)
                if ectopy.kind == BeatKind.VENTRICULAR:
                    p, step = yield from _ventricular(rng, rr, ectopy, size, p, step, pr)
                else:
                    p, step = yield from _atrial(rng, rr, ectopy, size, p, step, pr)
        p += step


def _wait(rng: np.random.Generator, ectopy: Ectopy) -> int:
    if ectopy.pattern in _EVERY:
        return _EVERY[ectopy.pattern] - 1
    return min(int(rng.geometric(min(max(ectopy.share, 1e-3), 0.9))), ectopy.longest)


def _size(rng: np.random.Generator, ectopy: Ectopy) -> int:
    if ectopy.pattern == "couplets":
        return 2 if rng.random() < 0.85 else 1
    if ectopy.pattern == "runs":
        return 3 + int(rng.geometric(0.4)) - 1 if rng.random() < 0.85 else 1
    return 1


def _ventricular(
    rng: np.random.Generator, rr: Iterator[float], ectopy: Ectopy, size: int, p: float, step: float, pr: float
) -> Generator[Event, None, tuple[float, float]]:
    """Ventricular beats after the sinus beat of P wave ``p``; the sinus clock runs on and its P waves are blocked.

    Returns:
        The last blocked P wave and the interval to the one that is conducted again (full compensatory pause).
    """
    first = ectopy.coupling * float(np.exp(ectopy.spread * rng.standard_normal()))
    at = p + min(max(first * step, _REFRACTORY_S + 0.08), 0.94 * step)
    beats = [at]
    for _ in range(size - 1):
        at += min(max(first * step * (0.86 + 0.12 * rng.random()), 0.27), 0.95 * step)
        beats.append(at)
    # In the clock of P waves: a beat's reference is later by PR and rise, as that of a sinus beat.
    events = [Event(b, pr + RISE_S, BeatKind.VENTRICULAR, nan) for b in beats]
    nxt = p + step
    while nxt < beats[-1] + _NODE_RECOVERS * step:
        events.append(Event(nxt, 0.0, LONE, nan))
        p, step = nxt, next(rr)
        nxt = p + step
    yield from sorted(events, key=lambda e: e.at + e.after)
    return p, step


def _atrial(
    rng: np.random.Generator, rr: Iterator[float], ectopy: Ectopy, size: int, p: float, step: float, pr: float
) -> Generator[Event, None, tuple[float, float]]:
    """Atrial beats, which reset the sinus node: the next sinus P wave follows after a pause of its own."""
    for _ in range(size):
        share = ectopy.coupling * float(np.exp(ectopy.spread * rng.standard_normal()))
        at = p + min(max(share * step, 0.30), 0.92 * step)
        # The earlier it comes, the slower the AV node conducts it.
        slow = 0.12 * max(0.0, 0.75 - (at - p) / step)
        yield Event(at, pr + slow + RISE_S, BeatKind.ATRIAL, pr + slow)
        p, step = at, ectopy.pause * next(rr)
    return p, step


def fibrillation(
    rng: np.random.Generator,
    mean_s: float,
    spread: float,
    memory: float,
    quantiles: np.ndarray,
    ectopic: float = 0.0,
) -> Iterator[Event]:
    """Irregular conduction: log intervals of a fitted shape, with little memory.

    Args:
        rng: generator.
        mean_s: mean interval.
        spread: SD of the logarithm.
        memory: correlation of neighbouring intervals (of the Gaussian behind them).
        quantiles: of the standardised logarithm at even probabilities from 0 to 1.
        ectopic: share of ventricular beats.
    """
    from statistics import NormalDist

    normal, at, g = NormalDist(), 0.0, float(rng.standard_normal())
    kind: int = BeatKind.NORMAL
    grid = np.linspace(0.0, 1.0, len(quantiles))
    while True:
        yield Event(at, 0.0, kind, nan)
        g = memory * g + (1 - memory * memory) ** 0.5 * float(rng.standard_normal())
        shape = float(np.interp(normal.cdf(g), grid, quantiles))
        kind = BeatKind.NORMAL
        step = mean_s * float(np.exp(spread * shape))
        if ectopic and rng.random() < ectopic:
            kind, step = BeatKind.VENTRICULAR, min(step, mean_s * (0.62 + 0.12 * rng.random()))
        at += max(step, _REFRACTORY_S)


def flutter(rng: np.random.Generator, wave_hz: float, ratio: float, changing: bool, jitter_s: float) -> Iterator[Event]:
    """Every ``ratio``-th flutter wave is conducted; with changing conduction the ratio is a Markov chain around it."""
    wave, low = 0, max(1, int(np.floor(ratio)))
    high = low + 1 if changing and ratio == low else int(np.ceil(ratio))
    share_high = 0.25 if changing and ratio == low else ratio - low
    if changing and high == low:
        high = low + 1
    now = low
    while True:
        yield Event(wave / wave_hz, jitter_s * float(rng.standard_normal()), BeatKind.NORMAL, nan)
        if high != low:
            # Ratios stay for a few beats; even ones are commoner than odd ones.
            if rng.random() < 0.55:
                now = high if rng.random() < share_high else low
            wave += now + (2 if changing and rng.random() < 0.06 else 0)
        else:
            wave += low


def regular(rng: np.random.Generator, mean_s: float, cv: float, kind: BeatKind) -> Iterator[Event]:
    """Beats of one focus or circuit: tachycardia, escape, pacing; intervals with a little memory."""
    at, drift = 0.0, 0.0
    while True:
        yield Event(at, 0.0, kind, nan)
        drift = 0.9 * drift + 0.436 * 0.8 * cv * float(rng.standard_normal())
        at += mean_s * max(0.5, 1.0 + drift + 0.6 * cv * float(rng.standard_normal()))


def wenckebach(
    rng: np.random.Generator, pp: Iterator[float], pr_s: float, cycle: int, gain_s: float
) -> Iterator[Event]:
    """Mobitz I: PR lengthens over a cycle, most at its second beat, until a P wave is not conducted.

    The k-th PR of a cycle is ``pr_s + gain_s * (1 - .5**k) * 2`` (k from 0): the steps ``gain_s``, ``gain_s / 2``, ...
    fall, so that RR shortens before the pause, and the pause is shorter than two intervals.
    """
    p, place, length = 0.0, int(rng.integers(cycle)), cycle
    while True:
        if place == length - 1:
            yield Event(p, 0.0, LONE, nan)
            place, length = 0, max(3, cycle + int(rng.choice([-1, 0, 0, 0, 1])))
        else:
            pr = pr_s + 2.0 * gain_s * (1 - 0.5**place)
            yield Event(p, pr + RISE_S, BeatKind.NORMAL, pr)
            place += 1
        p += next(pp)


def constant_block(rng: np.random.Generator, pp: Iterator[float], pr_s: float, cycle: int) -> Iterator[Event]:
    """Mobitz II (cycle 3 and more) and 2:1: PR is constant, the last P wave of a cycle is not conducted."""
    p, place = 0.0, int(rng.integers(cycle))
    while True:
        if place == cycle - 1:
            yield Event(p, 0.0, LONE, nan)
            place = 0
        else:
            yield Event(p, pr_s + RISE_S, BeatKind.NORMAL, pr_s)
            place += 1
        p += next(pp)


def paced(rng: np.random.Generator, pp: Iterator[float], pr_s: float) -> Iterator[Event]:
    """Dual chamber: every sinus P wave is followed by a paced ventricular beat after the same time."""
    p = 0.0
    while True:
        yield Event(p, pr_s + RISE_S, BeatKind.PACED, pr_s)
        p += next(pp)


def lone_waves(pp: Iterator[float], start: float) -> Iterator[Event]:
    """P waves of atria that nothing conducts from."""
    p = start
    while True:
        yield Event(p, 0.0, LONE, nan)
        p += next(pp)


def merged(first: Iterator[Event], second: Iterator[Event]) -> Iterator[Event]:
    """Two streams in order of time."""
    a, b = next(first, None), next(second, None)
    while a is not None or b is not None:
        if b is None or (a is not None and a.at + a.after <= b.at + b.after):
            assert a is not None
            yield a
            a = next(first, None)
        else:
            yield b
            b = next(second, None)


def variation_of(rng: np.random.Generator, mean_s: float, part: Variation, wander: bool) -> Iterator[float]:
    """Sinus intervals from a generator of their own, so that what else is drawn does not disturb them."""
    return intervals(np.random.default_rng(rng.integers(2**63)), mean_s, part, wander=wander)
