"""A paired cohort: the ECG and the cine of the same simulated hearts, record by record, and the cines as files.

    from gen.simulate.cine.pairs import CineFolder, iter_pairs
    for ecg, cine in iter_pairs(100, seed=0, levels="three"): ...     # the same record id on both sides

Patient k of a seed is the same whatever the number of patients, with and without cines.
"""

import csv
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gen.cine import CineRecord
from gen.io.cine import ENDINGS, check_formats, write_cine
from gen.records import EcgRecord, InputError
from gen.simulate.cine.cohort import LEVELS, cines_of
from gen.simulate.cohort import simulate

#: Folder of the cines within a record set of ECGs, and its table.
FOLDER, TABLE = "cine", "metadata.csv"
#: Columns of the table; one row a cine, in the order of the ECGs.
COLUMNS = (
    *("record_id", "file", "patient_id", "age", "sex", "height_cm", "weight_kg"),
    *("levels", "slices", "frames", "size", "spacing_mm", "rr_s", "end_systole_s"),
    *("edv_ml", "esv_ml", "ef_percent", "lv_mass_g", "rv_edv_ml", "rv_esv_ml"),
    *("group", "scar_territory", "scar_extent", "synthetic"),
)
#: The image is this wide unless a pixel size is given; the largest heart of the cohort needs the smaller figure.
FIELD_MM, SMALLEST_FIELD_MM = 192.0, 150.0
#: Patients drawn at once: a stack of 50 frames takes 20 MB.
_BATCH = 8


@dataclass(frozen=True)
class CineOptions:
    """How the cines of a cohort are drawn and stored.

    Attributes:
        levels: ``"mid"`` (one slice), ``"three"`` (basal, mid, apical) or ``"stack"`` (10 mm steps, base to apex).
        size: rows and columns.
        spacing_mm: pixel size; None spreads `FIELD_MM` over the image.
        frames: frames over one RR interval, frame 0 at the R peak.
        formats: of `gen.io.cine.ENDINGS`; the table names the first one's file.

    Raises:
        InputError: a value out of range; the line says what is accepted.
    """

    levels: str = "mid"
    size: int = 96
    spacing_mm: float | None = None
    frames: int = 50
    formats: tuple[str, ...] = ("npz",)

    def __post_init__(self) -> None:
        if self.levels not in LEVELS:
            raise InputError(f"--levels {self.levels}: accepted: {', '.join(LEVELS)}")
        if not 16 <= self.size <= 512:
            raise InputError(f"--size {self.size}: accepted: 16 to 512 rows and columns")
        if not 4 <= self.frames <= 200:
            raise InputError(f"--frames {self.frames}: accepted: 4 to 200")
        if not SMALLEST_FIELD_MM <= self.size * self.pixel_mm <= 400.0:
            raise InputError(
                f"--spacing {self.pixel_mm:g}: an image of {self.size} x {self.size} is {self.size * self.pixel_mm:g} "
                f"mm wide; accepted: {SMALLEST_FIELD_MM:g} to 400 mm, so that the heart is inside"
            )
        if not self.formats:
            raise InputError(f"formats: none is named; accepted: {', '.join(ENDINGS)}")
        check_formats(self.formats)

    @property
    def pixel_mm(self) -> float:
        """Size of a pixel."""
        return FIELD_MM / self.size if self.spacing_mm is None else self.spacing_mm


def iter_pairs(
    n: int,
    seed: int,
    visits: int = 1,
    *,
    options: CineOptions | None = None,
    noise: str | Mapping[str, float] = "light",
    fs_hz: float = 500.0,
    duration_s: float = 10.0,
    start: int = 0,
) -> Iterator[tuple[EcgRecord, CineRecord]]:
    """ECG and cine of patients ``start`` .. ``start + n - 1``, all visits of a patient one after another.

    The ECGs are those of `gen.simulate.iter_cohort` with the same arguments, in the same order.
    """
    told = options or CineOptions()
    drawing = {"frames": told.frames, "size": told.size, "spacing_mm": told.pixel_mm, "levels": told.levels}
    for first in range(start, start + n, _BATCH):
        numbers = range(first, min(first + _BATCH, start + n))
        batches = [
            simulate(numbers, seed=seed, visit=visit, fs_hz=fs_hz, duration_s=duration_s, noise=noise)
            for visit in range(visits)
        ]
        ecgs, cines = [batch.records() for batch in batches], [cines_of(batch, **drawing) for batch in batches]  # type: ignore[arg-type]
        for row in range(len(numbers)):
            for visit in range(visits):
                yield ecgs[visit][row], cines[visit][row]


class CineFolder:
    """Writes the cines of a record set into its folder ``cine``, with a table; see `COLUMNS`.

        with CineFolder(writer.folder, options) as cines:
            file = cines.add(cine)

    Args:
        folder: the record set, while it is being built: the writer of the set makes all of it appear at once.
        options: what is written.
        state: go on from where `settle` gave this.
    """

    def __init__(self, folder: Path, options: CineOptions, state: Mapping[str, int] | None = None) -> None:
        self.folder, self.options, self._state = folder / FOLDER, options, state
        self.count = 0 if state is None else state["count"]

    def __enter__(self) -> Self:
        self.folder.mkdir(exist_ok=True)
        table = self.folder / TABLE
        if self._state is not None:
            os.truncate(table, self._state["table"])
        self._file = table.open("w" if self._state is None else "a", newline="", encoding="utf-8")
        self._rows = csv.DictWriter(self._file, COLUMNS, lineterminator="\n")
        if self._state is None:
            self._rows.writeheader()
        return self

    def settle(self) -> dict[str, int]:
        """What a later run needs to go on, see ``state``."""
        self._file.flush()
        return {"table": os.fstat(self._file.fileno()).st_size, "count": self.count}

    def add(self, record: CineRecord) -> str:
        """Write one cine; returns its file within the record set, such as ``"cine/sim0-00000007-0.npz"``."""
        # A run that was stopped may have left a cine behind what it had noted.
        place = self.folder / record.record_id
        files = [write_cine(record, place, format=kind, overwrite=True) for kind in self.options.formats]
        self._rows.writerow(cine_row(record, self.options, files[0].name))
        self.count += 1
        return f"{FOLDER}/{files[0].name}"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if error is None:
            (self.folder / "README.md").write_text(self._readme(), encoding="utf-8")

    def _readme(self) -> str:
        told = self.options
        return (
            "# Simulated cine cardiac MRI\n\n"
            "Synthetic data: made by software, no patient was imaged. Not for diagnosis.\n\n"
            f"{self.count} short-axis cines, levels {told.levels}, {told.frames} frames from R peak to R peak, "
            f"{told.size} x {told.size} pixels of {told.pixel_mm:g} mm. `{TABLE}` has one row a cine with its true "
            "volumes; `record_id` is that of the ECG of the same heart and visit. Labels: LV cavity 1, myocardium 2, "
            "RV cavity 3.\n"
        )


def cine_row(record: CineRecord, options: CineOptions, file: str) -> dict[str, Any]:
    """One row of the table; volumes are the true ones of the whole ventricle."""
    patient, facts, right = record.patient, record.metadata, record.rv_volume_ml
    assert record.ef is not None
    return {
        "record_id": record.record_id,
        "file": file,
        "patient_id": patient.id,
        **{name: getattr(patient, name) for name in ("age", "sex", "height_cm", "weight_kg")},
        "levels": options.levels,
        "slices": record.num_slices,
        "frames": record.num_frames,
        "size": options.size,
        "spacing_mm": round(options.pixel_mm, 4),
        "rr_s": _rounded(record.rr_s, 4),
        "end_systole_s": facts["end_systole_s"],
        "edv_ml": _rounded(record.edv_ml, 2),
        "esv_ml": _rounded(record.esv_ml, 2),
        "ef_percent": _rounded(100 * record.ef, 2),
        "lv_mass_g": _rounded(record.lv_mass_g, 2),
        "rv_edv_ml": None if right is None else _rounded(right.max(), 2),
        "rv_esv_ml": None if right is None else _rounded(right.min(), 2),
        **{name: facts[name] for name in ("group", "scar_territory", "scar_extent")},
        "synthetic": "true" if record.synthetic else "false",
    }


def _rounded(value: Any, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)
