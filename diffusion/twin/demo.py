"""The section of ``physiogen demo`` on twins: one heart in two other conditions, beside itself."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gen import registry
from gen.records import EcgRecord

if TYPE_CHECKING:
    from gen.page import Page

_WORDS = {True: "yes", False: "no", None: ""}
#: Text, heart rate in bpm.
CHANGES = (("left bundle branch block", 90), ("atrial fibrillation", 120))


def section(page: "Page", hearts: Sequence[EcgRecord], seed: int) -> list[str]:
    """Add the section; returns lines for stdout."""
    from diffusion.twin.change import Change
    from diffusion.twin.overlay import aligned, as_beat, beats_of
    from gen.plot import plot_ecg
    from gen.plot.beats import plot_beats

    normal = [heart for heart in hearts if {"NORM", "SR"} & set(heart.statements)]
    heart = (normal or list(hearts))[0]
    pipeline = registry.load("twin")
    pipeline.set_progress_bar_config(disable=True)
    person = pipeline.prepare([heart])
    changes = [Change(text=text, heart_rate=rate) for text, rate in CHANGES]
    twins = [pipeline(person, text, heart_rate=rate, seed=seed)[0] for text, rate in CHANGES]
    scores = [pipeline.scores(person, [twin], change)[0] for twin, change in zip(twins, changes, strict=True)]
    page.heading("One person in another condition")
    page.text("A heart's own beats, rhythm and noise, and what the finding does to them. The same heart, two findings:")
    rows = []
    for (text, rate), score in zip(CHANGES, scores, strict=True):
        shown = f"{sum(score.checks.values())} of {len(score.checks)}"
        rows.append((text, rate, f"{score.identity:.2f}", _WORDS[score.kept], shown))
    page.table(
        ["asked", "rate asked (bpm)", "identity kept", "taken for the person's", "criteria of the change met"],
        rows,
        caption=f"Seed {seed}",
    )
    reference, own = beats_of(heart), beats_of(twins[0])
    overlay = aligned(twins[0], reference, own)
    page.figure(
        plot_ecg(twins[0], overlay=overlay, overlay_label="the heart's own median beat"),
        f"The twin with {CHANGES[0][0]}; thin: the beat that the heart had before, at every beat.",
    )
    beats = [beat for beat in (as_beat("before", reference), as_beat(CHANGES[0][0], own)) if beat is not None]
    if len(beats) > 1:
        page.figure(plot_beats(beats, title="Before and after"), "Median beats of both.")
    met = sum(sum(score.checks.values()) for score in scores)
    asked = sum(len(score.checks) for score in scores)
    return [f"twin      -> {len(twins)} twins of one heart; {met} of {asked} criteria of the changes met"]
