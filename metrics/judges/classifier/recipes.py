"""The training recipe ``physiogen train metrics/classifier --data CACHE --out RUN``."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gen.checkpoint import load_checkpoint, load_model, save_checkpoint
from gen.datasets.scp import SUPERCLASSES, labels_at
from gen.records import InputError
from gen.training import BatchSource, Job, OfCache, Recipe, TrainingConfig, TrainingResult
from gen.training.declared import Declared
from gen.training.trainer import Validate
from metrics.judges.classifier.data import Augmentation, Examples, ExampleSource, to_network
from metrics.judges.classifier.labels import demographics_of, label_matrix, statements_of
from metrics.judges.classifier.model import Classifier
from metrics.judges.classifier.network import EcgClassifier
from metrics.judges.classifier.scores import choose_thresholds, macro_mean, scorable
from metrics.statistics.ranking import weighted_auroc

if TYPE_CHECKING:
    from gen.datasets.cache import SignalCache


DECLARED = Declared("metrics")


@dataclass(frozen=True, kw_only=True)
class ClassifierRecipe:
    """Settings of ``metrics/classifier``; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(default_factory=lambda: DECLARED.training("classifier"))
    augmentation: Augmentation = field(default_factory=Augmentation)
    network: Any = field(default_factory=lambda: DECLARED.network("classifier", EcgClassifier))


class _Classifier(OfCache[ClassifierRecipe], Job[ClassifierRecipe]):
    """Trained on folds 1-8; ``RUN/best`` carries its thresholds, chosen on fold 9 as the weights are."""

    split = "trained on folds 1-8; chosen, and thresholds set, on fold 9"

    def build_model(self) -> torch.nn.Module:
        return EcgClassifier(**asdict(self.settings.network))

    def build_source(self, model: torch.nn.Module) -> BatchSource:
        return ExampleSource(examples_of(self.cache, self.cache.split("train")), self.settings.augmentation)

    def build_validator(self, model: torch.nn.Module) -> Validate:
        return validator(examples_of(self.cache, self.cache.split("val")))

    def finish(self, result: TrainingResult, card: Mapping[str, Any]) -> dict[str, Any]:
        set_thresholds(result.best_path, self.cache, self.cache.split("val"))
        return {}


classifier = Recipe(DECLARED.about("classifier"), ClassifierRecipe, _Classifier)


def examples_of(cache: "SignalCache", rows: np.ndarray, block: int = 256) -> Examples:
    """Records of a cache at the network's rate, with their targets; 16 kB a record in memory."""
    if not len(rows):
        raise InputError(
            f"{cache.path}: no record in a split; accepted: a cache with folds for training and validation"
        )
    table = cache.table.iloc[rows]
    statements = statements_of(table)
    signals = []
    for start in range(0, len(rows), block):
        slow = to_network(cache.batch(rows[start : start + block]), cache.fs_hz)
        signals.append(np.clip(np.rint(1000 * slow), -32767, 32767).astype(np.int16))
    return Examples(
        signal_uv=np.concatenate(signals),
        superclasses=label_matrix(statements, SUPERCLASSES, "super").astype(np.float32),
        statements=label_matrix(statements, labels_at("all"), "all").astype(np.float32),
        demographics=demographics_of(table),
    )


def validator(examples: Examples, batch_size: int = 64) -> Callable[[torch.nn.Module], dict[str, float]]:
    """What the training run asks now and then: macro AUROC of both heads; ``auroc`` is their mean."""

    def validate(model: torch.nn.Module) -> dict[str, float]:
        device = next(model.parameters()).device
        logits: list[list[np.ndarray]] = []
        for start in range(0, len(examples), batch_size):
            block = torch.from_numpy(examples.signal_uv[start : start + batch_size].astype(np.float32) / 1000)
            predicted = model(block.to(device))
            logits.append([part.double().cpu().numpy() for part in (predicted.superclasses, predicted.statements)])
        heads = [np.concatenate(column) for column in zip(*logits, strict=True)]
        targets = (examples.superclasses > 0, examples.statements > 0)
        values = [_macro_auroc(p, y) for p, y in zip(heads, targets, strict=True)]
        return {"auroc": float(np.mean(values)), "auroc_super": values[0], "auroc_all": values[1]}

    return validate


def set_thresholds(folder: Path, cache: "SignalCache", rows: np.ndarray) -> None:
    """Add to a checkpoint the thresholds with the best F1 on these records."""
    checkpoint = load_checkpoint(folder, EcgClassifier)
    trained = Classifier(load_model(EcgClassifier, folder))
    probabilities = trained.probabilities(cache.batch(rows), cache.fs_hz)
    statements = statements_of(cache.table.iloc[rows])
    thresholds: dict[str, float] = {}
    for level, names in trained.classes.items():
        cuts = choose_thresholds(probabilities[level], label_matrix(statements, names, level))
        thresholds |= {f"{level}/{name}": round(float(cut), 6) for name, cut in zip(names, cuts, strict=True)}
    config = {**checkpoint.config, "thresholds": thresholds}
    save_checkpoint(folder, config=config, model=checkpoint.tensors, card=checkpoint.card)


def _macro_auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    kept = scorable(labels)
    return float(macro_mean(weighted_auroc, scores[:, kept], labels[:, kept], np.ones((1, len(labels))))[0])
