"""ECG parameters of records: rate, intervals, axis and amplitudes from the delineation of all leads together.

    from metrics.measurement.records import measure_records
    parameters = measure_records(records)                       # EcgRecord objects, any rates and lead sets
    parameters = measure_records(array, fs_hz=500, leads=LEADS_12)   # (n, 8 or 12, time) mV
    parameters[0].qrs_ms, parameters[0].failure

What cannot be measured is NaN and the reason is in ``failure``; nothing raises on a poor signal and there are no
sentinel values. Accuracy: ``physiogen evaluate delineation`` (LUDB) and the tests (simulated truth).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from gen.leads import LEADS_12, canonical_leads
from gen.records import EcgRecord, InputError
from metrics.measurement.parameters import Parameters

if TYPE_CHECKING:
    from metrics.measurement.delineation import Delineation


def measure_records(
    records: Iterable[EcgRecord] | npt.ArrayLike,
    fs_hz: float | None = None,
    leads: Sequence[str] | None = None,
    *,
    batch: int = 64,
) -> list[Parameters]:
    """Parameters of many ECGs.

    Args:
        records: `EcgRecord` objects, or an array (n, lead, time) in mV.
        fs_hz: sampling rate of the array.
        leads: lead names of the array; may be left out for 8 (`LEADS_8`) and 12 (`LEADS_12`) leads.
        batch: ECGs held in memory at once.

    Returns:
        One `Parameters` per ECG, in order; each depends on its own ECG alone.

    Raises:
        InputError: an array without a rate, of other dimensions, or with leads that are not named.
    """
    return [parameters for parameters, _ in measure_and_delineate(records, fs_hz, leads, batch=batch)]


def measure_and_delineate(
    records: Iterable[EcgRecord] | npt.ArrayLike,
    fs_hz: float | None = None,
    leads: Sequence[str] | None = None,
    *,
    per_lead: bool = False,
    batch: int = 64,
) -> "list[tuple[Parameters, Delineation | None]]":
    """As `measure_records`, with the waves; None where there is nothing to delineate. ``per_lead``: of every lead."""
    from metrics.measurement.batch import measure_group

    out: list[tuple[Parameters, Delineation | None]] = []
    if not _are_records(records):
        array, rate, names = _checked(np.asarray(records), fs_hz, leads)
        for start in range(0, len(array), batch):
            out += measure_group(array[start : start + batch], rate, names, per_lead=per_lead)
        return out
    group: list[EcgRecord] = []
    for record in cast(Iterable[EcgRecord], records):
        if group and (len(group) == batch or _kind(record) != _kind(group[0])):
            out += _measure_alike(group, per_lead)
            group = []
        group.append(record)
    return out + (_measure_alike(group, per_lead) if group else [])


def _are_records(records: Any) -> bool:
    if isinstance(records, Sequence):
        return all(isinstance(record, EcgRecord) for record in records)
    return not hasattr(records, "__array__")


def _kind(record: EcgRecord) -> tuple[float, tuple[str, ...], int]:
    return record.fs_hz, record.leads, record.num_samples


def _measure_alike(group: list[EcgRecord], per_lead: bool) -> "list[tuple[Parameters, Delineation | None]]":
    from metrics.measurement.batch import measure_group

    signal = np.stack([record.signal_mv for record in group])
    return measure_group(signal, group[0].fs_hz, group[0].leads, per_lead=per_lead)


def _checked(
    array: npt.NDArray[Any], fs_hz: float | None, leads: Sequence[str] | None
) -> tuple[npt.NDArray[np.float32], float, tuple[str, ...]]:
    from gen.leads import LEADS_8

    if array.ndim != 3:
        raise InputError(f"records of shape {array.shape}; accepted: EcgRecord objects or an array (n, lead, time)")
    if fs_hz is None or not fs_hz > 0:
        raise InputError(f"fs_hz={fs_hz}: an array needs its sampling rate in Hz")
    if leads is None:
        known: Mapping[int, tuple[str, ...]] = {8: LEADS_8, 12: LEADS_12}
        if array.shape[1] not in known:
            raise InputError(f"{array.shape[1]} leads without names; accepted: 8 or 12 leads, or leads=")
        leads = known[array.shape[1]]
    names = canonical_leads(leads)
    if len(names) != array.shape[1]:
        raise InputError(f"{array.shape[1]} leads, but {len(names)} names")
    return array.astype(np.float32, copy=False), float(fs_hz), names
