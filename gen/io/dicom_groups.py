"""Multiplex groups of DICOM waveforms (PS3.3 C.10.9): samples, calibration, and where in time each group lies."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gen.files import printable
from gen.io.channels import Channels, check_holes, choose, lead_names
from gen.io.common import Given, is_lead
from gen.leads import derivable
from gen.records import InputError
from gen.signals import millivolt_factor, resample

_DTYPES = {"SS": "i2", "US": "u2", "SL": "i4", "UL": "u4", "SB": "i1", "UB": "u1"}
#: A padding value inside the signal's range counts where it fills all of three channels or more for this long,
_FRAMES_S = 0.02
#: ... or a channel's end, or everything there is, for this long.
_END_S = 0.2
#: Share of the signal's range beyond which a padding value can only be one.
_OUTSIDE = 0.1
_DERIVED = ("median", "template", "average", "representative", "mean beat")


@dataclass(frozen=True, eq=False)
class Group:
    """One multiplex group: its leads in mV, their place in time."""

    signal_mv: np.ndarray
    leads: tuple[str, ...]
    fs_hz: float
    start_s: float
    label: str
    skipped: tuple[str, ...] = ()


def read_groups(
    path: Path, groups: Sequence[Any], lead_of_code: dict[str, str], given: Given, big: bool
) -> list[Group]:
    """Every group with leads in it, the longest first; groups whose names say that they are average beats last.

    Args:
        path: for messages.
        groups: items of WaveformSequence.
        lead_of_code: standard codes of channel sources.
        given: what the caller supplied.
        big: whether samples are big-endian.

    Raises:
        InputError: no group names a lead that is wanted, or a group is broken.
    """
    every = [[_channel_name(one, lead_of_code) for one in group.ChannelDefinitionSequence] for group in groups]
    there = list(dict.fromkeys(lead for names in every for lead in lead_names(names) if lead))
    if there:
        choose(path, there, given)  # whether what is wanted is there at all
    found: list[Group] = []
    first: InputError | None = None
    loose = Given(given.fs_hz, given.unit, given.leads, prefer=True)
    for group, names in zip(groups, every, strict=True):
        try:
            chosen = choose(path, names, loose, faults=_faults(group))
        except InputError as error:
            first = first or error
            continue
        found.append(_group(path, group, chosen, given, big))
    if not found:
        raise first or InputError(f"{path}: no samples in it (no group of channels)")

    def rank(group: Group) -> tuple[bool, float]:
        return any(word in group.label.lower() for word in _DERIVED), -group.signal_mv.shape[1] / group.fs_hz

    return sorted(found, key=rank)


def merge(path: Path, groups: Sequence[Group], given: Given) -> tuple[np.ndarray, float, Channels, dict[str, float]]:
    """Groups on one canvas: each lead where and when it was recorded, NaN elsewhere.

    A lead that an earlier group holds for the same time is left out (average beats, a rhythm strip printed twice).

    Returns:
        (lead, time) mV, the rate, the leads as chosen, and the stored rate of leads that were resampled.

    Raises:
        InputError: the wanted leads are not there, or groups are so far apart that nearly everything is missing.
    """
    main = groups[0]
    used = [g for g in groups if not any(word in g.label.lower() for word in _DERIVED)] or [main]
    fs_hz = max(g.fs_hz for g in used if g is main or set(g.leads) - set(main.leads)) if len(used) > 1 else main.fs_hz
    begin = min(g.start_s for g in used)
    ends = [round((g.start_s - begin) * fs_hz) + round(g.signal_mv.shape[1] * fs_hz / g.fs_hz) for g in used]
    check_holes(path, max(ends), sum(g.signal_mv.shape[1] for g in used))
    rows: dict[str, np.ndarray] = {}
    slower: dict[str, float] = {}
    for group in used:
        at = round((group.start_s - begin) * fs_hz)
        for lead, samples in zip(group.leads, group.signal_mv, strict=True):
            piece = resample(samples, group.fs_hz, fs_hz)
            row = rows.setdefault(lead, np.full(max(ends), np.nan))
            place = row[at : at + piece.size]
            if np.isnan(place).all():
                place[:] = piece
                if group.fs_hz != fs_hz:
                    slower[lead] = group.fs_hz
    chosen = choose(path, list(rows), given)
    signal = np.stack([rows[lead] for lead in chosen.leads])
    kept = np.flatnonzero(~np.isnan(signal).all(axis=0))
    if len(used) > 1 and kept.size:  # groups of leads that nobody asked for leave no silence at either end
        signal = signal[:, kept[0] : kept[-1] + 1]
    return signal, fs_hz, chosen, {lead: rate for lead, rate in slower.items() if lead in derivable(chosen.leads)}


def _faults(group: Any) -> dict[int, str]:
    """Channels that are no voltage, with the reason."""
    found = {}
    for i, channel in enumerate(group.ChannelDefinitionSequence):
        unit = _unit(channel)
        if unit is not None:
            try:
                millivolt_factor(unit)
            except ValueError as error:
                found[i] = str(error)
    return found


def _unit(channel: Any) -> str | None:
    if channel.get("ChannelSensitivity") is None:
        return None
    units = channel.get("ChannelSensitivityUnitsSequence") or []
    return str(units[0].CodeValue) if len(units) else None


def _group(path: Path, group: Any, chosen: Channels, given: Given, big: bool) -> Group:
    raw = _raw(path, group, big)
    channels = list(group.ChannelDefinitionSequence)
    if len(channels) != raw.shape[0]:
        raise InputError(f"{path}: {raw.shape[0]} channels of samples, but {len(channels)} are described")
    fs_hz = float(group.SamplingFrequency)
    missing = _padding(group, raw, fs_hz, big)
    signal = np.empty((len(chosen.rows), raw.shape[1]))
    for row, position in enumerate(chosen.rows):
        channel = channels[position]
        sensitivity = channel.get("ChannelSensitivity")
        scale = float(1 if sensitivity is None else sensitivity)
        scale *= float(channel.get("ChannelSensitivityCorrectionFactor") or 1)
        value = raw[position] * scale + float(channel.get("ChannelBaseline") or 0)
        signal[row] = value * given.factor(path, _unit(channel))
        if missing is not None:
            signal[row, missing[position]] = np.nan
        signal[row] = _skewed(signal[row], channel, fs_hz)
    return Group(
        signal_mv=signal,
        leads=chosen.leads,
        fs_hz=fs_hz,
        start_s=float(group.get("MultiplexGroupTimeOffset") or 0) / 1000,
        label=str(group.get("MultiplexGroupLabel") or ""),
        skipped=chosen.skipped,
    )


def _raw(path: Path, group: Any, big: bool) -> np.ndarray:
    """(channel, time) samples as stored."""
    kind = _DTYPES.get(str(group.WaveformSampleInterpretation))
    if kind is None:
        raise InputError(
            f"{path}: sample interpretation {printable(group.WaveformSampleInterpretation)} is not read here"
        )
    dtype = np.dtype((">" if big else "<") + kind)
    shape = (int(group.NumberOfWaveformSamples), int(group.NumberOfWaveformChannels))
    if min(shape) < 1:
        raise InputError(f"{path}: no samples in it (a group of {shape[1]} channels and {shape[0]} samples)")
    expected = shape[0] * shape[1] * dtype.itemsize
    data = bytes(group.WaveformData)
    if len(data) < expected:
        raise InputError(f"{path}: truncated: {expected} bytes of samples expected, {len(data)} found")
    return np.frombuffer(data[:expected], dtype).reshape(shape).T


def _padding(group: Any, raw: np.ndarray, fs_hz: float, big: bool) -> np.ndarray | None:
    """(channel, time) bool: where WaveformPaddingValue stands for 'not recorded'; None without one.

    A value far outside the signal's range means it everywhere. Devices also name values inside (0 in genuine exports):
    those count only where they fill whole frames, or a channel's end, for longer than a signal stays on one value.
    """
    padding = group.get("WaveformPaddingValue")
    if padding is None or not bytes(padding):
        return None
    data = bytes(padding)[: raw.dtype.itemsize].ljust(raw.dtype.itemsize, b"\0")
    value = np.frombuffer(data, raw.dtype)[0]
    equal = raw == value
    if not equal.any() or equal.all():
        return equal
    others = raw[~equal].astype(np.float64)
    low, high = float(others.min()), float(others.max())
    margin = _OUTSIDE * max(high - low, 1.0)
    if value < low - margin or value > high + margin:
        return equal
    out = np.zeros(equal.shape, bool)
    frames = equal.all(axis=0)
    out[:, _long_runs(frames, _FRAMES_S * fs_hz if len(raw) > 2 else _END_S * fs_hz)] = True
    for row, found in zip(equal, out, strict=True):
        ends = np.flatnonzero(~row)
        if ends.size and ends[0] >= _END_S * fs_hz:
            found[: ends[0]] = True
        if ends.size and row.size - 1 - ends[-1] >= _END_S * fs_hz:
            found[ends[-1] + 1 :] = True
    return out


def _long_runs(mask: np.ndarray, shortest: float) -> np.ndarray:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    out = np.zeros(mask.shape, bool)
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        out[start:end] = end - start >= shortest
    return out


def _skewed(row: np.ndarray, channel: Any, fs_hz: float) -> np.ndarray:
    """A channel moved by its skew against the group's first sample, to the nearest sample."""
    skew = channel.get("ChannelSampleSkew")
    seconds = channel.get("ChannelTimeSkew")
    shift = round(float(skew)) if skew not in (None, "") else round(float(seconds or 0) * fs_hz)
    if shift == 0:
        return row
    out = np.full(row.shape, np.nan)
    if shift > 0:
        out[shift:] = row[: max(0, row.size - shift)]
    else:
        out[:shift] = row[-shift:]
    return out


def _channel_name(channel: Any, lead_of_code: dict[str, str]) -> str:
    """The lead by its code, or else the best text there is."""
    source = (channel.get("ChannelSourceSequence") or [None])[0]
    if source is not None and str(source.get("CodeValue", "")) in lead_of_code:
        return lead_of_code[str(source.CodeValue)]
    texts = [str(channel.get("ChannelLabel", ""))]
    if source is not None:
        texts += [str(source.get("CodeMeaning", ""))]
    candidates = [text.replace(",", "(").split("(")[0].strip() for text in texts]
    return next((name for name in candidates if is_lead(name)), next(filter(None, texts), ""))
