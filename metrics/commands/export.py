"""``--export`` of the commands that make ECGs: sets of signal, picture, features and text beside what they write."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gen.errors import InputError
from gen.progress import Progress
from metrics.multimodal import FORMS, LAYOUT, WIDTH

if TYPE_CHECKING:
    from gen.synthesis.licence import Terms
    from metrics.multimodal.making import Origin

Export = Annotated[
    str | None,
    typer.Option(
        help="meeti, grounding or both by comma: signal, picture, features and text in OUT/meeti, OUT/grounding."
    ),
]


def check_export(text: str | None, seconds: float | None = None) -> tuple[str, ...]:
    """Forms that are wanted, each once; refuses what could not be exported before anything is made.

    Args:
        text: as it is given.
        seconds: length of the ECGs, where it is known.

    Raises:
        InputError: another form, OpenCV is not installed, or ECGs of this length have no room on a sheet.
    """
    if text is None:
        return ()
    from gen.io.common import library
    from gen.paper import lay_out

    forms = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if not set(forms) <= set(FORMS):
        raise InputError(f"--export {text}: accepted: {', '.join(FORMS)}, or both by comma")

    library("cv2", "paper")
    try:
        lay_out(LAYOUT, duration_s=float("inf") if seconds is None else seconds, width=WIDTH)
    except InputError as error:
        raise InputError(f"--export: {error}") from error
    return forms


def origin_of(command: str, card: Mapping[str, Any], digests: Mapping[str, str], allowed: "Terms") -> "Origin":
    """What the card of an exported set says of its ECGs: what made them, and whether they may be passed on.

    Args:
        command: that made them.
        card: of the weights.
        digests: of the weights, by name.
        allowed: see `gen.synthesis.licence.terms`.
    """
    from gen.card import trained_on
    from metrics.multimodal.making import Origin

    weights = ", ".join(f"{name} `{digest}`" for name, digest in digests.items())
    learned = trained_on(card)
    made = f"Made by `physiogen {command}`" + (f", which learned from {learned}" if learned else "") + "."
    return Origin(
        (*([f"{made} Weights (SHA-256): {weights}."] if weights else [made]), f"May it be passed on? {allowed.text}"),
        allowed.tag,
    )


def terms_of(card: Mapping[str, Any], given: str) -> "Terms":
    """Terms of what weights make.

    Args:
        card: of the weights.
        given: name of recordings that it was made from, whose licence nobody has stated.
    """
    from gen.synthesis.licence import terms

    sources = [{key: each.get(key) for key in ("name", "licence", "citation")} for each in card.get("data") or []]
    sources.append({"name": given, "licence": "not stated here", "citation": None})
    return terms({"sources": sources}, {})


def export(
    folder: Path, forms: Sequence[str], seed: int, origin: "Origin", workers: int | None, *, anew: bool = False
) -> list[str]:
    """Make the sets that are wanted and not there yet, or all of them anew; a line for each ECG that could not be.

    Raises:
        InputError: it cannot be written.
    """
    if not forms:
        return []
    from metrics.multimodal.sets import export_set

    faults: list[str] = []
    for form in forms:
        with Progress(f"{form} ECGs", None) as bar:
            made = export_set(
                folder, form, seed=seed, origin=origin, anew=anew, workers=workers, progress=bar.callback()
            )
        faults += [f"--export {form}: {line}" for line in (made.faults if made else ())]
    return faults


def told(out: Path, forms: Sequence[str]) -> list[str]:
    """A line for each set that is there."""
    return [f"signal, picture, features and text in {out / form}" for form in forms if (out / form).is_dir()]
