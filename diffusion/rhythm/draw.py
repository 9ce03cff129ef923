"""From a request to a rhythm's events: everything that is drawn once for a recording."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from diffusion.rhythm import process
from diffusion.rhythm.plan import BeatKind
from diffusion.rhythm.process import Ectopy, Event
from diffusion.rhythm.request import MECHANISMS, RhythmRequest
from diffusion.rhythm.table import RhythmTable
from diffusion.rhythm.variation import Variation

Events = Callable[[np.random.Generator], Iterator[Event]]
#: Recordings longer than this let the rate wander over minutes.
LONG_S = 60.0
#: A strip up to this long shows the premature beats that are stated.
SHORT_S = 20.0


@dataclass(frozen=True)
class Habits:
    """A person's own way of beating, as far as it stays from recording to recording.

    Attributes:
        variation: of sinus intervals.
        pr_ms: PR interval.
        ectopy: premature beats.
        spread, memory: of fibrillation.
    """

    variation: Variation | None = None
    pr_ms: float | None = None
    ectopy: Ectopy | None = None
    spread: float | None = None
    memory: float | None = None


@dataclass(frozen=True)
class Rhythm:
    """A rhythm with all that is drawn once.

    Attributes:
        events: makes the stream of events from a generator, again and again the same.
        atrial: see `diffusion.rhythm.plan.ATRIAL`.
        heart_rate: mean ventricular rate that the recording must have, bpm.
        wave_hz: of flutter or fibrillation waves.
        facts: what was drawn, as JSON values.
    """

    events: Events
    atrial: str
    heart_rate: float
    wave_hz: float
    facts: dict[str, Any]


def draw(
    request: RhythmRequest,
    rng: np.random.Generator,
    table: RhythmTable,
    duration_s: float,
    habits: Habits | None = None,
) -> Rhythm:
    """Draw a rhythm's parameters.

    Args:
        request: checked, see `RhythmRequest.of`.
        rng: generator of these draws alone.
        table: fitted numbers.
        duration_s: of the recording.
        habits: a person's; what is None there is drawn.
    """
    habits = habits or Habits()
    mechanism = request.mechanism
    rate = request.heart_rate if request.heart_rate is not None else _rate(request, rng, table)
    age = 60.0 if request.age is None else float(np.clip(request.age, 0, 100))
    rr = 60.0 / rate
    long = duration_s > LONG_S
    pr = 1e-3 * _pr(request, rng, table, age, rr, habits)
    stated = bool(request.codes & {"SARRH", "SVARR"})
    part = habits.variation or table.variation.draw(rng, age, rr, stated)
    if stated and part.breath < 0.03:
        part = replace(part, breath=0.03 + 0.05 * rng.random())
    ectopy = habits.ectopy if habits.ectopy is not None else _ectopy(request, rng, table)
    if ectopy is not None and duration_s <= SHORT_S:
        ectopy = replace(ectopy, longest=max(1, int(0.55 * duration_s / rr)))
    facts: dict[str, Any] = {"mechanism": mechanism, "heart_rate": round(rate, 2)}
    maker = _Maker(request, rng, table, rate, pr, part, ectopy, long, habits, facts)
    events, atrial, hz = maker.make(mechanism)
    return Rhythm(events, atrial, rate, hz, facts)


def _rate(request: RhythmRequest, rng: np.random.Generator, table: RhythmTable) -> float:
    names = [c for c in ("STACH", "SBRAD", "SARRH") if c in request.codes] if request.mechanism == "sinus" else []
    median, sd = table.rates[names[0] if names else request.mechanism]
    _, low, high = MECHANISMS[request.mechanism]
    if "STACH" in request.codes or "RVR" in request.codes:
        low = max(low, 100.0)
    if "SBRAD" in request.codes:
        high = 60.0
    for _ in range(50):
        rate = float(median * np.exp(sd * rng.standard_normal()))
        if low <= rate <= high:
            return rate
    return float(np.clip(median, low, high))


def _pr(
    request: RhythmRequest, rng: np.random.Generator, table: RhythmTable, age: float, rr: float, habits: Habits
) -> float:
    """PR in ms."""
    z = float(np.clip(rng.standard_normal(), -2.2, 2.6))
    if request.pr_ms is not None:
        return request.pr_ms
    if request.codes & {"1AVB", "LPR"}:
        mean, sd = table.pr["long"]
        return float(np.clip(np.exp(mean + sd * z), 202.0, 380.0))
    if request.codes & {"WPW", "SPR"}:
        return float(np.clip(104 + 9 * z, 80.0, 118.0))
    if habits.pr_ms is not None:
        return habits.pr_ms
    one, slope_age, slope_rr, sd = table.pr["normal"]
    usual = one + slope_age * (age - 60.0) / 20.0 + slope_rr * np.log(rr / 0.85) + sd * z
    return float(np.clip(np.exp(usual), 105.0, min(198.0, 420.0 * rr)))


def _ectopy(request: RhythmRequest, rng: np.random.Generator, table: RhythmTable) -> Ectopy | None:
    codes = request.codes
    if (
        codes & {"PVC", "COUP"}
        or request.runs
        or (codes & {"BIGU", "TRIGU", "PRC(S)"} and not codes & {"PAC", "SVARR"})
    ):
        kind, numbers = BeatKind.VENTRICULAR, table.ectopy["PVC"]
    elif codes & {"PAC", "PRC(S)", "SVARR", "BIGU", "TRIGU"}:
        kind, numbers = BeatKind.ATRIAL, table.ectopy["PAC"]
    else:
        return None
    pattern = "single"
    for code, name in (("BIGU", "bigeminy"), ("TRIGU", "trigeminy"), ("COUP", "couplets")):
        if code in codes:
            pattern = name
    if pattern == "single" and request.runs:
        pattern = "runs"
    coupling = numbers["coupling"] * np.exp(numbers["between"] * rng.standard_normal())
    if pattern in ("bigeminy", "trigeminy"):
        coupling = min(coupling, 0.70)
    return Ectopy(
        kind,
        pattern,
        share=float(np.clip(numbers["share"] * np.exp(0.5 * rng.standard_normal()), 0.04, 0.6)),
        coupling=float(np.clip(coupling, 0.45, 0.84)),
        spread=float(numbers["within"]),
        pause=float(np.clip(numbers["pause"] + 0.07 * rng.standard_normal(), 0.95, 1.5)),
    )


@dataclass
class _Maker:
    """One method a mechanism; each returns the events, the atria and the rate of their waves."""

    request: RhythmRequest
    rng: np.random.Generator
    table: RhythmTable
    rate: float
    pr: float
    part: Variation
    ectopy: Ectopy | None
    long: bool
    habits: Habits
    facts: dict[str, Any]

    def make(self, mechanism: str) -> tuple[Events, str, float]:
        """See the class."""
        known = {
            "sinus": self.sinus,
            "fibrillation": self.fibrillation,
            "flutter": self.flutter,
            "complete block": self.complete,
            "second degree block": self.second,
            "pacing": self.pacing,
        }
        return known[mechanism]() if mechanism in known else self.focus(mechanism)

    def clock(self, mean_s: float, part: Variation | None = None) -> Callable[[np.random.Generator], Iterator[float]]:
        """Sinus intervals as a function of the generator."""
        chosen, long = part or self.part, self.long
        return lambda rng: process.variation_of(rng, mean_s, chosen, long)

    def sinus(self) -> tuple[Events, str, float]:
        codes, pr, ectopy = self.request.codes, self.pr, self.ectopy
        clock = self.clock(60.0 / self.rate)
        pauses = 1.0 / 6.0 if codes & {"PAUSE", "SAB"} else 0.0
        wandering = 0.018 if codes & {"WAP", "MAT"} else 0.0
        if "MAT" in codes:
            clock = self.clock(60.0 / self.rate, replace(self.part, white=max(self.part.white, 0.12)))
        if ectopy is not None:
            self.facts["ectopy"] = f"{ectopy.kind.name.lower()}, {ectopy.pattern}"
        self.facts["pr_ms"] = round(1e3 * pr, 1)
        return (
            lambda rng: process.sinus(
                rng, clock(rng), pr, ectopy, pauses=pauses, exact_pause="SAB" in codes, wandering=wandering
            ),
            "sinus",
            0.0,
        )

    def fibrillation(self) -> tuple[Events, str, float]:
        numbers, rng = self.table.fibrillation, self.rng
        mean, sd, slope = numbers["spread"]
        drawn = np.exp(mean + slope * np.log(self.rate / 88.0) + sd * rng.standard_normal())
        spread = float(np.clip(drawn, 0.07, 0.42)) if self.habits.spread is None else self.habits.spread
        memory = float(np.clip(numbers["memory"][0] + numbers["memory"][1] * rng.standard_normal(), -0.5, 0.6))
        memory = memory if self.habits.memory is None else self.habits.memory
        ectopic = 0.12 if self.request.codes & {"PVC", "BIGU", "TRIGU", "COUP"} else 0.0
        mean_s, quantiles = 60.0 / self.rate, np.array(numbers["quantiles"])
        hz = float(5.2 + 2.4 * rng.random())
        return (
            lambda g: process.fibrillation(g, mean_s, spread, memory, quantiles, ectopic),
            "fibrillation",
            hz,
        )

    def flutter(self) -> tuple[Events, str, float]:
        rng = self.rng
        wave = float(np.clip(272.0 + 24.0 * rng.standard_normal(), 220.0, 345.0))
        ratio = self.request.conduction
        changing = False
        if ratio is None:
            # The rate asked for must be had: fixed conduction where some flutter rate divides to it.
            fits = [k for k in range(1, 7) if 205.0 <= self.rate * k <= 350.0]
            even = [k for k in fits if k % 2 == 0]
            changing = not fits or rng.random() < self.table.flutter["changing"]
            ratio = (even or fits or [2])[0]
        if changing:
            mean = max(1.0, wave / self.rate)
            self.facts["conduction"] = f"changing, {mean:.1f}:1"
            hz = wave / 60.0
            jitter = self.table.flutter["jitter_s"]
            return lambda g: process.flutter(g, hz, mean, True, jitter), "flutter", hz
        hz = self.rate * ratio / 60.0
        self.facts["conduction"] = f"{ratio}:1"
        jitter, fixed = self.table.flutter["jitter_s"], float(ratio)
        return lambda g: process.flutter(g, hz, fixed, False, jitter), "flutter", hz

    def complete(self) -> tuple[Events, str, float]:
        rng, request = self.rng, self.request
        form = request.form or ("junctional" if self.rate > 42 and rng.random() < 0.8 else "ventricular")
        kind = BeatKind.JUNCTIONAL if form == "junctional" else BeatKind.ESCAPE
        cv = float(0.006 + 0.014 * rng.random())
        self.facts["escape"] = form
        mean_s = 60.0 / self.rate
        if "AFIB" in request.codes:
            return (
                lambda g: process.regular(g, mean_s, cv, kind),
                "fibrillation",
                float(5.2 + 2.4 * rng.random()),
            )
        atrial = float(np.clip(84.0 * np.exp(0.16 * rng.standard_normal()), max(58.0, 1.25 * self.rate), 130.0))
        self.facts["atrial_rate"] = round(atrial, 1)
        clock, start = self.clock(60.0 / atrial), float(rng.random() * 60.0 / atrial)

        def events(g: np.random.Generator) -> Iterator[Event]:
            waves = process.lone_waves(clock(g), start)
            return process.merged(process.regular(g, mean_s, cv, kind), waves)

        return events, "sinus", 0.0

    def second(self) -> tuple[Events, str, float]:
        rng, pr = self.rng, self.pr
        form = self.request.form or str(rng.choice(["mobitz1", "mobitz2", "2:1"], p=[0.6, 0.2, 0.2]))
        self.facts["form"] = form
        low = 50.0 if form == "2:1" else 48.0
        # The atria's rate follows from the ventricles'; it should be one that a sinus node has.
        cycles = [2] if form == "2:1" else [3, 4, 5, 6]
        fits = [c for c in cycles if low <= self.rate * c / (c - 1) <= 150.0] or cycles[:1]
        cycle = int(rng.choice(fits[:3]))
        clock = self.clock(60.0 / self.rate * (cycle - 1) / cycle)
        if form == "mobitz1":
            gain = float(0.045 + 0.045 * rng.random())
            base = pr if self.request.pr_ms is not None else max(pr, 0.16)
            return lambda g: process.wenckebach(g, clock(g), base, cycle, gain), "sinus", 0.0
        return lambda g: process.constant_block(g, clock(g), pr, cycle), "sinus", 0.0

    def pacing(self) -> tuple[Events, str, float]:
        rng, codes, mean_s = self.rng, self.request.codes, 60.0 / self.rate
        fibrillating = bool(codes & {"AFIB", "AFLT"})
        form = self.request.form or ("dual" if not fibrillating and rng.random() < 0.6 else "ventricular")
        self.facts["pacing"] = form
        if fibrillating or form == "ventricular":
            hz = float(5.2 + 2.4 * rng.random()) if fibrillating else 0.0
            atrial = "fibrillation" if fibrillating else "none"
            return lambda g: process.regular(g, mean_s, 0.0008, BeatKind.PACED), atrial, hz
        delay = self.pr if self.request.pr_ms is not None else float(0.14 + 0.05 * rng.random())
        clock = self.clock(mean_s, self.part.scaled(0.5))
        return lambda g: process.paced(g, clock(g), delay), "sinus", 0.0

    def focus(self, mechanism: str) -> tuple[Events, str, float]:
        """Tachycardia, idioventricular and junctional rhythm: one regular focus or circuit."""
        cv = float(
            {"supraventricular tachycardia": 0.006}.get(mechanism, 0.015) * np.exp(0.4 * self.rng.standard_normal())
        )
        wide = mechanism in ("ventricular tachycardia", "idioventricular")
        kind = BeatKind.VENTRICULAR if mechanism == "ventricular tachycardia" else BeatKind.ESCAPE
        if not wide:
            kind = BeatKind.NORMAL if mechanism == "supraventricular tachycardia" else BeatKind.JUNCTIONAL
        mean_s, hidden = 60.0 / self.rate, "none"
        if mechanism != "ventricular tachycardia":
            return lambda g: process.regular(g, mean_s, cv, kind), hidden, 0.0
        # The atria go on at their own pace.
        clock, start = self.clock(0.72), float(0.7 * self.rng.random())

        def events(g: np.random.Generator) -> Iterator[Event]:
            waves = process.lone_waves(clock(g), start)
            return process.merged(process.regular(g, mean_s, cv, kind), waves)

        return events, "sinus", 0.0
