"""The benchmark of ECGs: sets read, aligned and paired, guards against leakage, then section by section."""

import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import metrics.distribution.ecg_parameters
import metrics.judges.classifier  # noqa: F401  (both register the extractors that they have)
from gen import __version__
from gen.datasets.scp import SUPERCLASSES
from gen.io.kept import Kept
from gen.leads import LEADS_8
from gen.records import InputError
from metrics.definitions import VERSION
from metrics.distribution.extractors import Extractor, extractor, extractor_names
from metrics.report.entries import CONTRACT, BenchmarkReport, Entry, Picture, skip
from metrics.suite.aligned import AlignedSet, align_set, choose_target
from metrics.suite.job import Job, Section, draw
from metrics.suite.kept import digest_of_set, kept_section
from metrics.suite.pairing import find_pairs, with_patients_of
from metrics.suite.presets import Preset
from metrics.suite.progress import Progress, Report
from metrics.suite.sets import EcgSet, manifest_patients, open_set

#: Section -> (module of `metrics.suite.sections`, function), imported when the preset asks for it.
SECTIONS: Mapping[str, tuple[str, str]] = {
    "paired": ("paired", "paired_section"),
    "features": ("features", "features_section"),
    "physics": ("physics", "physics_section"),
    "parameters": ("parameters", "parameters_section"),
    "waveform": ("waveform", "waveform_section"),
    "diversity": ("features", "diversity_section"),
    "conditioning": ("conditioning", "conditioning_section"),
    "identity": ("identity", "identity_section"),
    "retention": ("downstream", "retention_section"),
    "utility": ("downstream", "utility_section"),
    "privacy": ("privacy", "privacy_section"),
}
#: Relative cost of a section per record, for the ETA; reading a record costs about 1.
_COST = {
    "paired": 8.0,
    "features": 45.0,
    "physics": 25.0,
    "parameters": 20.0,
    "waveform": 120.0,
    "diversity": 4.0,
    "conditioning": 4.0,
    "identity": 2.0,
    "retention": 20.0,
    "utility": 400.0,
    "privacy": 15.0,
}
#: Of drawing what a section has found, whatever the number of records.
_DRAWING = {"physics": 20e3, "parameters": 5e3, "waveform": 5e3, "features": 2e3, "paired": 2e3, "privacy": 2e3}
#: The first that can be made gives the figures without a suffix.
DEFAULT_EXTRACTORS = ("ptbxl-classifier", "random-conv", "ecg-parameters")
_QUICK_EXTRACTORS = DEFAULT_EXTRACTORS[:2]


#: A superclass whose share differs by more is told.
_OTHER_MIX = 0.1


def ecg_benchmark(
    real: str | Path,
    generated: str | Path,
    train: str | Path | None,
    chosen: Preset,
    extractors: Sequence[str] | None,
    leads: Sequence[str] | None,
    seconds: float | None,
    seed: int,
    draw_pictures: bool,
    report: Report | None,
    keep: Callable[[Mapping[str, Any]], Kept] = lambda identity: Kept(),
) -> BenchmarkReport:
    """Score generated ECGs; see `metrics.suite.benchmark` for the arguments.

    Args:
        real, generated, train: locations of the sets.
        chosen: sections and effort.
        extractors, leads, seconds, seed: as asked for.
        draw_pictures: for the page.
        report: told of the progress.
        keep: given what decides the figures, what a run before this one has worked out.

    Raises:
        InputError: the sets cannot be compared.
    """
    start = time.perf_counter()
    if seed < 0:
        raise InputError(f"--seed {seed}: accepted: 0 or more")
    warnings: list[str] = []
    sets = {"real": open_set(real), "generated": open_set(generated)}
    listed = None if train is None else manifest_patients(train)
    if train is not None and listed is None:
        sets["train"] = open_set(train)
    _refuse_leakage(sets, listed, train)
    sets |= {key: _thinned(sets[key], sets, chosen, seed, warnings) for key in ("real", "generated")}
    made, skipped = _extractors(extractors, chosen)
    progress = Progress(_costs(sets, chosen, len(made), drawn=draw_pictures), report)
    target, notes = choose_target(list(sets.values()), leads=leads, seconds=seconds)
    aligned: dict[str, AlignedSet] = {}
    for key, each in sets.items():
        with progress.step(f"reading {key}"):
            wanted = replace(target, leads=LEADS_8) if key == "train" and set(LEADS_8) <= set(target.leads) else target
            aligned[key] = align_set(each, wanted, advance=_counter(progress, len(each)))
        notes += [f"{each.name}: {change}" for change in aligned[key].changes if f"{each.name}: resampled" not in notes]
        if aligned[key].excluded:
            names = ", ".join(aligned[key].excluded[:5])
            warnings.append(f"{each.name}: {len(aligned[key].excluded)} records hold NaN and were left out ({names})")
    _refuse_copied_evaluation(aligned)
    warnings += _exchanged(aligned)
    pairs = find_pairs(aligned["real"], aligned["generated"], warnings, seed=seed)
    if pairs is not None:
        aligned["generated"] = with_patients_of(aligned["real"], aligned["generated"], pairs)
    identical = sorted(aligned["real"].fingerprints) == sorted(aligned["generated"].fingerprints)
    job = Job(
        real=aligned["real"],
        generated=aligned["generated"],
        train=aligned.get("train"),
        pairs=pairs,
        identical=identical,
        extractors=tuple(made) if aligned["real"].has_8 else (),
        preset=chosen,
        seed=seed,
        progress=progress,
        warnings=warnings,
        kept=keep(
            {
                "command": "benchmark",
                "software": f"{__version__} {VERSION}",
                "sets": {key: digest_of_set(each) for key, each in aligned.items()},
                "extractors": {each.name: each.digest for each in made},
                "preset": asdict(chosen),
                "seed": seed,
            }
        ),
    )
    _warn_of_dimension(job)
    _warn_of_class_mix(job)
    entries = _run_sections(job, chosen)
    entries += [skip(f"fid@{name}", reason, "Distribution of features") for name, reason in skipped.items()]
    if listed is not None:
        reason = "--train names patients only; the waveforms of the training set are needed"
        entries = [
            skip(each.name, reason, each.section) if each.section == "Privacy" and each.skipped else each
            for each in entries
        ]
    pictures: tuple[Picture, ...] = ()
    with progress.step("drawing"):
        if draw_pictures:
            from metrics.suite.pictures import gather

            pictures = gather(job)
    settings = _settings(job, notes, chosen, seed, train, skipped, time.perf_counter() - start)
    people = {person: k for k, person in enumerate(dict.fromkeys(job.generated.patients))}
    return BenchmarkReport(
        headline=_headline(job),
        entries=_by_name(entries),
        settings=settings,
        warnings=tuple(dict.fromkeys(job.warnings)),
        record_ids=job.generated.ids,
        record_patients=tuple(people[person] for person in job.generated.patients),
        pictures=pictures,
    )


def _exchanged(aligned: Mapping[str, AlignedSet]) -> list[str]:
    """What the marks of the records say against their places; told at once, for the figures take minutes."""
    real, generated = ([record.synthetic for record in aligned[key].facts] for key in ("real", "generated"))
    if not all(real) or any(generated):
        return []
    text = f"all of --real {aligned['real'].name} and none of --generated are marked synthetic: are they exchanged?"
    print(f"warning: {text}", file=sys.stderr, flush=True)
    return [text]


def _run_sections(job: Job, chosen: Preset) -> list[Entry]:
    from importlib import import_module

    entries: list[Entry] = []
    for name in chosen.sections:
        module, function = SECTIONS[name]
        with job.progress.step(name):
            run: Section = getattr(import_module(f"metrics.suite.sections.{module}"), function)
            entries += kept_section(job, name, run)
    return entries


def _by_name(entries: Sequence[Entry]) -> dict[str, Entry]:
    """Entries by name, contract first; a computed one wins over a skipped one, a later one over an earlier one."""
    found: dict[str, Entry] = {}
    for each in entries:
        if each.name not in found or each.skipped is None or found[each.name].skipped is not None:
            found[each.name] = each
    missing = {name: skip(name, "not part of this preset") for name in CONTRACT if name not in found}
    first = {name: found.get(name) or missing[name] for name in CONTRACT}
    return {**first, **{name: each for name, each in found.items() if name not in first}}


def _extractors(names: Sequence[str] | None, chosen: Preset) -> tuple[list[Extractor], dict[str, str]]:
    """Extractors that can be made, and why the others cannot; one that the user named must be there.

    Raises:
        InputError: an extractor asked for is unknown or has no weights.
    """
    made: list[Extractor] = []
    skipped: dict[str, str] = {}
    if names is not None:
        unknown = [name for name in names if name not in extractor_names()]
        if unknown or not names:
            raise InputError(f"--extractor {' '.join(unknown)}: unknown; accepted: {', '.join(extractor_names())}")
        return [extractor(name) for name in dict.fromkeys(names)], skipped
    for name in DEFAULT_EXTRACTORS if chosen.thorough else _QUICK_EXTRACTORS:
        if name not in extractor_names():
            continue
        try:
            made.append(extractor(name))
        except (InputError, OSError) as error:
            skipped[name] = " ".join(str(error).split())
    return made, skipped


def _refuse_leakage(sets: Mapping[str, EcgSet], listed: set[str] | None, train: str | Path | None) -> None:
    """Evaluation patients must not be training patients."""
    known = listed if listed is not None else set(sets["train"].patients) if "train" in sets else set()
    shared = sorted(known & set(sets["real"].patients))
    if shared:
        raise InputError(
            f"{sets['real'].name}: {len(shared)} of its patients are in the training set {train} (the first: "
            f"{shared[0]}); accepted: real records of patients the generator never saw, such as DIR:test with DIR:train"
        )


def _refuse_copied_evaluation(aligned: Mapping[str, AlignedSet]) -> None:
    """The same waveforms under other patient ids are leakage, too."""
    if "train" not in aligned:
        return
    train = {each: i for i, each in enumerate(aligned["train"].fingerprints)}
    for i, each in enumerate(aligned["real"].fingerprints):
        if each in train:
            raise InputError(
                f"{aligned['real'].name}: record {aligned['real'].ids[i]} is record "
                f"{aligned['train'].ids[train[each]]} of the training set {aligned['train'].name}, sample for sample; "
                "accepted: real records the generator never saw"
            )


def _thinned(each: EcgSet, sets: Mapping[str, EcgSet], chosen: Preset, seed: int, warnings: list[str]) -> EcgSet:
    if len(each) <= chosen.max_records:
        return each
    ids = [set(sets[key].ids) for key in ("real", "generated")]
    warnings.append(f"{each.name}: {chosen.max_records} of {len(each)} records drawn at random (preset {chosen.name})")
    # Drawn by the same keys in both sets, so that pairs stay pairs.
    common = sorted(ids[0] & ids[1])
    if len(common) >= chosen.max_records:
        wanted = {common[i] for i in draw(len(common), chosen.max_records, (seed, 3))}
        return each.only([i for i, name in enumerate(each.ids) if name in wanted])
    return each.only(draw(len(each), chosen.max_records, (seed, 3)).tolist())


def _costs(sets: Mapping[str, EcgSet], chosen: Preset, extractors: int, *, drawn: bool) -> dict[str, float]:
    count = len(sets["real"]) + len(sets["generated"])
    costs = {f"reading {key}": float(len(each)) for key, each in sets.items()}
    effort = 2.0 if chosen.thorough else 1.0
    for name in chosen.sections:
        many = extractors if name == "features" else 1
        costs[name] = effort * _COST[name] * count * many
    if "train" in sets:
        costs["privacy"] += 30.0 * len(sets["train"])
    costs["drawing"] = sum(_DRAWING.get(name, 0.0) for name in chosen.sections) if drawn else 0.0
    return costs


def _counter(progress: Progress, total: int) -> Callable[[int], None]:
    return lambda done: progress.advance(done / total)


def _warn_of_dimension(job: Job) -> None:
    for each in job.extractors:
        if job.size < each.dim:
            job.warnings.append(
                f"{job.size} records a side are fewer than the {each.dim} features of {each.name}: Fréchet distances "
                "are dominated by small-sample bias; compare them at this n only, or read KID"
            )


def _warn_of_class_mix(job: Job) -> None:
    """Sets of other diagnoses differ even where every ECG is perfect."""
    from metrics.suite.sections.conditioning import label_matrix

    sides = [label_matrix(each, SUPERCLASSES) for each in (job.generated, job.real)]
    if not all(each.any() for each in sides):
        return
    shares = [each.mean(axis=0) for each in sides]
    if max(abs(mine - theirs) for mine, theirs in zip(*shares, strict=True)) > _OTHER_MIX:
        text = ", ".join(f"{name} {a:.2f} and {b:.2f}" for name, a, b in zip(SUPERCLASSES, *shares, strict=True))
        job.warnings.append(
            f"the sets hold other diagnoses (generated and real share: {text}): distances measure that, too; "
            "'kid of' a class compares within it"
        )


def _headline(job: Job) -> str:
    if job.identical:
        return (
            "The generated set IS the real set, record for record: every distance below is 0 and every record is a "
            "copy. This report says nothing about a generator."
        )
    shared = len(set(job.real.fingerprints) & set(job.generated.fingerprints))
    copies = f" {shared} generated records are real records, sample for sample." if shared else ""
    how = f"{len(job.pairs)} pairs" if job.pairs is not None else "not paired"
    return (
        f"{len(job.generated)} generated records ({len(set(job.generated.patients))} patients) against "
        f"{len(job.real)} real ones ({len(set(job.real.patients))} patients), {how}, preset {job.preset.name}.{copies}"
    )


def _settings(
    job: Job,
    notes: Sequence[str],
    chosen: Preset,
    seed: int,
    train: str | Path | None,
    skipped: Mapping[str, str],
    wall_s: float,
) -> dict[str, Any]:
    from metrics.distribution.extractors import digest_of_data

    def about(key: str, each: AlignedSet) -> dict[str, Any]:
        return {
            "name": called[key],
            "kind": each.kind,
            "records": len(each),
            "patients": len(set(each.patients)),
            "excluded_nan": list(each.excluded),
            "synthetic": sum(record.synthetic for record in each.facts),
            "digest": digest_of_data(each.signal_mv, each.fs_hz, each.leads),
        }

    names = (("real", job.real), ("generated", job.generated), ("train", job.train))
    called = short_names({key: each.name for key, each in names if each is not None})
    return {
        "command": command_of(called, chosen, seed),
        "created": datetime.now(UTC).isoformat(timespec="minutes"),
        "preset": chosen.name,
        "seed": seed,
        "sets": {name: about(name, each) for name, each in names if each is not None},
        "train": None if train is None else Path(train).name,
        "identical": job.identical,
        "paired": None if job.pairs is None else {"pairs": len(job.pairs), "by": job.pairs.by},
        "leads": list(job.real.leads),
        "fs_hz": job.real.fs_hz,
        "seconds": job.real.target.num_samples / job.real.fs_hz,
        "alignment": list(dict.fromkeys(notes)),
        "extractors": {each.name: {"dim": each.dim, "sha256": each.digest} for each in job.extractors},
        "extractors_skipped": dict(skipped),
        "halvings": {"fast": chosen.halvings, "slow": chosen.slow_halvings},
        "confidence": 0.95,
        "versions": {
            "physiogen": __version__,
            "definitions": VERSION,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": _version("scipy"),
        },
        "wall_s": {**job.progress.wall_s, "total": round(wall_s, 3)},
    }


def short_names(names: Mapping[str, str]) -> dict[str, str]:
    """Last part of each location, or as many parts as tell them apart: a report is no map of somebody's disk."""
    parts = {key: Path(name).parts for key, name in names.items()}
    for count in range(1, max(map(len, parts.values())) + 1):
        short = {key: "/".join(each[-count:]) for key, each in parts.items()}
        if len(set(short.values())) == len(set(names.values())):
            break
    return short


def command_of(names: Mapping[str, str], chosen: Preset, seed: int) -> str:
    """The command that makes this report, with sets by name."""
    words = ["physiogen benchmark", *(word for key, name in names.items() for word in (f"--{key}", name))]
    return " ".join([*words, "--preset", chosen.name, "--seed", str(seed), "--out", "REPORT"])


def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package)
