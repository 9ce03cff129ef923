"""Chooses what to draw: the most and least credible samples, pairs that look alike, a map of both sets."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gen.leads import derivable
from gen.records import EcgRecord
from metrics.report import figures
from metrics.report.entries import Picture
from metrics.statistics.arrays import Array
from metrics.statistics.distances import nearest
from metrics.suite.job import Job

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 100.0


#: Seconds that the pictures of a kind take, about, so that what is left of them is known.
_SECONDS = {"spectra": 4, "amplitudes": 8, "parameters": 3, "waveform": 3, "features": 1, "pairs": 1, "copies": 1}


def gather(job: Job) -> tuple[Picture, ...]:
    """Draw everything for the page."""
    wanted = _wanted(job)
    total = sum(_SECONDS[name] for name in wanted)
    found: list[Picture] = []
    for name, draw in wanted.items():
        found += draw(job)
        job.progress.advance(_SECONDS[name] / total)
    return tuple(found)


def _wanted(job: Job) -> dict[str, Callable[[Job], list[Picture]]]:
    """What there is to draw, in the order of the page."""
    there = {
        "spectra": (job.drawn.spectra is not None, _spectra),
        "amplitudes": (job.drawn.spectra is not None, _amplitudes),
        "parameters": (job.drawn.parameters is not None, _parameters),
        "waveform": (job.drawn.waveform is not None, _waveform),
        "features": (bool(job.extractors), _feature_pictures),
        "pairs": (job.pairs is not None, _pair_pictures),
        "copies": (job.drawn.copies is not None, _copy_pictures),
    }
    return {name: draw for name, (known, draw) in there.items() if known}


def _spectra(job: Job) -> list[Picture]:
    assert job.drawn.spectra is not None
    real, fake, hz = job.drawn.spectra
    drawn = figures.spectra(real, fake, hz, figures.lead_names(real.shape[1], job.real.leads))
    return [_picture("Physics", drawn, "Mean power spectrum of each lead.", plot=True)]


def _amplitudes(job: Job) -> list[Picture]:
    assert job.drawn.spectra is not None
    real, fake, _ = job.drawn.spectra
    drawn = figures.amplitudes(real, fake, figures.lead_names(real.shape[1], job.real.leads))
    return [_picture("Physics", drawn, "Distribution of the sample values of each lead.", plot=True)]


def _parameters(job: Job) -> list[Picture]:
    assert job.drawn.parameters is not None
    drawn = figures.parameters(job.drawn.parameters)
    return [_picture("ECG parameters", drawn, "Distributions of the measured parameters.", plot=True)]


def _waveform(job: Job) -> list[Picture]:
    assert job.drawn.waveform is not None
    drawn = figures.parameters(job.drawn.waveform)
    caption = "Waveform descriptors that tell most: the first three of all, then the first of each family."
    return [_picture("Waveform", drawn, caption, plot=True)]


def _feature_pictures(job: Job) -> list[Picture]:
    extractor = job.extractors[0]
    real, fake = _standard(job.features(extractor, "real"), job.features(extractor, "generated"))
    section = "Distribution of features" if "features" in job.preset.sections else "Samples"
    found = [_map(job, real, fake, section)]
    order = density_order(real, fake)
    middle = len(order) // 2
    chosen = {"best": order[:3], "median": order[middle - 1 : middle + 2], "worst": order[-3:]}
    records = [_titled(job.generated.record(int(i)), name) for name, rows in chosen.items() for i in rows]
    from gen.plot import contact_sheet

    sheet = contact_sheet(records, columns=3, title=f"Generated samples by feature density ({extractor.name})")
    caption = (
        "Top row: in the densest part of the real features; middle row: median; bottom row: farthest from any real "
        f"record (distance to the 5th nearest real record, features of {extractor.name})."
    )
    return [*found, _picture(section, sheet, caption)]


def density_order(real: Array, fake: Array, k: int = 5) -> npt.NDArray[np.int64]:
    """Generated rows from the most to the least credible: by distance to the k-th nearest real one."""
    k = min(k, len(real))
    return np.argsort(nearest(fake, real, k)[0][:, -1], kind="stable")


def _map(job: Job, real: Array, fake: Array, section: str) -> Picture:
    if job.preset.map == "tsne" and len(real) + len(fake) >= 30:
        points, method = _tsne(real, fake, job.seed), "t-SNE"
    else:
        points, method = figures.principal_components(real, fake), "PCA"
    drawn = figures.feature_map(*points, method)
    return _picture(section, drawn, f"{method} map of the features of {job.extractors[0].name}.", "70%", plot=True)


def _tsne(real: Array, fake: Array, seed: int) -> tuple[Array, Array]:
    from sklearn.manifold import TSNE

    rows = [each[np.linspace(0, len(each) - 1, min(len(each), 1000)).astype(int)] for each in (real, fake)]
    both = np.concatenate(rows)
    made = TSNE(perplexity=min(30, (len(both) - 1) / 3), random_state=seed, init="pca").fit_transform(both)
    return made[: len(rows[0])], made[len(rows[0]) :]


def _pair_pictures(job: Job) -> list[Picture]:
    """The pairs with the smallest, median and largest error, real one in green."""
    from gen.plot import plot_ecg

    assert job.pairs is not None
    few = np.arange(len(job.pairs))[: job.preset.distance_records]
    real = job.slow("real", job.pairs.real[few])
    fake = job.slow("generated", job.pairs.generated[few])
    order = few[np.argsort(((real - fake) ** 2).mean(axis=(1, 2)), kind="stable")]
    found = []
    places = {"smallest": 0, "median": len(order) // 2, "largest": -1}
    for name, place in places.items():
        if not job.preset.thorough and name == "smallest":
            continue
        pair = order[place]
        record = job.generated.record(int(job.pairs.generated[pair]))
        truth = job.real.record(int(job.pairs.real[pair]))
        stated = record.metadata.get("observed_leads")
        observed = [lead for lead in stated if lead in record.leads] if isinstance(stated, list) else None
        drawn = plot_ecg(record, overlay=truth, observed=observed, title=f"{name} error", overlay_label="real")
        found.append(_picture("Paired waveform error", drawn, f"Pair with the {name} error; the real record in green."))
    return found


def _copy_pictures(job: Job) -> list[Picture]:
    from gen.plot import contact_sheet

    assert job.drawn.copies is not None
    against, pairs = job.drawn.copies
    records: list[EcgRecord] = []
    for generated, partner, correlation, lag in pairs[:4]:
        records.append(_titled(job.generated.record(generated), f"generated r={correlation:.4f}"))
        records.append(_titled(_all_leads(against.record(partner)), f"its nearest, lag {lag:+.3f} s"))
    sheet = contact_sheet(records, columns=2, title="Nearest pairs by cross-correlation")
    return [_picture("Privacy", sheet, "Left: generated; right: the most similar record it may be copied from.")]


def _all_leads(record: EcgRecord) -> EcgRecord:
    """With the leads that follow from those that were kept for the comparison."""
    return record.select(derivable(record.leads))


def _titled(record: EcgRecord, title: str) -> EcgRecord:
    return replace(record, record_id=f"{title}: {record.record_id}")


def _standard(real: Array, fake: Array) -> tuple[Array, Array]:
    centre, spread = real.mean(axis=0), real.std(axis=0)
    spread = np.where(spread > 1e-12, spread, 1.0)
    return (real - centre) / spread, (fake - centre) / spread


def _picture(section: str, figure: "Figure", caption: str, width: str | None = None, *, plot: bool = False) -> Picture:
    """A picture of the page; a ``plot`` is kept as drawing, too (a sheet of ECGs would take megabytes)."""
    from gen.plot import render

    drawing = {kind: render(figure, kind) for kind in ("svg", "pdf")} if plot else {}
    return Picture(section, caption, render(figure, "png", dpi=_DPI), width, drawing)
