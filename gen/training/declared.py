"""What ``recipes.toml`` of a package declares of its recipes: words for their cards, and settings of their training.

[default]
task = "Any leads of an ECG in, twelve leads out."
intended_use = "Research."
limits = "One collection of adults."
training = { steps = 4200, batch_size = 24 }

declared = Declared("vae")
declared.about("default"), declared.training("default")
"""

import tomllib
from dataclasses import fields
from functools import cached_property
from importlib.resources import files
from typing import Any

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
        if unknown := table.keys() - {*_WORDS, "training"}:
            raise ValueError(f"{self._file}: {recipe}: nothing reads {', '.join(sorted(unknown))}")
        return table
