"""What the beat network learns from: forms and habits of recordings' and simulated beats, with their conditions."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from diffusion.beats.agreement import quiet_agreement
from diffusion.beats.code import WIDTH, BeatCode, Habits
from diffusion.beats.criteria import axis_of
from diffusion.beats.measure import ObservedBeats, observe, observed_beats
from diffusion.beats.shape import BeatShape
from diffusion.beats.variation import apart_of, measure_variation
from diffusion.conditions.batch import ConditionBatch
from diffusion.conditions.condition import Condition
from diffusion.rhythm.plan import BeatKind, BeatPlan
from diffusion.training.examples import OVERSAMPLE, clipped, sample_condition, texts_of_row
from diffusion.training.latents import condition_arrays
from gen.datasets import SignalCache
from gen.randomness import sample_generator
from gen.records import InputError
from gen.signals import fill_gaps, rms_mv
from gen.text import ReadText, StatementRead, read_text, statements
from gen.training import Batch, shuffled_indices

if TYPE_CHECKING:
    from gen.simulate import Heart, Truth

_KINDS = {
    "normal": BeatKind.NORMAL,
    "PVC": BeatKind.VENTRICULAR,
    "PAC": BeatKind.ATRIAL,
    "paced": BeatKind.PACED,
    "escape": BeatKind.ESCAPE,
}


@dataclass(frozen=True, eq=False)
class BeatExample:
    """One recording's beats.

    Attributes:
        person: of whom.
        own, other: forms of its prevailing and of its ventricular beats.
        has_p: whether it has P waves.
        habits: how it varies; None where it has none of its own.
        mixing: (beat, 64) of single beats, for the code.
        texts: its wordings.
        facts: its numbers, sex and source.
    """

    person: str
    own: BeatShape
    other: BeatShape | None
    has_p: bool
    habits: Habits | None
    mixing: npt.NDArray[np.floating]
    texts: tuple[ReadText | None, ...]
    facts: Mapping[str, Any]


def example_of(
    signal_mv: npt.NDArray[np.floating],
    fs_hz: float,
    beats: ObservedBeats,
    *,
    person: str,
    texts: tuple[ReadText | None, ...],
    facts: Mapping[str, Any],
    habits: bool = True,
) -> tuple[BeatExample, npt.NDArray[np.float64] | None]:
    """A recording's example, and what is left of it without its beats (None without ``habits``)."""
    own = beats.shapes["own"]
    rr = beats.plan.rr_s
    numbers = {
        "heart_rate": 60.0 / float(rr.mean()) if len(rr) else None,
        "pr_ms": 1e3 * own.pr_s if beats.has_p else None,
        "qrs_ms": 1e3 * (own.off_s - own.on_s),
        "qt_ms": 1e3 * (own.t_off_s - own.on_s),
        "axis_deg": axis_of(own),
        "rms_mv": float(rms_mv(signal_mv[None].astype(np.float32), fs_hz)[0]),
    }
    who = {name: value for name, value in facts.items() if name in ("sex", "source")}
    known = clipped(numbers | {"age": facts.get("age")}) | who
    kept, rest, mixing = None, None, np.empty((0, 64))
    if habits:
        variation, rest = measure_variation(signal_mv, fs_hz, beats)
        mixing = variation.mixing.reshape(len(variation.mixing), -1)
        kept = Habits(variation.size if len(mixing) > 2 else 0.1, variation.swelling, variation.power_mv2)
        mixing = mixing / max(float(np.sqrt((mixing**2).sum(axis=1).mean())), 1e-6) if len(mixing) else mixing
    example = BeatExample(person, own, beats.shapes.get("other"), beats.has_p, kept, mixing, texts, known)
    return example, rest


def said(text: ReadText | None) -> frozenset[str]:
    """Statements of a text that are not denied."""
    return frozenset(() if text is None else text.codes())


def chosen_rows(
    cache: SignalCache,
    rows: npt.NDArray[np.integer],
    *,
    only: Collection[str] = (),
    without: Collection[str] = (),
) -> npt.NDArray[np.integer]:
    """Rows of a cache whose report or statements have one of ``only`` (where there are any) and none of ``without``.

    Raises:
        InputError: one of the codes is no statement.
    """
    for code in (*only, *without):
        if code not in statements():
            raise InputError(f"{code!r}: no SCP-ECG statement; accepted: {', '.join(sorted(statements()))}")
    if not only and not without:
        return rows
    found = [said(texts_of_row(row)[2]) for _, row in cache.table.iloc[rows].iterrows()]
    kept = [not codes & set(without) and (not only or bool(codes & set(only))) for codes in found]
    return rows[np.array(kept, dtype=bool)]


def recorded_beats(
    cache: SignalCache,
    rows: npt.NDArray[np.integer],
    block: int = 32,
    progress: Callable[[int], None] = lambda done: None,
) -> Iterator[tuple[BeatExample, npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """Recordings of a cache that can be delineated, with what is left of each and how leads agree in it.

    ``progress`` hears how many are done.
    """
    for start in range(0, len(rows), block):
        chosen = rows[start : start + block]
        signal = fill_gaps(cache.batch(chosen)).astype(np.float64)
        table = cache.table.iloc[chosen]
        codes = [list(json.loads(text or "{}")) for text in table.statements]
        for x, beats, (_, row) in zip(signal, observe(signal, cache.fs_hz, codes), table.iterrows(), strict=True):
            if beats is not None:
                example, rest = recorded_example(x, cache.fs_hz, beats, row)
                apart = apart_of(beats, x.shape[1], cache.fs_hz)
                yield example, rest, quiet_agreement(rest, cache.fs_hz, apart)
        progress(min(start + block, len(rows)))


def recorded_example(
    signal_mv: npt.NDArray[np.float64], fs_hz: float, beats: ObservedBeats, row: Any
) -> tuple[BeatExample, npt.NDArray[np.float64]]:
    """The example of a row of a cache's table."""
    sex = row.sex if row.sex in ("F", "M") else None
    facts = {"age": row.age, "sex": sex, "source": "recorded"}
    example, rest = example_of(
        signal_mv, fs_hz, beats, person=str(row.patient_id), texts=texts_of_row(row), facts=facts
    )
    assert rest is not None
    return example, rest


def simulated_beats(
    count: int, *, seed: int, visits: int = 2, block: int = 50, progress: Callable[[int], None] = lambda done: None
) -> Iterator[BeatExample]:
    """Beats of simulated hearts without noise, each in several visits under other conditions."""
    from gen.simulate import simulate

    for start in range(0, count, block):
        indices = range(start, min(start + block, count))
        for visit in range(visits):
            specifications = [
                sample_condition(np.random.default_rng(np.random.SeedSequence((seed, i, 7 + visit)))) for i in indices
            ]
            batch = simulate(
                indices, seed=seed, visit=visit, noise="none", conditions=specifications, oversample=OVERSAMPLE
            )
            for signal, truth, heart in zip(batch.signal_mv, batch.truth, batch.hearts, strict=True):
                found = simulated_example(signal.astype(np.float64), batch.fs_hz, truth, heart)
                if found is not None:
                    yield found
        progress(min(start + block, count))


def simulated_example(
    signal_mv: npt.NDArray[np.float64], fs_hz: float, truth: "Truth", heart: "Heart"
) -> BeatExample | None:
    """The example of a simulated recording; None where it holds too few beats."""
    known = plan_of_truth(truth, signal_mv.shape[1] / fs_hz)
    beats = observed_beats(signal_mv, fs_hz, *known) if known is not None else None
    if beats is None:
        return None
    codes = ReadText(tuple(StatementRead(code) for code in truth.statements))
    facts = {"age": heart.age, "sex": heart.sex, "source": "simulated"}
    texts = (read_text(truth.report_en), read_text(truth.report_de), codes)
    return example_of(signal_mv, fs_hz, beats, person=heart.id, texts=texts, facts=facts, habits=False)[0]


def plan_of_truth(truth: "Truth", duration_s: float) -> tuple[BeatPlan, tuple[float, float, float]] | None:
    """A simulated recording's beats, and QRS, QT and P in seconds; None with fewer than three beats."""
    beats = [b for b in truth.beats if b.kind in _KINDS and np.isfinite(b.qrs[1])]
    if len(beats) < 3:
        return None
    kinds = np.array([_KINDS[b.kind] for b in beats], dtype=np.int8)
    own = [b for b, k in zip(beats, kinds, strict=True) if k == np.bincount(kinds).argmax()]
    p = [b.p for b in truth.beats if np.isfinite(b.p[0])]
    t = [b.t[2] - b.qrs[0] for b in own if np.isfinite(b.t[2])]
    codes = truth.statements
    plan = BeatPlan(
        times_s=np.array([b.qrs[1] for b in beats]),
        kinds=kinds,
        pr_s=np.array([b.qrs[0] - b.p[0] for b in beats]),
        p_times_s=np.unique([wave[0] for wave in p]),
        atrial="fibrillation" if "AFIB" in codes else "flutter" if "AFLT" in codes else "sinus",
        duration_s=duration_s,
        onset_to_reference_s=float(np.median([b.qrs[1] - b.qrs[0] for b in own])),
    )
    nan = float("nan")
    qrs = float(np.median([b.qrs[2] - b.qrs[0] for b in own]))
    return plan, (qrs, float(np.median(t)) if t else nan, float(np.median([w[2] - w[0] for w in p])) if p else nan)


def other_electrodes(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """(8, 8) mixing of leads: another gain, chest electrodes a little displaced."""
    mixing = np.eye(8)
    for lead in range(2, 8):
        shift = rng.normal(0, 0.05)
        neighbour = lead + (1 if shift > 0 else -1)
        if 2 <= neighbour < 8:
            mixing[lead, lead] -= abs(shift)
            mixing[lead, neighbour] += abs(shift)
    return float(np.exp(rng.normal(0, 0.12))) * mixing


def varied(example: BeatExample, rng: np.random.Generator) -> BeatExample:
    """The same beats at another gain, chest electrodes a little displaced; conditions follow."""
    mixing = other_electrodes(rng)
    gain = float(mixing[0, 0])
    habits = example.habits
    if habits is not None:
        habits = replace(habits, power_mv2=gain**2 * habits.power_mv2)
    facts = dict(example.facts)
    if facts.get("rms_mv") is not None:
        facts["rms_mv"] = float(np.clip(facts["rms_mv"] * gain, 0.005, 5))
    other = example.other.mixed(mixing) if example.other is not None else None
    return replace(example, own=example.own.mixed(mixing), other=other, habits=habits, facts=facts)


@dataclass(frozen=True, eq=False)
class BeatRows:
    """Examples as arrays; one row per form and variation.

    Attributes:
        arrays: ``vector``, ``mask``, ``reference`` (row, WIDTH), ``form`` (row,) and the tensors of a `ConditionBatch`,
            those of the text with a second axis of wordings.
    """

    arrays: dict[str, npt.NDArray[Any]]

    def __len__(self) -> int:
        return len(self.arrays["form"])

    def batch(self, rows: npt.NDArray[np.integer], worded: npt.NDArray[np.integer]) -> Batch:
        """Rows with one wording each (modulo their number)."""
        out: Batch = {}
        for name, array in self.arrays.items():
            values = array[rows, worded % array.shape[1]] if name.startswith("token_") else array[rows]
            out[name] = torch.from_numpy(np.ascontiguousarray(values))
        width = max(1, int(out["token_mask"].any(dim=0).sum()))
        for name in out:
            if name.startswith("token_"):
                out[name] = out[name][:, :width]
        return out


def rows_of(
    examples: Sequence[BeatExample], code: BeatCode, *, variants: int, seed: int, earlier: bool = False
) -> BeatRows:
    """Examples as a network reads them.

    Args:
        examples: recordings.
        code: of the vectors.
        variants: variations of each; 0 takes them as they are.
        seed: of the variations.
        earlier: tell every prevailing beat of another recording of the same person, where there is one.
    """
    vectors, masks, references, forms, conditions = [], [], [], [], []
    nothing = np.full(WIDTH, np.nan)
    for variant in range(max(1, variants)):
        last: dict[str, npt.NDArray[np.float64]] = {}
        for number, example in enumerate(examples):
            rng = np.random.default_rng(np.random.SeedSequence((seed, number, variant)))
            one = varied(example, rng) if variants else example
            own = code.vector(one.own, one.habits)
            told = [Condition(text=text, **one.facts) for text in one.texts]
            vectors.append(own)
            masks.append(code.mask(one.has_p, one.habits is not None))
            references.append(last.get(one.person, nothing) if earlier else nothing)
            forms.append(0)
            conditions.append(told)
            last[one.person] = own
            if one.other is not None:
                vectors.append(code.vector(one.other, None))
                masks.append(code.mask(False, False))
                references.append(own)
                forms.append(1)
                conditions.append(told)
    worded = [[told[k] for told in conditions] for k in range(3)]
    arrays: dict[str, npt.NDArray[Any]] = {
        "vector": np.stack(vectors).astype(np.float32),
        "mask": np.stack(masks),
        "reference": np.stack(references).astype(np.float32),
        "form": np.array(forms, dtype=np.int64),
    }
    return BeatRows(arrays | condition_arrays(worded))


class BeatSource:
    """Draws rows of several sets in fixed shares; sample g of run seed s is always the same.

    Args:
        sets: the sets.
        shares: of each, adding up to one.
    """

    def __init__(self, sets: Sequence[BeatRows], shares: Sequence[float]) -> None:
        self.sets, self.bounds = list(sets), np.cumsum(shares)

    def batch(self, numbers: npt.NDArray[np.integer], seed: int) -> Batch:
        """See `gen.training.BatchSource`."""
        draws = np.array([sample_generator(seed, int(n)).random(2) for n in numbers])
        chosen = np.minimum(np.searchsorted(self.bounds, draws[:, 0], side="right"), len(self.sets) - 1)
        worded = (draws[:, 1] * 2**20).astype(np.int64)
        parts, places = [], []
        for k, rows in enumerate(self.sets):
            own = np.flatnonzero(chosen == k)
            if len(own):
                parts.append(rows.batch(shuffled_indices(numbers[own], len(rows), seed), worded[own]))
                places.append(own)
        order = torch.from_numpy(np.argsort(np.concatenate(places)))
        told = ConditionBatch.cat([ConditionBatch.from_dict(p) for p in parts]).as_dict()
        own_arrays = {name: torch.cat([p[name] for p in parts]) for name in ("vector", "mask", "reference", "form")}
        return {name: value[order] for name, value in {**own_arrays, **told}.items()}
