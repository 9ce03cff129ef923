"""Text and numbers in, ECGs out."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gen.web.rooms.measured import SHORT, WORDS, rows
from gen.web.rooms.prompt import watched
from gen.web.rooms.room import MOST_SHOWN, OUT, Order, check_most, is_number, number, option, python_call
from gen.web.shown import Paper, Shown, set_takes

if TYPE_CHECKING:
    from gradio.components import Component

_MEASURED = "MEASURED.csv"
_NUMBERS = {"hr": "Rate (bpm)", "pr": "PR (ms)", "qrs": "QRS (ms)", "qt": "QT (ms)", "axis": "Axis (°)"}
#: Names of the same in Python.
_PYTHON = {"hr": "heart_rate", "pr": "pr_ms", "qrs": "qrs_ms", "qt": "qt_ms", "axis": "axis_deg"}
#: More than this in one go, and longer ones, are for the command line.
MOST, LONGEST_S = 64, 60


class Generate:
    """See `gen.web.rooms.room.Room`."""

    name = "Generate"
    hint = "Twelve-lead ECGs from findings, age, sex and rate. What is understood of the text is shown as you type."
    button = "Generate"

    def fields(self) -> "dict[str, Component]":
        """See `Room`."""
        import gradio as gr

        found: dict[str, Any] = {}
        found["text"] = gr.Textbox(
            label="Findings", lines=2, placeholder="atrial fibrillation, left bundle branch block", max_length=4000
        )
        watched(found["text"], "understood")
        with gr.Row():
            found["age"] = number("Age (years)")
            found["sex"] = gr.Dropdown([("any", ""), ("female", "F"), ("male", "M")], value="", label="Sex")
            found["hr"] = number(_NUMBERS["hr"])
        with gr.Row():
            found["number"] = number("How many", "4")
            found["seed"] = number("Seed", "0")
        with gr.Accordion("More", open=False):
            with gr.Row():
                for name in ("pr", "qrs", "qt", "axis"):
                    found[name] = number(_NUMBERS[name])
            with gr.Row():
                found["seconds"] = number("Length (s)", "10")
                found["guidance"] = gr.Textbox(label="Guidance", placeholder="3, or text=4,rate=2")
            found["negative"] = gr.Textbox(label="Findings to stay away from")
            found["literal"] = gr.Checkbox(label="Leave numbers open that a finding implies")
            found["unconditional"] = gr.Checkbox(label="Ask for nothing")
            found["allow_unknown"] = gr.Checkbox(label="Go on where nothing was understood")
            found["allow_contradictions"] = gr.Checkbox(label="Go on where findings exclude each other")
        return found

    def order(self, folder: Path, values: Mapping[str, Any], limit_bytes: int) -> Order:
        """See `Room`."""
        del folder, limit_bytes
        argv = ["synthesize"]
        for name in ("text", "age", "sex", *_NUMBERS, "negative", "guidance", "literal", "unconditional",
                     "allow_unknown", "allow_contradictions"):  # fmt: skip
            option(argv, f"--{name.replace('_', '-')}", values.get(name))
        if values.get("seconds") != "10":
            option(argv, "--seconds", values.get("seconds"))
        check_most(values, "number", "-n", MOST)
        check_most(values, "seconds", "--seconds", LONGEST_S)
        option(argv, "-n", values.get("number"))
        option(argv, "--seed", values.get("seed"))
        argv += ["--workers", "1", "--out", OUT]
        asked = {"age": values.get("age"), "sex": values.get("sex")}
        asked |= {_PYTHON[name]: values.get(name) for name in _NUMBERS}
        asked |= {"negative_prompt": values.get("negative"), "guidance_scale": _scales(values.get("guidance") or "")}
        asked |= {"num": values.get("number"), "seed": values.get("seed")}
        asked |= {name: values.get(name) for name in ("literal", "unconditional", "allow_unknown")}
        if values.get("seconds") != "10":
            asked["duration_s"] = values.get("seconds")
        python = (
            "import physiogen\n\n"
            f'ecgs = physiogen.load("synthesize")({(values.get("text") or "").strip()!r}, {python_call(asked)})\n'
            f'physiogen.write(ecgs, "{OUT}")'
        )
        measure = ("measure", OUT, "--out", _MEASURED, "--workers", "1")
        return Order(argv, python, more=[measure])

    def shown(self, folder: Path, order: Order, said: Sequence[str]) -> Shown:
        """See `Room`."""
        from gen.io import read_set

        records = list(islice(read_set(folder / OUT), MOST_SHOWN))
        tables: dict[str, Any] = {}
        if (folder / _MEASURED).is_file():
            asked = {record.record_id: record.metadata.get("request", {}) for record in records}
            tables["Measured, beside what was asked for"] = _measured(folder / _MEASURED, asked)
        papers = [Paper(record, notes=_asked(record.metadata)) for record in records]
        return Shown(order.argv, order.python, said, papers, tables, takes=set_takes(OUT))


def _scales(text: str) -> Any:
    """Guidance as Python takes it: a number, or one for each group."""
    pairs = [part.partition("=")[::2] for part in text.split(",") if "=" in part]
    return {name.strip(): float(value) for name, value in pairs if is_number(value)} if pairs else text


def _asked(facts: Mapping[str, Any]) -> list[str]:
    """A line of what was asked for, and of what a finding implies."""
    request, implied = (_in_words(facts.get(name, {})) for name in ("request", "implied"))
    return ["Asked: " + (", ".join(request) or "nothing") + (f"; implied: {', '.join(implied)}" if implied else "")]


def _in_words(values: Mapping[str, Any]) -> list[str]:
    """Findings as they are, numbers with name and unit."""
    heads = {_PYTHON[name]: words for name, words in _NUMBERS.items()} | {"age": "Age (years)"}
    found = []
    for name, value in values.items():
        if name not in heads:
            found.append(str(value))
            continue
        words, _, unit = heads[name].partition(" (")
        found.append(f"{words if words.isupper() else words.lower()} {value:.0f} {unit.rstrip(')')}".replace(" °", "°"))
    return found


def _measured(path: Path, asked: Mapping[str, Mapping[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    """Rows of the table that ``physiogen measure`` wrote, each number beside the one asked for."""
    names = {name: _PYTHON["hr"] if name == "hr_bpm" else name for name in SHORT}
    columns, cells = ["ECG"], []
    wanted = [name for name in SHORT if any(names[name] in request for request in asked.values())]
    for name in SHORT:
        columns += [WORDS[name], "asked"] if name in wanted else [WORDS[name]]
    columns.append("rhythm")
    for row in rows(path):
        request = asked.get(row["record"], {})
        line: list[Any] = [row["record"]]
        for name in SHORT:
            line.append(row[name] or None)
            if name in wanted:
                value = request.get(names[name])
                line.append(None if value is None else f"{value:.0f}")
        cells.append([*line, row["rhythm"] or row["failure"]])
    return columns, cells
