"""The memory-mapped cache: exact, resumable after any kill, atomic, and suspicious of what it opens."""

import contextlib
import json
import os
import pickle
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gen.datasets import SignalCache, Source, SourceInfo, benchmark_read, cache_build, open_source, prepare
from gen.datasets.cache_format import MANIFEST, RECORDS, SIGNALS, manifest_digest
from gen.leads import LEADS_8, LEADS_12, LeadError, limb_lead_residual, to_12
from gen.records import EcgRecord, InputError

SAMPLES = 1000


class Killed(BaseException):
    """Stands for kill -9: nothing in the code catches it."""


def signal_mv(index: int, samples: int = SAMPLES) -> np.ndarray:
    eight = np.random.default_rng(index).normal(scale=0.3, size=(8, samples))
    return to_12(np.round(eight, 3)).astype(np.float32)


def make_source(
    count: int = 12, change: Callable[[int, EcgRecord], EcgRecord] | None = None, die_at: int | None = None
) -> Source:
    """A source without files: 100 Hz, 10 s, two records a patient."""
    table = pd.DataFrame(
        {"record_id": [f"r{i}" for i in range(count)], "patient_id": [f"p{i // 2}" for i in range(count)]}
    )
    table["path"] = table["record_id"]
    table["statements"] = ['{"NORM": 100.0}'] * count

    def read(root: Path, row) -> EcgRecord:
        index = int(row["record_id"][1:])
        if index == die_at:
            raise Killed
        record = EcgRecord(signal_mv(index), 100, LEADS_12)
        return record if change is None else change(index, record)

    return Source(Path("nowhere"), SourceInfo("made up"), table, read, fs_hz=None)


def build(out: Path, source: Source | None = None, **options) -> SignalCache:
    return prepare(source or make_source(), out, **{"fs_hz": 100, **options})


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _small_blocks(monkeypatch):
    monkeypatch.setattr(cache_build, "BLOCK", 5)
    monkeypatch.setattr(os, "fsync", lambda file: None)  # slow, and no test here pulls the plug


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    _small_blocks(monkeypatch)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Files of a cache whose build nothing stopped."""
    out = tmp_path_factory.mktemp("built") / "whole"
    with pytest.MonkeyPatch.context() as monkeypatch:
        _small_blocks(monkeypatch)
        build(out)
    return contents(out)


def test_batches_are_exact_to_the_microvolt(tmp_path):
    cache = build(tmp_path / "c")
    batch = cache.batch([7, 0, 7])
    assert batch.shape == (3, 8, SAMPLES)
    assert batch.dtype == np.float32
    eight = [LEADS_12.index(lead) for lead in LEADS_8]
    np.testing.assert_allclose(batch[0], signal_mv(7)[eight], atol=1e-6)
    np.testing.assert_array_equal(batch[0], batch[2])
    batch[:] = 0  # a copy: the cache does not change
    np.testing.assert_allclose(cache.batch([7])[0], signal_mv(7)[eight], atol=1e-6)


def test_batches_of_other_leads_are_derived_exactly(tmp_path):
    cache = build(tmp_path / "c")
    batch = cache.batch([3], leads=["III", "V1", "aVR"])[0]
    np.testing.assert_allclose(batch, signal_mv(3)[[2, 6, 3]], atol=1e-6)
    with pytest.raises(LeadError, match="known leads"):
        cache.batch([3], leads=["V9"])
    with pytest.raises(IndexError):
        cache.batch([99])
    assert cache.batch([]).shape == (0, 8, SAMPLES)
    mask = cache.table["record_id"].isin(["r2", "r9"]).to_numpy()
    np.testing.assert_array_equal(cache.batch(mask), cache.batch([2, 9]))
    assert type(cache.batch([1])) is np.ndarray


def test_records_come_back_with_their_facts(tmp_path):
    cache = build(tmp_path / "c")
    record = cache.record(4)
    assert (record.record_id, record.patient.id, record.leads, record.fs_hz) == ("r4", "p2", LEADS_12, 100)
    assert record.statements == {"NORM": 100.0}
    assert limb_lead_residual(record.signal_mv, LEADS_12) < 1e-6
    np.testing.assert_allclose(record.signal_mv, signal_mv(4), atol=1e-6)


def test_splits_are_disjoint_by_patient_and_counted(tmp_path):
    cache = build(tmp_path / "c", make_source(60))
    parts = {name: cache.split(name) for name in ("train", "val", "test")}
    assert sorted(np.concatenate(list(parts.values()))) == list(range(60))
    patients = {name: set(cache.table["patient_id"].iloc[rows]) for name, rows in parts.items()}
    assert not patients["train"] & patients["val"]
    assert not patients["train"] & patients["test"]
    assert not patients["val"] & patients["test"]
    assert cache.manifest["splits"]["train"] == {"records": len(parts["train"]), "patients": len(patients["train"])}
    with pytest.raises(ValueError, match="train, val, test"):
        cache.split("dev")


@pytest.mark.parametrize("die_at", [0, 3, 5, 9, 11])
def test_a_killed_build_goes_on_and_ends_byte_identical(tmp_path, whole, die_at):
    with pytest.raises(Killed):
        build(tmp_path / "killed", make_source(die_at=die_at))
    with pytest.raises(InputError, match="unfinished"):
        SignalCache.open(tmp_path / "killed")
    with (tmp_path / "killed" / "build" / SIGNALS).open("ab") as file:
        file.write(b"a block that was being written")
    read = []
    build(tmp_path / "killed", make_source(change=lambda index, record: read.append(index) or record))
    assert read[0] == die_at // 5 * 5  # whole blocks are not read again
    assert contents(tmp_path / "killed") == whole


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("step", range(7))
def test_a_build_killed_between_any_two_renames_ends_byte_identical(tmp_path, whole, monkeypatch, step, overwrite):
    """From the last journal on: every rename of the publication, and the tidying behind it."""
    out = tmp_path / "killed"
    if overwrite:
        build(out, make_source(count=4))
    real, left = Path.replace, [step + 2]

    def replace(self: Path, target: Path) -> Path:
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        return real(self, target)

    def rmtree(folder: Path) -> None:
        raise Killed

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(cache_build.shutil, "rmtree", rmtree)
    with pytest.raises(Killed):
        build(out, overwrite=overwrite)
    monkeypatch.undo()
    monkeypatch.setattr(cache_build, "BLOCK", 5)
    with contextlib.suppress(InputError):  # whatever can be opened now is whole: the old cache or the new one
        assert len(SignalCache.open(out)) in (4, 12)
    build(out, overwrite=overwrite)
    assert contents(out) == whole


def test_bad_records_are_left_out_and_listed(tmp_path):
    def change(index: int, record: EcgRecord) -> EcgRecord:
        if index == 1:
            raise InputError("r1.hea: truncated")
        if index == 2:
            return record.select(["I", "V1"])
        if index == 3:
            return EcgRecord(record.signal_mv[:, :50], 100, LEADS_12)
        if index == 6:
            return EcgRecord(np.full_like(record.signal_mv, np.nan), 100, LEADS_12)
        return record

    cache = build(tmp_path / "c", make_source(change=change))
    assert cache.table["record_id"].tolist() == ["r0", "r4", "r5", "r7", "r8", "r9", "r10", "r11"]
    reasons = {entry["record_id"]: entry["reason"] for entry in cache.manifest["skipped"]}
    assert list(reasons) == ["r1", "r2", "r3", "r6"]
    assert "truncated" in reasons["r1"]
    assert "lead II" in reasons["r2"]
    assert "0.50 s" in reasons["r3"]
    assert "no sample" in reasons["r6"]
    np.testing.assert_allclose(cache.record(1).signal_mv, signal_mv(4), atol=1e-6)


def test_a_source_without_a_usable_record_leaves_nothing_behind(tmp_path):
    source = make_source(change=lambda index, record: record.select(["V1"]))
    with pytest.raises(InputError, match="no usable record"):
        build(tmp_path / "c", source)
    assert not (tmp_path / "c").exists()


def test_lengths_gaps_and_overflow_follow_the_stated_rules(tmp_path):
    def change(index: int, record: EcgRecord) -> EcgRecord:
        signal = record.signal_mv.copy()
        if index == 0:
            return EcgRecord(signal_mv(0, 1500), 100, LEADS_12)
        if index == 1:
            return EcgRecord(signal[:, :600], 100, LEADS_12)
        if index == 2:
            signal[6, 10:20] = np.nan
        if index == 3:
            signal[7, 5] = 50
            signal[8, 6] = -40
        return EcgRecord(signal, 100, LEADS_12)

    cache = build(tmp_path / "c", make_source(change=change))
    batch = cache.batch([0, 1, 2, 3])
    np.testing.assert_allclose(batch[0, 2], signal_mv(0, 1500)[6, :SAMPLES], atol=1e-6)
    assert np.isnan(batch[1, :, 600:]).all()
    assert not np.isnan(batch[1, :, :600]).any()
    assert np.flatnonzero(np.isnan(batch[2, 2])).tolist() == list(range(10, 20))
    assert (batch[3, 3, 5], batch[3, 4, 6]) == pytest.approx((32.767, -32.767))
    manifest = cache.manifest
    assert [manifest[f"{name}_records"] for name in ("cropped", "padded", "clipped")] == [1, 1, 1]
    assert manifest["clipped_values"] == 2
    assert cache.record(1).num_samples == 600


def test_other_rates_are_resampled(tmp_path):
    cache = build(tmp_path / "c", fs_hz=250, duration_s=4)
    assert cache.batch([0]).shape == (1, 8, 1000)
    assert cache.fs_hz == 250
    assert cache.table["stored_fs_hz"].unique().tolist() == [100]


def test_the_digest_names_the_content(tmp_path):
    first, again = build(tmp_path / "a"), build(tmp_path / "b")
    other = build(
        tmp_path / "c", make_source(change=lambda i, r: EcgRecord(r.signal_mv + 0.001 * (i == 8), 100, LEADS_12))
    )
    assert first.digest == again.digest != other.digest
    assert "/" not in json.dumps(first.manifest["source"])  # no path of the machine it was made on


def test_an_existing_folder_needs_overwrite(tmp_path):
    build(tmp_path / "c")
    with pytest.raises(InputError, match="overwrite"):
        build(tmp_path / "c")
    assert len(build(tmp_path / "c", make_source(4), overwrite=True)) == 4
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="no signal cache"):
        build(tmp_path / "mine", overwrite=True)


def test_an_unfinished_build_of_other_settings_is_not_continued(tmp_path):
    with pytest.raises(Killed):
        build(tmp_path / "c", make_source(die_at=7))
    with pytest.raises(InputError, match="another source or setting"):
        build(tmp_path / "c", fs_hz=50)
    assert build(tmp_path / "c", fs_hz=50, overwrite=True).fs_hz == 50


def test_two_builds_at_once_are_refused(tmp_path):
    def read(index: int, record: EcgRecord) -> EcgRecord:
        if index == 1:
            with pytest.raises(InputError, match="another process"):
                build(tmp_path / "c")
        return record

    build(tmp_path / "c", make_source(change=read))
    # The outer source is the same by its table, so only the lock stands between the two.


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


def _edit_manifest(folder: Path, **values) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | values))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda c: _flip(c / SIGNALS, 100), "block 0 is damaged"),
        (lambda c: _flip(c / SIGNALS, -100), "block 2 is damaged"),
        (lambda c: (c / SIGNALS).write_bytes((c / SIGNALS).read_bytes()[:-2]), "bytes instead of"),
        (lambda c: (c / SIGNALS).unlink(), "missing from the cache"),
        (lambda c: _flip(c / RECORDS, 100), "does not belong"),
        (lambda c: (c / RECORDS).unlink(), "missing from the cache"),
        (lambda c: (c / MANIFEST).unlink(), "no signal cache"),
        (lambda c: (c / MANIFEST).write_text("{"), "not readable as JSON"),
        (lambda c: (c / MANIFEST).write_text("[]"), "not the manifest"),
        (lambda c: _edit_manifest(c, fs_hz=250), "digest does not fit"),
        (lambda c: _edit_manifest(c, version=99), "version 99"),
        (lambda c: _edit_manifest(c, format="other"), "not the manifest"),
    ],
)
def test_damaged_and_foreign_caches_are_refused(tmp_path, damage, message):
    build(tmp_path / "c")
    damage(tmp_path / "c")
    with pytest.raises(InputError, match=message) as error:
        SignalCache.open(tmp_path / "c")
    assert "\n" not in str(error.value)
    assert str(tmp_path) in str(error.value)


def test_verify_finds_damage_in_the_middle(tmp_path):
    cache = build(tmp_path / "c")
    cache.verify()
    _flip(tmp_path / "c" / SIGNALS, 6 * 8 * SAMPLES * 2)
    reopened = SignalCache.open(tmp_path / "c")
    with pytest.raises(InputError, match="block 1 is damaged"):
        reopened.verify()


def test_a_folder_that_is_not_there_is_no_cache(tmp_path):
    with pytest.raises(InputError, match="no signal cache"):
        SignalCache.open(tmp_path / "nowhere")


def test_workers_get_the_path_and_not_the_signals(tmp_path):
    cache = build(tmp_path / "c")
    cache.batch([0])
    sent = pickle.dumps(cache)
    assert len(sent) < 10_000
    np.testing.assert_array_equal(pickle.loads(sent).batch([5]), cache.batch([5]))


def test_memory_does_not_grow_with_the_set(tmp_path):
    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            build(tmp_path / str(count), make_source(count))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)  # imports and caches
    small, large = peak(20), peak(70)
    # 50 more records are 0.8 MB of signal; their table rows and journal are a few kB each at most.
    assert large - small < 0.5 * 50 * 8 * SAMPLES * 2


def test_manifest_digest_ignores_what_depends_on_library_versions(tmp_path):
    manifest = build(tmp_path / "c").manifest
    assert manifest_digest({**manifest, "software": {}, "parquet": {}}) == manifest["digest"]
    assert manifest_digest({**manifest, "warnings": ["x"]}) != manifest["digest"]


def test_reading_speed_is_measured_against_wfdb(tmp_path):
    from gen.io import write

    write([EcgRecord(signal_mv(i), 100, LEADS_12, record_id=f"r{i}") for i in range(8)], tmp_path / "set")
    source = open_source(tmp_path / "set", fs_hz=100)
    speed = benchmark_read(prepare(source, tmp_path / "c", fs_hz=100), source, batch_size=4, batches=2)
    assert speed.reader == "wfdb.rdrecord"
    assert speed.records == 8
    assert speed.ratio > 1


def test_real_ptbxl_is_bit_exact(tmp_path, data_dir):
    import wfdb

    source = open_source(data_dir("ptb-xl") / "records500" / "00000")
    source.table = source.table.iloc[:20]
    cache = prepare(source, tmp_path / "c")
    for i in (0, 11, 19):
        digital = wfdb.rdrecord(str(source.root / source.table["path"].iat[i])[:-4], physical=False).d_signal.T
        np.testing.assert_array_equal(cache.signals_uv[i], digital[[LEADS_12.index(lead) for lead in LEADS_8]])
