"""Writes a report's files, each whole or not at all: page, figures, tables, and report.json last."""

import json
import re
from pathlib import Path
from typing import Any

from gen.files import refuse_foreign, write_atomically
from gen.records import InputError
from metrics.report.entries import BenchmarkReport

FILES = ("report.json", "report.md", "report.html", "table.csv", "table.tex")


def check_out(out: Path, *, overwrite: bool) -> None:
    """Refuse a folder that holds a report already, before anything is computed.

    Raises:
        InputError: ``out`` is a file, or holds a report and ``overwrite`` is off, or other things and it is on.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; accepted: a folder for the report")
    there = [name for name in FILES if (out / name).exists()]
    if there and not overwrite:
        raise InputError(f"{out / there[0]}: exists; use --overwrite")
    if overwrite:
        refuse_foreign(out, (*FILES, "figures"), "report")


def write_report(report: BenchmarkReport, out: Path, *, overwrite: bool = False) -> BenchmarkReport:
    """Write page, tables and pictures; report.json last, so that it stands for a finished report.

    Pictures lie in ``figures/`` as PNG, plots as SVG and PDF too; the table of all figures is there as CSV and LaTeX.
    """
    from metrics.report.exports import as_csv, as_latex
    from metrics.report.markdown import markdown
    from metrics.report.page import page

    check_out(out, overwrite=overwrite)
    for name, content in _pictures(report).items():
        write_atomically(out / "figures" / name, content)
    write_atomically(out / "table.csv", as_csv(report).encode())
    write_atomically(out / "table.tex", as_latex(report).encode())
    write_atomically(out / "report.html", page(report).encode())
    write_atomically(out / "report.md", markdown(report).encode())
    write_atomically(out / "report.json", encode(report).encode())
    return report.written_to(out)


def _pictures(report: BenchmarkReport) -> dict[str, bytes]:
    """Content by file name."""
    found = {}
    for number, picture in enumerate(report.pictures, 1):
        words = re.sub(r"[^a-z0-9]+", "-", picture.section.lower()).strip("-")
        for kind, content in {"png": picture.png, **picture.drawing}.items():
            found[f"{number:02d}-{words}.{kind}"] = content
    return found


def encode(report: BenchmarkReport) -> str:
    """report.json as text; NaN and infinity, which JSON has no word for, are null."""
    return json.dumps(_plain(report.as_dict()), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_report(path: str | Path) -> dict[str, Any]:
    """A report.json, or the folder that holds one.

    Raises:
        InputError: no such file, or not a report.
    """
    file = Path(path)
    file = file / "report.json" if file.is_dir() else file
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); accepted: report.json of a benchmark") from error
    except ValueError as error:
        raise InputError(f"{file}: not JSON; accepted: report.json of a benchmark") from error
    if not isinstance(found, dict) or not isinstance(found.get("metrics"), dict):
        raise InputError(f"{file}: holds no 'metrics'; accepted: report.json of a benchmark")
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
