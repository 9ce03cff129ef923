"""A real cine study beside the heart generated from an ECG: its loop, and its volumes where it has labels."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from flow.volumes.intervals import Interval
from gen.cine import LV_CAVITY, MYOCARDIAL_DENSITY, MYOCARDIUM, CineRecord
from gen.datasets.cine import CineSource, RawCine, open_cine, standardise
from gen.records import InputError

#: Share of the heartbeat round the R peak that counts as end-diastole for labels, and within which a loop needs a
#: frame.
_LABELLED, _SEEN = 0.2, 0.15
_QUANTITIES = ("edv_ml", "esv_ml", "sv_ml", "ef_percent", "mass_g")


@dataclass(frozen=True, eq=False)
class RealStudy:
    """A study and what its labels say.

    Attributes:
        cine: the middle slice in the form of generated loops.
        slices: how many the study has.
        volumes: of the whole ventricle by summation of discs, by the names of generated volumes; empty without labels.
    """

    cine: CineRecord
    slices: int
    volumes: Mapping[str, float]


def read_study(path: str | Path) -> RealStudy:
    """The one study of a folder or an archive; ``FOLDER:NAME`` picks one of several.

    Raises:
        InputError: no study, several without a name, one that cannot be read, or one without end-diastole (or with
            labels that lack end-diastole or end-systole).
    """
    source, number = _chosen(str(path))
    raw = source.raw(number)
    _check_diastole(raw, str(path))
    volumes = _volumes(raw, str(path))
    record = standardise(raw)
    return RealStudy(record.select_slices([_middle(raw)]), record.num_slices, volumes)


def compared(study: RealStudy, shown: Mapping[str, float], volumes: Mapping[str, Interval]) -> list[dict[str, Any]]:
    """A row for each quantity that both have: real, that of the shown heart, its interval, their difference, whether
    the real one is inside.
    """
    rows = []
    for name in _QUANTITIES:
        if name not in study.volumes or name not in volumes:
            continue
        real, value, made = study.volumes[name], shown[name], volumes[name]
        known = made.low is not None and made.high is not None
        rows.append(
            {
                "quantity": name,
                "real": round(real, 1),
                "generated": round(value, 1),
                "low": None if made.low is None else round(made.low, 1),
                "high": None if made.high is None else round(made.high, 1),
                "generated_minus_real": round(value - real, 1),
                "real_inside": bool(made.low <= real <= made.high) if known else None,  # type: ignore[operator]
            }
        )
    return rows


def _chosen(text: str) -> tuple[CineSource, int]:
    folder, colon, name = text.rpartition(":")
    named = bool(colon) and not Path(text).exists() and Path(folder).exists()
    source = open_cine(folder if named else text)
    ids = source.record_ids
    listed = ", ".join(ids[:6]) + (", ..." if len(ids) > 6 else "")
    if named:
        if name not in ids:
            raise InputError(f"{text}: no study {name}; accepted: {listed}")
        return source, ids.index(name)
    if len(ids) > 1:
        raise InputError(f"{text}: {len(ids)} studies; accepted: one, such as {text}:{ids[0]} (there are {listed})")
    return source, 0


def _middle(raw: RawCine) -> int:
    """The middle of the slices that show the cavity, or of all."""
    shown = [k for k, mask in enumerate(raw.masks or ()) if (mask == LV_CAVITY).any()] or list(range(len(raw.slices)))
    return shown[len(shown) // 2]


def _check_diastole(raw: RawCine, where: str) -> None:
    phase = np.asarray(raw.phases[_middle(raw)])
    if _from_r_peak(phase).min() > _SEEN:
        raise InputError(
            f"{where}: no end-diastole: frames from {phase.min():.0%} to {phase.max():.0%} of the heartbeat; accepted: "
            f"a cine with a frame within {_SEEN:.0%} of the R peak"
        )


def _volumes(raw: RawCine, where: str) -> dict[str, float]:
    """By summation of discs at the stored resolution; empty without labels."""
    if raw.masks is None or len(raw.slices) < 3:
        return {}
    disc_ml = raw.spacing_mm[0] * raw.spacing_mm[1] * float(np.median(np.diff(raw.positions_mm))) / 1000.0
    if raw.labelled is None or all(len(k) == len(p) for k, p in zip(raw.labelled, raw.phases, strict=True)):
        cavity = standardise(replace(raw, labelled=None)).lv_volume_ml
        assert cavity is not None
        muscle = sum(int((mask[_from_r_peak(phase).argmin()] == MYOCARDIUM).sum()) for mask, phase in _slices(raw))
        return _named(float(cavity.max()), float(cavity.min()), muscle * disc_ml)
    totals = {"diastole": [0.0, 0.0], "systole": [0.0, 0.0]}
    found = set()
    for (mask, phase), known in zip(_slices(raw), raw.labelled, strict=True):
        listed = np.asarray(known, dtype=int)
        away = _from_r_peak(phase[listed])
        near, far = listed[away <= _LABELLED], listed[away > _LABELLED]
        chosen = {}
        if len(near):
            chosen["diastole"] = near[_from_r_peak(phase[near]).argmin()]
        if len(far):
            chosen["systole"] = far[(mask[far] == LV_CAVITY).sum(axis=(1, 2)).argmin()]
        for when, frame in chosen.items():
            found.add(when)
            for k, label in enumerate((LV_CAVITY, MYOCARDIUM)):
                totals[when][k] += int((mask[frame] == label).sum()) * disc_ml
    for when in totals:
        if when not in found:
            raise InputError(f"{where}: no end-{when} among the labelled frames; accepted: labels at both ends")
    (diastole, muscle_ml), (systole, _) = totals["diastole"], totals["systole"]
    if not diastole > systole:
        raise InputError(
            f"{where}: the labelled ventricle holds {diastole:.0f} ml at the R peak and {systole:.0f} ml after it; "
            "accepted: a heart that empties"
        )
    return _named(diastole, systole, muscle_ml)


def _named(edv: float, esv: float, muscle_ml: float) -> dict[str, float]:
    volumes = {"edv_ml": edv, "esv_ml": esv, "sv_ml": edv - esv, "ef_percent": 100.0 * (1.0 - esv / edv)}
    return volumes | ({"mass_g": muscle_ml * MYOCARDIAL_DENSITY} if muscle_ml > 0 else {})


def _slices(raw: RawCine) -> list[tuple[np.ndarray, np.ndarray]]:
    """Masks and phases of every slice."""
    assert raw.masks is not None
    return [(np.asarray(m), np.asarray(p)) for m, p in zip(raw.masks, raw.phases, strict=True)]


def _from_r_peak(phase: np.ndarray) -> np.ndarray:
    """Distance to the nearest R peak as a share of the heartbeat, 0 to .5."""
    share = np.mod(np.asarray(phase, dtype=np.float64), 1.0)
    return np.minimum(share, 1.0 - share)
