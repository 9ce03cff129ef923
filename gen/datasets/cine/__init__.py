"""Real cine cardiac MRI in one form: UK Biobank, ACDC, M&Ms, M&Ms-2, Sunnybrook, or a DICOM series.

    from gen.datasets.cine import open_cine
    source = open_cine(".data/sunnybrook")      # list at once, images when asked for
    source[0].frames                            # (slice, 50, 96, 96), 0..1, frame 0 = R peak, 2 mm, heart in the middle

Nothing here downloads or redistributes; ACDC is CC BY-NC-SA.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import overload

from gen.cine import CineRecord
from gen.datasets.base import SourceInfo, patient_fold
from gen.datasets.cine import nifti, sunnybrook, ukb
from gen.datasets.cine.dicom import read_dicom_folder
from gen.datasets.cine.standard import RawCine, heart_centre, standardise
from gen.records import InputError

__all__ = ["CineSource", "RawCine", "heart_centre", "open_cine", "read_dicom_folder", "standardise"]
_ACCEPTED = "UK Biobank archives (EID_20209_2_0.zip), ACDC, M&Ms, M&Ms-2, Sunnybrook, or a DICOM series"


@dataclass(frozen=True)
class _Entry:
    record_id: str
    patient_id: str
    split: str
    read: Callable[[], RawCine]


class CineSource(Sequence[CineRecord]):
    """Studies of one set, read and standardised one at a time.

    Attributes:
        info: name, licence and citation.
        record_ids, patient_ids, splits: one per study; no patient is in two splits.
    """

    def __init__(
        self, info: SourceInfo, entries: Sequence[_Entry], *, frames: int, size: int, spacing_mm: float
    ) -> None:
        self.info = info
        self.record_ids = [e.record_id for e in entries]
        self.patient_ids = [e.patient_id for e in entries]
        self.splits = [e.split or _split(e.patient_id) for e in entries]
        self._entries = list(entries)
        self._form = {"frames": frames, "size": size, "spacing_mm": spacing_mm}

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, index: int) -> CineRecord: ...

    @overload
    def __getitem__(self, index: slice) -> list[CineRecord]: ...

    def __getitem__(self, index: int | slice) -> CineRecord | list[CineRecord]:
        """Read one study; raises `InputError` where it is broken or no cine short axis."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        raw = self.raw(index)
        record = standardise(raw, **self._form)  # type: ignore[arg-type]
        return replace(record, metadata={**record.metadata, "split": self.splits[index]})

    def raw(self, index: int) -> RawCine:
        """One study as stored, in order of slices and phases."""
        return self._entries[index].read()


def open_cine(path: str | Path, *, frames: int = 50, size: int = 96, spacing_mm: float = 2.0) -> CineSource:
    """Recognise a set of cines by what is in the folder (or the single UK Biobank archive) and open it.

    Args:
        path: folder or archive.
        frames, size, spacing_mm: form of the records, see `standardise`.

    Raises:
        InputError: no such path, or nothing in it is understood.
    """
    root = Path(path)
    if not root.exists():
        raise InputError(f"{root}: not found; accepted: {_ACCEPTED}")
    info, entries = _recognise(root)
    if not entries:
        raise InputError(f"{root}: no cine in it; accepted: {_ACCEPTED}")
    return CineSource(info, entries, frames=frames, size=size, spacing_mm=spacing_mm)


def _recognise(root: Path) -> tuple[SourceInfo, list[_Entry]]:
    archives = ukb.find_archives(root)
    if archives:
        info = SourceInfo(
            "UK Biobank 20209", "UK Biobank material transfer agreement", "Petersen et al. 2016, JCMR 18:8"
        )
        return info, [_Entry(a.stem, a.name.split("_")[0], "", partial(ukb.read_archive, a)) for a in archives]
    if root.is_file():
        return SourceInfo("file"), []
    patients = nifti.acdc_patients(root)
    if patients:
        info = SourceInfo("ACDC", "CC BY-NC-SA 4.0", "Bernard et al. 2018, IEEE TMI 37:2514")
        return info, [_Entry(f.name, f.name, split, partial(nifti.read_acdc, f)) for f, split in patients]
    if nifti.mnms_table(root) is not None:
        info = SourceInfo("M&Ms", "research use by registration", "Campello et al. 2021, IEEE TMI 40:3543")
        rows = nifti.mnms_rows(root)
        return info, [_Entry(r["code"], r["code"], r["split"], partial(nifti.read_mnms, r)) for r in rows]
    studies = sunnybrook.find_studies(root)
    if studies:
        info = SourceInfo("Sunnybrook", "CC0", "Radau et al. 2009, MIDAS Journal")
        return info, [_Entry(s.stem, s.name[:10], "", partial(sunnybrook.read_study, s)) for s in studies]
    if _holds_dicom(root):
        return SourceInfo("DICOM series"), [_Entry(root.name, root.name, "", partial(read_dicom_folder, root))]
    return SourceInfo("folder"), []


def _holds_dicom(root: Path) -> bool:
    """Whether a folder holds DICOM images by their names or, where they have no ending, by their first bytes."""
    for file in sorted(root.rglob("*")):
        if file.name.startswith(".") or not file.is_file():
            continue
        if file.suffix.lower() in (".dcm", ".ima"):
            return True
        if not file.suffix and file.name.upper() != "DICOMDIR":
            with file.open("rb") as handle:
                if handle.read(132)[128:] == b"DICM":
                    return True
    return False


def _split(patient_id: str) -> str:
    return {9: "val", 10: "test"}.get(patient_fold(patient_id), "train")
