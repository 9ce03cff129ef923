"""The report's files, the traffic lights, and the comparison of two reports."""

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from gen.io import write
from gen.records import InputError
from gen.simulate import iter_cohort
from metrics.report.compare import compare_reports, comparison_markdown
from metrics.report.entries import CONTRACT, Entry, entry, skip
from metrics.report.exports import rounded
from metrics.report.lights import light
from metrics.report.write import check_out, read_report, write_report
from metrics.suite import BenchmarkReport, benchmark
from metrics.suite.presets import Preset

PRESET = Preset("small", ("paired", "features", "physics", "privacy"), 3, 0, 1000, 40, thorough=False)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A benchmark of 24 records against the same with noise, written to a folder."""
    root = tmp_path_factory.mktemp("report")
    records = list(iter_cohort(24, 0, 1, noise="light", fs_hz=100, duration_s=5))
    rng = np.random.default_rng(0)
    for name, level in (("real", 0.0), ("better", 0.02), ("worse", 0.1)):
        noisy = [
            replace(r, signal_mv=r.signal_mv + level * rng.standard_normal(r.signal_mv.shape).astype(np.float32))
            for r in records
        ]
        write(noisy, root / name, format="npz")
    given = {"real": root / "real", "preset": PRESET, "extractors": ["random-conv"]}
    told = []
    benchmark(**given, generated=root / "better", out=root / "R-better", progress=lambda *each: told.append(each))
    (root / "told.json").write_text(json.dumps(told))
    write_report(benchmark(**given, generated=root / "worse"), root / "R-worse")  # without pictures
    return root


def test_report_json_keeps_the_contract(written):
    found = json.loads((written / "R-better" / "report.json").read_text())
    assert set(found) >= {"metrics", "settings", "warnings"}
    assert set(CONTRACT) <= set(found["metrics"])
    for name, each in found["metrics"].items():
        assert set(each) >= {"value", "ci", "n", "unit", "better", "floor"}, name
        assert each["better"] in ("lower", "higher")
        assert (each["value"] is None) == ("skipped" in each), name
        if each["ci"] is not None:
            assert each["ci"][0] <= each["value"] <= each["ci"][1], name
    settings = found["settings"]
    assert settings["seed"] == 0
    assert settings["versions"]["physiogen"]
    assert re.fullmatch("[0-9a-f]{64}", settings["extractors"]["random-conv"]["sha256"])
    assert settings["wall_s"]["total"] > 0


def test_markdown_begins_with_the_headline_and_lists_what_is_missing(written):
    text = (written / "R-better" / "report.md").read_text()
    assert text.startswith("24 generated records")
    assert "## Not computed" in text
    assert "| fid |" in text
    assert "| mse |" in text


def test_html_is_one_file_that_loads_nothing(written):
    page = (written / "R-better" / "report.html").read_text()
    assert page.count("data:image/png;base64,") >= 5
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    for words in ("Summary", "Distribution of features", "Not computed", "Settings"):
        assert words in page


def test_drawing_counts_in_the_time_left_and_picture_by_picture(written):
    told = json.loads((written / "told.json").read_text())
    total = told[-1][1]
    drawing = [done for done, _, step in told if step == "drawing"]
    assert drawing[0] < 0.5 * total  # of a few records, pictures are the most of it
    assert drawing[-1] == total
    assert len(set(drawing)) >= 5
    assert drawing == sorted(drawing)


def test_a_report_is_not_overwritten_unasked(written):
    with pytest.raises(InputError, match="use --overwrite"):
        benchmark(real=written / "real", generated=written / "better", out=written / "R-better", preset=PRESET)
    report = BenchmarkReport("again", {"fid": skip("fid", "no reason")}, {})
    with pytest.raises(InputError, match="use --overwrite"):
        write_report(report, written / "R-better")
    file = written / "file"
    file.write_text("")
    with pytest.raises(InputError, match="is a file"):
        write_report(report, file)


def test_not_a_number_becomes_null(tmp_path):
    report = BenchmarkReport("x", {"fid": entry("fid", value=float("nan"), ci=(float("inf"), 1.0))}, {"a": np.nan})
    write_report(report, tmp_path / "R")
    found = read_report(tmp_path / "R")
    assert found["metrics"]["fid"]["value"] is None
    assert found["settings"]["a"] is None


def figure(**given):
    values = {"floor": 1.0, "floor_ci": (0.9, 1.1), "baseline": 11.0, "better": "lower"}
    return Entry("x", **{**values, **given})


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.5, "green"), (1.1, "green"), (1.11, "amber"), (1.4, "amber"), (6.0, "amber"), (6.1, "red"), (20.0, "red")],
)
def test_lights_of_a_distance(value, expected):
    assert light(figure(value=value)) == expected


def test_lights_of_a_share_are_the_mirror_image():
    mirrored = {"floor": -1.0, "floor_ci": (-1.1, -0.9), "baseline": -11.0, "better": "higher"}
    for value in (0.5, 1.4, 3.0, 6.1):
        assert light(figure(value=-value, **mirrored)) == light(figure(value=value))


def test_the_light_compares_at_the_floors_number_of_records():
    assert light(figure(value=0.2, at_floor_n=6.5)) == "red"
    assert light(figure(value=9.0, at_floor_n=1.0)) == "green"


def test_crowding_is_no_virtue():
    given = {"floor": 1.0, "floor_ci": (0.95, 1.05), "baseline": 0.0, "better": "higher"}
    assert light(Entry("density", value=1.0, **given)) == "green"
    assert light(Entry("density", value=2.0, **given)) == "red"


@pytest.mark.parametrize("name", ["drift_power_mv2", "mains_power_mv2@x", "spread_ratio"])
def test_as_in_the_real_set_is_neither_more_nor_less(name):
    given = {"floor": 1.0, "floor_ci": (0.9, 1.1), "baseline": 3.0, "better": "lower"}
    lights = [light(Entry(name, value=value, **given)) for value in (0.91, 1.09, 0.89, 1.11, 0.01, 2.5)]
    assert lights == ["green", "green", "amber", "amber", "amber", "red"]
    assert Entry(name, **given).goal == 1.0


def test_a_floor_without_interval_takes_the_values_own():
    near = Entry("x", value=0.85, ci=(0.80, 0.90), floor=0.887, better="higher")
    assert light(near) == "green"
    assert light(replace(near, floor=0.95)) == "amber"


def test_a_partial_judge_gives_no_light():
    assert light(figure(value=1.0, extra={"partial_judge": True})) == "none"


def test_lights_are_words_too(written):
    page = (written / "R-worse" / "report.html").read_text()
    assert '<span class="mark red">far from real</span>' in page
    assert "far from real" in (written / "R-worse" / "report.md").read_text()
    assert "worse against real" in page.split("</h1>")[0]
    assert "physiogen benchmark --real real --generated worse" in page
    assert str(written) not in page


def test_tables_and_drawings_are_files(written):
    rows = list(csv.DictReader((written / "R-better" / "table.csv").open()))
    report = read_report(written / "R-better")
    assert [row["measure"] for row in rows] == list(report["metrics"])
    assert float(next(r for r in rows if r["measure"] == "mse")["value"]) == report["metrics"]["mse"]["value"]
    latex = (written / "R-better" / "table.tex").read_text()
    assert latex.count("\\\\") == 1 + sum(each["value"] is not None for each in report["metrics"].values())
    assert "limb\\_lead" in latex
    kinds = {path.suffix for path in (written / "R-better" / "figures").iterdir()}
    assert kinds == {".png", ".svg", ".pdf"}


@pytest.mark.parametrize(
    ("value", "interval", "text"),
    [
        (0.83612, (0.801, 0.867), "0.836 [0.801, 0.867]"),
        (152.47, (122.2, 211.8), "152 [122, 212]"),
        (12.0, None, "12"),
    ],
)
def test_digits_are_those_that_the_interval_allows(value, interval, text):
    assert rounded(value, interval) == text


def comparable(value, ci, **given):
    entry = {"value": value, "ci": ci, "n": 9, "unit": "", "better": "lower", "floor": 1.0, **given}
    return {"metrics": {"drift_power_mv2": entry}, "settings": {"sets": {"real": {"digest": "r"}}}}


def test_what_should_be_as_real_is_compared_by_distance(tmp_path):
    for name, report in {
        "low": comparable(0.2, [0.1, 0.3], goal=1.0),
        "near": comparable(1.2, [1.1, 1.3], goal=1.0),
        "other": comparable(0.9, [0.2, 1.6], goal=1.0),
    }.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(report))
    low, near, other = (tmp_path / f"{name}.json" for name in ("low", "near", "other"))
    assert compare_reports(low, near).lines[0].verdict == "B nearer to 1 (intervals apart)"
    assert compare_reports(near, low).lines[0].verdict == "A nearer to 1 (intervals apart)"
    assert compare_reports(other, near).lines[0].verdict == "intervals overlap"


def test_a_partial_judge_gives_no_verdict_between_two(tmp_path):
    for name, report in {
        "ours": comparable(0.2, [0.1, 0.3]),
        "simulated": comparable(1.2, [1.1, 1.3], partial_judge=True),
    }.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(report))
    (line,) = compare_reports(tmp_path / "ours.json", tmp_path / "simulated.json").lines
    assert line.method == "not tested"
    assert line.verdict.startswith("none: the judge has learned")


def test_lights_without_a_floor():
    assert light(Entry("x", value=1.0)) == "none"
    assert light(skip("x", "why")) == "none"
    assert light(entry("mse", value=0.2, baseline=1.0)) == "green"
    assert light(entry("mse", value=0.9, baseline=1.0)) == "amber"
    assert light(entry("mse", value=1.1, baseline=1.0)) == "red"
    assert light(entry("near_copy_share", value=0.01, section="Privacy")) == "red"
    assert light(entry("membership_auroc", value=0.52, ci=(0.47, 0.57), section="Privacy")) == "green"
    assert light(entry("membership_auroc", value=0.8, ci=(0.7, 0.9), section="Privacy")) == "red"


def test_compare_tests_pairs_of_records_where_they_are_stored(written):
    found = compare_reports(written / "R-better", written / "R-worse")
    lines = {line.name: line for line in found.lines}
    assert lines["mse"].method == "paired bootstrap over patients"
    assert lines["mse"].records == 24
    assert lines["mse"].p_value < 0.01
    assert lines["mse"].verdict == "A better"
    assert lines["pcc"].verdict == "A better"
    assert lines["log_psd_distance_db"].method == "interval overlap"
    assert lines["log_psd_distance_db"].p_value is None
    assert lines["kid"].method == lines["kid"].verdict == "not tested"  # 24 records are too few to halve
    text = comparison_markdown(found)
    assert "no test" in text
    assert "| mse |" in text


def test_compare_of_a_report_with_itself_shows_no_difference(written):
    for line in compare_reports(written / "R-better", written / "R-better").lines:
        assert line.change == 0
        assert "better" not in line.verdict


def test_compare_warns_of_different_real_sets(written, tmp_path):
    other = json.loads((written / "R-worse" / "report.json").read_text())
    other["settings"]["sets"]["real"]["digest"] = "0" * 64
    other["settings"]["extractors"]["random-conv"]["sha256"] = "0" * 64
    (tmp_path / "report.json").write_text(json.dumps(other))
    warnings = compare_reports(written / "R-better", tmp_path / "report.json").warnings
    assert any("real sets differ" in text for text in warnings)
    assert any("weights of random-conv differ" in text for text in warnings)


@pytest.mark.parametrize(("text", "words"), [("{", "not JSON"), ("[]", "holds no"), ("{}", "holds no")])
def test_compare_refuses_what_is_no_report(written, tmp_path, text, words):
    file = tmp_path / "bad.json"
    file.write_text(text)
    with pytest.raises(InputError, match=words):
        compare_reports(written / "R-better", file)
    with pytest.raises(InputError, match="cannot be read"):
        compare_reports(written / "R-better", tmp_path / "missing.json")


def test_every_measure_stands_once_with_formula_and_what_is_good(tmp_path):
    from metrics.definitions import ALL
    from metrics.report.entries import WAVEFORM
    from metrics.report.formulas import formula_of, meanings
    from metrics.suite.sections import downstream, identity, physics, text

    named = {name for module in (text,) for name in module.NAMES} | {
        *ALL,
        *WAVEFORM,
        "kid of NORM",
        "hr_bpm_wasserstein",
    }
    named |= {*downstream._RETAINED, *downstream._USED, *physics._DISTANCES, *identity._NAMES}
    assert {name for name in named if formula_of(name) is None or not formula_of(name).formula} == set()
    entries = [
        entry("fid", value=1.0),
        entry("fid@other", value=2.0),
        entry("kid", skipped="none"),
        entry("mae", value=1.0),
    ]
    assert [row[0] for row in meanings(entries)] == ["fid", "mae"]
    assert "Heusel" in meanings(entries)[0][-1]


@pytest.mark.parametrize(
    ("value", "bounds", "text"),
    [
        (152.5, (122.0, 212.0), "152"),
        (0.73812, (0.7012, 0.7751), "0.738"),
        (0.0306, None, "0.0306"),
        (3.14159, (3.14159, 3.14159), "3.142"),
        (2, (float("nan"), 3), "2"),
        (None, (0, 1), ""),
    ],
)
def test_tables_have_the_digits_that_the_interval_allows(value, bounds, text):
    from metrics.report.tables import number

    assert number(value, bounds) == text


def test_overwrite_replaces_reports_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds files and no report"):
        check_out(tmp_path, overwrite=True)
    check_out(tmp_path, overwrite=False)  # beside them, without replacing
    (tmp_path / "report.json").write_text("{}")
    check_out(tmp_path, overwrite=True)
