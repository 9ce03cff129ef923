"""neurokit2's delineation of single leads, wrapped so that it cannot fail: what it raises on has no waves."""

import warnings

import numpy as np
import numpy.typing as npt

from metrics.measurement.delineation.waves import Wave

_COLUMNS = {
    "P": ("ECG_P_Onsets", "ECG_P_Peaks", "ECG_P_Offsets"),
    "QRS": ("ECG_R_Onsets", None, "ECG_R_Offsets"),
    "T": ("ECG_T_Onsets", "ECG_T_Peaks", "ECG_T_Offsets"),
}


def neurokit_waves(lead_mv: npt.NDArray[np.floating], fs_hz: float, method: str = "dwt") -> list[Wave]:
    """Waves of one lead by `neurokit2.ecg_delineate`; none where it raises (flat, short or noisy leads).

    Args:
        lead_mv: (time,) mV.
        fs_hz: its rate.
        method: dwt, cwt or peak.
    """
    import neurokit2 as nk

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            clean = nk.ecg_clean(np.asarray(lead_mv, dtype=np.float64), sampling_rate=fs_hz, method="neurokit")
            peaks = nk.ecg_peaks(clean, sampling_rate=fs_hz, method="neurokit")[1]["ECG_R_Peaks"]
            marks = nk.ecg_delineate(clean, peaks, sampling_rate=fs_hz, method=method)[1]
        except Exception:  # it raises a dozen kinds, from IndexError to ZeroDivisionError
            return []
    waves = []
    for kind, (onset, peak, offset) in _COLUMNS.items():
        tops = peaks if peak is None else marks.get(peak, [])
        columns = [_padded(marks.get(onset, []), len(tops)), tops, _padded(marks.get(offset, []), len(tops))]
        for on, top, off in zip(*columns, strict=True):
            if np.isfinite(top):
                waves.append(Wave(kind, on / fs_hz, top / fs_hz, off / fs_hz))
    return sorted(waves, key=lambda wave: wave.peak)


def _padded(values: object, length: int) -> npt.NDArray[np.float64]:
    """As many values as there are peaks; NaN where one is missing."""
    found = np.asarray(values, dtype=np.float64).ravel()[:length]
    return np.concatenate([found, np.full(length - len(found), np.nan)])
