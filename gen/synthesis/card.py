"""Data card of a synthetic set: what it is, how it was made, and what must not be done with it."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gen.files import write_text
from gen.synthesis.licence import terms

_SHOWN = 25
_SIZES = (("n<1K", 1000), ("1K<n<10K", 10_000), ("10K<n<100K", 100_000), ("100K<n<1M", 1_000_000))


def write_card(
    folder: Path,
    manifest: Mapping[str, Any],
    conditions: Mapping[str, Any],
    facts: Mapping[str, Any],
    rows: Iterable[Mapping[str, str]],
    refused: Sequence[int] = (),
) -> None:
    """Write ``card.json`` and ``README.md``; equal sets get equal bytes.

    Args:
        folder: the set's.
        manifest: see `gen.synthesis.output.DataSet.manifest`.
        conditions: what was asked for, in words.
        facts: of the model.
        rows: of the table.
        refused: how often each sample was drawn that could not be made.
    """
    contents = _contents(rows)
    contents["rejections"] = _rejections(contents.pop("again"), contents["records"], refused)
    allowed = terms(facts, conditions)
    card = {
        "title": "Synthetic 12-lead ECGs",
        "synthetic": True,
        "intended_use": "augmentation, teaching, software tests; not for diagnosis",
        "licence": allowed.text.replace("**", ""),
        "may_be_shared": allowed.shareable,
        "sources": [{"name": name, "licence": each, "citation": cited} for name, each, cited in allowed.sources],
        "conditions": dict(conditions),
        "contents": contents,
        "generator": {**facts, "digests": manifest["model"], "settings": manifest["settings"]},
        **{key: manifest[key] for key in ("samples", "seed", "records", "software")},
        "conditions_digest": manifest["conditions"],
    }
    for name, text in (
        ("card.json", json.dumps(card, indent=2, ensure_ascii=False)),
        ("README.md", _header(card, allowed.tag) + _readme(card)),
    ):
        write_text(folder / name, text.rstrip() + "\n")


def _header(card: Mapping[str, Any], tag: str) -> str:
    """What `datasets.load_dataset(FOLDER)` reads: which files hold the records."""
    files = {"parquet": "shard-*.parquet", "webdataset": "shard-*.tar"}.get(card["records"]["format"], "metadata.csv")
    count = card["contents"]["records"]
    size = next((name for name, most in _SIZES if count < most), "n>1M")
    lines = [
        "---",
        f"license: {tag}",
        f"pretty_name: {card['title']}",
        f"size_categories: ['{size}']",
        "tags: [synthetic, ecg]",
        "configs:",
        "- config_name: default",
        "  data_files:",
        "  - split: train",
        f"    path: '{files}'",
        "---",
        "",
        "",
    ]
    return "\n".join(lines)


def _contents(rows: Iterable[Mapping[str, str]]) -> dict[str, Any]:
    sexes: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    count, again = 0, 0
    aged, years, least, most = 0, 0.0, math.inf, -math.inf
    for row in rows:
        count += 1
        again += int(json.loads(row["metadata"] or "{}").get("tries", 1)) - 1
        sexes[row["sex"] or "not given"] += 1
        codes.update(json.loads(row["statements"] or "{}").keys())
        if row["age"]:
            age = float(row["age"])
            aged, years, least, most = aged + 1, years + age, min(least, age), max(most, age)
    return {
        "records": count,
        "again": again,
        "sex": dict(sorted(sexes.items())),
        "age": {"least": least, "mean": round(years / aged, 1), "most": most} if aged else None,
        "statements": dict(sorted(codes.items(), key=lambda item: (-item[1], item[0]))),
    }


def _rejections(again: int, records: int, refused: Sequence[int]) -> dict[str, Any]:
    """Draws that no heart makes or that missed the request, of all draws; and samples given up."""
    rejected, drawn = again + sum(refused), again + records + sum(refused)
    return {
        "draws": drawn,
        "rejected": rejected,
        "rate": round(rejected / drawn, 4) if drawn else 0.0,
        "samples_refused": len(refused),
    }


def _readme(card: Mapping[str, Any]) -> str:
    contents, records, generator = card["contents"], card["records"], card["generator"]
    settings = generator["settings"]
    plain = {key: value for key, value in card["conditions"].items() if key != "classes"}
    asked = ", ".join(f"{key} {value}" for key, value in plain.items())
    codes = list(contents["statements"].items())
    age, rejected = contents["age"], contents["rejections"]
    classes = card["conditions"].get("classes") or {}
    lines = [
        f"# {card['title']}",
        "",
        f"**Synthetic data: all {contents['records']} records were made by software, none was recorded from a person. "
        "Not for diagnosis.**",
        "",
        f"Format {records['format']}; signals in mV, twelve leads. `metadata.csv` has one row per record: what was "
        "asked for (age, sex, report, statements, `request` in the metadata) and the mark `synthetic`. `manifest.json` "
        "names weights, seed and conditions; the same command goes on with an unfinished set and never mixes it with "
        "another.",
        "",
        "| | |",
        "|---|---|",
        f"| Conditions | {asked} |",
        *(
            [f"| Records of each class | {', '.join(f'{name} {n}' for name, n in classes.items())} |"]
            if classes
            else []
        ),
        f"| Seed | {card['seed']} |",
        *(f"| Weights, {name} (SHA-256) | `{digest}` |" for name, digest in generator["digests"].items()),
        f"| Sampler | {settings.get('scheduler', '?')}, {settings.get('steps', '?')} steps |",
        f"| Trained on | {generator.get('trained_on') or 'not stated'} |",
        f"| Licence of the training data | {generator.get('training_licence') or 'not stated'} |",
        f"| Sex | {', '.join(f'{name} {count}' for name, count in contents['sex'].items())} |",
        f"| Draws rejected | {rejected['rejected']} of {rejected['draws']} |",
        f"| Samples given up | {rejected['samples_refused']} |",
        f"| Age | {'not given' if age is None else '{least:g} to {most:g}, mean {mean:g} years'.format(**age)} |",
        "",
        f"May it be passed on? {card['licence']}",
    ]
    if codes:
        lines += ["", "Statements asked for (SCP-ECG codes):", "", "| code | records |", "|---|---|"]
        lines += [f"| {code} | {count} |" for code, count in codes[:_SHOWN]]
        if len(codes) > _SHOWN:
            lines.append(f"| {len(codes) - _SHOWN} further ones | see card.json |")
    return "\n".join(lines)
