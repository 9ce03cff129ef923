"""A set under every engine: same bytes, one driver, failed.jsonl, resume, merge, and processes that are killed."""

import json
import random
import sys
from dataclasses import asdict, replace

import pytest

from gen.engines import BlocksFailed, Engine, Task
from gen.engines.lock import only_driver
from gen.evaluation.engine_faults import Campaign, contents, engine_settings
from gen.evaluation.stand_in import Job, drive
from gen.records import InputError
from gen.synthesis import synthesize

JOB = Job(number=22, per_shard=8, block=4, seconds=0.0)
linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")


def make(out, job=JOB, **how):
    return synthesize(job.data(), job.generate, out, **how)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Bytes of sets that one process made, by format."""
    place = tmp_path_factory.mktemp("whole")
    for format in ("wfdb", "parquet", "webdataset", "npz"):
        make(place / format, replace(JOB, format=format), engine=Engine(workers=1))
    return {path.name: contents(path) for path in place.iterdir()}


@pytest.mark.parametrize("format", ["wfdb", "parquet", "webdataset", "npz"])
def test_workers_make_the_bytes_of_one_process(format, whole, tmp_path):
    outcome = make(tmp_path / "out", replace(JOB, format=format), engine=Engine(workers=3))
    assert (outcome.made, outcome.found, outcome.complete) == (22, 0, True)
    assert contents(tmp_path / "out") == whole[format]


@pytest.mark.parametrize("name", ["slurm", pytest.param("ray", marks=pytest.mark.slow)])
def test_an_engine_makes_the_bytes_of_one_process(name, whole, tmp_path):
    pytest.importorskip({"slurm": "submitit", "ray": "ray"}[name])
    if name == "slurm":  # an earlier driver was killed, its tasks with it
        make(tmp_path / "out", share=(0, 2))
        (tmp_path / "out" / ".parts" / "slurm").mkdir()
        (tmp_path / "out" / ".parts" / "slurm" / "jobs.json").write_text('[["1", [1]]]')
    assert drive(tmp_path / "out", asdict(JOB), engine_settings(name, 2)) == 0
    assert contents(tmp_path / "out") == whole["wfdb"]


@linux
def test_killed_at_random_the_set_ends_with_the_same_bytes(tmp_path):
    """A short form of ``physiogen evaluate engine-faults``."""
    job = replace(JOB, seconds=0.05)
    make(tmp_path / "whole", job, engine=Engine(workers=1))
    campaign = Campaign(engine_settings("local", 2), job, random.Random(3), tmp_path)
    counts = campaign.run(3, contents(tmp_path / "whole"))
    assert sum(counts.kills.values()) == 3
    assert (counts.lost, counts.twice, counts.differing) == (0, 0, 0)
    assert counts.sets >= 1


def test_what_was_damaged_since_is_made_again(whole, tmp_path):
    out = tmp_path / "out"
    make(out, share=(0, 2))
    record = next((out / "shard-00002").glob("*.dat"))
    record.write_bytes(bytes(record.stat().st_size))
    outcome = make(out)
    assert (outcome.made, outcome.found) == (14, 8)
    assert contents(out) == whole["wfdb"]


def test_the_table_of_shards_has_their_digests(whole):
    import csv
    import hashlib
    import io

    rows = list(csv.DictReader(io.StringIO(whole["parquet"]["shards.csv"].decode())))
    assert [(row["file"], row["records"]) for row in rows] == [
        ("shard-00000.parquet", "8"),
        ("shard-00001.parquet", "8"),
        ("shard-00002.parquet", "6"),
    ]
    for row in rows:
        content = whole["parquet"][row["file"]]
        assert (row["bytes"], row["sha256"]) == (str(len(content)), hashlib.sha256(content).hexdigest())


class Broken:
    """The job's generator with a block that cannot be made."""

    def __init__(self, error):
        self.error = error

    def __call__(self, block):
        if block[0].number == 12:
            raise self.error
        return JOB.generate(block)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failed_block_is_listed_and_made_by_the_next_run(workers, whole, tmp_path):
    out = tmp_path / "out"
    broken = Broken(PermissionError(13, "Permission denied", "weights"))
    with pytest.raises(BlocksFailed, match=r"cannot write .*\(1 of 3 shards could not be made, see .*failed.jsonl"):
        synthesize(JOB.data(), broken, out, engine=Engine(workers=workers, tries=2))
    (line,) = (out / "failed.jsonl").read_text().splitlines()
    noted = json.loads(line)
    assert (noted["block"], noted["tries"], noted["file"]) == (1, 2, "shard-00001")
    assert "Permission denied" in noted["reason"]
    outcome = make(out)
    assert (outcome.made, outcome.found) == (8, 14)
    assert contents(out) == whole["wfdb"]


def test_two_drivers_on_one_folder(whole, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with only_driver(out), pytest.raises(InputError, match=r"another run is at work there \(process \d+ on .+\)"):
        make(out)
    with only_driver(out, (0, 2)):
        with pytest.raises(InputError, match="another run is at work"):
            make(out)
        with pytest.raises(InputError, match="another run is at work"):
            make(out, share=(0, 2))
        assert not make(out, share=(1, 2)).complete
    assert make(out).complete
    assert contents(out) == whole["wfdb"]


def test_resume_never_always_and_merge(whole, tmp_path):
    out = tmp_path / "out"
    for how in ({"resume": "always"}, {"merge": True}):
        with pytest.raises(InputError, match="nothing to go on with"):
            make(out, **how)
    assert not out.exists()
    make(out, share=(0, 2))
    with pytest.raises(InputError, match=r"1 of 3 shards are missing \(shard-00001, ...\); accepted: --merge once"):
        make(out, merge=True)
    assert make(out, resume="never").made == 22
    with pytest.raises(InputError, match="holds the finished set"):
        make(out, resume="never")
    assert make(out, resume="always").found == 22
    assert make(out, resume="never", overwrite=True).made == 22
    other = tmp_path / "parts"
    for k in (1, 0):
        make(other, share=(k, 2))
    assert make(other, merge=True).complete
    assert contents(out) == contents(other) == whole["wfdb"]


def test_a_worker_with_other_weights_refuses(tmp_path):
    out = tmp_path / "out"
    make(out, share=(0, 2))
    task = Task("gen.evaluation.stand_in:shards", {"out": str(out), "job": asdict(replace(JOB, seed=7))})
    with pytest.raises(InputError, match=r"a set of another seed \(0 there, 7 asked for\) for this worker"):
        task.open()


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ({"name": "slurm"}, "no sbatch here; accepted: a login node"),
        ({"name": "ray", "address": "127.0.0.1:1"}, "--address 127.0.0.1:1: no Ray cluster answers there"),
    ],
)
def test_what_is_out_of_reach_leaves_nothing(engine, words, tmp_path):
    pytest.importorskip({"slurm": "submitit", "ray": "ray"}[engine["name"]])
    with pytest.raises(InputError, match=words):
        make(tmp_path / "out", engine=Engine(**engine), task=Task("none:none"))
    assert not (tmp_path / "out").exists()
