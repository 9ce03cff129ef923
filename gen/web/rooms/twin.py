"""A person's recording and a change in, the ECGs that this person would show out, laid over what was recorded."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gen.plot.beats import at_every_beat
from gen.records import EcgRecord
from gen.web.rooms.generate import MOST
from gen.web.rooms.measured import SHORT, WORDS, complexes, median_beat, rows, waves
from gen.web.rooms.prompt import watched
from gen.web.rooms.room import (
    MOST_SHOWN,
    OUT,
    Order,
    add_reading,
    check_most,
    number,
    option,
    python_call,
    python_read,
    reading,
    reading_fields,
    recordings,
    upload,
)
from gen.web.shown import Paper, Shown, set_takes
from gen.web.uploads import stage

if TYPE_CHECKING:
    from gradio.components import Component

_WORDS = ("text", "add", "remove")
#: What was measured, and the waves.
_RECORDED, _TWINS = ("RECORDED.csv", "RECORDED-WAVES.csv"), ("TWINS.csv", "TWINS-WAVES.csv")


def _measure(inputs: Sequence[str], files: Sequence[str]) -> list[str]:
    return ["measure", *inputs, "--out", files[0], "--beats", files[1], "--workers", "1"]


class Twin:
    """See `gen.web.rooms.room.Room`."""

    name = "Twin"
    hint = "One person's ECG in another condition, over what was recorded, with how much of the person is kept."
    button = "Make twins"

    def fields(self) -> "dict[str, Component]":
        """See `Room`."""
        import gradio as gr

        found: dict[str, Any] = {"files": upload("Recordings of one person")}
        found["text"] = gr.Textbox(
            label="Findings of the twin", placeholder="left bundle branch block", max_length=4000
        )
        watched(found["text"])
        with gr.Row():
            found["add"] = gr.Textbox(label="Findings that come", min_width=90, max_length=4000)
            found["remove"] = gr.Textbox(label="Findings that go", min_width=90, max_length=4000)
        with gr.Row():
            found["hr"] = number("Rate (bpm)")
            found["age"] = number("Age (years)")
            found["strength"] = number("Strength, 0 to 1", "1")
        with gr.Row():
            found["number"] = number("How many", "2")
            found["seed"] = number("Seed", "0")
        with gr.Accordion("More", open=False):
            found["same"] = gr.Checkbox(label="Another recording in the person's own condition")
            found["report"] = gr.Textbox(label="Findings of the recording", placeholder="its own report by default")
            found["allow_unknown"] = gr.Checkbox(label="Go on where nothing was understood")
            found["allow_contradictions"] = gr.Checkbox(label="Go on where findings exclude each other")
        found |= reading_fields()
        return found

    def order(self, folder: Path, values: Mapping[str, Any], limit_bytes: int) -> Order:
        """See `Room`."""
        check_most(values, "number", "-n", MOST)
        names = stage(values.get("files"), folder, limit_bytes, "a recording of the person")
        argv = ["twin", *names]
        for name in (*_WORDS, "hr", "age", "same", "report"):
            option(argv, f"--{name}", values.get(name))
        option(argv, "-n", values.get("number"))
        for name in ("seed", "strength"):
            option(argv, f"--{name}", values.get(name))
        for name in ("allow_unknown", "allow_contradictions"):
            option(argv, f"--{name.replace('_', '-')}", values.get(name))
        add_reading(argv, values)
        argv += ["--workers", "1", "--out", OUT]
        asked = {"prompt": values.get("text"), "add": values.get("add"), "remove": values.get("remove")}
        asked |= {
            "age": values.get("age"),
            "heart_rate": values.get("hr"),
            "same": values.get("same"),
            "num": values.get("number"),
        }
        asked |= {name: values.get(name) for name in ("seed", "strength", "allow_unknown")}
        facts = reading(values)
        report = python_call({"report": values.get("report")})
        files = ", ".join(python_read(name, facts) for name in names)
        python = (
            'import physiogen\n\npipe = physiogen.load("twin")\n'
            f"person = pipe.prepare({files if len(names) == 1 else f'[{files}]'}{report and f', {report}'})\n"
            f"twins = pipe(person, {python_call(asked)})"
        )
        more = [_measure(names, _RECORDED), _measure([OUT], _TWINS)]
        add_reading(more[0], values)
        return Order(argv, python, more=more, given={"names": names, "reading": facts})

    def shown(self, folder: Path, order: Order, said: Sequence[str]) -> Shown:
        """See `Room`."""
        from gen.io import read_set

        recorded = recordings(folder, order.given["names"], order.given["reading"])
        twins = list(islice(read_set(folder / OUT), MOST_SHOWN))
        papers, scores = [], []
        over = _over(folder, recorded[0], twins)
        for record in twins:
            facts = record.metadata.get("scores", {})
            overlay = over.get(record.record_id)
            label = "the recording's median beat"
            papers.append(Paper(record, overlay=overlay, overlay_label=label, notes=[_words(facts)]))
            checks = facts.get("checks", {})
            missed = ", ".join(name for name, met in checks.items() if not met)
            met = f"{sum(checks.values())} of {len(checks)}" if checks else None
            scores.append([record.record_id, facts.get("identity"), facts.get("identity_threshold"), met, missed])
        papers.append(Paper(recorded[0], notes=["The recording"]))
        columns = ["twin", "identity kept", "one person from", "change achieved", "missed"]
        tables = {"Identity and change": (columns, scores)}
        measured = [*rows(folder / _RECORDED[0]), *rows(folder / _TWINS[0])]
        if measured:
            names = ("record", *SHORT, "rhythm")
            cells = [[row[name] or None for name in names] for row in measured]
            tables["Measured, before and after"] = ([WORDS[name] for name in names], cells)
        return Shown(order.argv, order.python, said, papers, tables, takes=set_takes(OUT))


def _over(folder: Path, recorded: EcgRecord, twins: Sequence[EcgRecord]) -> dict[str, EcgRecord]:
    """The recording's median beat at every beat of each twin, once both are measured: their rates differ."""
    own = waves(folder / _RECORDED[1], [recorded])[recorded.record_id]
    beat = median_beat(recorded, complexes(own))
    if beat is None:
        return {}
    found = waves(folder / _TWINS[1], twins)
    return {
        record.record_id: at_every_beat(record, beat, complexes(found[record.record_id]))
        for record in twins
        if complexes(found[record.record_id])
    }


def _words(facts: Mapping[str, Any]) -> str:
    """The scores in a line of the paper."""
    checks = facts.get("checks", {})
    parts = [f"identity kept {facts['identity']:.2f}"] if facts.get("identity") is not None else []
    if facts.get("identity_kept") is False:
        parts[-1] += f" (below {facts['identity_threshold']:.2f}: would not be taken for the person's)"
    parts += [f"change achieved {sum(checks.values())} of {len(checks)}"] if checks else []
    return "Twin: " + (", ".join(parts) or "no scores")
