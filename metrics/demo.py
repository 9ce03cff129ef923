"""The sections of ``physiogen demo`` on measuring and on judging."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gen.records import EcgRecord

if TYPE_CHECKING:
    from gen.page import Page

#: Name in the simulated truth and among the parameters -> heading and unit.
MEASURED = {"hr_bpm": "rate (bpm)", "pr_ms": "PR (ms)", "qrs_ms": "QRS (ms)", "qt_ms": "QT (ms)"}
#: Records of each set that is judged, and the noise that is added to the second one, mV.
JUDGED, NOISE_MV = 60, 0.05


def measure_section(page: "Page", hearts: Sequence[EcgRecord], seed: int) -> list[str]:
    """Add what was measured on the hearts beside their truth; returns lines for stdout."""
    from metrics.measurement.records import measure_records

    del seed
    found = measure_records(list(hearts))
    rows, lines = [], []
    for name, heading in MEASURED.items():
        truth = np.array([float(heart.metadata["truth"].get(name) or np.nan) for heart in hearts])
        error = np.abs(np.array([getattr(each, name) for each in found]) - truth)
        known = int(np.isfinite(error).sum())
        if known:
            rows.append((heading, known, float(np.nanmedian(error)), float(np.nanmax(error))))
            lines.append(f"{heading.split(' ')[0]} {np.nanmedian(error):.1f}")
    page.heading("Measured ECGs")
    page.text("Rate and intervals of the simulated hearts, measured on their ECGs and held against the truth.")
    page.table(["parameter", "hearts", "median error", "largest error"], rows, caption="Against simulated truth")
    return [f"measure   -> {len(found)} ECGs; median errors: {', '.join(lines)}"]


def benchmark_section(page: "Page", hearts: Sequence[EcgRecord], seed: int) -> list[str]:
    """Judge a second cohort, clean and with noise, against a first one; returns lines for stdout."""
    from gen.io import write
    from gen.simulate import simulate
    from metrics.report.lights import words
    from metrics.suite import benchmark
    from metrics.suite.presets import Preset

    del hearts
    preset = Preset("demo", ("features",), halvings=4, slow_halvings=2, max_records=JUDGED, thorough=False)
    options = {"noise": "light", "fs_hz": 100.0}
    real, other = (simulate(range(JUDGED), seed=1000 + seed + k, **options).records() for k in range(2))  # type: ignore[arg-type]
    rng = np.random.default_rng(seed)
    noisy = [
        replace(each, signal_mv=each.signal_mv + NOISE_MV * rng.standard_normal(each.signal_mv.shape)) for each in other
    ]
    rows: list[tuple[object, ...]] = []
    told: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        write(real, Path(place) / "real", format="npz")
        for name, records in (("another cohort", other), (f"the same, {1000 * NOISE_MV:g} uV of noise added", noisy)):
            folder = write(records, Path(place) / name.split(",")[0] / str(len(rows)), format="npz")
            report = benchmark(
                real=Path(place) / "real", generated=folder, preset=preset, extractors=["random-conv"], seed=seed
            )
            each = report["two_sample_auroc"]
            rows.append((name, each.value, each.floor, words(each), report["precision"].value, report["recall"].value))
            told.append(f"{each.value:.2f}")
    page.heading("Judged sets")
    page.text(
        f"{JUDGED} simulated ECGs stand for recordings, {JUDGED} of other hearts for a generator's; then the same with "
        "noise. How well a judge tells them from the first ones (.5: not at all), beside the floor: one half of the "
        "'recordings' told from the other half."
    )
    heads = ["set", "two-sample AUROC", "floor", "in words", "precision", "recall"]
    page.table(heads, rows, caption=f"n = {JUDGED} each; features: random convolutions")
    return [f"benchmark -> told from the first cohort (.5: not at all): another one {told[0]}, with noise {told[1]}"]
