"""Signal quality against graders: ``physiogen evaluate quality --data .data/cinc2011``.

The model (`gen.quality.acceptance`) has learned from two thirds of CinC 2011's recordings; the last third is scored
here. Its faults are put on leads of accepted recordings of that third, so that their names can be checked too.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gen.datasets import open_source
from gen.datasets.alivecor import NOISY
from gen.datasets.cinc2011 import Graded, read_graded
from gen.evaluations import Progress
from gen.quality import quality_report
from gen.quality.acceptance import shipped
from gen.quality.electrodes import arms_reversed, exchange_arms
from gen.records import InputError
from gen.results import Data, Node, Results, Value
from metrics.evaluation.settings import Quality as Settings
from metrics.measurement.records import measure_records
from metrics.statistics.bootstrap import bootstrap
from metrics.statistics.proportion import wilson
from metrics.statistics.ranking import weighted_auroc

Array = npt.NDArray[np.float64]
#: Puts a fault on one lead (time,) of a rate.
Fault = Callable[[Array, float, np.random.Generator], Array]
_REPLICATES = 4000


def run(settings: Settings, progress: Progress) -> Results:
    """The held-out third, faults put on its leads, and recordings of other devices where they are given."""
    graded = [item for item in read_graded(settings.data) if item.part == "test"]
    bad = np.array([not item.acceptable for item in graded])
    if bad.all() or not bad.any():
        raise InputError(f"{settings.data}: the held-out third has recordings of one verdict alone")
    acceptance = np.array([quality_report(item.record).acceptance for item in graded])
    progress(f"{len(graded)} recordings judged")
    measured = measure_records([item.record for item in graded])
    alike = np.nan_to_num([0.0 if p.failure else p.alike for p in measured])
    values: dict[str, Node] = {
        "held-out third of CinC 2011": {
            "acceptance (gen.quality)": _row(1 - np.nan_to_num(acceptance), bad, at=1 - shipped().accepted_from),
            "resemblance of the beats": _row(1 - alike, bad),
        },
        "faults put on leads of accepted recordings": _faults(graded, settings.seed),
    }
    data = [Data("CinC 2011, set-a", f"held-out third, {int((~bad).sum())} accepted, {int(bad.sum())} not")]
    if settings.alivecor is not None:
        values["strips of a hand-held device"] = _strips(settings.alivecor)
        data.append(Data("AliveCor, CinC 2017", "all, never learned from"))
    if settings.clinical is not None:
        values["clinical recordings"] = _clinical(settings.clinical)
        data.append(Data("PTB-XL", "every fifth of folds 1-8, never learned from"))
    notes = [
        "AUROC of telling apart what the graders accepted from what they did not; BCa intervals over recordings, equal "
        "copies counted once. Accuracy, sensitivity (to what was not accepted) and specificity at the probability "
        f"({shipped().accepted_from:g}) that sorts best in cross-validation on the other two thirds; intervals of "
        "shares by Wilson's score."
    ]
    return settings.results(values, data=data, n=len(graded), notes=notes)


def _row(scores: Array, bad: npt.NDArray[np.bool_], at: float | None = None) -> dict[str, Value]:
    found = bootstrap(
        lambda weights: weighted_auroc(scores, bad, weights), len(scores), replicates=_REPLICATES, method="bca", seed=0
    )
    row = {"AUROC": Value.of(found, better="higher")}
    if at is not None:
        refused = scores > at
        row["accuracy"] = Value.of(wilson(refused == bad), better="higher")
        row["sensitivity"] = Value.of(wilson(refused[bad]), better="higher")
        row["specificity"] = Value.of(wilson(~refused[~bad]), better="higher")
    return row


def _flat(lead: Array, fs_hz: float, rng: np.random.Generator) -> Array:
    return np.full_like(lead, rng.normal())


def _off(lead: Array, fs_hz: float, rng: np.random.Generator) -> Array:
    time = np.arange(lead.size) / fs_hz
    return 0.05 * rng.standard_normal(lead.size) + 0.2 * np.sin(2 * np.pi * (50 * time + rng.random()))


def _saturated(lead: Array, fs_hz: float, rng: np.random.Generator) -> Array:
    """An amplifier whose range ends at a third of the beats' height."""
    middle = np.median(lead)
    low, high = np.percentile(lead, [1, 99])
    reach = max(high - middle, middle - low) / 3
    return np.clip(lead, middle - reach, middle + reach)


def _moved(lead: Array, fs_hz: float, rng: np.random.Generator) -> Array:
    """Bursts of a random walk of 2 mV over two thirds of the time, as of a moving electrode."""
    walk = np.cumsum(rng.standard_normal(lead.size)) * np.sqrt(1 / fs_hz)
    walk -= np.convolve(walk, np.ones(int(fs_hz)) / int(fs_hz), mode="same")
    burst = (np.sin(2 * np.pi * (0.25 * np.arange(lead.size) / fs_hz + rng.random())) > -0.5).astype(np.float64)
    return lead + 2.0 * walk / max(walk.std(), 1e-9) * burst


def _mains(lead: Array, fs_hz: float, rng: np.random.Generator) -> Array:
    time = np.arange(lead.size) / fs_hz
    return lead + 1.5 * np.sin(2 * np.pi * (50 * time + rng.random()))


#: Fault -> how it is made, and the word that its name must hold.
FAULTS: Mapping[str, tuple[Fault, str]] = {
    "flat": (_flat, "flat"),
    "lead off": (_off, "off"),
    "saturated": (_saturated, "saturated"),
    "movement": (_moved, "movement"),
    "mains": (_mains, "mains"),
}


def _faults(graded: list[Graded], seed: int) -> dict[str, dict[str, Value]]:
    """Share of damaged leads that were refused or flagged, and by their name; and of exchanged arms that were found."""
    clean = [item.record for item in graded if item.acceptable and not quality_report(item.record).lead_reasons]
    rows: dict[str, dict[str, Value]] = {}
    for number, (name, (damage, word)) in enumerate(FAULTS.items()):
        found, named = [], []
        for k, record in enumerate(clean):
            rng = np.random.default_rng((seed, number, k))
            lead = int(rng.integers(len(record.leads)))
            signal = record.signal_mv.astype(np.float64)
            signal[lead] = damage(signal[lead], record.fs_hz, rng)
            report = quality_report(replace(record, signal_mv=signal.astype(np.float32)))
            quality = report.leads[record.leads[lead]]
            reason = quality.problem or quality.doubt or ""
            found.append(bool(reason))
            named.append(word in reason)
        rows[name] = {
            "found": Value.of(wilson(found), better="higher"),
            "named rightly": Value.of(wilson(named), better="higher"),
        }
    reversed_arms = [quality_report(exchange_arms(record)).arms_reversed for record in clean]
    before = [quality_report(record).arms_reversed for record in clean]
    rows["exchanged arms"] = {
        "found": Value.of(wilson(reversed_arms), better="higher"),
        "named rightly": Value.of(wilson(reversed_arms), better="higher"),
    }
    rows["none"] = {"exchanged arms suspected": Value.of(wilson(before), better="lower")}
    return rows


def _strips(root: Path) -> dict[str, dict[str, Value]]:
    """Strips that the readers of CinC 2017 called too noisy (~) against all others."""
    source = open_source(root, fs_hz=None)
    reports, noisy = [], []
    for record in source:
        reports.append(quality_report(record))
        noisy.append(record.report == NOISY)
    bad = np.array(noisy)
    scores = np.array([np.nanmax([lead.score for lead in report.leads.values()]) for report in reports])
    flagged = np.array([bool(r.lead_reasons) or any(lead.doubt for lead in r.leads.values()) for r in reports])
    row = _row(scores, bad)
    row["sensitivity"] = Value.of(wilson(flagged[bad]), better="higher")
    row["specificity"] = Value.of(wilson(~flagged[~bad]), better="higher")
    return {"too noisy by the readers; refused or flagged": row}


def _clinical(root: Path) -> dict[str, dict[str, Value]]:
    """Recordings that cardiologists read: how many would be refused or flagged."""
    source = open_source(root)
    rows = source.split("train")[::5]
    reports = [quality_report(source[int(row)]) for row in rows]
    ninth = [source[int(row)] for row in source.split("val")]
    return {
        "fold 9, arms exchanged": {
            "exchange suspected": Value.of(wilson([arms_reversed(exchange_arms(r)) for r in ninth]), better="higher")
        },
        "fold 9, as recorded": {
            "exchange suspected": Value.of(wilson([arms_reversed(r) for r in ninth]), better="lower")
        },
        "read by cardiologists": {
            "refused": Value.of(wilson([not r.ok for r in reports]), better="lower"),
            "a lead called doubtful": Value.of(
                wilson([any(lead.doubt for lead in r.leads.values()) for r in reports]), better="lower"
            ),
            "called hardly acceptable": Value.of(wilson([not r.accepted for r in reports]), better="lower"),
        },
    }
