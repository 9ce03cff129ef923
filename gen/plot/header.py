"""What is written around the traces: whose ECG it is, the scale, the synthetic mark, the legend."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gen.plot.layout import MM_PER_MV, MM_PER_S, NOTE_MM, PageLayout
from gen.plot.paper import INK, WARNING, Sheet
from gen.records import EcgRecord

if TYPE_CHECKING:
    from matplotlib.artist import Artist

SYNTHETIC = "SYNTHETIC"
_GREY = "#555555"
_HEART_RATE_KEYS = ("heart_rate_bpm", "heart_rate", "hr_bpm")


def patient_text(record: EcgRecord) -> str:
    """Age and sex as printed, for example ``'63 years, female'``; what is unknown is said to be unknown."""
    patient = record.patient
    age = "age unknown" if patient.age is None else f"{patient.age:g} years"
    sex = {"F": "female", "M": "male", None: "sex unknown"}[patient.sex]
    return f"{age}, {sex}"


def settings_text(record: EcgRecord) -> str:
    """Speed, gain, sampling rate and filter as printed."""
    filters = record.metadata.get("filter") or "no display filter"
    return f"{MM_PER_S:g} mm/s   {MM_PER_MV:g} mm/mV   {record.fs_hz:g} Hz   {filters}"


def finding_text(record: EcgRecord) -> str:
    """Statement codes, then the report, on one line."""
    codes = " ".join(record.statements)
    report = " ".join((record.report or "").split())
    return " \N{MIDDLE DOT} ".join(part for part in (codes, report) if part)


def draw_header(
    sheet: Sheet, layout: PageLayout, record: EcgRecord, title: str | None, shown: str, notes: Sequence[str] = ()
) -> None:
    """Lines above the grid: identity, patient, findings and notes to the left; settings and the mark to the right."""
    left, right = layout.grid[0], layout.grid[0] + layout.grid[2]
    top = layout.height_mm
    page = sheet.page
    name = record.record_id if title is None else f"{title}   ({record.record_id})"
    page.text(left, top - 8, _fit(name, 82), fontsize=13, fontweight="bold", color=INK, va="center", parse_math=False)
    facts = [patient_text(record)]
    if record.patient.id is not None:
        facts.insert(0, f"patient {record.patient.id}")
    rate = next((record.metadata[key] for key in _HEART_RATE_KEYS if record.metadata.get(key)), None)
    if isinstance(rate, int | float):
        facts.append(f"{rate:.0f} bpm")
    page.text(left, top - 14.5, _fit(", ".join(facts), 110), fontsize=9, color=INK, va="center", parse_math=False)
    page.text(left, top - 20.5, _fit(finding_text(record), 125), fontsize=8, color=_GREY, va="center", parse_math=False)
    page.text(
        right, top - 14.5, settings_text(record), fontsize=9, color=INK, va="center", ha="right", parse_math=False
    )
    page.text(right, top - 20.5, shown, fontsize=8, color=_GREY, va="center", ha="right")
    for number, note in enumerate(notes, 1):
        level = top - 20.5 - NOTE_MM * number
        page.text(left, level, _fit(note, 150), fontsize=8.5, color=INK, va="center", parse_math=False, gid="note")
    if record.synthetic:
        box = {"boxstyle": "round,pad=0.35", "facecolor": WARNING, "edgecolor": "none"}
        page.text(
            right - 1.5, top - 7.5, SYNTHETIC, fontsize=12, fontweight="bold", color="white", ha="right", va="center",
            bbox=box, gid="synthetic",
        )  # fmt: skip


def draw_footer(sheet: Sheet, layout: PageLayout, record: EcgRecord, handles: "Sequence[Artist]") -> None:
    """Legend to the left, the plain-words warning of a synthetic record to the right."""
    left, right = layout.grid[0], layout.grid[0] + layout.grid[2]
    if handles:
        legend = sheet.page.legend(
            handles=list(handles),
            loc="center left",
            bbox_to_anchor=(left, layout.grid[1] / 2),
            bbox_transform=sheet.page.transData,
            ncols=len(handles),
            fontsize=8,
            frameon=False,
            borderpad=0,
            borderaxespad=0,
            handlelength=2.2,
            columnspacing=2.0,
        )
        legend.set_gid("legend")
    if record.synthetic:
        words = "Synthetic: made or completed by software, not a recording for diagnosis"
        sheet.page.text(right, layout.grid[1] / 2, words, fontsize=8, color=WARNING, ha="right", va="center")


def _fit(text: str, width: int) -> str:
    """At most ``width`` characters of one line."""
    return textwrap.shorten(text, width, placeholder=" …") if " " in text else text[:width]
