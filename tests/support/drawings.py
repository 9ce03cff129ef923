"""Records whose drawing is known, and what stands in a figure."""

import numpy as np
from matplotlib.lines import Line2D

from gen.leads import LEADS_12
from gen.records import EcgRecord

FS_HZ = 500.0
MM_PER_INCH = 25.4


def ramp_record(seconds: float = 10.0, leads: tuple[str, ...] = LEADS_12, fs_hz: float = FS_HZ, **facts) -> EcgRecord:
    """Every lead rises by 0.01 mV a second: a sample's value tells its time, so nothing can be mixed up."""
    time = np.arange(round(seconds * fs_hz)) / fs_hz
    return EcgRecord(np.tile(0.01 * time, (len(leads), 1)), fs_hz, leads, **facts)


def lines(figure, prefix: str) -> dict[str, Line2D]:
    found = [line for axes in figure.axes for line in axes.lines if (line.get_gid() or "").startswith(prefix)]
    return {line.get_gid().removeprefix(prefix): line for line in found}


def texts(figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]
