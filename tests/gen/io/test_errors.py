"""What bad input gets: one line that names the file, what is wrong and what is accepted."""

import gzip

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gen.io import count_set, expand_inputs, read, read_set, write, write_record
from gen.io.cine import read_cine
from gen.records import EcgRecord, InputError

SUFFIXES = (
    ".hea",
    ".edf",
    ".dcm",
    ".csv",
    ".npz",
    ".npy",
    ".mat",
    ".parquet",
    ".tar",
    ".tsv",
    ".txt",
    ".bdf",
    ".xyz",
    "",
)


@pytest.fixture
def record(rng):
    return EcgRecord(rng.normal(0, 0.5, (3, 1000)), 500, ("I", "II", "V1"), "r", synthetic=True)


def refuses(path, *words, **given_facts):
    with pytest.raises(InputError) as caught:
        list(read_set(path)) if path.is_dir() or path.suffix in (".parquet", ".tar") else read(path, **given_facts)
    message = str(caught.value)
    assert "\n" not in message
    assert path.stem in message
    for word in words:
        assert word in message, message
    return message


def only_input_errors(call):
    """Run it; it may succeed or raise one line of `InputError`, nothing else."""
    try:
        call()
        message = ""
    except InputError as error:
        message = str(error)
    assert "\n" not in message


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(data=st.binary(max_size=600))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_bytes_raise_only_input_errors(tmp_path, suffix, data):
    file = tmp_path / f"wild{suffix}"
    file.write_bytes(data)
    (tmp_path / "wild.dat").write_bytes(data)
    for call in (lambda: read(file), lambda: list(read_set(file)), lambda: count_set(file)):
        only_input_errors(call)


@pytest.mark.parametrize("suffix", [".hea", ".edf", ".dcm", ".csv", ".npz", ".parquet", ".tar"])
@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_raise_only_input_errors(tmp_path, suffix, data):
    file = tmp_path / f"r{suffix}"
    signal = np.linspace(-1, 1, 60).reshape(2, 30)
    write([EcgRecord(signal, 100, ("I", "II"), "r", report="x")], file, overwrite=True)
    content = bytearray(file.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    for _ in range(data.draw(st.integers(0, 3))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(content)
    only_input_errors(lambda: list(read_set(file)))


@given(text=st.text('0123456789.,;-+eE# \n\tIVaRLF_mu()time:"=', max_size=300))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_as_csv_or_header_raises_only_input_errors(tmp_path, text):
    for name in ("t.csv", "t.hea"):
        (tmp_path / name).write_text(text)
        only_input_errors(lambda name=name: read(tmp_path / name, fs_hz=100, unit="mV"))


def test_missing_and_unknown_files(tmp_path):
    refuses(tmp_path / "none.hea", "not found")
    refuses(tmp_path / "none", "not found")
    (tmp_path / "a.docx").write_bytes(b"PK word")
    refuses(tmp_path / "a.docx", "not an ECG file", "WFDB", "Parquet")
    (tmp_path / "empty").mkdir()
    refuses(tmp_path / "empty", "no ECG file")
    for suffix in SUFFIXES:
        (tmp_path / f"zero{suffix}").write_bytes(b"")
        refuses(tmp_path / f"zero{suffix}", "empty")
    with pytest.raises(InputError, match="no file matches"):
        expand_inputs([str(tmp_path / "*.wav")])
    with pytest.raises(InputError, match="not found"):
        expand_inputs([tmp_path / "none.edf"])


def test_wfdb_files_that_do_not_fit_their_header(tmp_path, record):
    file = write_record(record, tmp_path / "r.hea")
    whole = file.with_suffix(".dat").read_bytes()
    file.with_suffix(".dat").write_bytes(whole[:4000])
    refuses(file, "truncated", "6000 bytes expected", "4000 found")
    file.with_suffix(".dat").write_bytes(whole * 2)
    refuses(file, "6000 bytes expected", "12000 found")
    file.with_suffix(".dat").unlink()
    refuses(file, "signal file r.dat is missing")
    header = file.read_text()
    file.write_text(header.replace("r 3 500", "r 9 500"))
    refuses(file, "announces 9 signals")
    file.with_suffix(".dat").write_bytes(whole)
    file.unlink()
    refuses(tmp_path / "r.dat", "header r.hea is missing")
    for old, new, words in [
        ("0 V1", "0 Lead I", ("lead I is given twice",)),
        ("/mV", "/mmHg", ("unit 'mmHg' cannot be converted to mV",)),
        ("r 3 500 1000", "r 3", ("sampling rate is missing",)),
        ("r 3 500 1000", "r 3 0 1000", ("0 Hz is no ECG's", "10 to 20000 Hz")),
        ("r 3 500 1000", "r 3 x 1000", ("not a WFDB header",)),
    ]:
        file.write_text(header.replace(old, new))
        refuses(file, *words)
    file.write_text(header.replace("r 3 500 1000", "r 3"))
    assert read(file, fs_hz=500).num_samples == 1000


def test_a_changed_sample_is_noticed(tmp_path, record):
    file = write_record(record, tmp_path / "r.hea")
    data = bytearray(file.with_suffix(".dat").read_bytes())
    data[2] ^= 1
    file.with_suffix(".dat").write_bytes(data)
    assert read(file).metadata["checksum_mismatch"] == ["II"]


def test_contradictions_are_errors(tmp_path, record):
    for suffix in (".hea", ".csv", ".npz", ".edf", ".dcm"):
        file = write_record(record, tmp_path / f"r{suffix}")
        assert read(file, fs_hz=500, leads=("Lead I", "ii", "C1")).leads == ("I", "II", "V1")
        refuses(file, "500 Hz", "300 Hz", fs_hz=300)
        refuses(file, "leads are I, II, V1", leads=("I", "II", "V2"))
        assert read(file, leads=("II", "I")).leads == ("II", "I")
        refuses(file, "unknown lead 'X9'", leads=("I", "II", "X9"))
        refuses(file, "V was given", unit="V")


def test_truncated_and_corrupt_files(tmp_path, record):
    for suffix in (".edf", ".dcm", ".npz", ".parquet", ".tar"):
        file = write(record, tmp_path / f"cut{suffix}")
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        refuses(file)
    (tmp_path / "m.mat").write_bytes(b"MATLAB 5.0 MAT-file" + b" " * 500)
    refuses(tmp_path / "m.mat", "MATLAB")
    np.savez(tmp_path / "p.npz", x=np.array([{"a": 1}], dtype=object))
    refuses(tmp_path / "p.npz", "not a readable NPZ")
    np.savez(tmp_path / "w.npz", other=np.zeros(3))
    refuses(tmp_path / "w.npz", "no array named signal_mv", "other")
    np.savez(tmp_path / "i.npz", signal_mv=np.full((1, 5), np.inf), fs_hz=100, leads=["I"])
    refuses(tmp_path / "i.npz", "infinite")
    np.savez(tmp_path / "z.npz", signal_mv=np.zeros((1, 0)), fs_hz=1, leads=["I"])
    refuses(tmp_path / "z.npz", "no samples")


def test_an_image_in_dicom_is_no_ecg(data_dir):
    refuses(next((data_dir("sunnybrook")).rglob("*.dcm")), "without waveforms")


def test_a_bad_table_is_named(tmp_path, record):
    out = write([record], tmp_path / "set")
    table = (out / "metadata.csv").read_text()
    (out / "metadata.csv").write_text(table + "second,gone.hea\n")
    refuses(out, "row 3")
    (out / "metadata.csv").write_text(table.replace("r.hea", "gone.hea"))
    refuses(out, "gone.hea", "row 2")


def test_a_full_disk_leaves_nothing(tmp_path, record, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gen.io.wfdb.write_wfdb", full)
    monkeypatch.setattr("gen.io.webdataset.WebDatasetShard.close", full)
    for format in ("wfdb", "webdataset"):
        with pytest.raises(InputError, match=r"out: cannot write \(No space left on device\)"):
            write([record], tmp_path / "out", format=format)
    with pytest.raises(InputError, match="No space left"):
        write(record, tmp_path / "r.hea")
    assert not list(tmp_path.iterdir())


def test_values_and_formats_that_cannot_be_written(tmp_path, record):
    big = EcgRecord(np.full((1, 5), -33.0), 500, ("I",), "big")
    for suffix in (".hea", ".edf", ".dcm"):
        with pytest.raises(InputError, match="lead I reaches 33 mV"):
            write_record(big, tmp_path / f"big{suffix}")
    for suffix in (".csv", ".npz", ".parquet", ".tar"):
        assert next(read_set(write(big, tmp_path / f"big{suffix}"))).signal_mv[0, 0] == -33
    with pytest.raises(InputError, match="unknown format 'mp3'; accepted: wfdb"):
        write([record], tmp_path / "set", format="mp3")
    with pytest.raises(InputError, match="JSON cannot store"):
        write([EcgRecord(record.signal_mv, 500, record.leads, metadata={"a": object()})], tmp_path / "set")
    (tmp_path / "file").write_text("x")
    for target in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError):
            write([record], target)
    assert not list(tmp_path.glob(".*"))


def test_no_header_makes_a_reader_ask_for_more_than_its_file_holds(tmp_path, record):
    write_record(record, tmp_path / "s.hea")
    file = tmp_path / "m.hea"
    file.write_text("m/2 3 500 99999999999\ns 1000\ns 1000\n")
    refuses(file, "its time stamps span 99999999999 samples")
    file.write_text("m/2 3 500 -2000\ns 1000\ns 1000\n")
    refuses(file, "not a WFDB header (record line")
    file.write_text("m/2 3 1e-7 2000\ns 1000\ns 1000\n")
    refuses(file, "its time stamps span 2000 samples")
    nib = pytest.importorskip("nibabel")
    for name in ("x.nii", "x.nii.gz"):
        nib.save(nib.Nifti1Image(np.ones((8, 8, 1, 8), np.float32), np.eye(4)), tmp_path / name)
        opened = gzip.open if name.endswith("gz") else open
        with opened(tmp_path / name, "rb") as handle:
            data = bytearray(handle.read())
        data[42:44] = (30000).to_bytes(2, "little")
        data[44:46] = (30000).to_bytes(2, "little")
        with opened(tmp_path / name, "wb") as handle:
            handle.write(data)
        with pytest.raises(InputError, match="truncated: its header announces"):
            read_cine(tmp_path / name)


def test_tables_of_a_folder_that_hold_no_ecg_are_named(tmp_path, capsys):
    write(EcgRecord(np.ones((1, 500), np.float32), 250, ("I",), "a"), tmp_path / "a.npz")
    assert [path.name for path in expand_inputs([tmp_path])] == ["a.npz"]
    assert capsys.readouterr().err == ""
    for name in ("1.csv", "2.tsv", "3.csv", "4.csv"):
        (tmp_path / name).write_text("colour,size\nred,large\n")
    assert [path.name for path in expand_inputs([tmp_path])] == ["a.npz"]
    assert (
        capsys.readouterr().err == f"warning: {tmp_path}: passed over, no ECG in it: 1.csv, 2.tsv, 3.csv and 1 more\n"
    )
