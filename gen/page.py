"""Builds one self-contained HTML page: text, tables and pictures in a single file that opens offline.

    page = Page("Twelve leads from three", synthetic=True)
    page.heading("Figures").table(["lead", "MSE (mV²)"], [["V2", 0.031]]).figure(png_bytes, "Lead V2")
    page.write("report.html")

Everything is escaped; the page carries no script and, by its own content policy, loads nothing from anywhere.
"""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from gen.files import write_atomically
from gen.records import InputError

SYNTHETIC_TEXT = "Synthetic: the signals on this page were made or completed by software. Not for diagnosis."

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\xff\xd8\xff", "image/jpeg"),
)
_NUMBER = re.compile(r"[+\-−]?[\d.,]+([eE][+-]?\d+)?( ?%)?")


@dataclass(frozen=True)
class Mark:
    """A word in a coloured frame, for a cell of a table: the word says it, the colour only helps to find it.

    Attributes:
        text: the word; nothing is drawn where it is empty.
        colour: green, amber or red.
    """

    text: str
    colour: str

    def __str__(self) -> str:
        return self.text


class Page:
    """A page under construction; every method returns the page, so that calls can be chained.

    Args:
        title: heading of the page and name of its tab.
        subtitle: one line below it.
        synthetic: show the banner that says so; a string replaces its text.
        language: language code of the content.
    """

    def __init__(
        self, title: str, *, subtitle: str | None = None, synthetic: bool | str = False, language: str = "en"
    ) -> None:
        self.title = title
        self.subtitle = subtitle
        self.synthetic = synthetic
        self.language = language
        self._parts: list[str] = []
        self._sections: list[tuple[int, str]] = []  # number of the part, and heading, of level 2

    def heading(self, text: str, level: int = 2) -> "Page":
        """Start a section (level 2, listed at the top of the page) or a part of one (level 3 or 4)."""
        if level not in (2, 3, 4):
            raise ValueError(f"level of a heading must be 2, 3 or 4, got {level}")
        if level == 2:
            self._sections.append((len(self._parts), text))
        return self._add(f"<h{level}>{escape(text)}</h{level}>")

    def text(self, text: str) -> "Page":
        """Add paragraphs of plain text, separated by blank lines."""
        paragraphs = [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]
        return self._add("\n".join(f"<p>{escape(part)}</p>" for part in paragraphs))

    def points(self, items: Iterable[str]) -> "Page":
        """Add a list of points."""
        return self._add("<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>")

    def code(self, text: str) -> "Page":
        """Add commands or output in a fixed-width font, line breaks kept."""
        return self._add(f"<pre><code>{escape(text)}</code></pre>")

    def note(self, text: str) -> "Page":
        """Add a framed remark, for a warning or a limit."""
        return self._add(f'<p class="note">{escape(text)}</p>')

    def facts(self, facts: Mapping[str, Any]) -> "Page":
        """Add a row of figures, each large over its label."""
        cells = "".join(
            f"<div><dd>{escape(format_value(value))}</dd><dt>{escape(label)}</dt></div>"
            for label, value in facts.items()
        )
        return self._add(f'<dl class="facts">{cells}</dl>')

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[Any]], caption: str | None = None) -> "Page":
        """Add a table; columns of numbers are aligned to the right, None is shown as a dash.

        Raises:
            ValueError: a row is longer or shorter than the headers.
        """
        given = [list(row) for row in rows]
        cells = [[format_value(value) for value in row] for row in given]
        for number, row in enumerate(cells):
            if len(row) != len(headers):
                raise ValueError(f"row {number} of the table has {len(row)} cells, the headers have {len(headers)}")
        numeric = [_numeric([row[column] for row in cells]) for column in range(len(headers))]
        marks = [' class="number"' if mark else "" for mark in numeric]
        head = "".join(f'<th scope="col"{mark}>{escape(text)}</th>' for mark, text in zip(marks, headers, strict=True))
        body = "\n".join(
            "<tr>" + "".join(f"<td{mark}>{_cell(value)}</td>" for mark, value in zip(marks, row, strict=True)) + "</tr>"
            for row in given
        )
        title = "" if caption is None else f"<caption>{escape(caption)}</caption>"
        table = f"<table>{title}\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"
        return self._add(f'<div class="scroll">{table}</div>')

    def figure(self, source: Any, caption: str, *, alt: str | None = None, width: str | None = None) -> "Page":
        """Embed a picture in the page.

        Args:
            source: PNG, JPEG, GIF or SVG as bytes, SVG as text, the path of such a file, or a matplotlib figure.
            caption: shown below; also the text for those who cannot see the picture unless ``alt`` is given.
            alt: text for screen readers.
            width: CSS length or percentage, such as ``"60%"``; default: its own width, at most that of the page.

        Raises:
            InputError: the file cannot be read, or it is no picture of these kinds.
        """
        if width is not None and not re.fullmatch(r"\d+(\.\d+)?(%|px|em|rem|mm|cm)", width):
            raise ValueError(f"width must be a CSS length such as '60%' or '400px', got {width!r}")
        kind, data = _picture(source)
        style = "" if width is None else f' style="width:{width}"'
        uri = f"data:{kind};base64,{base64.b64encode(data).decode()}"
        words = escape(caption if alt is None else alt)
        image = f'<img src="{uri}" alt="{words}"{style}>'
        return self._add(f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>")

    def saved(self) -> dict[str, Any]:
        """What was added so far, as JSON values that `add_saved` takes."""
        return {"parts": list(self._parts), "sections": [list(section) for section in self._sections]}

    def add_saved(self, saved: Mapping[str, Any]) -> "Page":
        """Add what another page had."""
        self._sections += [(len(self._parts) + place, text) for place, text in saved["sections"]]
        self._parts += saved["parts"]
        return self

    def html(self) -> str:
        """Give the finished page; the same content gives the same text."""
        banner = SYNTHETIC_TEXT if self.synthetic is True else self.synthetic
        parts = [f"<h1>{escape(self.title)}</h1>"]
        if self.subtitle:
            parts.append(f'<p class="subtitle">{escape(self.subtitle)}</p>')
        if banner:
            parts.append(f'<p class="synthetic" role="note">{escape(banner)}</p>')
        if len(self._sections) > 2:
            headings = enumerate(self._sections, 1)
            links = "".join(f'<a href="#section-{number}">{escape(text)}</a>' for number, (_, text) in headings)
            parts.append(f'<nav aria-label="Sections">{links}</nav>')
        own = list(self._parts)
        for number, (place, _) in enumerate(self._sections, 1):
            own[place] = own[place].replace("<h2>", f'<h2 id="section-{number}">', 1)
        body = "\n".join([*parts, *own])
        return _SKELETON.format(language=escape(self.language), title=escape(self.title), style=_STYLE, body=body)

    def write(self, path: str | Path) -> Path:
        """Write the page as one file, atomically; returns its path."""
        path = Path(path)
        write_atomically(path, self.html().encode())
        return path

    def _add(self, part: str) -> "Page":
        self._parts.append(part)
        return self


def _cell(value: Any) -> str:
    text = escape(format_value(value))
    return f'<span class="mark {escape(value.colour)}">{text}</span>' if isinstance(value, Mark) and text else text


def format_value(value: Any) -> str:
    """Write a value as tables show it: four significant digits for fractions, a dash for None and NaN, yes or no."""
    if value is None or value != value:  # NaN is the value that differs from itself
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if hasattr(value, "dtype") and getattr(value, "ndim", None) == 0:
        return format_value(value.item())
    if isinstance(value, float):
        return f"{value:.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"
    return str(value)


def _numeric(column: Sequence[str]) -> bool:
    """Whether all cells that hold something hold a number."""
    filled = [cell for cell in column if cell not in ("–", "")]
    return bool(filled) and all(_NUMBER.fullmatch(cell) for cell in filled)


def _picture(source: Any) -> tuple[str, bytes]:
    """Media type and content of a picture, however it was given."""
    if hasattr(source, "savefig"):
        from gen.plot.files import render

        return "image/png", render(source, "png", dpi=127)
    if isinstance(source, str) and source.lstrip().startswith(("<svg", "<?xml")):
        source = source.encode()
    name = "picture"
    if isinstance(source, str | Path):
        name = str(source)
        try:
            source = Path(source).read_bytes()
        except OSError as error:
            raise InputError(f"{name}: cannot read the picture ({error.strerror})") from error
    if not isinstance(source, bytes):
        raise TypeError(f"a picture must be bytes, SVG text, a path or a figure, got {type(source).__name__}")
    for magic, kind in _MAGIC:
        if source.startswith(magic):
            return kind, source
    if source.lstrip()[:5] in (b"<?xml", b"<svg ", b"<svg>") and b"<svg" in source:
        return "image/svg+xml", source
    raise InputError(f"{name}: not a picture that a page can show; accepted: PNG, JPEG, GIF, SVG")


_SKELETON = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""

_STYLE = """:root { color-scheme: light; --ink: #1c1f23; --soft: #5b636d; --line: #dfe3e8; --accent: #0b53c1; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto,
  "Helvetica Neue", Arial, sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 3rem 1.5rem 5rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .4rem; letter-spacing: -.01em; }
h2 { font-size: 1.35rem; line-height: 1.3; margin: 3rem 0 .8rem; padding-top: 1rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.08rem; margin: 2rem 0 .5rem; }
h4 { font-size: 1rem; margin: 1.5rem 0 .4rem; color: var(--soft); }
p, ul { max-width: 46rem; margin: .6rem 0; }
.subtitle { color: var(--soft); font-size: 1.1rem; }
.synthetic { max-width: none; margin: 1.2rem 0; padding: .7rem 1rem; border-radius: .4rem; background: #b00020;
  color: #fff; font-weight: 600; }
.note { padding: .6rem 1rem; border-left: .25rem solid #e06a00; background: #fff6ec; border-radius: 0 .3rem .3rem 0; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin: 1.4rem 0 0; font-size: .95rem; }
nav a { color: var(--accent); text-decoration: none; }
nav a:hover { text-decoration: underline; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { caption-side: top; text-align: left; color: var(--soft); padding-bottom: .4rem; }
th, td { padding: .4rem .9rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { font-weight: 600; border-bottom: 2px solid #aab2bc; white-space: nowrap; }
th:first-child, td:first-child { padding-left: .2rem; }
tbody tr:hover { background: #f6f8fa; }
.number { text-align: right; }
.mark { display: inline-block; padding: 0 .45rem; border-radius: .3rem; border-left: .35rem solid;
  white-space: nowrap; }
.mark.green { background: #e8f5ea; border-color: #1b7f3b; } .mark.amber { background: #fff4e0; border-color: #c26a00; }
.mark.red { background: #fdeaea; border-color: #b00020; }
.facts { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.2rem 0; }
.facts div { flex: 1 1 9rem; max-width: 16rem; padding: .8rem 1rem; border: 1px solid var(--line);
  border-radius: .5rem; }
.facts dd { margin: 0; font-size: 1.5rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.facts dt { color: var(--soft); font-size: .88rem; }
figure { margin: 1.4rem 0; }
img { max-width: 100%; height: auto; display: block; border: 1px solid var(--line); border-radius: .3rem; }
figcaption { margin-top: .4rem; color: var(--soft); font-size: .92rem; max-width: 46rem; }
pre { padding: .8rem 1rem; overflow-x: auto; background: #f6f8fa; border: 1px solid var(--line); border-radius: .4rem;
  font: .88rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
@media print { main { max-width: none; padding: 0; } figure, table, pre { break-inside: avoid; } nav { display: none; }
  .synthetic { print-color-adjust: exact; } }
"""
