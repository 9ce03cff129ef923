"""Does a rebuilt ECG keep the diagnosis.

``python -m vae.evaluation.diagnosis --data CACHE --split test --leads II,V1,V5``

One frozen classifier (`metrics.judges.classifier`, trained on complete ECGs) reads each real record and the one
rebuilt from
some of its leads (WearECG's question; `metrics.utility.retention`). The same figures through files, without the table
per class: ``physiogen reconstruct``, then ``physiogen benchmark --preset reconstruction``.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from gen.card import NAMELESS, note_evaluation
from gen.checkpoint import CARD, checkpoint_digest
from gen.datasets.cache import SignalCache
from gen.files import read_json, write_json
from gen.leads import LeadError, parse_leads
from gen.records import EcgRecord, InputError
from metrics.judges.classifier.labels import label_matrix, statements_of
from metrics.judges.classifier.model import Classifier, shipped
from metrics.utility.retention import Judge, Retention, retention
from vae.evaluation.reconstruction import records_of
from vae.pipeline import METHODS, ReconstructionPipeline, load

BLOCK = 32


def rebuilt_8(pipeline: ReconstructionPipeline, records: Sequence[EcgRecord], leads: Sequence[str]) -> np.ndarray:
    """(n, 8, time) mV rebuilt from these leads of complete records of one rate and length."""
    found = []
    for start in range(0, len(records), BLOCK):
        found += [r.record.to_8().signal_mv for r in pipeline(list(records[start : start + BLOCK]), leads=leads)]
    return np.stack(found)


def diagnostic_retention(
    pipeline: ReconstructionPipeline,
    records: Sequence[EcgRecord],
    labels: np.ndarray,
    leads: Sequence[str],
    classifier: Judge,
) -> Retention:
    """What rebuilding records from these leads does to the classifier's reading of them.

    Args:
        pipeline: the method.
        records: complete records of one rate and length, with patients.
        labels: (n, class) bool, superclasses in the classifier's order.
        leads: leads that are observed.
        classifier: judges real and rebuilt records.
    """
    return retention(
        np.stack([record.to_8().signal_mv for record in records]),
        rebuilt_8(pipeline, records, leads),
        classifier,
        fs_hz=records[0].fs_hz,
        labels=labels,
        patients=[record.patient.id or record.record_id for record in records],
    )


def format_table(found: Retention) -> str:
    """A markdown table with one row per superclass and one for all."""

    def cell(value: float | None) -> str:
        return "–" if value is None else f"{value:.3f}"

    lines = ["| | AUROC real | rebuilt | change | decisions changed | kappa |", "|---|---|---|---|---|---|"]
    for each in found.classes:
        change = "–" if each.auroc_change is None else _change(each.auroc_change.interval)
        cells = (cell(each.auroc_real), cell(each.auroc_rebuilt), change, f"{each.flip_rate:.1%}", cell(each.kappa))
        lines.append(f"| {each.name} | " + " | ".join(cells) + " |")
    real, rebuilt = (_macro([getattr(each, name) for each in found.classes]) for name in _SIDES)
    change = "–" if found.auroc_change is None else _change(found.auroc_change.interval)
    flips = f"{found.flip_rate.value:.1%} [{found.flip_rate.low:.1%}, {found.flip_rate.high:.1%}]"
    lines.append(f"| all | {cell(real)} | {cell(rebuilt)} | {change} | {flips} | {cell(found.kappa)} |")
    return "\n".join(lines)


_SIDES = ("auroc_real", "auroc_rebuilt")


def _macro(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _change(interval: Any) -> str:
    return f"{interval.value:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"


def note_in_card(folder: Path, figures: dict[str, Any]) -> None:
    """Note figures among the evaluations of a checkpoint's card; everything else stays."""
    card = read_json(folder / CARD) if (folder / CARD).is_file() else NAMELESS
    noted = {"name": "diagnosis", "command": figures["command"], "revision": version("physiogen"), "values": figures}
    write_json(folder / CARD, note_evaluation(card, noted))


def _for_card(found: Retention) -> dict[str, Any]:
    """The figures of one input set, short enough for a card."""

    def three(interval: Any) -> list[float]:
        return [round(float(x), 4) for x in (interval.value, interval.low, interval.high)]

    def rounded(value: float | None) -> float | None:
        return None if value is None or not np.isfinite(value) else round(value, 4)

    return {
        "auroc_change": None if found.auroc_change is None else three(found.auroc_change.interval),
        "flip_rate": three(found.flip_rate),
        "kappa": rounded(found.kappa),
        "classes": {
            each.name: {
                "auroc_real": rounded(each.auroc_real),
                "auroc_rebuilt": rounded(each.auroc_rebuilt),
                "auroc_change": None if each.auroc_change is None else three(each.auroc_change.interval),
                "flip_rate": rounded(each.flip_rate),
                "kappa": rounded(each.kappa),
            }
            for each in found.classes
        },
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m vae.evaluation.diagnosis", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="cache made by `physiogen data prepare`")
    parser.add_argument("--split", default="val", choices=("train", "val", "test"))
    parser.add_argument("--leads", action="append", help="input set such as II,V1,V5 (the default); may be repeated")
    parser.add_argument("--methods", default="default", help=f"comma-separated, of: {', '.join(METHODS)}")
    parser.add_argument("--checkpoint", type=Path, help="weights for the methods default and wearecg")
    parser.add_argument("--classifier", type=Path, help="checkpoint of the classifier that judges; the shipped one")
    parser.add_argument("--limit", type=int, help="first N records only")
    parser.add_argument("--card", type=Path, help="checkpoint folder in whose card the first method's figures go")
    parser.add_argument("--json", type=Path, help="write all figures here")
    options = parser.parse_args(arguments)
    try:
        figures = _measure(options)
    except (InputError, LeadError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        write_json(options.json, figures)
    return 0


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    sets = [parse_leads(text) for text in options.leads or ["II,V1,V5"]]
    cache = SignalCache.open(options.data)
    records = records_of(cache, options.split, options.limit)
    classifier = Classifier.load(options.classifier) if options.classifier else shipped()
    statements = statements_of(cache.table.iloc[cache.split(options.split)[: options.limit]])
    labels = label_matrix(statements, classifier.classes["super"], "super")
    methods = options.methods.split(",")
    figures: dict[str, Any] = {}
    for method in methods:
        pipeline = load(options.checkpoint if method in ("default", "wearecg") else None, method=method)
        noted: dict[str, Any] = {}
        for leads in sets:
            found = diagnostic_retention(pipeline, records, labels, leads, classifier)
            name = ",".join(leads)
            print(f"\n{method}, {name} given, {len(records)} records of split {options.split}\n\n{format_table(found)}")
            figures[f"{method}, {name}"] = found.to_dict()
            noted[name] = _for_card(found)
        if options.card and method == methods[0]:
            if pipeline.predictor.digest != checkpoint_digest(options.card):
                raise InputError(f"--card {options.card}: holds other weights than those measured; give --checkpoint")
            wanted = " ".join(f"--leads {name}" for name in noted)
            note = {
                "command": f"python -m vae.evaluation.diagnosis --data CACHE --split {options.split} {wanted}",
                "split": options.split,
                "records": len(records),
                "classifier": classifier.digest,
                **noted,
            }
            note_in_card(options.card, note)
    return figures


if __name__ == "__main__":
    sys.exit(main())
