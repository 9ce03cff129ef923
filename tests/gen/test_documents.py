"""Documents agree with the stored data, and no figure in them is typed by hand."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gen.evaluation import documents
from gen.records import InputError
from gen.results import Results
from gen.values import Value

ROOT = Path(__file__).resolve().parents[2]
#: A figure with its interval, or a row of a table with a decimal.
TYPED = re.compile(r"\d \[[-+]?\.?\d[^\]]*\]|^\|.*\d*\.\d+.*\|$", re.M)


def written_pages() -> list[Path]:
    found = [path for pattern in documents.WRITTEN for path in ROOT.glob(pattern)]
    return [path for path in found if ".venv" not in path.parts]


def test_documents_and_stored_data_agree():
    assert documents.check(ROOT) == [], "run `physiogen evaluate --render`"


@pytest.mark.parametrize("path", written_pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_figure_is_typed(path):
    text = documents.BLOCK.sub("", path.read_text(encoding="utf-8"))
    assert TYPED.findall(text) == []


def test_no_document_asks_for_a_module():
    for path in [*written_pages(), ROOT / "CONTRIBUTING.md", ROOT / "Makefile"]:
        assert "python -m" not in path.read_text(encoding="utf-8").replace("$(BIN)/python -m", ""), path


def test_links_of_pages_lead_somewhere():
    broken = []
    for path in [*written_pages(), ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
            if "://" not in target and not (path.parent / target).exists():
                broken.append(f"{path.relative_to(ROOT)}: {target}")
    assert broken == []


def test_every_situation_names_a_test_that_is_there():
    text = (ROOT / "docs" / "guide" / "situations.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "| test |" not in line]
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) == len(rows) > 50
    for file, name in named:
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{name}"


@pytest.mark.slow  # `.ci/run` builds the site itself
def test_every_page_is_in_the_site(tmp_path):
    pytest.importorskip("mkdocs")
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    pages = {path.relative_to(tmp_path).with_suffix("").as_posix() for path in tmp_path.rglob("*.html")}
    assert {"index", "guide/reconstruct", "results/twins", "cards/vae-default", "api/index", "gallery"} <= pages


def miniature(root: Path) -> Path:
    values = {"all": {"ours": {"MAE": Value(0.5, 0.4, 0.6, unit="mV")}, "theirs": {"MAE": Value(0.9, unit="mV")}}}
    Results("x", "physiogen evaluate x", values, n=7, revision="1").write(root / documents.RESULTS / "x.json")
    page = root / "docs" / "page.md"
    page.write_text("Before\n<!-- results: x | all | rows: ours -->\n<!-- /results -->\nAfter\n")
    return page


def test_a_table_stands_where_its_mark_is(tmp_path):
    page = miniature(tmp_path)
    assert sorted(documents.check(tmp_path))[0].startswith("docs/page.md: differs")
    documents.render(tmp_path)
    text = page.read_text()
    assert text.startswith("Before\n<!-- results: x | all | rows: ours -->\n")
    assert text.endswith("<!-- /results -->\nAfter\n")
    assert "0.50 [0.40, 0.60]" in text
    assert "theirs" not in text
    assert "`physiogen evaluate x`" in text
    assert documents.check(tmp_path) == []
    assert documents.render(tmp_path) == []


def test_a_figure_changed_by_hand_is_found(tmp_path):
    page = miniature(tmp_path)
    documents.render(tmp_path)
    page.write_text(page.read_text().replace("0.50 [", "0.48 ["))
    assert [line.partition(":")[0] for line in documents.check(tmp_path)] == ["docs/page.md"]


def test_pages_of_results_that_are_gone_go_too(tmp_path):
    miniature(tmp_path)
    documents.render(tmp_path)
    (tmp_path / documents.RESULTS / "old.md").write_text("# old\n")
    assert documents.check(tmp_path) == ["docs/results/old.md: its stored data are gone"]
    documents.render(tmp_path)
    assert not (tmp_path / documents.RESULTS / "old.md").exists()


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ("<!-- results: y | all -->\n<!-- /results -->", "page.md: no 'y' in the stored results"),
        ("<!-- results: x | some -->\n<!-- /results -->", "page.md: no 'some' in the stored results"),
        ("<!-- headline:\nA | x | all/none/MAE\n-->\n<!-- /headline -->", "no 'all/none/MAE' in the stored results"),
        ("<!-- results: x | all -->\n", "not opened as it is closed"),
    ],
)
def test_a_mark_without_data_is_refused(tmp_path, mark, words):
    page = miniature(tmp_path)
    page.write_text(mark + "\n" + ("<!-- /help -->\n" if "/" not in mark else ""))
    with pytest.raises(InputError, match=re.escape(words)):
        documents.check(tmp_path)
