"""How torch computes for a while: in reduced precision where a machine is faster in it, in so many threads."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

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


@contextmanager
def in_threads(count: int | None) -> Iterator[None]:
    """So many threads of torch on the CPU inside a block, afterwards as before; None leaves torch's choice.

    Threads that are left behind cost whoever comes next: beside other work they wait for each other by spinning.
    """
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
