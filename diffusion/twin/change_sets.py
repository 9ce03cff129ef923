"""What `diffusion.twin.beat_change` learns from: hearts simulated twice on the same day, in two conditions."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from diffusion.beats.measure import observed_beats
from diffusion.beats.shape import BeatShape
from diffusion.training.beat_sets import other_electrodes, plan_of_truth
from diffusion.training.examples import CONDUCTION, FORMS, OVERSAMPLE, RHYTHMS, WIDE, sample_condition
from diffusion.twin.beat_change import BeatChange, BeatCondition
from gen.files import atomic_files
from gen.randomness import sample_generator
from gen.text import read_text, statements
from gen.training.data import Batch, shuffled_indices

if TYPE_CHECKING:
    from gen.simulate import Heart, Truth

#: Shares of pairs: both conditions as they come, another rate, another age; the others differ in few findings.
_APART, _RATE, _AGE = 0.35, 0.15, 0.05
_YEARS = 25.0
#: Length of a simulated recording: enough for the beats of slow hearts.
_SECONDS = 7.0
#: Share of samples in which statements of both conditions go unsaid, as reports leave out what is not new; how many.
_TERSE, _UNSAID = 0.35, 0.6
#: Noise on the inputs in training: recordings are measured less exactly than simulated truth.
_INPUT_NOISE = 0.12


@dataclass(frozen=True, eq=False)
class Side:
    """A heart's beats in one condition.

    Attributes:
        own: form of the prevailing beat.
        has_p: whether there are P waves.
        codes: statements as the report says them, and as they are.
        person, age, sex: whose; age NaN and sex empty where they are not known.
    """

    own: BeatShape
    has_p: bool
    codes: tuple[frozenset[str], frozenset[str]]
    person: str
    age: float
    sex: str


@dataclass(frozen=True, eq=False)
class ChangePair:
    """One heart in two conditions: the same electrodes, the same day."""

    before: Side
    after: Side


def side_of(signal_mv: npt.NDArray[np.float64], fs_hz: float, truth: "Truth", heart: "Heart") -> Side | None:
    """A simulated recording's beats; None where it holds too few."""
    known = plan_of_truth(truth, signal_mv.shape[1] / fs_hz)
    beats = observed_beats(signal_mv, fs_hz, *known) if known is not None else None
    if beats is None:
        return None
    codes = frozenset(read_text(truth.report_en).codes()), frozenset(truth.statements)
    return Side(beats.shapes["own"], beats.has_p, codes, heart.id, heart.age, heart.sex)


def simulated_pairs(
    hearts: int, *, seed: int, block: int = 50, progress: Callable[[int], None] = lambda done: None
) -> Iterator[ChangePair]:
    """Pairs of simulated hearts without noise; those with too few beats are left out."""
    from gen.simulate import draw_heart, simulate

    for start in range(0, hearts, block):
        indices = range(start, min(start + block, hearts))
        ages = [draw_heart(seed, k).age for k in indices]
        specifications = [sample_condition_pair(seed, k, age) for k, age in zip(indices, ages, strict=True)]
        sides = []
        for side in range(2):
            conditions = [pair[side] for pair in specifications]
            batch = simulate(
                indices,
                seed=seed,
                noise="none",
                duration_s=_SECONDS,
                conditions=conditions,
                oversample=OVERSAMPLE,
            )
            sides.append(
                [
                    side_of(signal.astype(np.float64), batch.fs_hz, truth, heart)
                    for signal, truth, heart in zip(batch.signal_mv, batch.truth, batch.hearts, strict=True)
                ]
            )
        for before, after in zip(*sides, strict=True):
            if before is not None and after is not None:
                yield ChangePair(before, after)
        progress(min(start + block, hearts))


def sample_condition_pair(seed: int, index: int, age: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a heart is asked for before and after."""
    rng = np.random.default_rng(np.random.SeedSequence((seed, index, 11)))
    kind = rng.random()
    if kind < _APART:
        first, second = sample_condition(rng), sample_condition(rng)
        return {**first, "age": age}, {**second, "age": age}
    first = {**_findings(rng), "age": age}
    if kind < _APART + _RATE:
        low, high = _rates(first["statements"][0])
        return first, {**first, "heart_rate": float(rng.uniform(low, high))}
    if kind < _APART + _RATE + _AGE:
        return first, {**first, "age": float(np.clip(age + rng.uniform(-_YEARS, _YEARS), 18, 95))}
    return first, {**_changed(rng, first), "age": age}


def _findings(rng: np.random.Generator) -> dict[str, Any]:
    rhythm = str(rng.choice(RHYTHMS)) if rng.random() < 0.4 else "SR"
    others = [CONDUCTION[rng.integers(len(CONDUCTION))], FORMS[rng.integers(len(FORMS))]]
    plain = rng.random(2) < 0.5
    codes = [code for code, gone in zip(others, plain, strict=True) if code and not gone and rhythm not in WIDE]
    return {"statements": [rhythm, *codes], "heart_rate": float(rng.uniform(*_rates(rhythm)))}


def _changed(rng: np.random.Generator, specification: dict[str, Any]) -> dict[str, Any]:
    """One finding more, fewer or another, or another rhythm; sometimes the rate too."""
    rhythm, *codes = specification["statements"]
    rate = specification["heart_rate"]
    if rng.random() < 0.35:
        others = [r for r in RHYTHMS if r != rhythm]
        rhythm = str(rng.choice(others))
        low, high = _rates(rhythm)
        rate = float(np.clip(rate, low, high))
    else:
        table = CONDUCTION if rng.random() < 0.45 else FORMS
        codes = [code for code in codes if code not in table]
        new = table[rng.integers(len(table))]
        codes += [new] if new and new not in specification["statements"] else []
    if rng.random() < 0.3:
        rate = float(rng.uniform(*_rates(rhythm)))
    return {"statements": [rhythm, *(codes if rhythm not in WIDE else ())], "heart_rate": rate}


def _rates(rhythm: str) -> tuple[float, float]:
    rate = statements()[rhythm].rate
    return (50.0, 150.0) if rate is None else (rate.usual_low, rate.usual_high)


def codes_of(pairs: Sequence[ChangePair], least: int = 8) -> tuple[str, ...]:
    """Statements that are in enough of the examples, sorted."""
    count: dict[str, int] = {}
    for pair in pairs:
        for side in (pair.before, pair.after):
            for code in side.codes[0] | side.codes[1]:
                count[code] = count.get(code, 0) + 1
    return tuple(sorted(code for code, number in count.items() if number >= least))


def condition_of(side: Side, wording: int) -> BeatCondition:
    """What a beat was recorded in, as the report (0) or the statements (1) say."""
    age = None if np.isnan(side.age) else side.age
    return BeatCondition(side.codes[wording], 60.0 / side.own.rr_s, age, side.sex or None, side.has_p)


def write_pairs(pairs: Sequence[ChangePair], path: Path) -> None:
    """Write pairs, whole or not at all."""
    sides = [side for pair in pairs for side in (pair.before, pair.after)]
    shapes = [side.own for side in sides]
    arrays = {
        "qrst": np.array([s.qrst for s in shapes], dtype=np.float32),
        "p": np.array([s.p for s in shapes], dtype=np.float32),
        "times": np.array([[s.on_s, s.off_s, s.t_off_s, s.pr_s, s.rr_s] for s in shapes]),
        "has_p": np.array([side.has_p for side in sides]),
        "age": np.array([side.age for side in sides]),
    }
    words = {name: np.array([getattr(side, name) for side in sides]) for name in ("person", "sex")}
    words |= {f"codes_{k}": np.array([" ".join(sorted(side.codes[k])) for side in sides]) for k in range(2)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_files(path, overwrite=True) as file:
        np.savez(file, **arrays, **words)  # type: ignore[arg-type]


def read_pairs(path: Path) -> list[ChangePair]:
    """What `write_pairs` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        found = {name: stored[name] for name in stored.files}
    sides = []
    for k, times in enumerate(found["times"].tolist()):
        shape = BeatShape(found["qrst"][k].astype(np.float64), found["p"][k].astype(np.float64), *times)
        codes = frozenset(str(found["codes_0"][k]).split()), frozenset(str(found["codes_1"][k]).split())
        who = str(found["person"][k]), float(found["age"][k]), str(found["sex"][k])
        sides.append(Side(shape, bool(found["has_p"][k]), codes, *who))
    return [ChangePair(*pair) for pair in zip(sides[::2], sides[1::2], strict=True)]


@dataclass(frozen=True, eq=False)
class ChangeRows:
    """Pairs in both directions as arrays.

    Attributes:
        beat: (row, variant, features).
        own, target: (row, wording, condition).
        change, mask: (row, variant, CHANGED).
    """

    beat: npt.NDArray[np.float32]
    own: npt.NDArray[np.float32]
    target: npt.NDArray[np.float32]
    change: npt.NDArray[np.float32]
    mask: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.beat)

    def batch(self, rows: npt.NDArray[np.integer], variant: npt.NDArray[np.integer]) -> Batch:
        """Rows in one variant and wording each (modulo their numbers)."""
        v, w = variant % self.beat.shape[1], variant % self.own.shape[1]
        parts = {"beat": self.beat[rows, v], "own": self.own[rows, w], "target": self.target[rows, w]}
        parts |= {"change": self.change[rows, v], "mask": self.mask[rows, v]}
        return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in parts.items()}


def rows_of(pairs: Sequence[ChangePair], model: BeatChange, *, variants: int, seed: int) -> ChangeRows:
    """Pairs as the network reads them; ``variants`` of other gain and electrodes, none takes them as they are."""
    beats, owns, targets, changes, masks = [], [], [], [], []
    for number, pair in enumerate(pairs):
        for before, after in ((pair.before, pair.after), (pair.after, pair.before)):
            rows = []
            for variant in range(max(1, variants)):
                a, b = (_varied(e, (seed, number, variant), variants > 0) for e in (before, after))
                change, mask = model.change(a, b, before.has_p, after.has_p)
                rows.append((model.features(a, before.has_p), change, mask))
            beats.append(np.stack([r[0] for r in rows]))
            changes.append(np.stack([r[1] for r in rows]))
            masks.append(np.stack([r[2] for r in rows]))
            owns.append(np.stack([model.encoded(condition_of(before, w)) for w in (0, 1)]))
            targets.append(np.stack([model.encoded(condition_of(after, w)) for w in (0, 1)]))
    stacked = [np.stack(x).astype(np.float32) for x in (beats, owns, targets, changes, masks)]
    return ChangeRows(*stacked)


def _varied(side: Side, seed: tuple[int, ...], vary: bool) -> BeatShape:
    """A form under the gain and electrodes of a seed; both sides of a pair get the same."""
    return side.own.mixed(other_electrodes(np.random.default_rng(np.random.SeedSequence(seed)))) if vary else side.own


class ChangeSource:
    """Draws rows; sample g of run seed s is always the same."""

    def __init__(self, rows: ChangeRows, codes: int) -> None:
        self.rows, self.codes = rows, codes

    def batch(self, numbers: npt.NDArray[np.integer], seed: int) -> Batch:
        """See `gen.training.BatchSource`."""
        rngs = [sample_generator(seed, int(n)) for n in numbers]
        variant = np.array([rng.integers(2**20) for rng in rngs])
        batch = self.rows.batch(shuffled_indices(numbers, len(self.rows), seed), variant)
        noise = np.stack([rng.standard_normal(batch["beat"].shape[1]) for rng in rngs]).astype(np.float32)
        batch["beat"] = batch["beat"] + _INPUT_NOISE * torch.from_numpy(noise)
        for k, rng in enumerate(rngs):
            if rng.random() < _TERSE:
                own, target = batch["own"][k, : self.codes], batch["target"][k, : self.codes]
                gone = torch.from_numpy(rng.random(self.codes) < _UNSAID) & (own == target)
                own[gone] = 0.0
                target[gone] = 0.0
        return batch


def scaled(rows: ChangeRows) -> tuple[ChangeRows, npt.NDArray[np.float32]]:
    """Rows with changes in units of their root mean square, and the units."""
    known = rows.mask.reshape(-1, rows.mask.shape[-1])
    square = (rows.change.reshape(known.shape) ** 2 * known).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    unit = np.sqrt(np.maximum(square, 1e-10)).astype(np.float32)
    return replace(rows, change=(rows.change / unit).clip(-8, 8)), unit
