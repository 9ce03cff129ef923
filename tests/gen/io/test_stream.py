from dataclasses import replace

import numpy as np
import pytest
import wfdb

from gen.io import RecordSetWriter, read, read_set
from gen.io.stream import WfdbStream
from gen.io.writer import write_record
from gen.leads import LEADS_12
from gen.records import EcgRecord, InputError, Patient

SIGNAL = (0.3 * np.random.default_rng(0).standard_normal((12, 5000))).astype(np.float32)


def facts(signal=None):
    signal = np.zeros((12, 0), dtype=np.float32) if signal is None else signal
    return EcgRecord(signal, 500, LEADS_12, record_id="a", patient=Patient(age=60, sex="F"), synthetic=True)


@pytest.mark.parametrize("sizes", [[5000], [1, 4999], [1000, 1500, 0, 2500]])
def test_a_stream_gives_the_bytes_of_a_record_written_at_once(tmp_path, sizes):
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = write_record(facts(SIGNAL), tmp_path / "whole" / "a.hea")
    with WfdbStream(tmp_path / "parts" / "a.hea", facts()) as out:
        for piece in np.split(SIGNAL, np.cumsum(sizes)[:-1], axis=1):
            out.append(piece)
    for suffix in (".hea", ".dat"):
        assert (tmp_path / "parts" / f"a{suffix}").read_bytes() == whole.with_suffix(suffix).read_bytes()
    assert read(tmp_path / "parts" / "a.hea").patient.age == 60


def test_beats_of_all_pieces_become_annotations(tmp_path):
    with WfdbStream(tmp_path / "a.hea", facts()) as out:
        out.append(SIGNAL[:, :2500], {"times_s": [1.0, 2.0], "symbols": "NV", "blocked_p_s": [], "rhythm": "(N"})
        out.append(SIGNAL[:, 2500:], {"times_s": [6.0], "symbols": "N", "blocked_p_s": [7.0]})
    found = wfdb.rdann(str(tmp_path / "a"), "atr")
    assert found.symbol == ["+", "N", "V", "N", "x"]
    assert found.sample.tolist() == [0, 500, 1000, 3000, 3500]


def put(path, *pieces):
    with WfdbStream(path, facts()) as out:
        for piece in pieces:
            out.append(piece)


def test_a_failure_leaves_nothing(tmp_path):
    for pieces, said in (
        ((SIGNAL, SIGNAL[:3]), r"expected \(12, time\)"),
        ((), "no samples"),
        ((100 * np.ones((12, 10), dtype=np.float32),), "at most"),
    ):
        with pytest.raises(InputError, match=said):
            put(tmp_path / "a.hea", *pieces)
        assert not list(tmp_path.iterdir())


def test_a_record_that_is_there_is_kept(tmp_path):
    for overwrite in (False, True):
        with WfdbStream(tmp_path / "a.hea", facts(), overwrite=overwrite) as out:
            out.append(SIGNAL)
    with pytest.raises(InputError, match="exists"):
        put(tmp_path / "a.hea", SIGNAL)


def test_a_set_takes_a_growing_record_beside_whole_ones(tmp_path):
    with RecordSetWriter(tmp_path / "set") as out:
        with out.growing(facts()) as stream:
            stream.append(SIGNAL[:, :3000])
            stream.append(SIGNAL[:, 3000:])
        out.add(replace(facts(SIGNAL), record_id="b"))
    first, second = read_set(tmp_path / "set")
    assert (first.record_id, second.record_id) == ("a", "b")
    np.testing.assert_array_equal(first.signal_mv, second.signal_mv)
    with pytest.raises(InputError, match="written as wfdb"):
        grow_npz(tmp_path / "other")


def grow_npz(path):
    with RecordSetWriter(path, format="npz") as out, out.growing(facts()):
        pass
