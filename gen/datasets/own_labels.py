"""Labels of one's own in a set: which a record has, and what each stands for. One notion for all that read a set."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gen.datasets.scp import aggregate
from gen.files import read_json
from gen.records import InputError

#: What stands between labels of one record, where it has several.
JOINT = ";"
LABEL = "label"
#: Key of a cache's manifest: what its labels stand for.
MEANINGS = "label_meanings"


@dataclass(frozen=True)
class Meaning:
    """What a label stands for.

    Attributes:
        texts: findings in words, one of which is asked for -> how often beside the others.
        codes: statements that make a record one of this label: any of them.
    """

    texts: Mapping[str, float]
    codes: frozenset[str]

    @property
    def open(self) -> bool:
        """Whether it leaves open which of its statements a record has, as a superclass does."""
        return len(self.codes) > 1 and len(self.texts) > 1

    def text(self, rng: np.random.Generator) -> str:
        """One of the texts."""
        weights = np.array(list(self.texts.values()), dtype=np.float64)
        return list(self.texts)[int(rng.choice(len(weights), p=weights / weights.sum()))]

    def classes(self, of: Callable[[str], Collection[str]]) -> set[str]:
        """Classes that a record of this label has in any case: those that all of its statements have.

        Args:
            of: classes of one statement.
        """
        return set[str].intersection(*(set(of(code)) for code in self.codes)) if self.codes else set()

    def classes_at(self, level: str) -> set[str]:
        """The same at a level of `gen.datasets.scp.aggregate`; ``thick`` that stands for HYP is HYP at 'super'."""
        return self.classes(lambda code: aggregate({code: 100.0}, level))

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {"texts": dict(self.texts), "codes": sorted(self.codes)}


def labels_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Labels of a record: of the column ``label``, else of its metadata; none where it has none."""
    found = row.get(LABEL)
    if not isinstance(found, str):
        facts = row.get("metadata")
        found = json.loads(facts).get(LABEL) if isinstance(facts, str) and f'"{LABEL}"' in facts else None
    parts = found.split(JOINT) if isinstance(found, str) else []
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def meanings_of(folder: Path) -> dict[str, Meaning]:
    """What the labels of a cache stand for; nothing where the folder is none, or its labels were not prepared.

    Raises:
        InputError: the manifest is damaged.
    """
    manifest = folder / "manifest.json"
    found = read_json(manifest).get(MEANINGS) if manifest.is_file() else None
    try:
        return {
            str(label): Meaning(
                {str(text): float(often) for text, often in each["texts"].items()}, frozenset(map(str, each["codes"]))
            )
            for label, each in (found or {}).items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{manifest}: {MEANINGS} cannot be read; prepare the cache again") from error
