"""Recordings of hours: rebuilt window by window and written as they come, in the memory of the recorded leads.

    with RecordSetWriter("OUT") as writer:
        hours = rebuild_long(pipeline, holter, writer)        # one row an hour

The windows are those of `vae.deploy.streaming`, a minute apart: a lead that is unusable for a while is rebuilt there
and used again afterwards.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gen.leads import LEADS_12, derivable
from gen.records import EcgRecord, InputError
from vae.deploy.streaming import StreamingReconstructor, StreamPart, StreamSettings
from vae.pipeline import ReconstructionPipeline

if TYPE_CHECKING:
    from gen.io import RecordSetWriter

#: A minute further each time: the overlap costs a sixth more than none would.
SETTINGS = StreamSettings(window_s=70.0, hop_s=60.0, guard_s=2.0, fade_s=1.0)
COLUMNS = ("record", "hour", "start_s", "seconds", "missing_share", "not_rebuilt_share", "band_90_mv")
HOUR_S = 3600.0
_CHUNK_S = 60.0
#: How many chunks a killed run may lose.
_NOTED = 10
#: Shorter losses of all leads are bridged, as in a recording of seconds.
UNSEEN_S = 2.0


def rebuild_long(
    pipeline: ReconstructionPipeline,
    record: EcgRecord,
    writer: "RecordSetWriter",
    *,
    leads: Sequence[str] | None = None,
    progress: Callable[[str], None] | None = None,
    note: Callable[[dict[str, Any]], None] | None = None,
    state: Mapping[str, Any] | None = None,
) -> list[dict[str, str]]:
    """Twelve leads of a recording of any length, as a record of format wfdb.

    Args:
        pipeline: method and weights.
        record: the recording; its signal is all that is held.
        writer: of a set of format wfdb.
        leads: leads to use as input; all by default.
        progress: told of every hour that is done.
        note: given, every ten minutes of the recording, what a later run needs to go on from there.
        state: go on from where ``note`` was given this, in a writer that goes on, too.

    Returns:
        A row of `COLUMNS` for each hour: share of the observed leads' samples that were missing, share of the twelve
        leads' samples that were not rebuilt because no lead was recorded or usable, mean half width of the 90 % band.

    Raises:
        InputError: no lead to use, none usable at any time, a sample beyond what the format holds, another format.
    """
    wanted = tuple(lead for lead in (leads or record.leads) if lead in derivable(record.leads))
    if not wanted:
        raise InputError(f"{record.source_name}: no lead to use; it has {','.join(record.leads)}")
    stream = StreamingReconstructor(wanted, record.fs_hz, pipeline=pipeline, settings=SETTINGS)
    facts = {"observed_leads": list(wanted), "method": pipeline.predictor.name, "model": pipeline.predictor.digest}
    empty = np.zeros((len(LEADS_12), 0), dtype=np.float32)
    made = replace(
        record,
        signal_mv=empty,
        leads=LEADS_12,
        synthetic=True,
        metadata={**record.metadata, **facts, "window_s": SETTINGS.window_s},
    )
    hours = _Hours(record, [LEADS_12.index(lead) for lead in wanted])
    given = record if wanted == record.leads else record.select(wanted)
    unseen = _unseen(given.signal_mv, record.fs_hz)
    step, first = round(_CHUNK_S * record.fs_hz), 0
    if state is not None:
        first = state["received"]
        stream.go_on(given.signal_mv[:, :first])
        hours.restore(state["hours"])
    with writer.growing(made, state=None if state is None else state["file"]) as out:
        for start in range(first, record.num_samples, step):
            part = _without(stream.push(given.signal_mv[:, start : start + step]), unseen)
            out.append(part.signal_mv)
            if hours.add(part) and progress is not None:
                progress(f"{record.record_id}: hour {len(hours.rows)} of {np.ceil(record.duration_s / HOUR_S):.0f}")
            done = start // step + 1
            if note is not None and done % _NOTED == 0:
                note({"received": done * step, "file": out.state(), "hours": hours.state()})
        part = _without(stream.close(), unseen)
        out.append(part.signal_mv)
        hours.add(part)
        hours.close()
        if hours.nothing:
            raise InputError(f"{record.source_name}: no lead is usable at any time; accepted: an ECG in at least one")
    return hours.rows


def _unseen(signal_mv: np.ndarray, fs_hz: float) -> npt.NDArray[np.bool_]:
    """(time,) where no lead was recorded for `UNSEEN_S` or longer: a heart that nobody saw is not made up."""
    gone = np.isnan(signal_mv).all(axis=0)
    edges = np.flatnonzero(np.diff(gone.astype(np.int8), prepend=0, append=0))
    for start, end in edges.reshape(-1, 2):
        if end - start < UNSEEN_S * fs_hz:
            gone[start:end] = False
    return gone


def _without(part: StreamPart, unseen: npt.NDArray[np.bool_]) -> StreamPart:
    size = part.signal_mv.shape[1]
    part.signal_mv[:, unseen[part.start : part.start + size]] = np.nan
    return part


class _Hours:
    """Sums over each hour of what comes."""

    def __init__(self, record: EcgRecord, observed: list[int]) -> None:
        self.record, self._observed = record, observed
        self.rows: list[dict[str, str]] = []
        self.nothing = True
        self._length = round(HOUR_S * record.fs_hz)
        self._reset()

    def _reset(self) -> None:
        self._samples = self._missing = self._lost = 0
        self._width, self._widths = 0.0, 0

    def state(self) -> dict[str, Any]:
        """JSON values that `restore` takes."""
        sums = [self._samples, self._missing, self._lost, self._width, self._widths]
        return {"rows": list(self.rows), "sums": sums, "nothing": self.nothing}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`."""
        self.rows, self.nothing = list(state["rows"]), bool(state["nothing"])
        self._samples, self._missing, self._lost, self._width, self._widths = state["sums"]

    def add(self, part: StreamPart) -> bool:
        """Take a part; whether an hour is full."""
        at, size, full = 0, part.signal_mv.shape[1], False
        while at < size:
            end = min(size, at + self._length - self._samples)
            lost = np.isnan(part.signal_mv[:, at:end])
            self._missing += int((~part.observed[self._observed, at:end]).sum())
            self._lost += int(lost.sum())
            self.nothing &= bool(lost[~part.observed[:, at:end]].all())
            if 90 in part.bands:
                lower, upper = (edge[:, at:end] for edge in part.bands[90])
                rebuilt = ~part.observed[:, at:end] & ~lost
                self._width += float(((upper - lower) / 2)[rebuilt].sum(dtype=np.float64))
                self._widths += int(rebuilt.sum())
            self._samples += end - at
            at = end
            if self._samples == self._length:
                self.close()
                full = True
        return full

    def close(self) -> None:
        """End the hour."""
        if not self._samples:
            return
        number = len(self.rows)
        self.rows.append(
            {
                "record": self.record.record_id,
                "hour": str(number),
                "start_s": f"{number * HOUR_S:.0f}",
                "seconds": f"{self._samples / self.record.fs_hz:.3f}",
                "missing_share": f"{self._missing / (self._samples * len(self._observed)):.5f}",
                "not_rebuilt_share": f"{self._lost / (self._samples * len(LEADS_12)):.5f}",
                "band_90_mv": f"{self._width / self._widths:.4f}" if self._widths else "",
            }
        )
        self._reset()
