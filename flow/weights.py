"""Where the shipped weights are, without loading anything that needs them."""

from pathlib import Path

from gen.shipped import there

WEIGHTS = Path(__file__).parent / "weights" / "default"


def pipeline_folder(path: str | Path | None) -> Path:
    """The folder of a pipeline: the one given, else the shipped one.

    Raises:
        InputError: none was given and none is installed; never random weights.
    """
    return there(WEIGHTS if path is None else Path(path))
