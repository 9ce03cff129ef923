"""Twins of recorded people: ``physiogen evaluate recorded-twins --real .data/ptb-xl:test --real .data/ptb-xl:val``.

*Retrieval*: of everybody with several recordings, a twin is made from one under the condition of another one, and the
other recording is looked for among all people of the sets, by the identity encoder. The recording itself, unchanged, is
searched with too: more than it finds, no twin can be expected to.

*Plausibility*: people in turn are asked for findings and rates; amplitudes are held against recordings with the finding
(`diffusion.twin.amplitudes`), and whether the finding is shown and the rate had is measured.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from diffusion.evaluation.identity import first_of_each
from diffusion.evaluation.intervals import interval
from diffusion.evaluation.settings import RecordedTwins
from diffusion.twin.amplitudes import outside
from diffusion.twin.batch import twins_of, usable_people
from diffusion.twin.beat_edit import changes_qrs, judged_codes
from diffusion.twin.change import Change, own_condition
from diffusion.twin.reference import Reference
from gen.evaluations import Progress, data_at
from gen.records import EcgRecord, InputError
from gen.results import Results, Value
from metrics.identity import compare_identities, identity_intervals, scores_of
from metrics.measurement.criteria import CRITERIA
from metrics.measurement.records import measure_records
from metrics.suite.sets import open_set

if TYPE_CHECKING:
    from diffusion.twin.pipeline import ECGTwinPipeline

#: What people are asked for, in turn, and the code whose criterion should then be met.
ASKED: tuple[tuple[str, str | None], ...] = (
    ("left bundle branch block", "CLBBB"),
    ("right bundle branch block", "CRBBB"),
    ("left ventricular hypertrophy", "LVH"),
    ("atrial fibrillation", "AFIB"),
    ("", None),
)
RATES_BPM = (50.0, 70.0, 95.0, 130.0)


def retrieval(
    pipeline: "ECGTwinPipeline", records: Sequence[EcgRecord], persons: Sequence[str], *, seed: int = 0
) -> dict[str, Any]:
    """Twins of everybody with several recordings, looked for among all people; see the module.

    Raises:
        InputError: nobody has two recordings that can be used.
    """
    at_rate = [record.to_12().at(pipeline.fs_hz) for record in records]
    measured = measure_records(at_rate)
    kept = [k for k, found in enumerate(measured) if found.failure is None]
    conditions = [own_condition(at_rate[k], measured[k]) for k in kept]
    vectors = torch.cat([pipeline.bases([at_rate[k]], [c]) for k, c in zip(kept, conditions, strict=True)])
    who = [persons[k] for k in kept]
    first = first_of_each(who)
    centre = vectors[torch.from_numpy(first)].mean(dim=0, keepdim=True)
    gallery_of = {who[k]: k for k in first.tolist()}
    later = [k for k in range(len(kept)) if gallery_of[who[k]] != k]
    people = usable_people(pipeline, [records[kept[k]] for k in later])
    usable = [(k, person) for k, person in zip(later, people, strict=True) if person is not None]
    if not usable:
        raise InputError("persons: nobody has two usable recordings; accepted: at least one who has")
    settings = pipeline.sampling()
    # The twin is asked for the condition of the recording that is looked for, and judged with it.
    asked = [conditions[gallery_of[who[k]]] for k, _ in usable]
    changes = [_change_to(condition) for condition in asked]
    twins = twins_of(pipeline, [person for _, person in usable], changes, settings, seed=seed)
    twelve = [twin.at(pipeline.fs_hz) for twin in twins]
    seen = [own_condition(twin, found) for twin, found in zip(twelve, measure_records(twelve), strict=True)]
    queries = {
        "twin": torch.cat([pipeline.bases([t], [c]) for t, c in zip(twelve, seen, strict=True)]),
        "the recording itself": vectors[[k for k, _ in usable]],
    }
    found: dict[str, Any] = {"gallery": len(first), "people": len({who[k] for k, _ in usable}), "twins": len(usable)}
    owners = np.array([who[k] for k, _ in usable])
    for name, query in queries.items():
        compared = compare_identities(
            reference=(vectors[torch.from_numpy(first)] - centre).double().numpy(),
            generated=(query - centre).double().numpy(),
            reference_persons=np.array([who[k] for k in first]),
            generated_persons=owners,
        )
        intervals = identity_intervals(compared, groups=owners[compared.rows], seed=seed)
        scores = scores_of(compared)
        found[name] = {
            key: [getattr(scores, key), intervals[key].low, intervals[key].high] for key in ("rank_1", "rank_5", "eer")
        }
    return found


def _change_to(condition: Any) -> Change:
    text = condition.text
    words = None if text is None or text.empty else (text.wording or ", ".join(s.text for s in text.statements))
    rate, age = condition.heart_rate, condition.age
    change = Change(text=words or None, heart_rate=rate, age=age)
    return Change(same=True) if change.says_nothing else change


def plausibility(
    pipeline: "ECGTwinPipeline", records: Sequence[EcgRecord], people: int, *, seed: int = 0
) -> dict[str, Any]:
    """Amplitudes, findings and rates of twins of the first people that can be used; see the module."""
    usable: list[Reference] = []
    for record in records:
        if len(usable) == people:
            break
        usable += [person for person in usable_people(pipeline, [record]) if person is not None]
    figures: dict[str, Any] = {"people": len(usable)}
    settings = pipeline.sampling()
    for number, (words, code) in enumerate(ASKED):
        chosen = [
            (person, Change(add=words or None, heart_rate=RATES_BPM[k % len(RATES_BPM)]))
            for k, person in enumerate(usable)
            if code is None or not _shows(person, code)
        ]
        twins = twins_of(
            pipeline, [p for p, _ in chosen], [c for _, c in chosen], settings, seed=seed, first=number * people
        )
        measured = measure_records(twins)
        beyond, new, flagged, shown, off = [], [], [], [], []
        for (person, change), twin, found in zip(chosen, twins, measured, strict=True):
            target = person.under(change)
            codes = judged_codes(person.condition, target)
            beyond.append(bool(outside(found, codes)))
            kept = not changes_qrs(person.condition, target)
            before = measure_records([person.record])[0] if kept else None
            new.append(bool(outside(found, codes, unless=before)))
            flagged.append(bool(twin.metadata.get("outside")))
            shown.append(code is None or CRITERIA[code].met(found, person.condition.sex))
            off.append(abs(found.hr_bpm - float(change.heart_rate or np.nan)))
        figures[words or "another rate"] = {
            "outside": interval(np.array(new, dtype=float)),
            "outside_own": interval(np.array(beyond, dtype=float)),
            "flagged": interval(np.array(flagged, dtype=float)),
            "shown": interval(np.array(shown, dtype=float)) if code is not None else None,
            "rate": interval(np.array(off)),
        }
    return figures


def _shows(person: Reference, code: str) -> bool:
    return person.condition.text is not None and code in person.condition.text.codes()


def tables(found: dict[str, Any], plausible: dict[str, Any]) -> dict[str, dict[str, dict[str, Value]]]:
    """Both parts."""
    people = {
        name: {
            "rank 1": Value.of(row["rank_1"], n=found["people"], better="higher"),
            "rank 5": Value.of(row["rank_5"], n=found["people"], better="higher"),
            "EER": Value.of(row["eer"], n=found["people"], better="lower"),
        }
        for name, row in found.items()
        if isinstance(row, dict)
    }
    asked = {}
    for name, row in plausible.items():
        if isinstance(row, dict):
            asked[name] = {
                "amplitudes outside": Value.of(row["outside"], better="lower"),
                "the person's own counted": Value.of(row["outside_own"], better="lower"),
                "flagged": Value.of(row["flagged"]),
                "rate MAE": Value.of(row["rate"], unit="bpm", better="lower"),
            }
            if row["shown"] is not None:
                asked[name]["criterion met"] = Value.of(row["shown"], better="higher")
    return {"found again": people, "asked for": asked}


def run(settings: RecordedTwins, progress: Progress) -> Results:
    """Retrieval and plausibility of the people in all sets."""
    from diffusion.twin.beat_twin import load

    sets = [open_set(location) for location in settings.real]
    records = [record for one in sets for record in one]
    pipeline = load(settings.checkpoint)
    pipeline.set_progress_bar_config(disable=True)
    progress(f"{len(records)} recordings")
    found = retrieval(pipeline, records, [p for one in sets for p in one.patients], seed=settings.seed)
    progress(f"{found['twins']} twins of {found['people']} people with several recordings")
    plausible = plausibility(pipeline, records, settings.people, seed=settings.seed)
    return settings.results(
        tables(found, plausible),
        data=[data_at(location) for location in settings.real],
        n=found["twins"],
        weights=dict(pipeline.digests),
        gallery=found["gallery"],
        people=plausible["people"],
    )
