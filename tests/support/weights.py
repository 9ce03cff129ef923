"""Random networks of which no part is switched off."""

import torch


def awake(*modules: torch.nn.Module, seed: int = 0, scale: float = 0.1) -> torch.nn.Module:
    """The modules (the first is returned) with noise on all weights: zero initialisations hide what they switch off."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in modules:
            for value in module.parameters():
                value.add_(scale * torch.randn(value.shape, generator=generator))
            module.eval()
    return modules[0]
