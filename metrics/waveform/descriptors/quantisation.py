"""The step of a recording's values."""

import numpy as np
import numpy.typing as npt

NAMES = ("step_log2_uv",)
#: Steps below this are none: files here keep 1 uV, and a float array must read as the file written from it.
FINEST_UV = 1.0
#: Share of the differences that may lie off the lattice.
_OFF_LATTICE = 0.002


def quantisation(signal_mv: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """log2 of the quantisation step in uV, (n, 1): the smallest change between neighbouring samples of any lead.

    Args:
        signal_mv: (n, lead, time) mV as stored, neither filtered nor resampled; NaN are left out.

    Returns:
        At least 0, which is 1 uV; NaN for a record in which nothing changes.
    """
    change = np.abs(np.diff(signal_mv.astype(np.float64), axis=-1)).reshape(len(signal_mv), -1) * 1e3
    out = np.full((len(signal_mv), 1), np.nan)
    for row, values in enumerate(change):
        moved = values[values > 0.05]
        if len(moved) >= 100:
            out[row, 0] = np.log2(max(FINEST_UV, float(np.quantile(moved, _OFF_LATTICE))))
    return np.round(out, 3)
