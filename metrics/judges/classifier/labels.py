"""Targets of the classifier from the tables of a data set, in a fixed order of classes."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gen.datasets.scp import aggregate
from gen.records import InputError

if TYPE_CHECKING:
    import pandas as pd

Labels = npt.NDArray[np.bool_]

#: The unit of age in the targets: all ages are numbers of the order of 1.
AGE_UNIT_YEARS = 50.0


def label_matrix(statements: Sequence[Mapping[str, float]], classes: Sequence[str], level: str) -> Labels:
    """Which record carries which label.

    Args:
        statements: for each record SCP-ECG code -> likelihood in percent; as in PTB-XL, 0 means unstated likelihood
            of a statement that was made.
        classes: labels wanted, in order; a label of a record that is not among them is ignored.
        level: 'super', 'sub' or 'all', see `gen.datasets.scp`.

    Returns:
        (record, class) bool.
    """
    column = {name: i for i, name in enumerate(classes)}
    matrix = np.zeros((len(statements), len(classes)), dtype=bool)
    for row, codes in enumerate(statements):
        for label in aggregate(codes, level):
            if label in column:
                matrix[row, column[label]] = True
    return matrix


def statements_of(table: "pd.DataFrame") -> list[dict[str, float]]:
    """The statements of each row of a data set's table.

    Raises:
        InputError: there is no column of statements, or no record has any.
    """
    if "statements" not in table:
        raise InputError("table: no column 'statements'; accepted: a set with SCP-ECG statements")
    found = [json.loads(text) if isinstance(text, str) and text else {} for text in table["statements"]]
    if not any(found):
        raise InputError("table: no record has a statement; accepted: a set with SCP-ECG statements")
    return found


def demographics_of(table: "pd.DataFrame") -> npt.NDArray[np.float32]:
    """(record, 2) float32: 1 for a woman and 0 for a man, and age / `AGE_UNIT_YEARS`; NaN where unknown."""
    sex = table["sex"].map({"F": 1.0, "M": 0.0}).to_numpy(dtype=np.float32)
    age = table["age"].to_numpy(dtype=np.float32) / np.float32(AGE_UNIT_YEARS)
    return np.stack([sex, age], axis=1)
