"""The table of file formats: which suffix is read by what, and which name writes what.

Modules are imported when a format is used, so that this package costs nothing to import.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from gen.io.common import Given
from gen.records import EcgRecord, InputError


@dataclass(frozen=True)
class Format:
    """One record per file; ``reader`` and ``writer`` are ``module:function``."""

    name: str
    suffixes: tuple[str, ...]
    reader: str
    writer: str | None = None

    def read(self, path: Path, given: Given) -> EcgRecord:
        """Read one file."""
        return _resolve(self.reader)(path, given)

    def write(self, record: EcgRecord, path: Path) -> None:
        """Write one file in place (see `gen.files` for whole-or-nothing)."""
        if self.writer is None:
            raise InputError(f"{path}: {self.name} files are read, not written")
        _resolve(self.writer)(record, path)


def _resolve(name: str) -> Callable:
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)


FORMATS = {
    one.name: one
    for one in (
        Format("wfdb", (".hea", ".dat"), "gen.io.wfdb:read_wfdb", "gen.io.wfdb:write_wfdb"),
        Format("edf", (".edf", ".bdf"), "gen.io.edf:read_edf", "gen.io.edf:write_edf"),
        Format("dicom", (".dcm", ".dicom"), "gen.io.dicom:read_dicom", "gen.io.dicom:write_dicom"),
        Format("csv", (".csv", ".tsv", ".txt"), "gen.io.csv:read_csv", "gen.io.csv:write_csv"),
        Format("npz", (".npz", ".npy"), "gen.io.npz:read_npz", "gen.io.npz:write_npz"),
        Format("mat", (".mat",), "gen.io.mat:read_mat"),
        Format("aecg", (".xml",), "gen.io.devices:read_device", "gen.io.aecg:write_aecg"),
        Format("fhir", (".json",), "gen.io.devices:read_device", "gen.io.fhir:write_fhir"),
        Format("device", (".scp", ".ecg"), "gen.io.devices:read_device"),
    )
}
#: Many records per file.
SHARD_SUFFIXES = {".parquet": "parquet", ".tar": "webdataset"}
#: What `gen.io.write` accepts.
WRITABLE = ("wfdb", "edf", "dicom", "csv", "npz", "parquet", "webdataset", "aecg", "fhir")

#: What of a record other programs find in files of each format, and what they do not.
HELD = {
    "wfdb": "Signals are whole microvolt; a missing sample is -32768, WFDB's invalid value. Facts stand in comments.",
    "edf": "Signals are whole microvolt. EDF has no word for a missing sample: it is -32.768 mV for other programs. "
    "The sampling rate is that of a data record whose duration has eight characters, good to a millionth. Facts stand "
    "in the header and as annotations.",
    "dicom": "Signals are whole microvolt; a missing sample is the padding value -32768. SyntheticData (0008,001C) "
    "marks what software made. Facts stand as annotations.",
    "csv": "Every value is kept, time is in s, a missing sample is an empty cell. Facts stand in lines with #.",
    "npz": "Every value is kept; a missing sample is NaN.",
    "parquet": "Every value is kept; a missing sample is NaN. Patient, statements and metadata are JSON text.",
    "webdataset": "Every value is kept; a missing sample is NaN. KEY.npy is (lead, time) in mV; KEY.json has rate, "
    "leads and facts. Patient, statements and metadata are JSON text.",
    "aecg": "Signals are whole microvolt. aECG has no word for a missing sample: it is -32.768 mV for other programs. "
    "The device says what is synthetic; facts stand in the text.",
    "fhir": "Signals are whole microvolt, a missing sample is E. Resources of what software made carry the security "
    "label HTEST; facts stand in an extension. A DocumentReference leads to a file of the same name beside it.",
}

ACCEPTED = (
    "WFDB (.hea/.dat), EDF/EDF+ (.edf), DICOM waveform (.dcm), CSV (.csv), NPZ (.npz, .npy), MATLAB (.mat), "
    "Parquet (.parquet), WebDataset (.tar), device files (aECG, MUSE, Sierra, CardioSoft: .xml, SCP-ECG: .scp, "
    "ISHNE: .ecg, Kardia, Fitbit, FHIR R4: .json)"
)


def by_suffix(path: Path) -> Format | None:
    """The format of a file by its name; None for an unknown suffix."""
    suffix = path.suffix.lower()
    return next((one for one in FORMATS.values() if suffix in one.suffixes), None)


def detect(path: Path) -> Format:
    """The format of an existing file, by its name or else by its first bytes.

    Raises:
        InputError: neither tells; the message lists what is accepted.
    """
    known = by_suffix(path)
    if known is not None:
        return known
    try:
        with path.open("rb") as handle:
            head = handle.read(256)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if head[128:132] == b"DICM":
        return FORMATS["dicom"]
    if head[:8] == b"0       " and len(head) == 256:
        return FORMATS["edf"]
    raise InputError(f"{path}: not an ECG file; accepted: {ACCEPTED}")


def writable(name: str) -> str:
    """The format's name itself, if it can be written.

    Raises:
        InputError: unknown; the message lists the known ones.
    """
    if name not in WRITABLE:
        raise InputError(f"unknown format {name!r}; accepted: {', '.join(WRITABLE)}")
    return name
