"""`Pipeline`: networks that work together, moved and shown as one.

It does what `DiffusionPipeline` of diffusers does for the pipelines here, under its names, without importing that
package, which takes seconds.
"""

from collections.abc import Iterable
from typing import Any, Self

import torch


class Pipeline:
    """Base of pipelines whose parts are named."""

    def __init__(self) -> None:
        self._parts: tuple[str, ...] = ()
        self._bar: dict[str, Any] = {}

    def register_modules(self, **parts: Any) -> None:
        """Name the parts; they become attributes."""
        self._parts = tuple(dict.fromkeys((*self._parts, *parts)))
        for name, value in parts.items():
            setattr(self, name, value)

    @property
    def components(self) -> dict[str, Any]:
        """Its parts by name."""
        return {name: getattr(self, name) for name in self._parts}

    def to(self, *args: Any, **options: Any) -> Self:
        """Move or convert all networks, as ``torch.nn.Module.to``; the pipeline itself."""
        for part in self.components.values():
            if isinstance(part, torch.nn.Module):
                part.to(*args, **options)
        return self

    @property
    def device(self) -> torch.device:
        """Where its networks are."""
        networks = [part for part in self.components.values() if isinstance(part, torch.nn.Module)]
        return next((value.device for network in networks for value in network.parameters()), torch.device("cpu"))

    def set_progress_bar_config(self, **options: Any) -> None:
        """Options of tqdm, such as ``disable``."""
        self._bar = options

    def progress_bar(self, iterable: Iterable[int]) -> Iterable[int]:
        """The same, with a bar."""
        from tqdm.auto import tqdm

        return tqdm(iterable, **self._bar)

    def __repr__(self) -> str:
        parts = ", ".join(f"{name}={type(part).__name__}" for name, part in self.components.items())
        return f"{type(self).__name__}({parts})"
