"""Figures of persons with 95 % bootstrap intervals over them: means, retrieval, how well base vectors separate."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from diffusion.twin.identity import retrieval
from gen.records import InputError

_REPLICATES = 2000
_TAILS = (2.5, 97.5)


def interval(values: np.ndarray) -> dict[str, float]:
    """Mean of values with its interval; NaN are left out and counted."""
    known = values[np.isfinite(values)]
    if not len(known):
        return {"value": float("nan"), "low": float("nan"), "high": float("nan"), "n": 0, "failed": len(values)}
    drawn = np.random.default_rng(0).integers(0, len(known), (_REPLICATES, len(known)))
    low, high = np.percentile(known[drawn].mean(axis=1), _TAILS)
    bounds = {"low": float(low), "high": float(high)}
    return {"value": float(known.mean()), **bounds, "n": len(known), "failed": len(values) - len(known)}


def words(found: Mapping[str, float], digits: int = 3) -> str:
    """``value [low, high]`` of an interval."""
    return f"{found['value']:.{digits}g} [{found['low']:.{digits}g}, {found['high']:.{digits}g}]"


def retrieved(gallery: torch.Tensor, query: torch.Tensor) -> dict[str, Any]:
    """`retrieval` of person k by query k, and ``rank_1_interval``, ``rank_5_interval``, ``eer_interval`` [low, high].

    The gallery stays as it is; queries are drawn.

    Args:
        gallery, query: (n, width) unit vectors.
    """
    found: dict[str, Any] = dict(retrieval(gallery, query))
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(_REPLICATES // 10):
        rows = torch.from_numpy(rng.integers(0, len(query), len(query)))
        draws.append(retrieval(gallery, query[rows], rows))
    for name in ("rank_1", "rank_5", "eer"):
        low, high = np.percentile([draw[name] for draw in draws], _TAILS)
        found[f"{name}_interval"] = [float(low), float(high)]
    return found


def separation(views: Sequence[torch.Tensor]) -> dict[str, dict[str, float]]:
    """How near a person's vectors lie to each other, and to other persons'.

    Args:
        views: two or more (n, width) of unit vectors, row k of each of person k.

    Returns:
        Intervals of ``intra`` (mean cosine of a person's vectors with each other), ``inter`` (with other persons')
        and ``silhouette`` (Rousseeuw 1987, in cosine distance), each a mean over persons.

    Raises:
        InputError: fewer than two views or persons.
    """
    from sklearn.metrics import silhouette_samples

    count = len(views[0]) if views else 0
    if len(views) < 2 or count < 2:
        raise InputError(f"separation: {len(views)} views of {count} persons; accepted: at least two of each")
    whole = torch.cat(list(views)).double().numpy()
    person = np.tile(np.arange(count), len(views))
    cosine, own = whole @ whole.T, person[:, None] == person
    intra = (np.where(own, cosine, 0).sum(axis=1) - cosine.diagonal()) / (len(views) - 1)
    inter = np.where(own, 0, cosine).sum(axis=1) / (~own).sum(axis=1)
    silhouette = silhouette_samples(whole, person, metric="cosine")
    each = {"intra": intra, "inter": inter, "silhouette": silhouette}
    return {name: interval(values.reshape(len(views), count).mean(axis=0)) for name, values in each.items()}
