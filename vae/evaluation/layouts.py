"""What a paper's layout costs a classifier, and what filling its holes gives back: ``physiogen evaluate layouts``.

A printed ECG shows each lead for a part of the time (`gen.paper.layouts`); other holes come from damage. A classifier
that was trained on complete ECGs reads each record whole, with its holes, and after reconstruction has filled them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from gen.datasets.cache import SignalCache
from gen.evaluations import Progress, data_of
from gen.leads import LEADS_12
from gen.paper.layouts import PAPER_LAYOUTS, lay_out
from gen.randomness import sample_generator
from gen.records import EcgRecord, InputError
from gen.results import Results, Value
from metrics.judges.classifier.labels import label_matrix, statements_of
from metrics.judges.classifier.model import Classifier, shipped
from metrics.judges.classifier.scores import macro_difference, score
from vae.evaluation.diagnosis import BLOCK
from vae.evaluation.reconstruction import records_of
from vae.evaluation.settings import Layouts
from vae.observation import observe
from vae.pipeline import ReconstructionPipeline, load

#: Not a layout: every lead loses stretches of its own.
BLOCKS = "blocks"
_BLOCK_S, _HIDDEN = (0.5, 2.5), 0.5
_AF = "AFIB"


def visible(layout: str, record: EcgRecord, seed: int, number: int) -> npt.NDArray[np.bool_]:
    """(12, time) what of a record a sheet of this layout shows, or, for ``blocks``, about half of every lead.

    Args:
        layout: of `gen.paper`, at 25 mm/s, or ``blocks``.
        record: with twelve leads.
        seed, number: of the blocks, and the record's place in the set.

    Raises:
        InputError: an unknown layout, or a record shorter than its first column.
    """
    shown = np.zeros((len(LEADS_12), record.num_samples), dtype=bool)
    if layout == BLOCKS:
        rng = sample_generator(seed, number)
        shown[:] = True
        for row in shown:
            while row.mean() > 1 - _HIDDEN:
                length = round(rng.uniform(*_BLOCK_S) * record.fs_hz)
                start = int(rng.integers(-length, record.num_samples))
                row[max(start, 0) : start + length] = False
        return shown
    if layout not in PAPER_LAYOUTS:
        raise InputError(f"layout {layout}: accepted: {', '.join(PAPER_LAYOUTS)} or {BLOCKS}")
    for cell in lay_out(layout, duration_s=record.duration_s).cells:
        first, last = (round(edge * record.fs_hz) for edge in (cell.start_s, cell.stop_s))
        shown[LEADS_12.index(cell.lead), first:last] = True
    return shown


def with_holes(record: EcgRecord, shown: npt.NDArray[np.bool_]) -> EcgRecord:
    """A record whose samples are missing where they are not shown."""
    return replace(record, signal_mv=np.where(shown, record.signal_mv, np.nan).astype(np.float32))


def zeros(record: EcgRecord) -> npt.NDArray[np.float32]:
    """(8, time): holes are 0; what other limb leads tell is used."""
    return observe(record, allow_bad_leads=True).signal_mv


def repeated(record: EcgRecord) -> npt.NDArray[np.float32]:
    """(8, time): what is there of a lead, one piece after the other, again and again."""
    seen = observe(record, allow_bad_leads=True)
    out = np.zeros_like(seen.signal_mv)
    for row, signal, there in zip(out, seen.signal_mv, seen.observed, strict=True):
        if there.any():
            row[:] = np.resize(signal[there], row.size)
    return out


def filled(pipeline: ReconstructionPipeline, records: Sequence[EcgRecord]) -> npt.NDArray[np.float32]:
    """(n, 8, time): holes rebuilt from all that is there."""
    found: list[npt.NDArray[np.float32]] = []
    for start in range(0, len(records), BLOCK):
        part = pipeline(list(records[start : start + BLOCK]), allow_bad_leads=True)
        found += [each.record.to_8().signal_mv for each in part]
    return np.stack(found)


def run(settings: Layouts, progress: Progress) -> Results:
    """A table for each question of the classifier, with a row for each layout."""
    cache = SignalCache.open(settings.data)
    records = records_of(cache, settings.split, settings.limit)
    for layout in settings.layouts:
        visible(layout, records[0], settings.seed, 0)  # an unknown one ends it before anything is computed
    classifier = Classifier.load(settings.classifier) if settings.classifier else shipped()
    statements = statements_of(cache.table.iloc[cache.split(settings.split)[: settings.limit]])
    patients = [record.patient.id for record in records]
    pipeline = load(method=settings.method)
    fs_hz = records[0].fs_hz

    def read(signals: npt.NDArray[np.float32]) -> Mapping[str, npt.NDArray[np.float64]]:
        return classifier.probabilities(signals, fs_hz)

    whole = read(np.stack([record.to_8().signal_mv for record in records]))
    labels = {level: label_matrix(statements, classifier.classes[level], level) for level in ("super", "all")}
    questions: dict[str, tuple[str, list[int]]] = {
        "superclasses, macro AUROC": ("super", list(range(len(classifier.classes["super"]))))
    }
    if _AF in classifier.classes["all"]:
        questions["atrial fibrillation, AUROC"] = ("all", [classifier.classes["all"].index(_AF)])
    values: dict[str, dict[str, dict[str, Value]]] = {name: {} for name in questions}
    complete = {
        name: _area(whole[level][:, columns], labels[level][:, columns], patients)
        for name, (level, columns) in questions.items()
    }
    for layout in settings.layouts:
        shown = [visible(layout, record, settings.seed, k) for k, record in enumerate(records)]
        cut = [with_holes(record, each) for record, each in zip(records, shown, strict=True)]
        said = {
            "holes as zeros": read(np.stack([zeros(record) for record in cut])),
            "what is there, repeated": read(np.stack([repeated(record) for record in cut])),
            "filled": read(filled(pipeline, cut)),
        }
        for name, (level, columns) in questions.items():
            truth = labels[level][:, columns]
            row = {"complete": complete[name]}
            row |= {way: _area(p[level][:, columns], truth, patients) for way, p in said.items()}
            change = macro_difference(
                whole[level][:, columns], said["filled"][level][:, columns], truth, groups=patients
            )
            row["filled minus complete"] = Value.of(change.interval, n=len(records), better="higher")
            share = _ratio(row["filled"], row["complete"])
            row["filled, share of complete"] = Value(share, n=len(records), better="higher")
            row["samples shown"] = Value(float(np.mean(shown)))
            values[name][layout] = row
        progress(f"{layout}: done")
    return settings.results(
        values,
        data=[data_of(cache, settings.split)],
        n=len(records),
        weights=pipeline.predictor.digest,
        classifier=classifier.digest,
        notes=[
            "Beside it, another classifier and 23 subclasses of PTB-XL: PatchECG's mean AUROC over seven simulated "
            "layouts is published as about .835, and as the same for every layout (arXiv:2508.09165)."
        ],
    )


def _area(
    probabilities: npt.NDArray[np.float64], labels: npt.NDArray[np.bool_], patients: Sequence[str | None]
) -> Value:
    names = [str(k) for k in range(labels.shape[1])]
    found = score(probabilities, labels, thresholds=np.full(len(names), 0.5), classes=names, groups=patients)
    return Value.of(found.auroc, n=len(labels), better="higher")


def _ratio(first: Value, second: Value) -> float | None:
    return None if first.value is None or not second.value else first.value / second.value
