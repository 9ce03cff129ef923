"""What is written, read by programs of others: rate, unit, leads, polarity, holes and the synthetic mark."""

import csv
import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gen.cine import CineRecord
from gen.commands.data import app
from gen.io import read, write, write_record
from gen.io.cine import write_cine
from gen.leads import LEADS_12
from gen.records import EcgRecord, InputError, Patient

FS = 512.4
HOLE = slice(100, 160)


@pytest.fixture
def record(rng):
    """Upright in I, inverted in aVR, with a hole in II; a rate that divides into nothing."""
    signal = rng.normal(0, 0.02, (12, 1500)).astype(np.float32)
    signal[:, ::400] += np.linspace(1, -1, 12, dtype=np.float32)[:, None]
    signal[1, HOLE] = np.nan
    return EcgRecord(
        np.round(signal, 3), FS, LEADS_12, "r1", Patient("p1", 63, "F"), "a < b", {"SR": 100.0}, synthetic=True
    )


def check(record, signal_mv, missing=np.nan):
    """A signal (lead, time) as another program has it."""
    expected = np.where(np.isnan(record.signal_mv), np.float32(missing), record.signal_mv)
    np.testing.assert_allclose(signal_mv, expected, atol=6e-4)


def test_edfio(tmp_path, record):
    edfio = pytest.importorskip("edfio")
    found = edfio.read_edf(write_record(record, tmp_path / "x.edf"))
    assert [signal.label for signal in found.signals] == [f"ECG {lead}" for lead in LEADS_12]
    assert {signal.physical_dimension for signal in found.signals} == {"uV"}
    assert found.signals[0].sampling_frequency == pytest.approx(FS, rel=1e-6)
    assert "synthetic" in str(found.recording.additional)
    assert any("Synthetic" in note.text for note in found.annotations)
    check(record, np.stack([signal.data for signal in found.signals]) / 1000, -32.768)  # the README says so
    write([record], tmp_path / "set", format="edf")
    assert "-32.768 mV for other programs" in (tmp_path / "set" / "README.md").read_text()


def test_wfdb(tmp_path, record):
    wfdb = pytest.importorskip("wfdb")
    write_record(record, tmp_path / "x.hea")
    found = wfdb.rdrecord(str(tmp_path / "x"))
    assert (found.fs, tuple(found.sig_name), set(found.units)) == (FS, LEADS_12, {"mV"})
    assert any("synthetic" in text.lower() for text in found.comments)
    check(record, found.p_signal.T)


def test_pydicom(tmp_path, record):
    pydicom = pytest.importorskip("pydicom")
    found = pydicom.dcmread(write_record(record, tmp_path / "x.dcm"))
    group = found.WaveformSequence[0]
    codes = [channel.ChannelSourceSequence[0].CodeMeaning for channel in group.ChannelDefinitionSequence]
    assert codes == [f"Lead {lead}" for lead in LEADS_12]
    assert float(group.SamplingFrequency) == FS
    assert found.SyntheticData == "YES"
    digital = np.frombuffer(group.WaveformData, "<i2").reshape(-1, 12).T.astype(float)
    assert group.WaveformPaddingValue in (b"\x00\x80", -32768)
    digital[digital == -32768] = np.nan
    check(record, digital * 0.001)
    raw = found.waveform_array(0)
    assert raw.shape == (1500, 12)


def test_datasets_reads_every_label_of_a_shard(tmp_path, record):
    datasets = pytest.importorskip("datasets")
    # Its reader fixes the keys from five records: what only a later one has must not be lost.
    records = [replace(record, record_id=f"r{k:02d}", statements={"SR": 100.0}, metadata={"a": 1}) for k in range(12)]
    records[9] = replace(records[9], statements={"CLBBB": 100.0, "PVC": 50.0}, metadata={"b": [1, 2]})
    write(records, tmp_path / "set", format="webdataset")
    found = list(
        datasets.load_dataset(
            "webdataset",
            data_files={"train": str(tmp_path / "set" / "*.tar")},
            split="train",
            streaming=True,
            cache_dir=str(tmp_path / "cache"),
        )
    )
    assert [json.loads(row["json"]["statements"]) for row in found] == [dict(one.statements) for one in records]
    assert [json.loads(row["json"]["metadata"]) for row in found] == [dict(one.metadata) for one in records]
    assert all(row["json"]["synthetic"] for row in found)
    assert found[0]["json"]["leads"] == list(LEADS_12)
    check(record, np.asarray(found[9]["npy"]))


def test_duckdb(tmp_path, record):
    duckdb = pytest.importorskip("duckdb")
    write([record], tmp_path / "set", format="parquet")
    shard = next((tmp_path / "set").glob("*.parquet"))
    row = duckdb.sql(f"select * from '{shard}'").fetchall()[0]
    columns = duckdb.sql(f"describe select * from '{shard}'").fetchall()
    found = dict(zip([column[0] for column in columns], row, strict=True))
    assert (found["fs_hz"], found["leads"], found["synthetic"]) == (FS, list(LEADS_12), True)
    assert json.loads(found["statements"]) == {"SR": 100.0}
    signal = np.array(found["signal_mv"], dtype=float)
    check(record, signal if signal.ndim == 2 else signal.reshape(12, -1))
    table = duckdb.sql(f"select record_id, synthetic, fs_hz from '{tmp_path / 'set' / 'metadata.csv'}'").fetchall()
    assert table == [("r1", True, FS)]


def test_a_spreadsheet(tmp_path, record):
    text = write_record(record, tmp_path / "x.csv").read_text()
    rows = list(csv.reader(line for line in text.splitlines() if not line.startswith("#")))
    assert rows[0] == ["time_s", *LEADS_12]
    assert "# synthetic: true" in text.lower()
    cells = np.array([[float(cell or "nan") for cell in row] for row in rows[1:]]).T
    assert (len(cells[0]) - 1) / cells[0][-1] == pytest.approx(FS, rel=1e-6)
    check(record, cells[1:])


def test_ecgdatakit_reads_the_aecg(tmp_path, record):
    pytest.importorskip("ecgdatakit")
    from ecgdatakit.parsing.parser import FileParser

    found = FileParser.parse(write_record(record, tmp_path / "x.xml"), units="mV")
    assert tuple(lead.label for lead in found.leads) == LEADS_12
    assert "synthetic" in f"{found.recording.device.model}{found.recording.device.manufacturer}"
    check(record, np.stack([lead.samples for lead in found.leads]), -32.768)
    again = read(tmp_path / "x.xml")
    assert (again.fs_hz, again.synthetic, again.report) == (pytest.approx(FS), True, "a < b")
    assert np.isnan(again.signal_mv[1, HOLE]).all()


def test_fhir_is_valid_and_says_where_the_files_are(tmp_path, record):
    bundle = pytest.importorskip("fhir.resources.R4B.bundle")
    write([record], tmp_path / "in")
    (tmp_path / "people.csv").write_text("record_id,patient_id,age,sex\nr1,P-7,71,M\n")
    command = ["convert", str(tmp_path / "in"), "--format", "fhir", "--attach", "wfdb,edf,dicom,aecg"]
    run = CliRunner().invoke(
        app, [*command, "--patients", str(tmp_path / "people.csv"), "--out", str(tmp_path / "out")]
    )
    assert run.exit_code == 0, run.output
    data = json.loads((tmp_path / "out" / "r1.json").read_text())
    found = bundle.Bundle.model_validate(data)
    resources = [entry.resource for entry in found.entry]
    person, device, observation, *documents = resources
    assert (person.identifier[0].value, person.gender) == ("P-7", "male")
    assert device.manufacturer == "physiogen (synthetic)"
    for each in resources:
        assert (each.meta.security[0].code, each.meta.tag[0].code) == ("HTEST", "synthetic")
    potentials = [component.code.coding[0].code for component in observation.component]
    assert potentials[:3] == ["131329", "131330", "131389"]  # I, II, III of 11073-10101
    sampled = [component.valueSampledData for component in observation.component]
    assert all(float(one.period) == pytest.approx(1000 / FS) for one in sampled)
    words = np.array([one.data.split() for one in sampled])
    assert (words[1, HOLE] == "E").all()
    values = np.where(words == "E", "nan", words).astype(float)
    check(record, values * float(sampled[0].factor) / 1000)
    names = {document.content[0].attachment.url for document in documents}
    assert names == {"r1.hea", "r1.dat", "r1.edf", "r1.dcm", "r1.xml"}
    for document in documents:
        assert document.identifier[0].value == observation.identifier[0].value == "r1"
        attachment = document.content[0].attachment
        assert attachment.size == (tmp_path / "out" / attachment.url).stat().st_size
    for name in ("r1.hea", "r1.edf", "r1.dcm", "r1.xml"):
        one = read(tmp_path / "out" / name)
        assert (one.record_id, one.patient, one.synthetic) == ("r1", Patient("P-7", 71, "M"), True)


def test_fhir_of_another_writer(tmp_path):
    def lead(code, data, period=4, **more):
        origin = {"value": 2, "unit": "mV"}
        sampled = {"origin": origin, "period": period, "factor": 0.5, "dimensions": 1, "data": data}
        return {"code": {"coding": [code]}, "valueSampledData": {**sampled, **more}}

    mdc = {"system": "urn:oid:2.16.840.1.113883.6.24", "code": "131330"}
    parts = [lead(mdc, "0 2 E -4"), lead({"code": "MDC_ECG_LEAD_V1"}, "1 1 1 1"), lead({"display": "breathing"}, "1 1")]
    data = {"resourceType": "Observation", "status": "final", "component": parts}
    file = tmp_path / "o.json"
    file.write_text(json.dumps(data))
    found = read(file)
    assert (found.leads, found.fs_hz, found.synthetic) == (("II", "V1"), 250, False)
    np.testing.assert_array_equal(found.signal_mv, [[2, 3, np.nan, 0], [2.5, 2.5, 2.5, 2.5]])
    assert found.metadata["skipped_channels"] == ["breathing"]
    file.write_text(json.dumps({**data, "component": [lead(mdc, "0 1 2 3", dimensions=2)]}))
    with pytest.raises(InputError, match=r"o\.json: 2 dimensions a component"):
        read(file)
    file.write_text(json.dumps({"resourceType": "Patient"}))
    with pytest.raises(InputError, match="no Observation with sampled data"):
        read(file)


#: What a program of the operating system may not know yet: SyntheticData was added to the standard in 2023.
_NEWER = "(0x0008,0x001c)"
#: A synthetic heart has no date, which the standard allows.
_DATELESS = "needed to build DICOMDIR"


def program(name):
    """A tool beside the interpreter (the extra ``dev``) or on the path."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def faults(file, *, warnings=False):
    """What dciodvfy holds against a file: errors, or warnings as well."""
    tool = program("dciodvfy")
    done = subprocess.run([tool, str(file)], capture_output=True, text=True, check=False)
    lines = (done.stderr + done.stdout).splitlines()
    if any(_NEWER in line and "Unrecognized tag" in line for line in lines):  # then it calls the object extended
        lines = [line for line in lines if _NEWER not in line and "Standard Extended" not in line]
    held = [line for line in lines if line.startswith(("Error", "Warning") if warnings else "Error")]
    return [line for line in held if _DATELESS not in line]


@pytest.mark.parametrize("fs_hz", [500.0, 100.0])
def test_dciodvfy_finds_no_error_in_an_ecg(tmp_path, record, fs_hz):
    pytest.importorskip("pydicom")
    assert faults(write_record(replace(record, fs_hz=fs_hz), tmp_path / "x.dcm")) == []


def loop(rng, **changed):
    frames = rng.random((2, 25, 32, 32))
    positions = np.array([0.0, 8.0])
    return CineRecord(frames, (2.0, 2.0), 0.8, slice_positions_mm=positions, slice_thickness_mm=8.0, **changed)


def unpacked(path, folder):
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.parametrize("synthetic", [True, False])
def test_dciodvfy_finds_nothing_in_a_cine(tmp_path, rng, synthetic):
    pytest.importorskip("pydicom")
    folder = unpacked(write_cine(loop(rng, synthetic=synthetic), tmp_path / "x.dicom.zip"), tmp_path / "x")
    assert faults(folder / "slice_01_frame_02.dcm", warnings=True) == []


def labelled(rng, **changed):
    masks = np.zeros((2, 25, 32, 32), np.uint8)
    masks[:, :, 8:20, 8:20] = 1
    masks[0, 3, 2:6, 4:30] = 3
    masks[1, :, 20:24, 8:20] = 2
    return replace(loop(rng, **changed), masks=masks)


@pytest.mark.parametrize("synthetic", [True, False])
def test_dciodvfy_finds_nothing_in_a_segmentation(tmp_path, rng, synthetic):
    pytest.importorskip("highdicom")
    cine = labelled(rng, synthetic=synthetic)
    cine = replace(cine, metadata={"labelled_frames": [3, 9]})
    folder = unpacked(write_cine(cine, tmp_path / "x.seg.zip"), tmp_path / "x")
    assert sorted(f.name for f in folder.iterdir()) == ["segmentation_frame_04.dcm", "segmentation_frame_10.dcm"]
    for file in folder.iterdir():
        assert faults(file, warnings=True) == []


def test_a_segmentation_points_at_the_images_and_gives_the_masks_back(tmp_path, rng):
    hd = pytest.importorskip("highdicom")
    pydicom = pytest.importorskip("pydicom")
    cine = labelled(rng, synthetic=True)
    images = unpacked(write_cine(cine, tmp_path / "x", format="dicom"), tmp_path / "images")
    path = write_cine(cine, tmp_path / "x", format="seg")
    first = path.read_bytes()
    assert write_cine(cine, path, overwrite=True).read_bytes() == first
    data = hd.seg.segread(unpacked(path, tmp_path / "seg") / "segmentation_frame_04.dcm")
    assert data.SyntheticData == "YES"
    assert data.SeriesDescription.startswith("SYNTHETIC")
    pointed = [pydicom.dcmread(images / f"slice_0{s}_frame_04.dcm") for s in (1, 2)]
    assert {p.StudyInstanceUID for p in pointed} == {data.StudyInstanceUID}
    assert {p.FrameOfReferenceUID for p in pointed} == {data.FrameOfReferenceUID}
    back = data.get_pixels_by_source_instance([p.SOPInstanceUID for p in pointed], combine_segments=True)
    np.testing.assert_array_equal(back, cine.masks[:, 3])
    with pytest.raises(InputError, match="has no masks"):
        write_cine(loop(rng), tmp_path / "y", format="seg")


def test_a_cine_survives_dcm2niix_as_one_loop(tmp_path, rng):
    """Frames in order, slices in order, pixel size, step and frame time in one file."""
    nibabel = pytest.importorskip("nibabel")
    cine = loop(rng, synthetic=True)
    folder = unpacked(write_cine(cine, tmp_path / "x.dicom.zip"), tmp_path / "x")
    (tmp_path / "out").mkdir()
    tool = program("dcm2niix")
    subprocess.run([tool, "-o", str(tmp_path / "out"), str(folder)], capture_output=True, text=True, check=True)
    made = [nibabel.load(file) for file in (tmp_path / "out").glob("*.nii*")]
    assert [image.shape for image in made] == [(32, 32, 2, 25)]
    np.testing.assert_allclose(made[0].header["pixdim"][1:5], [2, 2, 8, 0.8 / 25], rtol=1e-4)
    # It turns rows around; which way slices run depends on the plane's normal.
    frames = made[0].get_fdata().transpose(2, 3, 1, 0)[:, :, ::-1] / 4095
    order = 1 if np.abs(frames[0] - cine.frames[0]).max() < 0.01 else -1
    np.testing.assert_allclose(frames[::order], cine.frames, atol=1 / 4000)
