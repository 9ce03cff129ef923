"""Which generated record was made from which real one, by record id; and which of its leads were made at all."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

import numpy as np
import numpy.typing as npt

from gen.leads import LEADS_8, canonical_leads, derivable
from gen.records import EcgRecord
from metrics.suite.aligned import AlignedSet

#: PTB-XL writes the rate behind the number of a file.
_RATE_SUFFIX = re.compile(r"_[hl]r$")


@dataclass(frozen=True, eq=False)
class Pairs:
    """Rows that belong together.

    Attributes:
        real, generated: (n,) rows of each set, pair for pair, ascending in ``real``.
        by: how they were found, in words.
    """

    real: npt.NDArray[np.int64]
    generated: npt.NDArray[np.int64]
    by: str

    def __len__(self) -> int:
        return len(self.real)


def find_pairs(real: AlignedSet, generated: AlignedSet) -> Pairs | None:
    """Pairs by equal record ids, else by equal file names; None where fewer than half of the generated set match."""
    for by, key in (("record id", _record_id), ("file name", _file_name)):
        place: dict[str, int] = {}
        for row, record in enumerate(real.facts):
            place.setdefault(key(record), row)
        found: dict[int, int] = {}
        for row, record in enumerate(generated.facts):
            if key(record) in place:
                found.setdefault(place[key(record)], row)
        if len(found) >= max(2, len(generated) / 2):
            rows = sorted(found.items())
            return Pairs(np.array([a for a, _ in rows]), np.array([b for _, b in rows]), by)
    return None


def with_patients_of(real: AlignedSet, generated: AlignedSet, pairs: Pairs) -> AlignedSet:
    """The generated set with the patients of the real records it belongs to: a rebuilt file may not name its own."""
    patients = list(generated.patients)
    for i, j in zip(pairs.real, pairs.generated, strict=True):
        patients[j] = real.patients[i]
    return replace(generated, patients=tuple(patients))


def scored_leads(leads: Sequence[str], record: EcgRecord) -> list[bool]:
    """Whether each lead was made by the generator: not observed, and not computable from what was observed.

    Records that do not say which leads were observed are scored on all leads.
    """
    observed = record.metadata.get("observed_leads")
    if not isinstance(observed, (list, tuple)) or not observed:
        return [True] * len(leads)
    known = set(derivable(canonical_leads([str(lead) for lead in observed])))
    return [lead not in known for lead in leads]


def independent_leads(leads: Sequence[str]) -> tuple[str, ...]:
    """Leads to score: the eight independent ones where they are there, else all; derived leads would count twice."""
    return LEADS_8 if all(lead in leads for lead in LEADS_8) else tuple(leads)


def _record_id(record: EcgRecord) -> str:
    return record.record_id


def _file_name(record: EcgRecord) -> str:
    source = record.metadata.get("source_file") or record.record_id
    return _RATE_SUFFIX.sub("", PurePath(str(source)).name.removesuffix(".hea").removesuffix(".dat"))
