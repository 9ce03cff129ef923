"""One vocabulary: what is known of a statement stands in ``statements.csv``, and nowhere else."""

import ast
from pathlib import Path

import pytest

from gen.text.phrases import rate_of, rhythms, statements, touching

ROOT = Path(__file__).resolve().parents[2]
SINUS = {"SR", "STACH", "SBRAD", "SARRH"}
#: A population of simulated hearts, trained tables and what a diagnosis is drawn from are no vocabulary.
OWN_NUMBERS = ("gen/simulate/", "diffusion/rhythm/", "metrics/judges/", "gen/text/")


def test_every_row_is_coherent():
    table = statements()
    for code, row in table.items():
        assert row.rhythm in ("", "sinus", "main", "other")
        assert row.excludes <= set(table), code
        assert row.touches <= {"qrs", "pr", "no_pr"}
        if row.rate is not None:
            assert row.rate.low <= row.rate.usual_low < row.rate.usual_high <= row.rate.high, code
            assert row.rate.usual_low <= row.rate.mean <= row.rate.usual_high, code
            assert row.rate.sd > 0


def test_words_of_rate_mean_one_thing():
    table = statements()
    assert (table["SR"].rate.low, table["SR"].rate.high) == (60, 100)
    assert {table[code].rate.low for code in ("STACH", "SVTAC", "PSVT", "TACH", "RVR")} == {100}
    assert {table[code].rate.high for code in ("SBRAD", "BRADY", "SVR", "3AVB")} == {60}
    assert (table["SVTAC"].rate.usual_low, table["SVTAC"].rate.usual_high) == (140, 220)


def test_sets_of_rhythms_come_from_the_table():
    assert rhythms("sinus") == SINUS
    assert {"AFIB", "AFLT", "PACE", "3AVB"} <= rhythms("main")
    assert not rhythms("main") & rhythms("other")
    assert touching("no_pr") == {"AFIB", "AFLT", "PACE", "3AVB"}
    assert "CLBBB" in touching("qrs")
    assert "STACH" not in touching("qrs")


@pytest.mark.parametrize(
    ("codes", "expected"),
    [({"SR", "AFIB"}, "AFIB"), ({"AFIB", "RVR"}, "RVR"), ({"SBRAD", "LVH"}, "SBRAD"), ({"LVH"}, None)],
)
def test_the_rhythm_that_decides_gives_the_rate(codes, expected):
    assert rate_of(codes) == (statements()[expected].rate if expected else None)


def _sources():
    for package in ("gen", "metrics", "vae", "diffusion", "flow"):
        for path in (ROOT / package).rglob("*.py"):
            if not path.relative_to(ROOT).as_posix().startswith(OWN_NUMBERS):
                yield path


def _texts(node):
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def test_no_other_table_of_rates_and_no_other_set_of_rhythms():
    """Rates stand beside a rhythm's code in no literal, and no literal spells the sinus rhythms."""
    found = []
    for path in _sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Set) and _texts(node) >= SINUS - {"SARRH"}:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}: a set of rhythms")
            if not isinstance(node, ast.Dict):
                continue
            for key, value in zip(node.keys, node.values, strict=True):
                rhythm = isinstance(key, ast.Constant) and key.value in rhythms() | {"RVR", "SVR", "TACH", "BRADY"}
                numbers = isinstance(value, ast.Tuple) and all(isinstance(e, ast.Constant) for e in value.elts)
                if rhythm and numbers and sum(isinstance(e.value, int | float) for e in value.elts) >= 2:
                    found.append(f"{path.relative_to(ROOT)}:{key.lineno}: rates of {key.value}")
    assert found == []
