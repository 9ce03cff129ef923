"""What a room is, and fields that several rooms have."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gen.leads import parse_leads
from gen.records import EcgRecord, InputError
from gen.web.shown import Shown

if TYPE_CHECKING:
    from gradio.components import Component

#: The folder that commands write.
OUT = "OUT"
#: Records that are shown; all are in the files.
MOST_SHOWN = 32


@dataclass(frozen=True)
class Order:
    """What a room asks for.

    Attributes:
        argv: words after ``physiogen``.
        python: lines that make the same.
        result: what the command writes, below its folder; where it is not there, the command has failed.
        more: command lines that go on with the result; it is shown again after each.
        given: what the room needs to know again when it shows the result.
    """

    argv: Sequence[str]
    python: str
    result: str = OUT
    more: Sequence[Sequence[str]] = ()
    given: Mapping[str, Any] = field(default_factory=dict)


class Room(Protocol):
    """A room: its words, its fields, its command.

    Attributes:
        name, hint: what stands on its tab and above its fields.
        button: the words of what starts it.
    """

    name: str
    hint: str
    button: str

    def fields(self) -> "dict[str, Component]":
        """Build the fields; called inside a column of the page."""
        ...

    def order(self, folder: Path, values: Mapping[str, Any], limit_bytes: int) -> Order:
        """Put files into ``folder`` and make the command line.

        Raises:
            InputError: something is missing, or an archive cannot be used.
        """
        ...

    def shown(self, folder: Path, order: Order, said: Sequence[str]) -> Shown:
        """What to show of the files; ``said``: lines that the command printed."""
        ...


def option(argv: list[str], name: str, value: Any) -> None:
    """Add an option where a value was given; True adds a flag."""
    if value is True:
        argv.append(name)
    elif isinstance(value, str) and value.strip():
        argv += [name, value.strip()]


def check_most(values: Mapping[str, Any], name: str, called: str, most: float) -> None:
    """Refuse what would keep a page busy for long; what is no number is refused by the command."""
    try:
        value = float(values.get(name) or 0)
    except ValueError:
        return
    if value > most:
        raise InputError(f"{called} {value:g}: on the page up to {most:g}; the command line takes more")


def python_call(values: Mapping[str, Any]) -> str:
    """Keyword arguments as they are written; what was not given is left out, and numbers are written as they came."""
    given = {name: value for name, value in values.items() if value not in (None, "", False, [])}
    return ", ".join(f"{name}={_literal(value)}" for name, value in given.items())


def python_read(name: str, facts: Mapping[str, Any]) -> str:
    """How a file is read with what it does not say itself, see `reading`."""
    given = python_call({**facts, "leads": facts["leads"] and list(facts["leads"])})
    return f"physiogen.read({name!r}{f', {given}' if given else ''})"


def _literal(value: Any) -> str:
    return value.strip() if isinstance(value, str) and is_number(value) else repr(value)


def is_number(text: str) -> bool:
    """Whether a word is written as a number is in Python."""
    return re.fullmatch(r"-?\d+(\.\d+)?", text.strip()) is not None


def number(label: str, value: str = "") -> "Component":
    """A field for a number that may stay empty; what is no number is told by the command."""
    import gradio as gr

    return gr.Textbox(label=label, value=value, max_lines=1, min_width=90, max_length=40)


def reading_fields(leads: bool = True) -> "dict[str, Component]":
    """What a file may not say of itself."""
    import gradio as gr

    found: dict[str, Any] = {}
    with gr.Accordion("What the file does not say", open=False):
        if leads:
            found["leads"] = gr.Textbox(label="Leads", placeholder="II,V1,V5")
        found["fs"] = number("Sampling rate (Hz)")
        found["unit"] = gr.Dropdown(["", "mV", "uV", "V"], value="", label="Unit")
        found["columns"] = gr.Textbox(label="Columns of a CSV file", placeholder="time,II,V1,-")
    return found


def add_reading(argv: list[str], values: Mapping[str, Any]) -> None:
    """Add the options of `reading_fields`."""
    for name in ("leads", "fs", "unit", "columns"):
        option(argv, f"--{name}", values.get(name))


def reading(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same for `gen.io.read`."""
    leads = (values.get("leads") or "").strip()
    columns = (values.get("columns") or "").strip()
    fs = (values.get("fs") or "").strip()
    return {
        "fs_hz": float(fs) if fs else None,
        "unit": values.get("unit") or None,
        "leads": parse_leads(leads) if leads else None,
        "columns": columns or None,
    }


def recordings(folder: Path, names: Sequence[str], facts: Mapping[str, Any]) -> list[EcgRecord]:
    """The first recordings of the files that a command was given, as it read them."""
    from itertools import islice

    from gen.io import expand_inputs
    from gen.io.blocks import Inputs

    bad: list[str] = []
    return list(islice(Inputs(expand_inputs([folder / name for name in names]), bad, **facts), MOST_SHOWN))


def upload(label: str, many: bool = True) -> "Component":
    """A place to drop files."""
    import gradio as gr

    return gr.File(label=label, file_count="multiple" if many else "single", height=110)
