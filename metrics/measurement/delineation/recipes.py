"""Training recipes: ``physiogen train metrics/delineator`` (simulated truth) and ``metrics/delineator-ludb``.

    physiogen train metrics/delineator --out PRE
    physiogen train metrics/delineator-ludb --data .data/ludb --set init=PRE/best --out RUN

The first takes about seven minutes on two cores, the second four. The second learns from LUDB's records 1 to 50 (the
last eight of them choose the weights); 51 and above are for tests. With ``recordings=.data/ptb-xl`` it also learns from
recordings that the weights of ``init`` mark themselves, see `metrics.measurement.delineation.taught`.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from gen.card import SIMULATED, Source
from gen.checkpoint import load_checkpoint, load_weights
from gen.datasets import open_source
from gen.precision import reduced_precision
from gen.records import InputError
from gen.training import BatchSource, Job, Recipe, TrainingConfig
from gen.training.declared import Declared
from gen.training.trainer import Validate
from metrics.measurement.delineation.data import DelineationSource, LabelledEcgs, annotated, noise_bank, simulated
from metrics.measurement.delineation.delineator import ready
from metrics.measurement.delineation.ludb import read_ludb
from metrics.measurement.delineation.network import Delineator
from metrics.measurement.delineation.taught import taught

#: LUDB's records for learning and for the choice of weights; none of them is in the test (51 to 200).
LEARN, CHOOSE = (1, 42), (43, 50)
_VALIDATION_SEED = 1_000_003


DECLARED = Declared("metrics")
LUDB = Source(
    name="LUDB 1.0.1",
    licence="ODC-By 1.0",
    citation="Kalyakulina AI et al. LUDB: open-access validation tool for ECG delineation. IEEE Access 8:186181 (2020)",
    split=f"records {LEARN[0]}-{LEARN[1]} learned from, {CHOOSE[0]}-{CHOOSE[1]} chosen on; 51-200 never seen",
)
PTB_XL = Source(
    name="PTB-XL 1.0.3",
    licence="CC BY 4.0",
    citation="Wagner et al., Sci Data 2020;7:154",
    split="folds 1-8, marked by the weights that training started from",
)


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """What a training sample of `DelineationSource` is drawn from."""

    rows: int = 5
    """Leads per sample, drawn from the twelve."""
    samples: int = 1744
    """Length of a sample at 250 Hz: seven seconds hold several beats of any rhythm."""
    real_share: float = 0.0
    """Share of the samples that are annotated recordings."""
    taught_share: float = 0.0
    """Share of the samples that are recordings marked by trained weights, see `taught`."""
    alone: float = 0.2
    """Share of the samples in which one lead must do without the others."""


@dataclass(frozen=True, kw_only=True)
class DelineatorRecipe:
    """Settings of both recipes; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(default_factory=lambda: DECLARED.training("delineator"))
    mixture: Mixture = field(default_factory=Mixture)
    simulated_records: int = 4000
    """Simulated ECGs with known waves."""
    noise_records: int = 600
    """Recordings whose noise is laid over them."""
    dropout: float = 0.05
    """Share of channels that are dropped in training."""
    init: str = ""
    """Checkpoint folder to start from; empty starts from random weights."""
    recordings: str = ""
    """PTB-XL folder whose folds 1-8 are marked by the weights of ``init`` and learned from too; see `taught`."""


class _Delineator(Job[DelineatorRecipe]):
    """Trained on simulated truth alone."""

    needs: ClassVar[str | None] = None
    places = ("init", "recordings")

    def build_model(self) -> torch.nn.Module:
        model = Delineator(dropout=self.settings.dropout)
        if self.settings.init:
            load_weights(model, load_checkpoint(self.settings.init, Delineator).tensors, self.settings.init)
        return model

    def build_source(self, model: torch.nn.Module) -> BatchSource:
        settings = self.settings
        return _source(settings, simulated(settings.simulated_records, settings.training.seed, margins=False), None)

    def build_validator(self, model: torch.nn.Module) -> Validate:
        return _validator(_source(self.settings, simulated(240, _VALIDATION_SEED, margins=False), None), 240)

    def sources(self) -> list[Source]:
        settings = self.settings
        return [replace(SIMULATED, split=f"{settings.simulated_records} ECGs, seed {settings.training.seed}")]


class _DelineatorLudb(_Delineator):
    """Goes on from weights of `_Delineator` with LUDB's first fifty records among the simulated ones."""

    needs = "the folder of LUDB"

    @cached_property
    def annotated(self) -> tuple[LabelledEcgs, LabelledEcgs]:
        """Recordings to learn from, and to choose on."""
        assert self.data is not None
        real, chosen = (annotated(list(read_ludb(self.data, *numbers))) for numbers in (LEARN, CHOOSE))
        if not len(real) or not len(chosen):
            raise InputError(f"{self.data}: LUDB's records 1 to 50 are needed, 43 to 50 among them")
        return real, chosen

    def inputs(self) -> dict[str, str]:
        return {"data": _digest(self.annotated)}

    def build_source(self, model: torch.nn.Module) -> BatchSource:
        settings = self.settings
        made = simulated(settings.simulated_records, settings.training.seed + 1, margins=True)
        return _source(settings, made, self.annotated[0], self._taught())

    def _taught(self) -> LabelledEcgs | None:
        settings = self.settings
        if not settings.recordings:
            return None
        if not settings.init:
            raise InputError("recordings: are marked by the weights of init, which is not given")
        source = open_source(Path(settings.recordings))
        records = [source[int(row)] for row in source.split("train")]
        return taught(records, ready(settings.init))

    def build_validator(self, model: torch.nn.Module) -> Validate:
        chosen = self.annotated[1]
        return _validator(DelineationSource(chosen, chosen, noise_bank(2, 1), real_share=1.0, rows=12), 96)

    def sources(self) -> list[Source]:
        made = f"{self.settings.simulated_records} ECGs; started from simulated truth"
        found = [replace(LUDB, digest=self.inputs()["data"]), replace(SIMULATED, split=made)]
        return [*found, PTB_XL] if self.settings.recordings else found


def _ludb_settings() -> DelineatorRecipe:
    training = DECLARED.training("delineator-ludb")
    return DelineatorRecipe(training=training, simulated_records=1500, mixture=Mixture(real_share=0.6), dropout=0.1)


delineator = Recipe(DECLARED.about("delineator"), DelineatorRecipe, _Delineator)
delineator_ludb = Recipe(DECLARED.about("delineator-ludb"), _ludb_settings, _DelineatorLudb)


def _digest(parts: tuple[LabelledEcgs, ...]) -> str:
    """SHA-256 of the annotated recordings themselves: LUDB comes without a manifest."""
    digest = hashlib.sha256()
    for part in parts:
        for array in vars(part).values():
            digest.update(repr(getattr(array, "shape", None)).encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _source(
    recipe: DelineatorRecipe, ecgs: LabelledEcgs, real: LabelledEcgs | None, marked: LabelledEcgs | None = None
) -> DelineationSource:
    return DelineationSource(
        ecgs,
        real,
        noise_bank(recipe.noise_records, recipe.training.seed),
        taught=marked,
        **asdict(recipe.mixture),
    )


def _validator(source: DelineationSource, count: int) -> Callable[[torch.nn.Module], Mapping[str, float]]:
    """Loss on fixed samples of records that are not learned from."""
    numbers = torch.arange(count).numpy()
    batches = [source.batch(part, _VALIDATION_SEED) for part in (numbers[k : k + 24] for k in range(0, count, 24))]

    def validate(model: torch.nn.Module) -> dict[str, float]:
        with reduced_precision():
            values = [model.loss(batch) for batch in batches]  # type: ignore[operator]
        return {name: float(torch.stack([v[name] for v in values]).mean()) for name in values[0]}

    return validate
