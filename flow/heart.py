"""`HeartResult`: what the pipeline gives, and volumes of its cines."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from flow.ecg.beats import Beats
from flow.reading import HeartReading
from flow.volumes.intervals import Interval, volume_table
from gen.cine import LV_CAVITY, CineRecord, mask_volume_ml
from gen.records import EcgRecord


@dataclass(frozen=True, eq=False)
class HeartResult:
    """A generated heart.

    Attributes:
        cine: the sample nearest to the medians of the volumes, marked synthetic.
        samples: all samples, in order.
        volumes: medians and intervals of ``edv_ml``, ``esv_ml``, ``sv_ml``, ``ef_percent``, ``mass_g``, ``es_frame``:
            of the hearts that go with such an ECG where the pipeline has a reader, else of the samples.
        beats: what was found in the ECG.
        ecg: the twelve leads that were used.
        warnings: what a reader should know.
        reading: what the reader tells of the ECG, the thickest wall and chances of disease groups among it; None
            without a reader.
        read_from_s: where in ``ecg`` the part begins that was read; times of ``beats`` count from there.
    """

    cine: CineRecord
    samples: tuple[CineRecord, ...]
    volumes: dict[str, Interval]
    beats: Beats
    ecg: EcgRecord
    warnings: tuple[str, ...]
    reading: HeartReading | None = None
    read_from_s: float = 0.0

    @property
    def tables(self) -> tuple[dict[str, float], ...]:
        """Volumes of every sample, by the names in ``volumes``: in each, EF = SV / EDV and SV = EDV - ESV."""
        found = volumes_of(self.samples)
        return tuple({name: float(values[k]) for name, values in found.items()} for k in range(len(self.samples)))

    @property
    def shown(self) -> dict[str, float]:
        """Volumes of ``cine``; ``volumes`` are medians, each by itself."""
        return self.tables[self.cine.metadata["sample"] - 1]


def volumes_of(cines: tuple[CineRecord, ...]) -> dict[str, np.ndarray]:
    """Volumes of each cine, (n,) per name; see `flow.volumes.intervals.volume_table`."""
    curves = np.stack([cine.lv_volume_ml for cine in cines])  # type: ignore[misc]
    return volume_table(curves, np.array([cine.lv_mass_g for cine in cines]))


def discs_of(cine: CineRecord) -> dict[str, float]:
    """Volumes of both ventricles by summation of discs over the labels of a stack; empty for fewer slices.

    ``edv_discs_ml`` and ``esv_discs_ml`` are of the left ventricle, whose figures in `volumes_of` are read off the mid
    slice; ``rv_edv_ml``, ``rv_esv_ml`` and ``rv_ef_percent`` of the right one.
    """
    if cine.rv_volume_ml is None:
        return {}
    left, right = mask_volume_ml(cine, LV_CAVITY), cine.rv_volume_ml
    emptied = 100 * (1 - right.min() / right.max()) if right.max() > 0 else float("nan")
    return {
        "edv_discs_ml": float(left.max()),
        "esv_discs_ml": float(left.min()),
        "rv_edv_ml": float(right.max()),
        "rv_esv_ml": float(right.min()),
        "rv_ef_percent": float(emptied),
    }


def nearest_to(cines: tuple[CineRecord, ...], volumes: Mapping[str, Interval]) -> int:
    """Number of the cine whose volumes lie nearest to the medians."""
    table = volumes_of(cines)
    names = ("edv_ml", "esv_ml", "mass_g")
    logs = np.log(np.stack([table[name] for name in names], axis=1))
    return int(np.abs(logs - np.log([volumes[name].value for name in names])).sum(axis=1).argmin())
