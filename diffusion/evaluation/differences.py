"""What two ECGs differ in: rhythm, intervals, axis, voltage and the shape of the median beat's QRS complex."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gen.records import EcgRecord
from metrics.measurement.parameters import Parameters
from metrics.measurement.records import measure_records

#: Half of the window in which QRS shapes are compared, and how far it may be shifted, seconds.
HALF_S, REACH_S = 0.06, 0.03


@dataclass(frozen=True, eq=False)
class Seen:
    """An ECG as it is compared: its `Parameters`, and its median beat (8, time) in mV around QRS."""

    parameters: Parameters
    beat_mv: np.ndarray
    fs_hz: float


def look(records: Sequence[EcgRecord]) -> list[Seen]:
    """Measure ECGs."""
    from gen.simulate.measure import representative_beat

    parameters = measure_records(records)
    return [
        Seen(found, representative_beat(record.to_8().signal_mv, record.fs_hz)[0], record.fs_hz)
        for record, found in zip(records, parameters, strict=True)
    ]


def qrs_shape(a: Seen, b: Seen) -> tuple[float, float]:
    """Correlation, and energy of the difference over that of ``b``, of QRS complexes at their best shift; 8 leads."""
    fs_hz = b.fs_hz
    middle = b.beat_mv.shape[1] * _centre()
    half, reach = round(HALF_S * fs_hz), round(REACH_S * fs_hz)
    first = round(middle) - half

    def window(seen: Seen, shift: int) -> np.ndarray:
        part = seen.beat_mv[:, first + shift : first + shift + 2 * half]
        return part - part.mean(axis=1, keepdims=True)

    other = window(b, 0)
    size = float((other**2).sum())
    best, residual = -np.inf, np.nan
    for shift in range(-reach, reach + 1):
        own = window(a, shift)
        product = float((own * other).sum())
        r = product / max(np.sqrt(float((own**2).sum()) * size), 1e-12)
        if r > best:
            best, residual = r, float(((own - other) ** 2).sum() / max(size, 1e-12))
    return (best, residual) if np.isfinite(best) else (np.nan, np.nan)


def _centre() -> float:
    """Where QRS stands in a median beat, as a share of its length."""
    from gen.simulate.measure import AFTER_S, BEFORE_S

    return BEFORE_S / (BEFORE_S + AFTER_S)


def _gap(name: str) -> Callable[[Seen, Seen], float]:
    return lambda a, b: abs(getattr(a.parameters, name) - getattr(b.parameters, name))


def _turn(a: Seen, b: Seen) -> float:
    return abs((a.parameters.axis_deg - b.parameters.axis_deg + 180) % 360 - 180)


#: Name -> unit, and how much two ECGs differ in it (not negative, NaN where not measurable).
QUANTITIES: Mapping[str, tuple[str, Callable[[Seen, Seen], float]]] = {
    "QRS shape, 1 - r": ("", lambda a, b: 1 - qrs_shape(a, b)[0]),
    "QRS shape, residual": ("", lambda a, b: qrs_shape(a, b)[1]),
    "QRS duration": ("ms", _gap("qrs_ms")),
    "QRS axis": ("degrees", _turn),
    "voltage (Sokolow-Lyon)": ("mV", _gap("sokolow_mv")),
    "RR variation": ("", _gap("rr_cv")),
    "P before beats": ("share", _gap("p_present")),
    "PR": ("ms", _gap("pr_ms")),
}
