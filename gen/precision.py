"""Reduced precision where a machine computes faster in it."""

from contextlib import AbstractContextManager

import torch


def bfloat16_pays(device_type: str = "cpu") -> bool:
    """Whether bfloat16 is worth computing in.

    On processors without AVX-512 (or ARM's counterpart) every bfloat16 product is emulated: a matrix product was fifty
    times slower than in float32 on one that has AVX2 alone.
    """
    return device_type != "cpu" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def reduced_precision(device_type: str = "cpu", enabled: bool = True) -> AbstractContextManager:
    """Autocast to bfloat16 where wanted and where it pays; otherwise no autocast at all."""
    return torch.autocast(device_type, torch.bfloat16, enabled=enabled and bfloat16_pays(device_type))
