"""Where the shipped weights are, without loading anything that needs them."""

from pathlib import Path

from gen.records import InputError

WEIGHTS = Path(__file__).parent / "weights" / "default"


def pipeline_folder(path: str | Path | None) -> Path:
    """The folder of a pipeline: the one given, else the shipped one.

    Raises:
        InputError: none was given and none is shipped; never random weights.
    """
    if path is not None:
        return Path(path)
    if not WEIGHTS.is_dir():
        raise InputError(
            "this installation ships no weights of the cmr pipeline; train some (physiogen data pairs, "
            "then physiogen train flow/pamae, flow/codec and flow/amdf) and give --checkpoint RUN/pipeline"
        )
    return WEIGHTS
