"""From what a user typed to files that can be read: single files, bare record names, folders, patterns."""

import glob
import sys
from collections.abc import Iterable
from pathlib import Path

from gen.io import formats
from gen.io.csv import looks_like_ecg
from gen.records import InputError

#: Files that may hold an ECG or any other table; of those that hold none, so many are named.
_TABLES, _NAMED = (".csv", ".tsv"), 3
_WAVEFORM_CLASS = b"1.2.840.10008.5.1.4.1.1.9."


def resolve(path: str | Path) -> Path:
    """The file that holds a record: a ``.dat`` or a bare WFDB record name leads to its header.

    Raises:
        InputError: there is no such file, or it is a folder.
    """
    path = Path(path)
    try:
        return _resolve(path)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be read ({error})") from error


def _resolve(path: Path) -> Path:
    if path.suffix == ".dat":
        header = path.with_suffix(".hea")
        if not header.is_file():
            raise InputError(f"{path}: {'its header' if path.is_file() else 'not found, nor'} {header.name} is missing")
        return header
    if path.is_file():
        return path
    header = Path(f"{path}.hea")
    if header.is_file():
        return header
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give a file, or read it as a record set")
    raise InputError(f"{path}: not found")


def expand_inputs(paths: Iterable[str | Path]) -> list[Path]:
    """Readable files, one per record (or shard of records), each once, in the order given; folders sorted.

    Args:
        paths: files, bare WFDB record names, folders (searched through), glob patterns.

    Raises:
        InputError: a path is not there, or a folder or pattern holds nothing readable.
    """
    found: dict[Path, None] = {}
    for given in paths:
        path = Path(given)
        if path.is_dir():
            units = _in_folder(path)
            if not units:
                raise InputError(f"{path}: no ECG file in it; accepted: {formats.ACCEPTED}")
        elif glob.has_magic(str(given)) and not path.exists():
            units = _pattern(str(given))
        else:
            units = [resolve(path)]
        found.update(dict.fromkeys(units))
    return list(found)


def _pattern(pattern: str) -> list[Path]:
    matches = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]
    if not matches:
        raise InputError(f"{pattern}: no file matches")
    units = one_per_record([path for path in matches if path.is_file()])
    for folder in matches:
        if folder.is_dir():
            units += _in_folder(folder)
    if not units:
        raise InputError(f"{pattern}: no ECG file matches; accepted: {formats.ACCEPTED}")
    return units


def _in_folder(folder: Path) -> list[Path]:
    """Files of a record set by its table, without the draws, bands and plots beside them; else every readable file."""
    from gen.io.table import table_files  # which imports this module

    named = table_files(folder)
    if named is not None:
        return named
    found, passed = _sifted(folder)
    if found and passed:
        more = f" and {len(passed) - _NAMED} more" if len(passed) > _NAMED else ""
        names = ", ".join(str(path.relative_to(folder)) for path in passed[:_NAMED])
        print(f"warning: {folder}: passed over, no ECG in it: {names}{more}", file=sys.stderr)
    return found


def files_in(folder: Path) -> list[Path]:
    """Every readable file below a folder, sorted, hidden ones left out; tables that are no ECG are passed over."""
    return _sifted(folder)[0]


def _sifted(folder: Path) -> tuple[list[Path], list[Path]]:
    """Readable files, and tables that are no ECG."""
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    good = [path for path in files if _is_ecg(path)]
    tables = [path for path in files if path.suffix.lower() in _TABLES and path.name != "metadata.csv"]
    return one_per_record(good), sorted(set(tables) - set(good))


def one_per_record(files: list[Path]) -> list[Path]:
    """Drop the companions of a header: its ``.dat`` and its ``.mat``."""
    units: dict[Path, None] = {}
    for path in files:
        header = path.with_suffix(".hea")
        units[header if path.suffix in (".dat", ".mat") and header.is_file() else path] = None
    return list(units)


def _is_ecg(path: Path) -> bool:
    """Whether a file found in a folder is meant to be read (a file named by the user is always tried)."""
    suffix = path.suffix.lower()
    if suffix in formats.SHARD_SUFFIXES or suffix in (".hea", ".edf", ".bdf", ".npz", ".mat"):
        return True
    if suffix in _TABLES:
        return path.name != "metadata.csv" and looks_like_ecg(path)
    if suffix in (".xml", ".scp", ".ecg", ".json"):
        from gen.io.devices import looks_like_device

        return looks_like_device(path)
    if suffix in (".dcm", ".dicom"):
        # Images are DICOM too: the class of the object stands in the first bytes.
        with path.open("rb") as handle:
            return _WAVEFORM_CLASS in handle.read(4096)
    return False
