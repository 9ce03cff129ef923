"""`HeartReader`: an ECG in, what it tells of its heart out: volumes, mass and wall with intervals, chances of disease.

reader = load()                           # or load("RUN/reader"), what `physiogen train flow/reader` leaves
told = reader(record)
told.volumes["mass_g"], told.groups["HCM"]

No heart is drawn; `flow.pipeline` does that. Learned from simulated hearts; not a diagnostic device.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from flow.ecg.beats import ECG_HZ, ECG_SAMPLES, Beats
from flow.ecg.preparation import ReadBeats, read_beats
from flow.networks.ecg_reader import EcgReader, ToldHeart, quantities
from flow.volumes.intervals import Interval
from flow.volumes.told import ToldIntervals
from flow.weights import pipeline_folder
from gen.checkpoint import checkpoint_digest, load_model, model_config, save_checkpoint
from gen.leads import LEADS_8
from gen.records import EcgRecord, InputError, Patient, records_of
from gen.simulate.cine import GROUPS

#: What the configuration of a reader says besides its network's settings: `gen.load` opens it by this.
KIND = {"pipeline": "heart-reader"}


@dataclass(frozen=True, eq=False)
class HeartReading:
    """What one ECG tells.

    Attributes:
        volumes: median and 90 % interval of ``edv_ml``, ``esv_ml``, ``sv_ml``, ``ef_percent``, ``mass_g``, ``es_frame``
            (of 50) and ``wall_mm``; each median by itself.
        expected: means over the distribution, for the same quantities.
        groups: chance of each disease group, `gen.simulate.cine.GROUPS`.
        beats: what was found in the ECG.
        warnings: what a reader should know.
        intervals: what the intervals rest on.
    """

    volumes: dict[str, Interval]
    expected: dict[str, float]
    groups: dict[str, float]
    beats: Beats
    warnings: tuple[str, ...]
    intervals: ToldIntervals


class HeartReader:
    """Reads ECGs.

    Args:
        network: trained.
        intervals: calibrated for it.
    """

    def __init__(self, network: EcgReader, intervals: ToldIntervals) -> None:
        self.network, self.intervals = network.eval(), intervals

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "HeartReader":
        """Open the folder that ``physiogen train flow/reader`` leaves.

        Raises:
            InputError: a file is missing, damaged, or belongs to another reader.
        """
        folder = Path(folder)
        network = load_model(EcgReader, folder)
        return cls(network, ToldIntervals.load(folder, checkpoint_digest(folder)))

    @torch.no_grad()
    def tell(self, prepared: ReadBeats) -> ToldHeart:
        """The distribution of hearts (batch of one); leads that were not recorded are not read."""
        device = next(self.network.parameters()).device
        given = (prepared.beat_mv, prepared.beats.rhythm, _recorded(prepared), _known(prepared.ecg.patient))
        return self.network(*(torch.from_numpy(array)[None].to(device) for array in given))

    def reading(self, told: ToldHeart, prepared: ReadBeats) -> HeartReading:
        """A distribution (batch of one) in figures."""
        few = not _recorded(prepared).all()
        cloud = {name: values[0] for name, values in quantities(told.cloud().cpu().numpy()).items()}
        chances = told.group[0].exp().tolist()
        words = ("leads that were not recorded are not read; the intervals are those of such ECGs",) if few else ()
        return HeartReading(
            self.intervals.intervals(cloud, "few" if few else "whole"),
            {name: float(values.mean()) for name, values in cloud.items()},
            dict(zip(GROUPS, (round(value, 4) for value in chances), strict=True)),
            prepared.beats,
            (*prepared.warnings, *words),
            self.intervals,
        )

    def __call__(
        self,
        record: Any,
        *,
        fs: float | None = None,
        leads: Sequence[str] | str | None = None,
        allow_bad_leads: bool = False,
    ) -> HeartReading:
        """Read one ECG; age, sex, height and weight are taken from ``record.patient``, each may be unknown.

        Args:
            record: any leads, rate and length with three heartbeats, or an array or tensor (lead, time) in millivolt,
                see `gen.records.records_of`. Leads that were not recorded are not read: intervals are wider for it.
            fs, leads: sampling rate in Hz and names of the rows of an array.
            allow_bad_leads: leave unusable leads out instead of refusing the record.

        Raises:
            InputError: no usable ECG; the message says why.
        """
        given = records_of(record, fs, leads)
        if not isinstance(given, EcgRecord):
            raise InputError(f"{len(given)} records; accepted: one at a time")
        prepared = read_beats(given, ECG_HZ, ECG_SAMPLES, allow_bad_leads=allow_bad_leads)
        return self.reading(self.tell(prepared), prepared)

    def save(self, folder: Path) -> Path:
        """Write the folder that `from_pretrained` opens; weights in full precision."""
        save_checkpoint(folder, config={**model_config(self.network), **KIND}, model=self.network)
        self.intervals.save(folder, checkpoint_digest(folder))
        return folder


def _recorded(prepared: ReadBeats) -> np.ndarray:
    """(8,) bool, the leads that were not rebuilt."""
    return np.array([lead not in prepared.rebuilt for lead in LEADS_8])


def _known(patient: Patient) -> np.ndarray:
    """(4,) float32 as `flow.networks.ecg_reader.PATIENT`, NaN where unknown."""
    male = None if patient.sex is None else float(patient.sex == "M")
    known = (patient.age, male, patient.height_cm, patient.weight_kg)
    return np.array([np.nan if value is None else value for value in known], dtype=np.float32)


def load(path: str | Path | None = None) -> HeartReader:
    """The reader with the shipped weights, or of a folder.

    Raises:
        InputError: no weights are shipped, or the folder holds no reader.
    """
    return HeartReader.from_pretrained(pipeline_folder(None) / "reader" if path is None else path)
