"""What rooms show of measurements: tables in words, and the recording's median beat at every beat of a twin."""

from dataclasses import replace

import numpy as np
import pytest

from gen.plot.beats import at_every_beat
from gen.plot.svg import Wave
from gen.simulate import simulate
from gen.web.rooms.generate import _asked
from gen.web.rooms.measure import _tables
from gen.web.rooms.measured import WORDS, complexes, median_beat, rows, waves
from gen.web.rooms.room import python_call
from gen.web.shown import lines


@pytest.fixture(scope="module")
def clean():
    """A regular heart without noise, and the times of its QRS complexes."""
    made = simulate([0], seed=2, fs_hz=500, noise="none", conditions={"statements": ["SR"], "heart_rate": 60})
    record = made.records()[0]
    energy = np.abs(np.diff(record.signal_mv[1]))
    peaks = [k for k in range(200, len(energy) - 200) if energy[k] == energy[k - 200 : k + 200].max() > 0.01]
    return record, [k / 500 for k in peaks]


def test_a_records_own_median_beat_lies_on_it(clean):
    record, middles = clean
    beat = median_beat(record, middles)
    assert beat.signal_mv.shape == (12, 400)
    over = at_every_beat(record, beat, middles)
    there = np.isfinite(over.signal_mv)
    assert 0.5 < there.mean() < 1
    for lead in range(12):
        found = np.corrcoef(over.signal_mv[lead, there[lead]], record.to_12().signal_mv[lead, there[lead]])[0, 1]
        assert found > 0.97, record.leads[lead]


def test_a_beat_of_other_rate_and_few_leads(clean):
    record, middles = clean
    two = record.select(["II", "V1"])
    beat = median_beat(replace(two, signal_mv=two.signal_mv[:, ::2].copy(), fs_hz=250), middles)
    assert np.isfinite(beat.signal_mv).any(axis=1).tolist() == [name in ("II", "V1") for name in record.to_12().leads]
    over = at_every_beat(record, beat, middles)
    assert over.signal_mv.shape == record.to_12().signal_mv.shape
    there = np.isfinite(over.signal_mv[1])
    assert np.corrcoef(over.signal_mv[1, there], record.signal_mv[1, there])[0, 1] > 0.97
    assert median_beat(record, []) is None
    assert median_beat(record, [0.1, 9.9]) is None, "none lies inside"


def test_waves_and_complexes_are_those_of_the_table(tmp_path, clean):
    record, _ = clean
    table = tmp_path / "waves.csv"
    table.write_text(
        "record,lead,wave,onset,peak,offset\n"
        f"{record.record_id},global,QRS,480,500,520\n{record.record_id},II,QRS,481,500,519\nother,global,QRS,1,2,3\n"
    )
    found = waves(table, [record])
    assert found == {record.record_id: [Wave("global", "QRS", 0.96, 1.0, 1.04), Wave("II", "QRS", 0.962, 1.0, 1.038)]}
    assert complexes(found[record.record_id]) == [1.0]
    assert rows(tmp_path / "none.csv") == []


def test_tables_in_words_upright_for_few():
    one = {"record": "a", "hr_bpm": "60.1", "failure": "", "new_ms": "3"}
    assert _tables([one]) == {"Measurements": (["ECG", "a"], [["rate (bpm)", "60.1"], ["new_ms", "3"]])}
    columns, cells = _tables([one] * 5)["Measurements"]
    assert columns == ["ECG", "rate (bpm)", "new_ms"]
    assert cells == [["a", "60.1", "3"]] * 5
    assert _tables([]) == {}


def test_words_for_every_column_that_measure_writes():
    from metrics.commands.measure import PARAMS_COLUMNS

    assert set(PARAMS_COLUMNS) <= set(WORDS)


def test_what_was_asked_for_in_words():
    facts = {"request": {"text": "AF", "heart_rate": 110.0, "axis_deg": -30.0, "age": 70.0, "sex": "F"}}
    line = "Asked: AF, rate 110 bpm, axis -30\N{DEGREE SIGN}, age 70 years, F; implied: QRS 161 ms"
    assert _asked(facts | {"implied": {"qrs_ms": 161.2}}) == [line]
    assert _asked({}) == ["Asked: nothing"]


def test_nothing_given_is_not_written():
    assert python_call({"leads": [], "seed": "", "on": False, "names": ["II"]}) == "names=['II']"


def test_lines_do_not_break_within_an_option():
    shown = lines("x", "physiogen twin --text 'a <b>'\nseed")
    assert "<span>--text</span> <span>&#x27;a</span> <span>&lt;b&gt;&#x27;</span>\n<span>seed</span>" in shown
