"""The paper on the page: printed to scale, reached by keyboard; what is wrong with a lead is said."""

import re

import pytest

from gen.io import read, write


@pytest.fixture
def measured(guest, strip):
    """A visitor who looks at a recording."""
    guest.enter("Measure")
    guest.give(*strip)
    guest.start()
    guest.result().locator("svg.ecg").wait_for()
    return guest


def test_it_prints_to_scale_on_one_sheet(measured, browser, tmp_path):
    measured.page.evaluate(
        "() => { HTMLIFrameElement.prototype.remove = function () "
        "{ window.printed = this.contentDocument.documentElement.outerHTML; }; }"
    )
    measured.result().get_by_role("button", name="Print").click()
    html = measured.page.evaluate(
        "window.printed ?? document.querySelector('iframe[title=Print]').contentDocument.documentElement.outerHTML"
    )
    sheet = browser.new_page()
    sheet.set_content(html)
    box = sheet.locator("svg.ecg").bounding_box()
    assert box["width"] / 96 * 25.4 == pytest.approx(297, abs=0.1)
    assert box["height"] / 96 * 25.4 == pytest.approx(210, abs=0.1)
    sheet.pdf(path=str(tmp_path / "sheet.pdf"), prefer_css_page_size=True)
    sheet.close()
    data = (tmp_path / "sheet.pdf").read_bytes()
    assert len(re.findall(rb"/Type\s*/Page\b", data)) == 1
    (width, height) = map(float, re.search(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", data).groups())
    assert (width / 72 * 25.4, height / 72 * 25.4) == pytest.approx((297, 210), abs=0.5)


@pytest.mark.parametrize(("layout", "rows"), [("6x2", 6), ("12x1", 12)])
def test_layouts_show_all_leads(measured, layout, rows):
    measured.result().get_by_label("Layout").select_option(layout)
    paper = measured.result().locator(f'svg.ecg[aria-label*="{layout}"]')
    paper.wait_for()
    heights = {label: paper.get_by_text(label, exact=True).first.bounding_box()["y"] for label in ("I", "V6")}
    assert heights["V6"] > heights["I"]
    for lead in ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"):
        assert paper.get_by_text(lead, exact=True).count() >= 1


def test_everything_is_reached_by_keyboard(measured):
    page = measured.page
    measured.result().get_by_label("Layout").focus()
    reached = []
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.textContent"))
    for wanted in ("Calipers", "Print", "SVG", "ECG 00001_hr on paper", "Measurements", "Table (CSV)", "Copy"):
        assert any(wanted in each for each in reached), (wanted, reached)


def test_a_flat_lead_is_named(guest, strip, tmp_path):
    record = read(strip[0])
    signal = record.signal_mv.copy()
    signal[record.leads.index("V2")] = 0
    file = write([type(record)(signal, record.fs_hz, record.leads, record_id="flat")], tmp_path / "flat.csv")
    guest.enter("Rebuild")
    guest.give(file)
    guest.start()
    said = guest.said("physiogen:")
    assert "V2" in said
    assert "flat" in said
    guest.panel().get_by_label("Rebuild flat or saturated leads instead of refusing them").check()
    guest.start()
    guest.result().locator("path.band").first.wait_for(state="attached")
    assert "lead V2" in guest.result().locator(".said").inner_text()
    assert guest.result().locator("path.observed-V2").count() == 0
