"""What a change of condition asks for: statements, numbers, and what it leaves alone."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from diffusion.conditions.condition import Condition
from diffusion.twin.change import VOLTAGE, Change, edited, target_condition
from diffusion.twin.scores import checks_of
from gen.records import InputError
from gen.text import read_text
from metrics.measurement.parameters import Parameters

OWN = Condition(text="atrial fibrillation, LVH", age=60, sex="F", heart_rate=90, qrs_ms=95, qt_ms=380, rms_mv=0.2)


def test_a_change_of_rate_keeps_the_rest():
    target = target_condition(OWN, Change(heart_rate=120))
    assert (target.text, target.age, target.sex, target.qrs_ms, target.rms_mv) == (OWN.text, 60, "F", 95, 0.2)
    assert (target.heart_rate, target.qt_ms) == (120, None)


def test_new_findings_leave_intervals_and_voltage_open():
    target = target_condition(OWN, Change(text="atrial fibrillation, LBBB, left ventricular hypertrophy", age=70))
    assert (target.age, target.heart_rate) == (70, 90)
    assert (target.qrs_ms, target.qt_ms, target.rms_mv) == (None, None, None)
    assert target_condition(OWN, Change(text="sinus bradycardia")).heart_rate is None
    in_fibrillation = replace(OWN, text=read_text("atrial fibrillation"), heart_rate=130.0)
    assert target_condition(in_fibrillation, Change(remove="atrial fibrillation")).heart_rate == 90
    assert target_condition(in_fibrillation, Change(remove="atrial fibrillation", heart_rate=110)).heart_rate == 110
    assert target_condition(OWN, Change(same=True)) == OWN


def test_what_a_finding_has_nothing_to_do_with_stays():
    calm = replace(OWN, text=read_text("sinus rhythm, normal ECG"), pr_ms=150.0, axis_deg=30.0)
    fibrillating = target_condition(calm, Change(add="atrial fibrillation"))
    assert (fibrillating.qrs_ms, fibrillating.axis_deg, fibrillating.rms_mv) == (95, 30, 0.2)
    assert fibrillating.pr_ms is None
    blocked = target_condition(calm, Change(add="left bundle branch block"))
    assert (blocked.qrs_ms, blocked.axis_deg, blocked.rms_mv, blocked.pr_ms) == (None, None, None, 150)
    depressed = target_condition(calm, Change(add="ST depression"))
    assert (depressed.qrs_ms, depressed.pr_ms, depressed.rms_mv, depressed.qt_ms) == (95, 150, 0.2, None)
    escaping = target_condition(calm, Change(add="third degree AV block"))
    assert (escaping.qrs_ms, escaping.pr_ms) == (None, None)  # the ventricles' own rhythm may be wide


def test_findings_about_voltage_scale_the_persons_own():
    calm = replace(OWN, text=read_text("sinus rhythm"))
    more = target_condition(calm, Change(add="left ventricular hypertrophy")).rms_mv
    assert more == pytest.approx(0.2 * VOLTAGE["LVH"])
    assert target_condition(OWN, Change(remove="left ventricular hypertrophy")).rms_mv == pytest.approx(
        0.2 / VOLTAGE["LVH"]
    )
    assert target_condition(calm, Change(add="low voltage")).rms_mv == pytest.approx(0.2 * VOLTAGE["LVOLT"])
    assert target_condition(calm, Change(add="low voltage", numbers=(("rms_mv", 0.3),))).rms_mv == 0.3
    assert target_condition(replace(calm, rms_mv=None), Change(add="low voltage")).rms_mv is None
    assert target_condition(calm, Change(add="low voltage", heart_rate=80)).rms_mv < 0.2


@pytest.mark.parametrize(
    ("add", "remove", "expected"),
    [
        ("left bundle branch block", None, {"AFIB", "LVH", "CLBBB"}),
        (None, "LVH", {"AFIB"}),
        (None, "atrial fibrillation", {"LVH", "SR"}),
        ("atrial flutter", None, {"AFLT", "LVH"}),
        ("RVH", "LVH", {"AFIB", "RVH"}),
    ],
)
def test_statements_come_and_go(add, remove, expected):
    assert edited(read_text("atrial fibrillation, LVH"), add, remove).codes() == expected


def test_an_ecg_with_a_new_finding_is_no_longer_normal():
    own = read_text("sinus rhythm, normal ECG")
    assert edited(own, "left bundle branch block", None).codes() == {"SR", "CLBBB"}
    assert edited(own, "no infarct", None).codes() >= {"SR", "NORM"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Change(), "nothing was asked for"),
        (Change(text="  "), "nothing was asked for"),
        (Change(same=True, age=50), "give one of them"),
        (Change(text="AF", add="LBBB"), "text replaces all findings"),
        (Change(add="xyzzy"), "add not understood at all: xyzzy"),
    ],
)
def test_bad_changes_are_refused(change, words):
    with pytest.raises(InputError, match=words):
        change.checked()


def test_checks_follow_what_changed():
    shown = SimpleNamespace(hr_bpm=118.0, qrs_ms=130.0, sokolow_mv=2.0, cornell_mv=1.0, failure=None)
    target = replace(OWN, text=read_text("atrial fibrillation, left bundle branch block"), heart_rate=120)
    assert checks_of(OWN, target, shown) == {"heart_rate": True, "CLBBB": True, "no LVH": True}
    assert checks_of(OWN, target, SimpleNamespace(**{**vars(shown), "qrs_ms": math.nan}))["CLBBB"] is False
    assert checks_of(OWN, replace(OWN, heart_rate=None), shown) == {}


# --- the base path


def test_a_sinus_rhythm_goes_on_until_another_rhythm_comes():
    shown = Parameters(qrs_ms=150.0, rr_cv=0.03, p_present=1.0)
    before = replace(OWN, text=read_text("sinus rhythm"), heart_rate=None)
    block = replace(before, text=read_text("left bundle branch block"))
    assert set(checks_of(before, block, shown)) == {"CLBBB"}
    fibrillation = replace(before, text=read_text("atrial fibrillation"))
    assert set(checks_of(before, fibrillation, shown)) == {"AFIB", "no SR"}
