"""The encoded sets of persons that both recipes of personalised generation learn from."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

import numpy as np
import torch

from diffusion.checkpoints import load_codec
from diffusion.training.examples import measured
from diffusion.training.latents import Codec, Example, check_facts
from diffusion.twin.pairs import Visits
from diffusion.twin.sources import PersonSet, cohort, cohort_visits, recorded_persons, write_persons
from gen.card import SIMULATED, Source, source_of
from gen.training.recipe import Work

if TYPE_CHECKING:
    from gen.datasets.cache import SignalCache

#: Cohorts by seed: those of training and of selection share no heart with each other or with `diffusion/default`.
TRAINED_COHORT, HELD_OUT_COHORT = 3_000_017, 4_000_037


@dataclass(frozen=True, kw_only=True)
class PersonData:
    """What both recipes learn from."""

    hearts: int = 5_000
    """Simulated hearts."""
    visits: int = 3
    """Examinations of each, under different conditions."""
    held_out_hearts: int = 1_000
    """Hearts of another cohort, two visits each, for selection."""
    variants: int = 3
    """Windows of each recording, with other gain and displaced electrodes."""
    recorded_share: float = 0.3
    """Share of samples that are recordings; the others are simulated."""
    codec: str = "ecg"
    """Name of a codec (entry-point group gen.codecs)."""
    latents: str = ""
    """Folder of encoded sets, made if it is not there; empty for ``OUT-persons`` beside the run."""


class _HasPersons(Protocol):
    @property
    def data(self) -> PersonData: ...


Settings = TypeVar("Settings", bound=_HasPersons)


class OfPersons(Work[Settings]):
    """The part of a recipe that learns from visits of persons: simulated ones, and with ``--data`` a cache's."""

    needs: ClassVar[str | None] = None
    places: ClassVar[tuple[str, ...]] = ("latents",)

    @cached_property
    def _loaded(self) -> tuple[Any, str]:
        codec, digest, _ = load_codec(self.settings.data.codec)
        return codec, digest

    @property
    def codec(self) -> Any:
        """The codec of the latents."""
        return self._loaded[0]

    @cached_property
    def cache(self) -> "SignalCache | None":
        """What ``--data`` names."""
        from gen.datasets.cache import SignalCache

        return None if self.data is None else SignalCache.open(self.data)

    def inputs(self) -> dict[str, str]:
        """Digests of codec and data."""
        return {"codec": self._loaded[1]} | ({} if self.cache is None else {"data": self.cache.digest})

    def sources(self) -> list[Source]:
        """The cache, if there is one, and the simulated cohort."""
        if self.cache is None:
            return [SIMULATED]
        split = "trained on folds 1-8 by patient, chosen on hearts of another cohort"
        return [source_of(self.cache.manifest["source"], split=split, digest=self.cache.digest), SIMULATED]

    def parts(self) -> dict[str, dict[str, Any]]:
        """The codec."""
        return {"codec": {"name": self.settings.data.codec, "digest": self._loaded[1]}}

    def prepare(self) -> None:
        """Encode the sets that are not there."""
        self.sets  # noqa: B018

    @property
    def drawn(self) -> list[str]:
        """Sets that training draws from, in the order of `shares`."""
        return [name for name in ("simulated", "train") if name in self.sets]

    @property
    def shares(self) -> list[float]:
        """Share of each drawn set."""
        recorded = self.settings.data.recorded_share
        return [1.0] if self.cache is None else [1 - recorded, recorded]

    def some(self, count: int = 32) -> torch.Tensor:
        """(count, channel, position) latents of held-out hearts."""
        rows = np.arange(count)
        return self.sets["held-out"].latents.batch(rows, np.zeros_like(rows))["latent"]

    @cached_property
    def sets(self) -> dict[str, PersonSet]:
        """Encoded sets by name, made where they are not there."""
        settings, (codec, digest) = self.settings.data, self._loaded
        folder = Path(settings.latents) if settings.latents else self.out.with_name(f"{self.out.name}-persons")
        seed, held_out = TRAINED_COHORT, HELD_OUT_COHORT
        hearts, visits, others = settings.hearts, settings.visits, settings.held_out_hearts
        sets = {
            "simulated": _persons(
                folder / "simulated",
                {"set": "simulated", "codec": digest, "hearts": hearts, "visits": visits, "seed": seed},
                lambda: (cohort(hearts, visits, seed=seed), cohort_visits(hearts, visits, seed=seed)),
                codec,
            ),
            "held-out": _persons(
                folder / "held-out",
                {"set": "held-out", "codec": digest, "hearts": others, "visits": 2, "seed": held_out},
                lambda: (cohort(others, 2, seed=held_out), cohort_visits(others, 2, seed=held_out, split="val")),
                codec,
            ),
        }
        cache = self.cache
        if cache is None:
            return sets
        wanted: dict[str, Any] = {"set": "train", "codec": digest, "split_digest": cache.digest}
        wanted |= {"variants": settings.variants, "seed": 0}
        rows = cache.split("train")
        sets["train"] = _persons(
            folder / "train",
            wanted,
            lambda: recorded_persons(cache, rows, measured, variants=settings.variants, seed=0),
            codec,
        )
        return sets


def _persons(
    folder: Path, facts: Mapping[str, Any], make: Callable[[], tuple[Iterator[Example], Visits]], codec: Codec
) -> PersonSet:
    """One encoded set, made if it is not there.

    Raises:
        InputError: it is there, but of another codec, cache or size.
    """
    if not folder.exists():
        blocks, visits = make()
        write_persons(folder, blocks, visits, codec, dict(facts))
    found = PersonSet.open(folder)
    check_facts(folder, found.latents, facts)
    return found
