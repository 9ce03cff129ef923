import numpy as np
import pytest
import wfdb
from wfdb.io.annotation import ann_labels

from gen.io.annotations import CODES, annotation_bytes, read_beats
from gen.io.writer import write, write_record
from gen.leads import LEADS_12
from gen.records import EcgRecord, InputError

BEATS = {"times_s": [0.42, 1.204, 1.8, 2.9], "symbols": "NNV/", "blocked_p_s": [2.3], "rhythm": "(N"}


def record(beats):
    signal = np.zeros((12, 1500), dtype=np.float32)
    return EcgRecord(signal, 500, LEADS_12, record_id="a", synthetic=True, metadata={"beats": beats} if beats else {})


def test_beats_are_written_beside_a_wfdb_record_and_read_by_the_wfdb_library(tmp_path):
    path = write_record(record(BEATS), tmp_path / "a.hea")
    found = wfdb.rdann(str(path.with_suffix("")), "atr")
    assert found.symbol == ["+", "N", "N", "V", "x", "/"]
    assert found.sample.tolist() == [0, 210, 602, 900, 1150, 1450]
    assert found.aux_note[0].rstrip("\0") == "(N"
    assert found.fs == 500
    assert read_beats(path) == {"times_s": [0.42, 1.204, 1.8, 2.9], "symbols": "NNV/"}


def test_a_set_holds_annotations_and_records_without_beats_have_none(tmp_path):
    write([record(BEATS)], tmp_path / "with")
    assert (tmp_path / "with" / "a.atr").is_file()
    write([record(None)], tmp_path / "without")
    assert not list((tmp_path / "without").rglob("*.atr"))
    with pytest.raises(InputError, match="cannot be read"):
        read_beats(tmp_path / "without" / "a.hea")


def test_beats_without_symbols_are_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(InputError, match="4 beat times, but 1 symbols"):
        write_record(record({**BEATS, "symbols": "N"}), tmp_path / "a.hea")
    assert not list(tmp_path.iterdir())


def test_events_beyond_the_ends_are_left_out(tmp_path):
    path = write_record(record({"times_s": [-0.2, 0.5, 3.4], "symbols": "NNN"}), tmp_path / "a.hea")
    assert read_beats(path)["times_s"] == [0.5]


def test_symbols_that_wfdb_does_not_have_are_refused(tmp_path):
    with pytest.raises(InputError, match="beat symbol 'Z'"):
        write_record(record({**BEATS, "symbols": "NNZ/"}), tmp_path / "a.hea")


def test_codes_are_those_of_the_wfdb_library():
    assert {label.symbol: label.label_store for label in ann_labels if label.label_store} == CODES


@pytest.mark.parametrize("fs_hz", [500.0, 360.5, 128])
@pytest.mark.parametrize("longest", [5, 1500, 2**25])
def test_files_are_byte_for_byte_those_of_the_wfdb_library(tmp_path, fs_hz, longest):
    rng = np.random.default_rng(longest)
    sample = np.cumsum(rng.integers(0, longest, 30))
    symbol = rng.choice(list(CODES), 30).tolist()
    notes = [str(note) for note in rng.choice(["", "(AFIB", "(N", "x" * 200], 30)]
    made = annotation_bytes(zip(sample.tolist(), symbol, notes, strict=True), fs_hz)
    wfdb.wrann("a", "atr", sample, symbol=symbol, aux_note=notes, fs=float(fs_hz), write_dir=str(tmp_path))
    assert made == (tmp_path / "a.atr").read_bytes()


def test_a_note_that_is_too_long_is_refused():
    with pytest.raises(InputError, match="256 characters"):
        annotation_bytes([(0, "N", "x" * 256)], 500)
