"""Which slices a pipeline draws, asked before anything heavy is loaded."""

from pathlib import Path

from gen.cine import LEVELS
from gen.errors import InputError
from gen.files import read_json

INDEX = "model_index.json"


def check_levels(levels: str, *, further: bool) -> None:
    """Refuse slices that cannot be drawn.

    Args:
        levels: one of `LEVELS`.
        further: whether the pipeline has learned slices besides the mid one.

    Raises:
        InputError: another word, or more than a mid slice of a pipeline that has learned no others: its answer would be
            made up.
    """
    if levels not in LEVELS:
        raise InputError(f"--levels {levels}: accepted: {', '.join(LEVELS)}")
    if levels != "mid" and not further:
        raise InputError(
            f"--levels {levels}: these weights draw mid slices alone; teach them others with `physiogen train "
            "flow/slices` and give --checkpoint"
        )


def draws_slices(folder: Path) -> bool:
    """Whether the index of a pipeline folder names the part that draws further slices.

    Raises:
        InputError: the folder has no index.
    """
    if not (folder / INDEX).is_file():
        raise InputError(f"{folder}: no {INDEX}; accepted: the folder of a cmr pipeline")
    return "slices" in (read_json(folder / INDEX).get("parts") or {})
