"""Any leads in, twelve out: observed black, rebuilt blue with its band."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gen.records import EcgRecord
from gen.web.rooms.room import (
    MOST_SHOWN,
    OUT,
    Order,
    add_reading,
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

#: Bands are of no width where a sample was observed.
_OBSERVED_MV = 1e-6


class Rebuild:
    """See `gen.web.rooms.room.Room`."""

    name = "Rebuild"
    hint = "Twelve leads from any of them: what was observed stays black, what is rebuilt is blue with its 90 % band."
    button = "Rebuild"

    def fields(self) -> "dict[str, Component]":
        """See `Room`."""
        import gradio as gr

        found: dict[str, Any] = {"files": upload("Recording, or a zip of several")}
        found["leads"] = gr.Textbox(label="Leads to use", placeholder="II,V1,V5; empty: all that the file has")
        found["reference"] = upload("Earlier ECG of this person (optional)")
        with gr.Row():
            found["samples"] = number("Draws", "0")
            found["seed"] = number("Seed", "0")
        found["allow_bad_leads"] = gr.Checkbox(label="Rebuild flat or saturated leads instead of refusing them")
        found["trust_reference"] = gr.Checkbox(label="Take a reference whose beats do not look like the recording's")
        return found | reading_fields(leads=False)

    def order(self, folder: Path, values: Mapping[str, Any], limit_bytes: int) -> Order:
        """See `Room`."""
        names = stage(values.get("files"), folder, limit_bytes, "a recording")
        argv = ["reconstruct", *names]
        add_reading(argv, values)
        references: list[str] = []
        if values.get("reference"):
            (folder / "REFERENCE").mkdir()
            found = stage(values["reference"], folder / "REFERENCE", limit_bytes)
            references = [f"REFERENCE/{name}" for name in found]
        for name in references:
            argv += ["--reference", name]
        draws = {name: values.get(name) for name in ("samples", "seed")} if values.get("samples") != "0" else {}
        for name, value in draws.items():
            option(argv, f"--{name}", value)
        option(argv, "--allow-bad-leads", values.get("allow_bad_leads"))
        option(argv, "--trust-reference", values.get("trust_reference"))
        argv += ["--workers", "1", "--out", OUT]
        facts = reading(values)
        asked = {"leads": facts["leads"] and list(facts["leads"]), "num_samples": draws.get("samples")}
        asked |= {"seed": draws.get("seed")}
        asked |= {name: values.get(name) for name in ("allow_bad_leads", "trust_reference")}
        given = python_call(asked) + (f", reference=physiogen.read({references[0]!r})" if references else "")
        record = python_read(names[0], {**facts, "leads": None})
        python = (
            "import physiogen\n\n"
            f'full = physiogen.load("reconstruct")({record}{f", {given}" if given else ""})\n'
            "full.record.signal_mv, full.bands[90]"
        )
        return Order(argv, python, given={"names": names, "reading": {**facts, "leads": None}})

    def shown(self, folder: Path, order: Order, said: Sequence[str]) -> Shown:
        """See `Room`."""
        from gen.io import read_set

        try:
            recorded = {
                each.record_id: each for each in recordings(folder, order.given["names"], order.given["reading"])
            }
        except ValueError:  # a file that names no leads: there is nothing to lay over
            recorded = {}
        papers = []
        for record in islice(read_set(folder / OUT), MOST_SHOWN):
            papers.append(_paper(record, folder / OUT / "bands" / f"{record.record_id}.npz", recorded))
        return Shown(order.argv, order.python, said, papers, takes=set_takes(OUT))


def _paper(record: EcgRecord, bands: Path, recorded: Mapping[str, EcgRecord]) -> Paper:
    """The rebuilt record, with what was recorded of the leads that were not used laid over it."""
    observed: Any = record.metadata.get("observed_leads")
    band = None
    if bands.is_file():
        with np.load(bands) as arrays:
            band = (arrays["lower_90_mv"], arrays["upper_90_mv"])
        if observed is not None:
            observed = (band[1] - band[0]) <= _OBSERVED_MV
    source = recorded.get(record.record_id)
    used = record.metadata.get("observed_leads", [])
    more = [] if source is None else [lead for lead in source.leads if lead not in used and lead in record.leads]
    overlay = source.select(more) if source is not None and more else None
    return Paper(record, observed, band, overlay, "recorded, not used")
