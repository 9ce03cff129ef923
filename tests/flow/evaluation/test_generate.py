"""Hearts for many ECGs are those that the pipeline draws, whatever piece of a set they are drawn in."""

from pathlib import Path

import numpy as np
import pytest

from flow.ecg.preparation import prepare
from flow.evaluation import agreement
from flow.evaluation.cmr import evaluate
from flow.evaluation.generate import generate, told_of
from flow.pipeline import ECGToCMRPipeline, load
from flow.training.latents import encode_ecgs
from flow.training.pair_cache import PairCache
from gen.records import EcgRecord


@pytest.fixture(scope="module", params=["drawn", "told"])
def pipeline(request: pytest.FixtureRequest, pipeline_folder: Path, told_folder: Path) -> ECGToCMRPipeline:
    """One that draws the figures, and one whose reader tells them."""
    return load(told_folder if request.param == "told" else pipeline_folder)


def test_a_row_is_the_same_in_a_piece_of_the_set(pipeline: ECGToCMRPipeline, cache: PairCache) -> None:
    part = cache.part("val")
    rows = part.usable[:4]
    read, told = encode_ecgs(pipeline.encoder, part, rows), told_of(pipeline, part, rows)
    whole = generate(pipeline, read, num_samples=2, told=told, seed=5)
    rest = None if told is None else told[2:]
    piece = generate(
        pipeline, {key: value[2:] for key, value in read.items()}, num_samples=2, told=rest, seed=5, first=2
    )
    assert np.allclose(piece.curve_ml, whole.curve_ml[2:], rtol=1e-4)
    assert np.allclose(piece.mass_g, whole.mass_g[2:], rtol=1e-4)


def test_evaluation_draws_what_the_pipeline_draws(pipeline: ECGToCMRPipeline, records: list[EcgRecord]) -> None:
    record = records[0]
    shown = pipeline(record, num_samples=2, seed=5)
    prepared = prepare(record, pipeline.encoder)
    context = pipeline.context(prepared)
    read = {"tokens": context.tokens.numpy(), "summary": context.summary.numpy(), "numbers": context.numbers.numpy()}
    told = None if pipeline.telling is None else pipeline.telling.reader.tell(prepared)
    drawn = generate(pipeline, read, num_samples=2, told=told, seed=5, names=[record.record_id], patient=True)
    assert np.allclose(drawn.curve_ml[0], [cine.lv_volume_ml for cine in shown.samples], rtol=1e-5)
    others = generate(pipeline, read, num_samples=2, told=told, seed=5, names=["another"], patient=True)
    assert not np.allclose(others.curve_ml[0], drawn.curve_ml[0], rtol=1e-5)


def test_the_report_measures_the_pipeline_s_own_intervals(pipeline: ECGToCMRPipeline, cache: PairCache) -> None:
    report = evaluate(pipeline, cache, n=6, num_samples=3, sections=("volumes", "groups"))
    assert set(report) == {"settings", "volumes", "groups"}
    volumes = report["volumes"]
    for name in agreement.NAMES:
        assert volumes[f"coverage_90_{name}"].n == 6
        assert volumes[f"width_90_{name}"].value > 0
        assert volumes[f"bland_altman_{name}_low"].value < volumes[f"bias_{name}"].value
    own = [volumes[f"own_spread_90_{name}"].value == volumes[f"coverage_90_{name}"].value for name in agreement.NAMES]
    assert all(own) or pipeline.telling is not None


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
