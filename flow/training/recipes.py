"""Training recipes: ``flow/pamae`` (ECG encoder), ``flow/codec`` (cine codec), ``flow/amdf`` (velocity network).

    physiogen data pairs --n 4000 --out CACHE
    physiogen train flow/pamae --data CACHE --out RUNS/pamae
    physiogen train flow/codec --data CACHE --out RUNS/codec --set real=.data/sunnybrook
    physiogen train flow/amdf  --data CACHE --out RUNS/amdf --set encoder=RUNS/pamae/best --set codec=RUNS/codec/codec

The last one leaves a whole pipeline in ``RUNS/amdf/pipeline`` (`gen.load`, ``physiogen cmr --checkpoint``). Each takes
about 40 minutes on two CPU cores.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from flow.checkpoints import save_pipeline
from flow.ecg.beats import ECG_SAMPLES
from flow.networks.cine_codec import CineCodec
from flow.networks.pamae import TARGETS, PhaseAwareMAE
from flow.networks.velocity import VelocityDiT
from flow.training.codec_statistics import finish_codec
from flow.training.latents import latent_arrays
from flow.training.pair_cache import PairCache, Part
from flow.training.sources import EcgSource, FrameSource, LatentSource, RealEcgs, raw_targets
from flow.training.validation import (
    codec_validator,
    ecg_validator,
    flow_validator,
    real_training,
)
from flow.volumes.reader import VolumeReader
from gen.card import Source, fact, source_of, with_run
from gen.checkpoint import checkpoint_digest, load_checkpoint, load_model
from gen.files import folder_digest
from gen.records import InputError
from gen.training import BatchSource, Job, Recipe, TrainingConfig, TrainingResult
from gen.training.declared import Declared
from gen.training.recipe import Settings, Work
from gen.training.trainer import Validate

if TYPE_CHECKING:
    from gen.datasets.cache import SignalCache

DECLARED = Declared("flow")
SUNNYBROOK = Source(
    name="Sunnybrook Cardiac Data",
    licence="CC0",
    citation="Radau P et al. Evaluation framework for algorithms segmenting short axis cardiac MRI. MIDAS J (2009)",
    split="training studies alone",
)


class OfPairs(Work[Settings]):
    """The part of a recipe that learns from simulated pairs."""

    needs = "a cache made by `physiogen data pairs --out DIR`"

    @cached_property
    def cache(self) -> PairCache:
        """What ``--data`` names."""
        assert self.data is not None
        return PairCache.open(self.data)

    def inputs(self) -> dict[str, str]:
        """The cache's digest."""
        return {"data": self.cache.digest}

    def sources(self) -> list[Source]:
        """The simulated cohort."""
        cohort = Source(
            name="simulated cohort, ECG and cine phantom of the same hearts (gen.simulate.cine)",
            licence="Apache-2.0",
            split="trained on part train (and ecgs), chosen on part val; part test is untouched",
            digest=self.cache.digest,
        )
        return [cohort]


class OfPairsAndRecordings(OfPairs[Settings]):
    """The part of a recipe that learns from recorded ECGs besides, where its setting ``real`` names a cache of them."""

    places = ("real",)

    @cached_property
    def recorded(self) -> "SignalCache | None":
        """The recordings."""
        from gen.datasets.cache import SignalCache

        folder = self.settings.real  # type: ignore[attr-defined]
        return SignalCache.open(folder) if folder else None

    def inputs(self) -> dict[str, str]:
        """The digests of both."""
        return super().inputs() | ({} if self.recorded is None else {"real": self.recorded.digest})

    def sources(self) -> list[Source]:
        """The simulated cohort, and the recordings."""
        if self.recorded is None:
            return super().sources()
        source, digest = self.recorded.manifest["source"], self.recorded.digest
        return [*super().sources(), source_of(source, split="training part alone", digest=digest)]


@dataclass(frozen=True, kw_only=True)
class PamaeRecipe:
    """Settings of ``flow/pamae``; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(default_factory=lambda: DECLARED.training("pamae"))
    network: Any = field(default_factory=lambda: DECLARED.network("pamae", PhaseAwareMAE))
    real: str = ""
    """Cache of recorded ECGs (``physiogen data prepare``) to learn from besides; empty for none."""
    real_share: float = 0.25
    """Share of samples that are recordings."""
    real_limit: int = 8000
    """Recordings that are used at most."""


class _Pamae(OfPairsAndRecordings[PamaeRecipe], Job[PamaeRecipe]):
    """The phase-aware masked autoencoder, on simulated (and recorded) ECGs."""

    @cached_property
    def ecgs(self) -> list[Part]:
        """Parts of the cache that have ECGs to learn from."""
        return [self.cache.part(name) for name in ("train", "ecgs") if name in self.cache.manifest["counts"]]

    def build_model(self) -> torch.nn.Module:
        targets = torch.cat([raw_targets(part)[torch.from_numpy(part.usable)] for part in self.ecgs])
        return PhaseAwareMAE(
            samples=ECG_SAMPLES,
            **asdict(self.settings.network),
            target_mean=tuple(round(v, 5) for v in targets.mean(0).tolist()),
            target_spread=tuple(round(v, 5) for v in targets.std(0).tolist()),
        )

    def build_source(self, model: Any) -> BatchSource:
        settings = self.settings
        real = RealEcgs.load(settings.real, ECG_SAMPLES, settings.real_limit) if settings.real else None
        return EcgSource(self.ecgs, model, real, settings.real_share)

    def build_validator(self, model: torch.nn.Module) -> Validate:
        return ecg_validator(self.cache.part("val"))

    def facts(self) -> dict[str, Any]:
        return {"targets": list(TARGETS)}


pamae = Recipe(DECLARED.about("pamae"), PamaeRecipe, _Pamae)


@dataclass(frozen=True, kw_only=True)
class CodecRecipe:
    """Settings of ``flow/codec``; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(default_factory=lambda: DECLARED.training("codec"))
    network: Any = field(default_factory=lambda: DECLARED.network("codec", CineCodec))
    frames: int = 8
    """Of a cine at a time."""
    real: str = ""
    """Folder of real short-axis cines (Sunnybrook); its training split is mixed in, its test split scored."""
    real_share: float = 0.1
    """Share of samples that are recordings."""


class _Codec(OfPairs[CodecRecipe], Job[CodecRecipe]):
    """The cine codec; the finished one, with its latent statistics and its volume reader, is ``OUT/codec``."""

    places = ("real",)
    leaves = ("codec",)

    @cached_property
    def real(self) -> Path | None:
        """Folder of real cines."""
        return Path(self.settings.real) if self.settings.real else None

    def inputs(self) -> dict[str, str]:
        return super().inputs() | ({"real": folder_digest(self.real)} if self.real else {})

    def sources(self) -> list[Source]:
        return super().sources() + ([SUNNYBROOK] if self.real else [])

    def build_model(self) -> torch.nn.Module:
        return CineCodec(size=self.cache.manifest["size"], **asdict(self.settings.network))

    def build_source(self, model: torch.nn.Module) -> BatchSource:
        settings = self.settings
        return FrameSource(self.cache.part("train"), real_training(self.real), settings.real_share, settings.frames)

    def build_validator(self, model: torch.nn.Module) -> Validate:
        return codec_validator(self.cache.part("val"))

    def finish(self, result: TrainingResult, card: Mapping[str, Any]) -> dict[str, Any]:
        best, stated = load_model(CineCodec, result.best_path), load_checkpoint(result.best_path).card
        scores = finish_codec(best, self.cache, self.real, self.out / "codec", stated)
        return {"checkpoint": str(self.out / "codec"), **scores}


codec = Recipe(DECLARED.about("codec"), CodecRecipe, _Codec)


@dataclass(frozen=True, kw_only=True)
class AmdfRecipe:
    """Settings of ``flow/amdf``; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(default_factory=lambda: DECLARED.training("amdf"))
    network: Any = field(default_factory=lambda: DECLARED.network("amdf", VelocityDiT))
    encoder: str = ""
    """Checkpoint of ``flow/pamae``."""
    codec: str = ""
    """Checkpoint of ``flow/codec`` (its folder ``codec``, which has the statistics)."""
    feature_noise: float = 0.1
    """Noise on the ECG's features, so that they are not learned by heart."""


class _Amdf(OfPairs[AmdfRecipe], Job[AmdfRecipe]):
    """The velocity network, on latents of a codec and features of an encoder; saves the pipeline too."""

    places = ("encoder", "codec")
    leaves = ("pipeline",)

    def inputs(self) -> dict[str, str]:
        return super().inputs() | self.digests

    @cached_property
    def digests(self) -> dict[str, str]:
        """Of the two models."""
        if not self.settings.encoder or not self.settings.codec:
            raise InputError(
                "flow/amdf needs --set encoder=FOLDER (of flow/pamae) and --set codec=FOLDER (of flow/codec)"
            )
        return {name: checkpoint_digest(getattr(self.settings, name)) for name in ("encoder", "codec")}

    @cached_property
    def encoder(self) -> PhaseAwareMAE:
        """Of ECGs."""
        return load_model(PhaseAwareMAE, self.settings.encoder)

    @cached_property
    def codec(self) -> CineCodec:
        """Of cines."""
        return load_model(CineCodec, self.settings.codec)

    def prepare(self) -> None:
        self.arrays  # noqa: B018 - encoded once, by the main process; the others read what it wrote

    @cached_property
    def arrays(self) -> dict[str, dict[str, np.ndarray]]:
        """Latents and features of the parts train and val."""
        key = "-".join(digest[:12] for digest in (self.cache.digest, self.digests["encoder"], self.digests["codec"]))
        folder, packing = self.out.with_name(f"{self.out.name}.latents"), self._network()
        return {
            name: latent_arrays(self.encoder, self.codec, packing, self.cache.part(name), folder / f"{name}-{key}.npz")
            for name in ("train", "val")
        }

    def _network(self) -> Any:
        return VelocityDiT(
            **asdict(self.settings.network),
            anatomy_shape=self.codec.anatomy_shape,
            motion_width=self.codec.motion_width,
            token_width=self.encoder.config["width"],
            summary_width=self.encoder.config["summary_width"],
            told=2 * len(TARGETS),
            encoder_digest=self.digests["encoder"],
            codec_digest=self.digests["codec"],
        )

    def build_model(self) -> torch.nn.Module:
        network = self._network()
        network.template.copy_(torch.from_numpy(self.arrays["train"]["latent"].mean(axis=0)))
        return network

    def build_source(self, model: torch.nn.Module) -> BatchSource:
        return LatentSource(self.arrays["train"], self.settings.feature_noise)

    def build_validator(self, model: torch.nn.Module) -> Validate:
        val = self.cache.part("val")
        return flow_validator(self.arrays["val"], self.codec, {"ef": val.fact("ef")[val.usable]})

    def finish(self, result: TrainingResult, card: Mapping[str, Any]) -> dict[str, Any]:
        path = save_pipeline(
            self.out / "pipeline",
            encoder=Path(self.settings.encoder),
            codec=Path(self.settings.codec),
            network=result.best_path,
            volumes=VolumeReader.from_json(fact(load_checkpoint(self.settings.codec).card, "volumes", {})),
            card=with_run(card, validation=dict(result.metrics)),
        )
        return {"checkpoint": str(path)}


amdf = Recipe(DECLARED.about("amdf"), AmdfRecipe, _Amdf)
