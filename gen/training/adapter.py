"""Low-rank adaptation: a trained network learns something new by a small change of its matrices alone.

Every matrix W (and every kernel, flattened to one row an output) becomes W + s B A with B zero at the start, and only A
and B are trained. After Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models", with a scale s that falls
as the root of the rank (Kalajdzievski 2023, "A Rank Stabilization Scaling Factor for Fine-Tuning with LoRA"). The
change is folded into W where the network is stored, so that a tuned checkpoint is like any other.
"""

import torch
from torch import nn
from torch.nn.utils import parametrize

from gen.checkpoint import unique_tensors

#: Layers whose matrices are adapted.
_ADAPTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Embedding)
#: s times the root of the rank.
STRENGTH = 2.0


class LowRank(nn.Module):
    """Adds a matrix of low rank to a weight.

    Args:
        weight: whose shape it has; (output, ...).
        rank: of the change.
    """

    def __init__(self, weight: torch.Tensor, rank: int) -> None:
        super().__init__()
        outputs, inputs = weight.shape[0], weight[0].numel()
        self.down = nn.Parameter(torch.randn(rank, inputs) / inputs**0.5)
        self.up = nn.Parameter(torch.zeros(outputs, rank))
        self.scale = STRENGTH / rank**0.5

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """The weight with its change."""
        return weight + (self.scale * self.up @ self.down).view(weight.shape)


def adapt(model: nn.Module, rank: int) -> int:
    """Freeze a network and give its matrices changes of low rank; biases and norms stay as they are.

    Args:
        model: changed in place; nothing of it is adapted already.
        rank: of the changes; matrices of a smaller side get one of that rank.

    Returns:
        How many numbers are trained.
    """
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for module in list(model.modules()):
        if isinstance(module, _ADAPTED):
            weight = module.weight
            least = min(rank, weight.shape[0], weight[0].numel())
            parametrize.register_parametrization(module, "weight", LowRank(weight, least))
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def folded(model: nn.Module) -> dict[str, torch.Tensor]:
    """The tensors of a network by the names they had before `adapt`, each with its change."""
    tensors, changed = unique_tensors(model), {}
    for name, module in model.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            place = f"{name}." if name else ""
            changed[f"{place}weight"] = module.weight.detach()
            for inner in [key for key in tensors if key.startswith(f"{place}parametrizations.weight.")]:
                del tensors[inner]
    return tensors | changed
