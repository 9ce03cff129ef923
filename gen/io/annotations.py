"""Beat annotations beside WFDB records: ``name.atr``, read by every PhysioNet tool.

A record's metadata may say under ``beats`` what is known of its events, as generators write it: ``times_s`` (seconds
of every QRS complex), ``symbols`` (a string of WFDB's beat codes, one a beat: N V A / J E ...), and where known
``p_onsets_s``, ``blocked_p_s`` and ``rhythm`` (WFDB's rhythm name, such as ``(AFIB``).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gen.records import EcgRecord, InputError

#: Extension of reference annotations in the WFDB library.
EXTENSION = "atr"
#: A P wave that leads to no beat, and a change of rhythm.
_BLOCKED, _RHYTHM = "x", "+"


def write_beats(record: EcgRecord, path: Path) -> Path | None:
    """Write the beats that a record's metadata name beside ``path`` (its ``.hea``); None where it names none.

    Raises:
        InputError: times and symbols do not fit each other.
    """
    beats = record.metadata.get("beats")
    if not isinstance(beats, Mapping) or "times_s" not in beats:
        return None
    return write_annotations(path, record.fs_hz, record.num_samples, beats)


def write_annotations(path: Path, fs_hz: float, num_samples: int, beats: Mapping[str, Any]) -> Path | None:
    """Write the annotations of a record; those outside its samples are left out.

    Args:
        path: its ``.hea``.
        fs_hz: its rate.
        num_samples: its length.
        beats: see the module.

    Returns:
        The file, or None where no event lies inside.
    """
    import wfdb

    times, symbols = beats["times_s"], beats.get("symbols", "")
    if len(times) != len(symbols):
        raise InputError(f"{path}: {len(times)} beat times, but {len(symbols)} symbols in metadata 'beats'")
    blocked = beats.get("blocked_p_s", ())
    at = np.concatenate([np.asarray(times, dtype=float), np.asarray(blocked, dtype=float)])
    kinds = np.array([*symbols, *(_BLOCKED for _ in blocked)], dtype=object)
    sample = np.rint(at * fs_hz).astype(np.int64)
    order = np.argsort(sample, kind="stable")
    order = order[(sample[order] >= 0) & (sample[order] < num_samples)]
    if not len(order):
        return None
    sample, symbol = sample[order], kinds[order].tolist()
    notes = [""] * len(symbol)
    if beats.get("rhythm"):
        sample, symbol, notes = np.concatenate([[0], sample]), [_RHYTHM, *symbol], [str(beats["rhythm"]), *notes]
    wfdb.wrann(path.stem, EXTENSION, sample, symbol=symbol, aux_note=notes, fs=float(fs_hz), write_dir=str(path.parent))
    return path.with_suffix(f".{EXTENSION}")


def read_beats(path: str | Path, fs_hz: float | None = None) -> dict[str, Sequence[Any]]:
    """``times_s`` and ``symbols`` of beats from the annotations beside a record.

    Args:
        path: the record's ``.hea``.
        fs_hz: its rate, for annotations that do not state it.

    Raises:
        InputError: there are none, or they cannot be read.
    """
    import wfdb

    path = Path(path)
    try:
        found = wfdb.rdann(str(path.with_suffix("")), EXTENSION)
    except Exception as error:  # the library raises what it meets, from OSError to IndexError
        raise InputError(f"{path.with_suffix('.' + EXTENSION)}: cannot be read as WFDB annotations") from error
    rate = found.fs or fs_hz
    if not rate:
        raise InputError(f"{path.with_suffix('.' + EXTENSION)}: states no sampling rate; give fs_hz")
    beat = [symbol not in (_BLOCKED, _RHYTHM) for symbol in found.symbol]
    return {
        "times_s": (np.asarray(found.sample)[beat] / float(rate)).tolist(),
        "symbols": "".join(symbol for symbol, own in zip(found.symbol, beat, strict=True) if own),
    }
