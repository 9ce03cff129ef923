"""Paper ECGs: what a plain digitiser gets back from the truth's boxes, and pictures per second."""

import time
from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np

from gen.evaluations import Progress, data_at
from gen.io.common import library
from gen.leads import LEADS_12
from gen.records import EcgRecord
from gen.results import Data, Node, Results, Value
from gen.signals import lowpass
from gen.simulate import iter_cohort
from gen.values import Better
from metrics.evaluation.settings import Paper as Settings
from metrics.statistics.bootstrap import bootstrap_median
from metrics.suite.sets import open_set

#: The band of a monitor's display, in which a picture of 150 dpi is read as well.
BAND_HZ = 40.0


def run(settings: Settings, progress: Progress) -> Results:
    """Draw every record in every layout and size, undegraded, and read it back.

    Raises:
        InputError: the set cannot be read, or OpenCV is not installed.
    """
    library("cv2", "paper")
    records, data = _records(settings)
    values: dict[str, Node] = {}
    for width in settings.widths:
        rows: dict[str, Node] = {}
        for layout in settings.layouts:
            start = time.perf_counter()
            errors = [error for record in records for error in round_trip(record, layout, width)]
            progress(f"{layout}, {width} pixels: {time.perf_counter() - start:.0f} s")
            rows[layout] = _row(errors)
        values[f"{width} pixels wide"] = rows
    if settings.timed:
        values["pictures per second of processor time"] = _rates(records[: settings.timed])
    return settings.results(values, data=data, n=len(records), headline=())


def round_trip(record: EcgRecord, layout: str, width: int) -> list[tuple[float, float, float]]:
    """Mean absolute error in mV, Pearson, and Pearson below `BAND_HZ`, of every cell of an undegraded sheet."""
    from gen.paper import CATEGORIES, Style, digitise, draw, lay_out, truth

    picture = draw(record, lay_out(layout, duration_s=record.duration_s, width=width), Style())
    told = truth(picture, "sheet.png")
    prints = [note["bbox"] for note in told["annotations"] if CATEGORIES[note["category_id"] - 1] == "text"]
    found = []
    for note in told["annotations"]:
        lead = CATEGORIES[note["category_id"] - 1]
        if lead in LEADS_12:
            read = digitise(picture.pixels, note, told["paper"], prints=prints)
            shown = picture.record.lead(lead)[note["first_sample"] :][: note["samples"]].astype(np.float64)
            known = np.isfinite(read) & np.isfinite(shown)
            if known.sum() > record.fs_hz and shown[known].std() > 0:
                read, shown = read[known], shown[known]
                smooth = [lowpass(row[None], record.fs_hz, BAND_HZ)[0] for row in (read, shown)]
                found.append((float(np.abs(read - shown).mean()), _pearson(read, shown), _pearson(*smooth)))
    return found


def _row(errors: Sequence[tuple[float, float, float]]) -> Mapping[str, Node]:
    columns = np.array(errors).T
    names: tuple[tuple[str, str, Better], ...] = (
        ("MAE", "mV", "lower"),
        ("Pearson", "", "higher"),
        ("Pearson below 40 Hz", "", "higher"),
    )
    row: dict[str, Node] = {}
    for (name, unit, better), column in zip(names, columns, strict=True):
        interval = bootstrap_median(column)
        row[f"{name}, median"] = Value.of(interval, unit=unit, better=better)
    row["cells above .995"] = Value(float((columns[1] >= 0.995).mean()), better="higher")
    return row


def _rates(records: Sequence[EcgRecord]) -> Mapping[str, Node]:
    """Sheets drawn, damaged and encoded with their truth, per second of CPU time, at 1,700 pixels."""
    import tempfile
    from pathlib import Path

    from gen.paper.making import PictureSettings, make_picture

    found: dict[str, Node] = {}
    for level in ("none", "light", "medium", "heavy"):
        plan = PictureSettings(("3x4+1",), level, 1, 0, 25.0, 10.0, 1700, 0.0)
        with tempfile.TemporaryDirectory() as folder:
            make_picture(records[0], Path(folder), "first", 0, plan, {})  # compiles what is compiled at first use
            part = records if level == "none" else records[:6]
            start = time.process_time()
            for number, record in enumerate(part):
                make_picture(record, Path(folder), str(number), 1, plan, {"Vent. rate": "70 bpm"})
            found[level] = Value(len(part) / (time.process_time() - start), unit="1/s", better="higher")
    return found


def _records(settings: Settings) -> tuple[list[EcgRecord], list[Data]]:
    if settings.set is None:
        made = list(iter_cohort(settings.number, settings.seed))
        return [record.to_12() for record in made], [Data("simulated cohort", f"seed {settings.seed}")]
    opened = open_set(settings.set)
    chosen = list(islice(opened, settings.number))
    return chosen, [data_at(settings.set)]


def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])
