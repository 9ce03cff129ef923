"""The one record type that readers, models, metrics, plots and writers share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gen.errors import InputError as InputError
from gen.leads import LEADS_8, LEADS_12, canonical_leads, to_leads
from gen.signals import resample


@dataclass(frozen=True)
class Patient:
    """Whose signal it is; every field can be unknown (None)."""

    id: str | None = None
    age: float | None = None  #: years; data sets that hide ages over 89 give None and say so in the metadata
    sex: str | None = None  #: 'F' or 'M'
    height_cm: float | None = None
    weight_kg: float | None = None

    def __post_init__(self) -> None:
        if self.sex not in (None, "F", "M"):
            raise ValueError(f"sex must be 'F', 'M' or None, got {self.sex!r}")


@dataclass(frozen=True, eq=False)
class EcgRecord:
    """One ECG with everything needed to read it without guessing.

    Attributes:
        signal_mv: (lead, time) float32 millivolt; NaN marks samples that were not recorded.
        fs_hz: sampling rate in Hz.
        leads: standard lead names, one per row.
        record_id: name within its set, used for output files.
        patient: whose it is.
        report: free text, as found.
        statements: SCP-ECG code -> likelihood in percent (0 = unstated, as in PTB-XL).
        synthetic: generated, simulated or (partly) reconstructed by software.
        metadata: further facts as JSON values (source file, seed, model hash, observed leads, ...).

    Raises:
        ValueError: array, rate and lead names do not fit each other.
    """

    signal_mv: np.ndarray
    fs_hz: float
    leads: tuple[str, ...]
    record_id: str = "record"
    patient: Patient = Patient()
    report: str | None = None
    statements: Mapping[str, float] = field(default_factory=dict)
    synthetic: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        signal = np.asarray(self.signal_mv, dtype=np.float32)
        leads = canonical_leads(self.leads)
        if signal.ndim != 2 or signal.shape[0] != len(leads):
            raise ValueError(f"signal of shape {signal.shape} does not fit {len(leads)} leads; expected (lead, time)")
        if not self.fs_hz > 0:
            raise ValueError(f"sampling rate must be above 0 Hz, got {self.fs_hz}")
        object.__setattr__(self, "signal_mv", signal)
        object.__setattr__(self, "leads", leads)
        object.__setattr__(self, "fs_hz", float(self.fs_hz))

    @property
    def num_samples(self) -> int:
        """Samples per lead."""
        return self.signal_mv.shape[1]

    @property
    def source_name(self) -> str:
        """What a message calls it: the file it was read from, else its name."""
        return str(self.metadata.get("source_file", self.record_id))

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.num_samples / self.fs_hz

    def lead(self, name: str) -> np.ndarray:
        """One lead, derived from the others where that is exact; (time,) mV."""
        return self.select((name,)).signal_mv[0]

    def select(self, leads: Sequence[str]) -> "EcgRecord":
        """The same record with just these leads in this order; raises `LeadError` if one cannot be had."""
        wanted = canonical_leads(leads)
        return replace(self, signal_mv=to_leads(self.signal_mv, self.leads, wanted), leads=wanted)

    def to_12(self) -> "EcgRecord":
        """The same record with the twelve standard leads in standard order."""
        return self.select(LEADS_12)

    def to_8(self) -> "EcgRecord":
        """The same record with the eight independent leads."""
        return self.select(LEADS_8)

    def at(self, fs_hz: float) -> "EcgRecord":
        """The same record at another sampling rate (anti-aliased, see `gen.signals.resample`)."""
        if fs_hz == self.fs_hz:
            return self
        return replace(self, signal_mv=resample(self.signal_mv, self.fs_hz, fs_hz), fs_hz=fs_hz)


#: Above this an array is no millivolt: the largest complexes of a heart stay far below.
_LARGEST_MV = 50.0


def records_of(
    signal: Any, fs: float | None = None, leads: Sequence[str] | str | None = None
) -> "EcgRecord | list[EcgRecord]":
    """Records from what a caller has at hand: records as they are, arrays and tensors with their rate and leads.

    Args:
        signal: an `EcgRecord`, several of them, or millivolt as (lead, time) or (record, lead, time): a NumPy array, a
            torch tensor of any device, or nested lists. A single lead may be (time,).
        fs: sampling rate in Hz; of arrays.
        leads: names of an array's rows, in order, such as ``["II", "V1", "V5"]`` or ``"II,V1,V5"``.

    Returns:
        One record for records and (lead, time), a list for several.

    Raises:
        InputError: rate or leads of an array are missing or do not fit it, or it is not in millivolt.
    """
    if isinstance(signal, EcgRecord):
        return signal
    if (
        isinstance(signal, Sequence)
        and not isinstance(signal, str)
        and all(isinstance(each, EcgRecord) for each in signal)
    ):
        return list(signal)
    names = tuple(part.strip() for part in leads.split(",")) if isinstance(leads, str) else tuple(leads or ())
    missing = [word for word, given in (("fs=500", fs is not None), ('leads=["II", "V1", "V5"]', names)) if not given]
    if missing:
        raise InputError(f"an array says neither rate nor leads: give {' and '.join(missing)}")
    array = _array(signal)
    array = array[None] if array.ndim == 1 else array
    if array.ndim not in (2, 3) or array.shape[-2] != len(names) or not array.shape[-1]:
        turned = array.ndim in (2, 3) and array.shape[-1] == len(names)
        hint = "; it looks like (time, lead): transpose it" if turned else ""
        raise InputError(
            f"an array of shape {array.shape} for {len(names)} leads ({', '.join(names)}); accepted: (lead, time) or "
            f"(record, lead, time){hint}"
        )
    largest = float(np.nanmax(np.abs(array))) if np.isfinite(array).any() else 0.0
    if np.isinf(array).any() or largest > _LARGEST_MV:
        raise InputError(f"an array with values to {largest:g}: expected millivolt; divide microvolt by 1000")
    try:
        many = array if array.ndim == 3 else array[None]
        made = [EcgRecord(each, float(fs or 0), names, f"array_{k:06d}") for k, each in enumerate(many)]
    except ValueError as error:
        raise InputError(str(error)) from error
    return made if array.ndim == 3 else made[0]


def _array(signal: Any) -> np.ndarray:
    if hasattr(signal, "detach"):  # a torch tensor, of any device; nothing here imports torch
        signal = signal.detach().cpu().numpy()
    try:
        return np.asarray(signal, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{type(signal).__name__} is no ECG; accepted: what read() gives, or an array in mV with fs= and leads="
        ) from error
