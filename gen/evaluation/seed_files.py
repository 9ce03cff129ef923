"""One small file in every format that is read, which the campaign of damaged files starts from."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

from gen.evaluation import device_files
from gen.io import read_set, write, write_record
from gen.records import EcgRecord
from gen.simulate import simulate


@dataclass(frozen=True)
class Seed:
    """A file to damage.

    Attributes:
        name: of its format.
        file: where it is.
        parts: files beside it that belong to it, which are damaged as often.
        read: reads what becomes of it, given the path and what a caller may supply; gives records or cines.
    """

    name: str
    file: Path
    parts: tuple[Path, ...]
    read: Callable[[Path, dict[str, Any]], list[Any]]


def read_ecg(path: Path, given: dict[str, Any]) -> list[EcgRecord]:
    """Records of a file, as every command reads them."""
    return list(read_set(path, **given))


def _read_cine(path: Path, given: dict[str, Any]) -> list[Any]:
    from gen.io.cine import read_cine

    return [read_cine(path)]


def _read_images(path: Path, given: dict[str, Any]) -> list[Any]:
    from gen.datasets.cine import open_cine

    return [open_cine(path.parent)[0]]


def _read_source(path: Path, given: dict[str, Any]) -> list[Any]:
    from gen.datasets import open_source

    source = open_source(path.parent, fs_hz=None)
    return [source[k] for k in range(len(source))]


def ecg_seed(file: Path, name: str = "") -> Seed:
    """A file of an ECG; a WFDB header brings the files of its name along."""
    beside = file.parent.glob(f"{file.stem}.*") if file.suffix in (".hea", ".mat") else ()
    return Seed(name or file.suffix[1:], file, tuple(sorted(p for p in beside if p != file)), read_ecg)


def written_seeds(folder: Path) -> list[Seed]:
    """Seeds of every format, of simulated records and cines."""
    record = simulate([0], seed=0, noise="light", fs_hz=250, duration_s=2).records()[0]
    made = [_ours(folder, record), _tables(folder, record), _devices(folder, record), _sources(folder, record)]
    return [seed for seeds in [*made, _cines(folder)] for seed in seeds]


def _sources(folder: Path, record: EcgRecord) -> list[Seed]:
    """Tables of published sets beside one record."""
    tables = {
        "MIMIC-IV-ECG": {
            "record_list.csv": "subject_id,study_id,file_name,ecg_time,path\n1,2,x,2180-01-01 10:00:00,x\n",
            "machine_measurements.csv": "study_id,report_0,rr_interval,qrs_onset,qrs_end\n2,SR,800,40,90\n",
            "patients.csv": "subject_id,gender,anchor_age,anchor_year\n1,F,52,2178\n",
        },
        "record set": {},
        "AliveCor": {"REFERENCE.csv": "x,N\n"},
    }
    seeds = []
    for name, texts in tables.items():
        own = folder / name
        if texts:
            own.mkdir()
            strip = record if name != "AliveCor" else record.select(["I"])
            write_record(strip, own / "x.hea")
            if name == "AliveCor":  # the samples of this set are MATLAB's
                (own / "x.dat").unlink()
                savemat(own / "x.mat", {"val": np.rint(strip.signal_mv * 1000).astype("<i2")}, format="4")
        else:
            write([replace(record, record_id="x")], own)
        for table, text in texts.items():
            (own / table).write_text(text)
        first = own / next(iter(texts), "metadata.csv")
        rest = tuple(path for path in sorted(own.iterdir()) if path not in (first, own / "README.md"))
        seeds.append(Seed(name, first, rest, _read_source))
    return seeds


def _ours(folder: Path, record: EcgRecord) -> list[Seed]:
    files = [
        write_record(record, folder / f"seed{suffix}")
        for suffix in (".hea", ".edf", ".dcm", ".csv", ".npz", ".xml", ".json")
    ]
    files += [write([record], folder / f"seed{suffix}") for suffix in (".parquet", ".tar")]
    digital = np.rint(record.signal_mv * 1000).astype("<i2")
    frames = digital[0].reshape(-1, 4)
    np.column_stack([frames, np.arange(len(frames)) % 50]).astype("<i2").tofile(folder / "frames.dat")
    lines = ["frames 2 62.5 125", "frames.dat 16x4 1000/mV 16 0 0 0 0 I", "frames.dat 16 1/NU 16 0 0 0 0 RESP"]
    (folder / "frames.hea").write_text("\n".join(lines) + "\n")
    (folder / "frames_m.hea").write_text("frames_m/3 2 62.5 300\nframes 125\n~ 50\nframes 125\n")
    segments = Seed(
        "WFDB of segments", folder / "frames_m.hea", (folder / "frames.dat", folder / "frames.hea"), read_ecg
    )
    return [*(ecg_seed(file) for file in files), ecg_seed(folder / "frames.hea", "WFDB of frames"), segments]


def _tables(folder: Path, record: EcgRecord) -> list[Seed]:
    rows = "\n".join(f"{4 * i},{value:.4f},ok" for i, value in enumerate(record.lead("II")))
    lone = "\n".join(f"{1000 * value:.3f}".replace(".", ",") for value in record.lead("I"))
    logger = "\n".join(
        f"2024-05-30T10:00:{i / 250:06.3f};{599616000000000000 + 4000000 * i};{4 * i};{1000 * value:.0f}"
        for i, value in enumerate(record.lead("I"))
    )
    texts = {
        "table.csv": f"time,II_mV,note\n{rows}\n",
        "watch.csv": "Aufzeichnungsdatum,2024-05-30\nMessrate,512 Hertz\nAbleitung,Ableitung I\nEinheit,µV\n\n" + lone,
        "long.csv": "Lead,Voltage\n" + "\n".join(f"I,{value:.4f}" for value in record.lead("I")),
        "logger.txt": "Phone timestamp;sensor timestamp [ns];timestamp [ms];ecg [uV]\n" + logger,
    }
    for name, text in texts.items():
        (folder / name).write_text(text + "\n", encoding="utf-8")
    return [ecg_seed(folder / name, name) for name in texts]


def _devices(folder: Path, record: EcgRecord) -> list[Seed]:
    eight = np.rint(record.select(["I", "II", "V1", "V2", "V3", "V4", "V5", "V6"]).signal_mv * 400).astype(int)
    readings = [device_files.fitbit_reading(eight[k, :200].tolist()) for k in (0, 1)]
    made: dict[str, tuple[str, str | bytes]] = {
        "GE MUSE": ("muse.xml", device_files.muse(eight)),
        "CardioSoft": ("cardiosoft.xml", device_files.cardiosoft(eight)),
        "ISHNE": ("holter.ecg", device_files.ishne(eight[:3])),
        "Kardia": ("kardia.json", device_files.kardia(eight[0])),
        "Fitbit": ("fitbit.json", json.dumps({"ecgReadings": readings})),
        "EDF+D": ("pause.edf", device_files.edf_with_pause(eight)),
    }
    for name, content in made.values():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return [ecg_seed(folder / name, kind) for kind, (name, _) in made.items()] + _code15(folder / "code15")


def _code15(folder: Path) -> list[Seed]:
    try:
        import h5py
    except ImportError:
        return []
    folder.mkdir()
    tracings = np.random.default_rng(0).normal(size=(2, 4096, 12)).astype(np.float32)
    with h5py.File(folder / "exams_part0.hdf5", "w") as shard:
        shard["exam_id"], shard["tracings"] = np.array([1, 2]), tracings
    head = "exam_id,age,is_male,1dAVb,RBBB,LBBB,SB,ST,AF,patient_id,normal_ecg,trace_file\n"
    row = "{0},5{0},True,False,False,True,False,False,False,{0},False,exams_part0.hdf5\n"
    (folder / "exams.csv").write_text(head + row.format(1) + row.format(2))
    return [Seed("CODE-15 %", folder / "exams.csv", (folder / "exams_part0.hdf5",), _read_source)]


def _cines(folder: Path) -> list[Seed]:
    try:
        import nibabel  # noqa: F401
        import pydicom  # noqa: F401
    except ImportError:
        return []
    import zipfile

    from gen.cine import CineRecord
    from gen.io.cine import write_cine

    rng = np.random.default_rng(0)
    cine = CineRecord(rng.random((2, 8, 16, 16)), (2.0, 2.0), rr_s=0.8, slice_positions_mm=np.array([0.0, 8.0]))
    files = [write_cine(cine, folder / f"cine{suffix}") for suffix in (".npz", ".nii", ".nii.gz")]
    images = folder / "images"
    with zipfile.ZipFile(write_cine(cine, folder / "cine.dicom.zip")) as archive:
        archive.extractall(images)
    first, *rest = sorted(images.iterdir())
    seeds = [Seed(f"cine {file.name.partition('.')[2]}", file, (), _read_cine) for file in files]
    return [*seeds, Seed("cine DICOM", first, tuple(rest), _read_images)]
