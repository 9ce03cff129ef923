"""What a user names is looked for before anything heavy is imported, so that a mistyped name costs half a second."""

import glob
from collections.abc import Iterable
from pathlib import Path

from gen.errors import InputError

#: What options take that name a table.
_TABLES = {
    "conditions": "a CSV or Parquet file with one condition a row",
    "labels": "a CSV, Parquet or JSON file of labels and their statements",
    "measured": "the table that 'physiogen measure' wrote of the set",
}


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


def check_sets(*places: str | None) -> None:
    """Refuse sets, ``FOLDER`` or ``FOLDER:SPLIT``, that are not there; a folder may have a colon in its name.

    Raises:
        InputError: there is no such folder.
    """
    for place in places:
        if place is not None and not any(Path(part).exists() for part in (place, place.rpartition(":")[0] or place)):
            raise InputError(
                f"{place}: no such folder; accepted: a record set, a PTB-XL or MIMIC-IV-ECG tree, a prepared cache or "
                "a folder of ECG files, each with :SPLIT"
            )


def leads_of(text: str | None) -> tuple[str, ...] | None:
    """What ``--leads`` names; None where it was not given.

    Raises:
        LeadError: an unknown lead, or one named twice.
    """
    if text is None:
        return None
    from gen.leads import parse_leads

    return parse_leads(text)
