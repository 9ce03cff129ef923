"""What ``recipes.toml`` of a package declares of its recipes: words for cards, settings of training and network.

[default]
task = "Any leads of an ECG in, twelve leads out."
intended_use = "Research."
limits = "One collection of adults."
training = { steps = 4200, batch_size = 24 }
network = { width = 128, dropout = 0.1 }

declared = Declared("vae")
declared.about("default"), declared.training("default"), declared.network("default", LeadVAE)
"""

import tomllib
from collections.abc import Callable
from dataclasses import fields, make_dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any, get_origin, get_type_hints

from gen.card import About
from gen.training.config import TrainingConfig

_WORDS = ("task", "intended_use", "limits")


class Declared:
    """The tables of one package's ``recipes.toml``.

    Args:
        package: that the file lies in, such as ``vae``; a recipe ``default`` of it is called ``vae/default``.

    Raises:
        ValueError: a table or a key is missing, or the file says something that nothing reads. It is part of the
            code, so this is a mistake of a developer.
    """

    def __init__(self, package: str) -> None:
        self.package = package

    @cached_property
    def _tables(self) -> dict[str, dict[str, Any]]:
        return tomllib.loads((files(self.package) / "recipes.toml").read_text("utf-8"))

    @property
    def recipes(self) -> tuple[str, ...]:
        """Names of all that the file declares, without the package's."""
        return tuple(self._tables)

    def about(self, recipe: str) -> About:
        """What the recipe's card says."""
        table = self._table(recipe)
        return About(name=f"{self.package}/{recipe}", **{key: table[key] for key in _WORDS})

    def training(self, recipe: str) -> TrainingConfig:
        """Settings of the recipe's training; `TrainingConfig` has those that are not declared."""
        stated = dict(self._table(recipe).get("training", {}))
        unknown = stated.keys() - {field.name for field in fields(TrainingConfig)}
        if unknown:
            raise ValueError(f"{self._file}: {recipe}: no training setting {', '.join(sorted(unknown))}")
        # TOML has no null: a setting is switched off by false.
        off = {key: None for key in ("clip_norm", "ema_decay") if stated.get(key) is False}
        betas = {"betas": tuple(stated["betas"])} if "betas" in stated else {}
        return TrainingConfig(**(stated | off | betas))

    def network(self, recipe: str, kind: Callable[..., Any]) -> Any:
        """A frozen dataclass of those arguments of a network's constructor that the file declares.

        ``asdict`` of it is handed to the constructor; ``--set`` changes its fields, which are typed and explained
        there. An argument that the file does not name is no setting of the recipe.
        """
        stated, hints = self._table(recipe).get("network", {}), get_type_hints(vars(kind)["__init__"])
        if unknown := stated.keys() - hints.keys():
            raise ValueError(f"{self._file}: {recipe}: {kind.__name__} takes no {', '.join(sorted(unknown))}")
        values = {key: tuple(value) if get_origin(hints[key]) is tuple else value for key, value in stated.items()}
        declared = make_dataclass(
            f"{kind.__name__}Settings",
            [(key, hints[key]) for key in values],
            frozen=True,
            namespace={"network": kind},  # whose docstring says what they mean
        )
        return declared(**values)

    @property
    def _file(self) -> str:
        return f"{self.package}/recipes.toml"

    def _table(self, recipe: str) -> dict[str, Any]:
        try:
            table = self._tables[recipe]
        except KeyError:
            raise ValueError(f"{self._file}: no recipe {recipe}, only {', '.join(self._tables)}") from None
        if missing := [key for key in _WORDS if not str(table.get(key, "")).strip()]:
            raise ValueError(f"{self._file}: {recipe}: no {', '.join(missing)}")
        if unknown := table.keys() - {*_WORDS, "training", "network"}:
            raise ValueError(f"{self._file}: {recipe}: nothing reads {', '.join(sorted(unknown))}")
        return table
