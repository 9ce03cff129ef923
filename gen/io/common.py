"""What every reader and writer shares: errors, what the caller supplied, facts about a record as JSON."""

import json
import logging
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from gen.files import one_line
from gen.leads import LeadError, canonical_lead
from gen.records import EcgRecord, InputError, Patient
from gen.signals import millivolt_factor

#: Largest magnitude in mV that int16 microvolt can hold; -32768 marks an invalid sample.
LARGEST_MV = 32.767
INVALID_INT16 = -32768

#: Rates outside are no ECG's: event lists below, clocks in the wrong unit on either side.
LOWEST_HZ, HIGHEST_HZ = 10.0, 20000.0


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a parsing library raises on a broken file into one `InputError` that names the file."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: not found") from error
    except Exception as error:
        raise InputError(f"{path}: not a readable {what} file ({one_line(error)})") from error


@contextmanager
def quiet(logger_name: str) -> Iterator[None]:
    """Keep a library from printing every oddity of a file, whole broken values included, beside our one line."""
    logger = logging.getLogger(logger_name)
    before, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before


def library(name: str, extra: str) -> ModuleType:
    """Import an optional library, or say what to install.

    Raises:
        InputError: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(f"this format needs {name}: pip install 'physiogen[{extra}]'") from error


class MissingFact(InputError):
    """A file does not say something that the caller can supply.

    Attributes:
        what: is missing, in words.
        option: of the command line that supplies it, with an example.
        keyword: the same for a call.
        stand_in: fields of `Given` with values that let reading go on, to find out what else is missing.
    """

    def __init__(self, path: Path, what: str, option: str, keyword: str, stand_in: Mapping[str, Any]) -> None:
        verb = "are" if what.startswith("lead names") else "is"
        super().__init__(f"{path}: {what} {verb} missing; say it, such as {option} (in Python {keyword})")
        self.path, self.what, self.option, self.keyword, self.stand_in = path, what, option, keyword, stand_in


def all_missing(read: Callable[["Given"], object], given: "Given", first: MissingFact) -> InputError:
    """One error for everything that a file does not say, so that nobody is asked twice.

    Args:
        read: reads the file.
        given: what the caller supplied.
        first: what reading stopped at.
    """
    found = [first]
    while len(found) < len(fields(Given)):
        given = replace(given, **found[-1].stand_in)
        try:
            read(given)
        except MissingFact as another:
            found.append(another)
            continue
        except InputError:  # with stand-ins anything can go wrong
            pass
        break
    if len(found) == 1:
        return first
    order = sorted(found, key=lambda each: ("fs_hz" not in each.stand_in, "unit" not in each.stand_in))
    what, options, keywords = ([getattr(each, name) for each in order] for name in ("what", "option", "keyword"))
    said = f"{', '.join(what[:-1])} and {what[-1]} are missing; say it, such as {' '.join(options)}"
    return InputError(f"{first.path}: {said} (in Python {', '.join(keywords)})")


@dataclass(frozen=True)
class Given:
    """What the caller supplied for files that do not say it themselves; contradicting a file is an error.

    Attributes:
        fs_hz: sampling rate in Hz.
        unit: V, mV, uV or nV.
        leads: leads wanted, and the names of a file's ECG channels in order where it names none.
        prefer: take what there is of ``leads`` instead of refusing a file that lacks one.
        columns: what the columns of a CSV file are, in order: leads, a time (``time``, ``time_ms``), or ``-``.
    """

    fs_hz: float | None = None
    unit: str | None = None
    leads: tuple[str, ...] | None = None
    prefer: bool = False
    columns: tuple[str, ...] | None = None

    def rate(self, path: Path, found: float | None, *, sure: bool = True) -> float:
        """Sampling rate in Hz from the file or the caller.

        Args:
            path: for messages.
            found: what the file says, or None.
            sure: False for a rate that was only inferred: the caller's word then wins.

        Raises:
            InputError: no rate, one that no ECG has, or one that contradicts the caller.
        """
        if found is None and self.fs_hz is None:
            raise MissingFact(path, "the sampling rate", "--fs 500", "fs_hz=500", {"fs_hz": 500.0})
        possible = found is not None and LOWEST_HZ <= found <= HIGHEST_HZ
        accepted = f"accepted: {LOWEST_HZ:g} to {HIGHEST_HZ:g} Hz"
        if self.fs_hz is None:
            if not possible:
                raise InputError(f"{path}: sampling rate {found:g} Hz is no ECG's; {accepted}, or give it (--fs 500)")
            return float(found)  # type: ignore[arg-type]
        if not LOWEST_HZ <= self.fs_hz <= HIGHEST_HZ:
            raise InputError(f"{path}: sampling rate {self.fs_hz:g} Hz is no ECG's; {accepted}")
        if found is None or not possible or not sure:
            return float(self.fs_hz)
        if not math.isclose(found, self.fs_hz, rel_tol=1e-3):
            raise InputError(f"{path}: the file says {found:g} Hz, but {self.fs_hz:g} Hz was given")
        return float(found)

    def factor(self, path: Path, found: str | None) -> float:
        """Factor from the file's unit (or the caller's, where the file has none) to mV."""
        try:
            stated = None if found is None else millivolt_factor(found)
            given = None if self.unit is None else millivolt_factor(self.unit)
        except ValueError as error:
            raise InputError(f"{path}: {error}") from error
        if stated is None and given is None:
            raise MissingFact(path, "the unit (V, mV, uV, nV)", "--unit mV", "unit='mV'", {"unit": "mV"})
        if stated is not None and given is not None and stated != given:
            raise InputError(f"{path}: the file says unit {found}, but {self.unit} was given")
        return stated if stated is not None else given  # type: ignore[return-value]


def is_lead(name: str) -> bool:
    """Whether a channel name is one of the twelve leads, in any known spelling."""
    try:
        canonical_lead(name)
    except LeadError:
        return False
    return True


def make_record(
    path: Path,
    signal_mv: np.ndarray,
    fs_hz: float,
    leads: Sequence[str],
    facts: Mapping[str, Any],
    *,
    record_id: str | None = None,
) -> EcgRecord:
    """A checked record from (lead, time) millivolt and the facts of `facts_of`.

    Raises:
        InputError: no samples, infinite samples, or facts that fit no record.
    """
    if signal_mv.ndim != 2 or 0 in signal_mv.shape:
        raise InputError(f"{path}: no samples in it (signal of shape {signal_mv.shape}, expected (lead, time))")
    with np.errstate(over="ignore"):  # caught below, with the file's name
        signal = np.asarray(signal_mv, dtype=np.float32)
    if np.isinf(signal).any():
        raise InputError(f"{path}: infinite samples in lead {leads[int(np.isinf(signal).any(axis=1).argmax())]}")
    try:
        patient = dict(facts.get("patient") or {})
        return EcgRecord(
            signal_mv=signal,
            fs_hz=fs_hz,
            leads=tuple(leads),
            record_id=str(facts.get("record_id") or record_id or path.stem),
            patient=Patient(
                id=_text(patient.get("id")),
                age=parse_age(patient.get("age")),
                sex=parse_sex(patient.get("sex")),
                height_cm=_number(patient.get("height_cm")),
                weight_kg=_number(patient.get("weight_kg")),
            ),
            report=_text(facts.get("report")),
            statements={str(code): float(value) for code, value in dict(facts.get("statements") or {}).items()},
            synthetic=bool(facts.get("synthetic", False)),
            metadata=dict(facts.get("metadata") or {}),
        )
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: {one_line(error)}") from error


def facts_of(record: EcgRecord) -> dict[str, Any]:
    """Everything about a record but its samples, rate and leads, as JSON values; unknown facts are left out."""
    patient = {
        "id": record.patient.id,
        "age": record.patient.age,
        "sex": record.patient.sex,
        "height_cm": record.patient.height_cm,
        "weight_kg": record.patient.weight_kg,
    }
    facts: dict[str, Any] = {
        "record_id": record.record_id,
        "patient": {key: value for key, value in patient.items() if value is not None},
        "report": record.report,
        "statements": dict(record.statements),
        "synthetic": record.synthetic,
        "metadata": dict(record.metadata),
    }
    return {key: plain(value) for key, value in facts.items() if value is not None and value != {}}


def plain(value: Any) -> Any:
    """The value as pure JSON: numpy scalars and arrays become numbers and lists, NaN becomes null.

    Raises:
        InputError: a value that JSON cannot hold.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    raise InputError(f"metadata holds a {type(value).__name__}, which JSON cannot store: {value!r}")


def dump_json(value: Any) -> str:
    """JSON on one line, ASCII only, keys in the order given."""
    return json.dumps(plain(value), ensure_ascii=True, separators=(", ", ": "))


def parse_age(value: Any) -> float | None:
    """Age in years from a number or text such as '63', '063Y', '63 years', '6 months'; None where unknown.

    Values outside 0-120 years are codes for 'hidden' (300 in PTB-XL), so they become None.
    """
    match = re.match(r"\s*(-?\d+(?:\.\d+)?(?:e-?\d+)?)\s*([a-z]?)", str(value).strip().lower())
    if value is None or not match:
        return None
    per_year = {"m": 12.0, "w": 52.1775, "d": 365.2425}.get(match[2], 1.0)
    age = float(match[1]) / per_year
    return age if 0 <= age <= 120 else None


def parse_sex(value: Any) -> str | None:
    """'F' or 'M' from the usual words; None where unknown. Numbers mean different things in different sets: None."""
    word = str(value).strip().lower()
    if word in ("f", "female", "w", "woman", "weiblich", "frau"):
        return "F"
    return "M" if word in ("m", "male", "man", "männlich", "mann") else None


def body_height_cm(value: Any) -> float | None:
    """Body height in cm from a field that is meant to be in metres; None where no person is that tall.

    Many devices write centimetres into DICOM's PatientSize, which the standard has in metres.
    """
    height = _number(value)
    if height is None or not height > 0:
        return None
    height = 100 * height if height < 3 else height
    return height if 20 <= height <= 280 else None


def to_int16_microvolt(record: EcgRecord, path: Path) -> np.ndarray:
    """(lead, time) int16 microvolt; NaN becomes -32768.

    Raises:
        InputError: a sample beyond +-32.767 mV, which 16 bits of microvolt cannot hold.
    """
    # Rounding can carry 32.7674 to the limit; beyond it a cast would wrap around to the other sign.
    microvolt = np.rint(record.signal_mv.astype(np.float64) * 1000)
    beyond = np.abs(microvolt) > 32767  # False for NaN
    if beyond.any():
        lead = int(beyond.any(axis=1).argmax())
        value = np.nanmax(np.abs(record.signal_mv[lead]))
        raise InputError(
            f"{path}: record {record.record_id}: lead {record.leads[lead]} reaches {value:g} mV; "
            f"this format holds at most +-{LARGEST_MV} mV (use npz or parquet)"
        )
    missing = np.isnan(microvolt)
    if missing.any():
        microvolt[missing] = INVALID_INT16
    return microvolt.astype("<i2")


def number_text(value: float) -> str:
    """Shortest decimal that reads back the same, without an exponent: 500, 257.5."""
    return np.format_float_positional(value, trim="-")


def _text(value: Any) -> str | None:
    return None if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)


def _number(value: Any) -> float | None:
    if value is None or value == "":
        return None
    number = float(value)
    return number if math.isfinite(number) else None
