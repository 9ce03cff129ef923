"""Median beats over each other: scale, alignment, and a gain at which every lead fits its place."""

import numpy as np
import pytest
from drawings import MM_PER_INCH, lines

from gen.leads import LEADS_12
from gen.plot.beats import Beat, plot_beats


def beat(label, amplitude_mv, before_s=0.3, fs_hz=250.0):
    time = np.arange(round(0.8 * fs_hz)) / fs_hz - before_s
    return Beat(label, np.tile(amplitude_mv * np.exp(-0.5 * (time / 0.02) ** 2), (12, 1)), fs_hz, before_s)


def peaks_mm(figure):
    found = {}
    for name, line in lines(figure, "beat-").items():
        places = line.get_transform().transform(line.get_xydata()) / figure.dpi * MM_PER_INCH
        found[name] = places[np.argmax(places[:, 1])], np.ptp(places[:, 1])
    return found


def test_beats_stand_over_each_other_whatever_their_rates():
    found = peaks_mm(plot_beats([beat("a", 1.0), beat("b", 0.5, 0.25, 500.0)], title="t"))
    assert len(found) == 24
    for lead in LEADS_12:
        assert found[f"0-{lead}"][0][0] == pytest.approx(found[f"1-{lead}"][0][0], abs=0.2)
        assert found[f"0-{lead}"][1] == pytest.approx(20.0, rel=0.02), "20 mm/mV"
        assert found[f"1-{lead}"][1] == pytest.approx(10.0, rel=0.02)


def test_high_voltages_lower_the_gain_and_it_is_said():
    figure = plot_beats([beat("a", 4.0)], title="t")
    assert peaks_mm(figure)["0-V2"][1] == pytest.approx(40.0, rel=0.02)
    assert any("10 mm/mV" in text.get_text() for axes in figure.axes for text in axes.texts)


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="0 beats"):
        plot_beats([], title="t")
    with pytest.raises(ValueError, match="accepted: \\(12, time\\)"):
        plot_beats([Beat("a", np.zeros((8, 100)), 250.0, 0.3)], title="t")
