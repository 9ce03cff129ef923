"""Recognises a folder of recordings by what is in it."""

from pathlib import Path

from gen.datasets import KINDS, alivecor, code15, ludb, mimic, ptbxl, record_set, wfdb_folder
from gen.datasets.base import Source
from gen.datasets.scp import check_level
from gen.files import one_line
from gen.records import InputError

# The first that recognises a folder opens it; the general ones are last.
_KINDS = (
    (ptbxl.detect, ptbxl.open_ptbxl),
    (mimic.detect, mimic.open_mimic),
    (ludb.detect, ludb.open_ludb),
    (alivecor.detect, alivecor.open_alivecor),
    (code15.detect, code15.open_code15),
    (record_set.detect, record_set.open_record_set),
    (wfdb_folder.detect, wfdb_folder.open_wfdb_folder),
    (record_set.detect_files, record_set.open_record_set),
)
_BROKEN = (OSError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RuntimeError, SyntaxError)


def open_source(path: str | Path, *, fs_hz: float | None = 500, label_level: str = "sub") -> Source:
    """Recognise a folder of recordings by what is in it and open it.

    Args:
        path: folder.
        fs_hz: rate the records come out at (resampled where they are stored at another); None leaves them.
        label_level: 'super', 'sub' or 'all', see `gen.datasets.scp.aggregate`.

    Raises:
        InputError: no such folder, or nothing in it is understood.
        ValueError: unknown label level.
    """
    root = Path(path)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; accepted: the folder of a data set")
    check_level(label_level)
    try:
        for detect, opener in _KINDS:
            if detect(root):
                return opener(root, fs_hz=fs_hz, label_level=label_level)
    except InputError as error:
        raise error if str(root) in str(error) else InputError(f"{root}: {error}") from error
    except _BROKEN as error:  # a table with other bytes or cells than its set has
        raise InputError(
            f"{root}: its table cannot be read ({one_line(error)}); accepted: the set as published"
        ) from error
    raise InputError(f"{root}: no data set in it; accepted: {KINDS}")
