"""The section of ``physiogen demo`` on the beating heart of an ECG."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gen import registry
from gen.records import EcgRecord

if TYPE_CHECKING:
    from gen.page import Page


def section(page: "Page", hearts: Sequence[EcgRecord], seed: int) -> list[str]:
    """Add the section; returns lines for stdout."""
    from flow.page import curve_figure, gif_bytes
    from gen.plot.files import render

    heart = next((each for each in hearts if "NORM" in each.statements), hearts[0])
    result = registry.load("cmr")(heart, num_samples=2, seed=seed)
    ef = result.volumes["ef_percent"]
    page.heading("The heart of an ECG")
    page.text(
        "A short-axis slice of a beating heart, drawn from an ECG. Learned from simulated hearts: it shows how the "
        "parts work together and says nothing about a patient."
    )
    facts = {"ejection fraction (%)": round(ef.value)}
    if ef.low is not None and ef.high is not None:
        facts["its 90 % interval"] = f"{ef.low:.0f} to {ef.high:.0f}"
    page.facts(facts)
    page.figure(gif_bytes(result), "One heartbeat from R peak to R peak.", width="384px")
    page.figure(render(curve_figure(result), dpi=110), "ECG of one heartbeat, and the volume of the left ventricle.")
    return [f"cmr       -> a heart with an ejection fraction of {ef.value:.0f} %"]
