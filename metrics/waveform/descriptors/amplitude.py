"""Sizes of the waves of a record's median beat, and the voltages that criteria use."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from metrics.measurement.delineation.preprocess import FS_HZ
from metrics.waveform.descriptors.beats import BEFORE_S, BeatSet, part

_KINDS = ("r_mv", "s_mv", "p_mv", "t_mv", "st_mv")
_VOLTAGES = ("sokolow_mv", "cornell_mv", "qrs_vector_mv", "t_over_qrs")


def names(leads: Sequence[str]) -> tuple[str, ...]:
    """Names of the columns."""
    return tuple(f"{kind}_{lead}" for kind in _KINDS for lead in leads) + _VOLTAGES


def amplitude(found: Sequence[BeatSet], leads: Sequence[str]) -> npt.NDArray[np.float64]:
    """(n, d) as `names`, mV; from the median beat, so neither noise nor single beats change them.

    R and S are the largest deflections up and down within QRS, P and T the largest signed ones in their windows
    (P against the line between the window's ends), ST the level 60 ms after QRS. NaN with fewer than four beats,
    voltages without their leads.
    """
    return np.array([_of(each, tuple(leads)) for each in found]).reshape(len(found), len(names(leads)))


def _of(found: BeatSet, leads: tuple[str, ...]) -> npt.NDArray[np.float64]:
    if not found.enough:
        return np.full(len(names(leads)), np.nan)
    beat = found.median
    qrs = beat[:, part("qrs")]
    r, s = np.maximum(qrs.max(axis=1), 0), np.maximum(-qrs.min(axis=1), 0)
    before = beat[:, part("p")]
    before = before - before[:, :1] - (before[:, -1:] - before[:, :1]) * np.linspace(0, 1, before.shape[1])
    st = beat[:, round((BEFORE_S + found.width_s / 2 + 0.06) * FS_HZ)]
    sizes = {"r": r, "s": s, "p": _signed(before), "t": _signed(beat[:, part("t")]), "st": st}
    row = {lead: k for k, lead in enumerate(leads)}
    voltages = [np.nan, np.nan]
    if {"V1", "V5", "V6"} <= set(row):
        voltages[0] = s[row["V1"]] + max(r[row["V5"]], r[row["V6"]])
    if {"I", "II", "V3"} <= set(row):
        voltages[1] = float(np.max(qrs[row["I"]] - qrs[row["II"]] / 2)) + s[row["V3"]]
    vector = float(np.sqrt((qrs**2).sum(axis=0)).max())
    t_vector = float(np.sqrt((beat[:, part("t")] ** 2).sum(axis=0)).max())
    return np.concatenate([*sizes.values(), voltages, [vector, t_vector / max(vector, 1e-6)]])


def _signed(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Largest deflection with its sign, (lead,)."""
    return np.take_along_axis(values, np.abs(values).argmax(axis=1)[:, None], axis=1)[:, 0]
