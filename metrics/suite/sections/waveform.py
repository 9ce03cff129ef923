"""Judges that look at the waveform itself: forests on descriptors by family, a network on the raw signal, precision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gen.leads import LEADS_8
from gen.records import InputError
from metrics.distribution.manifold import manifold_scores
from metrics.judges.forest import ALL, Judgement, Verdict, judge, measured_columns
from metrics.report.entries import Entry, entry, skip
from metrics.statistics.arrays import Array
from metrics.statistics.bootstrap import Interval
from metrics.suite.aligned import AlignedSet, blocks
from metrics.suite.halves import HalfScores, half_scores, halvings
from metrics.suite.job import Job, draw
from metrics.waveform.descriptors import FAMILIES, Descriptors, describe

SECTION = "Waveform"
#: Fewer records a side give no interval worth reading.
FEWEST = 50
#: More records a side change little and cost much.
MOST = 1000
#: The same for the network, which takes a minute a side at this number.
MOST_RAW = 400
#: Where a set was resampled, bands up to this share of the new Nyquist frequency are compared.
_RESAMPLED_SHARE = 0.8
_LOOKS_AT: Mapping[str, str] = {
    ALL: "all waveform descriptors",
    "spectrum": "power by band and lead from drift to 250 Hz, noise floor, mains",
    "rhythm": "the times of beats: RR variation, correlation of neighbouring RR, breathing, ectopy",
    "beats": "how much the P, QRS and T of one record differ from beat to beat",
    "coherence": "how much leads agree, by band",
    "amplitude": "sizes of R, S, P, T and ST in each lead, voltages",
    "quantisation": "the step of the stored values",
}
_KEPT = ("precision", "recall")
_LEAST_HALF = 20


def name_of(family: str) -> str:
    """Key of a family's figure in report.json."""
    return "waveform_auroc" if family == ALL else f"waveform_auroc_{family}"


NAMES = (*(name_of(family) for family in _LOOKS_AT), "waveform_auroc_raw", "waveform_precision", "waveform_recall")


def waveform_section(job: Job) -> list[Entry]:
    """AUROC of the forests and of the network, with floor and interval; precision and recall on the descriptors."""
    sets = (job.real, job.generated)
    top = highest_hz(sets)
    rows = [draw(len(each), MOST, (job.seed, 61)) for each in sets]
    size = min(map(len, rows))
    if size < FEWEST:
        return _all_skipped(f"{size} records a side; accepted: at least {FEWEST}")
    people = [[each.patients[i] for i in part] for each, part in zip(sets, rows, strict=True)]
    try:
        real, fake = (describe_set(each, part, highest=top) for each, part in zip(sets, rows, strict=True))
        job.progress.advance(0.4)
        found = judge(
            real, fake, real_groups=people[0], generated_groups=people[1], families=families_of(sets), seed=job.seed
        )
    except InputError as error:
        return _all_skipped(str(error))
    job.progress.advance(0.2)
    job.drawn.waveform = _telling_values(real, fake, found)
    out = [_entry(family, found.verdicts[family], size, found) for family in found]
    reasons = {**dict.fromkeys(FAMILIES, "the sets were resampled: no step is left"), **found.skipped}
    out += [skip(name_of(family), reasons[family], SECTION) for family in _LOOKS_AT if family not in found]
    raw = _raw(job, rows) if job.preset.raw_network else skip("waveform_auroc_raw", "not part of this preset", SECTION)
    return [*out, raw, *_support_entries(job, real, fake, people)]


def robust(values: Array, real: Descriptors, columns: list[int]) -> Array:
    """Descriptors for nearest neighbours: against the real median in quartile distances, families of equal weight.

    Values beyond five quartile distances count as five, missing ones as the median.
    """
    middle = np.nanmedian(real.values[:, columns], axis=0)
    low, high = np.nanquantile(real.values[:, columns], [0.25, 0.75], axis=0)
    reach = high - low
    kept = reach > 1e-9
    scaled = np.nan_to_num(np.clip((values[:, columns] - middle)[:, kept] / reach[kept], -5, 5))
    families = np.array([real.families[k] for k in columns])[kept]
    sizes = {family: int((families == family).sum()) for family in families}
    return scaled / np.sqrt([sizes[family] for family in families])


def describe_set(
    each: AlignedSet, rows: npt.NDArray[np.int64] | None = None, *, highest: float | None = None
) -> Descriptors:
    """Descriptors of an aligned set (or some rows of it), block by block."""
    chosen = np.arange(len(each)) if rows is None else rows
    parts = [
        describe(each.block(chosen[part]), each.fs_hz, each.leads, highest_hz=highest) for part in blocks(len(chosen))
    ]
    return Descriptors(np.concatenate([part.values for part in parts]), parts[0].names, parts[0].families)


def resampled(sets: Sequence[AlignedSet]) -> bool:
    """Whether alignment resampled a set: then the filter, not the heart, shapes the top of the spectrum."""
    return any("resampled" in change for each in sets for change in each.changes)


def highest_hz(sets: Sequence[AlignedSet]) -> float | None:
    """Highest frequency that may be compared; None: what the sampling rate holds."""
    return _RESAMPLED_SHARE * sets[0].fs_hz / 2 if resampled(sets) else None


def families_of(sets: Sequence[AlignedSet]) -> tuple[str, ...]:
    """Families that can be judged: resampling leaves no quantisation step."""
    return tuple(family for family in _LOOKS_AT if family != "quantisation" or not resampled(sets))


def eight(each: AlignedSet, rows: npt.NDArray[np.int64] | None = None) -> npt.NDArray[np.float32]:
    """Signals of the eight independent leads, or of those there are."""
    chosen = np.arange(len(each)) if rows is None else rows
    return each.block(chosen, LEADS_8 if each.has_8 else each.leads)


def _entry(family: str, verdict: Verdict, size: int, found: Judgement) -> Entry:
    telling = [
        {"descriptor": each.name, "importance": round(each.importance, 4), "real_median": each.real}
        | {"generated_median": each.generated, "generated_is": each.direction}
        for each in verdict.telling
    ]
    extra: dict[str, Any] = {"descriptors": verdict.descriptors, "telling": telling}
    if family == ALL:
        extra |= {"left_out": list(found.left_out), "floor_is": found.floor_name}
    return _auroc(
        name_of(family),
        verdict.auroc,
        verdict.floor,
        size,
        f"How well a forest tells generated from real by {_LOOKS_AT[family]}; .5 is not at all.",
        extra,
    )


def _auroc(name: str, auroc: Interval, floor: Interval | None, size: int, summary: str, extra: dict[str, Any]) -> Entry:
    return entry(
        name,
        value=auroc.value,
        ci=(auroc.low, auroc.high),
        n=size,
        better="lower",
        ideal=0.5,
        floor=None if floor is None else floor.value,
        floor_ci=None if floor is None else (floor.low, floor.high),
        floor_n=None if floor is None else floor.n // 2,
        baseline=1.0,
        baseline_name="always told apart",
        section=SECTION,
        summary=summary,
        extra=extra,
    )


def _raw(job: Job, rows: list[npt.NDArray[np.int64]]) -> Entry:
    from metrics.judges.waveform import raw_waveform_test

    sets = (job.real, job.generated)
    chosen = [part[draw(len(part), MOST_RAW, (job.seed, 63))] for part in rows]
    real, fake = (eight(each, part) for each, part in zip(sets, chosen, strict=True))
    people = [[each.patients[i] for i in part] for each, part in zip(sets, chosen, strict=True)]
    found = raw_waveform_test(
        real, fake, job.real.fs_hz, real_groups=people[0], generated_groups=people[1], seed=job.seed
    )
    summary = "How well a network on the raw waveform tells records of patients it never saw; .5 is not at all."
    return _auroc("waveform_auroc_raw", found.auroc, found.floor, min(len(real), len(fake)), summary, {})


@dataclass(frozen=True)
class Support:
    """Precision or recall on the descriptors, and what halves of the real set give."""

    value: float
    halves: HalfScores | None
    n: int


def support(
    real: Descriptors,
    fake: Descriptors,
    patients: tuple[Sequence[str], Sequence[str]],
    *,
    count: int = 8,
    seed: int = 0,
) -> dict[str, Support]:
    """Precision and recall (k = 5) on robustly scaled descriptors, with the real halves beside them."""
    columns = measured_columns(real, fake)
    one, two = (robust(each.values, real, columns) for each in (real, fake))

    def compute(first: Array, second: Array, seed: int) -> Mapping[str, float]:
        scores = manifold_scores(reference=first, generated=second)
        return {name: getattr(scores, name) for name in _KEPT}

    size = min(len(one), len(two))
    first, second = (each[draw(len(each), size, (seed, 62))] for each in (one, two))
    values = compute(first, second, 0)
    splits = [split for split in halvings(*patients, count=count, seed=seed) if len(split.first) >= _LEAST_HALF]
    halves = half_scores(one, two, splits, compute, name="waveform support") if splits else {}
    return {name: Support(values[name], halves.get(name), size) for name in _KEPT}


def _support_entries(job: Job, real: Descriptors, fake: Descriptors, people: list[list[str]]) -> list[Entry]:
    found = support(real, fake, (people[0], people[1]), count=job.preset.halvings, seed=job.seed)
    return [
        entry(
            f"waveform_{name}",
            value=each.value,
            ci=None if each.halves is None else each.halves.interval(each.value, 0.0, 1.0),
            n=each.n,
            better="higher",
            ideal=1.0,
            floor=None if each.halves is None else each.halves.floor,
            floor_ci=None if each.halves is None else each.halves.floor_range,
            at_floor_n=None if each.halves is None else each.halves.here,
            floor_n=None if each.halves is None else each.halves.size,
            baseline=0.0,
            baseline_name="no record inside",
            section=SECTION,
            summary=f"{name.capitalize()} (k = 5) on the waveform descriptors, scaled by the real quartiles.",
        )
        for name, each in found.items()
    ]


def _telling_values(real: Descriptors, fake: Descriptors, found: Judgement) -> dict[str, tuple[Array, Array, str]]:
    """What the page draws: the most telling descriptors of all, then the first of each family."""
    order = [*found[ALL].telling] if ALL in found else []
    order += [found[family].telling[0] for family in found if family != ALL and found[family].telling]
    names = dict.fromkeys(each.name for each in order)
    place = {name: k for k, name in enumerate(real.names)}
    return {name: (real.values[:, place[name]], fake.values[:, place[name]], "") for name in names}


def _all_skipped(reason: str) -> list[Entry]:
    return [skip(name, reason, SECTION) for name in NAMES]
