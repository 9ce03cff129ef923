"""Floors of recorded against recorded, worked out once: they are a property of the recordings, not of a report.

What a floor was made from (the arrays themselves, the code, the versions of the libraries) is its name, so nothing that
is found can be of other recordings or of another method. The figures lie in the user's cache folder;
``PHYSIOGEN_CACHE`` names another one, and ``PHYSIOGEN_CACHE=none`` keeps nothing.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import numpy.typing as npt
import platformdirs

from gen.files import write_atomically
from gen.io.kept import digest_of_arrays

Found = TypeVar("Found")
VARIABLE = "PHYSIOGEN_CACHE"
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch")
_PACKAGES = ("gen", "metrics")


def kept_floor(name: str, made_from: Iterable[npt.NDArray[Any]], make: Callable[[], Found]) -> Found:
    """What ``make`` gives, or gave when it was asked for the same before; JSON values, numbers to the last bit.

    Args:
        name: of the measure, with all its settings.
        made_from: the arrays that it is computed from.
        make: computes it.
    """
    folder = cache_folder()
    if folder is None:
        return make()
    path = folder / "floors" / f"{_key(name, made_from)}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):  # not there yet, or torn
        return json.loads(path.read_bytes())["floor"]
    found = make()
    with suppress(OSError):  # a folder that cannot be written to keeps nothing; the figure is the same
        write_atomically(path, json.dumps({"name": name, "floor": found}).encode())
    return found


def cache_folder() -> Path | None:
    """Where floors are kept; None for nowhere."""
    chosen = os.environ.get(VARIABLE, "")
    if chosen == "none":
        return None
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("physiogen", appauthor=False))


def _key(name: str, arrays: Iterable[npt.NDArray[Any]]) -> str:
    return hashlib.sha256(f"{name} {_method()} {digest_of_arrays(arrays)}".encode()).hexdigest()


@lru_cache(maxsize=1)
def _method() -> str:
    """Digest of the code that measures and of the libraries that it calls."""
    digest = hashlib.sha256(" ".join(f"{name} {version(name)}" for name in _LIBRARIES).encode())
    for package in _PACKAGES:
        root = Path(str(files(package)))
        for path in sorted(root.rglob("*.py")):
            digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()
