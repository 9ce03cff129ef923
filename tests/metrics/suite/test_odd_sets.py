"""Sets as people bring them: equal names, no patients, other lengths, repeats, and spectra that end early."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from scipy import signal as sps

from gen.io import write
from gen.records import InputError, Patient
from gen.simulate import iter_cohort
from metrics.distribution.manifold import manifold_scores, zero_radii
from metrics.privacy.copies import find_copies
from metrics.suite import benchmark
from metrics.suite.presets import Preset

N = 24
LEAN = Preset("lean", ("paired", "features", "physics", "privacy"), 4, 2, 1000, 100)


def cohort(seed, number=N, fs_hz=100.0, seconds=5.0):
    """Records called r000, r001, ... of nobody."""
    made = iter_cohort(number, seed, 1, noise="light", fs_hz=fs_hz, duration_s=seconds)
    return [
        replace(record, record_id=f"r{k:03d}", patient=Patient(), metadata={}, synthetic=False)
        for k, record in enumerate(made)
    ]


def run(tmp_path, real, generated, **options):
    options.setdefault("preset", LEAN)
    for name, records in (("real", real), ("made", generated)):
        write(records, tmp_path / name)
        (tmp_path / name / "metadata.csv").unlink()  # a plain folder of WFDB files
    return benchmark(real=tmp_path / "real", generated=tmp_path / "made", extractors=["random-conv"], **options)


@pytest.fixture(scope="module")
def sets():
    return [cohort(seed) for seed in range(3)]


def test_equal_names_without_patients_are_no_leak(tmp_path, sets):
    write(sets[2], tmp_path / "train")
    (tmp_path / "train" / "metadata.csv").unlink()
    report = run(tmp_path, sets[0], sets[1], train=tmp_path / "train", preset=Preset("x", ("privacy",)))
    assert report["near_copy_share"].value == 0
    # The waveforms still decide.
    shutil.copytree(tmp_path / "real", tmp_path / "again")
    with pytest.raises(InputError, match=r"of the training set .*, sample for sample"):
        benchmark(real=tmp_path / "real", generated=tmp_path / "made", train=tmp_path / "again", preset=LEAN)


def test_equal_counters_are_no_pairs(tmp_path, sets):
    report = run(tmp_path, sets[0], sets[1])
    assert report.settings["paired"] is None
    assert "not paired" in report["mse"].skipped
    assert any("24 records of both sets have the same record id" in text for text in report.warnings)
    assert report["near_copy_share"].value == 0  # and copies are looked for


@pytest.mark.parametrize("level", [0.0, 0.3])
def test_records_that_are_like_their_partners_are_pairs(tmp_path, sets, rng, level):
    made = [
        replace(record, signal_mv=record.signal_mv + level * rng.standard_normal(record.signal_mv.shape))
        for record in sets[0]
    ]
    report = run(tmp_path, sets[0], made, preset=Preset("x", ("paired",)))
    assert report.settings["paired"] == {"pairs": N, "by": "record id"}
    assert report["mse"].value == pytest.approx(level**2, rel=0.05, abs=1e-6)


def test_records_that_say_what_was_observed_are_pairs(tmp_path, sets):
    made = [replace(record, metadata={"observed_leads": ["I"]}) for record in sets[1]]
    report = run(tmp_path, sets[0], made, preset=Preset("x", ("paired",)))
    assert report.settings["paired"]["pairs"] == N


def test_copies_within_the_generated_set_are_counted(tmp_path, sets):
    made = [replace(sets[1][k // 4], record_id=f"g{k:03d}") for k in range(N)]
    made[-1] = replace(sets[1][20], record_id="g999")
    only = Preset("x", ("privacy",))
    report = run(tmp_path, sets[0], made, preset=only)
    assert report["repeated_share"].value == pytest.approx((N - 1) / N)
    assert report["repeated_share"].extra["equal"] == 17
    assert any("23 of 24 generated records are near-copies of another generated one" in t for t in report.warnings)
    other = [replace(record, record_id=f"g{record.record_id}") for record in sets[1]]
    clean = run(tmp_path / "clean", sets[0], other, preset=only)
    assert clean["repeated_share"].value == 0
    assert 0 < clean["repeated_share"].ci[1] < 0.2  # none of so many is not "none of all"
    assert not any("near-copies of another" in text for text in clean.warnings)


def test_an_ecg_is_no_copy_of_itself(rng):
    x = np.stack([record.select(["I", "II"]).signal_mv for record in cohort(5, 6)])
    x = np.concatenate([x, np.roll(x[:1], 10, axis=-1)])
    found = find_copies(reference=x, generated=x, fs_hz=100, exclude_self=True)
    assert (found.index != np.arange(7)).all()
    assert np.flatnonzero(found.copies).tolist() == [0, 6]
    with pytest.raises(InputError, match="the same set twice"):
        find_copies(reference=x, generated=x[:3], fs_hz=100, exclude_self=True)


def test_different_lengths_are_cut_where_asked_for(tmp_path, sets):
    longer = [*cohort(1, N - 4), *cohort(3, 4, seconds=8.0)]
    longer = [replace(record, record_id=f"g{k:03d}") for k, record in enumerate(longer)]
    with pytest.raises(InputError, match="is 8 s long; accepted: 5 s as the others, or --seconds"):
        run(tmp_path, sets[0], longer)
    report = benchmark(real=tmp_path / "real", generated=tmp_path / "made", preset=Preset("x", ("physics",)), seconds=4)
    assert report.settings["seconds"] == 4
    assert any("8 s cut to 4 s" in text for text in report.settings["alignment"])
    with pytest.raises(InputError, match="is 5 s long"):  # shorter than asked for is never padded
        benchmark(real=tmp_path / "real", generated=tmp_path / "made", preset=LEAN, seconds=6)


def test_duplicates_that_make_radii_zero_are_said(tmp_path, sets):
    real = [replace(sets[0][k // 6], record_id=f"a{k:03d}") for k in range(N)]
    report = run(tmp_path, real, [replace(record, record_id=f"b{record.record_id}") for record in sets[1]])
    assert report["precision"].value == 0
    assert any("24 of 24 real records have 5 exact copies or more" in text for text in report.warnings)


def test_points_without_a_neighbourhood(rng):
    x = rng.normal(size=(30, 4))
    assert zero_radii(x) == 0
    x[:6] = x[0]
    assert (zero_radii(x), zero_radii(x[:5]), zero_radii(x[:5], k=4)) == (6, 0, 5)
    assert manifold_scores(reference=np.repeat(x[6:10], 6, axis=0), generated=x).precision == pytest.approx(4 / 30)


def test_the_upper_spectrum_is_compared(tmp_path):
    real = cohort(0, 16, fs_hz=250.0, seconds=4.0)
    low = sps.butter(6, 45, fs=250, output="sos")
    made = [
        replace(r, record_id=f"g{r.record_id}", signal_mv=sps.sosfiltfilt(low, r.signal_mv).astype(np.float32))
        for r in cohort(1, 16, fs_hz=250.0, seconds=4.0)
    ]
    report = run(tmp_path, real, made, preset=Preset("x", ("physics",), distance_records=100))
    upper, lower = report["log_psd_distance_high_db"], report["log_psd_distance_db"]
    assert upper.value > 5 * upper.floor
    assert lower.value < 2.5 * lower.floor  # which is why it takes a measure of its own


def test_there_may_be_no_upper_spectrum(tmp_path, sets):
    report = run(tmp_path, sets[0][:8], sets[1][:8], preset=Preset("x", ("physics",)))
    assert "at 100 Hz nothing is left above 40 Hz" in report["log_psd_distance_high_db"].skipped
