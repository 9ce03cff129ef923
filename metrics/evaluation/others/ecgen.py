"""ecgen's flow matching (PyPI ecgen 1.1.0, MIT, no weights): its network, loss and sampler, trained here.

ecgen has no recipe for a processor of a few cores. Its rectified flow and its U-Net are trained at 100 Hz on the eight
independent leads (at 500 Hz a step takes five times as long), asked by superclass, age and sex, until so many minutes
of processor time are spent; what it draws is brought to 500 Hz and twelve leads.
"""

import logging
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytorch_lightning as lightning
import torch
from ecgen.api import sample
from ecgen.data.collate import ECGCollate
from ecgen.data.normalizers import FeatureNormalizer
from ecgen.training.runner import build_model

from gen.datasets.scp import SUPERCLASSES, aggregate
from gen.leads import LEADS_8
from gen.records import EcgRecord
from gen.signals import fill_gaps, resample

Array = npt.NDArray[np.float32]
#: What it is trained on; millivolt that count as 1.
FS_HZ, SAMPLES, SCALE_MV = 100.0, 1000, 0.3
BATCH, SAMPLER_STEPS = 16, 25
_TOLD_EVERY = 5
_PERSON = ("age", "is_female")
#: ecgen's own settings, narrower (64 there), with warm-up and averaging that fit a run of some hundred steps.
_MODEL: Mapping[str, Any] = {
    "name": "flow_matching",
    "params": {
        "in_channels": len(LEADS_8),
        "backbone": {
            "name": "unet1d",
            "params": {"base_channels": 32, "channel_mults": [1, 2, 4, 4], "num_res_blocks": 1, "attn_levels": [3]},
        },
        "conditioning": {
            "vector_dim": 128,
            "encoders": [
                {"field": "scp", "name": "multilabel", "params": {"num_labels": len(SUPERCLASSES)}},
                {"field": "measurements", "name": "numeric", "params": {"num_features": len(_PERSON)}},
            ],
            "dropout": {"scp": 0.1, "measurements": 0.1},
        },
        "lr": 1e-3,
        "warmup_steps": 50,
        "ema_decay": 0.99,
        "sample_steps": SAMPLER_STEPS,
    },
}


@dataclass(frozen=True)
class Trained:
    """The network, and what it took.

    Attributes:
        model: ecgen's module.
        minutes: of processor time.
        steps: of training.
        parameters: of the network.
    """

    model: Any
    minutes: float
    steps: int
    parameters: int


def train(records: Sequence[EcgRecord], *, minutes: float, seed: int, tell: Callable[[str], None]) -> Trained:
    """Train for so many minutes of processor time.

    Args:
        records: to learn from, with statements, age and sex.
        minutes: of processor time, of all threads together.
        seed: of weights, order and noise.
        tell: takes a line about how far it is.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    lightning.seed_everything(seed, verbose=False)
    people = pd.DataFrame([_person(record.patient.age, record.patient.sex) for record in records], columns=_PERSON)
    normalizer = FeatureNormalizer.fit(people, list(_PERSON))
    model = build_model(_MODEL)
    model.set_data_info(
        {
            "lead_names": list(LEADS_8),
            "fs": int(FS_HZ),
            "seq_length": SAMPLES,
            "normalizers": {"measurements": normalizer.to_dict()},
        }
    )
    loader = torch.utils.data.DataLoader(
        _Recordings(records, people.to_numpy(), normalizer),
        batch_size=BATCH,
        shuffle=True,
        drop_last=True,
        collate_fn=ECGCollate(list(LEADS_8), int(FS_HZ), None),
    )
    stop = _StopAt(60 * minutes, tell)
    trainer = lightning.Trainer(
        max_epochs=-1,
        accelerator="cpu",
        callbacks=[stop],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it says of loaders, loggers and validation is meant so
        trainer.fit(model, loader)
    parameters = sum(each.numel() for each in model.backbone.parameters())
    return Trained(model.eval(), stop.used_s / 60, trainer.global_step, parameters)


def draw(trained: Trained, asked: Sequence[tuple[Mapping[str, float], float | None, str | None]], seed: int) -> Array:
    """ECGs in mV, (record, 8, 5000) at 500 Hz.

    Args:
        trained: of `train`.
        asked: statements, age and sex of each.
        seed: of the noise.
    """
    conditions = {
        "scp": np.stack([_labels(statements) for statements, _, _ in asked]),
        "measurements": np.array([_person(age, sex) for _, age, sex in asked]),
    }
    made = sample(trained.model, len(asked), cond=conditions, seed=seed, batch_size=BATCH, format=None)
    return resample(made * SCALE_MV, FS_HZ, 500.0).astype(np.float32)


class _Recordings(torch.utils.data.Dataset):
    """Records as ecgen's collate function takes them."""

    def __init__(self, records: Sequence[EcgRecord], people: npt.NDArray[Any], normalizer: FeatureNormalizer) -> None:
        self._signals = [torch.from_numpy(_signal(record)) for record in records]
        self._labels = [torch.from_numpy(_labels(record.statements)) for record in records]
        self._people = [tuple(map(torch.from_numpy, normalizer.transform(row))) for row in people]

    def __len__(self) -> int:
        return len(self._signals)

    def __getitem__(self, k: int) -> dict[str, Any]:
        values, missing = self._people[k]
        return {
            "signal": self._signals[k],
            "cond": {"scp": self._labels[k], "measurements": values},
            "cond_missing": {"measurements": missing},
            "meta": {},
        }


class _StopAt(lightning.Callback):
    """Ends the training when the processor time is spent."""

    def __init__(self, seconds: float, tell: Callable[[str], None]) -> None:
        self._seconds, self._tell = seconds, tell
        self._start, self.used_s = time.process_time(), 0.0

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.used_s = time.process_time() - self._start
        if trainer.global_step % _TOLD_EVERY == 1:
            self._tell(f"ecgen: step {trainer.global_step}, {self.used_s / 60:.1f} of {self._seconds / 60:g} minutes")
        trainer.should_stop = self.used_s >= self._seconds


def _signal(record: EcgRecord) -> Array:
    """(8, 1000): the first ten seconds at 100 Hz without the mean, as ecgen scales them."""
    signal = fill_gaps(record.to_8().at(FS_HZ).signal_mv)[:, :SAMPLES]
    signal = np.pad(signal, ((0, 0), (0, SAMPLES - signal.shape[1])))
    return ((signal - signal.mean()) / SCALE_MV).astype(np.float32)


def _labels(statements: Mapping[str, float]) -> Array:
    found = aggregate(statements, "super")
    return np.array([float(name in found) for name in SUPERCLASSES], dtype=np.float32)


def _person(age: float | None, sex: str | None) -> tuple[float, float]:
    return (np.nan if age is None else float(age), np.nan if sex is None else float(sex == "F"))
