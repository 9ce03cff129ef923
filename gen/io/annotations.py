"""Beat annotations beside WFDB records: ``name.atr``, read by every PhysioNet tool.

A record's metadata may say under ``beats`` what is known of its events, as generators write it: ``times_s`` (seconds
of every QRS complex), ``symbols`` (a string of WFDB's beat codes, one a beat: N V A / J E ...), and where known
``p_onsets_s``, ``blocked_p_s`` and ``rhythm`` (WFDB's rhythm name, such as ``(AFIB``).
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gen.records import EcgRecord, InputError

#: Extension of reference annotations in the WFDB library.
EXTENSION = "atr"
#: Codes of annotations by symbol (``ecgcodes.h``).
CODES = {
    symbol: code for code, symbol in enumerate(' NLRaVFJASEj/Q~\0|\0sT*D"=pB^t+u?![]en@xf()r') if symbol not in " \0"
}
_SKIP, _NOTE, _LONGEST_STEP, _LONGEST_NOTE = 59, 63, 1023, 255
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
    times, symbols = beats["times_s"], beats.get("symbols", "")
    if len(times) != len(symbols):
        raise InputError(f"{path}: {len(times)} beat times, but {len(symbols)} symbols in metadata 'beats'")
    blocked = beats.get("blocked_p_s", ())
    at = np.concatenate([np.asarray(times, dtype=float), np.asarray(blocked, dtype=float)])
    kinds = [*symbols, *(_BLOCKED for _ in blocked)]
    strange = [kind for kind in kinds if kind not in CODES]
    if strange:
        raise InputError(f"{path}: beat symbol {strange[0]!r} in metadata 'beats'; WFDB has {' '.join(CODES)}")
    sample = np.rint(at * fs_hz).astype(np.int64)
    order = np.argsort(sample, kind="stable")
    order = order[(sample[order] >= 0) & (sample[order] < num_samples)]
    if not len(order):
        return None
    events = [(at, kinds[k], "") for at, k in zip(sample[order].tolist(), order.tolist(), strict=True)]
    if beats.get("rhythm"):
        events.insert(0, (0, _RHYTHM, str(beats["rhythm"])))
    file = path.with_suffix(f".{EXTENSION}")
    file.write_bytes(annotation_bytes(events, fs_hz))
    return file


def annotation_bytes(events: Iterable[tuple[int, str, str]], fs_hz: float) -> bytes:
    """A file in the MIT format (annot(5) of the WFDB Applications Guide), as the wfdb package writes it.

    That package looks every symbol up in a data frame, which takes longer than to draw the ECG.

    Args:
        events: (sample, symbol, note) in order of time.
        fs_hz: rate that samples are counted at.

    Raises:
        InputError: a note is too long.
    """
    rate = str(int(fs_hz)) if round(fs_hz, 8) == int(fs_hz) else str(fs_hz)
    # The rate stands in the note of an annotation at no time; what ends such notes goes back by one and on again.
    parts = [_word(0, CODES['"']), _note(f"## time resolution: {rate}"), _skip(-1), _word(1, 0)]
    before = 0
    for sample, symbol, note in events:
        step, before = sample - before, sample
        if step > _LONGEST_STEP:
            parts.append(_skip(step))
            step = 0
        parts.append(_word(step, CODES[symbol]))
        if note:
            parts.append(_note(note))
    return b"".join([*parts, _word(0, 0)])


def _word(step: int, code: int) -> bytes:
    """Time since the annotation before in ten bits, code in six."""
    return (step | code << 10).to_bytes(2, "little")


def _skip(step: int) -> bytes:
    """A longer time: two words, the higher one first."""
    high, low = divmod(step & 0xFFFFFFFF, 1 << 16)
    return _word(0, _SKIP) + high.to_bytes(2, "little") + low.to_bytes(2, "little")


def _note(text: str) -> bytes:
    """Text of the annotation before, of even length."""
    characters = text.encode("latin-1", "replace")
    if len(characters) > _LONGEST_NOTE:
        raise InputError(f"annotation of {len(characters)} characters; WFDB holds {_LONGEST_NOTE}")
    return _word(len(characters), _NOTE) + characters + b"\0" * (len(characters) % 2)


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
