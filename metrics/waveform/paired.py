"""Waveform error between each real ECG and the one predicted for it, on the samples that were to be predicted.

One pass gathers sums per record and lead (`ErrorSums`); every error here is read off those sums. Signals are
``(n, lead, time)`` in mV; ``mask`` says which samples are scored and has any shape that broadcasts to the signals'
(for a reconstruction: the leads that were not given). What is not scored may be NaN.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gen.records import InputError
from metrics.statistics.arrays import Array

#: A lead that varies less than this (mV, standard deviation) has no correlation worth the name.
FLAT_MV = 1e-3


@dataclass(frozen=True, eq=False)
class ErrorSums:
    """Sums over the scored samples of each record and lead, each (n, lead).

    Attributes:
        count: scored samples.
        squared, absolute: of the error, in mV^2 and mV.
        reference_sum, reference_squared, generated_sum, generated_squared, product: for correlation and energy.
        reference_range: peak to peak of the reference in mV.
    """

    count: Array
    squared: Array
    absolute: Array
    reference_sum: Array
    reference_squared: Array
    generated_sum: Array
    generated_squared: Array
    product: Array
    reference_range: Array

    @property
    def scored(self) -> npt.NDArray[np.bool_]:
        """(n, lead) where anything is scored."""
        return self.count > 0


def error_sums(*, reference: npt.ArrayLike, generated: npt.ArrayLike, mask: npt.ArrayLike | None = None) -> ErrorSums:
    """Gather the sums per record and lead of paired ECGs.

    Args:
        reference, generated: (n, lead, time) in mV, record for record.
        mask: scored samples, broadcastable to that shape; a per-lead mask has shape (lead, 1). None scores all.

    Raises:
        InputError: shapes differ, nothing is scored, or a scored sample is not finite.
    """
    x, y = np.asarray(reference, dtype=np.float64), np.asarray(generated, dtype=np.float64)
    if x.ndim != 3 or x.shape != y.shape or not x.size:
        raise InputError(f"paired signals of shapes {x.shape} and {y.shape}; accepted: two equal (n, lead, time)")
    if mask is None:
        scored = np.ones(x.shape, dtype=bool)
    else:
        try:
            scored = np.broadcast_to(np.asarray(mask, dtype=bool), x.shape)
        except ValueError as error:
            shape = np.shape(mask)
            raise InputError(f"mask of shape {shape}; accepted: one that broadcasts to {x.shape}") from error
    if not scored.any():
        raise InputError("mask: no sample is scored; accepted: at least one")
    if not (np.isfinite(x) & np.isfinite(y))[scored].all():
        raise InputError("paired signals: NaN or infinity among the scored samples; accepted: finite values, or a mask")
    x, y = np.where(scored, x, 0.0), np.where(scored, y, 0.0)
    count = scored.sum(axis=-1).astype(np.float64)
    # Sums about the mean: raw sums would cancel on a lead with a large offset.
    safe = np.maximum(count, 1)
    high = np.where(scored, x, -np.inf).max(axis=-1)
    low = np.where(scored, x, np.inf).min(axis=-1)
    return ErrorSums(
        count=count,
        squared=((x - y) ** 2).sum(axis=-1),
        absolute=np.abs(x - y).sum(axis=-1),
        reference_sum=x.sum(axis=-1),
        reference_squared=_central(x, scored, safe),
        generated_sum=y.sum(axis=-1),
        generated_squared=_central(y, scored, safe),
        product=_central(x, scored, safe, y),
        reference_range=np.where(count > 0, high - low, 0.0),
    )


def mse(*, reference: npt.ArrayLike, generated: npt.ArrayLike, mask: npt.ArrayLike | None = None) -> float:
    """Mean squared error over all scored samples, mV^2."""
    sums = error_sums(reference=reference, generated=generated, mask=mask)
    return float(sums.squared.sum() / sums.count.sum())


def mae(*, reference: npt.ArrayLike, generated: npt.ArrayLike, mask: npt.ArrayLike | None = None) -> float:
    """Mean absolute error over all scored samples, mV."""
    sums = error_sums(reference=reference, generated=generated, mask=mask)
    return float(sums.absolute.sum() / sums.count.sum())


def pcc(*, reference: npt.ArrayLike, generated: npt.ArrayLike, mask: npt.ArrayLike | None = None) -> float:
    """Pearson correlation per record and lead, plain mean over those that are not flat; see `pearson`."""
    return pearson(error_sums(reference=reference, generated=generated, mask=mask)).mean


@dataclass(frozen=True, eq=False)
class Pearson:
    """Correlation per record and lead, and its averages.

    Attributes:
        values: (n, lead); NaN where flat or not scored.
        mean, median: over the values there are (NaN if none).
        fisher_mean: tanh of the mean of artanh, which does not shrink towards 0 as the plain mean does.
        flat: pairs left out because the reference or the generated lead is flat.
    """

    values: Array
    mean: float
    median: float
    fisher_mean: float
    flat: int


def pearson(sums: ErrorSums) -> Pearson:
    """Pearson correlation per record and lead; flat leads (SD below 1 uV) are excluded and counted."""
    floor = FLAT_MV**2 * sums.count
    usable = sums.scored & (sums.reference_squared > floor) & (sums.generated_squared > floor)
    scale = np.sqrt(np.where(usable, sums.reference_squared * sums.generated_squared, 1.0))
    values = np.where(usable, np.clip(sums.product / scale, -1, 1), np.nan)
    found = values[usable]
    limit = 1 - 1e-9  # artanh(1) is infinite: one perfect lead must not decide the average
    return Pearson(
        values=values,
        mean=float(found.mean()) if found.size else float("nan"),
        median=float(np.median(found)) if found.size else float("nan"),
        fisher_mean=float(np.tanh(np.arctanh(np.clip(found, -limit, limit)).mean())) if found.size else float("nan"),
        flat=int((sums.scored & ~usable).sum()),
    )


@dataclass(frozen=True)
class PairedErrors:
    """All paired errors of a set.

    Attributes:
        mse: mV^2, over all scored samples.
        mae: mV, over all scored samples.
        rmse: mV, root of ``mse``.
        rmse_record_mean: mV, mean over records of each record's own root mean square error.
        nrmse: RMSE of a lead over the reference's peak to peak there, mean over records and leads that are not flat.
        prd: percent RMS difference, 100 sqrt(sum (x-y)^2 / sum x^2), mean over records.
        snr_db: 10 log10(sum x^2 / sum (x-y)^2), mean over records; a perfect record counts 100 dB.
        r2: 1 - sum (x-y)^2 / sum (x - mean of its lead)^2, over all scored samples.
        pearson_mean, pearson_median, pearson_fisher: see `Pearson`.
        flat: leads left out of the correlation.
        records: n.
    """

    mse: float
    mae: float
    rmse: float
    rmse_record_mean: float
    nrmse: float
    prd: float
    snr_db: float
    r2: float
    pearson_mean: float
    pearson_median: float
    pearson_fisher: float
    flat: int
    records: int


def paired_errors(
    *, reference: npt.ArrayLike, generated: npt.ArrayLike, mask: npt.ArrayLike | None = None
) -> PairedErrors:
    """Every error of this file at once; arguments and errors as `error_sums`."""
    return summarise(error_sums(reference=reference, generated=generated, mask=mask))


def summarise(sums: ErrorSums) -> PairedErrors:
    """Errors of the set from its sums; records that score nothing are left out of the means over records."""
    mean_square = float(sums.squared.sum() / sums.count.sum())
    correlation = pearson(sums)
    varies = sums.scored & (sums.reference_range > FLAT_MV)
    per_lead = np.sqrt(sums.squared[varies] / sums.count[varies]) / sums.reference_range[varies]
    records = record_errors(sums)
    variance = sums.reference_squared.sum()
    return PairedErrors(
        mse=mean_square,
        mae=float(sums.absolute.sum() / sums.count.sum()),
        rmse=float(np.sqrt(mean_square)),
        rmse_record_mean=float(np.nanmean(np.sqrt(records["mse"]))),
        nrmse=float(per_lead.mean()) if per_lead.size else float("nan"),
        prd=_mean(records["prd"]),
        snr_db=_mean(records["snr_db"]),
        r2=float(1 - sums.squared.sum() / variance) if variance > 0 else float("nan"),
        pearson_mean=correlation.mean,
        pearson_median=correlation.median,
        pearson_fisher=correlation.fisher_mean,
        flat=correlation.flat,
        records=int(sums.scored.any(axis=1).sum()),
    )


def record_errors(sums: ErrorSums) -> dict[str, Array]:
    """``mse``, ``mae``, ``pcc``, ``prd``, ``snr_db`` of each record, (n,) each, for the bootstrap; NaN if none."""
    count = np.where(sums.scored.any(axis=1), sums.count.sum(axis=1), np.nan)
    squared = sums.squared.sum(axis=1)
    safe = np.maximum(sums.count, 1)
    energy = (sums.reference_squared + sums.reference_sum**2 / safe).sum(axis=1)
    energy = np.where(energy > 0, energy, np.nan)
    values = pearson(sums).values
    found = np.isfinite(values).sum(axis=1)
    return {
        "mse": squared / count,
        "mae": sums.absolute.sum(axis=1) / count,
        "pcc": np.divide(np.nansum(values, axis=1), found, out=np.full(len(values), np.nan), where=found > 0),
        "prd": 100 * np.sqrt(squared / energy),
        "snr_db": 10 * np.log10(energy / np.maximum(squared, 1e-10 * energy)),
    }


def lead_errors(sums: ErrorSums) -> dict[str, Array]:
    """``mse``, ``mae``, ``pcc`` of each lead, (lead,) each; NaN for a lead that is not scored."""
    count = np.where(sums.scored.any(axis=0), sums.count.sum(axis=0), np.nan)
    values = pearson(sums).values
    found = np.isfinite(values).sum(axis=0)
    return {
        "mse": sums.squared.sum(axis=0) / count,
        "mae": sums.absolute.sum(axis=0) / count,
        "pcc": np.divide(np.nansum(values, axis=0), found, out=np.full(len(found), np.nan), where=found > 0),
    }


def _central(x: Array, scored: npt.NDArray[np.bool_], count: Array, y: Array | None = None) -> Array:
    first = np.where(scored, x - (x.sum(axis=-1) / count)[..., None], 0.0)
    second = first if y is None else np.where(scored, y - (y.sum(axis=-1) / count)[..., None], 0.0)
    return np.einsum("nlt,nlt->nl", first, second)


def _mean(values: Array) -> float:
    found = values[np.isfinite(values)]
    return float(found.mean()) if found.size else float("nan")
