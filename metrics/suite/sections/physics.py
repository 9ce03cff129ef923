"""Whether the generated signals behave like recordings: record by record, and as distances between the two sets."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gen.leads import LEADS_8, LeadError, limb_lead_residual
from gen.records import InputError
from metrics.report.entries import Entry, entry, from_interval, skip
from metrics.statistics.arrays import Array
from metrics.statistics.bootstrap import Interval, bootstrap_mean
from metrics.statistics.proportion import bootstrap_share
from metrics.suite.aligned import AlignedSet, blocks
from metrics.suite.halves import half_scores, halvings
from metrics.suite.job import Job, draw
from metrics.waveform import physics

SECTION = "Physics"
PerRecord = Callable[[npt.NDArray[np.float32], AlignedSet], Array]


def _residual(x: npt.NDArray[np.float32], each: AlignedSet) -> Array:
    return limb_lead_residual(x, each.leads)


def _above(x: npt.NDArray[np.float32], each: AlignedSet) -> Array:
    return (np.abs(x).max(axis=(1, 2)) > physics.LARGEST_MV).astype(np.float64)


def _flat(x: npt.NDArray[np.float32], each: AlignedSet) -> Array:
    return physics.flat_leads(generated=x).mean(axis=1)


def _clipped(x: npt.NDArray[np.float32], each: AlignedSet) -> Array:
    return physics.clipped_leads(generated=x, fs_hz=each.fs_hz).mean(axis=1)


def _drift(x: npt.NDArray[np.float32], each: AlignedSet) -> Array:
    return physics.drift_power(generated=x, fs_hz=each.fs_hz)


def _mains(x: npt.NDArray[np.float32], each: AlignedSet) -> Array:
    return physics.mains_power(generated=x, fs_hz=each.fs_hz)


#: name -> (per-record values, unit, summary, whether lower is better whatever the real set does)
PER_RECORD: Mapping[str, tuple[PerRecord, str, str, bool]] = {
    "limb_lead_residual_mv": (_residual, "mV", "RMS deviation from Einthoven's and Goldberger's laws.", True),
    "above_10_mv_share": (_above, "", "Share of records with a sample beyond 10 mV.", True),
    "flat_lead_share": (_flat, "", "Share of leads that are flat.", True),
    "clipped_lead_share": (_clipped, "", "Share of leads that are clipped.", True),
    "drift_power_mv2": (_drift, "mV²", "Power below 0.5 Hz; should be as in the real set.", False),
    "mains_power_mv2": (_mains, "mV²", "Power at 50 Hz above its surroundings; should be as in the real set.", False),
}
_SHARES = ("above_10_mv_share", "flat_lead_share", "clipped_lead_share")
_DISTANCES = {
    "log_psd_distance_db": ("dB", "RMS difference of the mean power spectra, 0.5 to 40 Hz."),
    "log_psd_distance_high_db": ("dB", "The same from 40 Hz to 0.8 of the Nyquist frequency, at the sets' own rate."),
    "lead_correlation_distance": ("", "Frobenius distance of the mean lead-by-lead correlation matrices."),
    "amplitude_wasserstein_mv": ("mV", "Wasserstein distance of the sample values, mean over leads."),
    "autocorrelation_distance": ("", "RMS difference of the mean autocorrelation up to 2 s."),
}


#: The upper spectrum begins here and ends at this share of the Nyquist frequency, where filters of resampling begin.
_UPPER_HZ, _TOP_SHARE = 40.0, 0.8


def physics_section(job: Job) -> list[Entry]:
    """Limb-lead law, amplitudes, flat, clipped, drift, mains; spectrum, lead correlation and amplitude distances."""
    out = []
    for name in PER_RECORD:
        out.append(_per_record(job, name))
        job.progress.advance(0.6 / len(PER_RECORD))
    return [*out, *_distances(job)]


def _per_record(job: Job, name: str) -> Entry:
    compute, unit, summary, lower = PER_RECORD[name]
    if name == "limb_lead_residual_mv" and len([x for x in job.generated.stored_leads if x in _CHECKED]) == 0:
        reason = f"the generated files hold {','.join(job.generated.stored_leads)}: no computed limb lead to check"
        return skip(name, reason, SECTION)
    try:
        values, real = (_gather(each, compute) for each in (job.generated, job.real))
        noise = compute(job.noise(np.arange(20), job.real.leads), job.real)
    except (InputError, LeadError) as error:
        return skip(name, str(error), SECTION)
    mine = _interval(values, job.generated.patients, job.seed, share=name in _SHARES)
    theirs = _interval(real, job.real.patients, job.seed, share=name in _SHARES)
    return from_interval(
        name,
        mine,
        unit=unit,
        summary=summary,
        better="lower",
        ideal=0.0 if lower else None,
        floor=theirs.value,
        floor_ci=(theirs.low, theirs.high),
        baseline=float(noise.mean()),
        baseline_name="noise",
        section=SECTION,
        records=values,
    )


_CHECKED = ("III", "aVR", "aVL", "aVF")


def _gather(each: AlignedSet, compute: PerRecord) -> Array:
    return np.concatenate([compute(each.block(part), each) for part in blocks(len(each))])


def _interval(values: Array, patients: tuple[str, ...], seed: int, *, share: bool) -> Interval:
    if share:
        return bootstrap_share(values, groups=patients, replicates=1000, seed=seed)
    return bootstrap_mean(values, groups=patients, replicates=1000, seed=seed)


def distances(first: Array, second: Array, fs_hz: float) -> dict[str, float]:
    """The four distances of two sets of slow signals (n, lead, time)."""
    given: dict[str, Any] = {"reference": first, "generated": second}
    out = {
        "log_psd_distance_db": physics.log_psd_distance(**given, fs_hz=fs_hz, high_hz=min(40.0, 0.4 * fs_hz)),
        "amplitude_wasserstein_mv": float(physics.amplitude_wasserstein(**given).mean()),
        "autocorrelation_distance": physics.autocorrelation_distance(**given, fs_hz=fs_hz),
    }
    if first.shape[1] > 1:
        out["lead_correlation_distance"] = physics.lead_correlation_distance(**given)
    return out


def upper_spectra(first: Array, second: Array, fs_hz: float) -> dict[str, float]:
    """Distance of the spectra from `_UPPER_HZ` up, of signals (n, lead, time) at the sets' own rate."""
    given: dict[str, Any] = {"reference": first, "generated": second, "fs_hz": fs_hz}
    value = physics.log_psd_distance(**given, low_hz=_UPPER_HZ, high_hz=_TOP_SHARE * fs_hz / 2)
    return {"log_psd_distance_high_db": value}


def _distances(job: Job) -> list[Entry]:
    size = min(job.size, job.preset.distance_records)
    if size < 8:
        return [skip(name, f"{size} records a side; accepted: at least 8", SECTION) for name in _DISTANCES]
    rows = [draw(len(each), size, (job.seed, 21)) for each in (job.real, job.generated)]
    real, fake = job.slow("real", rows[0]), job.slow("generated", rows[1])
    noise = job.slow("noise", np.arange(min(40, size // 2)))
    job.progress.advance(0.1)
    people = [[each.patients[i] for i in part] for each, part in zip((job.real, job.generated), rows, strict=True)]
    splits = halvings(people[0], people[1], count=min(4, job.preset.halvings), seed=job.seed)

    def compute(first: Array, second: Array, seed: int) -> Mapping[str, float]:
        return distances(first, second, job.slow_hz)

    values, trivial = dict(compute(real, fake, 0)), dict(compute(real, noise, 0))
    halves = half_scores(real, fake, splits, compute, name=f"distances at {job.slow_hz:g} Hz")
    skipped = {"lead_correlation_distance": "one lead has no other lead to correlate with"}
    if _TOP_SHARE * job.real.fs_hz / 2 > _UPPER_HZ + 5:
        whole = [_whole(job, which, part) for which, part in zip(("real", "generated"), rows, strict=True)]

        def compute_upper(first: Array, second: Array, seed: int) -> Mapping[str, float]:
            return upper_spectra(first, second, job.real.fs_hz)

        values |= compute_upper(whole[0], whole[1], 0)
        halves |= half_scores(whole[0], whole[1], splits, compute_upper, name=f"upper spectra at {job.real.fs_hz:g} Hz")
        trivial |= compute_upper(whole[0], _whole(job, "noise", np.arange(min(40, size // 2))), 0)
    else:
        skipped["log_psd_distance_high_db"] = f"at {job.real.fs_hz:g} Hz nothing is left above {_UPPER_HZ:g} Hz"
    job.drawn.spectra = (real, fake, job.slow_hz)
    out: list[Entry] = []
    for name, (unit, summary) in _DISTANCES.items():
        if name not in values:
            out.append(skip(name, skipped[name], SECTION))
            continue
        out.append(
            entry(
                name,
                value=values[name],
                n=size,
                unit=unit,
                better="lower",
                ideal=0.0,
                **halves[name].facts(values[name], 0.0),
                baseline=trivial[name],
                baseline_name="noise",
                section=SECTION,
                summary=summary,
            )
        )
    return out


def _whole(job: Job, which: str, rows: npt.NDArray[np.int64]) -> Array:
    """(row, lead, time) of some records at the sets' own rate."""
    leads = LEADS_8 if job.real.has_8 else job.real.leads
    if which == "noise":
        return job.noise(rows, leads).astype(np.float64)
    each = job.real if which == "real" else job.generated
    return np.concatenate([each.block(rows[part], leads) for part in blocks(len(rows))]).astype(np.float64)
