"""Pairs of one person: split first, both directions, limited, always the same."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion.twin.pairs import Visits, build_pairs, visits_of_cache, visits_of_cohort, write_manifest
from gen.datasets import prepare
from gen.records import InputError


def visits(persons, recordings=None, years=None, splits=None):
    n = len(persons)
    return Visits(
        np.array(persons, dtype=object),
        np.array(recordings if recordings is not None else [f"r{k}" for k in range(n)], dtype=object),
        np.array(years if years is not None else range(n), dtype=float),
        np.array(splits if splits is not None else ["train"] * n, dtype=object),
    )


def test_all_pairs_of_a_person_in_both_directions():
    pairs = build_pairs(visits(["a", "b", "a", "c", "a", "b"]))
    found = set(zip(pairs.reference.tolist(), pairs.target.tolist(), strict=True))
    assert found == {(0, 2), (2, 0), (0, 4), (4, 0), (2, 4), (4, 2), (1, 5), (5, 1)}
    assert np.array_equal(pairs.gap_years, (pairs.target - pairs.reference).astype(np.float32))
    assert (pairs.manifest["pairs"], pairs.manifest["persons"], pairs.manifest["weak_pairs"]) == (8, 2, 0)


def test_a_person_in_two_splits_is_refused():
    with pytest.raises(InputError, match="person a is in splits train and test"):
        visits(["a", "a"], splits=["train", "test"])


def test_only_the_split_is_paired():
    table = visits(["a", "a", "b", "b"], splits=["train", "train", "val", "val"])
    assert set(build_pairs(table, split="val").reference.tolist()) == {2, 3}
    with pytest.raises(InputError, match="no person has two ECGs"):
        build_pairs(table, split="test")


def test_windows_are_weak_and_give_way_to_visits():
    table = visits(["a"] * 4, recordings=["r", "r", "s", "s"], years=[1, 1, 2, 2])
    assert build_pairs(table).weak.sum() == 4
    assert not build_pairs(table, windows=False).weak.any()
    assert len(build_pairs(table, windows=False)) == 8
    assert not build_pairs(table, cap=8).weak.any()
    with pytest.raises(InputError, match="cap 1"):
        build_pairs(table, cap=1)


@given(st.lists(st.sampled_from("abcdef"), min_size=2, max_size=40), st.integers(2, 12), st.integers(0, 3))
def test_what_holds_for_any_set(persons, cap, seed):
    table = visits(persons)
    if len(set(persons)) == len(persons):
        return
    pairs = build_pairs(table, cap=cap, seed=seed)
    assert all(persons[i] == persons[j] and i != j for i, j in zip(pairs.reference, pairs.target, strict=True))
    found = list(zip(pairs.reference.tolist(), pairs.target.tolist(), strict=True))
    assert len(set(found)) == len(found)
    assert {(j, i) for i, j in found} == set(found)
    counts = np.unique([persons[i] for i in pairs.reference], return_counts=True)[1]
    assert counts.max() <= cap
    assert build_pairs(table, cap=cap, seed=seed).manifest == pairs.manifest


def test_the_choice_for_a_person_does_not_depend_on_the_others():
    many = build_pairs(visits(["a"] * 12 + ["b"] * 12), cap=6)
    alone = build_pairs(visits(["a"] * 12), cap=6)
    assert np.array_equal(many.reference[:6], alone.reference)


def test_the_digest_knows_content_and_settings():
    table = visits(["a", "a", "a"])
    digests = {
        build_pairs(table).manifest["digest"],
        build_pairs(table, cap=2).manifest["digest"],
        build_pairs(visits(["a", "a", "a"], years=[0, 1, 3])).manifest["digest"],
        build_pairs(visits(["b", "b", "b"])).manifest["digest"],
    }
    assert len(digests) == 4


def test_unknown_times(tmp_path):
    table = visits(["a", "a"], years=[np.nan, 3])
    pairs = build_pairs(table)
    assert np.isnan(pairs.gap_years).all()
    lines = write_manifest(pairs, table, tmp_path / "pairs.csv").read_text().splitlines()
    assert lines[0].startswith('# {"split": "train"')
    assert lines[2:] == ["a,r0,r1,0,1,,0", "a,r1,r0,1,0,,0"]


def test_a_cohort():
    table = visits_of_cohort(["x", "y"], 2, np.array([40, 50, 41, 30]))
    pairs = build_pairs(table)
    gaps = dict(zip(zip(pairs.reference.tolist(), pairs.target.tolist(), strict=True), pairs.gap_years, strict=True))
    assert gaps == {(0, 2): 1, (2, 0): -1, (1, 3): -20, (3, 1): 20}


def test_the_layout_of_mimic(tmp_path):
    """Through the cache: subject ids and times of MIMIC-IV-ECG's list become persons and gaps."""
    import wfdb

    rows = []
    for study, (subject, time) in enumerate(
        [(7, "2150-01-01 08:00:00"), (7, "2152-01-01 08:00:00"), (8, "2150-05-05")]
    ):
        folder = tmp_path / "files" / f"s{study}"
        folder.mkdir(parents=True)
        signal = 0.1 * np.random.default_rng(study).standard_normal((5000, 12))
        leads = ["I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6"]
        signal[:, 2] = signal[:, 1] - signal[:, 0]
        signal[:, 3] = -(signal[:, 0] + signal[:, 1]) / 2
        signal[:, 4] = (signal[:, 1] + signal[:, 2]) / 2
        signal[:, 5] = (signal[:, 0] - signal[:, 2]) / 2
        wfdb.wrsamp(f"{study}", 500, ["mV"] * 12, leads, signal, fmt=["16"] * 12, write_dir=str(folder))
        rows.append({"subject_id": subject, "study_id": study, "ecg_time": time, "path": f"files/s{study}/{study}"})
    pd.DataFrame(rows).to_csv(tmp_path / "record_list.csv", index=False)
    from gen.datasets import open_source

    cache = prepare(open_source(tmp_path), tmp_path / "cache")
    table = visits_of_cache(cache)
    pairs = build_pairs(table, split=str(table.splits[list(table.persons).index("7")]))
    assert sorted(pairs.gap_years.tolist()) == pytest.approx([-730 / 365.25, 730 / 365.25])
    assert {table.persons[i] for i in pairs.reference} == {"7"}
