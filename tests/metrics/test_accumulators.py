import numpy as np
import pytest
import torch

from gen.leads import to_12
from metrics import accumulators
from metrics.distribution.frechet import fid
from metrics.distribution.manifold import manifold_scores
from metrics.distribution.mmd import kid
from metrics.waveform.paired import paired_errors
from metrics.waveform.physics import limb_lead_residual_mv


@pytest.fixture
def sets(rng):
    return rng.standard_normal((90, 5)) + 100, 1.2 * rng.standard_normal((70, 5)) + 100.3


def fill(metric, reference, generated, batch):
    for start in range(0, 90, batch):
        metric.update(
            reference=torch.tensor(reference[start : start + batch]),
            generated=torch.tensor(generated[start : start + batch]) if start < len(generated) else None,
        )
    return metric


@pytest.mark.parametrize("batch", [1, 7, 90])
@pytest.mark.parametrize(
    ("kind", "function"), [(accumulators.FrechetDistance, fid), (accumulators.KernelDistance, kid)]
)
def test_any_batching_gives_the_value_of_the_whole(sets, kind, function, batch):
    expected = function(reference=sets[0], generated=sets[1])
    assert float(fill(kind(), *sets, batch).compute()) == pytest.approx(expected, rel=1e-8)


def test_manifold_shares(sets):
    found = fill(accumulators.ManifoldMetrics(k=3), *sets, 13).compute()
    expected = manifold_scores(reference=sets[0], generated=sets[1], k=3)
    assert {name: float(v) for name, v in found.items()} == {name: getattr(expected, name) for name in found}


def test_memory_of_the_streaming_distance_does_not_grow(sets):
    metric = fill(accumulators.FrechetDistance(), *sets, 2)
    assert [len(state) for state in metric.metric_state.values()] == [1, 1]


@pytest.mark.parametrize("kind", [accumulators.FrechetDistance, accumulators.KernelDistance])
def test_two_processes_merge_to_one(sets, kind):
    """Halves of different size on two workers, merged, and as the gathered tensor of a real synchronisation."""
    first, second = kind(), kind()
    first.update(reference=torch.tensor(sets[0][:20]), generated=torch.tensor(sets[1]))
    second.update(reference=torch.tensor(sets[0][20:]))
    gathered = kind()
    for name in ("reference", "generated"):
        setattr(gathered, name, torch.cat(getattr(first, name) + getattr(second, name)))
    expected = fill(kind(), *sets, 90).compute()
    gathered._update_count = 1
    torch.testing.assert_close(gathered.compute(), expected, rtol=1e-9, atol=0)
    first.merge_state(second)
    torch.testing.assert_close(first.compute(), expected, rtol=1e-9, atol=0)


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_reset_forgets(sets):
    metric = fill(accumulators.FrechetDistance(), *sets, 30)
    metric.reset()
    with pytest.raises(ValueError, match="accepted"):
        metric.compute()


def test_paired_errors_over_batches_and_processes(rng):
    x, y = rng.standard_normal((2, 20, 3, 50))
    mask = np.array([True, False, True])[:, None]
    parts = [accumulators.PairedErrors(), accumulators.PairedErrors()]
    for part, rows in zip(parts, (slice(0, 3), slice(3, 20)), strict=True):
        part.update(reference=torch.tensor(x[rows]), generated=torch.tensor(y[rows]), mask=torch.tensor(mask))
    parts[0].merge_state(parts[1])
    found, expected = parts[0].compute(), paired_errors(reference=x, generated=y, mask=mask)
    assert float(found["mse"]) == pytest.approx(expected.mse)
    assert float(found["mae"]) == pytest.approx(expected.mae)
    assert float(found["rmse"]) == pytest.approx(expected.rmse)
    assert float(found["pcc"]) == pytest.approx(expected.pearson_mean)


def test_limb_lead_residual(rng):
    x = to_12(rng.standard_normal((6, 8, 40))) + 0.01 * rng.standard_normal((6, 12, 40))
    metric = accumulators.LimbLeadResidual()
    for part in np.array_split(x, 4):
        metric.update(generated=torch.tensor(part))
    assert float(metric.compute()) == pytest.approx(limb_lead_residual_mv(generated=x))
