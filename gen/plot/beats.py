"""Median beats of several ECGs, one over the other, lead by lead."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gen.leads import LEADS_12
from gen.plot.files import house_style
from gen.plot.layout import A4_WIDTH_MM, SIDE_MM
from gen.plot.paper import INK, OBSERVED, OVERLAY, RECONSTRUCTED, WARNING, blank_figure, draw_grid, mm_axes
from gen.plot.traces import draw_line
from gen.records import EcgRecord
from gen.signals import resample

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Three times the speed of a page: a beat is short.
MM_PER_S = 75.0
_GAINS = (20.0, 10.0, 5.0, 2.5)
_COLUMNS, _ROWS, _WIDTH_MM, _CELL_MM, _GAP_MM, _TOP_MM, _BOTTOM_MM = 4, 3, 65.0, 60.0, 8.0, 18.0, 10.0
_COLOURS = (OVERLAY, OBSERVED, RECONSTRUCTED)


@dataclass(frozen=True, eq=False)
class Beat:
    """A beat to draw.

    Attributes:
        label: in the legend.
        signal_mv: (12, time) in mV of the twelve leads, without the level before QRS.
        fs_hz: its rate.
        before_s: from its start to the middle of QRS.
    """

    label: str
    signal_mv: np.ndarray
    fs_hz: float
    before_s: float


def at_every_beat(record: EcgRecord, beat: Beat, times_s: Sequence[float]) -> EcgRecord:
    """A beat at every beat of a record, at the level of its leads, and nothing between: to be laid over the record.

    Args:
        record: whose rate, length and levels count.
        beat: of any rate; a lead whose form is NaN stays empty.
        times_s: middles of the record's QRS complexes.
    """
    form = resample(beat.signal_mv, beat.fs_hz, record.fs_hz)
    signal = np.full((len(LEADS_12), record.num_samples), np.nan, dtype=np.float32)
    levels = np.nanmedian(record.to_12().signal_mv, axis=1)
    for middle_s in times_s:
        first = round((middle_s - beat.before_s) * record.fs_hz)
        start, stop = max(first, 0), min(first + form.shape[1], record.num_samples)
        if stop > start:
            signal[:, start:stop] = form[:, start - first : stop - first] + levels[:, None]
    return replace(record, signal_mv=signal, leads=LEADS_12)


def plot_beats(beats: Sequence[Beat], *, title: str, synthetic: bool = True) -> "Figure":
    """Draw beats over each other, aligned at QRS; the first one thin, as what the others are compared with.

    Args:
        beats: one to three.
        title: heading.
        synthetic: mark the picture.

    Raises:
        ValueError: none, more than three, or a signal that is not (12, time).
    """
    if not 1 <= len(beats) <= len(_COLOURS):
        raise ValueError(f"{len(beats)} beats; accepted: 1 to {len(_COLOURS)}")
    for beat in beats:
        if beat.signal_mv.ndim != 2 or beat.signal_mv.shape[0] != len(LEADS_12):
            raise ValueError(f"{beat.label}: shape {beat.signal_mv.shape}; accepted: (12, time)")
    gain = _gain(beats)
    before_s = max(beat.before_s for beat in beats)
    width = _WIDTH_MM
    height = _TOP_MM + _ROWS * _CELL_MM + (_ROWS - 1) * _GAP_MM + _BOTTOM_MM
    with house_style():
        figure = blank_figure(A4_WIDTH_MM, height)
        page = mm_axes(figure, 0, 0, A4_WIDTH_MM, height)
        page.text(SIDE_MM, height - 8, title, fontsize=12, fontweight="bold", color=INK, va="center", parse_math=False)
        note = f"median beats, {MM_PER_S:g} mm/s, {gain:g} mm/mV"
        page.text(A4_WIDTH_MM - SIDE_MM, height - 8, note, fontsize=8, color="#555555", ha="right", va="center")
        for place, beat in enumerate(beats):
            x = SIDE_MM + 70 * place
            page.plot((x, x + 8), (5, 5), color=_COLOURS[place], linewidth=1.4)
            page.text(x + 10, 5, beat.label, fontsize=8.5, color=INK, va="center", parse_math=False)
        if synthetic:
            text = "Synthetic: made by software, not for diagnosis"
            page.text(A4_WIDTH_MM - SIDE_MM, 5, text, fontsize=8, color=WARNING, ha="right", va="center")
        for number, lead in enumerate(LEADS_12):
            column, row = divmod(number, _ROWS)
            bottom = height - _TOP_MM - (row + 1) * _CELL_MM - row * _GAP_MM
            axes = mm_axes(figure, SIDE_MM + column * (width + _GAP_MM), bottom, width, _CELL_MM)
            axes.set(xlim=(0, width), ylim=(0, _CELL_MM))
            draw_grid(axes, 0, 0, width, _CELL_MM, step=5.0)
            level = _level([beat.signal_mv[number] for beat in beats], gain)
            for place, beat in enumerate(beats):
                seconds = np.arange(beat.signal_mv.shape[1]) / beat.fs_hz + before_s - beat.before_s
                ys = level + gain * beat.signal_mv[number]
                points = 0.6 if place == 0 and len(beats) > 1 else 1.1
                draw_line(
                    axes,
                    3 + seconds * MM_PER_S,
                    ys,
                    colour=_COLOURS[place],
                    points=points,
                    zorder=4 + place,
                    gid=f"beat-{place}-{lead}",
                )
            axes.text(
                width - 2, _CELL_MM - 4, lead, fontsize=9.5, fontweight="bold", color=INK, ha="right", va="center"
            )
    return figure


def _gain(beats: Sequence[Beat]) -> float:
    """The largest at which every lead fits its place."""
    spans = []
    for number in range(len(LEADS_12)):
        values = np.concatenate([beat.signal_mv[number] for beat in beats])
        values = values[np.isfinite(values)]
        spans.append(float(np.ptp(values)) if values.size else 0.0)
    room = _CELL_MM - 10.0
    return next((gain for gain in _GAINS if max(spans) * gain <= room), _GAINS[-1])


def _level(signals: Sequence[np.ndarray], gain: float) -> float:
    """Zero line of a place, on a line of the grid: what is drawn stands in the middle."""
    values = np.concatenate(signals)
    values = values[np.isfinite(values)]
    if not values.size:
        return _CELL_MM / 2
    middle = gain * (float(values.max()) + float(values.min())) / 2
    return 5.0 * round((_CELL_MM / 2 - middle) / 5)
