"""Recordings on their way in: what is refused, dropped, derived and rebuilt, and how often weights load."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from gen import completion, registry
from gen.completion import Policy, check, complete
from gen.leads import LEADS_12, limb_lead_residual
from gen.records import InputError
from gen.simulate import simulate


@pytest.fixture(scope="module")
def record():
    return simulate([3], seed=5, noise="light", conditions={"statements": ["SR", "NORM"]}).records()[0]


def spoiled(record, lead, value=0.0, until=None):
    signal = record.signal_mv.copy()
    signal[record.leads.index(lead), :until] = value
    return replace(record, signal_mv=signal)


def twelve_zeros(seen):
    return replace(seen, signal_mv=np.zeros((12, seen.num_samples)), leads=LEADS_12, report="lost", record_id="other")


def test_a_bad_lead_is_refused_or_dropped_with_its_reason(record):
    flat = spoiled(record, "V3")
    with pytest.raises(InputError, match=r"lead V3 is flat .*--allow-bad-leads"):
        check(flat, Policy())
    found = check(flat, Policy(drop_bad=True))
    assert found.record.leads == tuple(lead for lead in record.leads if lead != "V3")
    assert list(found.dropped) == ["V3"]
    assert "flat" in found.dropped["V3"]


def test_what_is_wrong_with_the_whole_is_apart_from_single_leads(record):
    from gen.quality import quality_report

    report = quality_report(replace(spoiled(record, "V3"), signal_mv=1000 * spoiled(record, "V3").signal_mv))
    assert list(report.lead_reasons) == ["V3"]
    assert report.record_reasons == ("values look like uV, not mV",)
    assert report.reasons == (f"lead V3 {report.lead_reasons['V3']}", *report.record_reasons)
    with pytest.raises(InputError, match=r"not usable as a reference: .*look like uV"):
        check(replace(record, signal_mv=1000 * record.signal_mv), Policy(purpose="a reference", drop_bad=True))
    with pytest.raises(InputError, match="no usable lead"):
        check(replace(record, signal_mv=0 * record.signal_mv), Policy(drop_bad=True))
    with pytest.raises(InputError, match=r"1\.00 s long; a reference needs at least 4 s"):
        check(replace(record, signal_mv=record.signal_mv[:, :500]), Policy(purpose="a reference", shortest_s=4))


def test_what_follows_from_other_leads_is_derived_and_no_model_is_asked(record):
    def never(seen):
        raise AssertionError("nothing is missing")

    found = complete(spoiled(record, "aVF"), Policy(drop_bad=True, fs_hz=250), never)
    assert (found.rebuilt, list(found.dropped), found.record.fs_hz) == ((), ["aVF"], 250)
    assert found.record.leads == LEADS_12
    assert limb_lead_residual(found.record.signal_mv, LEADS_12) < 1e-5


def test_missing_leads_come_from_the_injected_model_and_the_rest_of_the_record_stays(record):
    found = complete(record.select(["I", "II", "V1"]), Policy(), twelve_zeros)
    assert found.kept == ("I", "II", "V1")
    assert found.rebuilt == ("V2", "V3", "V4", "V5", "V6")
    assert (found.record.record_id, found.record.report) == (record.record_id, record.report)


def test_holes_are_bridged_where_that_is_wanted(record):
    holed = spoiled(record, "V2", np.nan, until=400)
    assert np.isnan(complete(holed, Policy()).record.signal_mv).any()
    assert np.isfinite(complete(holed, Policy(fill=True)).record.signal_mv).all()


def test_a_folder_of_short_records_loads_the_model_once(record, monkeypatch):
    loads = []

    def load(name):
        loads.append(name)
        return lambda seen, allow_bad_leads: SimpleNamespace(record=twelve_zeros(seen))

    monkeypatch.setattr(registry, "load", load)
    completion.installed.cache_clear()
    for k in range(5):
        complete(replace(record.select(["I", "II", "V1"]), record_id=f"r{k}"), Policy())
    completion.installed.cache_clear()
    assert loads == ["reconstruct"]


def test_a_message_names_the_file_where_there_is_one(record):
    assert record.source_name == record.record_id
    assert replace(record, metadata={"source_file": "a/b.hea"}).source_name == "a/b.hea"
