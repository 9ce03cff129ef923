"""gen.plot: the scale is measured on the drawing, in its transforms, in its SVG and in its pixels."""

import io
import re
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from drawings import FS_HZ, MM_PER_INCH, lines, ramp_record, texts

from gen.leads import LEADS_8, LEADS_12
from gen.plot import LAYOUTS, contact_sheet, plot_ecg, render, save
from gen.plot.layout import column_starts, page_layout
from gen.plot.traces import observed_mask, split_trace
from gen.records import EcgRecord, InputError, Patient


def page_mm(figure, line) -> np.ndarray:
    """Position of a line's points on the saved page in mm: (point, 2), through matplotlib's own transforms."""
    return line.get_transform().transform(line.get_xydata()) / figure.dpi * MM_PER_INCH


def pixels(figure, dpi: float) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(render(figure, dpi=dpi))).convert("RGB")).astype(int)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_second_is_25_mm_and_one_millivolt_10_mm(layout):
    record = ramp_record()
    figure = plot_ecg(record, layout=layout)
    traces = lines(figure, "observed-")
    assert len(traces) == {"3x4": 13, "6x2": 13, "12x1": 12, "cabrera": 13, "strip": 1}[layout]
    for name, line in traces.items():
        places = page_mm(figure, line)
        steps = np.diff(places, axis=0)
        np.testing.assert_allclose(steps[:, 0], 25.0 / FS_HZ, atol=1e-6)
        sign = -1 if layout == "cabrera" and name.startswith("aVR") else 1  # drawn upside down
        assert sign * (places[-1, 1] - places[0, 1]) == pytest.approx(0.1 * (len(places) - 1) / FS_HZ, abs=1e-4)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_calibration_pulse_is_10_mm_high_and_5_mm_wide(layout):
    figure = plot_ecg(ramp_record(25), layout=layout)
    pulses = lines(figure, "calibration-")
    assert len(pulses) == {"3x4": 4, "6x2": 7, "12x1": 12, "cabrera": 7, "strip": 3}[layout]
    for pulse in pulses.values():
        x, y = page_mm(figure, pulse).T
        assert np.ptp(y) == pytest.approx(10.0)
        assert np.ptp(x[y > y.mean()]) == pytest.approx(5.0)


@pytest.mark.parametrize("dpi", [127.0, 254.0])
def test_calibration_pulse_measured_in_pixels(dpi):
    """Look for ink left of the traces in the PNG: no transform of matplotlib is trusted here."""
    image = pixels(plot_ecg(ramp_record(leads=("V6",)), layout="strip"), dpi)
    per_mm = dpi / MM_PER_INCH
    ink = image.sum(axis=2) < 250
    left, right = (round(mm * per_mm) for mm in (8, 25))
    header = round(26 * per_mm)
    rows, columns = np.nonzero(ink[header:, left:right])
    stroke = 2  # a line covers a pixel or two itself
    assert np.ptp(rows) == pytest.approx(10 * per_mm, abs=stroke + 1)
    top = columns[rows <= rows.min() + 1]
    assert np.ptp(top) == pytest.approx(5 * per_mm, abs=stroke + 1)


def test_png_has_the_size_of_the_page_and_says_its_resolution():
    from PIL import Image

    image = Image.open(io.BytesIO(render(plot_ecg(ramp_record()))))
    assert image.size == (2970, 2100)  # A4 at ten pixels a millimetre
    assert image.info["dpi"] == pytest.approx((254, 254), abs=0.1)


def test_svg_and_pdf_have_the_size_of_the_page():
    figure = plot_ecg(ramp_record())
    svg = render(figure, "svg").decode()
    points = [float(value) for value in re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', svg).groups()]
    np.testing.assert_allclose(np.array(points) / 72 * MM_PER_INCH, (297, 210), atol=1e-3)
    box = re.search(rb"/MediaBox \[ ?([\d. ]+?) ?\]", render(figure, "pdf")).group(1).split()
    np.testing.assert_allclose(np.array(box[2:], float) / 72 * MM_PER_INCH, (297, 210), atol=0.01)


def test_scale_measured_in_the_svg_path():
    """The path of the calibration pulse in the file itself, in points of 1/72 inch."""
    svg = render(plot_ecg(ramp_record()), "svg").decode()
    path = re.search(r'<g id="calibration-0">\s*<path d="([^"]+)"', svg).group(1)
    places = np.array(re.findall(r"[ML] ([\d.-]+) ([\d.-]+)", path), float) / 72 * MM_PER_INCH
    assert np.ptp(places[:, 1]) == pytest.approx(10, abs=1e-3)


def test_a_personal_matplotlibrc_does_not_change_the_page():
    plain = render(plot_ecg(ramp_record()))
    mine = {"savefig.bbox": "tight", "font.size": 30, "figure.constrained_layout.use": True, "axes.facecolor": "blue"}
    with mpl.rc_context(mine):
        assert render(plot_ecg(ramp_record())) == plain
        assert mpl.rcParams["font.size"] == 30


def test_grid_lines_are_one_and_five_millimetres_apart():
    figure = plot_ecg(ramp_record())
    for name, step in (("fine", 1.0), ("heavy", 5.0)):
        (collection,) = (c for axes in figure.axes for c in axes.collections if c.get_gid() == f"grid-{name}")
        upright = sorted({round(s[0, 0], 6) for s in collection.get_segments() if s[0, 0] == s[1, 0]})
        np.testing.assert_allclose(np.diff(upright), step, atol=1e-5)


def test_columns_continue_in_time():
    """Lead V1 opens the third column of 3x4: its first sample there is that of second 5."""
    record = ramp_record()
    figure = plot_ecg(record)
    traces = lines(figure, "observed-")
    strip_x, strip_y = traces["II-3-0"].get_xydata().T
    for column, lead in enumerate(("I", "aVR", "V1", "V4")):
        x, y = traces[f"{lead}-0-{column}"].get_xydata().T
        first = round(2.5 * column * FS_HZ)
        assert x[0] == pytest.approx(strip_x[first])  # above its own moment of the rhythm strip
        zero_line = y - (strip_y[first : first + len(y)] - strip_y[0])
        np.testing.assert_allclose(zero_line, zero_line[0], atol=1e-5)


def test_reading_order_of_the_leads():
    cells = page_layout("3x4", duration_s=10).cells
    assert [cell.lead for cell in cells if cell.row == 0] == ["I", "aVR", "V1", "V4"]
    assert [cell.lead for cell in page_layout("6x2", duration_s=10, rhythm=None).cells] == list(LEADS_12)
    assert [cell.y_mm for cell in page_layout("12x1", duration_s=10).cells] == sorted(
        (cell.y_mm for cell in page_layout("12x1", duration_s=10).cells), reverse=True
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_cells_lie_inside_the_grid(layout):
    page = page_layout(layout, duration_s=30)
    left, bottom, width, height = page.grid
    assert bottom + height <= page.height_mm
    for cell in page.cells:
        assert left <= cell.x_mm
        assert cell.x_mm + cell.width_mm <= left + width
        assert bottom + page.pitch_mm / 2 - 2.5 <= cell.y_mm <= bottom + height - page.pitch_mm / 2 + 2.5
        assert (cell.y_mm - bottom) % 5 == 0  # zero lines on heavy lines


def test_long_recordings_wrap_in_a_strip():
    figure = plot_ecg(ramp_record(25, leads=("I",)), layout="strip")
    traces = lines(figure, "observed-")
    assert list(traces) == ["I-0-0", "I-1-0", "I-2-0"]
    assert [len(line.get_xydata()) for line in traces.values()] == [5001, 5001, 2500]
    assert {"I   0 s", "I   10 s", "I   20 s"} <= set(texts(figure))


def test_a_strip_of_hours_is_refused_but_a_part_of_it_is_drawn():
    hour = ramp_record(3600, leads=("I",), fs_hz=50)
    with pytest.raises(ValueError, match="at most 60 fit"):
        plot_ecg(hour, layout="strip")
    figure = plot_ecg(hour, layout="strip", start_s=1800, duration_s=20)
    assert len(lines(figure, "observed-")) == 2
    assert "1800 to 1820 s of 3600 s" in texts(figure)


def test_short_recordings_fill_every_column():
    figure = plot_ecg(ramp_record(4.0))
    assert len(lines(figure, "observed-")) == 13
    assert any("overlap" in text for text in texts(figure))
    assert column_starts(4, 4.0) == ([0.0, 0.5, 1.0, 1.5], True)
    assert column_starts(4, 9.9) == ([0.0, 2.5, 5.0, 7.5], False)


def test_missing_leads_are_empty_labelled_places():
    figure = plot_ecg(ramp_record(leads=("I", "V1")))
    assert set(lines(figure, "observed-")) == {"I-0-0", "V1-0-2"}
    assert set(LEADS_12) <= set(texts(figure))
    assert texts(figure).count("not recorded") == 11  # ten leads and the rhythm strip


def test_nan_is_a_gap_and_a_lead_of_nan_is_missing():
    record = ramp_record()
    signal = record.signal_mv.copy()
    signal[0, 100:200] = np.nan
    signal[1] = np.nan
    figure = plot_ecg(replace(record, signal_mv=signal))
    drawn = lines(figure, "observed-")
    assert np.isnan(drawn["I-0-0"].get_ydata()[100:200]).all()
    assert np.isfinite(drawn["I-0-0"].get_ydata()[[99, 200]]).all()
    assert not any(name.startswith("II-") for name in drawn)


def test_observed_is_black_and_the_rest_blue():
    record = ramp_record()
    figure = plot_ecg(record, observed={"II", "V1", "V5"})
    observed, made = lines(figure, "observed-"), lines(figure, "reconstructed-")
    assert set(observed) == {"II-1-0", "II-3-0", "V1-0-2", "V5-1-3"}
    assert len(made) == 9
    assert {line.get_color() for line in observed.values()} == {"#000000"}
    assert {line.get_color() for line in made.values()}.isdisjoint({"#000000"})
    legend = [text.get_text() for axes in figure.axes if axes.get_legend() for text in axes.get_legend().get_texts()]
    assert legend == ["observed", "reconstructed"]


def test_observed_mask_may_be_a_mask_or_names():
    record = ramp_record()
    mask = np.zeros(record.signal_mv.shape, bool)
    mask[0, 1000:] = True
    names = observed_mask(record, "II, V1")
    assert names.sum(axis=1).tolist() == [5000 if lead in ("II", "V1") else 0 for lead in LEADS_12]
    figure = plot_ecg(record, observed=mask)
    black, blue = lines(figure, "observed-")["I-0-0"], lines(figure, "reconstructed-")["I-0-0"]
    assert np.flatnonzero(np.isfinite(black.get_ydata()))[0] == 1000
    assert np.flatnonzero(np.isfinite(blue.get_ydata()))[-1] == 1000  # the two lines touch
    with pytest.raises(ValueError, match="III is not in the record"):
        observed_mask(ramp_record(leads=("I", "II")), ["III"])
    with pytest.raises(ValueError, match="must be bool of shape"):
        observed_mask(record, mask[:, :-1])
    with pytest.raises(ValueError, match="must be bool of shape"):
        observed_mask(record, mask.astype(float))


def test_split_trace_covers_every_sample_once_or_twice():
    values = np.arange(8.0)
    mask = np.array([0, 0, 1, 1, 1, 0, 0, 1], bool)
    measured, made = split_trace(values, mask)
    np.testing.assert_array_equal(np.isfinite(measured), mask)
    assert np.flatnonzero(np.isfinite(made)).tolist() == [0, 1, 2, 4, 5, 6, 7]


def test_band_surrounds_the_trace_at_scale():
    record = ramp_record()
    band = (record.signal_mv - 0.2, record.signal_mv + 0.3)
    figure = plot_ecg(record, observed=["I"], band=band, band_label="90 % band")
    shades = {
        c.get_gid(): c for axes in figure.axes for c in axes.collections if (c.get_gid() or "").startswith("band")
    }
    assert len(shades) == 13
    corners = shades["band-V1-0-2"].get_paths()[0].vertices
    trace = lines(figure, "reconstructed-")["V1-0-2"].get_ydata()
    assert corners[:, 1].max() - trace.max() == pytest.approx(3.0, abs=1e-4)
    assert trace.min() - corners[:, 1].min() == pytest.approx(2.0, abs=1e-4)
    with pytest.raises(ValueError, match="lower edge is above"):
        plot_ecg(record, band=band[::-1])
    with pytest.raises(ValueError, match="expected \\(12, 5000\\)"):
        plot_ecg(record, band=(band[0][:3], band[1][:3]))


def test_overlay_keeps_its_distance_from_the_trace_at_another_rate():
    record = ramp_record()
    truth = replace(
        ramp_record(leads=LEADS_8, fs_hz=250), signal_mv=ramp_record(leads=LEADS_8, fs_hz=250).signal_mv + 0.5
    )
    figure = plot_ecg(record, overlay=truth)
    drawn, overlay = lines(figure, "observed-"), lines(figure, "overlay-")
    assert len(overlay) == 9  # eight leads and the rhythm strip
    above = np.array([0.0, 5.0])  # half a millivolt
    expected = drawn["V1-0-2"].get_xydata()[:1250:2] + above
    np.testing.assert_allclose(overlay["V1-0-2"].get_xydata()[:625], expected, atol=1e-4)


def test_an_offset_does_not_push_a_lead_off_its_row():
    record = ramp_record()
    shifted = replace(record, signal_mv=record.signal_mv + 7.0)
    for name, line in lines(plot_ecg(shifted), "observed-").items():
        np.testing.assert_allclose(line.get_ydata(), lines(plot_ecg(record), "observed-")[name].get_ydata(), atol=1e-4)


def test_traces_are_clipped_to_the_grid():
    record = ramp_record(leads=("I",))
    signal = record.signal_mv.copy()
    signal[0, 1000:1500] = 60.0  # mV; 600 mm above the zero line
    image = pixels(plot_ecg(replace(record, signal_mv=signal), layout="strip"), 127)
    header = image[: round(24.5 * 5)]  # the grid starts 25 mm from the top
    second_2 = (26 + 2 * 25) * 5
    flight = header[:, second_2 - 4 : second_2 + 4]
    assert (flight.sum(axis=2) > 700).all()


def test_header_says_who_and_how():
    patient = Patient(id="P7", age=63, sex="F")
    record = ramp_record(record_id="visit_3", patient=patient, report="sinus\nrhythm", statements={"SR": 0.0})
    words = " | ".join(texts(plot_ecg(replace(record, metadata={"filter": "0.05-150 Hz", "heart_rate_bpm": 71.6}))))
    for expected in ("visit_3", "patient P7, 63 years, female, 72 bpm", "25 mm/s", "10 mm/mV", "500 Hz", "0.05-150 Hz"):
        assert expected in words
    assert "SR \N{MIDDLE DOT} sinus rhythm" in words
    assert "age unknown, sex unknown" in " | ".join(texts(plot_ecg(ramp_record())))


def test_synthetic_is_marked_and_only_then():
    real, made = ramp_record(), ramp_record(synthetic=True)
    assert "SYNTHETIC" in texts(plot_ecg(made))
    assert "SYNTHETIC" not in texts(plot_ecg(real))
    assert texts(contact_sheet([real, made, made])).count("SYNTHETIC") == 2


def test_dollar_signs_in_a_report_are_not_mathematics():
    render(plot_ecg(ramp_record(record_id="a$b^$c", report="costs $5 and $\\frac$")), dpi=50)


@pytest.mark.parametrize("format", ["png", "svg", "pdf"])
def test_bytes_are_deterministic(format):
    first, second = (render(plot_ecg(ramp_record(), observed=["I"]), format, dpi=60) for _ in range(2))
    assert first == second


def test_save_goes_by_suffix_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    figure = plot_ecg(ramp_record())
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "PDF": b"%PDF"}
    for suffix, start in starts.items():
        assert save(figure, tmp_path / "new" / f"a.{suffix}", dpi=50).read_bytes().startswith(start)
    with pytest.raises(InputError, match=r"a\.tiff.*accepted: \.png, \.svg, \.pdf"):
        save(figure, tmp_path / "a.tiff")
    kept = (tmp_path / "new" / "a.png").read_bytes()

    def full_disk(*_):
        raise OSError("no space left")

    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(OSError, match="no space"):
        save(plot_ecg(ramp_record(5)), tmp_path / "new" / "a.png", dpi=50)
    assert (tmp_path / "new" / "a.png").read_bytes() == kept
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.PDF", "a.png", "a.svg"]


def test_bad_requests_are_named():
    record = ramp_record()
    with pytest.raises(ValueError, match="unknown layout '4x3'; accepted: 3x4, 6x2, 12x1, cabrera, strip"):
        plot_ecg(record, layout="4x3")
    with pytest.raises(ValueError, match="unknown lead 'V9'"):
        plot_ecg(record, rhythm="V9")
    with pytest.raises(InputError, match="record: nothing to draw at 10 s"):
        plot_ecg(record, start_s=10)
    with pytest.raises(InputError, match="nothing to draw"):
        plot_ecg(EcgRecord(np.zeros((1, 0)), 500, ("I",)))
    with pytest.raises(ValueError, match="duration_s"):
        plot_ecg(record, duration_s=0)
    with pytest.raises(ValueError, match="cannot draw as 'tiff'"):
        render(plot_ecg(record), "tiff")
