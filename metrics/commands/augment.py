"""``physiogen augment``: what a synthetic set adds to the training of a classifier, beside the usual means."""

import json as json_library
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gen.commands.output import say
from gen.commands.reading import Resume
from gen.commands.there import check_data
from gen.errors import InputError
from gen.progress import Progress

if TYPE_CHECKING:
    from gen.datasets.indexed import EcgDataset
    from gen.io.kept import Kept
    from gen.results import Results
    from metrics.utility.downstream import LabelledSet

_BLOCK = 256


def augment(
    real: Annotated[Path, typer.Option(help="Set (or cache) of recordings with labels; split by patient.")],
    synthetic: Annotated[Path, typer.Option(help="Synthetic set with labels, such as of 'physiogen synthesize'.")],
    out: Annotated[Path | None, typer.Option(help="Folder for gain.json, gain.md and gain.csv.")] = None,
    classes: Annotated[
        str | None,
        typer.Option(help="super, sub, label (your own), or names by comma; your own labels where there are any."),
    ] = None,
    shares: Annotated[str, typer.Option(help="Shares of the real training records, by comma.")] = "1",
    ratio: Annotated[
        float | None, typer.Option(help="Synthetic records per real one; 1, or all where there are fewer.")
    ] = None,
    controls: Annotated[bool, typer.Option(help="Also class weights, oversampling, variation and mixup.")] = True,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each kind.")] = 3,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of each training; 300 by default.")] = None,
    resume: Resume = "if-possible",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result in --out.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train a classifier on real, on real and synthetic ECGs, and on the real ones with the usual controls.

    Example: physiogen augment --real .data/ptb-xl --synthetic AUG --shares 0.1,1 --out GAIN

    A small network is trained the same number of steps in every way on the training patients, thresholds are chosen on
    the validation patients, and all are tested on the same test patients. A gain counts where the 95 % interval of the
    paired difference lies above 0, and it should also be larger than that of the controls, which cost nothing.

    With `--out`, a run that was killed goes on with the trainings that are left when the same command is given again.
    """
    parts = _shares(shares)
    for folder, option in ((real, "--real"), (synthetic, "--synthetic")):
        check_data(folder, option, accepted="a set or a cache of 'physiogen data prepare'")
    files = [] if out is None else [out / f"gain.{suffix}" for suffix in ("json", "md", "csv")]
    there = [file for file in files if file.exists()]
    if there and not overwrite:
        raise InputError(f"{there[0]}: exists; use --overwrite")
    if ratio is not None and not ratio > 0:
        raise InputError(f"--ratio {ratio:g}: expected above 0")
    if out is None and resume != "if-possible":
        raise InputError(f"--resume {resume}: goes with --out, beside which an unfinished run is kept")
    with Progress("trainings") as bar, ExitStack() as stack:
        bar.noted("reading the sets")

        def keep(identity: Mapping[str, Any]) -> "Kept":
            """Of a run with an output: at its end, `_write` has written it."""
            from gen.io.kept import Kept
            from gen.io.unfinished import unfinished

            if out is None:
                return Kept()
            return Kept(stack.enter_context(unfinished(out, identity, publish=lambda folder: None, resume=resume)))

        results = _run(real, synthetic, classes, parts, ratio, controls, seeds, steps, bar, keep)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            _write(out, results)
    if json:
        typer.echo(json_library.dumps(results.as_dict()))
        return
    typer.echo(results.to_markdown(facts=False).rstrip())
    typer.echo("")
    for line in verdict(results):
        typer.echo(line)
    if out is not None:
        typer.echo(f"table in {out / 'gain.md'}, {out / 'gain.csv'}, {out / 'gain.json'}")


def _shares(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise InputError(f"--shares {text}: expected numbers by comma, such as 0.1,1") from error
    if not found or not all(0 < share <= 1 for share in found):
        raise InputError(f"--shares {text}: expected numbers above 0, to 1")
    return found


def _run(
    real: Path,
    synthetic: Path,
    classes: str | None,
    shares: tuple[float, ...],
    ratio: float | None,
    controls: bool,
    seeds: int,
    steps: int | None,
    bar: Progress,
    keep: "Callable[[Mapping[str, Any]], Kept]",
) -> "Results":
    from gen import __version__
    from gen.datasets.indexed import dataset
    from gen.evaluations import data_at
    from gen.leads import LEADS_8
    from gen.results import Results

    wanted: Any = classes
    if classes is not None and classes not in ("super", "sub", "all", "label"):
        wanted = tuple(name.strip() for name in classes.split(",") if name.strip())
    whole = dataset(real, classes=wanted, leads=LEADS_8)
    names = _in_both(_usable(whole), whole, synthetic)
    sets = {part: dataset(real, split=part, classes=names, leads=LEADS_8) for part in ("train", "val", "test")}
    added = dataset(synthetic, classes=names, leads=LEADS_8, fs_hz=whole.fs_hz, meanings=whole.meanings)
    _check(sets, added, names)
    # Heavy: after what the sets can be refused for.
    from gen.io.kept import digest_of_arrays
    from metrics.evaluation.utility import table
    from metrics.utility.downstream import CONTROLS, FitConfig, standard_settings, utility

    loaded = {part: _labelled(each, bar) for part, each in {**sets, "synthetic": added}.items()}
    most = round(max(shares) * len(loaded["train"]))
    times = min(1.0, len(added) / most) if ratio is None else ratio
    ways = standard_settings(shares=shares, ratios=(times,), controls=CONTROLS if controls else ())  # type: ignore[arg-type]
    ways = tuple(way for way in ways if way.name != "TRTS")
    config = FitConfig() if steps is None else FitConfig(steps=steps)
    identity = {
        "command": "augment",
        "software": __version__,
        "sets": {part: digest_of_arrays(vars(each.prepared).values()) for part, each in loaded.items()},
        "settings": {"classes": names, "ways": [asdict(way) for way in ways], "seeds": seeds, **asdict(config)},
    }
    bar.update(0, total=len(ways) * seeds)
    done = iter(range(1, len(ways) * seeds + 1))
    results = utility(
        train=loaded["train"],
        validation=loaded["val"],
        test=loaded["test"],
        synthetic=loaded["synthetic"],
        classes=names,
        settings=ways,
        seeds=range(seeds),
        config=config,
        progress=lambda line: bar.update(next(done), line.partition(" (")[0]),
        kept=keep(identity),
    )
    shown = {_said(name): row for name, row in table(results).items()}
    shown_at = [str(folder) if not folder.is_absolute() else folder.name for folder in (real, synthetic)]
    command = f"physiogen augment --real {shown_at[0]} --synthetic {shown_at[1]} --shares {','.join(map(str, shares))}"
    command += "".join(
        f" --{name} {value}"
        for name, value, usual in (("ratio", ratio, None), ("seeds", seeds, 3), ("steps", steps, None))
        if value != usual
    )
    return Results(
        "augment",
        command,
        {"macro AUROC on the test patients, trained on": shown},
        data=[data_at(real), data_at(synthetic)],
        n=len(loaded["test"]),
        settings={"classes": list(names), "seeds": seeds, "steps": steps or FitConfig().steps},
        notes=[_counted(loaded, names)],
    )


def _usable(data: "EcgDataset") -> tuple[str, ...]:
    """Classes of which there are records with and without, in training and test."""
    splits = data.table["split"].to_numpy()
    kept = []
    for k, name in enumerate(data.classes):
        each = [data.labels[splits == part, k] for part in ("train", "val", "test")]
        if all(len(values) and 0 < values.sum() < len(values) for values in each):
            kept.append(name)
        else:
            say(f"warning: class {name} is left out: some split has no record with it, or none without")
    if not kept:
        raise InputError(
            "no class has records in the training, validation and test patients of --real; accepted: a set with "
            "labels or SCP-ECG statements and enough patients"
        )
    return tuple(kept)


def _in_both(names: tuple[str, ...], real: "EcgDataset", synthetic: Path) -> tuple[str, ...]:
    """Classes that the synthetic set can tell: classes of PTB-XL, its own labels, and labels whose meaning is known."""
    from gen.datasets.indexed import dataset
    from gen.datasets.own_labels import LABEL, labels_of
    from gen.datasets.scp import LABEL_LEVELS, labels_at

    told = {*real.meanings, *(name for level in LABEL_LEVELS for name in labels_at(level))}
    if told.issuperset(names):
        return names
    table = dataset(synthetic, classes="super").table
    own = {name for row in table.to_dict("records") for name in labels_of(row)}
    kept = tuple(name for name in names if name in told or name in own)
    there = f"its labels: {', '.join(sorted(own)) or 'none'}"
    if not kept:
        raise InputError(
            f"--synthetic {synthetic}: has none of the labels of --real ({', '.join(names)}); {there}; accepted: a "
            "set made with the same labels (physiogen synthesize --like REAL --balance label), or a --real prepared "
            "with --meaning, which says what they stand for"
        )
    for name in names:
        if name not in kept:
            say(f"warning: class {name} is left out: --synthetic {synthetic} has no such {LABEL}; {there}")
    return kept


def _check(sets: "dict[str, EcgDataset]", added: "EcgDataset", names: tuple[str, ...]) -> None:
    synthetic = added.table["synthetic"].to_numpy(dtype=bool)
    if not synthetic.any():
        say("warning: no record of --synthetic says that it is synthetic")
    shared = set(added.table["record_id"]) & set(sets["test"].table["record_id"])
    if shared:
        raise InputError(f"{len(shared)} records of --synthetic are test records of --real, such as {min(shared)}")
    missing = [name for name, count in zip(names, added.labels.sum(axis=0), strict=True) if not count]
    if len(missing) == len(names):
        raise InputError(
            f"--synthetic: no record of any class ({', '.join(names)}); accepted: a set with the same labels"
        )
    if missing:
        say(f"warning: no synthetic record of {', '.join(missing)}")


def _labelled(data: "EcgDataset", bar: Progress) -> "LabelledSet":
    import numpy as np

    from metrics.utility.downstream import LabelledSet

    out = np.empty((len(data), len(data.leads), data.num_samples), dtype=np.float32)
    for start in range(0, len(data), _BLOCK):
        items = data.__getitems__(range(start, min(start + _BLOCK, len(data))))
        out[start : start + len(items)] = [item["signal"] for item in items]
        bar.update(0, f"reading, {start + len(items)} of {len(data)} records")
    return LabelledSet(out, data.fs_hz, data.labels.astype(bool), data.table["patient_id"].to_numpy())


def _said(name: str) -> str:
    """The name of a setting in words."""
    kind, at, share = name.partition("@")
    words = {
        "TRTR": "real alone", "TSTR": "synthetic alone", "pretrain": "first synthetic, then real",
        "class-weights": "control: class weights", "oversampling": "control: oversampling",
        "augmentation": "control: variation", "mixup": "control: mixup",
    }  # fmt: skip
    said = words.get(kind) or kind.replace("real+", "real + ").replace("x", " synthetic per real")
    return said + (f" ({share} of the real)" if at else "")


def _counted(loaded: "dict[str, LabelledSet]", names: tuple[str, ...]) -> str:
    lines = []
    for part, each in loaded.items():
        counts = zip(names, each.labels.sum(axis=0), strict=True)
        lines.append(f"{part} {len(each)} ({', '.join(f'{name} {int(count)}' for name, count in counts)})")
    return "Records: " + "; ".join(lines) + "."


def verdict(results: "Results") -> list[str]:
    """The gain in words, for each share of the real records."""
    gains: dict[str, dict[str, Any]] = {}
    for path, value in results.flat():
        _, name, measure = path.split("/", 2)
        trained, _, share = name.partition(" (")
        if measure == "change of AUROC":
            gains.setdefault(share.rstrip(")") or "all of the real", {})[trained] = value
    lines = []
    for share, found in gains.items():
        with_synthetic = {name: value for name, value in found.items() if "per real" in name}
        usual = {name: value for name, value in found.items() if name.startswith("control")}
        for value in with_synthetic.values():
            counts = "a gain" if value.low > 0 else "a loss" if value.high < 0 else "no gain that counts"
            line = f"{share}: synthetic records change the macro AUROC by {value.value:+.3f} "
            line += f"[{value.low:+.3f}, {value.high:+.3f}]: {counts}"
            if usual:
                best = max(usual, key=lambda name: usual[name].value)
                line += f"; best of the controls: {best.removeprefix('control: ')} {usual[best].value:+.3f}"
            lines.append(line)
    return lines


def _write(out: Path, results: "Results") -> None:
    import csv
    import io

    from gen.files import write_text

    results.write(out / "gain.json")
    write_text(out / "gain.md", results.to_markdown())
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trained on", "measure", "value", "low", "high"])
    for path, value in results.flat():
        _, trained, measure = path.split("/", 2)
        writer.writerow([trained, measure, value.value, value.low, value.high])
    write_text(out / "gain.csv", text.getvalue())
