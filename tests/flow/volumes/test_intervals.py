"""Intervals hold the truth as often as they say, whatever is wrong with the samples; and belong to one pipeline."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from flow import calibrate as module
from flow.calibrate import calibrate, true_volumes
from flow.checkpoints import checked_index, index_digest
from flow.ecg.preparation import prepare
from flow.evaluation import agreement
from flow.evaluation.cmr import evaluate
from flow.evaluation.generate import generate
from flow.pipeline import load
from flow.training.latents import encode_ecgs
from flow.training.pair_cache import PairCache
from flow.volumes import intervals
from flow.volumes.intervals import (
    QUANTITIES,
    Calibration,
    ends_of,
    load_calibration,
    save_calibration,
    summarise,
    volume_table,
)
from flow.volumes.reader import VolumeReader
from flow.weights import WEIGHTS
from gen.cli import run
from gen.records import EcgRecord, InputError

DRAWN = {"steps": 8, "solver": "euler", "guidance": 1.0}


def too_narrow(n: int, k: int, seed: int, usual: float = 20.0) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Hearts whose samples are biased by a tenth and spread by a third of what is not known of them."""
    rng = np.random.default_rng(seed)
    told = usual * np.exp(0.2 * rng.standard_normal(n))
    unknown = 0.3 * np.exp(0.4 * rng.standard_normal(n))  # of some hearts an ECG tells more than of others
    truth = told * np.exp(unknown * rng.standard_normal(n))
    samples = 0.9 * told[:, None] * np.exp(unknown[:, None] / 3 * rng.standard_normal((n, k)))
    return dict.fromkeys(QUANTITIES, samples), dict.fromkeys(QUANTITIES, truth)


@pytest.fixture(scope="module")
def calibration(reader: VolumeReader) -> Calibration:
    return Calibration.fit(*too_narrow(1500, 8, 0), reader, drawn=DRAWN, source={})


def _held(low: np.ndarray, high: np.ndarray, truth: np.ndarray) -> float:
    return float(((truth >= low) & (truth <= high)).mean())


@pytest.mark.parametrize("count", [2, 3, 6, 8])
def test_coverage_on_new_hearts_is_as_stated(count: int, calibration: Calibration, reader: VolumeReader) -> None:
    samples, truth = too_narrow(4000, count, 1)
    for name in QUANTITIES:
        middle, low, high = calibration.ends(name, samples[name], reader)
        assert (low <= middle).all()
        assert (middle <= high).all()
        # Aimed at .91, to be at least .90; 1500 and 4000 hearts leave a standard error of 0.9 points.
        assert _held(low, high, truth[name]) == pytest.approx(0.91, abs=0.027)
        for outside in (truth[name] < low, truth[name] > high):
            assert outside.mean() == pytest.approx(0.045, abs=0.02)
        _, low, high = ends_of(name, samples[name], reader, None)
        if name != "es_frame" and count == 8:
            assert _held(low, high, truth[name]) < 0.8  # the same samples without the calibration


def test_more_samples_than_tabulated_are_not_narrower_than_stated(
    calibration: Calibration, reader: VolumeReader
) -> None:
    samples, truth = too_narrow(4000, 30, 2)
    _, low, high = calibration.ends("edv_ml", samples["edv_ml"], reader)
    assert _held(low, high, truth["edv_ml"]) > 0.87


def test_intervals_are_wider_where_the_samples_disagree(calibration: Calibration, reader: VolumeReader) -> None:
    alike, apart = 100 + np.arange(8.0), 100 + 20 * np.arange(8.0)
    ends = [calibration.ends("edv_ml", x[None], reader) for x in (alike, apart)]
    widths = [float(np.log(high / low)[0]) for _, low, high in ends]
    assert widths[1] > 1.3 * widths[0]
    _, low, high = calibration.ends("ef_percent", np.array([[2.0, 3.0], [97.0, 98.0]]), reader)
    assert low.min() >= 0
    assert high.max() <= 100


def test_the_promise_holds_for_nine_calibrations_of_ten(reader: VolumeReader) -> None:
    """Over many calibrations of 100 hearts each, the share of hearts held is below 90 % in a tenth of them."""
    rng, shares = np.random.default_rng(0), []
    for _ in range(400):
        error = rng.standard_normal((100, 1))
        low, high = intervals._ends(np.zeros((100, 2)), error[:, 0], (1.0, 1.0, 0.0), 0.9)
        spread = np.sqrt(0.5)  # no spread of their own, one degree of freedom against a weight of one
        shares.append(norm.cdf(high * spread) - norm.cdf(low * spread))
    assert 0.03 < np.mean(np.array(shares) < 0.9) < 0.13
    assert np.mean(shares) < 0.95


def test_thirty_eight_hearts_are_the_least(reader: VolumeReader) -> None:
    """Wilks' number: smallest and largest of 38 hold 90 % of all with a certainty of 90 %."""
    samples, truth = too_narrow(38, 3, 0)
    found = Calibration.fit(samples, truth, reader, drawn=DRAWN, source={})
    _, low, high = found.ends("edv_ml", samples["edv_ml"], reader)
    assert _held(low * 0.999, high * 1.001, truth["edv_ml"]) == 1.0  # smallest and largest distance are the ends
    for n, k in ((37, 3), (50, 1)):
        with pytest.raises(InputError, match="at least 38 with 2"):
            Calibration.fit(*too_narrow(n, k, 0), reader, drawn=DRAWN, source={})


def test_json_keeps_it_and_damage_is_named(calibration: Calibration) -> None:
    stored = json.loads(json.dumps(calibration.to_json()))
    assert Calibration.from_json(stored) == calibration
    for damage in ({"samples": []}, {"low": {}}, {"usual": None}, {"samples": [2]}):
        with pytest.raises(InputError, match="no calibration"):
            Calibration.from_json({**stored, **damage})


def test_single_samples_have_no_interval(calibration: Calibration, reader: VolumeReader) -> None:
    one = summarise({"edv_ml": np.array([120.0])}, reader, calibration)["edv_ml"]
    assert (one.value, one.low, one.high) == (120.0, None, None)


def test_volume_table_reads_curves() -> None:
    curve = np.array([[100.0, 60.0, 40.0, 80.0], [90.0, 45.0, 60.0, 70.0]])
    table = volume_table(curve, np.array([80.0, 90.0]))
    assert table["edv_ml"].tolist() == [100, 90]
    assert table["sv_ml"].tolist() == [60, 45]
    assert table["ef_percent"] == pytest.approx([60, 50])
    assert table["es_frame"].tolist() == [2, 1]
    assert set(table) == set(QUANTITIES)


@pytest.fixture(scope="module")
def calibrated(pipeline_folder: Path, cache: PairCache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline folder with intervals measured on its (few) validation hearts."""
    folder = tmp_path_factory.mktemp("calibrated") / "tiny"
    shutil.copytree(pipeline_folder, folder)
    found = calibrate(load(folder), cache, num_samples=3, coverage=0.45)
    assert found == calibrate(load(folder), cache, num_samples=3, coverage=0.45)
    save_calibration(found, folder, index_digest(checked_index(folder)))
    return folder


def test_a_calibrated_pipeline_uses_it_and_says_so(
    calibrated: Path, pipeline_folder: Path, records: list[EcgRecord], cache: PairCache
) -> None:
    pipeline, plain = load(calibrated), load(pipeline_folder)
    assert pipeline.calibration is not None
    assert pipeline.calibration.hearts == len(cache.part("val").hearts)
    assert pipeline.calibration.source["data"] == cache.digest
    heart, other = pipeline(records[0], num_samples=3), plain(records[0], num_samples=3)
    edv = np.array([[cine.edv_ml for cine in heart.samples]])
    assert heart.volumes["edv_ml"].value == pytest.approx(float(np.median(edv)))
    expected = pipeline.calibration.ends("edv_ml", edv, pipeline.volumes)
    assert heart.volumes["edv_ml"].high == pytest.approx(float(expected[2][0]))
    assert heart.volumes["edv_ml"] != other.volumes["edv_ml"]
    assert not any("calibrated" in text for text in heart.warnings)
    assert any("not calibrated" in text for text in other.warnings)
    assert not any("calibrated" in text for text in plain(records[0], num_samples=1).warnings)
    assert any("2 euler steps" in text for text in pipeline(records[0], num_samples=2, guidance=2.0).warnings)
    rebuilt = pipeline(records[0].select(("II", "V1", "V5")), num_samples=2).warnings
    assert any("with rebuilt leads their coverage is unknown" in text for text in rebuilt)


def test_a_calibration_belongs_to_one_pipeline(calibrated: Path, pipeline_folder: Path, tmp_path: Path) -> None:
    again = load(calibrated).save_pretrained(tmp_path / "again")
    assert load(again).calibration == load(calibrated).calibration
    foreign = Path(shutil.copytree(pipeline_folder, tmp_path / "foreign"))
    index = json.loads((foreign / "model_index.json").read_text())
    index["volumes"]["volume_error"] = 0.2
    (foreign / "model_index.json").write_text(json.dumps(index))
    shutil.copy(calibrated / intervals.FILE, foreign)
    with pytest.raises(InputError, match="calibrated for another pipeline"):
        load(foreign)
    assert load_calibration(pipeline_folder, "any") is None


def test_the_recipe_writes_a_pipeline_of_its_own(
    pipeline_folder: Path, cache: PairCache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Few hearts are refused before anything is written; enough of them would give a copy with intervals."""
    asked = ["train", "flow/intervals", "--data", str(cache.folder), "--set", f"checkpoint={pipeline_folder}"]
    for samples in ("2", "1"):
        assert run([*asked, "--set", f"samples={samples}", "--out", str(tmp_path / "p")]) == 2
        assert "at least 38 with 2" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "p").exists()
    assert not (pipeline_folder / intervals.FILE).exists()


def test_a_calibrated_copy_is_bound_to_its_pipeline(
    pipeline_folder: Path,
    cache: PairCache,
    calibration: Calibration,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "calibrate", lambda *args, **settings: calibration)
    asked = ["train", "flow/intervals", "--data", str(cache.folder), "--set", f"checkpoint={pipeline_folder}"]
    assert run([*asked, "--out", str(tmp_path / "p")]) == 0
    found = load_calibration(tmp_path / "p", index_digest(checked_index(pipeline_folder)))
    assert found is not None
    assert found.to_json() == calibration.to_json()
    assert load(tmp_path / "p").calibration is not None
    assert not (pipeline_folder / intervals.FILE).exists()


def test_the_report_measures_the_pipeline_s_own_intervals(calibrated: Path, cache: PairCache) -> None:
    report = evaluate(load(calibrated), cache, n=6, num_samples=3, sections=("volumes", "groups"))
    assert set(report) == {"settings", "volumes", "groups"}
    volumes = report["volumes"]
    for name in agreement.NAMES:
        assert volumes[f"coverage_90_{name}"].n == 6
        assert volumes[f"width_90_{name}"].value > 0
        assert volumes[f"bland_altman_{name}_low"].value < volumes[f"bias_{name}"].value
    truth = true_volumes(cache.part("test"), cache.part("test").hearts)
    assert truth["ef_percent"] == pytest.approx(100 * (1 - truth["esv_ml"] / truth["edv_ml"]), rel=1e-4)


def test_a_row_is_the_same_in_a_piece_of_the_set(pipeline_folder: Path, cache: PairCache) -> None:
    pipeline, part = load(pipeline_folder), cache.part("val")
    told = encode_ecgs(pipeline.encoder, part, part.hearts[:4])
    whole = generate(pipeline, told, num_samples=2, seed=5)
    piece = generate(pipeline, {key: value[2:] for key, value in told.items()}, num_samples=2, seed=5, first=2)
    assert np.array_equal(piece.curve_ml, whole.curve_ml[2:])
    assert np.array_equal(piece.mass_g, whole.mass_g[2:])


def test_evaluation_draws_what_the_pipeline_draws(pipeline_folder: Path, records: list[EcgRecord]) -> None:
    pipeline, record = load(pipeline_folder), records[0]
    shown = pipeline(record, num_samples=2, seed=5)
    context = pipeline.context(prepare(record, pipeline.encoder))
    told = {"tokens": context.tokens.numpy(), "summary": context.summary.numpy(), "numbers": context.numbers.numpy()}
    drawn = generate(pipeline, told, num_samples=2, seed=5, names=[record.record_id], patient=True)
    assert np.allclose(drawn.curve_ml[0], [cine.lv_volume_ml for cine in shown.samples], rtol=1e-5)
    others = generate(pipeline, told, num_samples=2, seed=5, names=["another"], patient=True)
    assert not np.allclose(others.curve_ml[0], drawn.curve_ml[0], rtol=1e-5)


def test_bland_altman_of_a_known_error() -> None:
    rng = np.random.default_rng(0)
    truth = 150 + 30 * rng.standard_normal(6000)
    found = agreement.bland_altman(truth, truth - 5 + 10 * rng.standard_normal(6000))
    assert found["low"].value == pytest.approx(-5 - 19.6, abs=0.5)
    assert found["high"].value == pytest.approx(-5 + 19.6, abs=0.5)
    assert found["limits"].value == pytest.approx(19.6, abs=0.3)
    assert abs(found["slope"].value) < 0.15
    # A reader that draws everything half way to the mean: difference over average = (0.5 - 1) / (0.5 (0.5 + 1)).
    drawn = agreement.bland_altman(truth, 150 + 0.5 * (truth - 150))
    assert drawn["slope"].value == pytest.approx(-2 / 3, abs=1e-6)


def test_the_shipped_weights_are_calibrated() -> None:
    if not WEIGHTS.is_dir():
        pytest.skip("no weights are shipped")
    found = load_calibration(WEIGHTS, index_digest(checked_index(WEIGHTS)))
    assert found is not None
    assert (found.coverage, found.confidence) == (0.9, 0.9)
    assert found.hearts >= 300
    assert found.source["cohort_seed"] != 0  # not the cohort of training and test
    assert set(found.samples) >= {2, 6, 8}
