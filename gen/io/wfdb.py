"""WFDB records: ``name.hea`` beside ``name.dat`` (PhysioNet's header(5) and signal(5) formats).

Every signal is read at its own rate: a frame may hold several samples of one signal (a monitor's ECG beside its slower
respiration), and a record may consist of segments with pauses between them, which become NaN.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from gen.io.annotations import write_beats
from gen.io.channels import Channels, assume, check_holes, check_rates, choose, lead_names, note_resampled, on_one_clock
from gen.io.comments import from_comments, to_comments
from gen.io.common import Given, make_record, number_text, to_int16_microvolt
from gen.io.wfdb_header import WfdbHeader, WfdbSignal, read_header
from gen.io.wfdb_signal import invalid_value, is_plain, read_samples
from gen.records import EcgRecord, InputError
from gen.signals import millivolt_factor, resample

#: Units per mV that header(5) gives to a signal that was not calibrated (its DEFGAIN).
_DEFAULT_GAIN = 200.0


@dataclass
class _Part:
    """Signals of one header as millivolt, each at its own rate, and what has to be said about them."""

    chosen: Channels
    signals: list[np.ndarray]
    rates: list[float]
    damaged: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)


def read_digital(header: WfdbHeader) -> np.ndarray:
    """(lead, time) int32 samples as stored, before gain and baseline; for sets whose gains mislead.

    Raises:
        InputError: a signal file is missing, truncated, longer than announced, or in a format not read here.
    """
    return np.stack(read_samples(header, range(len(header.signals)))).astype(np.int32)


def read_wfdb(path: Path, given: Given) -> EcgRecord:
    """A WFDB record as `EcgRecord`; see `gen.io.read`."""
    header = read_header(path)
    part = _segmented(header, given) if header.segments else _single(header, given)
    facts = from_comments(header.comments)
    if header.recorded:
        facts["metadata"].setdefault("recorded", header.recorded)
    if part.damaged:
        facts["metadata"]["checksum_mismatch"] = part.damaged
    part.chosen.note(facts["metadata"])
    for text in dict.fromkeys(part.assumed):
        assume(facts, text)
    signals = part.signals
    if len(set(part.rates)) == 1 and part.chosen.wanted in (None, part.chosen.leads):
        with np.errstate(over="ignore"):  # as in `make_record`; nothing more is worked out from them
            signals = [signal.astype(np.float32) for signal in signals]
    signal, fs_hz, slower = on_one_clock(header.path, signals, part.rates, part.chosen.leads)
    note_resampled(facts, slower, fs_hz)
    signal, leads = part.chosen.finish(signal)
    stated = fs_hz if header.frames_hz is not None else header.fs_hz
    return make_record(header.path, signal, given.rate(header.path, stated), leads, facts)


def _single(header: WfdbHeader, given: Given) -> _Part:
    """The chosen signals of a record that is one segment."""
    if not header.signals:
        raise InputError(f"{header.path}: no samples in it (the header announces 0 signals)")
    chosen = _choose(header, given)
    # Without a rate of its own the record has the caller's; only the ratio between its signals matters here.
    frames_hz = header.frames_hz or given.fs_hz or 1.0
    part = _Part(chosen, [], [])
    for lead, position, digital in zip(chosen.leads, chosen.rows, read_samples(header, chosen.rows), strict=True):
        line = header.signals[position]
        part.signals.append(_millivolt(header.path, line, digital, given, part.assumed))
        part.rates.append(frames_hz * line.samples_per_frame)
        exact = is_plain(line) and line.checksum and not line.skew
        if exact and (int(digital.sum(dtype=np.int64)) - int(line.checksum or 0)) % 65536:
            part.damaged.append(lead)
    return part


def _choose(header: WfdbHeader, given: Given) -> Channels:
    names = [line.name for line in header.signals]
    if names == ["ECG"] and header.signals[0].file.endswith(".mat") and given.leads is None:
        return Channels([0], ("I",))  # the hand-held recorder of the CinC 2017 challenge: both hands, that is lead I
    return choose(header.path, names, given, faults=_faults(header, given))


def _faults(header: WfdbHeader, given: Given) -> dict[int, str]:
    """Signals that are no voltage, with the reason."""
    found = {}
    for i, line in enumerate(header.signals):
        if line.gain:
            try:
                millivolt_factor(line.unit)
            except ValueError as error:
                found[i] = str(error)
    return found


def _millivolt(path: Path, line: WfdbSignal, digital: np.ndarray, given: Given, assumed: list[str]) -> np.ndarray:
    """Stored samples as float64 millivolt; invalid ones as NaN."""
    if line.gain:
        factor = given.factor(path, line.unit) / line.gain
    elif given.unit is None or millivolt_factor(given.unit) >= 1:
        # Whole numbers of a converter are no millivolt, whatever the caller calls the unit of the signal.
        factor = (1.0 if given.unit is None else given.factor(path, None)) / _DEFAULT_GAIN
        assumed.append(f"not calibrated: {_DEFAULT_GAIN:g} units per {given.unit or 'mV'}, the default of WFDB")
    else:
        factor = given.factor(path, None)
        assumed.append(f"not calibrated: one unit is 1 {given.unit}, as given")
    signal = digital.astype(np.float64)
    if line.baseline:
        signal -= line.baseline
    signal *= factor
    invalid = invalid_value(line)
    if invalid is not None and len(digital) and digital.min() <= invalid:  # it is the lowest that there is
        signal[digital == invalid] = np.nan
    return signal


def _segmented(header: WfdbHeader, given: Given) -> _Part:
    """A record of several segments: each read by itself and put in its place; ``~`` is a pause."""
    parts: list[tuple[int, _Part]] = []
    loose = replace(given, prefer=True)  # a segment need not hold every lead
    at = 0
    for name, length in header.segments:
        # The first segment of a 'variable layout' has no samples: it only describes the signals.
        if name != "~" and length:
            inner = read_header(header.path.parent / Path(name).name)
            if inner.segments:
                raise InputError(f"{inner.path}: a segment of segments; accepted: records of signals")
            inner = replace(inner, num_samples=inner.num_samples or length, fs_hz=inner.frames_hz or header.frames_hz)
            names = [line.name for line in inner.signals]
            if any(lead_names(names)) or not any(lead_names([n for _, p in parts for n in p.chosen.leads])):
                parts.append((at, _single(inner, loose)))
        at += length
    total = header.num_samples or at
    if not parts or not total:
        raise InputError(f"{header.path}: no samples in it (no segment holds an ECG lead)")
    return _joined(header, parts, total, given)


def _joined(header: WfdbHeader, parts: list[tuple[int, _Part]], total: int, given: Given) -> _Part:
    rates: dict[str, float] = {}
    frames_hz = header.frames_hz or given.fs_hz or 1.0
    for _, part in parts:
        for lead, rate in zip(part.chosen.leads, part.rates, strict=True):
            rates[lead] = max(rate, rates.get(lead, 0.0))
    chosen = choose(header.path, list(rates), given)
    for _, part in parts:
        for lead, rate in zip(part.chosen.leads, part.rates, strict=True):
            check_rates(header.path, {lead: rate, f"{lead} (elsewhere)": rates[lead]})
    recorded = max(sum(p.signals[0].size / p.rates[0] for _, p in parts) * frames_hz, 1)
    check_holes(header.path, total, round(recorded))
    signals: dict[str, np.ndarray] = {}
    for lead in chosen.leads:
        signals[lead] = np.full(round(total * rates[lead] / frames_hz), np.nan)
    for at, part in parts:
        for lead, samples, rate in zip(part.chosen.leads, part.signals, part.rates, strict=True):
            if lead in signals:
                out, start = signals[lead], round(at * rates[lead] / frames_hz)
                piece = resample(samples, rate, rates[lead])[: max(0, out.size - start)]
                out[start : start + piece.size] = piece
    skipped = tuple(dict.fromkeys(name for _, part in parts for name in part.chosen.skipped))
    faults = {lead: reason for _, part in parts for lead, reason in part.chosen.faults.items()}
    return _Part(
        replace(chosen, skipped=skipped, faults=faults),
        list(signals.values()),
        [rates[lead] for lead in chosen.leads],
        list(dict.fromkeys(lead for _, part in parts for lead in part.damaged)),
        [text for _, part in parts for text in part.assumed],
    )


def write_wfdb(record: EcgRecord, path: Path) -> None:
    """Write ``path`` (a ``.hea``) and the ``.dat`` beside it: format 16, 1000 units per mV, NaN as -32768.

    Beats that the metadata name (`gen.io.annotations`) come into an ``.atr`` file, too.

    Raises:
        InputError: a sample beyond +-32.767 mV.
    """
    digital = to_int16_microvolt(record, path)
    sums = digital.sum(axis=1, dtype=np.int64) % 65536
    lines = [f"{path.stem} {len(record.leads)} {number_text(record.fs_hz)} {record.num_samples}"]
    lines += [
        f"{path.stem}.dat 16 1000.0(0)/mV 16 0 {row[0] if row.size else 0} {checksum} 0 {lead}"
        for row, checksum, lead in zip(digital, sums, record.leads, strict=True)
    ]
    lines += [f"# {comment}" for comment in to_comments(record, path.stem)]
    path.with_suffix(".dat").write_bytes(np.ascontiguousarray(digital.T).tobytes())
    path.with_suffix(".hea").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_beats(record, path)
