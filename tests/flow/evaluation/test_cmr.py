"""Scores against closed forms, and the whole report on a few hearts."""

from pathlib import Path

import numpy as np
import pytest

from flow.evaluation import scores
from flow.evaluation.cmr import _derangement, evaluate, tables
from flow.evaluation.features import frame_features, loop_features
from flow.pipeline import load
from flow.training.pair_cache import PairCache
from flow.volumes.reader import central
from gen.cli import run
from gen.results import Results, Value


def test_intervals_hold_the_value_and_shrink_with_n() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=400)
    guess = 0.6 * truth + 0.8 * rng.normal(size=400)
    many, few = scores.correlation_estimate(guess, truth), scores.correlation_estimate(guess[:40], truth[:40])
    assert many.low < many.value < many.high
    assert many.value == pytest.approx(0.6, abs=0.1)
    assert many.high - many.low < few.high - few.low


def test_paired_difference_excludes_zero_for_the_better() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=300)
    good, chance = truth + rng.normal(size=300), rng.normal(size=300)
    assert scores.r_difference(good, chance, truth).low > 0
    same = scores.r_difference(good, good, truth)
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)
    assert scores.r_ratio(good, good, truth).value == pytest.approx(1.0)
    assert np.isnan(scores.correlation(np.ones(5), truth[:5]))


def test_few_draws_of_a_perfect_model_are_corrected_to_its_expectation() -> None:
    """Truth and draws share an expectation that explains .4 of their variance; a regressor would find r = .4 ** .5."""
    rng = np.random.default_rng(0)
    known = 0.4**0.5 * rng.normal(size=(20_000, 1))
    truth = known[:, 0] + 0.6**0.5 * rng.normal(size=20_000)
    for count in (2, 6):
        draws = known + 0.6**0.5 * rng.normal(size=(20_000, count))
        assert scores.reliability(draws) == pytest.approx(0.4 / (0.4 + 0.6 / count), abs=0.02)
        assert scores.correlation(draws.mean(axis=1), truth) < 0.6
        assert scores.correlation_of_expectation(draws, truth) == pytest.approx(0.4**0.5, abs=0.02)
    few, other = draws[:400], known[:400, 0]
    assert scores.expectation_estimate(few, truth[:400], other).value == pytest.approx(1, abs=0.1)
    assert np.isnan(scores.reliability(np.zeros((5, 3))))


def test_frames_are_counted_around_the_loop() -> None:
    assert scores.frame_gap(np.array([49, 10, 0]), np.array([1, 12, 25]), 50).tolist() == [2, 2, 25]


def test_coverage_of_a_calibrated_model_is_its_level() -> None:
    rng = np.random.default_rng(0)
    centre = rng.normal(size=(4000, 1))
    samples, truth = centre + rng.normal(size=(4000, 200)), centre[:, 0] + rng.normal(size=4000)
    middle, low, high = central(samples, 0.0, log=False)
    assert scores.coverage(low, high, truth).mean() == pytest.approx(0.9, abs=0.02)
    assert middle == pytest.approx(np.median(samples, axis=1))
    # A reader that adds an error of its own needs intervals that include it.
    read = truth + 0.8 * rng.normal(size=4000)
    assert scores.coverage(low, high, read).mean() < 0.85
    _, low, high = central(samples, 0.8, log=False)
    assert scores.coverage(low, high, read).mean() == pytest.approx(0.9, abs=0.02)


def test_identical_samples_still_have_the_readers_interval() -> None:
    middle, low, high = central(np.full((1, 5), 100.0), 0.1, log=True)
    assert float(middle[0]) == pytest.approx(100.0)
    assert np.log(high / low)[0] == pytest.approx(2 * 1.645 * 0.1, rel=1e-3)


def test_ridge_finds_a_line() -> None:
    x = np.random.default_rng(0).normal(size=(200, 3))
    y = x @ np.array([1.0, -2.0, 0.5]) + 3.0
    assert scores.ridge(x[:150], y[:150], x[150:], 1e-6) == pytest.approx(y[150:], abs=1e-3)


def test_derangement_leaves_nobody_in_place() -> None:
    for n in (2, 5, 300):
        other = _derangement(n, 0)
        assert sorted(other) == list(range(n))
        assert (other != np.arange(n)).all()


def test_features_depend_on_the_frame_alone_and_see_motion() -> None:
    rng = np.random.default_rng(0)
    frames = rng.random((3, 32, 32))
    assert np.array_equal(frame_features(frames)[1], frame_features(frames[1:2])[0])
    still = np.repeat(frames[:1], 50, axis=0)[None]
    moving = rng.random((1, 50, 32, 32))
    width = loop_features(still).shape[1] // 2
    assert np.allclose(loop_features(still)[0, width:], 0.0)
    assert loop_features(moving)[0, width:].max() > 0


def test_report_has_all_figures(pipeline_folder: Path, cache: PairCache) -> None:
    report = evaluate(load(pipeline_folder), cache, n=5, num_samples=2)
    for name in ("edv_ml", "esv_ml", "ef", "mass_g"):
        row = report["information"][name]
        assert {"r_generated", "r_best_regressor", "r_other_ecg", "right_minus_other"} <= set(row)
        # a share of a correlation that may be nothing is not told
        assert ("share_of_regressor" in row) == (row["r_best_regressor"].low > 0)
        assert report["volumes"][f"coverage_90_{name}"].n == 5
    assert report["timing"]["end_systole_error_frames"].n == 5
    assert report["swap"]["dice_r_peak_with_anatomy"].value > 0.99
    assert report["speed"]["seconds_per_loop"] > 0
    values = tables(report)
    assert len(values) == len(set(report) - {"settings"})
    error = Value.of(report["volumes"]["mae_edv_ml"], unit="ml", better="lower")
    assert values["volumes"]["EDV"]["mean absolute error"] == error
    assert values["volumes"]["EF"]["90 % intervals hold the truth"].unit == ""
    assert values["volumes"]["EDV"]["of the width of all hearts"].unit == ""
    assert values["correlation with the truth"]["EF"]["which"] in ("ridge", "boosted trees")
    assert values["correlation with the truth"]["EDV"]["ceiling"].better == "reference"
    found = Results("cmr", "physiogen evaluate cmr", values)
    assert "NaN" not in found.to_json()
    assert "| LV mass |" in found.to_markdown()


def test_an_unknown_section_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "cmr", "--data", str(tmp_path), "--only", "colour"]) == 2
    assert "--only colour: accepted: information" in capsys.readouterr().err
