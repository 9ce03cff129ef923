"""The command that says what a delay costs."""

import numpy as np
import pytest

from gen.cli import run
from gen.leads import LEADS_12
from gen.simulate import simulate
from vae.deploy.streaming import StreamSettings
from vae.evaluation.streaming import scores, streamed
from vae.pipeline import load


@pytest.fixture(scope="module")
def records():
    return simulate(range(3), seed=8, duration_s=3, noise="light").records()


def test_a_perfect_method_has_no_error_and_a_constant_one_has_its_own(records):
    leads = ("I", "II")
    perfect, cpu = scores(lambda record: record.signal_mv, records, leads)
    assert (perfect["mse_mv2"].value, perfect["mae_mv"].value, perfect["mae_mv_later"].value) == (0, 0, 0)
    assert perfect["pearson"].value == pytest.approx(1)
    assert cpu >= 0
    late = np.where(np.arange(1500) < 750, 0, 0.2).astype(np.float32)
    shifted, _ = scores(lambda record: record.signal_mv + late, records, leads)
    assert shifted["mae_mv_later"].value == pytest.approx(0.2, rel=0.01)
    assert shifted["mae_mv"].value == pytest.approx(0.1, rel=0.01)


def test_a_streamed_record_is_whole(records):
    pipeline, leads = load(method="least-squares"), ("II", "V1", "V5")
    found = streamed(pipeline, records[0], leads, StreamSettings())
    assert found.shape == records[0].signal_mv.shape
    rows = [LEADS_12.index(lead) for lead in leads]
    assert np.array_equal(found[rows], records[0].signal_mv[rows])


@pytest.mark.parametrize(
    ("arguments", "words"), [(["--leads", "V9"], "V9"), (["--hops", "0"], "accepted"), (["--hops", "20"], "together")]
)
def test_bad_input_gets_one_line(tmp_path, capsys, arguments, words):
    assert run(["evaluate", "streaming", "--data", str(tmp_path), *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
