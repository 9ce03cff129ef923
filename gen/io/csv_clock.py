"""The rate of a table from its time stamps, and where samples were lost between them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gen.io.channels import check_holes
from gen.io.common import HIGHEST_HZ, LOWEST_HZ

_SCALES = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_STATED = {**_SCALES, "sec": 1.0, "seconds": 1.0, "µs": 1e-6, "μs": 1e-6, "min": 60.0}
#: Rates of recorders, which are taken for likely where the unit of a clock is not said.
_LIKELY_HZ = (60.0, 5000.0)
#: Time stamps may skip this share of the steps before the column is no clock.
_MOST_JUMPS = 0.05


@dataclass(frozen=True)
class Clock:
    """A time column: its rate, and the place of every row counted in samples.

    Attributes:
        name: of the column.
        fs_hz: rate; NaN where it cannot be told (``fault`` says why).
        places: (row,) sample number of each row; None where rows follow each other without a gap.
        sure: whether the column states its unit.
        assumed: what was assumed, or None.
        fault: why it is no clock, or None.
    """

    name: str
    fs_hz: float
    places: np.ndarray | None = None
    sure: bool = True
    assumed: str | None = None
    fault: str | None = None


def read_clock(name: str, stamps: np.ndarray, unit: str | None, first_row: int) -> Clock | None:
    """Rate and gaps of a column of time stamps; None where there is only one stamp.

    Args:
        name: of the column.
        stamps: (row,) as written.
        unit: as the column states it, or None.
        first_row: number of the first row, for messages.
    """
    if stamps.size < 2:
        return None
    if not np.isfinite(stamps).all():
        return Clock(name, math.nan, fault=f"column {name} has empty cells or text (row {first_row})")
    steps = np.diff(stamps)
    middle = float(np.median(steps))
    step = float((stamps[-1] - stamps[0]) / steps.size)
    rounding = _rounding(stamps)
    places = None
    if step <= 0 or (np.abs(steps - step) > max(0.05 * abs(step), rounding)).any():
        if not middle > 0 or (steps <= -rounding if rounding else steps <= 0).any():
            return _uneven(name, steps, step, first_row)
        usual = np.abs(steps - middle) <= max(0.05 * middle, rounding)
        if not usual.any():
            return _uneven(name, steps, step, first_row)
        step = float(steps[usual].mean())
        counts = np.maximum(1, np.rint(steps / step)).astype(np.int64)
        jumps = counts > 1
        off = np.abs(steps - counts * step) > max(0.3 * step, rounding)
        if not jumps.any() or jumps.mean() > _MOST_JUMPS or (off & ~jumps).any():
            return _uneven(name, steps, step, first_row)
        places = np.concatenate([[0], np.cumsum(counts)])
    scale = _STATED.get(unit or "")
    assumed = None
    if scale is None:
        scale, assumed = _likely_scale(name, step)
    rate = 1 / (step * scale)
    if abs(rate - round(rate)) < 2e-3 * rate and round(rate) > 0:
        rate = float(round(rate))
    return Clock(name, rate, places, unit is not None, assumed)


def _rounding(stamps: np.ndarray) -> float:
    """How far a step may be off because the stamps are rounded (0.002, 0.004, 0.006, 0.008 for 512 Hz)."""
    decimals = next((d for d in range(7) if np.abs(stamps - np.round(stamps, d)).max() < 1e-9), None)
    return 0.0 if decimals is None else 0.99 * 10.0**-decimals


def _uneven(name: str, steps: np.ndarray, step: float, first_row: int) -> Clock:
    typical = abs(float(np.median(steps))) or abs(step)
    worst = int(np.argmax(np.abs(steps - typical) > 0.05 * typical))
    return Clock(name, math.nan, fault=f"column {name} does not advance evenly (row {first_row + 1 + worst})")


def _likely_scale(name: str, step: float) -> tuple[float, str | None]:
    """Seconds per unit of a clock that does not say: the unit in which the rate is a recorder's.

    Steps of exactly 1 count samples as well as milliseconds, so nothing is assumed of them.
    """
    if LOWEST_HZ <= 1 / step <= HIGHEST_HZ:
        return 1.0, None
    for unit, scale in _SCALES.items():
        if _LIKELY_HZ[0] <= 1 / (step * scale) <= _LIKELY_HZ[1] and step != 1:
            return scale, f"column {name} counts {unit}: its steps of {step:g} give {1 / (step * scale):g} Hz"
    return 1.0, None


def spread(path: Path, table: np.ndarray, clock: Clock) -> np.ndarray:
    """The table's columns (column, time) with NaN where the clock skips samples.

    Raises:
        InputError: nearly everything would be missing.
    """
    if clock.places is None:
        return table
    total = int(clock.places[-1]) + 1
    check_holes(path, total, table.shape[1])
    out = np.full((table.shape[0], total), np.nan)
    out[:, clock.places] = table
    return out


def best_clock(clocks: Sequence[Clock | None]) -> Clock | None:
    """The clock to trust: one that advances evenly, with a rate that an ECG can have and its unit stated."""
    found = [clock for clock in clocks if clock is not None]
    even = [clock for clock in found if clock.fault is None]

    def rank(clock: Clock) -> tuple[bool, bool, bool]:
        return not LOWEST_HZ <= clock.fs_hz <= HIGHEST_HZ, not clock.sure, clock.places is not None

    return min(even, key=rank) if even else found[0] if found else None
