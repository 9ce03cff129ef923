"""Figures of persons with 95 % bootstrap intervals over them: means, retrieval, how well embeddings separate."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from gen.records import InputError
from metrics import identity
from metrics.identity import compare_identities, identity_intervals, scores_of
from metrics.statistics.bootstrap import Interval, bootstrap_mean


def interval(values: np.ndarray) -> dict[str, float]:
    """Mean of values with its interval; NaN are left out and counted."""
    return plain(bootstrap_mean(values, few="unknown"))


def plain(found: Interval) -> dict[str, float]:
    """An interval as JSON values."""
    return {name: getattr(found, name) for name in ("value", "low", "high", "n", "failed")}


def retrieved(gallery: torch.Tensor, query: torch.Tensor) -> dict[str, Any]:
    """Identity of person k by query k: `IdentityScores`, and ``rank_1_interval``, ... as [low, high].

    The gallery stays as it is; queries are drawn.

    Args:
        gallery, query: (n, width) unit vectors.
    """
    people = np.arange(len(query))
    found = compare_identities(
        reference=gallery.numpy(), generated=query.numpy(), reference_persons=people, generated_persons=people
    )
    intervals = identity_intervals(found)
    bounds = {f"{name}_interval": [each.low, each.high] for name, each in intervals.items()}
    return {**asdict(scores_of(found)), **bounds}


def separation(views: Sequence[torch.Tensor]) -> dict[str, dict[str, float]]:
    """How near a person's vectors lie to each other, and to other persons', see `metrics.identity.separation`.

    Args:
        views: two or more (n, width) of unit vectors, row k of each of person k.

    Raises:
        InputError: fewer than two views or persons.
    """
    count = len(views[0]) if views else 0
    if len(views) < 2 or count < 2:
        raise InputError(f"separation: {len(views)} views of {count} persons; accepted: at least two of each")
    whole = torch.cat(list(views)).double().numpy()
    found = identity.separation(values=whole, persons=np.tile(np.arange(count), len(views)))
    return {name: plain(each) for name, each in found.items()}
