"""Checks that every measure makes on its arrays before it computes anything."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gen.leads import LEADS_8
from gen.records import InputError

Array = npt.NDArray[np.float64]


def features(values: npt.ArrayLike, *, name: str, minimum: int = 1) -> Array:
    """Feature rows as float64 (n, d).

    Raises:
        InputError: not two-dimensional, fewer than ``minimum`` rows, no column, or a value that is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] == 0:
        raise InputError(f"{name}: features of shape {array.shape}; accepted: (n, d)")
    return _checked(array, name, minimum)


def feature_pair(reference: npt.ArrayLike, generated: npt.ArrayLike, *, minimum: int = 1) -> tuple[Array, Array]:
    """Two feature sets (n, d) and (m, d) as float64.

    Raises:
        InputError: one of them is no feature set of at least ``minimum`` rows, or their widths differ.
    """
    first = features(reference, name="reference", minimum=minimum)
    second = features(generated, name="generated", minimum=minimum)
    if first.shape[1] != second.shape[1]:
        raise InputError(
            f"generated: {second.shape[1]} features per sample; accepted: {first.shape[1]} as in reference"
        )
    return first, second


def signals(values: npt.ArrayLike, *, name: str, minimum: int = 1) -> Array:
    """ECGs as float64 (n, lead, time).

    Raises:
        InputError: not three-dimensional, fewer than ``minimum`` records, or a sample that is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 3 or 0 in array.shape[1:]:
        raise InputError(f"{name}: signals of shape {array.shape}; accepted: (n, lead, time)")
    return _checked(array, name, minimum)


def signal_pair(reference: npt.ArrayLike, generated: npt.ArrayLike, *, minimum: int = 1) -> tuple[Array, Array]:
    """Two unpaired ECG sets (n, lead, time) and (m, lead, time) as float64.

    Raises:
        InputError: as `signals`, or the number of leads or samples differs.
    """
    first = signals(reference, name="reference", minimum=minimum)
    second = signals(generated, name="generated", minimum=minimum)
    if first.shape[1:] != second.shape[1:]:
        raise InputError(f"generated: (lead, time) is {second.shape[1:]}; accepted: {first.shape[1:]} as in reference")
    return first, second


def eight_leads(values: npt.ArrayLike, fs_hz: float, *, shortest_s: float = 2.0) -> npt.NDArray[np.float32]:
    """ECGs (n, 8, time) in mV, `gen.leads.LEADS_8`, as a trained network takes them: float32, NaN allowed.

    Raises:
        InputError: not eight leads, shorter than ``shortest_s``, or infinite samples.
    """
    signal = np.asarray(values, dtype=np.float32)
    if signal.ndim != 3 or signal.shape[1] != len(LEADS_8):
        raise InputError(f"signal of shape {signal.shape}; accepted: (n, 8, time), leads {', '.join(LEADS_8)}")
    if signal.shape[2] < shortest_s * fs_hz:
        raise InputError(f"signal of {signal.shape[2] / fs_hz:g} s; accepted: at least {shortest_s:g} s")
    if np.isinf(signal).any():
        raise InputError("signal: infinite samples; accepted: finite values, or NaN where nothing was recorded")
    return signal


def vector(values: npt.ArrayLike, *, name: str, minimum: int = 1) -> Array:
    """One number per sample as float64 (n,); NaN is allowed and means 'not measurable'.

    Raises:
        InputError: not one-dimensional, or fewer than ``minimum`` values.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise InputError(f"{name}: values of shape {array.shape}; accepted: (n,)")
    if len(array) < minimum:
        raise InputError(f"{name}: {len(array)} samples; accepted: at least {minimum}")
    return array


def group_codes(groups: Sequence[object] | npt.ArrayLike | None, count: int) -> npt.NDArray[np.int64]:
    """Integer code of each sample's group (patient); every sample is its own group where ``groups`` is None.

    Raises:
        InputError: not one group per sample.
    """
    if groups is None:
        return np.arange(count)
    codes = np.unique(np.asarray(groups), return_inverse=True)[1]
    if codes.shape != (count,):
        raise InputError(f"groups: {codes.size} given for {count} samples; accepted: one per sample")
    return codes.astype(np.int64)


def _checked(array: Array, name: str, minimum: int) -> Array:
    if len(array) < minimum:
        raise InputError(f"{name}: {len(array)} samples; accepted: at least {minimum}")
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array.reshape(len(array), -1)).all(axis=1)).sum())
        raise InputError(f"{name}: {bad} of {len(array)} samples hold NaN or infinity; accepted: finite values")
    return array
