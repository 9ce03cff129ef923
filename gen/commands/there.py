"""What a user names is looked for before anything heavy is imported, so that a mistyped name costs half a second."""

import glob
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gen.errors import InputError

#: What options take that name a table.
_TABLES = {
    "conditions": "a CSV or Parquet file with one condition a row",
    "labels": "a CSV, Parquet or JSON file of labels and their statements",
    "measured": "the table that 'physiogen measure' wrote of the set",
}
#: Larger files are not read twice.
_SMALL_BYTES = 8_000_000


def check_there(inputs: Iterable[Path] = (), **options: Path | None) -> None:
    """Refuse names of nothing.

    Args:
        inputs: recordings: files, bare WFDB record names, folders, glob patterns (what they match is looked for later).
        options: files or folders by the name of their option; None where it was not given.

    Raises:
        InputError: there is no such file or folder.
    """
    for path in inputs:
        # A lone .dat is refused with what it lacks, by the reader.
        if path.suffix == ".dat" or glob.has_magic(str(path)) or path.exists() or Path(f"{path}.hea").is_file():
            continue
        raise InputError(f"{path}: not found")
    for name, place in options.items():
        if place is not None and not place.exists():
            accepted = f"; accepted: {_TABLES[name]}" if name in _TABLES else ""
            raise InputError(f"--{name.strip('_').replace('_', '-')} {place}: not found{accepted}")
    checkpoint = options.get("checkpoint")
    if checkpoint is not None and checkpoint.is_dir() and not any(checkpoint.rglob("config.json")):
        raise InputError(
            f"{checkpoint}: no config.json; a checkpoint holds config.json, model.safetensors and card.json"
        )


def check_readable(files: Sequence[Path], **reading: Any) -> None:
    """Ask for what the only recording lacks before any network is loaded.

    Args:
        files: as `gen.io.expand_inputs` gives them; of several, one that cannot be read does not stop the others.
        reading: as `gen.io.read` takes it.

    Raises:
        InputError: it cannot be read.
    """
    if len(files) != 1 or files[0].stat().st_size > _SMALL_BYTES:
        return
    import warnings

    from gen.io.blocks import Inputs

    bad: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # told when it is read for good
        next(iter(Inputs(files, bad, quiet=True, **reading)), None)
    if bad:
        raise InputError(bad[0])


def check_out(out: Path) -> None:
    """Refuse a place to write below a file.

    Raises:
        InputError: a parent of ``out`` is no folder.
    """
    above = next((parent for parent in out.absolute().parents if parent.exists()), None)
    if above is not None and not above.is_dir():
        raise InputError(f"{out}: cannot be written: {above} is a file")


def out_of(words: Sequence[str]) -> Path | None:
    """What the words of a command line give as ``--out``; None where it is not among them."""
    for word, following in zip(words, (*words, "")[1:], strict=True):
        if word == "--":
            return None
        if word.startswith("--out="):
            return Path(word.removeprefix("--out="))
        if word == "--out" and following:
            return Path(following)
    return None


def check_sets(*places: str | None) -> None:
    """Refuse sets, ``FOLDER`` or ``FOLDER:SPLIT``, that are not there; a folder may have a colon in its name.

    Raises:
        InputError: there is no such folder, or nothing in it.
    """
    for place in places:
        if place is None:
            continue
        there = next((p for p in (Path(place), Path(place.rpartition(":")[0] or place)) if p.exists()), None)
        accepted = (
            "accepted: a record set, a PTB-XL or MIMIC-IV-ECG tree, a prepared cache or "
            "a folder of ECG files, each with :SPLIT"
        )
        if there is None:
            raise InputError(f"{place}: no such folder; {accepted}")
        if there.is_dir() and not _holds_files(there):
            raise InputError(f"{place}: no data set in it, the folder is empty; {accepted}")


def check_data(place: Path, option: str = "", *, accepted: str = "the folder of a data set") -> None:
    """Refuse the folder of a data set that is not there.

    Args:
        place: the folder.
        option: that names it, such as ``--real``.
        accepted: what it may be.

    Raises:
        InputError: there is no such folder, or neither the table of a data set nor a recording in it.
    """
    if not place.is_dir():
        raise InputError(f"{f'{option} {place}'.strip()}: no such folder; accepted: {accepted}")
    from gen.datasets import KINDS, MARKS

    if not any((place / mark).is_file() for mark in MARKS) and not _holds_recordings(place):
        raise InputError(f"{place}: no data set in it; accepted: {KINDS}")


def _holds_files(folder: Path) -> bool:
    """Whether any file lies in a folder or below it."""
    return any(path.is_file() for path in folder.rglob("*"))


def _holds_recordings(folder: Path) -> bool:
    """Whether a file that can be read lies in a folder or below it; of a large tree of WFDB, the first is enough."""
    if next(folder.rglob("*.hea"), None) is not None:
        return True
    from gen.io.inputs import files_in

    return bool(files_in(folder))


def leads_of(text: str | None) -> tuple[str, ...] | None:
    """What ``--leads`` names; None where it was not given.

    Raises:
        LeadError: an unknown lead, or one named twice.
    """
    if text is None:
        return None
    from gen.leads import parse_leads

    return parse_leads(text)
