#!/bin/sh
# dcm2niix 1.0.20260724: a cine stack comes out with slices and phases mixed, unless the maker of the scanner is left out.
#
# A short-axis cine in one DICOM series, all phases of a slice before the next slice: each image has its position and its
# trigger time, instance numbers run slice by slice. Guess before running: (column, row, slice, phase), as the tags say.
# Seen: with Siemens, Canon, Toshiba, United Imaging or Hitachi as the maker the shape is right and the images are not: the
# first "volume" holds phases of slice 1 alone, as if the numbers ran volume by volume. With General Electric, no maker or
# an unknown one the very same images are sorted right. A warning asks whether slices are flipped; the exit status is 0.
# Whatever the maker the interval of frames is the repetition time, 3.2 ms, where trigger times are 40 ms apart.
# Volumes, strain and networks see a heart that jumps along its axis and beats twelve times too fast, and
# removing the maker's name, as anonymisers do, changes the pictures.
# Instead: compare slices with positions, or number the images phase by phase before converting.
# Here: cines are read from DICOM by position and trigger time, and written under a maker that no converter knows.
set -eu
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet dcm2niix==1.0.20260724 pydicom==3.0.2 nibabel==5.4.2 numpy==2.3.5
cat > "$work/run.py" <<'PY'
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import dcm2niix
import nibabel
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

SLICES, PHASES = 3, 6


def image(maker, ids, place, phase):
    """One image of the stack: grey 100 * slice + phase, counted from 1 and 0."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = MRImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = ids
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Made^Up", "1", "", "O"
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = "20240102"
    ds.StudyTime, ds.SeriesTime, ds.ContentTime = "100000", "100100", "100300"
    ds.AcquisitionTime = f"1002{place:02d}"
    ds.StudyID, ds.AccessionNumber, ds.ReferringPhysicianName = "1", "", ""
    ds.Modality, ds.Manufacturer, ds.SeriesNumber, ds.SeriesDescription = "MR", maker, 5, "cine"
    ds.AcquisitionNumber, ds.InstanceNumber = 1, place * PHASES + phase + 1
    ds.ImageType, ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions = ["ORIGINAL", "PRIMARY", "M"], "GR", "SK", "CG"
    ds.MRAcquisitionType, ds.RepetitionTime, ds.EchoTime, ds.FlipAngle = "2D", 3.2, 1.5, 60
    ds.SliceThickness, ds.SpacingBetweenSlices, ds.MagneticFieldStrength, ds.EchoTrainLength = 8, 8, 1.5, 1
    ds.TriggerTime, ds.CardiacNumberOfImages, ds.HeartRate = 40 * phase, PHASES, 60
    ds.PatientPosition, ds.ImageOrientationPatient = "HFS", [1, 0, 0, 0, 1, 0]
    ds.ImagePositionPatient, ds.PixelSpacing = [-20, -20, 8 * place], [1.5, 1.5]
    ds.Rows = ds.Columns = 32
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
    ds.PixelData = np.full((32, 32), 100 * (place + 1) + phase, np.uint16).tobytes()
    return ds


def converted(maker, folder):
    """(grey of each slice and phase, interval of frames in ms)."""
    (folder / "in").mkdir(parents=True)
    ids = [generate_uid() for _ in range(3)]
    for place in range(SLICES):
        for phase in range(PHASES):
            image(maker, ids, place, phase).save_as(folder / "in" / f"{place}{phase}.dcm", enforce_file_format=True)
    done = subprocess.run([dcm2niix.bin, "-z", "n", "-f", "out", "-o", folder, folder / "in"], capture_output=True)
    assert done.returncode == 0
    nifti = nibabel.load(folder / "out.nii")
    return np.asarray(nifti.dataobj)[0, 0], 1000 * float(nifti.header.get_zooms()[3])


wanted = 100 * (np.arange(SLICES)[:, None] + 1) + np.arange(PHASES)
seen = {}
print(f"dcm2niix {version('dcm2niix')}: grey 100 * slice + phase of the first volume (expected 100, 200, 300)")
for number, maker in enumerate(("", "GE MEDICAL SYSTEMS", "SIEMENS", "Canon Medical Systems", "UIH", "Hitachi")):
    found, interval = converted(maker, Path(sys.argv[1]) / str(number))
    seen[maker] = found.shape == wanted.shape and bool((found == wanted).all())
    print(f"maker {maker!r}: shape {found.shape}, first volume {found[:, 0].tolist()}, right {seen[maker]}; "
          f"interval {interval:.1f} ms (expected 40)")
    assert round(interval, 1) == 3.2, "the behaviour has changed"
assert [maker for maker in seen if seen[maker]] == ["", "GE MEDICAL SYSTEMS"], "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/run.py" "$work"
