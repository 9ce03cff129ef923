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
from metrics.multimodal.findings import findings
from metrics.multimodal.grounding import items
from metrics.multimodal.table import row, write_rows

ITEMS, DATA, ECGS, IMAGES = "grounding.json", "data", "ecg", "images"


@dataclass(frozen=True)
class SetSettings:
    """What decides a set; stands in its plan."""

    form: str
    layout: str
    width: int
    seed: int


@dataclass(frozen=True)
class Origin:
    """Where a set's ECGs come from, for its card.

    Attributes:
        lines: paragraphs: what made them, and whether they may be passed on.
        tag: licence as Hugging Face writes it; empty where it is not known.
    """

    lines: tuple[str, ...] = ()
    tag: str = ""


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
    records: Sequence[EcgRecord], folder: Path, number: int, settings: SetSettings
) -> tuple[list[EcgRecord], list[str]]:
    """Make a block and write it into ``folder``; the ECGs in it, and a line for each that could not be.

    ``meeti``: one shard. ``grounding``: WFDB files, pictures, and the block's items, which `join_items` puts together.

    Args:
        records: of the block, with file names of their own.
        folder: of the set.
        number: of the block.
        settings: of the set.
    """
    whole, faults = [], []
    for record in records:
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
        named = findings(record, parameters, waves)
        if settings.form == "meeti":
            rows.append(row(record, picture, settings.layout, parameters, waves, named))
            continue
        stem = safe_name(record.record_id)
        (folder / IMAGES).mkdir(exist_ok=True)
        (folder / ECGS).mkdir(exist_ok=True)
        (folder / IMAGES / f"{stem}.png").write_bytes(picture)
        write_record(record, folder / ECGS / f"{stem}.hea", overwrite=True)
        paths = f"{ECGS}/{stem}", f"{IMAGES}/{stem}.png"
        answers += items(record.record_id, *paths, parameters, named, waves, synthetic=record.synthetic)
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


def readme(settings: SetSettings, count: int, synthetic: int, origin: Origin | None = None) -> str:
    """The set's card, with the head that Hugging Face `datasets` reads."""
    said = (
        f"**Synthetic: {synthetic} of {count} made by software, not recorded from a person.**\n\n" if synthetic else ""
    )
    if settings.form == "meeti":
        files = f"{DATA}/*.parquet"
        what = (
            "A row an ECG: `signal_mv` (leads, time) in mV, `image` on paper, `beats` (a list for each lead with one "
            "entry a beat), `measured` and `findings` with the leads and values that carry them, `report` as it came."
        )
    else:
        files = ITEMS
        what = (
            f"`{ITEMS}`: items with `ecg` (WFDB), `image` and `conversations`; `evidence` holds every number that an "
            "answer names, as it was measured on the signal."
        )
    lines = [
        *([f"license: {origin.tag}"] if origin is not None and origin.tag else []),
        f"tags: [{'synthetic, ' if synthetic else ''}ecg]",
        "configs:",
        "- config_name: default",
        "  data_files:",
        "  - split: train",
        f"    path: {files}",
    ]
    head = "\n".join(("---", *lines, "---", "", ""))
    many = f"{count} ECG{'' if count == 1 else 's'}"
    more = "" if origin is None else "\n".join(("", *(f"{line}\n" for line in origin.lines)))
    return (
        f"{head}# ECGs as signal, picture, features and text\n\n{said}{many} of {len(LEADS_12)} leads. {what} "
        "Measured by software on the signal: no cardiologist has seen it, and it is not for diagnosis. Names on the "
        f"pictures are invented.\n{more}"
    )
