"""Teaching mode with a small random generator: nothing gives the answer away, and the answer is honest."""

import json
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from stopping import contents, goes_on

from diffusion import teaching, teaching_cases
from diffusion.pipeline import load
from gen import cli
from gen.datasets import open_source
from gen.io import read_set, write
from gen.leads import LEADS_12
from gen.plot import plot_ecg, render, save
from gen.records import EcgRecord, Patient
from gen.simulate import simulate
from gen.text import contradictions, read_text, statements

WPW = "Wolff-Parkinson-White pattern"
TABLE = f"""text,age,sex,heart_rate
"atrial flutter, blorp",69,F,75
dextrocardia,,,
{WPW},28,M,76
"""


class Visible(HTMLParser):
    """Splits a page's text into what is seen at once and what is behind each details element."""

    def __init__(self, page):
        super().__init__()
        self.seen, self.hidden, self.inside, self.summary, self.opened = "", [], 0, False, 0
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        values = " ".join(value or "" for name, value in attrs if name not in ("src", "style"))
        if tag == "details":
            self.inside += 1
            self.hidden.append("")
            self.opened += any(name == "open" for name, _ in attrs)
        self.summary = tag == "summary"
        self.handle_data(values)

    def handle_endtag(self, tag):
        self.inside -= tag == "details"
        self.summary = False

    def handle_data(self, data):
        if self.inside and not self.summary:
            self.hidden[-1] += data
        else:
            self.seen += data


def _leads(**values):
    return np.array([values.get(lead, 0.0) for lead in LEADS_12])


def _rhythm(rr_ms):
    sd = np.std(rr_ms, ddof=1)
    return {"rr_cv": sd / np.mean(rr_ms), "rr_sd_ms": sd, "rmssd_ms": np.sqrt(np.mean(np.diff(rr_ms) ** 2))}


def made_cases(pipeline, requests, seed):
    return [case for block in teaching.case_blocks(pipeline, requests, seed=seed, steps=1) for case in block]


@pytest.fixture(scope="module", autouse=True)
def coarse_pictures():
    """Of a tenth of the pixels: drawing them takes most of a run, and no test here looks at one so closely."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(teaching, "save", lambda figure, path: save(figure, path, dpi=50))
        patch.setattr(teaching, "render", lambda figure, dpi: render(figure, dpi=50))
        yield


@pytest.fixture
def run(pipeline_folder, tmp_path, capsys):
    """Run the command on a small table; returns status, stdout and the lines of stderr."""
    (tmp_path / "table.csv").write_text(TABLE, encoding="utf-8")

    def teach(*arguments, out="out"):
        given = ["--conditions", tmp_path / "table.csv", "--steps", 2, "--checkpoint", pipeline_folder]
        status = cli.run(["teach", *map(str, given), "--out", str(tmp_path / out), *map(str, arguments)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err.splitlines()

    return teach


@pytest.fixture(scope="module")
def made(pipeline_folder, tmp_path_factory):
    """Folder of cases of the small table with seed 0."""
    folder = tmp_path_factory.mktemp("teaching")
    (folder / "table.csv").write_text(TABLE, encoding="utf-8")
    given = [
        "--conditions",
        folder / "table.csv",
        "--steps",
        2,
        "--checkpoint",
        pipeline_folder,
        "--out",
        folder / "out",
    ]
    assert cli.run(["teach", *map(str, given)]) == 0
    return folder / "out"


def test_the_folder_is_a_record_set_with_pictures_and_a_page(made):
    records = list(read_set(made))
    names = [f"case_{k:03d}" for k in range(1, 4)]
    assert [r.record_id for r in records] == names
    assert all(r.synthetic for r in records)
    assert sorted(p.name for p in (made / "plots").iterdir()) == [f"{name}.png" for name in names]
    assert sorted(str(r.report) for r in records) == [WPW, "atrial flutter, blorp", "dextrocardia"]


def test_the_same_seed_gives_the_same_bytes(made, run, tmp_path):
    page = tmp_path / "out" / "teaching.html"
    assert run() == (0, f"3 synthetic cases; open {page}\n", [])
    assert contents(tmp_path / "out") == contents(made)
    assert run("--seed", 1, "--overwrite")[0] == 0
    assert page.read_bytes() != (made / "teaching.html").read_bytes()


def test_a_run_that_was_stopped_ends_with_the_same_bytes(pipeline_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(teaching, "BLOCK", 1)
    (tmp_path / "table.csv").write_text(TABLE, encoding="utf-8")
    words = ["teach", "--conditions", str(tmp_path / "table.csv"), "--steps", "1", "--checkpoint", str(pipeline_folder)]
    whole, out = goes_on(monkeypatch, capsys, lambda place: [*words, "--out", str(place)], tmp_path)
    assert contents(out) == contents(whole)
    assert not list(out.glob("cases-*"))


def test_only_the_answers_tell(made):
    page = Visible((made / "teaching.html").read_text(encoding="utf-8"))
    records = list(read_set(made))
    assert len(page.hidden) == len(records)
    assert (page.inside, page.opened) == (0, 0)
    assert "Not for diagnosis" in page.seen
    assert page.seen.count("Show the answer") == len(records)
    for number, (answer, record) in enumerate(zip(page.hidden, records, strict=True), 1):
        assert f"Case {number}:" in page.seen
        assert f"Asked for: {record.report};" in answer
        for code in record.statements:
            assert statements()[code].description in answer
            assert f"({code})" in answer
        assert record.report not in page.seen
        rate = record.metadata["request"].get("heart_rate")
        assert (f"{rate:g} bpm" if rate else "rate left open") in answer
    for word in ("flutter", "Parkinson", "dextro", "bpm"):
        assert word not in page.seen
    flutter = next(a for a in page.hidden if "flutter" in a)
    assert "69 years, female" in flutter
    assert "Not understood: blorp" in flutter


def test_the_picture_does_not_depend_on_the_answer(rng):
    signal = rng.standard_normal((12, 1000)).astype(np.float32)
    facts = {"report": "atrial flutter", "statements": {"AFLT": 100.0}, "metadata": {"heart_rate": 75}}
    plain = EcgRecord(signal, 100, LEADS_12, "case_001", Patient(age=69, sex="F"), synthetic=True)
    pictures = [render(plot_ecg(teaching.unlabelled(r)), dpi=30) for r in (plain, replace(plain, **facts))]
    assert pictures[0] == pictures[1]
    assert pictures[0] != render(plot_ecg(replace(plain, **facts)), dpi=30)


def test_the_order_follows_the_seed_and_not_the_table(pipeline_folder, tmp_path):
    texts = [f"atrial fibrillation, HR {rate}" for rate in range(60, 140, 10)]
    (tmp_path / "table.csv").write_text("\n".join(["text", *(f'"{text}"' for text in texts)]), encoding="utf-8")
    requests, pipeline = teaching_cases.requests_of(tmp_path / "table.csv"), load(pipeline_folder)
    cases = [made_cases(pipeline, requests, seed) for seed in (0, 1)]
    orders = [[case.report for case in some] for some in cases]
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(texts)
    assert orders[0] != orders[1]
    assert texts not in orders
    # The order is drawn apart from the samples: sample k of the table is what synthesis makes of it.
    plain = {r.report: r.signal_mv for r in pipeline(texts, seed=0, num_inference_steps=1)}
    assert all(np.array_equal(plain[r.report], r.signal_mv) for r in cases[0])


def test_several_of_each(pipeline_folder, tmp_path):
    (tmp_path / "table.csv").write_text(TABLE, encoding="utf-8")
    requests = teaching_cases.requests_of(tmp_path / "table.csv", 2)
    records = made_cases(load(pipeline_folder), requests, 0)
    assert set(Counter(r.report for r in records).values()) == {2}
    assert len({r.signal_mv.tobytes() for r in records}) == len(records) == 6


def test_every_rare_row_is_understood_and_was_shown_to_the_model():
    requests = teaching_cases.requests_of(teaching_cases.CONDITIONS)
    assert len(requests) >= 20
    texts = [requests[k].values["text"] for k in range(len(requests))]
    assert len(set(texts)) == len(texts)
    for k, text in enumerate(texts):
        values, read = requests[k].values, read_text(text)
        assert set(values) == {"text", "age", "sex", "heart_rate"}
        assert read.unknown == ()
        assert contradictions(replace(read, numbers={"heart_rate": values["heart_rate"]})) == []
        assert read.codes() <= teaching.SIMULATED, text


def test_how_rare_a_finding_is():
    assert "9 of the 2,330 training recordings; the rest was learned from simulated" in teaching.rarity("WPW")
    assert teaching.rarity("DEXTRO") == "Named by 0 of the 2,330 training recordings; no simulated one does."
    assert teaching.rarity("LVH") == ""


def test_simulated_reports_name_what_is_said_to_be_simulated():
    specifications = [{"statements": [code]} for code in ("EL", "STE_", "LPFB", "LAFB", "NORM")]
    truth = simulate(range(100), seed=3, conditions=specifications * 20).truth
    read = set().union(*(read_text(t.report_en).codes() | read_text(t.report_de).codes() for t in truth))
    assert teaching.SIMULATED - teaching.KNOWN - {"ARAD", "AXR"} <= read


def test_the_counts_are_those_of_the_training_folds(data_dir):
    table = open_source(data_dir("ptb-xl")).table
    table = table[table["split"] == "train"]
    if len(table) != 2330:
        pytest.skip("another copy of PTB-XL")
    counts: Counter[str] = Counter()
    for report, codes in zip(table["report"], table["statements"], strict=True):
        said = {s.code for s in read_text(report or "").statements if not s.negated}
        counts.update(said | set(json.loads(codes or "{}")))
    assert dict(counts) == dict(teaching.RECORDINGS)


def test_what_cannot_be_measured_shows_nothing():
    numbers = dict.fromkeys(("hr_bpm", "pr_ms", "qrs_ms", "axis_deg", "rr_cv", "rr_sd_ms", "rmssd_ms"), np.nan)
    leads = dict.fromkeys(("r_mv", "s_mv", "p_mv", "st_mv"), np.full(12, np.nan))
    assert not any(
        sign.met(SimpleNamespace(**numbers, **leads), "F") for sign in map(teaching.CRITERIA.get, teaching.RARE)
    )


@pytest.mark.parametrize(
    ("code", "shown", "not_shown"),
    [
        ("WPW", {"pr_ms": 100, "qrs_ms": 130}, {"pr_ms": 160, "qrs_ms": 130}),
        ("3AVB", {"hr_bpm": 38, "pr_ms": np.nan}, {"hr_bpm": 38, "pr_ms": 160}),
        ("SVTAC", {"hr_bpm": 180, "qrs_ms": 90}, {"hr_bpm": 180, "qrs_ms": 130}),
        ("ILBBB", {"qrs_ms": 112}, {"qrs_ms": 150}),
        ("LPFB", {"axis_deg": 110, "qrs_ms": 100}, {"axis_deg": -50, "qrs_ms": 100}),
        ("BIGU", _rhythm([600, 1000] * 6), _rhythm([600, 600, 1000, 1000] * 3)),
        ("BIGU", _rhythm([700, 1000] * 6), _rhythm([790, 810] * 6)),
        ("STE_", {"st_mv": _leads(II=0.12, III=0.2)}, {"st_mv": _leads(aVR=0.3, V2=0.15, V3=0.15, V4=0.12)}),
        ("RAO/RAE", {"p_mv": _leads(II=0.3)}, {"p_mv": _leads(II=0.1, V1=0.3)}),
        ("RVH", {"r_mv": _leads(V1=0.6), "s_mv": _leads(V6=0.5)}, {"r_mv": _leads(V1=0.2), "s_mv": _leads(V6=0.5)}),
        ("PMI", {"r_mv": _leads(V2=0.9), "s_mv": _leads(V2=0.4)}, {"r_mv": _leads(V2=0.3), "s_mv": _leads(V2=0.4)}),
    ],
)
def test_criteria_of_rare_findings(code, shown, not_shown):
    assert teaching.CRITERIA[code].met(SimpleNamespace(**shown), None)
    assert not teaching.CRITERIA[code].met(SimpleNamespace(**not_shown), None)


def test_scores_of_a_set(tmp_path, capsys):
    specifications = [{"statements": [code], "heart_rate": 70} for code in ("LPFB", "LPFB", "LPFB", "NORM", "NORM")]
    write(
        simulate(range(5), seed=0, noise="light", conditions=specifications).records(), tmp_path / "set", format="npz"
    )
    assert cli.run(["teach", "--score", str(tmp_path / "set")]) == 0
    assert capsys.readouterr().out == "LPFB: 3 of 3; of others 0 of 2 (axis >= 90 degrees, QRS < 120 ms)\n"
    write(simulate(range(2), seed=0, conditions=[{"statements": ["NORM"]}] * 2).records(), tmp_path / "normal")
    assert cli.run(["teach", "--score", str(tmp_path / "normal")]) == 2
    assert "no ECG with a statement of WPW" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "table", "words"),
    [
        (["--conditions", "none.csv"], TABLE, "none.csv: not found; accepted: a CSV"),
        ([], "text,age\nLBBB,700\nLBBB,60\n", "table.csv, row 2: age 700: expected 0 to 120 years"),
        ([], "text,age\nLBBB,60\nblorp zzz,60\n", "table.csv, row 3: text not understood at all: blorp, zzz"),
        ([], "text,age\nno LBBB,60\n", "row 2: text 'no LBBB' names no finding; accepted: such as"),
        ([], "text,age\n,60\n", "row 2: text '' names no finding"),
        ([], "site,place\nA,B\n", "no column of conditions in it (site, place); accepted: text, age"),
        (["-n", "0"], TABLE, "-n 0: expected at least 1"),
        (["--seed", "-1"], TABLE, "--seed -1: expected 0 or more"),
        (["--steps", "0"], TABLE, "0 sampling steps: expected 1 to 1000"),
        (["--checkpoint", "none"], TABLE, "--checkpoint none: not found"),
    ],
)
def test_bad_input_gets_one_line_and_no_folder(run, tmp_path, arguments, table, words):
    (tmp_path / "table.csv").write_text(table, encoding="utf-8")
    before = sorted(tmp_path.iterdir())
    status, out, err = run(*arguments)
    assert (status, out, len(err)) == (2, "", 1)
    assert words in err[0]
    assert sorted(tmp_path.iterdir()) == before


def test_what_is_there_is_kept(run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert [run(*arguments)[0] for arguments in ((), ("--overwrite",))] == [2, 2]
    assert contents(tmp_path / "out") == {Path("notes.txt"): b"mine"}


def test_a_set_is_replaced_only_when_told_to(run, tmp_path):
    (tmp_path / "table.csv").write_text("text\nLBBB\n", encoding="utf-8")
    assert run()[0] == 0
    before = contents(tmp_path / "out")
    assert run("--seed", 1)[2] == [f"physiogen: {tmp_path / 'out'}: exists; use --overwrite"]
    assert contents(tmp_path / "out") == before
    assert run("--seed", 1, "--overwrite")[0] == 0
    assert contents(tmp_path / "out") != before


def test_a_failure_half_way_leaves_nothing(run, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(teaching, "save", full)
    words = "disk full; nothing was finished yet: free some space and run the same command again"
    before = sorted(tmp_path.iterdir())
    status, _, err = run()
    assert (status, err) == (2, [f"physiogen: {tmp_path / 'out'}: {words}"])
    assert sorted(tmp_path.iterdir()) == before
