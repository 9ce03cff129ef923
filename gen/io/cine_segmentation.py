"""Masks of cine records as DICOM SEG: an object for every labelled frame, which points at the MR images it labels.

One object a frame, because slices of one place at several times cannot lie in one object of the standard's plain form.
The images are those that `gen.io.cine_dicom` writes of the same record; both can lie in one folder.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gen.cine import LABELS, CineRecord, labelled_frames
from gen.io.cine_dicom import (
    DERIVED_SERIES,
    MANUFACTURER,
    check_beat,
    described,
    image,
    study_of,
    uid_of,
    write_members,
)
from gen.io.common import library, quiet
from gen.records import InputError

#: What a label is in SNOMED CT.
_CONCEPTS = {
    "LV cavity": ("87878005", "Left ventricle"),
    "myocardium": ("74281007", "Myocardium"),
    "RV cavity": ("53085002", "Right ventricle"),
}
#: SEG asks for a date; the same record shall give the same bytes.
_DATE, _TIME = "19800101", "000000"


def write_segmentation_zip(record: CineRecord, path: Path) -> None:
    """Write the masks of all labelled frames as ``segmentation_frame_FF.dcm`` in a ZIP.

    Raises:
        InputError: the record has no masks, or no RR.
    """
    library("highdicom", "seg")
    check_beat(record, path)
    labelled = np.flatnonzero(labelled_frames(record))
    if not len(labelled):
        raise InputError(f"{path}: {record.record_id} has no masks; accepted for SEG: cines with masks")
    write_members(path, _segmentations(record, labelled))


def _segmentations(record: CineRecord, labelled: np.ndarray) -> Iterator[tuple[str, Any]]:
    hd = library("highdicom", "seg")
    from gen import __version__

    assert record.masks is not None
    study = study_of(record)
    segments = _segments(record, __version__)
    for f in map(int, labelled):
        with quiet("highdicom.seg.sop"):
            data = hd.seg.Segmentation(
                source_images=[image(record, s, f, study) for s in range(record.num_slices)],
                pixel_array=record.masks[:, f],
                segmentation_type="BINARY",
                segment_descriptions=segments,
                series_instance_uid=uid_of(study, "segmentation"),
                series_number=DERIVED_SERIES,
                sop_instance_uid=uid_of(study, "segmentation", str(f)),
                instance_number=f + 1,
                manufacturer=MANUFACTURER,
                manufacturer_model_name="physiogen",
                software_versions=__version__,
                device_serial_number="none",
                content_label=f"FRAME_{f + 1:02d}",
                content_description=f"frame {f + 1} of {record.num_frames}",
                series_description=described(record, "labels of the cine"),
                omit_empty_frames=False,
            )
        if record.synthetic:
            data.SyntheticData = "YES"
        _undate(data, uid_of(study, "dimensions"))
        yield f"segmentation_frame_{f + 1:02d}.dcm", data


def _undate(data: Any, dimensions: str) -> None:
    """Give what the library takes from the clock or from chance values of the record's own."""
    for name in ("ContentDate", "SeriesDate", "InstanceCreationDate"):
        if name in data:
            setattr(data, name, _DATE)
    for name in ("ContentTime", "SeriesTime", "InstanceCreationTime"):
        if name in data:
            setattr(data, name, _TIME)
    for item in data.get("ContributingEquipmentSequence", ()):
        item.ContributionDateTime = _DATE + _TIME
    for item in (*data.DimensionOrganizationSequence, *data.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimensions


def _segments(record: CineRecord, version: str) -> list[Any]:
    """Descriptions of the labels; labels of real studies were drawn by people."""
    hd = library("highdicom", "seg")
    coded = hd.sr.CodedConcept
    family = coded("123110", "DCM", "Artificial Intelligence")
    category = coded("91723000", "SCT", "Anatomical Structure")
    made = hd.AlgorithmIdentificationSequence("physiogen", family, version) if record.synthetic else None
    return [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=label,
            segmented_property_category=category,
            segmented_property_type=coded(_CONCEPTS[label][0], "SCT", _CONCEPTS[label][1]),
            algorithm_type="AUTOMATIC" if record.synthetic else "MANUAL",
            algorithm_identification=made,
        )
        for label, number in LABELS.items()
    ]
