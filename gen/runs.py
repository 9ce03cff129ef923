"""The folder of a training run, as far as it is looked at before anything heavy is loaded."""

from pathlib import Path

from gen.errors import InputError


def holds_run(out: Path) -> bool:
    """Whether a run has been started there."""
    return (out / "run.json").is_file()


def check_run(out: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse a folder for the run in it, or for what is to be done with that.

    Raises:
        InputError: there is a run already and neither resume nor overwrite is asked for, or both are.
    """
    if resume and overwrite:
        raise InputError(f"{out}: resume and overwrite exclude each other")
    if holds_run(out) and not resume and not overwrite:
        raise InputError(
            f"{out}: holds a run already; use --resume to go on, --overwrite to replace it, or another folder"
        )
