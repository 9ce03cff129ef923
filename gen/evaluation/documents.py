"""Pages of results are rendered from stored results and never typed: ``docs/results/NAME.json`` -> ``NAME.md``."""

from pathlib import Path

from gen.files import write_atomically
from gen.records import InputError
from gen.results import Results

FOLDER = Path("docs/results")


def page(found: Results) -> str:
    """The page of one evaluation's results."""
    return f"# {found.name}\n\n{found.to_markdown()}"


def check(root: Path) -> list[str]:
    """What differs between the documents of a checkout and its stored results, one line each.

    Raises:
        InputError: no stored results there, or a file that holds none.
    """
    complaints = []
    for file in _stored(root):
        shown = file.with_suffix(".md")
        if not shown.is_file():
            complaints.append(f"{shown}: missing; render it from {file.name}")
        elif shown.read_text(encoding="utf-8") != page(Results.read(file)):
            complaints.append(f"{shown}: differs from {file.name}; render it again")
    return complaints


def render(root: Path) -> list[Path]:
    """Write every page; returns them.

    Raises:
        InputError: as `check`.
    """
    pages = []
    for file in _stored(root):
        write_atomically(file.with_suffix(".md"), page(Results.read(file)).encode())
        pages.append(file.with_suffix(".md"))
    return pages


def _stored(root: Path) -> list[Path]:
    found = sorted((root / FOLDER).glob("*.json"))
    if not found:
        raise InputError(f"{root / FOLDER}: no stored results; accepted: the root of a checkout")
    return found
