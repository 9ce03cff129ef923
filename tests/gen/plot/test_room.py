"""Paper makes room for high voltages: rows, names and tiles."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from drawings import MM_PER_INCH, lines

from gen.leads import LEADS_12
from gen.plot import LAYOUTS, contact_sheet, plot_ecg
from gen.plot.layout import page_layout
from gen.records import EcgRecord


def tall_record(v2_mv: float = -5.0) -> EcgRecord:
    """Flat leads but for deep, narrow complexes of V2 and high ones of V3, from the first sample of their cells on."""
    time = np.arange(5000) / 500
    beats = np.exp(-0.5 * (((time + 0.02) % 0.8 - 0.03) / 0.01) ** 2)
    signal = np.zeros((12, 5000))
    signal[LEADS_12.index("V2")] = v2_mv * beats
    signal[LEADS_12.index("V3")] = 3.0 * beats
    return EcgRecord(signal, 500, LEADS_12)


@pytest.mark.parametrize("layout", ["3x4", "6x2", "12x1"])
def test_high_voltages_run_into_no_other_row(layout):
    figure = plot_ecg(tall_record(), layout=layout)
    found = lines(figure, "observed-")
    columns = {}
    for name, line in found.items():
        _, row, column = name.split("-")
        columns.setdefault(int(column), []).append((int(row), line.get_ydata()))
    for rows in columns.values():
        ordered = [y for _, y in sorted(rows, key=lambda each: each[0])]
        assert all(np.nanmin(upper) > np.nanmax(lower) for upper, lower in itertools.pairwise(ordered))
    if layout == "3x4":  # the strip below runs under all columns
        assert np.nanmin(found["V3-2-2"].get_ydata()) > np.nanmax(found["II-3-0"].get_ydata())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("turned", [1.0, -1.0])
def test_no_name_is_crossed_by_a_trace(layout, turned):
    record = tall_record()
    record = replace(record, signal_mv=turned * record.signal_mv)
    figure = plot_ecg(record, layout=layout, rhythm="V2")
    figure.canvas.draw()
    traces = [line.get_transform().transform(line.get_xydata()) for line in lines(figure, "observed-").values()]
    labels = [text for axes in figure.axes for text in axes.texts if str(text.get_gid()).startswith("label-")]
    assert labels
    for label in labels:
        box = label.get_window_extent()
        for xy in traces:
            inside = (xy[:, 0] > box.x0) & (xy[:, 0] < box.x1)
            # A line between samples on both sides of the name would cross it, too.
            assert not (inside & (xy[:, 1] > box.y0) & (xy[:, 1] < box.y1)).any(), label.get_text()
            if inside.any():
                assert (xy[inside, 1] < box.y0).all() or (xy[inside, 1] > box.y1).all(), label.get_text()


def test_a_page_of_usual_voltages_stays_a4_and_as_it_was():
    flat = EcgRecord(np.zeros((12, 5000)), 500, LEADS_12)
    (width, height) = plot_ecg(flat).get_size_inches() * MM_PER_INCH
    assert (width, height) == pytest.approx((297, 210))
    page = page_layout("3x4", duration_s=10)
    same = page_layout("3x4", duration_s=10, room=lambda cell: (15.0, 5.0))
    assert same == page
    grown = page_layout("3x4", duration_s=10, room=lambda cell: (60.0, 30.0))
    assert grown.height_mm > 210
    assert all((cell.y_mm - grown.grid[1]) % 5 == 0 for cell in grown.cells)


def test_a_contact_sheet_gives_every_row_of_tiles_its_height():
    usual = EcgRecord(np.zeros((12, 5000)), 500, LEADS_12)
    plain, mixed = contact_sheet([usual] * 6), contact_sheet([usual] * 3 + [tall_record(), usual, usual])
    assert mixed.get_size_inches()[1] > plain.get_size_inches()[1]
    heights = [axes.get_position().height * mixed.get_size_inches()[1] for axes in mixed.axes[1:]]
    assert heights[:3] == pytest.approx([heights[0]] * 3)
    assert heights[3] > heights[0]
    assert heights[3:] == pytest.approx([heights[3]] * 3)
