"""The measures as `torchmetrics.Metric`: update batch by batch, on any number of processes, then compute.

States are float64 on the CPU. What several processes hold is gathered by concatenation and merged in ``compute``, so
``update`` order, batch sizes and the number of processes do not change the value.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from gen.leads import LEADS_12, limb_lead_residual
from metrics.distribution import frechet, manifold, mmd
from metrics.statistics.arrays import Array
from metrics.waveform import paired


class _TwoSets(Metric):
    """Two feature sets kept as lists of batches."""

    is_differentiable = False
    full_state_update = False
    reference: list[Tensor]
    generated: list[Tensor]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("reference", "generated"):
            self.add_state(name, default=[], dist_reduce_fx="cat")
        self.set_dtype(torch.float64)

    def update(self, *, reference: Tensor | None = None, generated: Tensor | None = None) -> None:
        """Add feature rows (n, d) to one set or both."""
        for name, rows in (("reference", reference), ("generated", generated)):
            if rows is not None:
                getattr(self, name).append(self._state(rows.detach().double().cpu()))

    def _state(self, rows: Tensor) -> Tensor:
        return rows

    def _rows(self, name: str) -> Array:
        state = getattr(self, name)
        if isinstance(state, Tensor):  # gathered from several processes
            return state.cpu().numpy()
        return torch.cat(state).numpy() if state else np.zeros((0, 1))


class FrechetDistance(_TwoSets):
    """Streaming Fréchet distance in bounded memory; see `metrics.distribution.frechet`.

    Each set is one row of count, mean and scatter per process; rows are merged exactly (Chan et al. 1983).
    """

    higher_is_better = False

    def update(self, *, reference: Tensor | None = None, generated: Tensor | None = None) -> None:
        """Add feature rows (n, d) to one set or both."""
        super().update(reference=reference, generated=generated)
        for name in ("reference", "generated"):
            if len(getattr(self, name)) > 1:
                setattr(self, name, [torch.from_numpy(_pack(_merged(self._rows(name))))])

    def compute(self) -> Tensor:
        """Distance so far.

        Raises:
            InputError: fewer than two samples in a set.
        """
        sets = (_merged(self._rows(name)) for name in ("reference", "generated"))
        return torch.tensor(frechet.frechet_distance(reference=next(sets), generated=next(sets)), dtype=torch.float64)

    def _state(self, rows: Tensor) -> Tensor:
        return torch.from_numpy(_pack(frechet.GaussianStatistics.of(rows.numpy())))


class KernelDistance(_TwoSets):
    """KID over all samples; keeps the features, as every pair enters. See `metrics.distribution.mmd.kid`."""

    higher_is_better = False

    def compute(self) -> Tensor:
        """Distance so far."""
        value = mmd.kid(reference=self._rows("reference"), generated=self._rows("generated"))
        return torch.tensor(value, dtype=torch.float64)


class ManifoldMetrics(_TwoSets):
    """Precision, recall, density and coverage; keeps the features. See `metrics.distribution.manifold`."""

    higher_is_better = True

    def __init__(self, k: int = 5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.k = k

    def compute(self) -> dict[str, Tensor]:
        """Give the four shares so far, by name."""
        scores = manifold.manifold_scores(
            reference=self._rows("reference"), generated=self._rows("generated"), k=self.k
        )
        names = ("precision", "recall", "density", "coverage")
        return {name: torch.tensor(getattr(scores, name), dtype=torch.float64) for name in names}


class PairedErrors(Metric):
    """MSE, MAE, RMSE and mean Pearson correlation of paired ECGs on the scored samples. See
    `metrics.waveform.paired`.
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    samples: Tensor
    squared: Tensor
    absolute: Tensor
    correlation: Tensor
    correlated: Tensor
    _SUMS = ("samples", "squared", "absolute", "correlation", "correlated")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_dtype(torch.float64)
        for name in self._SUMS:
            self.add_state(name, default=torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, *, reference: Tensor, generated: Tensor, mask: Tensor | None = None) -> None:
        """Add ECGs (n, lead, time) in mV; ``mask`` as in `metrics.waveform.paired.error_sums`."""
        sums = paired.error_sums(
            reference=reference.detach().cpu().numpy(),
            generated=generated.detach().cpu().numpy(),
            mask=None if mask is None else mask.cpu().numpy(),
        )
        values = paired.pearson(sums).values
        found = values[np.isfinite(values)]
        parts = (sums.count.sum(), sums.squared.sum(), sums.absolute.sum(), found.sum(), found.size)
        for name, part in zip(self._SUMS, parts, strict=True):
            setattr(self, name, getattr(self, name) + float(part))

    def compute(self) -> dict[str, Tensor]:
        """``mse``, ``mae``, ``rmse`` and ``pcc`` so far; NaN where nothing was added."""
        mse = self.squared / self.samples
        return {
            "mse": mse,
            "mae": self.absolute / self.samples,
            "rmse": mse.sqrt(),
            "pcc": self.correlation / self.correlated,
        }


class LimbLeadResidual(Metric):
    """Mean RMS deviation from Einthoven's and Goldberger's laws in mV. See `metrics.waveform.physics`."""

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    total: Tensor
    records: Tensor

    def __init__(self, leads: Sequence[str] = LEADS_12, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.leads = tuple(leads)
        self.set_dtype(torch.float64)
        for name in ("total", "records"):
            self.add_state(name, default=torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, *, generated: Tensor) -> None:
        """Add ECGs (n, lead, time) in mV."""
        residual = limb_lead_residual(generated.detach().cpu().numpy(), self.leads)
        self.total = self.total + float(residual.sum())
        self.records = self.records + len(residual)

    def compute(self) -> Tensor:
        """Mean so far; NaN where nothing was added."""
        return self.total / self.records


def _pack(statistics: frechet.GaussianStatistics) -> Array:
    """(1, 1 + d + d*d) row of count, mean and scatter."""
    return np.concatenate([[statistics.count], statistics.mean, statistics.scatter.ravel()])[None]


def _merged(rows: Array) -> frechet.GaussianStatistics:
    """Inverse of `_pack`, over any number of rows."""
    width = round((np.sqrt(4 * rows.shape[1] - 3) - 1) / 2)  # 1 + d + d^2 columns
    if not len(rows):
        return frechet.GaussianStatistics(0, np.zeros(width), np.zeros((width, width)))
    parts = [
        frechet.GaussianStatistics(round(row[0]), row[1 : 1 + width], row[1 + width :].reshape(width, width))
        for row in rows
    ]
    total = parts[0]
    for part in parts[1:]:
        total = total.merge(part)
    return total
