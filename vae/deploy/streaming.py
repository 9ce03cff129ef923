"""Twelve leads from a running recording: chunks of any length in, rebuilt samples out after a fixed delay.

    stream = StreamingReconstructor(["II", "V1", "V5"], fs_hz=250)
    for chunk in device:                       # (3, any number of samples) mV; NaN where nothing was recorded
        part = stream.push(chunk)              # as many samples as came in, from the moment the delay has passed
        part.start, part.signal_mv             # first sample's number; (12, samples) mV
    rest = stream.close()

Every ``hop_s`` seconds the pipeline reads the last ``window_s`` seconds. The newest ``guard_s`` of a window are not
used, since the network knows them from one side only, and neighbouring windows are cross-faded over ``fade_s``.
Windows are counted from the start of the recording, not of a chunk, and computed one by one, so the result does not
depend on how the recording was cut.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gen.leads import LEADS_8, LEADS_12, LeadError, canonical_leads
from gen.quality import bad_leads
from gen.records import EcgRecord, InputError
from vae.observation import Observation, assemble, independent
from vae.pipeline import Reconstruction, ReconstructionPipeline, load
from vae.reference import check_references

_EIGHT = [LEADS_12.index(lead) for lead in LEADS_8]
#: The pipeline refuses anything shorter.
_SHORTEST_S = 1.0


@dataclass(frozen=True, kw_only=True)
class StreamSettings:
    """How a stream is cut into windows; all in seconds.

    Raises:
        InputError: lengths that do not fit each other.
    """

    window_s: float = 10.0
    """What the network sees at a time; shorter at the start of a recording."""
    hop_s: float = 1.0
    """How often it is asked; computing time goes with its inverse."""
    guard_s: float = 0.25
    """Newest part of a window, not used."""
    fade_s: float = 0.25
    """Overlap over which one window's estimate passes into the next one's."""

    @property
    def latency_s(self) -> float:
        """Delay between a sample's arrival and its return."""
        return self.hop_s + self.guard_s + self.fade_s

    def __post_init__(self) -> None:
        values = (self.window_s, self.hop_s, self.guard_s, self.fade_s)
        if not all(np.isfinite(values)) or self.hop_s <= 0 or min(values) < 0 or self.fade_s > self.hop_s:
            raise InputError(
                f"window {values[0]:g}, hop {values[1]:g}, guard {values[2]:g}, fade {values[3]:g} s; "
                "accepted: a hop above 0, the others 0 or more, a fade no longer than the hop"
            )
        if not _SHORTEST_S <= self.latency_s <= self.window_s:
            raise InputError(
                f"hop, guard and fade are {self.latency_s:g} s together; "
                f"accepted: {_SHORTEST_S:g} s to the window's {self.window_s:g} s"
            )


@dataclass(frozen=True, eq=False)
class StreamPart:
    """Rebuilt samples, as many as are due.

    Attributes:
        start: number of the first sample, counted from the start of the recording.
        signal_mv: (12, samples) float32 mV; observed samples bit for bit. NaN where a whole window had no usable lead.
        observed: (12, samples) bool.
        bands: level in percent -> (lower, upper), each (12, samples) mV; no width where observed.
    """

    start: int
    signal_mv: np.ndarray
    observed: np.ndarray
    bands: dict[int, tuple[np.ndarray, np.ndarray]]


class StreamingReconstructor:
    """Rebuilds twelve leads while a recording runs.

    A lead that is flat or saturated over a window is returned as recorded but tells nothing about the others there;
    samples handed in as NaN (electrode off, packet lost) are rebuilt like a missing lead.

    Args:
        leads: what the device records, in the order of its channels.
        fs_hz: rate of the device, any.
        pipeline: method and weights; the shipped default.
        settings: windows and delay.
        reference: complete recordings of the person who is recorded, see `vae.reference`; their beats are not compared
            with the stream's.

    Raises:
        InputError: unknown or repeated lead, a rate that is not above 0, or a method that reads the truth.
    """

    def __init__(
        self,
        leads: Sequence[str],
        fs_hz: float,
        *,
        pipeline: ReconstructionPipeline | None = None,
        settings: StreamSettings | None = None,
        reference: EcgRecord | Sequence[EcgRecord] | None = None,
    ) -> None:
        try:
            self.leads = canonical_leads(leads)
        except LeadError as error:
            raise InputError(str(error)) from error
        if not self.leads or not 0 < fs_hz < np.inf:
            raise InputError(f"{len(self.leads)} leads at {fs_hz} Hz; accepted: at least one lead, a rate above 0 Hz")
        self.fs_hz, self.settings = float(fs_hz), settings or StreamSettings()
        self.pipeline = load() if pipeline is None else pipeline
        given = [reference] if isinstance(reference, EcgRecord) else list(reference or ())
        if given:
            check_references(given)
        self._person = self.pipeline.person(given) if given else None
        self._window, self._hop, self._guard, self._fade = (
            round(seconds * fs_hz)
            for seconds in (self.settings.window_s, self.settings.hop_s, self.settings.guard_s, self.settings.fade_s)
        )
        #: Delay in samples: what `push` returns ends this long before what it was given.
        self.latency = self._hop + self._guard + self._fade
        if self._hop < 1 or self.latency < _SHORTEST_S * fs_hz:
            raise InputError(f"rate {fs_hz:g} Hz: too low for a hop of {self.settings.hop_s:g} s")
        if self.pipeline.predictor.name == "per-patient":
            raise InputError("method 'per-patient' reads the leads that a stream does not have; accepted: any other")
        self._levels = tuple(self.pipeline.calibration or ())
        # Rounding of the lengths may leave the window a sample short of the delay.
        self._window = max(self._window, self.latency)
        self._kept = np.empty((len(self.leads), self._window + 3 * self._hop), dtype=np.float32)
        self._kept_from = self._received = self._finished = self._returned = 0
        self._next_end = self.latency
        self._tail: np.ndarray | None = None
        self._ready: deque[np.ndarray] = deque()
        self._closed = False

    def push(self, chunk_mv: np.ndarray) -> StreamPart:
        """Take (lead, samples) mV and return what is due: up to sample ``received - latency``.

        Raises:
            InputError: another number of leads, infinite samples, or the stream is closed.
        """
        chunk = np.asarray(chunk_mv, dtype=np.float32)
        if self._closed:
            raise InputError("the stream is closed; accepted: a new StreamingReconstructor for a new recording")
        if chunk.ndim != 2 or len(chunk) != len(self.leads):
            raise InputError(f"chunk of shape {chunk.shape}; accepted: ({len(self.leads)}, samples) of {self.leads}")
        if np.isinf(chunk).any():
            raise InputError("chunk with infinite samples; accepted: mV, or NaN where nothing was recorded")
        for start in range(0, chunk.shape[1], self._hop):
            self._append(chunk[:, start : start + self._hop])
            while self._received >= self._next_end:
                self._advance(self._next_end, self._next_end - self._guard - self._fade)
                self._next_end += self._hop
        return self._due(max(0, self._received - self.latency))

    def go_on(self, recorded_mv: np.ndarray) -> None:
        """Stand where a stream stands that was given these samples and has returned what was due; before any `push`.

        The last two windows are computed again, so that what follows is the same bit for bit.

        Args:
            recorded_mv: (lead, samples) mV from the start of the recording.

        Raises:
            InputError: another number of leads, or the stream has begun.
        """
        if self._received or self._closed or recorded_mv.ndim != 2 or len(recorded_mv) != len(self.leads):
            raise InputError(
                f"samples of shape {recorded_mv.shape}; accepted: ({len(self.leads)}, samples), at the start"
            )
        received = recorded_mv.shape[1]
        passed = (received - self.latency) // self._hop if received >= self.latency else -1  # number of the last window
        since = max(0, self.latency + (passed - 1) * self._hop - self._window) if passed > 0 else 0
        self._kept_from = self._received = since
        for start in range(since, received, self._hop):
            self._append(np.asarray(recorded_mv[:, start : min(start + self._hop, received)], dtype=np.float32))
        for number in range(max(0, passed - 1), passed + 1):
            end = self.latency + number * self._hop
            if number and number == passed - 1:  # its samples were returned; what passes into the next is wanted
                self._finished = end - self._guard - self._fade
            self._advance(end, end - self._guard - self._fade)
            self._next_end = end + self._hop
        self._returned = self._finished - sum(block.shape[1] for block in self._ready)
        self._due(max(0, received - self.latency))

    def close(self) -> StreamPart:
        """End the recording and return all that is left.

        Raises:
            InputError: less than a second was recorded in all, or the stream is closed already.
        """
        if self._closed:
            raise InputError("the stream is closed already")
        if 0 < self._received < _SHORTEST_S * self.fs_hz:
            raise InputError(f"{self._received / self.fs_hz:.2f} s recorded; at least {_SHORTEST_S:g} s is needed")
        self._closed = True
        if self._received:
            self._advance(self._received, self._received)
        return self._due(self._received)

    def _append(self, chunk: np.ndarray) -> None:
        used = self._received - self._kept_from
        if used + chunk.shape[1] > self._kept.shape[1]:
            keep = min(used, self._window + self._hop)
            self._kept[:, :keep] = self._kept[:, used - keep : used].copy()
            self._kept_from, used = self._received - keep, keep
        self._kept[:, used : used + chunk.shape[1]] = chunk
        self._received += chunk.shape[1]

    def _recorded(self, start: int, end: int) -> np.ndarray:
        return self._kept[:, start - self._kept_from : end - self._kept_from].copy()

    def _advance(self, end: int, finished: int) -> None:
        """Read the window that ends at a sample, and finish everything before another."""
        start = max(0, end - self._window)
        estimate = self._estimate(start, end)
        rows = len(LEADS_8) + len(LEADS_12) * len(self._levels)
        block = np.full((rows, finished - self._finished), np.nan, dtype=np.float32)
        if estimate is not None:
            block[:] = estimate[:, self._finished - start : finished - start]
        if self._tail is not None:
            width = min(self._tail.shape[1], block.shape[1])
            old = self._tail[:, :width]
            # Weights that do not depend on the width: the last block of a recording may be shorter than the fade.
            share = (np.arange(1, width + 1) / (self._tail.shape[1] + 1)).astype(np.float32)
            block[:, :width] = old if estimate is None else old + (block[:, :width] - old) * share
        after = slice(finished - start, finished - start + self._fade)
        self._tail = None if estimate is None else estimate[:, after]
        self._ready.append(self._completed(block, self._recorded(self._finished, finished)))
        self._finished = finished

    def _estimate(self, start: int, end: int) -> np.ndarray | None:
        """Eight leads and half-widths of the bands (row, time) of one window; None where no lead is usable."""
        record = EcgRecord(self._recorded(start, end), self.fs_hz, self.leads, record_id="stream")
        if len(bad_leads(record, max_nan_share=0.95)) == len(self.leads):
            return None
        result: Reconstruction = self.pipeline(record, allow_bad_leads=True, person=self._person)
        halves = [(upper - lower) / 2 for lower, upper in (result.bands[level] for level in self._levels)]
        return np.concatenate([result.record.signal_mv[_EIGHT], *halves])

    def _completed(self, block: np.ndarray, recorded: np.ndarray) -> np.ndarray:
        """Recorded samples put back, and the limb-lead law: (12 leads, 12 given or NaN, half-widths; time)."""
        given = np.full((len(LEADS_12), recorded.shape[1]), np.nan, dtype=np.float32)
        given[[LEADS_12.index(lead) for lead in self.leads]] = recorded
        signal, augmented = independent(given)
        observed = ~np.isnan(signal)
        seen = Observation(np.where(observed, signal, 0), observed, augmented, given, self.leads, {})
        return np.concatenate([assemble(block[: len(LEADS_8)], seen), given, block[len(LEADS_8) :]])

    def _due(self, until: int) -> StreamPart:
        """What was not returned yet, up to a sample."""
        size, levels = len(LEADS_12), len(self._levels)
        parts = [np.empty((size * (2 + levels), 0), dtype=np.float32)]
        start, missing = self._returned, until - self._returned
        while missing:
            block = self._ready.popleft()
            parts.append(block[:, :missing])
            if block.shape[1] > missing:
                self._ready.appendleft(block[:, missing:])
            missing -= parts[-1].shape[1]
        self._returned = until
        whole = np.concatenate(parts, axis=1)
        signal, observed = whole[:size].copy(), ~np.isnan(whole[size : 2 * size])
        bands = {}
        for number, level in enumerate(self._levels, start=2):
            half = np.where(observed, 0, whole[number * size : (number + 1) * size])
            bands[level] = (signal - half, signal + half)
        return StreamPart(start, signal, observed, bands)
