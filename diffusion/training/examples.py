"""What text-to-ECG models learn from: recordings as they are described, and simulated ECGs whose truth is known."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from diffusion.conditions.condition import Condition
from diffusion.training.latents import Example
from gen.datasets import SignalCache
from gen.leads import LEADS_8
from gen.quantities import MEASURED, QUANTITIES
from gen.signals import fill_gaps, rms_mv
from gen.text import ReadText, StatementRead, read_text, statements
from metrics.measurement.records import measure_records

if TYPE_CHECKING:
    from gen.simulate import SimulatedBatch

#: Seconds of a training window: 500 Hz signals of ten seconds are cut at 200 different places.
WINDOW_S = 9.6
#: Statements that are drawn more often than in the population, so that prompts with them are learned.
OVERSAMPLE = {
    "AFIB": 2.0,
    "AFLT": 8.0,
    "PACE": 6.0,
    "CLBBB": 4.0,
    "CRBBB": 4.0,
    "1AVB": 3.0,
    "PVC": 2.0,
    "LVH": 2.0,
    "RVH": 3.0,
    "AMI": 3.0,
    "WPW": 4.0,
    "LVOLT": 3.0,
}
RHYTHMS = ("SR", "SR", "AFIB", "AFLT", "STACH", "SBRAD", "PACE", "1AVB", "2AVB", "3AVB", "PVC", "PAC", "SVTAC")
CONDUCTION = (None, None, "CLBBB", "CRBBB", "LAFB", "IRBBB", "WPW")
FORMS = (None, "LVH", "RVH", "IMI", "AMI", "ASMI", "LVOLT", "LNGQT", "INVT", "STE_", "STD_", "ISC_")
WIDE = ("PACE", "3AVB")

#: Measures (n, 8, time) mV at a rate: for each record, values of `QUANTITIES` where measurable.
Measure = Callable[[np.ndarray, float], list[dict[str, float]]]


def measured(signal_mv: np.ndarray, fs_hz: float) -> list[dict[str, float]]:
    """A `Measure`: what the installed metrics package reads off (n, 8, time) mV; NaN where not measurable."""
    parameters = measure_records(signal_mv, fs_hz=fs_hz, leads=LEADS_8)
    return [{name: getattr(p, theirs) for name, theirs in MEASURED.items()} for p in parameters]


def vary(signal_mv: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another recording of the same kind: a window of it, other gain, chest electrodes a little displaced.

    Args:
        signal_mv: (8, time).
        rng: drawn from.

    Returns:
        (8, 0.96 time).
    """
    length = round(signal_mv.shape[1] * WINDOW_S / 10)
    start = int(rng.integers(0, signal_mv.shape[1] - length + 1))
    mixing = np.eye(8)
    for lead in range(2, 8):
        shift = rng.normal(0, 0.05)
        neighbour = lead + (1 if shift > 0 else -1)
        if 2 <= neighbour < 8:
            mixing[lead, lead] -= abs(shift)
            mixing[lead, neighbour] += abs(shift)
    gain = np.exp(rng.normal(0, 0.12))
    return (gain * mixing).astype(np.float32) @ signal_mv[:, start : start + length]


def recorded(
    cache: SignalCache, rows: np.ndarray, measure: Measure, *, variants: int, seed: int, block: int = 64
) -> Iterator[Example]:
    """Recordings of a cache, each in several variations, worded by report, by codes, and by both.

    Args:
        cache: recordings at 500 Hz.
        rows: which of them.
        measure: called once for each recording.
        variants: variations of each; 0 gives the recording's first window, unchanged.
        seed: of the variations.
    """
    for start in range(0, len(rows), block):
        chosen = rows[start : start + block]
        whole = fill_gaps(cache.batch(chosen))
        measured = measure(whole, cache.fs_hz)
        table = cache.table.iloc[chosen]
        texts = [texts_of_row(row) for _, row in table.iterrows()]
        for variant in range(max(variants, 1)):
            rngs = [np.random.default_rng(np.random.SeedSequence((seed, int(row), variant))) for row in chosen]
            length = round(WINDOW_S * cache.fs_hz)
            signal = (
                np.stack([vary(x, rng) for x, rng in zip(whole, rngs, strict=True)])
                if variants
                else whole[:, :, :length]
            )
            power = rms_mv(signal, cache.fs_hz)
            facts = [
                clipped(m | {"rms_mv": p, "age": row.age})
                | {"sex": row.sex if row.sex in ("F", "M") else None, "source": "recorded"}
                for m, p, (_, row) in zip(measured, power.tolist(), table.iterrows(), strict=True)
            ]
            yield Example(signal, _wordings(texts, facts))


def simulated(count: int, *, seed: int, block: int = 64) -> Iterator[Example]:
    """Simulated ECGs with light noise: a third as the population has them, the rest with rate or statements pinned."""
    from gen.simulate import simulate

    for start in range(0, count, block):
        indices = range(start, min(start + block, count))
        specifications = [
            sample_condition(np.random.default_rng(np.random.SeedSequence((seed, index, 7)))) for index in indices
        ]
        yield described(
            simulate(
                indices, seed=seed, noise="light", duration_s=WINDOW_S, conditions=specifications, oversample=OVERSAMPLE
            )
        )


def described(batch: "SimulatedBatch") -> Example:
    """Simulated recordings with their truth as conditions, worded in English, in German and as statements."""
    power = rms_mv(batch.signal_mv, batch.fs_hz)
    facts, texts = [], []
    for truth, heart, p in zip(batch.truth, batch.hearts, power.tolist(), strict=True):
        values = {"heart_rate": truth.hr_bpm, "pr_ms": truth.pr_ms, "qrs_ms": truth.qrs_ms, "qt_ms": truth.qt_ms}
        values |= {"axis_deg": truth.axis_deg, "rms_mv": p, "age": heart.age}
        facts.append(clipped(values) | {"sex": heart.sex, "source": "simulated"})
        codes = ReadText(tuple(StatementRead(code) for code in truth.statements))
        texts.append((read_text(truth.report_en), read_text(truth.report_de), codes))
    return Example(batch.signal_mv, _wordings(texts, facts))


def sample_condition(rng: np.random.Generator) -> dict[str, Any]:
    """What a simulated heart is asked for."""
    kind = rng.random()
    specification: dict[str, Any] = {}
    if kind > 0.35:
        specification["heart_rate"] = float(rng.uniform(35, 185))
    if kind > 0.65:
        rhythm = str(rng.choice(RHYTHMS))
        others = [CONDUCTION[rng.integers(len(CONDUCTION))], FORMS[rng.integers(len(FORMS))]]
        if rhythm in WIDE:  # the ventricles' own rhythm has one form
            others = []
        specification["statements"] = [rhythm, *[code for code in others if code]]
        rate = statements()[rhythm].rate
        low, high = (50.0, 150.0) if rate is None else (rate.usual_low, rate.usual_high)
        specification["heart_rate"] = float(rng.uniform(low, high))
    return specification


def texts_of_row(row: Any) -> tuple[ReadText | None, ...]:
    """A recording's report, its codes as statements, and both; of a row of a cache's table."""
    report = row.report if isinstance(row.report, str) and row.report.strip() else None
    likelihood: Mapping[str, float] = json.loads(row.statements) if isinstance(row.statements, str) else {}
    codes = tuple(
        StatementRead(code, certainty="possible" if 0 < percent < 50 else "certain")
        for code, percent in likelihood.items()
    )
    if report is None:
        return (ReadText(codes),) * 3 if codes else (None,) * 3
    read = read_text(report)
    known = {statement.code for statement in read.statements}
    both = ReadText((*read.statements, *(c for c in codes if c.code not in known)), read.numbers, read.unknown)
    return read, ReadText(codes) if codes else read, both


def _wordings(texts: Iterable[Sequence[ReadText | None]], facts: Iterable[Mapping[str, Any]]) -> list[list[Condition]]:
    """For each way to word a recording (three in ``texts``), the conditions of all recordings."""
    pairs = list(zip(texts, facts, strict=True))
    return [[Condition(text=text[k], **fact) for text, fact in pairs] for k in range(3)]


def clipped(values: Mapping[str, float | None]) -> dict[str, float | None]:
    """Values inside the ranges that a `Condition` accepts; others are unknown."""
    return {
        name: float(value) if value is not None and QUANTITIES[name].low <= value <= QUANTITIES[name].high else None
        for name, value in values.items()
    }
