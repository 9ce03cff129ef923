"""What fits to a folder of PTB-XL share."""

import hashlib
from pathlib import Path

from gen.card import Source
from gen.records import InputError
from gen.training.recipe import Fit, Settings

_TABLE = "ptbxl_database.csv"


class OfPtbxl(Fit[Settings]):
    """A fit to folds 1-8 of a folder of PTB-XL, ``--data``."""

    needs = "a folder of PTB-XL"

    def inputs(self) -> dict[str, str]:
        """The digest of its table."""
        with (self.root / _TABLE).open("rb") as file:
            return {"data": hashlib.file_digest(file, "sha256").hexdigest()}

    def sources(self) -> list[Source]:
        """What the card states of it."""
        return [
            Source(
                name="PTB-XL 1.0.3",
                licence="CC BY 4.0",
                citation="Wagner et al., Sci Data 2020;7:154",
                split="fitted to folds 1-8",
                digest=self.inputs()["data"],
            )
        ]

    @property
    def root(self) -> Path:
        """The folder.

        Raises:
            InputError: it is none of PTB-XL.
        """
        assert self.data is not None
        if not (self.data / _TABLE).is_file():
            raise InputError(f"{self.data}: no {_TABLE}; accepted: a folder of PTB-XL")
        return self.data
