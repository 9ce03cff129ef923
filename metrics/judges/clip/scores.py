"""How well a trained judge tells texts apart: own against others', and classes by their names alone."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gen.datasets.scp import SUPERCLASSES
from gen.datasets.scp import statements as scp_statements
from metrics.judges.classifier.labels import label_matrix
from metrics.statistics.arrays import Array
from metrics.statistics.ranking import auroc

if TYPE_CHECKING:
    from metrics.judges.clip.model import Clip

LEAST_POSITIVES = 5


def match_auroc(ecg: Array, text: Array, group: npt.NDArray[np.int64]) -> float:
    """Chance that an ECG is nearer to its own text than to another's that says something else; .5 is blind.

    Args:
        ecg, text: directions (n, d), row for row.
        group: (n,) equal for texts that say the same.

    Returns:
        Mean over ECGs; NaN if all texts say the same.
    """
    cosine = ecg @ text.T
    own = np.diag(cosine)[:, None]
    others = group[:, None] != group[None]
    wins = ((own > cosine) + 0.5 * (own == cosine)) * others
    rated = others.any(axis=1)
    return float((wins.sum(axis=1)[rated] / others.sum(axis=1)[rated]).mean()) if rated.any() else float("nan")


def superclasses() -> dict[str, list[str]]:
    """The five diagnostic superclasses, each with the codes of its statements."""
    found: dict[str, list[str]] = {name: [] for name in SUPERCLASSES}
    for code, statement in scp_statements().items():
        if statement.superclass in found:
            found[statement.superclass].append(code)
    return found


def zero_shot_aurocs(
    clip: "Clip",
    ecg: Array,
    statements: Sequence[Mapping[str, float]],
    classes: Mapping[str, Sequence[str]],
    level: str,
) -> dict[str, float]:
    """AUROC of every class that enough records have and enough lack, from the cosine with its codes alone."""
    scores = ecg @ clip.class_directions(classes).T
    labels = label_matrix(statements, list(classes), level)
    rated = np.minimum(labels.sum(axis=0), (~labels).sum(axis=0)) >= LEAST_POSITIVES
    return {
        name: auroc(positive=scores[labels[:, k], k], negative=scores[~labels[:, k], k])
        for k, name in enumerate(classes)
        if rated[k]
    }


def superclass_auroc(clip: "Clip", ecg: Array, statements: Sequence[Mapping[str, float]]) -> float:
    """Macro zero-shot AUROC of the superclasses; NaN where no class has records enough."""
    found = zero_shot_aurocs(clip, ecg, statements, superclasses(), "super")
    return float(np.mean(list(found.values()))) if found else float("nan")
