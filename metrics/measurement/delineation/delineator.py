"""Delineates many ECGs at once with the shipped network."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from gen.checkpoint import checkpoint_digest, load_model
from gen.precision import reduced_precision
from metrics.measurement.delineation.fast import fast_p
from metrics.measurement.delineation.network import Delineator, fold_norms
from metrics.measurement.delineation.preprocess import FS_HZ, pooled_leads, prepare
from metrics.measurement.delineation.regular import promised
from metrics.measurement.delineation.segments import Segments, segment, supported, without_flicker, without_lone_p
from metrics.measurement.delineation.waves import WAVES, Wave

#: Weights that come with the package.
SHIPPED = Path(__file__).parents[2] / "weights" / "delineator"
#: ECGs that pass the network together; eight fit a core's cache.
BLOCK = 8
#: Longer records pass in windows of so many samples (60 s) with a margin (5 s) on both sides.
WINDOW, MARGIN = 15_000, 1_250
#: A lead that moves less than this over the record is flat.
FLAT_MV = 0.01
#: An R wave has at least this share of the complex' range.
_LEAST_R = 0.1
#: How far the middle of a lead's wave may lie outside the consensus' wave, seconds.
MARGIN_S = {"P": 0.06, "QRS": 0.06, "T": 0.10}

Triple = tuple[Segments, Segments, Segments]


@dataclass(frozen=True, eq=False)
class Delineation:
    """Waves of one ECG.

    Attributes:
        consensus: P, QRS and T of all leads together.
        per_lead: lead -> P, QRS and T; empty if only the consensus was asked for.
        signal_mv: (lead, time) at 250 Hz without drift, what was delineated.
        leads: names of its rows.
    """

    consensus: Triple
    per_lead: dict[str, Triple]
    signal_mv: npt.NDArray[np.float32]
    leads: tuple[str, ...]

    def waves(self, lead: str = "global") -> list[Wave]:
        """Waves with peaks, in order of time; lead ``global`` is the consensus."""
        triple = self.consensus if lead == "global" else self.per_lead[lead]
        if lead == "global":
            rows = self.signal_mv[pooled_leads(self.leads) > 0]
        else:
            rows = self.signal_mv[[self.leads.index(lead)]]
        found = []
        for kind, segments in zip(WAVES, triple, strict=True):
            for onset, offset in zip(segments.onset.tolist(), segments.offset.tolist(), strict=True):
                found.append(Wave(kind, onset, _peak(rows, onset, offset, kind), offset))
        return sorted(found, key=lambda wave: wave.onset)


def _peak(rows: npt.NDArray[np.float32], onset: float, offset: float, kind: str) -> float:
    """Peak of a wave in seconds.

    Where all rows together are farthest from the line between the wave's ends; in QRS of a single lead, the top of R as
    cardiologists mark it, and the deepest point where there is no R.
    """
    first, last = int(np.ceil(onset * FS_HZ)), min(int(offset * FS_HZ), rows.shape[1] - 1)
    if last <= first:
        return 0.5 * (onset + offset)
    part = rows[:, first : last + 1]
    if kind == "QRS":
        height = part - part[:, :1]
        single = len(rows) == 1 and height.max() > _LEAST_R * np.ptp(height)
        at = int(np.argmax(height[0] if single else (height**2).sum(axis=0)))
    else:
        line = part[:, :1] + (part[:, -1:] - part[:, :1]) * np.linspace(0, 1, part.shape[1], dtype=np.float32)
        at = int(np.argmax(((part - line) ** 2).sum(axis=0)))
    return (first + at) / FS_HZ


@cache
def shipped() -> Delineator:
    """The network that comes with the package, ready for inference."""
    return ready(SHIPPED)


@cache
def shipped_digest() -> str:
    """Digest of its weights."""
    return checkpoint_digest(SHIPPED)


def ready(folder: str | Path) -> Delineator:
    """A network from a checkpoint, folded for inference."""
    model = fold_norms(load_model(Delineator, folder))
    return model.to(memory_format=torch.channels_last)


def delineate(
    signal_mv: npt.NDArray[np.floating],
    fs_hz: float,
    leads: Sequence[str],
    *,
    per_lead: bool = False,
    model: Delineator | None = None,
) -> list[Delineation]:
    """Waves of many ECGs.

    Args:
        signal_mv: (n, lead, time) in mV; NaN are bridged.
        fs_hz: sampling rate in Hz.
        leads: names of the leads.
        per_lead: delineate every lead too, not the consensus alone.
        model: a network of your own instead of the shipped one.

    Returns:
        One `Delineation` per ECG, which depends on that ECG alone.
    """
    leads = tuple(leads)
    pool = pooled_leads(leads)
    if not per_lead and not pool.all():
        kept = [lead for lead, used in zip(leads, pool, strict=True) if used]
        return delineate(signal_mv[:, pool > 0], fs_hz, kept, model=model)
    network = model if model is not None else shipped()
    out: list[Delineation] = []
    size = max(1, min(BLOCK, int(BLOCK * 30.0 * fs_hz / max(signal_mv.shape[-1], 1))))
    for start in range(0, len(signal_mv), size):
        block = prepare(signal_mv[start : start + size], fs_hz)
        lead_probability, probability = _probabilities(network, block, _live(block, pool), per_lead)
        pooled = block[:, pool > 0]
        triples = [
            _consensus(triple, rows, sure)
            for triple, rows, sure in zip(segment(probability), pooled, probability[:, 0], strict=True)
        ]
        each = segment(lead_probability.reshape(-1, *probability.shape[1:])) if per_lead else []
        for k, consensus in enumerate(triples):
            own = each[k * len(leads) : (k + 1) * len(leads)]
            found_again = fast_p(consensus, partial(_slowed, network, block[k], pool, per_lead), FS_HZ)
            if found_again is not None:
                consensus = (found_again[0], *consensus[1:])
                if found_again[1] is not None:
                    own = [(p, qrs, t) for p, (_, qrs, t) in zip(found_again[1], own, strict=True)]
            found = {lead: _supported(row, consensus) for lead, row in zip(leads, own, strict=bool(own))} if own else {}
            out.append(Delineation(consensus, found, block[k], leads))
    return out


def _consensus(triple: Triple, rows: npt.NDArray[np.float32], sure: npt.NDArray[np.float32]) -> Triple:
    """Waves of all leads together by the rules of whole rhythms; ``sure`` is the probability of P."""
    p, qrs, t = without_flicker(*without_lone_p(*triple, rows))
    return (promised(p, qrs, sure) if len(p) else p), qrs, t


def _slowed(
    network: Delineator, signal: npt.NDArray[np.float32], pool: npt.NDArray[np.float32], per_lead: bool, fs_hz: float
) -> tuple[Triple, list[Triple]]:
    """Waves of (lead, time) taken for a rate, in the seconds of that rate: of all leads together, and of each."""
    block = prepare(signal[None], fs_hz)
    of_leads, together = _probabilities(network, block, _live(block, pool), per_lead)
    return segment(together)[0], segment(of_leads[0]) if per_lead else []


def _live(block: npt.NDArray[np.float32], pool: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Pool of every ECG, (n, lead): a flat lead says nothing, unless all are."""
    live = pool * (np.ptp(block, axis=-1) > FLAT_MV)
    return np.where(live.any(axis=1, keepdims=True), live, pool).astype(np.float32)


def _supported(row: Triple, consensus: Triple) -> Triple:
    p, qrs, t = (
        supported(own, together, MARGIN_S[kind]) for own, together, kind in zip(row, consensus, WAVES, strict=True)
    )
    return p, qrs, t


def _probabilities(
    network: Delineator, block: npt.NDArray[np.float32], pool: npt.NDArray[np.float32], per_lead: bool
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Of blocks (n, lead, time), pools (n, lead): (n, lead, 3, time), no leads unless ``per_lead``; (n, 3, time)."""
    time = block.shape[-1]
    if time <= WINDOW + 2 * MARGIN:
        return _forward(network, block, pool, per_lead)
    lead_parts, parts = [], []
    for start in range(0, time, WINDOW):  # hours of signal pass in windows that see a little more than they answer for
        first, last = max(0, start - MARGIN), min(time, start + WINDOW + MARGIN)
        own = slice(start - first, min(start + WINDOW, time) - first)
        lead_part, part = _forward(network, block[..., first:last], pool, per_lead)
        lead_parts.append(lead_part[..., own])
        parts.append(part[..., own])
    return np.concatenate(lead_parts, axis=-1), np.concatenate(parts, axis=-1)


def _forward(
    network: Delineator, block: npt.NDArray[np.float32], pool: npt.NDArray[np.float32], per_lead: bool
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    time = block.shape[-1]
    padded = np.pad(block, ((0, 0), (0, 0), (0, -time % network.stride)), mode="edge")
    with torch.inference_mode(), reduced_precision():
        logits = network(torch.from_numpy(padded), torch.from_numpy(pool), per_lead)
        leads, together = (torch.sigmoid(part[..., :time].float()).numpy() for part in logits)
        return leads, together
