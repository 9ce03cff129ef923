"""Reader study: closed forms, kits that give nothing away, and sheets that are scored or refused."""

import csv
import json
import shutil
import struct
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binomtest, norm
from stopping import contents, goes_on

from gen.cine import CineRecord
from gen.cli import run
from gen.io import write
from gen.io.cine import write_cine
from gen.records import InputError, Patient
from gen.simulate import simulate
from metrics.reader_study.answers import read_answers, read_key, score
from metrics.reader_study.kit import COLUMNS, equal_ecgs, key_of, make_kit, page
from metrics.reader_study.scores import cohen_kappa, detection, fleiss_interval, fleiss_kappa
from metrics.statistics.proportion import wilson

FLEISS_1971 = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]


def test_sensitivity_has_its_closed_form():
    exact = detection(hits=841345, synthetic=10**6, alarms=158655, real=10**6)
    assert exact.d_prime == pytest.approx(2, abs=1e-4)
    assert exact.criterion == pytest.approx(0, abs=1e-9)
    perfect = detection(hits=20, synthetic=20, alarms=0, real=20)
    assert perfect.d_prime == pytest.approx(2 * norm.ppf(20.5 / 21))
    always = detection(hits=20, synthetic=20, alarms=20, real=20)
    assert always.d_prime == 0
    assert always.criterion < -1  # says synthetic whatever it sees
    with pytest.raises(InputError, match="each group"):
        detection(hits=0, synthetic=0, alarms=0, real=3)


def test_kappas_have_their_published_values():
    assert fleiss_kappa(FLEISS_1971) == pytest.approx(0.210, abs=5e-4)
    first = ["a"] * 25 + ["b"] * 25
    second = ["a"] * 20 + ["b"] * 5 + ["a"] * 10 + ["b"] * 15
    assert cohen_kappa(first, second) == pytest.approx(0.4)
    assert cohen_kappa(first, first) == 1
    assert np.isnan(cohen_kappa(["a"] * 4, ["a"] * 4))
    assert np.isnan(fleiss_kappa([[3, 0]] * 4))
    found = fleiss_interval(FLEISS_1971)
    assert found.low < 0.210 < found.high
    for bad in ([[3, 0], [2, 0]], [[1, 0], [0, 1]], [1, 2]):
        with pytest.raises(InputError, match="accepted"):
            fleiss_kappa(bad)


@pytest.mark.parametrize(("hits", "count"), [(0, 40), (1, 7), (21, 40), (9, 9)])
def test_wilson_agrees_with_scipy(hits, count):
    found = wilson(np.arange(count) < hits)
    expected = binomtest(hits, count).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    doubled = wilson(np.repeat(np.arange(count) < hits, 2), groups=np.repeat(np.arange(count), 2))
    assert (doubled.low, doubled.high, doubled.n) == (found.low, found.high, 2 * count)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Eight 'real' ECGs at 500 Hz with names and remarks; eight 'generated' ones at 250 Hz, marked."""
    root = tmp_path_factory.mktemp("sets")
    real, made = (simulate(range(8), seed=s, fs_hz=fs, noise="light").records() for s, fs in ((1, 500), (2, 250)))
    real = [
        replace(
            r, record_id=f"ward{k}", synthetic=False, patient=replace(r.patient, id=f"P{k}"), metadata={"hr_bpm": 61}
        )
        for k, r in enumerate(real)
    ]
    made = [replace(r, record_id=f"synthetic_{k:03d}", synthetic=True) for k, r in enumerate(made)]
    write(real, root / "real", format="npz")
    write(made, root / "made", format="npz")
    return root


@pytest.fixture(scope="module")
def kit(sets):
    make_kit(sets / "real", sets / "made", count=4, seed=0, out=sets / "KIT")
    return sets / "KIT"


def _chunks(path):
    """Everything in a PNG but the pixels."""
    data, place, out = path.read_bytes(), 8, []
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        kind = data[place + 4 : place + 8]
        if kind != b"IDAT":
            out.append((kind, data[place + 8 : place + 8 + length]))
        place += 12 + length
    return out


def test_a_kit_is_balanced_and_gives_nothing_away(kit):
    truth = read_key(kit)
    assert sorted(truth.values()) == ["real", "real", "synthetic", "synthetic"]
    pictures = sorted(kit.glob("*.png"))
    assert [path.stem for path in pictures] == sorted(truth)
    assert {path.name for path in kit.iterdir()} == {*(p.name for p in pictures), "answers.csv", "README.txt"}
    assert len({str(_chunks(path)) for path in pictures}) == 1
    with (kit / "answers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["id"] for row in rows] == sorted(truth)
    assert not any(value for row in rows for name, value in row.items() if name != "id")
    records = {case["record"] for case in json.loads(key_of(kit).read_text())["cases"].values()}
    assert len(records) == 4
    words = "".join(path.read_text() for path in (kit / "answers.csv", kit / "README.txt"))
    assert not any(record in words for record in records)


def test_the_page_tells_age_sex_and_findings_alone(sets):
    from gen.io import read_set

    real, made = (list(read_set(sets / name))[:2] for name in ("real", "made"))
    sides = equal_ecgs(real, made)
    assert len({(r.fs_hz, r.num_samples, r.leads, r.synthetic) for side in sides for r in side}) == 1
    for before, after in zip([*real, *made], [*sides[0], *sides[1]], strict=True):
        shown = " | ".join(text.get_text() for axes in page(after, "ab12-001").axes for text in axes.texts)
        assert "ab12-001" in shown
        assert f"{round(before.patient.age)} years" in shown
        assert "250 Hz" in shown
        for secret in (before.record_id, "patient", "bpm", "SYNTHETIC", "Synthetic", str(before.report)[:30]):
            assert secret not in shown
    nameless = [replace(record, patient=Patient(), report=None, statements={}) for record in made]
    for side in equal_ecgs(real, nameless):  # a fact that one group lacks is shown for none
        assert {(r.patient.age, r.patient.sex, r.report) for r in side} == {(None, None, None)}


def test_the_same_seed_makes_the_same_kit(sets, kit, tmp_path):
    make_kit(sets / "real", sets / "made", count=4, seed=0, out=tmp_path / "again")
    for path in kit.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()
    assert key_of(tmp_path / "again").read_bytes() == key_of(kit).read_bytes()
    other = make_kit(sets / "real", sets / "made", count=2, seed=1, out=tmp_path / "other")
    assert not {case.name for case in other} & set(read_key(kit))


def test_a_run_that_was_stopped_ends_with_the_same_bytes(sets, tmp_path, monkeypatch, capsys):
    words = ["study", "make", "--real", str(sets / "real"), "--generated", str(sets / "made"), "-n", "4"]
    whole, out = goes_on(monkeypatch, capsys, lambda place: [*words, "--out", str(place)], tmp_path)
    assert contents(out.parent) == contents(whole.parent), "the kit, and the key beside it"
    assert sorted(path.name for path in out.parent.iterdir()) == ["OUT", "OUT.key.json"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"count": 5}, "even number"),
        ({"count": 40}, "8 patients"),
        ({"out": "real"}, "exists"),
        ({"key": "new/key.json"}, "inside the kit"),
        ({"generated": "nowhere"}, "no such folder"),
    ],
)
def test_a_kit_that_cannot_be_is_refused(sets, capsys, changes, words):
    given = {"real": "real", "generated": "made", "count": 4, "out": "new"} | changes
    arguments = [x for name in ("real", "generated", "out", "key") if name in given for x in (f"--{name}", given[name])]
    arguments = [str(sets / x) if not x.startswith("--") else x for x in arguments]
    assert run(["study", "make", *arguments, "-n", str(given["count"])]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert not (sets / "new").exists()


def _sheet(path, rows, separator=","):
    lines = [separator.join(COLUMNS), *(separator.join(map(str, row)) for row in rows)]
    path.write_text("\ufeff" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def truth():
    return {f"c-{k:03d}": "real" if k % 2 else "synthetic" for k in range(1, 41)}


def test_a_knowing_and_a_guessing_reader(truth, tmp_path):
    rng = np.random.default_rng(0)
    other = {"real": "synthetic", "synthetic": "real"}
    knows = _sheet(tmp_path / "a.csv", [(c, t.upper(), 5 if t == "real" else 3, "", "Ada") for c, t in truth.items()])
    guesses = [(c, t if rng.random() < 0.5 else other[t], 4, 2, "") for c, t in truth.items()]
    found = score(read_answers([knows, _sheet(tmp_path / "ben.csv", guesses, ";")], truth), truth)
    ada, ben = found["readers"]["Ada"], found["readers"]["ben"]
    assert ada["accuracy"]["value"] == 1
    assert ada["accuracy"]["low"] == pytest.approx(binomtest(40, 40).proportion_ci(method="wilson").low)
    assert ada["d_prime"] == pytest.approx(2 * norm.ppf(20.5 / 21))
    assert ben["accuracy"]["low"] < 0.5 < ben["accuracy"]["high"]
    assert abs(ben["d_prime"]) < 1
    assert found["accuracy"]["value"] == pytest.approx((1 + ben["accuracy"]["value"]) / 2)
    assert found["accuracy"]["groups"] == 40  # cases, not answers
    assert found["told_apart"]
    verdicts = [row[1] for row in guesses]
    assert found["kappa"]["cohen"]["Ada - ben"] == pytest.approx(cohen_kappa(list(truth.values()), verdicts))
    assert found["kappa"]["fleiss"]["n"] == 40
    assert found["groups"]["real"]["quality"]["value"] == 4.5
    assert found["groups"]["synthetic"]["quality"]["value"] == 3.5
    assert found["groups"]["real"]["text_agreement"]["value"] == 2


def test_readers_at_chance_are_not_told_apart(truth, tmp_path):
    flip = {"real": "synthetic", "synthetic": "real"}
    half = [(c, t if k % 4 < 2 else flip[t], "", "", "C") for k, (c, t) in enumerate(truth.items())]
    found = score(read_answers([_sheet(tmp_path / "c.csv", half)], truth), truth)
    assert found["accuracy"]["value"] == 0.5
    assert found["readers"]["C"]["d_prime"] == 0
    assert not found["told_apart"]
    assert found["kappa"] == {"fleiss": None, "shared": 40, "cohen": {}}
    assert found["groups"]["real"] == {"quality": None, "text_agreement": None}


BAD = [
    ([("c-001", "fake", 3, 3, "A")], "verdict 'fake'"),
    ([("c-001", "real", 6, 3, "A")], "quality '6'"),
    ([("c-001", "real", 3, "good", "A")], "text_agreement 'good'"),
    ([("c-099", "real", 3, 3, "A")], "no case 'c-099'"),
    ([("c-001", "real", 3, 3, "A"), ("c-001", "real", 3, 3, "A")], "twice"),
    ([("c-001", "", "", "", "")], "no verdict"),
    ([("c-001", "real", 3, 3, "A")], "one group only"),
]


@pytest.mark.parametrize(("rows", "words"), BAD)
def test_bad_answers_are_refused_in_one_line(truth, tmp_path, capsys, rows, words):
    key = {"cases": {name: {"truth": group} for name, group in truth.items()}}
    (tmp_path / "KIT.key.json").write_text(json.dumps(key))
    sheet = _sheet(tmp_path / "bad.csv", rows)
    assert run(["study", "score", str(tmp_path / "KIT"), str(sheet)]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_files_that_are_no_sheet_or_key(truth, tmp_path):
    (tmp_path / "list.csv").write_text("id,verdict\nc-001,real\n")
    for sheet, words in (("list.csv", "no column 'quality'"), ("none.csv", "not readable")):
        with pytest.raises(InputError, match=words):
            read_answers([tmp_path / sheet], truth)
    with pytest.raises(InputError, match="not found"):
        read_key(tmp_path / "KIT")
    (tmp_path / "KIT.key.json").write_text("{")
    with pytest.raises(InputError, match="JSON"):
        read_key(tmp_path / "KIT")
    (tmp_path / "KIT.key.json").write_text('{"cases": {"a": {"truth": "real"}}}')
    with pytest.raises(InputError, match="real and synthetic"):
        read_key(tmp_path / "KIT")


def test_the_command_from_kit_to_figures(kit, tmp_path, capsys):
    truth = read_key(kit)
    for reader in ("A", "B"):
        _sheet(tmp_path / f"{reader}.csv", [(case, group, 4, 5, reader) for case, group in truth.items()])
    copy = tmp_path / "KIT"
    shutil.copytree(kit, copy)
    sheets = [str(tmp_path / "A.csv"), str(tmp_path / "B.csv")]
    assert (
        run(["study", "score", str(copy), *sheets, "--key", str(key_of(kit)), "--out", str(tmp_path / "f.json")]) == 0
    )
    said = capsys.readouterr().out
    assert "| A | 4 | 1" in said
    assert "Cohen A - B 1.000" in said
    assert json.loads((tmp_path / "f.json").read_text())["accuracy"]["value"] == 1


def test_cine_loops_become_equal_films(tmp_path):
    rng = np.random.default_rng(0)
    for name, shape, spacing in (("real", (3, 25, 80, 64), 1.25), ("made", (1, 20, 48, 48), 1.5)):
        (tmp_path / name).mkdir()
        for k in range(2):
            loop = CineRecord(
                rng.random(shape, dtype=np.float32),
                (spacing, spacing),
                rr_s=0.8,
                slice_positions_mm=np.arange(shape[0]) * 8.0,
                synthetic=name == "made",
                metadata={"seed": k},
            )
            write_cine(loop, tmp_path / name / f"{name}{k}.npz")
    make_kit(tmp_path / "real", tmp_path / "made", count=4, seed=0, out=tmp_path / "KIT", cine=True)
    facts = []
    for path in sorted((tmp_path / "KIT").glob("*.gif")):
        with Image.open(path) as film:
            facts.append((film.size, film.n_frames, film.info["duration"], film.info["comment"]))
    assert len(facts) == 4
    assert len(set(facts)) == 1
    assert facts[0][1] == 20
    assert sorted(read_key(tmp_path / "KIT").values()) == ["real", "real", "synthetic", "synthetic"]
