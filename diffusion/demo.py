"""The section of ``physiogen demo`` on text to ECG: eight prompts, what was measured on the answers, and a picture."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gen import registry
from gen.records import EcgRecord
from metrics.measurement.records import measure_records

if TYPE_CHECKING:
    from gen.page import Page

#: Prompt, age, sex, heart rate in bpm.
PROMPTS = (
    ("normal ECG", 35, "F", 68),
    ("sinus tachycardia", 28, "M", 125),
    ("sinus bradycardia", 60, "M", 48),
    ("atrial fibrillation", 74, "F", 110),
    ("left bundle branch block", 69, "M", 80),
    ("complete right bundle branch block", 66, "M", 75),
    ("left ventricular hypertrophy", 58, "M", 72),
    ("Vorderwandinfarkt, Sinusrhythmus", 63, "F", 85),
)


def section(page: "Page", hearts: Sequence[EcgRecord], seed: int) -> list[str]:
    """Add the section; returns lines for stdout."""
    del hearts
    from gen.plot import contact_sheet, plot_ecg

    pipeline = registry.load("synthesize")
    pipeline.set_progress_bar_config(disable=True)
    texts, ages, sexes, rates = (list(column) for column in zip(*PROMPTS, strict=True))
    records = pipeline(texts, age=ages, sex=sexes, heart_rate=rates, seed=seed)
    measured = measure_records(records)
    page.heading("ECGs from text")
    page.text(
        "Forms of beats and habits of recordings, learned from PTB-XL's folds 1-8 and from simulated ECGs, were asked "
        "for the findings, ages, sexes and rates below. Rates and intervals were measured on what was generated."
    )
    rows = [
        (text, f"{age} {sex}", rate, _whole(p.hr_bpm), _whole(p.pr_ms), _whole(p.qrs_ms), _whole(p.qtcb_ms))
        for (text, age, sex, rate), p in zip(PROMPTS, measured, strict=True)
    ]
    heads = ["asked", "patient", "rate asked (bpm)", "rate", "PR (ms)", "QRS (ms)", "QTc (ms)"]
    page.table(heads, rows, caption=f"Asked and measured; seed {seed}")
    page.figure(contact_sheet(records, title="Generated from text"), "Synthetic; not recorded from anybody.")
    page.figure(plot_ecg(records[3]), f"Asked: {texts[3]}, {ages[3]} {sexes[3]}, {rates[3]} bpm.")
    off = np.array([abs(p.hr_bpm - rate) for p, rate in zip(measured, rates, strict=True)])
    return [f"text      -> {len(records)} ECGs; measured rates differ from the request by {np.nanmean(off):.1f} bpm"]


def _whole(value: float) -> str:
    return f"{value:.0f}" if np.isfinite(value) else "–"
