"""What the delineation network sees: 250 Hz, no gaps, no baseline drift."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gen.leads import LEADS_8
from gen.signals import fill_gaps, highpass, resample

#: Rate of the network in Hz.
FS_HZ = 250.0
#: Corner of the high-pass that removes drift; T waves keep their shape.
DRIFT_HZ = 0.4

Array = npt.NDArray[np.float32]


def prepare(signal_mv: npt.NDArray[np.floating], fs_hz: float) -> Array:
    """ECGs at the network's rate.

    Args:
        signal_mv: (..., time) in mV; NaN marks missing samples.
        fs_hz: its rate.

    Returns:
        (..., time * 250 / fs) float32; sample 0 is the same instant. Missing samples are interpolated.
    """
    signal = np.asarray(signal_mv, dtype=np.float32)
    if not np.isfinite(signal).all():
        signal = fill_gaps(np.where(np.isfinite(signal), signal, np.nan).astype(np.float32))
    return remove_drift(resample(signal, fs_hz, FS_HZ))


def remove_drift(signal_mv: Array) -> Array:
    """(..., time) at 250 Hz without its slow part."""
    return np.ascontiguousarray(highpass(signal_mv, FS_HZ, DRIFT_HZ), dtype=np.float32)


def pooled_leads(leads: Sequence[str]) -> npt.NDArray[np.float32]:
    """Which leads form the consensus, (lead,) 0 or 1.

    The eight independent leads where they are there, so that a record says the same with and without its derived leads;
    all leads otherwise.
    """
    if set(LEADS_8) <= set(leads):
        return np.array([lead in LEADS_8 for lead in leads], dtype=np.float32)
    return np.ones(len(leads), dtype=np.float32)
