"""Encoded ECGs with the persons they belong to, and what personalised models draw from them.

A folder of persons holds ``latents`` (see `diffusion.training.latents`), ``persons.json`` (names, recordings, times)
and
whatever was computed for every row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from diffusion.conditions.batch import ConditionBatch
from diffusion.training.examples import OVERSAMPLE, WINDOW_S, Measure, described, recorded, sample_condition
from diffusion.training.latents import Codec, Example, LatentSet, gathered, repeated_weight, write_latents
from diffusion.twin.pairs import Pairs, Visits, visits_of_cache
from gen.files import read_json, replace_folder, write_json
from gen.precision import reduced_precision
from gen.randomness import Purpose, sample_generator
from gen.records import InputError
from gen.training.data import Batch, shuffled_indices

if TYPE_CHECKING:
    from gen.datasets import SignalCache

#: Numbers that tell a denoiser the time between reference and target.
GAP_FEATURES = 4
#: Share of pairs whose time is kept from the denoiser, so that a twin can be asked for at no particular time.
GAP_UNKNOWN = 0.3
#: Share of simulated visits with another age, years younger or older.
_OTHER_AGE, _AGE_CHANGE = 0.15, 25.0


@dataclass(frozen=True, eq=False)
class PersonSet:
    """Latents, their conditions, and whose they are."""

    latents: LatentSet
    visits: Visits

    @classmethod
    def open(cls, folder: str | Path) -> "PersonSet":
        """Open a folder of `write_persons`.

        Raises:
            InputError: a file is missing, or they do not belong together.
        """
        folder = Path(folder)
        latents, table = LatentSet.open(folder / "latents"), read_json(folder / "persons.json")
        years = np.array([np.nan if year is None else year for year in table["years"]], dtype=float)
        names = (np.array(table[key], dtype=object) for key in ("persons", "recordings", "splits"))
        persons, recordings, splits = names
        visits = Visits(persons, recordings, years, splits)
        if len(visits) != len(latents):
            raise InputError(f"{folder}: {len(latents)} latents of {len(visits)} visits; encode them again")
        return cls(latents, visits)


def write_persons(folder: Path, blocks: Iterator[Example], visits: Visits, codec: Codec, facts: dict[str, Any]) -> Path:
    """Encode recordings in the order of ``visits`` and write the folder, whole or not at all."""
    table = {
        "persons": visits.persons.tolist(),
        "recordings": visits.recordings.tolist(),
        "years": [None if np.isnan(year) else float(year) for year in visits.years],
        "splits": visits.splits.tolist(),
    }
    with replace_folder(folder) as temporary:
        write_latents(temporary / "latents", blocks, codec, facts)
        write_json(temporary / "persons.json", table)
    return folder


def cohort(hearts: int, visits: int, *, seed: int, block: int = 64) -> Iterator[Example]:
    """Examinations of simulated hearts under different conditions: all hearts of visit 0, then of visit 1, ...

    A visit may have another rate, other statements or another age; the heart's own loops, habits and place stay.
    """
    from gen.simulate import simulate

    for visit in range(visits):
        for start in range(0, hearts, block):
            indices = range(start, min(start + block, hearts))
            specifications = [sample_visit(seed, index, visit) for index in indices]
            yield described(
                simulate(
                    indices,
                    seed=seed,
                    visit=visit,
                    noise="light",
                    duration_s=WINDOW_S,
                    conditions=specifications,
                    oversample=OVERSAMPLE,
                )
            )


def sample_visit(seed: int, index: int, visit: int) -> dict[str, Any]:
    """What one visit of a simulated heart is asked for."""
    from gen.simulate import draw_heart

    rng = np.random.default_rng(np.random.SeedSequence((seed, index, visit), spawn_key=(Purpose.VISIT,)))
    specification = sample_condition(rng)
    if rng.random() < _OTHER_AGE:
        age = draw_heart(seed, index).age + rng.uniform(-_AGE_CHANGE, _AGE_CHANGE)
        specification["age"] = float(np.clip(age, 18, 95))
    return specification


def cohort_visits(hearts: int, visits: int, *, seed: int, split: str = "train") -> Visits:
    """Whose the ECGs of `cohort` are; time is the heart's age."""
    from diffusion.twin.pairs import visits_of_cohort
    from gen.simulate import draw_heart

    ages = np.array([draw_heart(seed, k).age for k in range(hearts)])
    years = []
    for visit in range(visits):
        pinned = [sample_visit(seed, k, visit).get("age") for k in range(hearts)]
        years += [age + 1.1 * visit if own is None else own for age, own in zip(ages, pinned, strict=True)]
    return visits_of_cohort([f"sim-{seed}-{k}" for k in range(hearts)], visits, np.array(years), split)


def recorded_persons(
    cache: "SignalCache", rows: np.ndarray, measure: Measure, *, variants: int, seed: int, block: int = 64
) -> tuple[Iterator[Example], Visits]:
    """Recordings of a cache in several windows each, and whose they are, in the same order."""
    order = [part for start in range(0, len(rows), block) for part in [rows[start : start + block]] * max(variants, 1)]
    chosen, known = np.concatenate(order), visits_of_cache(cache)
    visits = Visits(known.persons[chosen], known.recordings[chosen], known.years[chosen], known.splits[chosen])
    return recorded(cache, rows, measure, variants=variants, seed=seed, block=block), visits


class PersonSource:
    """Batches for the identity encoder: so many ECGs of each of several persons.

    Args:
        sets: of persons.
        shares: probability of each set, adding up to one.
        views: ECGs of a person in a row; batches are multiples of it.
    """

    def __init__(self, sets: Sequence[PersonSet], shares: Sequence[float], views: int = 4) -> None:
        self.sets, self.bounds, self.views = list(sets), np.cumsum(shares), views
        self.rows = [_rows_by_person(s.visits) for s in sets]
        self.first = np.cumsum([0, *(len(rows) for rows in self.rows)])

    def batch(self, numbers: np.ndarray, seed: int) -> Batch:
        """See `gen.training.BatchSource`; ``person`` (batch,) besides latents and conditions."""
        groups, views = np.divmod(numbers, self.views)
        chosen, rows, persons, wordings = (np.empty(len(numbers), dtype=np.int64) for _ in range(4))
        for group in np.unique(groups):
            rng = sample_generator(seed, int(group))
            k = min(int(np.searchsorted(self.bounds, rng.random(), side="right")), len(self.sets) - 1)
            person = int(shuffled_indices(np.array([group]), len(self.rows[k]), seed)[0])
            order = rng.permutation(self.rows[k][person])
            own = np.flatnonzero(groups == group)
            chosen[own], persons[own] = k, self.first[k] + person
            rows[own] = order[views[own] % len(order)]
            wordings[own] = rng.integers(0, 2**20, self.views)[views[own]]
        return gathered([s.latents for s in self.sets], chosen, rows, wordings) | {"person": torch.from_numpy(persons)}


class PairSource:
    """Batches for the personalised denoiser: the target's latent and condition, the reference's identity embedding.

    Args:
        sets: of persons.
        pairs: of each set.
        bases: identity embeddings (row, width) of each set.
        shares: probability of each set, adding up to one.
        channel_weight: (channel,) weight of each channel's error, or None.
    """

    def __init__(
        self,
        sets: Sequence[PersonSet],
        pairs: Sequence[Pairs],
        bases: Sequence[np.ndarray],
        shares: Sequence[float],
        channel_weight: np.ndarray | None = None,
    ) -> None:
        self.sets, self.pairs, self.bases, self.bounds = list(sets), list(pairs), list(bases), np.cumsum(shares)
        self.channel_weight = channel_weight

    def batch(self, numbers: np.ndarray, seed: int) -> Batch:
        """See `gen.training.BatchSource`."""
        draws = np.array([sample_generator(seed, int(n)).random(3) for n in numbers])
        chosen = np.minimum(np.searchsorted(self.bounds, draws[:, 0], side="right"), len(self.sets) - 1)
        wordings = (draws[:, 1] * 2**20).astype(np.int64)
        rows = np.empty(len(numbers), dtype=np.int64)
        base = np.empty((len(numbers), self.bases[0].shape[1] + GAP_FEATURES), dtype=np.float32)
        for k, pairs in enumerate(self.pairs):
            own = np.flatnonzero(chosen == k)
            if len(own):
                pair = shuffled_indices(numbers[own], len(pairs), seed)
                rows[own] = pairs.target[pair]
                gap = np.where(draws[own, 2] < GAP_UNKNOWN, np.nan, pairs.gap_years[pair])
                base[own] = base_input(self.bases[k][pairs.reference[pair]], gap)
        batch = gathered([s.latents for s in self.sets], chosen, rows, wordings)
        return batch | {"base": torch.from_numpy(base)} | repeated_weight(self.channel_weight, len(numbers))


def base_input(base: np.ndarray, gap_years: np.ndarray) -> np.ndarray:
    """What a denoiser is given of a person: the identity embedding at unit variance, and the time to the target.

    Args:
        base: (n, width) of length one.
        gap_years: (n,) target minus reference, NaN where unknown.

    Returns:
        (n, width + 4) float32.
    """
    known = ~np.isnan(gap_years)
    gap = np.where(known, gap_years, 0.0)
    time = np.stack([known - 0.5, np.tanh(gap), np.tanh(gap / 10), np.arcsinh(gap) / 4], axis=1)
    return np.concatenate([base * base.shape[1] ** 0.5, time], axis=1).astype(np.float32)


@torch.inference_mode()
def base_vectors(model: torch.nn.Module, persons: PersonSet, batch_size: int = 128) -> np.ndarray:
    """(row, width) float32 identity embeddings of a whole set, everything known of each row given."""
    out = []
    for start in range(0, len(persons.latents), batch_size):
        rows = np.arange(start, min(start + batch_size, len(persons.latents)))
        batch = persons.latents.batch(rows, rows)
        with reduced_precision():
            out.append(model(batch["latent"], ConditionBatch.from_dict(batch)).float().numpy())
    return np.concatenate(out)


def _rows_by_person(visits: Visits) -> list[np.ndarray]:
    _, codes = np.unique(visits.persons.astype(str), return_inverse=True)
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
