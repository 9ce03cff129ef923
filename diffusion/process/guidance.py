"""Classifier-free guidance with a scale of its own for every group of conditions.

Groups are added one after another, text last: null -> rate -> patient -> shape -> reference -> text. The reference is
an identity embedding, for networks that take one; its scale is 1 unless it is named. With v_k the prediction that
knows the first k groups and g_k the scale of group k,

    v = v_0 + sum_k g_k (v_k - v_(k-1)),

which is guidance as usual (Ho and Salimans 2022) where all scales are equal. Neighbours of equal scale are one link of
the chain, so equal scales need two evaluations of the network and scales of one a single one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import pi

import torch

from diffusion.conditions.batch import ConditionBatch
from diffusion.conditions.condition import GROUPS
from diffusion.process.objective import Denoiser
from diffusion.process.scales import CHAIN, REFERENCE, Guidance


@dataclass(frozen=True)
class Link:
    """One evaluation: the condition with some groups left out, and its weight in the sum."""

    weight: float
    absent: tuple[str, ...]


def links(scales: Mapping[str, float], present: frozenset[str] = frozenset(GROUPS)) -> list[Link]:
    """The evaluations of a chain, the one that knows the most last; weights add up to one.

    Args:
        scales: of all groups; 1 for the reference where it is not there.
        present: groups that any sample says something about; the others change nothing and are skipped.
    """
    order = [name for name in CHAIN if name in present]
    found = []
    for k in range(len(order) + 1):
        below = scales.get(order[k - 1], 1.0) if k else 1.0
        above = scales.get(order[k], 1.0) if k < len(order) else 0.0
        if below != above:
            found.append(Link(below - above, tuple(order[k:])))
    return found


def said(condition: ConditionBatch, negative: ConditionBatch | None = None) -> frozenset[str]:
    """Groups that at least one sample says something about."""
    names = {name for name in GROUPS if not _silent(condition, name)}
    if negative is not None:
        names.add("text")
    return frozenset(names)


def _silent(condition: ConditionBatch, group: str) -> bool:
    left = condition.without([group])
    return (
        torch.equal(left.token_mask, condition.token_mask)
        and torch.equal(left.sex, condition.sex)
        and torch.equal(left.numbers.isnan(), condition.numbers.isnan())
    )


class GuidedVelocity:
    """A network with conditions and guidance, as samplers want it: (x, phi) -> v.

    Args:
        denoiser: the network.
        condition: of the batch.
        guidance: the scales.
        negative: texts to stay away from, in place of the absent text wherever text is left out.
        base: (batch, base_width) of the persons, left out where the reference is.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        condition: ConditionBatch,
        guidance: Guidance,
        negative: ConditionBatch | None = None,
        base: torch.Tensor | None = None,
    ) -> None:
        self.denoiser, self.guidance, self.base = denoiser, guidance, base
        present = said(condition, negative)
        if base is not None and not bool(base.isnan().any(dim=1).all()):
            present |= {REFERENCE}
        self.chain = links(guidance.scales, present)
        always = guidance.interval == (0.0, 1.0) or self.chain == [Link(1.0, ())]
        self.plain = None if always else condition
        self.batch = ConditionBatch.cat([_without(condition, link.absent, negative) for link in self.chain])
        self.bases = None if base is None else torch.cat([_without_base(base, link.absent) for link in self.chain])
        self.weights = torch.tensor([link.weight for link in self.chain])

    def __call__(self, x: torch.Tensor, phi: torch.Tensor) -> torch.Tensor:
        """V (batch, channel, position) float32 at states x and angles phi (batch,), which are all equal."""
        low, high = self.guidance.interval
        if self.plain is not None and not low <= float(phi[0]) / (0.5 * pi) <= high:
            return self._evaluate(x, phi, self.plain)
        count = len(self.chain)
        out = self._evaluate(x.repeat(count, 1, 1), phi.repeat(count), self.batch, self.bases)
        parts = out.unflatten(0, (count, len(x)))
        if count == 1:
            return parts[0]
        guided = torch.einsum("k,kbct->bct", self.weights.to(parts), parts)
        return self._rescaled(guided, parts[-1])

    def _evaluate(
        self, x: torch.Tensor, phi: torch.Tensor, condition: ConditionBatch, base: torch.Tensor | None = None
    ) -> torch.Tensor:
        return self.denoiser(x, phi, condition, self.base if base is None else base).float()

    def _rescaled(self, guided: torch.Tensor, conditional: torch.Tensor) -> torch.Tensor:
        if self.guidance.rescale == 0:
            return guided
        ratio = conditional.std(dim=(1, 2), keepdim=True) / guided.std(dim=(1, 2), keepdim=True).clamp_min(1e-6)
        return guided * (1 + self.guidance.rescale * (ratio - 1))


def _without(condition: ConditionBatch, absent: tuple[str, ...], negative: ConditionBatch | None) -> ConditionBatch:
    left = condition.without([name for name in absent if name != REFERENCE])
    if negative is None or "text" not in absent:
        return left
    return replace(
        left,
        token_ids=negative.token_ids,
        token_attributes=negative.token_attributes,
        token_values=negative.token_values,
        token_mask=negative.token_mask,
    )


def _without_base(base: torch.Tensor, absent: tuple[str, ...]) -> torch.Tensor:
    return torch.full_like(base, torch.nan) if REFERENCE in absent else base
