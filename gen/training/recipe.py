"""The one contract of all recipes, and what runs them.

    class Job(CacheJob["Settings"]):
        def build_model(self): ...
        def build_source(self, model): ...
        def build_validator(self, model): ...

    default = Recipe("vae/default", Settings, Job)
    default(data=CACHE, out=RUN, overrides={"steps": "100"})

A recipe declares; `run` does the same for all: it checks the folder, opens the data, seeds *before* the first weight is
drawn, trains, does on the main process alone what comes afterwards, and keeps in ``run.json`` what the run is made
from, so that it is never continued on other data.
"""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import torch

from gen.card import About, Source, source_of, training_card
from gen.checkpoint import model_config
from gen.files import remove
from gen.overrides import apply_overrides
from gen.precision import in_threads
from gen.records import InputError
from gen.runs import holds_run
from gen.training.config import TrainingConfig
from gen.training.data import BatchSource
from gen.training.engine import initial_seed, join_processes
from gen.training.run_folder import check_run_folder
from gen.training.trainer import TrainingResult, Validate, train

if TYPE_CHECKING:
    from gen.datasets.cache import SignalCache

#: Values of a setting that names a folder which mean that there is none.
_NO_PLACE = ("", "none")
SIGNAL_CACHE = "a cache made by `physiogen data prepare SOURCE --out DIR`"


Settings = TypeVar("Settings")


class Work(Generic[Settings]):
    """What a recipe does in one run.

    Attributes:
        settings: the recipe's, with the changes of this run.
        data: what ``--data`` names.
        out: folder of the run.
    """

    #: What ``--data`` must name; None where the recipe does without.
    needs: ClassVar[str | None] = SIGNAL_CACHE
    #: Settings that name files or folders: content counts (`inputs`), not where it lies; no card shows the path.
    places: ClassVar[tuple[str, ...]] = ()

    def __init__(self, settings: Settings, data: Path | None, out: Path) -> None:
        self.settings, self.data, self.out = settings, data, out

    def inputs(self) -> dict[str, str]:
        """Digests by name of what the run is made from: the data, and other models if there are any."""
        return {}

    def sources(self) -> list[Source]:
        """Data that it learns from, for the card, the main set first."""
        raise NotImplementedError

    def parts(self) -> dict[str, dict[str, Any]]:
        """Name and digest of the checkpoints that this one belongs to, for the card."""
        return {}

    def sampling(self) -> dict[str, Any]:
        """Settings that generation takes from the weights, for the card."""
        return {}

    def facts(self) -> dict[str, Any]:
        """What only the model's own code reads in the card."""
        return {}

    def warnings(self) -> list[str]:
        """What a user should know of the data before training on it."""
        return []


class Job(Work[Settings]):
    """One training: what is trained, on what, chosen how."""

    #: What `finish` and `prepare` leave in the run's folder, beside what every run has; ``--overwrite`` removes it.
    leaves: ClassVar[tuple[str, ...]] = ()

    def prepare(self) -> None:
        """Write what training reads, if it is not there; the main process does it, the others wait."""

    def build_model(self) -> torch.nn.Module:
        """The untrained model; torch's generator has just been seeded with the run's seed."""
        raise NotImplementedError

    def build_source(self, model: torch.nn.Module) -> BatchSource:
        """Where its samples come from."""
        raise NotImplementedError

    def build_validator(self, model: torch.nn.Module) -> Validate | None:
        """What chooses the best weights."""
        del model
        return None

    def checkpoint_config(self, model: torch.nn.Module) -> Mapping[str, Any]:
        """``config.json`` of the checkpoints."""
        return model_config(model)

    def finish(self, result: TrainingResult, card: Mapping[str, Any]) -> Mapping[str, Any]:
        """What comes after training, on the main process alone; returns what to add to the result."""
        del result, card
        return {}


class Fit(Work[Settings]):
    """Something measured on data in one go: statistics, a calibration, a table. It has no state to resume."""

    def fit(self, card: Mapping[str, Any]) -> Mapping[str, Any]:
        """Measure and write ``out``, whole or not at all; returns the result."""
        raise NotImplementedError


class OfCache(Work[Settings]):
    """The part of a recipe that learns from a signal cache."""

    #: Whether it learns what recordings are called, too.
    reads_words: ClassVar[bool] = False
    #: How the splits are used, for the card.
    split: ClassVar[str] = "trained on folds 1-8, chosen on fold 9"

    @cached_property
    def cache(self) -> "SignalCache":
        """What ``--data`` names."""
        from gen.datasets.cache import SignalCache

        assert self.data is not None
        return SignalCache.open(self.data)

    def inputs(self) -> dict[str, str]:
        """The cache's digest."""
        return {"data": self.cache.digest}

    def warnings(self) -> list[str]:
        """What recordings to learn from lack; one line each."""
        table = self.cache.table.iloc[self.cache.split("train")]
        found = [f"{self.data}: no recording in its validation part: nothing chooses the best weights, the last count"]
        found = found if not len(self.cache.split("val")) else []
        if not self.reads_words:
            return found
        silent = table["report"].isna() & table["statements"].isin(["{}", ""])
        for lacking, what, so in (
            (silent, "neither a report nor statements", "nothing is learned of what they show"),
            (table["age"].isna(), "no age", "age stays open for them"),
            (~table["sex"].isin(["F", "M"]), "no sex", "sex stays open for them"),
        ):
            if lacking.any():
                found.append(f"{self.data}: {int(lacking.sum())} of {len(table)} recordings have {what}: {so}")
        return found

    def sources(self) -> list[Source]:
        """The cache, as its manifest describes it."""
        return [source_of(self.cache.manifest["source"], split=self.split, digest=self.cache.digest)]


@dataclass(frozen=True)
class Recipe(Generic[Settings]):
    """A recipe of ``physiogen train``: call it as `run` is called.

    Attributes:
        about: who the model is and what it is for; its name is the recipe's, such as ``vae/default``.
        settings: makes the default settings, a frozen dataclass; a `Job`'s has a field ``training``.
        work: a `Job` or a `Fit`.
    """

    about: About
    settings: Callable[[], Settings]
    work: Callable[[Settings, Path | None, Path], Job[Settings] | Fit[Settings]]

    def __call__(
        self,
        *,
        out: Path,
        data: Path | None = None,
        resume: bool = False,
        overrides: Mapping[str, str] | None = None,
        overwrite: bool = False,
    ) -> dict[str, Any]:
        """See `run`."""
        return run(self, data=data, out=out, resume=resume, overrides=overrides, overwrite=overwrite)


def run(
    recipe: Recipe[Any],
    *,
    out: Path,
    data: Path | None = None,
    resume: bool = False,
    overrides: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Run a recipe.

    Args:
        recipe: what to do.
        out: folder of the run.
        data: what it learns from.
        resume: go on with the run in ``out``.
        overrides: changes of settings as text, ``--set key=value``.
        overwrite: replace what is in ``out``.

    Returns:
        ``checkpoint``, ``steps``, ``seconds``, the last validation and what the recipe adds.

    Raises:
        InputError: a setting, the data or the folder does not allow it; or the run was started on other data.
    """
    settings = apply_overrides(recipe.settings(), overrides or {})
    name, out = recipe.about.name, Path(out)
    work = recipe.work(settings, data, out)
    if data is None and work.needs is not None:
        raise InputError(f"recipe {name} needs --data: {work.needs}")
    shown = _shown(asdict(settings), work.places)
    changes = {key: _public(key, value, work.places) for key, value in (overrides or {}).items()}
    identity = {"recipe": name, "inputs": work.inputs(), "settings": _compared(shown, ("training", *work.places))}
    if isinstance(work, Fit):
        _check_fit(name, out, resume=resume, overwrite=overwrite)
    else:
        check_run_folder(out, settings.training, None, identity, resume=resume, overwrite=overwrite)

    def card() -> dict[str, Any]:
        return training_card(
            recipe.about,
            data=work.sources(),
            config=shown,
            changes=changes,
            parts=work.parts(),
            sampling=work.sampling(),
            facts=work.facts(),
            reads=work.needs is not None,
        )

    if isinstance(work, Fit):
        return dict(work.fit(card())) if int(os.environ.get("RANK", "0")) == 0 else {}
    with in_threads(work.settings.training.threads):  # data are prepared in as many as well
        return _train(work, card, identity, resume=resume, overwrite=overwrite)


def _train(
    job: Job[Any], card: Callable[[], dict[str, Any]], identity: Mapping[str, Any], *, resume: bool, overwrite: bool
) -> dict[str, Any]:
    config: TrainingConfig = job.settings.training
    processes = join_processes(config)
    with processes.main_process_first():
        if processes.is_main_process and overwrite:
            for left in job.leaves:
                remove(job.out / left)
        if processes.is_main_process and resume and not holds_run(job.out):
            print(f"{job.out}: no run there to go on with: one is started", file=sys.stderr, flush=True)
        if processes.is_main_process:
            for line in job.warnings():
                print(f"warning: {line}", file=sys.stderr, flush=True)
        job.prepare()
    torch.manual_seed(initial_seed(config.seed))
    model = job.build_model()
    stated = card()
    result = train(
        model,
        job.build_source(model),
        config=config,
        out=job.out,
        validate=job.build_validator(model),
        resume=resume,
        overwrite=overwrite,
        card=stated,
        model_config=job.checkpoint_config(model),
        identity=identity,
    )
    found: dict[str, Any] = {"checkpoint": str(result.best_path), "steps": result.steps, "seconds": result.seconds}
    found |= result.metrics
    if processes.is_main_process:
        found |= job.finish(result, stated)
    processes.wait_for_everyone()
    return found


def _compared(settings: Mapping[str, Any], without: tuple[str, ...]) -> dict[str, Any]:
    """Settings that a resumed run must share; those of `TrainingConfig` are checked on their own."""
    kept = {key: value for key, value in settings.items() if key not in without}
    return {key: _compared(value, without) if isinstance(value, Mapping) else value for key, value in kept.items()}


def _check_fit(name: str, out: Path, *, resume: bool, overwrite: bool) -> None:
    if resume:
        raise InputError(f"recipe {name} is done in one go and has nothing to resume; run it again with --overwrite")
    if out.exists() and not overwrite:
        raise InputError(f"{out}: exists; use --overwrite to replace it, or another --out")


def _public(key: str, value: str, places: tuple[str, ...]) -> str:
    """A setting's text for a card; a place on this machine becomes the setting's name in capitals."""
    last = key.rpartition(".")[2]
    return last.upper() if last in places and value not in _NO_PLACE else value


def _shown(settings: Mapping[str, Any], places: tuple[str, ...]) -> dict[str, Any]:
    """Settings for a card: of a place, only whether there was one."""
    shown: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            shown[key] = _shown(value, places)
        else:
            shown[key] = key.upper() if key in places and str(value) not in _NO_PLACE else value
    return shown
