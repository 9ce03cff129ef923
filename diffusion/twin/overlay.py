"""A twin beside its reference: median beats over each other, and the reference's beat at every beat of the twin.

Their rates differ, so that the recordings themselves slide past each other.
"""

import numpy as np

from gen.leads import LEADS_8, LEADS_12, to_leads
from gen.plot.beats import Beat, at_every_beat
from gen.records import EcgRecord
from metrics.waveform.descriptors.beats import BEFORE_S, FS_HZ, BeatSet, find_beats, slow_signal


def beats_of(record: EcgRecord) -> BeatSet:
    """Beats of one record, at 250 Hz and below 40 Hz."""
    (found,) = find_beats(slow_signal(record.to_8().signal_mv[None], record.fs_hz), LEADS_8)
    return found


def as_beat(label: str, found: BeatSet) -> Beat | None:
    """The median beat in twelve leads; None where there are too few."""
    if not found.enough or not np.isfinite(found.median).any():
        return None
    return Beat(label, to_leads(found.median.astype(np.float32), LEADS_8, LEADS_12), FS_HZ, BEFORE_S)


def aligned(twin: EcgRecord, reference: BeatSet, of_twin: BeatSet) -> EcgRecord | None:
    """The reference's median beat at every beat of a twin, nothing between; None where it has none."""
    beat = as_beat("", reference)
    if beat is None:
        return None
    return at_every_beat(twin, beat, of_twin.times_s.tolist())
