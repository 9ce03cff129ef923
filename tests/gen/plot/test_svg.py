"""The paper as SVG: millimetres are measured on its own numbers, against those of the signal."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from gen.leads import LEADS_12
from gen.plot.layout import page_layout
from gen.plot.svg import Wave, ecg_svg
from gen.plot.traces import zero_levels
from gen.plot.viewer import PAGES, paper, script, style
from gen.records import EcgRecord, InputError, Patient

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def record(rng):
    signal = np.round(0.2 * np.sin(np.cumsum(rng.normal(0, 0.1, (12, 5000)), axis=1)), 3)
    return EcgRecord(signal.astype(np.float32), 500.0, LEADS_12, "a<b", patient=Patient(age=60, sex="F"))


def points(svg: str, name: str) -> np.ndarray:
    """(n, 2) millimetres of all lines of a class, from the upper left corner."""
    found = []
    for path in ElementTree.fromstring(svg).iter(f"{SVG}path"):
        if path.get("class") == name:
            for part in re.findall(r"M[^M]+", path.get("d")):
                numbers = np.array(re.findall(r"-?\d+", part), dtype=float).reshape(-1, 2)
                found.append(np.cumsum(numbers, axis=0) / 100)
    return np.concatenate(found) if found else np.empty((0, 2))


@pytest.mark.parametrize("layout", PAGES)
def test_traces_stand_on_their_millimetres(record, layout):
    svg = ecg_svg(record, layout=layout, rhythm=None)
    root = ElementTree.fromstring(svg)
    assert (root.get("width"), root.get("viewBox").split()[2]) == ("297mm", "297")
    page = page_layout(layout, duration_s=10.0, rhythm=None)
    zeros = zero_levels(record, 0, 10)
    for cell in page.cells:
        drawn = points(svg, f"observed-{cell.lead}")
        first, last = round(cell.start_s * 500), min(round(cell.stop_s * 500), 4999)
        signal = record.signal_mv[LEADS_12.index(cell.lead), first : last + 1]
        x = cell.x_mm + np.arange(len(signal)) / 500 * 25
        y = page.height_mm - cell.y_mm - cell.sign * 10 * (signal - zeros[cell.lead])
        np.testing.assert_allclose(drawn, np.stack([x, y], axis=1), atol=0.006)


def test_rows_with_high_voltages_move_apart(record):
    tall = record.signal_mv.copy()
    tall[:, 1000] = -6.0
    tall = EcgRecord(tall, 500.0, LEADS_12, "tall")
    usual, higher = (ElementTree.fromstring(ecg_svg(each)) for each in (record, tall))
    assert usual.get("height") == "210mm"
    assert float(higher.get("height")[:-2]) > 250
    assert higher.get("viewBox") == f"0 0 297 {higher.get('height')[:-2]}"


def test_avr_is_turned_round_in_cabreras_order(record):
    by_lead = {cell.label: cell for cell in page_layout("cabrera", duration_s=10.0).cells}
    assert by_lead["-aVR"].sign == -1
    assert [cell.label for cell in page_layout("cabrera", duration_s=10.0).cells][:6] == [
        *("aVL", "I", "-aVR", "II", "aVF", "III")
    ]
    usual, cabrera = (
        points(ecg_svg(record, layout=name, rhythm=None), "observed-aVR")[:, 1] for name in ("6x2", "cabrera")
    )
    np.testing.assert_allclose(np.diff(usual), -np.diff(cabrera), atol=0.011)


def test_observed_rebuilt_band_and_holes(record):
    signal = record.signal_mv.copy()
    signal[0, 100:200] = np.nan
    record = EcgRecord(signal, 500.0, LEADS_12, "x", synthetic=True)
    band = (record.signal_mv - 0.1, record.signal_mv + 0.1)
    svg = ecg_svg(record, observed=["I", "II"], band=band, rhythm=None)
    assert len(points(svg, "observed-I")) == 1251 - 100
    assert len(points(svg, "observed-V1")) == 0
    assert len(points(svg, "reconstructed-V1")) == 1251
    assert svg.count('class="band"') == 12
    assert "SYNTHETIC" in svg


def test_a_plain_recording_is_not_called_synthetic(record):
    svg = ecg_svg(record)
    assert "ynthetic" not in svg.replace("SYNTHETIC", "ynthetic")
    assert "a&lt;b" in svg


def test_waves_stand_where_they_are(record):
    waves = [Wave("II", "QRS", 1.0, 1.05, 1.1), Wave("global", "P", 0.5, 0.55, 0.6)]
    boxes = [box for box in ElementTree.fromstring(ecg_svg(record, waves=waves)).iter(f"{SVG}rect") if box.get("class")]
    page = page_layout("3x4", duration_s=10.0)
    left = next(cell.x_mm for cell in page.cells if cell.lead == "II")
    own = [box for box in boxes if box.get("data-lead") == "II"]
    assert {box.get("data-kind") for box in own} == {"QRS"}
    assert int(own[0].get("x")) == round(100 * (left + 25))
    assert int(own[0].get("width")) == 250
    assert {box.get("data-lead") for box in boxes if box.get("data-kind") == "P"} == {"I", "III"}  # 0 to 2.5 s


def test_few_leads_and_short_records(record):
    short = record.select(["V1"])
    short = EcgRecord(short.signal_mv[:, :600], 500.0, ("V1",), "s")
    svg = ecg_svg(short, layout="12x1", rhythm="V1")
    assert svg.count("not recorded") == 11
    with pytest.raises(InputError, match="nothing to draw"):
        ecg_svg(short, start_s=2.0)


def test_pages_carry_tools_and_one_script(record):
    html = paper(ecg_svg(record), source="/paper/x/0", layout="6x2")
    assert html.count('value="6x2" selected') == 1
    assert "cabrera" in html
    assert "<select" not in paper(ecg_svg(record))
    assert "http" not in script().replace("http://www.w3.org/2000/svg", "")
    assert ".ecg-paper" in style()
