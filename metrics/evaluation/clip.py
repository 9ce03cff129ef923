"""Figures of a trained judge: ``python -m metrics.evaluation.clip --data CACHE [--model DIR] [--split test]``."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gen.datasets.cache import SignalCache
from metrics.conditioning import retrieval, text_agreement
from metrics.judges.classifier.labels import statements_of
from metrics.judges.clip.model import Clip
from metrics.judges.clip.scores import match_auroc, superclasses, zero_shot_aurocs
from metrics.judges.clip.tokens import groups, tokens_of


def evaluate(clip: Clip, data: Path, split: str = "test", seed: int = 0) -> dict[str, Any]:
    """Agreement with own, others' and no ECG, retrieval among 100 texts, zero-shot AUROC, on one split of a cache."""
    cache = SignalCache.open(data)
    rows = cache.split(split)
    table = cache.table.iloc[rows]
    kept = np.array([isinstance(text, str) and bool(text.strip()) for text in table["report"]])
    rows, table = rows[kept], table[kept]
    signal, texts = cache.batch(rows), [str(text) for text in table["report"]]
    ecg, text = clip.embed_ecg(signal, cache.fs_hz), clip.embed_text(texts)
    rng = np.random.default_rng(seed)
    spread = np.nanstd(signal, axis=(0, 2))[:, None]
    noise = clip.embed_ecg(spread * rng.standard_normal((100, *signal.shape[1:])), cache.fs_hz)
    same = groups(tokens_of(texts, int(clip.network.config.vocabulary_size)))
    agreement = text_agreement(
        reference=ecg, reference_text=text, generated=ecg, generated_text=text, noise=noise, seed=seed
    )
    found, statements = retrieval(reference=text, generated=ecg, seed=seed), statements_of(table)
    coarse = zero_shot_aurocs(clip, ecg, statements, superclasses(), "super")
    codes = sorted({code for each in statements for code in each})
    fine = zero_shot_aurocs(clip, ecg, statements, {code: [code] for code in codes}, "all")
    return {
        "n": len(rows),
        "distinct_texts": len(np.unique(same)),
        "cosine_own": agreement.real,
        "cosine_shuffled": agreement.shuffled,
        "cosine_noise": agreement.noise,
        "match_auroc": match_auroc(ecg, text, same),
        "retrieval": {"at_1": found.at_1, "at_5": found.at_5, "at_10": found.at_10, "median_rank": found.median_rank},
        "zero_shot_super": {"macro": float(np.mean(list(coarse.values()))), **coarse},
        "zero_shot_statements": {"macro": float(np.mean(list(fine.values()))), **fine},
        "weights": clip.digest,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m metrics.evaluation.clip", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--data", type=Path, required=True, help="cache made by physiogen data prepare")
    parser.add_argument("--model", type=Path, help="checkpoint folder (default: the shipped weights)")
    parser.add_argument("--split", default="test", choices=("train", "val", "test"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    result = evaluate(Clip.load(options.model), options.data, options.split)
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        shown = ", ".join(f"{k} {v:.3g}" for k, v in value.items()) if isinstance(value, dict) else value
        print(f"{name}: {shown if not isinstance(shown, float) else f'{shown:.3f}'}")


if __name__ == "__main__":
    main()
