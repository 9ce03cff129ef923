"""Contact sheets, light imports, and recorded ECGs on paper."""

import subprocess
import sys

import numpy as np
import pytest
from drawings import MM_PER_INCH, lines, ramp_record, texts

from gen.plot import contact_sheet, plot_ecg
from gen.records import EcgRecord


def test_contact_sheet_has_a_tile_for_every_record():
    records = [ramp_record(record_id=f"r{k}") for k in range(7)] + [ramp_record(30, leads=("I",), record_id="watch")]
    figure = contact_sheet(records, columns=3, title="eight")
    assert len(figure.axes) == 1 + 8
    words = " ".join(texts(figure))
    assert all(record.record_id in words for record in records)
    width, height = figure.get_size_inches() * MM_PER_INCH
    assert width == pytest.approx(297)
    for axes in figure.axes[1:]:
        box = axes.get_position()
        assert 0 < box.x0 < box.x1 < 1
        assert 0 < box.y0 < box.y1 < 1
        # equal scale in both directions: a box of the paper stays a square
        per_mm = (box.width * width / np.ptp(axes.get_xlim()), box.height * height / np.ptp(axes.get_ylim()))
        assert per_mm[0] == pytest.approx(per_mm[1])
    assert len(contact_sheet(records, lead="II").axes) == 9
    for wrong in ({"records": []}, {"records": records, "columns": 0}, {"records": records, "columns": 90}):
        with pytest.raises(ValueError, match=r"at least|no room"):
            contact_sheet(**wrong)


def test_importing_and_layout_do_not_load_matplotlib():
    code = "import sys, gen.plot; print([m for m in ('matplotlib', 'torch', 'pandas') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_drawing_does_not_load_pyplot():
    code = (
        "import sys, numpy as np\nfrom gen.plot import plot_ecg, render\nfrom gen.records import EcgRecord\n"
        "render(plot_ecg(EcgRecord(np.zeros((1, 500)), 500, ('I',)), layout='strip'), dpi=40)\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_real_recordings_draw(data_dir):
    wfdb = pytest.importorskip("wfdb")
    folder = data_dir("ptb-xl") / "records500" / "00000"
    for header in sorted(folder.glob("*.hea"))[:2]:
        found = wfdb.rdrecord(str(header.with_suffix("")))
        record = EcgRecord(found.p_signal.T, found.fs, tuple(found.sig_name), record_id=header.stem)
        assert len(lines(plot_ecg(record), "observed-")) == 13
