"""Figures of the judge of text against ECG: ``physiogen evaluate clip --data CACHE [--split test]``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gen.datasets.cache import SignalCache
from gen.evaluations import Progress, data_of
from gen.results import Results, Value
from metrics.conditioning import retrieval, text_agreement
from metrics.evaluation.settings import Clip as Settings
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


def tables(figures: Mapping[str, Any]) -> dict[str, Any]:
    """What `evaluate` gives, in groups."""
    n, found = figures["n"], figures["retrieval"]
    zero_shot = {}
    for name in ("super", "statements"):
        values = {key: Value.of(value, n=n, better="higher") for key, value in figures[f"zero_shot_{name}"].items()}
        zero_shot[f"zero-shot AUROC, {name}"] = {"macro": values.pop("macro"), **values}
    return {
        "agreement of text and ECG": {
            "cosine, own report": Value.of(figures["cosine_own"], n=n, better="higher"),
            "cosine, another's report": Value.of(figures["cosine_shuffled"], n=n, better="reference"),
            "cosine, noise": Value.of(figures["cosine_noise"], n=n, better="reference"),
            "own against others', AUROC": Value.of(figures["match_auroc"], n=n, better="higher"),
        },
        "retrieval among 100 texts": {
            "within the first": Value.of(found["at_1"], n=n, better="higher"),
            "within the first 5": Value.of(found["at_5"], n=n, better="higher"),
            "within the first 10": Value.of(found["at_10"], n=n, better="higher"),
            "median rank": Value.of(found["median_rank"], n=n, better="lower"),
        },
        **zero_shot,
    }


def run(settings: Settings, progress: Progress) -> Results:
    """Agreement, retrieval and zero-shot AUROC."""
    clip = Clip.load(settings.checkpoint)
    figures = evaluate(clip, settings.data, settings.split, settings.seed)
    progress(f"{figures['n']} records with {figures['distinct_texts']} different texts scored")
    return settings.results(
        tables(figures),
        data=[data_of(SignalCache.open(settings.data), settings.split)],
        n=figures["n"],
        headline=[
            "agreement of text and ECG/own against others', AUROC",
            "retrieval among 100 texts/within the first 10",
            "zero-shot AUROC, super/macro",
            "zero-shot AUROC, statements/macro",
        ],
        weights=figures["weights"],
        distinct_texts=figures["distinct_texts"],
    )
