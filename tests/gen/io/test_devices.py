"""Files of devices: scale, origin, unit, rate, who it was; nothing of a name or a date of birth."""

import json

import numpy as np
import pytest

from gen.evaluation.device_files import cardiosoft, fitbit_reading, ishne, kardia, muse
from gen.io import expand_inputs, read, read_set
from gen.io.devices import _without_calibration
from gen.leads import LEADS_8
from gen.records import InputError


@pytest.fixture
def digital(rng):
    return np.cumsum(rng.integers(-40, 41, (8, 1000)), axis=1)


def needs_library():
    pytest.importorskip("ecgdatakit")


AECG = """<?xml version="1.0" encoding="UTF-8"?>
<AnnotatedECG xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" classCode="OBS">
<id root="1.2.3"/><effectiveTime><low value="20240304120000"/><high value="20240304120004"/></effectiveTime>
<componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject><id extension="S17"/>
<subjectDemographicPerson><name>Jane Doe</name><administrativeGenderCode code="F"/><birthTime value="19610305"/>
</subjectDemographicPerson></trialSubject></subject></subjectAssignment></componentOf></timepointEvent></componentOf>
<component><series><code code="RHYTHM"/><component><sequenceSet>
<component><sequence><code code="TIME_ABSOLUTE"/><value xsi:type="GLIST_TS"><head value="20240304120000.000"/>
<increment value="{step}" unit="{unit}"/></value></sequence></component>
{leads}</sequenceSet></component></series></component></AnnotatedECG>
"""
LEAD = """<component><sequence><code code="MDC_ECG_LEAD_{lead}"/><value xsi:type="SLIST_PQ">
<origin value="{origin}" unit="{unit}"/><scale value="{scale}" unit="{unit}"/><digits>{digits}</digits></value>
</sequence></component>
"""


@pytest.mark.parametrize(("scale", "origin", "unit"), [(2.5, 0, "uV"), (0.0025, 0.1, "mV"), (2500, 100000, "nV")])
@pytest.mark.parametrize(
    ("step", "time_unit", "fs_hz"), [("0.002", "s", 500), ("2", "ms", 500), (repr(1 / 257.5), "s", 257.5)]
)
def test_aecg_unit_origin_and_increment(tmp_path, digital, scale, origin, unit, step, time_unit, fs_hz):
    needs_library()
    leads = "".join(
        LEAD.format(lead=lead, scale=scale, origin=origin, unit=unit, digits=" ".join(map(str, row)))
        for lead, row in zip(LEADS_8, digital, strict=True)
    )
    file = tmp_path / "a.xml"
    file.write_text(AECG.format(step=step, unit=time_unit, leads=leads))
    record = read(file)
    assert (record.fs_hz, record.leads) == (pytest.approx(fs_hz), LEADS_8)
    expected = digital * 0.0025 + (0 if unit == "uV" else 0.1)
    np.testing.assert_allclose(record.signal_mv, expected, atol=1e-5)
    assert (record.patient.sex, record.patient.age) == ("F", 62)  # the day before the birthday
    assert "Doe" not in repr(record)
    assert "1961" not in repr(record)


def test_muse_reads_the_rhythm(tmp_path, digital):
    needs_library()
    (tmp_path / "m.xml").write_text(muse(digital))
    record = read(tmp_path / "m.xml")
    assert record.fs_hz == 500
    rows = [record.leads.index(lead) for lead in LEADS_8]
    np.testing.assert_allclose(record.signal_mv[rows], digital * 0.00488, atol=1e-5)
    assert (record.patient.id, record.patient.age, record.patient.sex) == ("P9", 63, "F")
    assert "Sinus rhythm" in record.report
    assert "DOE" not in repr(record)
    one = read(tmp_path / "m.xml", leads="V1")
    np.testing.assert_allclose(one.signal_mv[0], digital[2] * 0.00488, atol=1e-5)


def test_ishne_holter(tmp_path, digital):
    needs_library()
    (tmp_path / "h.ecg").write_bytes(ishne(digital[:3]))
    record = read(tmp_path / "h.ecg")
    assert (record.fs_hz, record.leads) == (257, ("I", "II", "V1"))
    np.testing.assert_allclose(record.signal_mv, digital[:3] * 0.0025, atol=1e-5)
    assert "DOE" not in repr(record)


def test_kardia(tmp_path, digital):
    needs_library()
    (tmp_path / "k.json").write_text(kardia(digital[0]))
    record = read(tmp_path / "k.json")
    assert (record.fs_hz, record.leads) == (300, ("I",))
    np.testing.assert_allclose(record.signal_mv[0], digital[0] * 500e-6, atol=1e-6)


def test_fitbit_holds_several_readings(tmp_path, digital):
    (tmp_path / "f.json").write_text(json.dumps({"ecgReadings": [fitbit_reading(digital[k].tolist()) for k in (0, 1)]}))
    records = list(read_set(tmp_path / "f.json"))
    assert [record.record_id for record in records] == ["f_001", "f_002"]
    for record, row in zip(records, digital, strict=False):
        assert (record.fs_hz, record.leads, record.report) == (250, ("I",), "Normal Sinus Rhythm")
        np.testing.assert_allclose(record.signal_mv[0], row / 10922, atol=1e-6)
    with pytest.raises(InputError, match="holds several recordings"):
        read(tmp_path / "f.json")
    (tmp_path / "g.json").write_text(json.dumps(fitbit_reading([1, 2, 3], scalingFactor=None)))
    with pytest.raises(InputError, match=r"g\.json: no scalingFactor"):
        read(tmp_path / "g.json")


def test_cardiosoft_reads_the_strip(tmp_path, digital):
    pytest.importorskip("defusedxml")
    (tmp_path / "c.xml").write_text(cardiosoft(digital))
    record = read(tmp_path / "c.xml")
    assert (record.fs_hz, record.leads) == (500, LEADS_8)
    np.testing.assert_allclose(record.signal_mv, digital * 0.005, atol=1e-5)
    assert (record.patient.age, record.patient.sex, record.patient.height_cm) == (63, "F", 170)
    assert record.report == "Sinus rhythm"
    assert "Doe" not in repr(record)
    (tmp_path / "d.xml").write_text(cardiosoft(digital, strip=False))
    with pytest.raises(InputError, match=r"d\.xml: no StripData"):
        read(tmp_path / "d.xml")


def test_the_calibration_pulse_of_philips_carts_is_cut_off(rng):
    signal = rng.normal(size=(12, 5500))
    signal[:, 5300:] = 0
    signal[:, 5350:5450] = 1
    facts = {"metadata": {}}
    cut = _without_calibration(signal, 500, facts)
    np.testing.assert_array_equal(cut, signal[:, :5300])
    assert facts["metadata"]["calibration_cut_samples"] == 200
    flat = np.where(np.arange(5500) < 5300, signal, 0)  # zeros alone are no pulse
    assert _without_calibration(flat, 500, {"metadata": {}}).shape == (12, 5500)


def test_a_folder_holds_device_files_and_others(tmp_path, digital):
    (tmp_path / "c.xml").write_text(cardiosoft(digital))
    (tmp_path / "page.xml").write_text("<html><body>nothing</body></html>")
    (tmp_path / "settings.json").write_text('{"a": 1}')
    (tmp_path / "f.json").write_text(json.dumps(fitbit_reading([1, 2, 3])))
    assert [path.name for path in expand_inputs([tmp_path])] == ["c.xml", "f.json"]
    needs_library()
    with pytest.raises(InputError, match=r"page\.xml: not a recording in a known format; accepted: HL7 aECG"):
        read(tmp_path / "page.xml")
