"""`Network`: a module that knows the settings it was built from, and `register_to_config`, which notes them.

It does what `ModelMixin` and `ConfigMixin` of diffusers do for the networks here, under their names, without importing
that package: its import takes longer than to draw a hundred ECGs.
"""

import inspect
import json
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
import torch
from torch import nn

Init = TypeVar("Init", bound=Callable[..., None])


class Config(dict[str, Any]):
    """Settings by name, as items and as attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"no setting {name!r}; there are {', '.join(self)}") from None


class Network(nn.Module):
    """Base of networks; their ``__init__`` is decorated with `register_to_config`."""

    _config: Config

    if TYPE_CHECKING:  # parts and buffers are attributes of any type, and `to` takes a memory format

        def __getattr__(self, name: str) -> Any: ...

        def to(self, *args: Any, **options: Any) -> Self: ...  # noqa: D102

    @property
    def config(self) -> Config:
        """Settings it was built from, defaults included."""
        return self._config

    @property
    def device(self) -> torch.device:
        """Where its first parameter is."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Type of its first parameter."""
        return next(self.parameters()).dtype

    def register_to_config(self, **settings: Any) -> None:
        """Note settings, or change those that are noted."""
        self._config = Config({**self.__dict__.get("_config", {}), **settings})

    @staticmethod
    def _get_init_keys(input_class: type) -> set[str]:
        return set(inspect.signature(input_class).parameters)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """A network with these settings and random weights; keys that begin with ``_`` do not count."""
        return cls(**{key: value for key, value in config.items() if not key.startswith("_")})

    def to_json_string(self) -> str:
        """The settings and the class's name as JSON."""
        return json.dumps({"_class_name": type(self).__name__, **self.config}, indent=2, sort_keys=True, default=_plain)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write a checkpoint, see `gen.checkpoint.save_checkpoint`."""
        from gen.checkpoint import model_config, save_checkpoint

        save_checkpoint(folder, config=model_config(self), model=self)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Load a checkpoint, see `gen.checkpoint.load_model`.

        Raises:
            InputError: it is not one of this class.
        """
        from gen.checkpoint import load_model

        return load_model(cls, folder)


def register_to_config(init: Init) -> Init:
    """Decorates ``__init__`` of a `Network` so that its arguments, given or default, are the network's ``config``."""
    signature = inspect.signature(init)

    @wraps(init)
    def with_config(self: Network, *args: Any, **settings: Any) -> None:
        bound = signature.bind(self, *args, **settings)
        bound.apply_defaults()
        self.register_to_config(**dict(list(bound.arguments.items())[1:]))
        init(self, *args, **settings)

    return with_config  # type: ignore[return-value]


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return str(value) if isinstance(value, Path) else list(value)
