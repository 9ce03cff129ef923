"""``physiogen text``: what a report was understood to say."""

import json as json_library
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from gen.errors import InputError

if TYPE_CHECKING:
    from gen.text import ReadText, StatementRead

_UNITS = {"heart_rate": "bpm", "axis_deg": "degrees", "age": "years"}


def text(
    report: Annotated[
        str, typer.Argument(metavar="TEXT", help="Report or prompt, in one of eight languages; - reads stdin.")
    ],
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    allow_unknown: Annotated[
        bool, typer.Option("--allow-unknown", help="Go on where nothing at all was understood.")
    ] = False,
) -> None:
    """Show what a text was understood to say: statements, numbers, and the words that were not understood.

    Example: physiogen text "AF with RVR 130 bpm, LBBB, cannot rule out old inferior infarct, no LVH"

    Languages: English, German, French, Spanish, Italian, Dutch, Swedish, Chinese.

    Codes are PTB-XL's SCP-ECG codes, and our own where SCP has none. Contradictions are warned of on stderr.
    """
    from gen.datasets.groups import not_understood
    from gen.text import contradictions, read_text

    content = sys.stdin.read() if report == "-" else report
    if not content.strip():
        raise InputError("TEXT is empty; give a report such as 'sinus rhythm, left bundle branch block'")
    read = read_text(content)
    if read.empty and not allow_unknown:
        words = not_understood(read) or "no word that says anything about an ECG"
        raise InputError(f"text not understood at all: {words}; --allow-unknown goes on all the same")
    for line in contradictions(read):
        print(f"warning: contradiction: {line}", file=sys.stderr)
    typer.echo(json_library.dumps(read.as_dict(), ensure_ascii=False) if json else _describe(read))


def _describe(read: "ReadText") -> str:
    lines = [_line(statement) for statement in read.statements]
    for name, value in read.numbers.items():
        lines.append(f"{name:12s} {value:g} {_UNITS.get(name, 'ms')}")
    lines.append(f"not understood: {', '.join(read.unknown) or 'nothing'}")
    return "\n".join(lines)


def _line(statement: "StatementRead") -> str:
    from gen.text import statements

    polarity = "no" if statement.negated else "possible" if statement.certainty == "possible" else ""
    marks = [polarity, statement.acuity or "", statement.location or ""]
    details = ", ".join(mark for mark in marks if mark)
    description = statements()[statement.code].description
    return f"{statement.code:12s} {description}{f' ({details})' if details else ''}   <- {statement.text!r}"
