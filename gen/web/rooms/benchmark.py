"""Two sets in, the report on how good the generated one is out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gen.web.rooms.room import Order, number, option, python_call, upload
from gen.web.shown import Shown, Take
from gen.web.uploads import one_folder

if TYPE_CHECKING:
    from gradio.components import Component

_OUT = "REPORT"


class Benchmark:
    """See `gen.web.rooms.room.Room`."""

    name = "Benchmark"
    hint = "Generated records against real ones: fidelity, diversity, physics, privacy, each beside its floor."
    button = "Judge"

    def fields(self) -> "dict[str, Component]":
        """See `Room`."""
        import gradio as gr

        found: dict[str, Any] = {"real": upload("Real records: a zip, or files")}
        found["generated"] = upload("Generated records: a zip, or files")
        found["train"] = upload("Training records (optional)")
        presets = ["quick", "reconstruction", "generation", "twin", "full"]
        with gr.Row():
            found["preset"] = gr.Dropdown(presets, value="quick", label="Preset")
            found["seed"] = number("Seed", "0")
        with gr.Row():
            found["leads"] = gr.Textbox(label="Leads", placeholder="all that both have", min_width=90)
            found["seconds"] = number("First seconds")
        return found

    def order(self, folder: Path, values: Mapping[str, Any], limit_bytes: int) -> Order:
        """See `Room`."""
        sets = {name: one_folder(values.get(name), folder, name.upper(), limit_bytes) for name in ("real", "generated")}
        if values.get("train"):
            sets["train"] = one_folder(values["train"], folder, "TRAIN", limit_bytes)
        argv = ["benchmark"]
        for name, place in sets.items():
            argv += [f"--{name}", place]
        for name in ("preset", "leads", "seconds", "seed"):
            option(argv, f"--{name}", values.get(name))
        argv += ["--out", _OUT]
        leads = [name.strip() for name in (values.get("leads") or "").split(",") if name.strip()]
        asked = {**sets, "preset": values.get("preset"), "leads": leads, "seconds": values.get("seconds")}
        python = (
            f"import physiogen\n\nreport = physiogen.benchmark({python_call(asked)}, seed={values.get('seed') or 0})"
        )
        return Order(argv, python, f"{_OUT}/report.html")

    def shown(self, folder: Path, order: Order, said: Sequence[str]) -> Shown:
        """See `Room`."""
        del folder
        takes = {"all": Take("Everything (zip: page, tables, figures)", _OUT)}
        for name, label in (("report.html", "Report (HTML)"), ("table.csv", "Table (CSV)"), ("report.json", "JSON")):
            takes[name.partition(".")[2]] = Take(label, f"{_OUT}/{name}")
        first = [line for line in said[:1] if line]
        return Shown(order.argv, order.python, first, frame=f"{_OUT}/report.html", takes=takes, synthetic=False)
