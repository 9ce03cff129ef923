"""One table of several twin pipelines: ``physiogen evaluate ablation adax=RUN1/pipeline unet=RUN2/pipeline``.

Each is ``NAME=FOLDER`` (a pipeline: RUN/pipeline of ``physiogen train diffusion/twin``), which is evaluated on the same
hearts with the same seed, or ``NAME=FILE.json``, what ``physiogen evaluate twins --out`` wrote. With ``--store`` the
results of each folder are kept in STORE/NAME.json and are not computed again while weights and settings are the same.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from diffusion.evaluation.settings import Ablation, Twins
from gen.card import validation_metrics
from gen.checkpoint import checkpoint_digest, load_checkpoint
from gen.evaluations import Progress, named_paths
from gen.records import InputError
from gen.results import Node, Results, Value

#: Column -> path in the results of `diffusion.evaluation.twins`.
_COLUMNS = {
    "rate MAE": "judged/twin/rate MAE",
    "beat MAE": "judged/twin/beat MAE",
    "own condition nearer": "paired/all hearts/own condition nearer to the person than a stranger",
    "rank 1": "judged/twin/rank 1",
    "rank 5": "judged/twin/rank 5",
    "EER": "judged/twin/EER",
    "silhouette": "judged/twin/silhouette",
}


def results_of(source: Path, *, hearts: int, steps: int | None, seed: int, store: Path | None = None) -> Results:
    """Results of a pipeline's folder (computed, or from ``store``), or those in a file.

    Raises:
        InputError: no such folder or file, or the file holds other results.
    """
    if source.suffix == ".json":
        found = Results.read(source)
        if found.name != Twins.name:
            raise InputError(f"{source}: results of {found.name}; accepted: those of `physiogen evaluate twins`")
        return found
    if not (source / "denoiser").is_dir():
        raise InputError(f"{source}: no twin's weights; accepted: RUN/pipeline, or results with the ending .json")
    parts = ("denoiser", "identity")
    wanted = {"parts": {part: checkpoint_digest(source / part) for part in parts}, "steps_asked": steps}
    wanted |= {"hearts_asked": hearts}
    if store is not None and store.is_file():
        kept = Results.read(store)
        if kept.seed == seed and {key: kept.settings.get(key) for key in wanted} == wanted:
            return kept
    found = Twins(checkpoint=source, hearts=hearts, steps=steps, seed=seed).run()
    found = replace(found, settings={**found.settings, **wanted, "network": described(source)})
    if store is not None:
        found.write(store)
    return found


def described(folder: Path) -> dict[str, Any]:
    """Network, paths of the conditions and size of a pipeline's denoiser, and how long and how well it was trained."""
    stored = load_checkpoint(folder / "denoiser")
    config, card = stored.config, stored.card
    run, found = card.get("training") or {}, validation_metrics(card)
    return {
        "class": config.get("_class_name"),
        "base_path": config.get("base_path"),
        "text_path": config.get("text_path"),
        "parameters": run.get("parameters"),
        "command": next(iter(run.get("commands") or []), None),
        "training_steps": run.get("steps"),
        "minutes": run.get("minutes"),
        "loss": found.get("loss"),
        "loss_without_reference": found.get("loss_without_reference"),
    }


def table(rows: Mapping[str, Results]) -> dict[str, dict[str, Node]]:
    """A line for each pipeline."""
    return {name: _line(found) for name, found in rows.items()}


def _line(found: Results) -> dict[str, Node]:
    network, values = found.settings.get("network") or {}, dict(found.flat())
    line: dict[str, Node] = {key.replace("_", " "): str(network.get(key) or "") for key in ("class", *_PATHS)}
    line["parameters"] = Value.of(network.get("parameters"))
    line["training steps"] = Value.of(network.get("training_steps"))
    line["loss"] = Value.of(network.get("loss"), better="lower")
    line["loss without reference"] = Value.of(network.get("loss_without_reference"), better="reference")
    line |= {column: values[path] for column, path in _COLUMNS.items() if path in values}
    added = {path.split("/")[1]: value for path, value in values.items() if path.endswith("/criterion met")}
    return line | {f"{code} shown": value for code, value in added.items()}


_PATHS = ("base_path", "text_path")


def run(settings: Ablation, progress: Progress) -> Results:
    """The table of all pipelines."""
    named = named_paths(settings.pipelines, "RUN/pipeline or results (.json)")
    rows: dict[str, Results] = {}
    for name, source in named.items():
        store = settings.store / f"{name}.json" if settings.store else None
        rows[name] = results_of(source, hearts=settings.hearts, steps=settings.steps, seed=settings.seed, store=store)
        progress(f"{name}: {rows[name].n} hearts")
    weights = {f"{name}/{part}": each for name, found in rows.items() for part, each in _digests(found).items()}
    return settings.results(
        {"pipelines": table(rows)}, data=rows[next(iter(rows))].data, n=settings.hearts, weights=weights
    )


def _digests(found: Results) -> dict[str, str]:
    return dict(found.settings.get("weights") or {})
