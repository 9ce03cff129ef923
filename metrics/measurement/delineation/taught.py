"""Recordings without marks as training data: a network marks them, their statements say where it must be wrong.

LUDB's few recordings show few hearts. A network that has seen all leads of a recording marks most of its P waves
rightly; the same marks teach it to find them in one lead alone, and at other rates, axes and noise than LUDB's
(self-training, Xie et al., CVPR 2020). What the rhythm statement of the recording contradicts is corrected or left
open: there is no P wave in atrial fibrillation or flutter, and one before nearly every complex of a sinus rhythm.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from gen.leads import LEADS_12
from gen.records import EcgRecord
from gen.signals import resample
from gen.text.phrases import rhythms
from metrics.measurement.delineation.data import SAMPLES, LabelledEcgs
from metrics.measurement.delineation.delineator import Triple, delineate
from metrics.measurement.delineation.fast import conducted
from metrics.measurement.delineation.network import Delineator
from metrics.measurement.delineation.preprocess import FS_HZ

#: Rhythms without P waves, and rhythms with one before every complex (SCP-ECG codes).
WITHOUT_P = frozenset({"AFIB", "AFLT"})
WITH_P = rhythms("sinus")
#: Statements that leave open where P waves are, whatever else is said.
OPEN = frozenset({"2AVB", "3AVB", "PACE", "SVARR", "SVTAC", "PSVT", "BIGU", "TRIGU"})
#: Least share of complexes after a P wave for the P waves of a sinus rhythm to count as all found.
ALL_FOUND = 0.8
#: Around a complex that no P wave was found before, P is left open so far back, seconds.
BEFORE_S = 0.35
#: Nothing is known so near to the ends of a recording, seconds.
EDGE_S = 0.4


def taught(records: Sequence[EcgRecord], teacher: Delineator, batch: int = 32) -> LabelledEcgs:
    """Recordings of twelve leads with the marks of a network.

    Args:
        records: twelve leads each, of one rate and length.
        teacher: the network, ready for inference.
        batch: recordings in memory at once, beside the result.

    Returns:
        Those with at least three complexes; P labels are unknown where the rhythm leaves them open.
    """
    signals, lead_labels, labels = [], [], []
    for start in range(0, len(records), batch):
        part = records[start : start + batch]
        block = np.stack([record.to_12().signal_mv for record in part])
        found = delineate(block, part[0].fs_hz, LEADS_12, per_lead=True, model=teacher)
        for record, signal, waves in zip(part, block, found, strict=True):
            if len(waves.consensus[1]) < 3:
                continue
            slow = resample(np.nan_to_num(signal), record.fs_hz, FS_HZ)[:, :SAMPLES]
            row = np.zeros((12, SAMPLES), np.int16)
            row[:, : slow.shape[1]] = np.clip(np.rint(slow * 1000), -32768, 32767)
            signals.append(row)
            each = [waves.per_lead[lead] for lead in LEADS_12]
            lead_label, label = marks(waves.consensus, each, record.statements, slow.shape[1])
            lead_labels.append(lead_label)
            labels.append(label)
    return LabelledEcgs(np.stack(signals), np.stack(lead_labels), np.stack(labels))


def marks(
    consensus: Triple, leads: Sequence[Triple], statements: Mapping[str, float], time: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Labels (lead, `SAMPLES`) and (`SAMPLES`,) of one recording of ``time`` samples; see `LabelledEcgs`."""
    label, lead_label = np.zeros(SAMPLES, np.uint8), np.zeros((len(leads), SAMPLES), np.uint8)
    edge = round(EDGE_S * FS_HZ)
    label[edge : time - edge] = 0x70
    lead_label[:, edge : time - edge] = 0x70
    codes = set(statements)
    for channel, together in enumerate(consensus):
        if channel == 0 and codes & WITHOUT_P:
            continue
        bit, known = np.uint8(1 << channel), np.uint8(0x10 << channel)
        for onset, offset in zip(together.onset.tolist(), together.offset.tolist(), strict=True):
            label[_span(onset, offset)] |= bit
            # A lead in which the wave was not found may show it or not.
            lead_label[:, _span(onset, offset)] &= ~known
        for row, own in zip(lead_label, leads, strict=True):
            for onset, offset in zip(own[channel].onset.tolist(), own[channel].offset.tolist(), strict=True):
                row[_span(onset - 0.04, offset + 0.04)] |= known & (label[_span(onset - 0.04, offset + 0.04)] & 0x70)
                row[_span(onset, offset)] |= bit
    if not codes & WITHOUT_P:
        open_p = _open_p(consensus, codes)
        label[open_p] &= 0xEF
        lead_label[:, open_p] &= 0xEF
    return lead_label, label


def _open_p(consensus: Triple, codes: set[str]) -> npt.NDArray[np.bool_]:
    """(`SAMPLES`,) where P waves are left open: everywhere, or before complexes that lack one."""
    qrs = consensus[1]
    lacking = ~conducted(consensus[0], qrs)
    if not codes & WITH_P or codes & OPEN or lacking.mean() > 1 - ALL_FOUND:
        return np.ones(SAMPLES, dtype=bool)
    where = np.zeros(SAMPLES, dtype=bool)
    for onset in qrs.onset[lacking].tolist():
        where[_span(onset - BEFORE_S, onset)] = True
    return where


def _span(onset_s: float, offset_s: float) -> slice:
    return slice(max(0, int(np.ceil(onset_s * FS_HZ))), max(0, int(np.floor(offset_s * FS_HZ)) + 1))
