"""An ECG in, a beating heart out: the cine, its volume curve under the ECG, volumes with intervals."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gen.web.rooms.room import (
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
from gen.web.shown import Paper, Shown, Take
from gen.web.uploads import stage

if TYPE_CHECKING:
    from gradio.components import Component

#: Hearts drawn of an ECG in one go.
_MOST_SAMPLES = 32
#: Hearts with links of their own.
_MOST_LINKS = 4


class Heart:
    """See `gen.web.rooms.room.Room`."""

    name = "Heart"
    hint = "A cine loop of the heart that belongs to an ECG, in phase with it. Learned from simulated hearts."
    button = "Make a heart"

    def fields(self) -> "dict[str, Component]":
        """See `Room`."""
        import gradio as gr

        found: dict[str, Any] = {"files": upload("Recording")}
        with gr.Row():
            found["age"] = number("Age (years)")
            found["sex"] = gr.Dropdown([("from file", ""), ("female", "F"), ("male", "M")], value="", label="Sex")
        with gr.Row():
            found["height"] = number("Height (cm)")
            found["weight"] = number("Weight (kg)")
        with gr.Row():
            found["samples"] = number("Hearts drawn", "8")
            found["seed"] = number("Seed", "0")
        found["allow_bad_leads"] = gr.Checkbox(label="Rebuild flat or saturated leads instead of refusing them")
        return found | reading_fields()

    def order(self, folder: Path, values: Mapping[str, Any], limit_bytes: int) -> Order:
        """See `Room`."""
        check_most(values, "samples", "--samples", _MOST_SAMPLES)
        names = stage(values.get("files"), folder, limit_bytes, "a recording")
        argv = ["cmr", *names]
        for name in ("age", "sex", "height", "weight", "samples", "seed"):
            option(argv, f"--{name}", values.get(name))
        option(argv, "--allow-bad-leads", values.get("allow_bad_leads"))
        add_reading(argv, values)
        argv += ["--format", "nifti,gif,dicom", "--workers", "1", "--out", OUT]
        facts = reading(values)
        asked = {"num_samples": values.get("samples"), "seed": values.get("seed")}
        patient = {"age": values.get("age"), "sex": values.get("sex"), "height_cm": values.get("height")}
        given = python_call({**patient, "weight_kg": values.get("weight")})
        record = python_read(names[0], facts)
        python = "import physiogen\nfrom flow.pipeline import with_patient\n\n" if given else "import physiogen\n\n"
        record = f"with_patient({record}, {given})" if given else record
        python += f'heart = physiogen.load("cmr")({record}, {python_call(asked)})\nheart.volumes["ef_percent"]'
        return Order(argv, python, given={"names": names, "reading": facts, "values": values})

    def shown(self, folder: Path, order: Order, said: Sequence[str]) -> Shown:
        """See `Room`."""
        papers = [Paper(record) for record in recordings(folder, order.given["names"], order.given["reading"])]
        takes = {"all": Take("Everything (zip: NIfTI, DICOM, GIF, table, page)", OUT)}
        shown = sorted((folder / OUT).glob("*.gif"))[:_MOST_LINKS]
        for stem in [path.stem for path in shown]:
            for ending, label in ((".gif", "GIF"), (".nii.gz", "NIfTI"), (".dicom.zip", "DICOM")):
                words = label if len(shown) == 1 else f"{label} of {stem}"
                takes[f"{stem}-{label.lower()}"] = Take(words, f"{OUT}/{stem}{ending}")
        takes["table"] = Take("Volumes (CSV)", f"{OUT}/metadata.csv")
        pages = ["measure", *order.given["names"], "--out", "MEASURED.csv", "--pdf", "ECG.pdf", "--workers", "1"]
        add_reading(pages, order.given["values"])
        takes["pdf"] = Take("PDF (ECG and measurements)", "ECG.pdf", pages)
        return Shown(order.argv, order.python, said, papers, frame=f"{OUT}/index.html", takes=takes)
