"""A cohort as a record set: a run that was stopped goes on to the same bytes, and a second one is told."""

import pytest

from gen.io import read_set
from gen.records import InputError
from gen.simulate import iter_cohort, record_set
from gen.simulate.cine.pairs import CineOptions
from gen.simulate.record_set import Cohort, write_cohort

RECORDING = {"noise": "light", "fs_hz": 100.0, "duration_s": 2.0}
CINES = CineOptions(size=16, spacing_mm=12.0, frames=4)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(record_set, "BLOCK", 2)
    monkeypatch.setattr(record_set, "CINE_BLOCK", 2)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Stopped(Exception):
    """Stands for Ctrl-C."""


@pytest.mark.parametrize(
    ("format", "cines"), [("wfdb", None), ("npz", None), ("parquet", None), ("wfdb", CINES)], ids=str
)
def test_a_run_that_was_stopped_ends_with_the_same_bytes(tmp_path, capsys, format, cines):
    cohort = Cohort(7, 3, 2, RECORDING, format, cines)
    write_cohort(cohort, tmp_path / "whole")

    def stop(done):
        if done == 9:
            raise Stopped

    with pytest.raises(Stopped):
        write_cohort(cohort, tmp_path / "OUT", progress=stop)
    assert not (tmp_path / "OUT").exists()
    seen = []
    write_cohort(cohort, tmp_path / "OUT", progress=seen.append)
    if format != "parquet":  # a shard that is open cannot be gone on with
        assert seen[0] == 9, "what was finished is not made again"
        assert "going on where an earlier run stopped" in capsys.readouterr().err
    assert contents(tmp_path / "OUT") == contents(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["OUT", "whole"]


def test_the_records_are_the_cohorts(tmp_path):
    write_cohort(Cohort(5, 3, 1, RECORDING, "npz"), tmp_path / "OUT")
    expected = list(iter_cohort(5, 3, **RECORDING))
    found = {record.record_id: record for record in read_set(tmp_path / "OUT")}
    assert list(found) == [record.record_id for record in expected]
    for record in expected:
        assert (found[record.record_id].signal_mv == record.signal_mv).all()


def test_a_second_run_in_the_same_folder_is_told(tmp_path):
    cohort = Cohort(3, 3, 1, RECORDING)

    def second(done):
        with pytest.raises(InputError, match="OUT: another process is writing it"):
            write_cohort(cohort, tmp_path / "OUT")

    write_cohort(cohort, tmp_path / "OUT", progress=second)
    with pytest.raises(InputError, match="OUT: exists; use --overwrite"):
        write_cohort(cohort, tmp_path / "OUT")
