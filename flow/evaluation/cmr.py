"""Measures a cmr pipeline on simulated hearts it has never seen: ``python -m flow.evaluation.cmr --help``.

    python -m flow.evaluation.cmr --checkpoint RUN/pipeline --data CACHE --samples 6 --real .data/sunnybrook --out
    FIGURES

writes ``figures.json`` and ``figures.md``. The ECG alone speaks unless ``--patient`` is given. Every interval is a 95 %
bootstrap interval over hearts; the control takes the ECG of another heart, all else equal.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from flow.evaluation import agreement
from flow.evaluation import sections as figures
from flow.evaluation.generate import generate
from flow.evaluation.sections import QUANTITIES
from flow.pipeline import ECGToCMRPipeline, load
from flow.training.latents import encode_ecgs
from flow.training.pair_cache import PairCache
from gen.records import InputError
from metrics.statistics.bootstrap import Interval

#: Sections of the report, in its order.
SECTIONS = ("information", "timing", "volumes", "groups", "swap", "realism", "codec", "speed")


def evaluate(
    pipeline: ECGToCMRPipeline,
    cache: PairCache,
    *,
    n: int = 300,
    num_samples: int = 6,
    seed: int = 0,
    patient: bool = False,
    real: Path | None = None,
    sections: tuple[str, ...] = SECTIONS,
    verbose: bool = False,
) -> dict[str, Any]:
    """All figures of a pipeline; `Interval` values, tables and settings by name.

    Args:
        pipeline: what is measured.
        cache: simulated pairs; hearts of part ``test`` are scored, the regressors learn from ``train`` and ``ecgs``.
        n: hearts at most.
        num_samples: hearts drawn per ECG.
        seed: of the samples and of the shuffling.
        patient: tell network and regressors age, sex, height and weight too.
        real: folder of real short-axis cines, a further reference.
        sections: which of `SECTIONS`; the drawn hearts, and so the figures, are the same whichever are asked for.
        verbose: tell on stderr what is under way.
    """
    part = cache.part("test")
    rows = part.hearts[:n]
    told = encode_ecgs(pipeline.encoder, part, rows)
    tell = _teller(verbose)
    tell(f"{len(rows)} hearts, {num_samples} samples each")
    right = generate(pipeline, told, num_samples=num_samples, seed=seed, patient=patient, keep_loops=True)
    report: dict[str, Any] = {
        "settings": {
            "hearts": len(rows),
            "not_usable": len(part) // part.slices - len(part.hearts),
            "samples": num_samples,
            "seed": seed,
            "patient": patient,
            "model": pipeline.digest,
            "data": cache.digest,
            "steps": pipeline.steps,
        }
    }

    def information() -> dict[str, Any]:
        other = _derangement(len(rows), seed)
        swapped = {"tokens": told["tokens"][other], "summary": told["summary"][other], "numbers": told["numbers"]}
        swapped["numbers"] = np.where(np.arange(told["numbers"].shape[1]) == 0, told["numbers"][other], told["numbers"])
        tell("the same with another heart's ECG")
        wrong = generate(pipeline, swapped, num_samples=num_samples, seed=seed, patient=patient)
        return figures.information(cache, part, rows, right, wrong, patient)

    measures: dict[str, Callable[[], Any]] = {
        "information": information,
        "timing": lambda: figures.timing(pipeline, part, rows, right),
        "volumes": lambda: agreement.volumes(pipeline, part, rows, right),
        "groups": lambda: figures.groups(part, rows, right),
        "swap": lambda: figures.swap_test(pipeline, part, rows[: min(len(rows), 80)]),
        "realism": lambda: figures.realism(pipeline, part, rows, right, real),
        "codec": lambda: figures.codec_figures(pipeline, part, rows, real),
        "speed": lambda: figures.speed(pipeline, told),
    }
    for name in SECTIONS:
        if name in sections:
            tell(name)
            report[name] = measures[name]()
    return report


def _derangement(n: int, seed: int) -> np.ndarray:
    """A permutation that leaves nobody in place."""
    order = np.random.default_rng(seed).permutation(n)
    out = np.empty(n, dtype=int)
    out[order] = np.roll(order, 1)
    return out


def _teller(verbose: bool) -> Any:
    start = time.perf_counter()

    def tell(text: str) -> None:
        if verbose:
            print(f"{time.perf_counter() - start:6.0f} s  {text}", file=sys.stderr, flush=True)

    return tell


def to_json(value: Any) -> Any:
    """Figures as JSON values, numbers rounded to five digits."""
    if isinstance(value, Interval):
        return {key: to_json(v) for key, v in asdict(value).items()}
    if isinstance(value, dict):
        return {key: to_json(v) for key, v in value.items()}
    if isinstance(value, list):
        return [to_json(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.5g}") if np.isfinite(value) else None
    return value


def to_markdown(report: dict[str, Any]) -> str:
    """The figures as tables."""
    lines = [", ".join(f"{key} {value}" for key, value in report["settings"].items())]
    if "information" in report:
        lines += [
            "",
            "| quantity | generated r | expectation r | best regressor r | share | expectation's share | "
            "other ECG r | right - other | ceiling r |",
        ]
        lines += ["|---" * 9 + "|"]
        for name, row in report["information"].items():
            names = ("r_generated", "r_expectation", "r_best_regressor", "share_of_regressor", "share_of_expectation")
            cells = [row[name] for name in (*names, "r_other_ecg")]
            cells += [row["right_minus_other"], f"{row['ceiling_r']:.2f}"]
            lines.append(f"| {name} | " + " | ".join(map(str, cells)) + " |")
    for section in ("timing", "volumes", "swap", "realism", "codec", "speed"):
        if section in report:
            lines += ["", f"| {section} | |", "|---|---|"]
            lines += [f"| {name} | {_cell(value)} |" for name, value in report[section].items()]
    if "groups" in report:
        lines += ["", "| group | n | " + " | ".join(f"{q} true / generated" for q in QUANTITIES) + " |"]
        lines += ["|---|---|" + "---|" * len(QUANTITIES)]
        for row in report["groups"]:
            cells = [f"{row[q][0]:.3g} / {row[q][1]:.3g}" for q in QUANTITIES]
            lines.append(f"| {row['group']} | {row['n']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_cell(v)}" for key, v in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Command line of `evaluate`."""
    parser = argparse.ArgumentParser(description="Measure a cmr pipeline on simulated hearts it has never seen.")
    parser.add_argument("--checkpoint", type=Path, help="pipeline folder; the shipped one by default")
    parser.add_argument("--data", type=Path, required=True, help="cache made by python -m flow.training.pair_cache")
    parser.add_argument("--real", type=Path, help="folder of real short-axis cines (Sunnybrook)")
    parser.add_argument("--n", type=int, default=300, help="hearts at most")
    parser.add_argument("--samples", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--patient", action="store_true", help="tell age, sex, height and weight too")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS, help="sections of the report")
    parser.add_argument("--out", type=Path, required=True, help="folder for figures.json and figures.md")
    options = parser.parse_args()
    try:
        report = evaluate(
            load(options.checkpoint),
            PairCache.open(options.data),
            n=options.n,
            num_samples=options.samples,
            seed=options.seed,
            patient=options.patient,
            real=options.real,
            sections=tuple(options.only),
            verbose=True,
        )
    except InputError as error:
        print(f"flow.evaluation.cmr: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "figures.json").write_text(json.dumps(to_json(report), indent=2) + "\n")
    text = to_markdown(report)
    (options.out / "figures.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
