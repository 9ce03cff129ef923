"""Which of several reports is the best, and what is not said of them: no winner without a test, none by an arrow."""

import json

import pytest

from gen.cli import run
from metrics.report.verdicts import verdicts


def report(**figures):
    sets = {"real": {"digest": "a"}, "generated": {"records": 10}}
    return {"settings": {"sets": sets}, "metrics": figures, "headline": "", "warnings": [], "records": {}}


def figure(value, ci=None, better="lower", **given):
    return {"value": value, "ci": ci, "better": better, **given}


def verdict(name, **entries):
    (found,) = verdicts({system: report(**{name: each}) for system, each in entries.items()}, [name])
    return found


def test_the_best_is_told_from_those_whose_intervals_are_apart():
    found = verdict("fid", a=figure(9.0, [8, 10]), b=figure(2.0, [1, 3]), c=figure(2.5, [2, 4]))
    assert (found.best, found.over, found.like, found.untested) == ("b", ("a",), ("c",), ())
    assert found.words == "b: better than a (intervals apart); not told from c"
    more = verdict("coverage", a=figure(0.9, [0.8, 1], "higher"), b=figure(0.2, [0.1, 0.3], "higher"))
    assert (more.wanted, more.words) == ("higher", "a: better than b (intervals apart)")


def test_nothing_is_said_where_nothing_was_tested():
    found = verdict("statement_auroc", a=figure(0.9, better="higher"), b=figure(0.1), c=figure(0.5))
    assert (found.best, found.over, found.untested) == (None, (), ("c", "b"))
    assert found.words == "not tested"
    some = verdict("fid", a=figure(1.0, [0, 2]), b=figure(5.0), c=figure(7.0, [6, 8]))
    assert some.words == "a: better than c (intervals apart); not tested against b"
    assert verdict("fid", a=figure(1.0, [0, 2]), b=figure(None)).words == "not tested: one report has a value"


@pytest.mark.parametrize("goal", [{"goal": 2.6}, {"floor": 2.6}])
def test_as_in_the_real_set_is_a_distance_and_no_arrow(goal):
    found = verdict(
        "mains_power_mv2",
        much=figure(9.3, [9.0, 9.6], **goal),
        none=figure(0.1, [0.05, 0.15], **goal),
        near=figure(2.4, [2.2, 2.9], **goal),
    )
    assert found.wanted == "as real"
    assert (found.best, found.over) == ("near", ("none", "much"))
    assert found.words == "near: nearer to it than none, much (intervals apart)"


def test_as_in_the_real_set_needs_to_know_the_real_set():
    found = verdict("drift_power_mv2", a=figure(0.1, [0.0, 0.2]), b=figure(9.0, [8, 10]))
    assert (found.best, found.words) == (None, "none: what the real set has is not known")


def test_a_half_is_a_distance_too():
    found = verdict("nearer_to_train_share", a=figure(0.1, [0, 0.2], goal=0.5), b=figure(0.55, [0.5, 0.6], goal=0.5))
    assert (found.wanted, found.words) == ("near 0.5", "b: nearer to it than a (intervals apart)")


def test_a_judge_that_knows_a_generator_gives_no_verdict():
    found = verdict("clip_score", a=figure(0.4, [0.3, 0.5]), b=figure(0.9, [0.8, 1.0], partial_judge=True))
    assert (found.best, found.words) == (None, "none: the judge has learned from a generator that it scores")


def test_the_same_records_are_tested_in_pairs():
    systems = {"good": 1.0, "bad": 2.0, "same": 1.0}
    reports = {}
    for k, (name, mean) in enumerate(systems.items()):
        values = [mean + 0.01 * ((7 * i + k) % 5) for i in range(12)]
        made = report(mse=figure(sum(values) / 12, [0, 9]))
        made["records"] = {"ids": [str(i) for i in range(12)], "patients": list(range(12)), "values": {"mse": values}}
        reports[name] = made
    (found,) = verdicts(reports, ["mse"])
    assert found.over == ("bad",)
    assert (
        found.words == f"{found.best}: better than bad (paired bootstrap over patients); not told from {found.like[0]}"
    )


def test_the_command_says_it_below_the_table(tmp_path, capsys):
    for name, fid, mains in (
        ("ours", [2.0, [1, 3]], 0.1),
        ("sim", [9.0, [8, 10]], 2.5),
        ("noise", [99.0, [90, 110]], 9),
    ):
        made = report(
            fid=figure(*fid),
            density=figure(0.5, better="higher", floor=1.0),
            mains_power_mv2=figure(mains, [mains - 0.05, mains + 0.05], floor=2.6),
        )
        (tmp_path / f"{name}.json").write_text(json.dumps(made))
    named = [f"{name}={tmp_path / name}.json" for name in ("ours", "sim", "noise")]
    figures = ["--figures", "fid,density,mains_power_mv2"]
    assert run(["compare", *named, *figures]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "| ours | 10 | 2 [1, 3] | 0.5 | 0.1 [0.05, 0.15] |" in lines
    assert "| fid | lower | ours: better than sim, noise (intervals apart) |" in lines
    assert "| density | as real | not tested |" in lines
    assert "| mains_power_mv2 | as real | sim: nearer to it than ours, noise (intervals apart) |" in lines
    assert any("no test" in line for line in lines)
    assert run(["compare", *named, *figures, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["reports"]["noise"]["fid"]["value"] == 99
    assert {name: each["best"] for name, each in facts["verdicts"].items()} == {
        "fid": "ours",
        "density": None,
        "mains_power_mv2": "sim",
    }
