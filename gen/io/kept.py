"""What a long run has worked out, kept by name until its output is there; a later run reads it instead."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gen.io.npz import save_arrays
from gen.io.unfinished import Unfinished

Arrays = Mapping[str, npt.NDArray[Any]]


class Kept:
    """Arrays and JSON values by name, in the folder of an unfinished output.

        with unfinished("OUT", identity, publish=...) as work:
            kept = Kept(work)
            features = kept.arrays("features of A", lambda: {"x": slow(a)})["x"]

    Args:
        work: the output under construction; None keeps nothing.
    """

    def __init__(self, work: Unfinished | None = None) -> None:
        self._work = work
        names = [note["kept"] for note in (work.notes if work else []) if "kept" in note]
        self._places = {name: place for place, name in enumerate(names)}
        self._next = len(self._places)

    def arrays(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """What ``make`` gives, or gave in the run before; to the same bits."""
        if self._work is None:
            return make()
        if name in self._places:
            with np.load(self._work.folder / _file(self._places[name]), allow_pickle=False) as found:
                return dict(found)
        made = make()
        with (self._work.folder / _file(self._next)).open("wb") as file:
            save_arrays(file, dict(made))
        self._work.note({"kept": name})
        self._places[name], self._next = self._next, self._next + 1
        return made

    def values(self, name: str, make: Callable[[], Any]) -> Any:
        """The same of JSON values; numbers keep every bit, and tuples are lists in every run."""
        found = self.arrays(name, lambda: {"json": np.array(json.dumps(make(), default=_plain))})
        return json.loads(str(found["json"]))


def digest_of_arrays(arrays: Iterable[npt.NDArray[Any]]) -> str:
    """SHA-256 of arrays in order, their types and shapes: part of what a run is known by when it is gone on with."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _file(place: int) -> str:
    return f"kept-{place:05d}.npz"


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as JSON has them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no JSON value")
