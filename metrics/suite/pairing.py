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
#: Pairs whose likeness is looked at, and from how many on their spread says what chance gives.
_COMPARED, _ENOUGH = 200, 8
#: Partners must be so much more alike than strangers, whatever chance gives; fewer pairs than enough, so much.
_LEAST_GAP, _GAP_OF_FEW = 0.05, 0.3


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


def find_pairs(
    real: AlignedSet, generated: AlignedSet, warnings: list[str] | None = None, *, seed: int = 0
) -> Pairs | None:
    """Pairs by equal record ids, else by equal file names; None where fewer than half of the generated set match.

    A name alone is a counter in many sets. Pairs need more: the generated records say what was observed or which file
    they were made from, or both sets name the same patients, or partners are more alike than strangers are.

    Args:
        real, generated: the sets.
        warnings: gets a line where names match and nothing else does.
        seed: of the records that are compared.
    """
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
            pairs = Pairs(np.array([a for a, _ in rows]), np.array([b for _, b in rows]), by)
            if _stated(real, generated, pairs):
                return pairs
            own, other, alike = _alike(real, generated, pairs, seed)
            if alike:
                return pairs
            if warnings is not None:
                warnings.append(
                    f"{len(pairs)} records of both sets have the same {by}, but are no more alike (correlation "
                    f"{own:.2f}) than strangers ({other:.2f}): not taken for pairs"
                )
            return None
    return None


def _stated(real: AlignedSet, generated: AlignedSet, pairs: Pairs) -> bool:
    """Whether the generated records say what they were made from, or are of the patients of their partners."""
    facts = [generated.facts[j].metadata for j in pairs.generated]
    if all("observed_leads" in each or "source_file" in each for each in facts):
        return True
    return all(real.patients[i] == generated.patients[j] for i, j in zip(pairs.real, pairs.generated, strict=True))


def _alike(real: AlignedSet, generated: AlignedSet, pairs: Pairs, seed: int) -> tuple[float, float, bool]:
    """Mean correlation of partners and of strangers, and whether the former is higher beyond chance."""
    few = np.sort(np.random.default_rng((seed, 71)).permutation(len(pairs))[:_COMPARED])
    leads = independent_leads(real.leads)
    one, two = _units(real, pairs.real[few], leads), _units(generated, pairs.generated[few], leads)
    own, other = (one * two).sum(axis=1), (one * np.roll(two, 1, axis=0)).sum(axis=1)
    gap = own - other
    chance = 3 * gap.std(ddof=1) / np.sqrt(len(gap)) if len(gap) >= _ENOUGH else _GAP_OF_FEW
    return float(own.mean()), float(other.mean()), bool(gap.mean() > max(_LEAST_GAP, chance))


def _units(each: AlignedSet, rows: npt.NDArray[np.int64], leads: Sequence[str]) -> npt.NDArray[np.float64]:
    """(row, lead times time) without each lead's mean, of unit length; zeros where nothing moves."""
    x = each.block(rows, leads).astype(np.float64)
    flat = (x - x.mean(axis=-1, keepdims=True)).reshape(len(x), -1)
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.divide(flat, norm, out=np.zeros_like(flat), where=norm > 0)


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
