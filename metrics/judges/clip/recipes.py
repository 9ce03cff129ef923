"""The training recipe ``physiogen train metrics/clip --data CACHE --out RUN``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from gen.card import SIMULATED, About, source_of, training_card
from gen.checkpoint import load_model
from gen.records import InputError
from gen.text import vocabulary
from gen.training import TrainingConfig, apply_overrides, train
from metrics.conditioning import retrieval
from metrics.judges.classifier.data import Augmentation
from metrics.judges.classifier.recipes import open_cache
from metrics.judges.clip.data import Pairs, PairSource, TextAugmentation, recorded_pairs, simulated_pairs
from metrics.judges.clip.network import EcgTextClip
from metrics.judges.clip.scores import match_auroc, superclass_auroc
from metrics.judges.clip.tokens import token_digest

if TYPE_CHECKING:
    import numpy as np

    from gen.datasets.cache import SignalCache


ABOUT = About(
    name="metrics/clip",
    task="An ECG and a report in, how well they belong together out.",
    intended_use="Judging text-to-ECG generators: agreement, retrieval, zero-shot classes. Not a diagnostic device.",
    limits=(
        "A small judge: tells a rhythm or a block well and some ST-T findings not at all; it learned from simulated "
        "ECGs too and favours them."
    ),
)


@dataclass(frozen=True, kw_only=True)
class ClipRecipe:
    """Settings of ``metrics/clip``; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            steps=1500,
            batch_size=96,
            lr=7e-4,
            warmup=100,
            weight_decay=0.05,
            precision="bf16",
            ema_decay=0.99,
            checkpoint_dtype="fp16",
            validate_every=100,
            save_every=500,
            monitor="match_auroc",
            maximise=True,
            max_minutes=6.5,
            schedule_by_time=True,
        )
    )
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
    blocks: int = 2
    text_width: int = 128
    text_layers: int = 2
    embedding_width: int = 128


def clip(
    *,
    data: Path | None,
    out: Path,
    resume: bool = False,
    overwrite: bool = False,
    overrides: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Train on raw recordings of folds 1-8 and their reports, and on simulated ECGs; choose on fold 9."""
    recipe = apply_overrides(ClipRecipe(), overrides or {})
    cache = open_cache(data)
    chosen_on = cache.split("val")
    simulated = simulated_pairs(recipe.simulated, recipe.training.seed) if recipe.simulated else None
    source = PairSource(
        recorded_pairs(cache, cache.split("train")),
        simulated,
        simulated_share=recipe.simulated_share,
        augmentation=recipe.augmentation,
        text=recipe.text,
    )
    result = train(
        build(recipe),
        source,
        config=recipe.training,
        out=out,
        validate=validator(recorded_pairs(cache, chosen_on), _statements(cache, chosen_on)),
        resume=resume,
        overwrite=overwrite,
        card=_card(cache, recipe, overrides),
    )
    return {"checkpoint": str(result.best_path), "steps": result.steps, "seconds": result.seconds, **result.metrics}


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


def _card(cache: "SignalCache", recipe: ClipRecipe, overrides: Mapping[str, str] | None) -> dict[str, Any]:
    split = "trained on folds 1-8; chosen on fold 9"
    source = source_of(cache.manifest["source"], split=split, digest=cache.digest)
    simulated = replace(SIMULATED, split=f"{recipe.simulated} ECGs, seed {recipe.training.seed}")
    return training_card(ABOUT, data=[source, simulated], config=recipe, changes=overrides)
