"""One record beside other work: one thread computes it, and the bench says what a busy machine costs."""

import numpy as np
import torch

from gen.evaluation.settings import Speed
from gen.precision import in_threads
from gen.results import Value
from vae.evaluation import latency
from vae.evaluation.speed import windows
from vae.pipeline import load


def test_one_record_is_computed_in_one_thread_and_many_in_all(monkeypatch):
    predictor = load().predictor
    seen = []
    encode = predictor.model.encode

    def watched(*args):
        seen.append(torch.get_num_threads())
        return encode(*args)

    monkeypatch.setattr(predictor.model, "encode", watched)
    with in_threads(2):
        alone = predictor(windows(1), 0)
        both = predictor(windows(2), 0)
        assert torch.get_num_threads() == 2
    assert seen == [1, 2]
    np.testing.assert_allclose(alone.mean_mv[0], both.mean_mv[0], atol=1e-4)


def test_times_alone_and_beside_others(monkeypatch):
    monkeypatch.setattr(latency, "_CALLS", 2)
    monkeypatch.setattr(latency, "cores", lambda: 1)
    found = latency.bench(Speed(repeats=1), lambda text: None)
    rows, ratio = found["one record"], found["beside others / alone"]
    assert set(rows) == {"alone", "beside others"}
    assert all(isinstance(value, Value) and value.value > 0 for row in rows.values() for value in row.values())
    assert ratio.value == rows["beside others"]["median"].value / rows["alone"]["median"].value
