"""One table of several twin pipelines.

``python -m diffusion.evaluation.ablation adax=RUN1/pipeline unet=RUN2/pipeline``

Each is ``NAME=FOLDER`` (a pipeline: RUN/pipeline of ``physiogen train diffusion/twin``), which is evaluated on the same
hearts with the same seed, or ``NAME=FILE.json``, what ``diffusion.evaluation.twins --json`` wrote. With ``--out`` the
figures of each folder are kept in OUT/NAME.json and are not computed again while weights and settings are the same.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from diffusion.evaluation.intervals import words
from gen.card import validation_metrics
from gen.checkpoint import checkpoint_digest, load_checkpoint
from gen.files import read_json, write_json
from gen.records import InputError

_INTERVALS = {
    "rate MAE, bpm": "twin_rate_mae_bpm",
    "beat MAE, mV": "twin_beat_mae_mv",
    "own condition nearer to the person": "counterfactual",
}


def figures_of(source: Path, *, hearts: int, steps: int | None, seed: int, store: Path | None = None) -> dict[str, Any]:
    """Figures of a pipeline's folder (computed, or from ``store``), or those in a file.

    Raises:
        InputError: no such folder or file, or the file holds other figures.
    """
    if source.suffix == ".json":
        found = read_json(source)
        if "twin_identity" not in found:
            raise InputError(f"{source}: not figures of twins; accepted: what diffusion.evaluation.twins --json writes")
        return found
    from diffusion.evaluation.twins import evaluate
    from diffusion.twin.pipeline import load

    if not (source / "denoiser").is_dir():
        raise InputError(f"{source}: no twin's weights; accepted: RUN/pipeline, or figures with the ending .json")
    parts = ("denoiser", "identity")
    wanted = {"weights": {part: checkpoint_digest(source / part) for part in parts}, "hearts_asked": hearts}
    wanted |= {"steps_asked": steps, "seed": seed}
    if store is not None and store.is_file():
        kept = read_json(store)
        if {key: kept.get(key) for key in wanted} == wanted:
            return kept
    pipeline = load(source)
    pipeline.set_progress_bar_config(disable=True)
    figures = evaluate(pipeline, hearts, steps=steps, seed=seed) | wanted | {"network": described(source)}
    if store is not None:
        store.parent.mkdir(parents=True, exist_ok=True)
        write_json(store, figures)
    return figures


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


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown: a line for each pipeline."""
    head = ["pipeline", "network", "base", "text", "M parameters", "steps", "loss / without reference", *_INTERVALS]
    head += ["rank 1", "rank 5", "EER", "silhouette"]
    achieved = list(dict.fromkeys(code for row in rows.values() for code in row["achieved"]))
    head += [f"{code} shown" for code in achieved]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, row in rows.items():
        network, identity = row.get("network") or {}, row["twin_identity"]
        losses = [network.get(key) for key in ("loss", "loss_without_reference")]
        cells = [str(network.get(key) or "") for key in ("class", "base_path", "text_path")]
        cells.append(f"{network['parameters'] / 1e6:.2f}" if network.get("parameters") else "")
        cells.append(str(network.get("training_steps") or ""))
        cells.append(" / ".join("" if loss is None else f"{loss:.4f}" for loss in losses))
        cells += [words(row[key]) for key in _INTERVALS.values()]
        cells += [_with_interval(identity, key) for key in ("rank_1", "rank_5", "eer")]
        separation = row.get("twin_separation")
        cells.append(words(separation["silhouette"]) if separation else "")
        cells += [words(row["achieved"][code]) if code in row["achieved"] else "" for code in achieved]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _with_interval(found: Mapping[str, Any], name: str) -> str:
    low_high = found.get(f"{name}_interval")
    value = f"{found[name]:.3g}"
    return value if low_high is None else f"{value} [{low_high[0]:.3g}, {low_high[1]:.3g}]"


def main(arguments: Sequence[str] | None = None, tell: Callable[[str], None] | None = None) -> int:
    """Print the table; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m diffusion.evaluation.ablation", description=__doc__)
    parser.add_argument("pipelines", nargs="+", metavar="NAME=PATH", help="pipelines, or their figures")
    parser.add_argument("--hearts", type=int, default=100)
    parser.add_argument("--steps", type=int, help="sampling steps; the weights' own by default")
    parser.add_argument("--seed", type=int, default=0, help="of the twins")
    parser.add_argument("--out", type=Path, help="folder in which figures are kept")
    options = parser.parse_args(arguments)
    tell = tell or (lambda line: print(line, file=sys.stderr))
    try:
        named = dict(_named(text) for text in options.pipelines)
        if len(named) < len(options.pipelines):
            raise InputError(f"{' '.join(options.pipelines)}: a name is given twice; accepted: every name once")
        rows: dict[str, dict[str, Any]] = {}
        for name, source in named.items():
            store = options.out / f"{name}.json" if options.out else None
            rows[name] = figures_of(source, hearts=options.hearts, steps=options.steps, seed=options.seed, store=store)
            tell(f"{name}: {rows[name]['hearts']} hearts")
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table(rows))
    return 0


def _named(text: str) -> tuple[str, Path]:
    name, sign, path = text.partition("=")
    if not (sign and name and path) or "/" in name:
        raise InputError(f"{text}: accepted: NAME=FOLDER or NAME=FILE.json")
    return name, Path(path)


if __name__ == "__main__":
    sys.exit(main())
