"""The training recipe ``physiogen train metrics/clip --data CACHE --out RUN``."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import torch

from gen.card import SIMULATED, Source
from gen.checkpoint import checkpoint_digest, load_model
from gen.records import InputError
from gen.text import vocabulary
from gen.training import BatchSource, Job, OfCache, Recipe, TrainingConfig
from gen.training.declared import Declared
from gen.training.trainer import Validate
from metrics.conditioning import retrieval
from metrics.judges.classifier.data import Augmentation
from metrics.judges.clip.data import Pairs, PairSource, TextAugmentation, recorded_pairs, simulated_pairs
from metrics.judges.clip.network import EcgTextClip
from metrics.judges.clip.scores import match_auroc, superclass_auroc
from metrics.judges.clip.tokens import token_digest

if TYPE_CHECKING:
    import numpy as np

    from gen.datasets.cache import SignalCache


DECLARED = Declared("metrics")


@dataclass(frozen=True, kw_only=True)
class ClipRecipe:
    """Settings of ``metrics/clip``; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(default_factory=lambda: DECLARED.training("clip"))
    augmentation: Augmentation = field(
        # Reports state rates and intervals, and nobody's report is half another's.
        default_factory=lambda: Augmentation(rate=0.02, mixup=0.0, lead_dropout=0.15)
    )
    text: TextAugmentation = field(default_factory=TextAugmentation)
    simulated: int = 3000
    """Simulated ECGs made before the start; 0 trains on recordings alone."""
    simulated_share: float = 0.4
    """Share of the samples that are simulated."""
    initial: Literal["classifier", "none"] = "classifier"
    """What the ECG tower starts from: the shipped classifier (of the same training patients), or nothing."""
    widths: tuple[int, ...] = (48, 96, 160, 224)
    """Channels of the signal network's stages."""
    blocks: int = 2
    """Residual blocks of a stage."""
    text_width: int = 128
    """Of the text network's tokens."""
    text_layers: int = 2
    """Of the text network."""
    embedding_width: int = 128
    """Of the space that both meet in."""


class _Clip(OfCache[ClipRecipe], Job[ClipRecipe]):
    """Raw recordings of folds 1-8 with their reports, and simulated ECGs; chosen on fold 9."""

    split = "trained on folds 1-8; chosen on fold 9"

    def build_model(self) -> torch.nn.Module:
        return build(self.settings)

    def build_source(self, model: torch.nn.Module) -> BatchSource:
        settings = self.settings
        simulated = simulated_pairs(settings.simulated, settings.training.seed) if settings.simulated else None
        return PairSource(
            recorded_pairs(self.cache, self.cache.split("train")),
            simulated,
            simulated_share=settings.simulated_share,
            augmentation=settings.augmentation,
            text=settings.text,
        )

    def build_validator(self, model: torch.nn.Module) -> Validate:
        rows = self.cache.split("val")
        return validator(recorded_pairs(self.cache, rows), _statements(self.cache, rows))

    def inputs(self) -> dict[str, str]:
        if self.settings.initial == "none":
            return super().inputs()
        from metrics.judges.classifier.model import SHIPPED

        return super().inputs() | {"classifier": checkpoint_digest(SHIPPED)}

    def sources(self) -> list[Source]:
        settings = self.settings
        made = replace(SIMULATED, split=f"{settings.simulated} ECGs, seed {settings.training.seed}")
        return [*super().sources(), *([made] if settings.simulated else [])]


clip = Recipe(DECLARED.about("clip"), ClipRecipe, _Clip)


def build(recipe: ClipRecipe) -> torch.nn.Module:
    """The untrained model, with the shipped classifier as its ECG tower if the recipe says so.

    Raises:
        InputError: the classifier has other widths than the recipe.
    """
    known = vocabulary()
    model = EcgTextClip(
        vocabulary_size=len(known),
        attribute_sizes=known.attribute_sizes,
        token_digest=token_digest(len(known)),
        widths=recipe.widths,
        blocks=recipe.blocks,
        text_width=recipe.text_width,
        text_layers=recipe.text_layers,
        embedding_width=recipe.embedding_width,
    )
    if recipe.initial == "none":
        return model
    from metrics.judges.classifier.model import SHIPPED
    from metrics.judges.classifier.network import EcgClassifier

    trained = load_model(EcgClassifier, SHIPPED)
    if tuple(trained.config.widths) != tuple(recipe.widths) or trained.config.blocks != recipe.blocks:
        raise InputError("metrics/clip: the shipped classifier has other widths; accepted: --set initial=none")
    model.backbone.load_state_dict(trained.backbone.state_dict())
    return model


def validator(
    pairs: Pairs, statements: "list[dict[str, float]]", batch_size: int = 64
) -> Callable[[torch.nn.Module], dict[str, float]]:
    """What the run asks now and then: ``match_auroc`` (`metrics.judges.clip.scores`), retrieval, zero-shot
    superclasses.
    """
    from metrics.judges.clip.model import Clip

    def validate(model: torch.nn.Module) -> dict[str, float]:
        import numpy as np

        trained = Clip(model, batch_size=batch_size)  # type: ignore[arg-type]
        blocks = range(0, len(pairs), batch_size)
        ecg = np.concatenate([trained.embed_ecg(_millivolt(pairs, k, batch_size), EcgTextClip.fs_hz) for k in blocks])
        text = trained.embed_tokens(pairs.texts[0])
        found = retrieval(reference=text, generated=ecg)
        return {
            "match_auroc": match_auroc(ecg, text, pairs.group),
            "retrieval_at_10": found.at_10,
            "superclass_auroc": superclass_auroc(trained, ecg, statements),
            "cosine": float((ecg * text).sum(axis=1).mean()),
        }

    return validate


def _millivolt(pairs: Pairs, start: int, size: int) -> "np.ndarray":
    return pairs.signal_uv[start : start + size].astype("float32") / 1000


def _statements(cache: "SignalCache", rows: "np.ndarray") -> "list[dict[str, float]]":
    """Statements of the records that `recorded_pairs` keeps."""
    from metrics.judges.classifier.labels import statements_of

    table = cache.table.iloc[rows]
    return statements_of(table[[isinstance(text, str) and bool(text.strip()) for text in table["report"]]])
