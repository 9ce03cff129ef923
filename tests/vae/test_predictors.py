"""Predictors work on batches: each row for itself."""

import numpy as np
import pytest

from vae.pipeline import load
from vae.predictors import Windows


@pytest.fixture(scope="module")
def pipeline(checkpoint):
    return load(checkpoint)


def test_a_predictor_keeps_its_place_in_the_batch(pipeline, hearts):
    """Row n of the answer belongs to row n of the question, also in reverse."""
    signal = np.stack([record.to_8().signal_mv[:, :800] for record in hearts[:3]])
    observed = np.zeros(signal.shape, dtype=bool)
    observed[:, [1, 2, 6]] = True
    lone = np.full((3, 4, 800), np.nan, dtype=np.float32)
    seeds = ((0, "a"), (0, "b"), (0, "c"))
    there = pipeline.predictor(Windows(signal, observed, lone, seeds), 1)
    back = pipeline.predictor(Windows(signal[::-1], observed, lone, seeds[::-1]), 1)
    np.testing.assert_allclose(back.mean_mv[::-1], there.mean_mv, atol=1e-4)
    np.testing.assert_allclose(back.draws_mv[::-1], there.draws_mv, atol=1e-4)
