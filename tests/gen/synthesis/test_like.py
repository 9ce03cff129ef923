"""Requests drawn from a set: rows stay whole, draws belong to their number, classes can be balanced."""

from collections import Counter

import numpy as np
import pytest

from gen.datasets.scp import aggregate
from gen.io import write
from gen.leads import LEADS_12
from gen.records import EcgRecord, InputError, Patient
from gen.synthesis import like

ROWS = [
    ("sinus rhythm. normal ecg", 30, "F", {"NORM": 100.0, "SR": 0.0}),
    ("sinus rhythm, left bundle branch block", 70, "M", {"CLBBB": 100.0, "SR": 0.0}),
    ("atrial fibrillation, inferior infarct", 80, "F", {"IMI": 100.0, "AFIB": 0.0}),
    ("sinus tachycardia 120/min", 50, None, {"STACH": 0.0}),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four rows, of which the normal one is there 12 times."""
    out = tmp_path_factory.mktemp("set") / "real"
    rows = [ROWS[0]] * 12 + ROWS[1:]
    signal = np.zeros((12, 50), dtype=np.float32)
    records = [
        EcgRecord(
            signal, 100, LEADS_12, f"r{k}", Patient(f"p{k}", age, sex), report, codes, metadata={"split": "train"}
        )
        for k, (report, age, sex, codes) in enumerate(rows)
    ]
    write(records, out, format="npz")
    return out


def draws(requests):
    return [requests[k] for k in range(len(requests))]


def test_rows_stay_whole(folder):
    by_report = {row[0]: row for row in ROWS}
    for request in draws(like(folder, 60, 0)):
        _, age, sex, codes = by_report[request.values["text"]]
        assert request.values["age"] == age
        assert request.values.get("sex") == sex
        assert request.statements == codes
        assert request.source.startswith("r")


def test_a_draw_depends_on_its_number_alone(folder):
    few, many = like(folder, 5, 7), like(folder, 50, 7)
    assert draws(few) == draws(many)[:5]
    assert few.digest != many.digest
    assert draws(like(folder, 50, 8)) != draws(many)
    assert like(folder, 5, 7).digest == few.digest


def test_superclasses_equally_often(folder):
    requests = draws(like(folder, 300, 0, balance="superclass"))
    counts = Counter(label for r in requests for label in aggregate(r.statements, "super"))
    assert set(counts) == {"NORM", "CD", "MI"}
    assert all(70 < count < 130 for count in counts.values())
    assert Counter(r.values["text"] for r in draws(like(folder, 300, 0)))[ROWS[0][0]] > 190


def test_rates_fit_the_rhythm_and_the_text(folder):
    found = {row[0]: [] for row in ROWS}
    for request in draws(like(folder, 400, 1)):
        found[request.values["text"]].append(request.values.get("heart_rate"))
    assert all(50 <= rate <= 100 for rate in found[ROWS[0][0]])
    assert np.std(found[ROWS[0][0]]) > 5
    assert set(found[ROWS[3][0]]) == {None}, "the report gives the rate"


def test_measured_values_go_with_their_row(folder, tmp_path):
    lines = ["record,hr_bpm,pr_ms,qrs_ms"] + [f"r{k},{60 + k},160,{90 if k else ''}" for k in range(15)]
    (tmp_path / "params.csv").write_text("\n".join(lines) + "\n")
    for request in draws(like(folder, 40, 0, measured=tmp_path / "params.csv")):
        number = int(request.source[1:])
        assert request.values["heart_rate"] == pytest.approx(60 + number, rel=0.25)
        assert request.values["pr_ms"] == 160
        assert ("qrs_ms" in request.values) == (number > 0)


def test_rows_that_cannot_be_asked_for_are_not_drawn(folder):
    def check(values):
        if values.get("sex") == "F":
            raise InputError("no")

    assert {r.values.get("sex") for r in draws(like(folder, 30, 0, check=check))} == {"M", None}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"balance": "sex"}, "expected one of none, superclass"),
        ({"split": "training"}, "expected train, val, test or all"),
        ({"split": "test"}, "no usable row"),
    ],
)
def test_bad_options(folder, options, words):
    with pytest.raises(InputError, match=words):
        like(folder, 1, 0, **options)


def test_real_rows(data_dir):
    requests = like(data_dir("ptb-xl"), 200, 0, balance="superclass")
    assert requests.name == "ptb-xl"
    drawn = draws(requests)
    assert all("text" in r.values or "age" in r.values for r in drawn)
    counts = Counter(label for r in drawn for label in aggregate(r.statements, "super"))
    assert all(counts[label] >= 20 for label in ("NORM", "MI", "STTC", "CD", "HYP"))
