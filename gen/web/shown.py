"""What a room shows of a finished command: papers, tables, files to take away, and how to make the same again."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from gen.page import format_value
from gen.plot.svg import Wave, ecg_svg
from gen.plot.traces import Band, Observed
from gen.plot.viewer import paper
from gen.records import EcgRecord

#: Small pictures draw every fourth sample: more would fall between their pixels.
_SMALL_EVERY = 4


@dataclass(frozen=True)
class Paper:
    """A record and what is drawn with it, see `gen.plot.svg.ecg_svg`."""

    record: EcgRecord
    observed: Observed = None
    band: Band = None
    overlay: EcgRecord | None = None
    overlay_label: str = "reference"
    waves: Sequence[Wave] = ()
    notes: Sequence[str] = ()

    def svg(self, layout: str = "3x4", *, small: bool = False) -> str:
        """The drawing."""
        return ecg_svg(
            self.record,
            layout=layout,
            rhythm="II" if "II" in self.record.leads else self.record.leads[0],
            observed=self.observed,
            band=self.band,
            overlay=self.overlay,
            overlay_label=self.overlay_label,
            waves=self.waves,
            notes=() if small else self.notes,
            every=_SMALL_EVERY if small else 1,
        )


@dataclass(frozen=True)
class Take:
    """Something to take away.

    Attributes:
        label: on the link.
        path: below the command's folder: a file, or a folder that is given as a zip.
        argv: command line that makes it when it is first asked for.
    """

    label: str
    path: str
    argv: Sequence[str] = ()


@dataclass
class Shown:
    """What is shown of a command's result.

    Attributes:
        argv: words after ``physiogen``.
        python: lines that make the same.
        said: what the command printed, in lines.
        papers: the first is shown large, the others small beside it.
        tables: heading -> columns and rows.
        frame: a page that the command wrote, below its folder.
        takes: by the last part of their address.
        synthetic: whether what is shown is no recording.
    """

    argv: Sequence[str]
    python: str
    said: Sequence[str] = ()
    papers: Sequence[Paper] = ()
    tables: Mapping[str, tuple[Sequence[str], Sequence[Sequence[Any]]]] = field(default_factory=dict)
    frame: str | None = None
    takes: Mapping[str, Take] = field(default_factory=dict)
    synthetic: bool = True

    def html(self, token: str) -> str:
        """The result as it stands on the page; ``token`` is part of its addresses."""
        parts = [_SYNTHETIC] if self.synthetic else []
        parts += [f'<ul class="said">{"".join(f"<li>{escape(line)}</li>" for line in self.said)}</ul>'] * bool(
            self.said
        )
        if self.frame is not None:
            parts.append(
                f'<iframe class="report" title="Report" src="/take/{token}/frame" sandbox="allow-same-origin '
                'allow-popups"></iframe>'
            )
        if self.papers:
            name = self.papers[0].record.record_id
            parts.append(paper(self.papers[0].svg(), source=f"/paper/{token}/0", name=f"ECG {name} on paper"))
        if len(self.papers) > 1:
            parts.append('<div class="gallery" role="group" aria-label="All ECGs: choose one to see it large">')
            parts += [_small(token, number, each.record.record_id) for number, each in enumerate(self.papers)]
            parts.append("</div>")
        parts += [table(heading, columns, rows) for heading, (columns, rows) in self.tables.items()]
        parts.append(self._takes(token))
        parts.append(lines("The same on the command line", command_line(self.argv)))
        parts.append(lines("The same in Python", self.python))
        return f'<section class="result" aria-label="Result">{"".join(parts)}</section>'

    def _takes(self, token: str) -> str:
        links = ""
        for key, take in self.takes.items():
            title = f' title="{escape(command_line(take.argv))}"' if take.argv else ""
            links += f'<a class="take" href="/take/{token}/{key}" download{title}>{escape(take.label)}</a>'
        return (
            f'<div class="takes" role="group" aria-label="Download"><span>Download</span>{links}</div>' if links else ""
        )


_SYNTHETIC = '<p class="synthetic" role="note">Synthetic: made or completed by software. Not for diagnosis.</p>'


def command_line(argv: Sequence[str]) -> str:
    """The line to type."""
    return shlex.join(["physiogen", *argv])


def lines(heading: str, text: str) -> str:
    """Lines to copy; they break between words, never within an option."""
    words = re.sub(r"[^ \n]+", lambda found: f"<span>{escape(found[0])}</span>", text)
    return (
        f'<div class="lines"><div class="lines-head"><h3>{escape(heading)}</h3><button type="button" data-copy '
        f'aria-label="Copy: {escape(heading)}">Copy</button></div><pre tabindex="0"><code>{words}</code></pre>'
        "</div>"
    )


def table(heading: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table; numbers as reports write them."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(format_value(value))}</td>" for value in row) + "</tr>" for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(heading)}"><table><caption>'
        f"{escape(heading)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _small(token: str, number: int, name: str) -> str:
    current = ' aria-current="true"' if number == 0 else ""
    return (
        f'<button type="button" class="small" data-paper="/paper/{token}/{number}"{current} aria-label="Enlarge '
        f'{escape(name)}"><img loading="lazy" alt="" src="/paper/{token}/{number}?small=1"><span>{escape(name)}</span>'
        "</button>"
    )


def set_takes(folder: str) -> dict[str, Take]:
    """What can be taken of a record set: as it is, in other formats, and as pages."""
    takes = {"wfdb": Take("WFDB (zip, as the command wrote it)", folder)}
    for name, label in (("csv", "CSV"), ("dicom", "DICOM"), ("edf", "EDF")):
        argv = ("data", "convert", folder, "--format", name, "--out", label)
        takes[name] = Take(f"{label} (zip)", label, argv)
    pages = ("measure", folder, "--out", "MEASURED.csv", "--pdf", "ECG.pdf", "--workers", "1", "--overwrite")
    takes["pdf"] = Take("PDF (traces and measurements)", "ECG.pdf", pages)
    return takes
