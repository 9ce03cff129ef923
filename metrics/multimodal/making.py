"""A block of ECGs made into rows, or into items with their files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gen.files import write_json
from gen.io.webdataset import safe_name
from gen.io.writer import write_record
from gen.leads import LEADS_12, LeadError
from gen.paper import draw, draw_style, lay_out
from gen.randomness import record_generator
from gen.records import EcgRecord, InputError
from metrics.measurement.records import measure_and_delineate
from metrics.multimodal.features import beat_features
from metrics.multimodal.findings import findings
from metrics.multimodal.grounding import items
from metrics.multimodal.table import row, write_rows

FORMS = ("meeti", "grounding")
ITEMS, DATA, ECGS, IMAGES = "grounding.json", "data", "ecg", "images"


@dataclass(frozen=True)
class SetSettings:
    """What decides a set; stands in its plan."""

    form: str
    layout: str
    width: int
    seed: int


def png(record: EcgRecord, settings: SetSettings) -> bytes:
    """The record on paper, with an invented name; its style belongs to seed and record.

    Raises:
        InputError: shorter than a column of the layout.
    """
    import cv2

    cv2.setNumThreads(1)
    generator = record_generator(settings.seed, f"paper {record.record_id}", 0)
    page = lay_out(settings.layout, duration_s=record.duration_s, width=settings.width)
    style = draw_style(generator, sex=record.patient.sex, age=record.patient.age)
    good, code = cv2.imencode(".png", draw(record, page, style).pixels, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    if not good:
        raise OSError(f"{record.record_id}: OpenCV could not encode its picture")
    return bytes(code.tobytes())


def make_block(
    records: Sequence[EcgRecord], folder: Path, number: int, settings: SetSettings, stems: set[str]
) -> tuple[list[EcgRecord], list[str]]:
    """Make a block and write it into ``folder``; the ECGs in it, and a line for each that could not be.

    ``meeti``: one shard. ``grounding``: WFDB files, pictures, and the block's items, which `join_items` puts together.

    Args:
        records: of the block.
        folder: of the set.
        number: of the block.
        settings: of the set.
        stems: names of files that are taken; those of the block are added.
    """
    whole, faults = [], []
    for record in records:
        stem = safe_name(record.record_id)
        if stem in stems:
            faults.append(f"{record.record_id}: another record has this file name; accepted: each once")
            continue
        stems.add(stem)
        try:
            full = record.to_12()
            whole.append((full, png(full, settings)))
        except (InputError, LeadError) as error:
            text = str(error)
            faults.append(text if text.startswith(record.record_id) else f"{record.record_id}: {text}")
    found = measure_and_delineate([full for full, _ in whole], per_lead=True)
    rows: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    for (record, picture), (parameters, waves) in zip(whole, found, strict=True):
        named = findings(record, parameters)
        if settings.form == "meeti":
            rows.append(row(record, picture, settings.layout, parameters, beat_features(waves), named))
            continue
        stem = safe_name(record.record_id)
        (folder / IMAGES).mkdir(exist_ok=True)
        (folder / ECGS).mkdir(exist_ok=True)
        (folder / IMAGES / f"{stem}.png").write_bytes(picture)
        write_record(record, folder / ECGS / f"{stem}.hea", overwrite=True)
        paths = f"{ECGS}/{stem}", f"{IMAGES}/{stem}.png"
        answers += items(record.record_id, *paths, parameters, named, synthetic=record.synthetic)
    if rows:
        (folder / DATA).mkdir(exist_ok=True)
        write_rows(folder / DATA / f"train-{number:05d}.parquet", rows)
    if answers:
        write_json(folder / part(number), {"items": answers})
    return [record for record, _ in whole], faults


def part(number: int) -> str:
    """Where a block's items are until all are there."""
    return f"items-{number:05d}.json"


def join_items(folder: Path, blocks: int) -> int:
    """One list of all blocks' items in `ITEMS`; how many there are."""
    from gen.files import read_json

    parts = [folder / part(number) for number in range(blocks)]
    everything = [item for path in parts if path.exists() for item in read_json(path)["items"]]
    write_json(folder / ITEMS, everything)
    for path in parts:
        path.unlink(missing_ok=True)
    return len(everything)


def readme(settings: SetSettings, count: int, synthetic: int) -> str:
    """The set's card, with the head that Hugging Face `datasets` reads."""
    origin = (
        f"Synthetic: {synthetic} of {count} ECGs were made by software, not recorded from a person.\n\n"
        if synthetic
        else ""
    )
    if settings.form == "meeti":
        lines = (
            "configs:",
            "- config_name: default",
            "  data_files:",
            "  - split: train",
            f"    path: {DATA}/*.parquet",
        )
        head = "\n".join(("---", *lines, "---", "", ""))
        what = (
            "A row an ECG: `signal_mv` (leads, time) in mV, `image` on paper, `beats` (a list for each lead with one "
            "entry a beat), `measured` and `findings` with the leads and values that carry them, `report` as it came."
        )
    else:
        head = ""
        what = (
            f"`{ITEMS}`: items with `ecg` (WFDB), `image` and `conversations`; `evidence` holds every number that an "
            "answer names, as it was measured on the signal."
        )
    return (
        f"{head}# ECGs as signal, picture, features and text\n\n{origin}{count} ECGs of {len(LEADS_12)} leads. {what} "
        "Measured by software on the signal: no cardiologist has seen it, and it is not for diagnosis. Names on the "
        "pictures are invented.\n"
    )
