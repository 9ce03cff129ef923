"""Requests drawn from a set: rows stay whole, draws belong to their number, classes can be balanced."""

from collections import Counter

import numpy as np
import pytest

from gen.datasets import open_source
from gen.datasets.scp import aggregate
from gen.io import write
from gen.leads import LEADS_12
from gen.records import EcgRecord, InputError, Patient
from gen.synthesis import like, read_labels
from gen.text import read_text

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
    by_codes = {frozenset(row[3]): row for row in ROWS}
    for request in draws(like(folder, 60, 0)):
        report, age, sex, codes = by_codes[frozenset(request.statements)]
        assert read_text(request.values["text"]).codes() == read_text(report).codes()
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
    assert max(counts.values()) - min(counts.values()) <= 2
    assert sum("NORM" in r.statements for r in draws(like(folder, 300, 0))) > 190


def test_rates_fit_the_rhythm_and_the_text(folder):
    found = {row[0]: [] for row in ROWS}
    for request in draws(like(folder, 400, 1, verbatim=True)):
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
    assert counts == requests.classes
    assert max(counts.values()) - min(counts.values()) <= 6, "marginals are balanced, rows of several classes too"
    recorded = set(open_source(data_dir("ptb-xl")).table["report"].dropna().str.lower())
    assert not any(r.values.get("text", "").lower() in recorded for r in drawn), "no report word for word"


def test_as_many_of_each_class_as_the_set_lacks(folder):
    requests = like(folder, None, 0, balance="fill")
    counts = Counter(label for r in draws(requests) for label in r.label.split(";"))
    assert counts == {"CD": 11, "MI": 11} == dict(requests.classes), "12 normal ones, one of each other class"
    assert {r.label for r in draws(like(folder, 5, 0, only=["AFIB"]))} == {"AFIB"}
    assert Counter(r.label for r in draws(like(folder, None, 0, per_class=4, only=["CD", "NORM"]))) == {
        "CD": 4,
        "NORM": 4,
    }


def test_labels_of_a_mapping_are_kept(folder, tmp_path):
    (tmp_path / "labels.csv").write_text('label,statements\nblock,"CLBBB,CRBBB"\nfast,sinus tachycardia\n')
    labels = read_labels(tmp_path / "labels.csv")
    drawn = draws(like(folder, None, 3, labels=labels, per_class=3))
    assert Counter((r.label, *sorted(set(r.statements) - {"SR"})) for r in drawn) == {
        ("block", "CLBBB"): 3,
        ("fast", "STACH"): 3,
    }


def test_ecgs_of_one_person_are_one_group(folder):
    by_source = {}
    for request in draws(like(folder, 60, 0)):
        by_source.setdefault(request.source, set()).add(request.group)
        assert request.source not in request.group, "a group does not tell the record"
    assert all(len(groups) == 1 for groups in by_source.values())
    assert len({group for groups in by_source.values() for group in groups}) == len(by_source)
