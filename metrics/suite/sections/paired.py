"""Errors between each generated record and the real one it stands for, on the leads that were made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from gen.signals import resample
from metrics.report.entries import Entry, entry, skip
from metrics.statistics.arrays import Array
from metrics.statistics.bootstrap import bootstrap
from metrics.suite.aligned import blocks
from metrics.suite.job import Job, draw
from metrics.suite.pairing import independent_leads, scored_leads
from metrics.waveform.alignment import align, mean_beat, mean_beat_baseline
from metrics.waveform.paired import ErrorSums, error_sums, lead_errors, pearson, record_errors, summarise

SECTION = "Paired waveform error"
_BASELINE_RECORDS = 200
_BEAT_HZ = 100.0
_NOT_PAIRED = "the sets are not paired: fewer than half of the generated records belong to one of the real set"

#: name -> (unit, direction, ideal, summary); mse, mae and pcc are described in `metrics.definitions`.
_FURTHER = {
    "rmse": ("mV", "lower", 0.0, "Root of the mean squared error over all scored samples."),
    "rmse_record_mean": ("mV", "lower", 0.0, "Mean over records of each record's own root mean square error."),
    "nrmse": ("", "lower", 0.0, "RMSE of a lead over the real lead's peak to peak, mean over records and leads."),
    "prd": ("%", "lower", 0.0, "Percent RMS difference, mean over records."),
    "snr_db": ("dB", "higher", 100.0, "Signal-to-noise ratio, mean over records."),
    "r2": ("", "higher", 1.0, "Share of the real variance that is explained."),
    "pearson_median": ("", "higher", 1.0, "Median over records and leads of the Pearson correlation."),
    "pearson_fisher": ("", "higher", 1.0, "Fisher mean of the Pearson correlation."),
}


@dataclass(frozen=True, eq=False)
class _Sums:
    """Error sums of the generator and of the two baselines, all pairs together."""

    generated: ErrorSums
    flat: ErrorSums
    beat: ErrorSums


def paired_section(job: Job) -> list[Entry]:
    """MSE, MAE, RMSE, NRMSE, PRD, SNR, R², Pearson; beside the flat line and the mean beat."""
    if job.pairs is None:
        return [skip(name, _NOT_PAIRED, SECTION) for name in ("mse", "mae", "pcc", *_FURTHER)]
    leads = independent_leads(job.real.leads)
    masks = np.array([scored_leads(leads, job.generated.facts[i]) for i in job.pairs.generated])
    if not masks.any():
        reason = "every lead was observed or follows from observed ones: nothing was made that could be scored"
        return [skip(name, reason, SECTION) for name in ("mse", "mae", "pcc", *_FURTHER)]
    sums = _collect(job, leads, masks)
    patients = [job.real.patients[i] for i in job.pairs.real]
    scored = [lead for lead, used in zip(leads, np.any(masks, axis=0), strict=True) if used]
    extra = {"scored_leads": scored, "flat_line": None, "paired_by": job.pairs.by}
    flat, beat = summarise(sums.flat), summarise(sums.beat)
    records = {name: _on_all(job, values) for name, values in record_errors(sums.generated).items()}
    lead_values = lead_errors(sums.generated)
    out = []
    for name, statistic in _statistics(sums.generated).items():
        interval = bootstrap(statistic, len(patients), groups=patients, replicates=1000, seed=job.seed)
        attribute = "pearson_mean" if name == "pcc" else name
        per_lead = {lead: _or_none(value) for lead, value in zip(leads, lead_values[name], strict=True)}
        out.append(
            entry(
                name,
                value=interval.value,
                ci=(interval.low, interval.high),
                n=interval.n,
                baseline=getattr(beat, attribute),
                baseline_name="mean beat",
                section=SECTION,
                records=records[name],
                extra={**extra, "flat_line": _or_none(getattr(flat, attribute)), "per_lead": per_lead},
            )
        )
    return [*out, *_further(job, sums, flat, beat, records), *_aligned(job, leads, masks)]


def _collect(job: Job, leads: tuple[str, ...], masks: Array) -> _Sums:
    assert job.pairs is not None
    rows = draw(len(job.pairs), _BASELINE_RECORDS, (job.seed, 31))
    # From training records where there are some: the baseline must know no more than a generator does.
    source = job.train if job.train is not None else job.real
    few = draw(len(source), _BASELINE_RECORDS, (job.seed, 32))
    beat = mean_beat(_slow(source.block(few, leads), source.fs_hz), _BEAT_HZ)
    made, flat, mean = [], [], []
    for part in blocks(len(job.pairs)):
        x = job.real.block(job.pairs.real[part], leads)
        y = job.generated.block(job.pairs.generated[part], leads)
        mask = masks[part][:, :, None]
        made.append(error_sums(reference=x, generated=y, mask=mask))
        flat.append(error_sums(reference=x, generated=np.zeros_like(x), mask=mask))
        inside = rows[(rows >= part.start) & (rows < part.stop)] - part.start
        if len(inside):
            trivial = _mean_beats(x[inside], beat, job.real.fs_hz)
            mean.append(error_sums(reference=x[inside], generated=trivial, mask=mask[inside]))
        job.progress.advance(0.8 * len(x) / len(job.pairs))
    return _Sums(_joined(made), _joined(flat), _joined(mean))


def _slow(x: npt.NDArray[np.float32], fs_hz: float) -> Array:
    """Centred, at the rate where beats are found and averaged: five times cheaper than 500 Hz, and as good."""
    return resample(x - x.mean(axis=-1, keepdims=True), fs_hz, _BEAT_HZ).astype(np.float64)


def _mean_beats(x: npt.NDArray[np.float32], beat: Array, fs_hz: float) -> Array:
    fast = resample(mean_beat_baseline(_slow(x, fs_hz), beat, _BEAT_HZ), _BEAT_HZ, fs_hz)
    short = x.shape[-1] - fast.shape[-1]
    return np.pad(fast, [(0, 0), (0, 0), (0, max(0, short))], mode="edge")[..., : x.shape[-1]]


def _joined(parts: list[ErrorSums]) -> ErrorSums:
    return ErrorSums(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(ErrorSums)))


def _statistics(sums: ErrorSums) -> dict[str, Callable[[Array], Array]]:
    """Bootstrap statistics that give exactly the value over all scored samples when every weight is 1."""
    count = sums.count.sum(axis=1)
    correlation = pearson(sums).values
    found = np.isfinite(correlation).sum(axis=1).astype(np.float64)
    return {
        "mse": _ratio(sums.squared.sum(axis=1), count),
        "mae": _ratio(sums.absolute.sum(axis=1), count),
        "pcc": _ratio(np.nansum(correlation, axis=1), found),
    }


def _ratio(top: Array, bottom: Array) -> Callable[[Array], Array]:
    def statistic(weights: Array) -> Array:
        total = weights @ bottom
        return np.divide(weights @ top, total, out=np.full(len(weights), np.nan), where=total > 0)

    return statistic


def _further(job: Job, sums: _Sums, flat: object, beat: object, records: Mapping[str, Array]) -> list[Entry]:
    found = summarise(sums.generated)
    return [
        entry(
            name,
            value=getattr(found, name),
            n=found.records,
            unit=unit,
            better=better,
            ideal=ideal,
            baseline=getattr(beat, name),
            baseline_name="mean beat",
            section=SECTION,
            summary=summary,
            records=records.get(name),
            extra={"flat_line": _or_none(getattr(flat, name))},
        )
        for name, (unit, better, ideal, summary) in _FURTHER.items()
    ]


def _aligned(job: Job, leads: tuple[str, ...], masks: Array) -> list[Entry]:
    """Correlation and error after one common lag: what is left when the phase of the beats is forgiven."""
    if not job.preset.thorough or job.pairs is None:
        return []
    parts = []
    for part in blocks(len(job.pairs)):
        x = job.real.block(job.pairs.real[part], leads)
        y = job.generated.block(job.pairs.generated[part], leads)
        first, second, _ = align(reference=x, generated=y, fs_hz=job.real.fs_hz)
        parts.append(error_sums(reference=first, generated=second, mask=masks[part][:, :, None]))
    found = summarise(_joined(parts))
    summary = "after centring and one common circular lag within 1 s."
    return [
        entry("mae_aligned", value=found.mae, n=found.records, unit="mV", section=SECTION, summary=f"MAE {summary}"),
        entry(
            "pcc_aligned",
            value=found.pearson_mean,
            n=found.records,
            better="higher",
            ideal=1.0,
            section=SECTION,
            summary=f"Pearson correlation {summary}",
        ),
    ]


def _on_all(job: Job, values: Array) -> Array:
    """Values of the pairs on the rows of the whole generated set; NaN where a record has no partner."""
    assert job.pairs is not None
    out = np.full(len(job.generated), np.nan)
    out[job.pairs.generated] = values
    return out


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
