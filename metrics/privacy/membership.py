"""Does a denoiser's loss give its training patients away? ``physiogen evaluate membership --losses LOSSES.npz``.

A network fits the samples it was trained on better than others, so whoever holds it and a patient's ECG can ask for
the loss and accuse the patient of having been in the training set when it is low (the loss-threshold attack, Yeom et
al. 2018; for diffusion models at fixed noise levels, Matsumoto et al. 2023). The losses come as a file that any model
can write, `read_losses` says what is in it; ``physiogen evaluate membership --data CACHE --save LOSSES.npz`` writes
that of the shipped denoiser.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from gen.files import atomic_files
from gen.records import InputError
from gen.results import Value
from metrics.privacy.attacks import MembershipInference, membership_white_box
from metrics.statistics.arrays import Array

ACCEPTED = "an .npz with losses (n, t), member (n,) bool, and optionally patients (n,), splits (n,), levels (t,)"
ALL = "all"


@dataclass(frozen=True, eq=False)
class Losses:
    """Losses of a model on recordings that it was trained on and on others.

    Attributes:
        losses: (n, t), one column for each noise level.
        member: (n,) True for the training set.
        patients: (n,) whose recording it is; the intervals are over patients.
        splits: (n,) name of the part that a recording belongs to; each part of non-members is attacked by itself.
        levels: (t,) names of the columns.
        facts: what the file says about itself.
    """

    losses: Array
    member: npt.NDArray[np.bool_]
    patients: npt.NDArray[np.str_]
    splits: npt.NDArray[np.str_]
    levels: tuple[str, ...]
    facts: dict[str, Any]


@dataclass(frozen=True)
class Attack:
    """One attack: which records are told from which by the loss at which noise level.

    Attributes:
        positives, negatives: names of the parts; of a control both are non-members.
        level: of the noise, or `ALL`: standardised level by level and averaged.
        members, others: records of each.
        found: how well they are told apart.
    """

    positives: str
    negatives: str
    level: str
    members: int
    others: int
    found: MembershipInference


def read_losses(path: str | Path) -> Losses:
    """Losses from a file.

    Raises:
        InputError: no such file, an array is missing or does not fit, a loss is not finite, or one group is empty.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; accepted: {ACCEPTED}") from error
    except (OSError, ValueError, TypeError, BadZipFile) as error:  # numpy's ways to say so
        raise InputError(f"{path}: not an .npz of plain arrays; accepted: {ACCEPTED}") from error
    for name in ("losses", "member"):
        if name not in arrays:
            raise InputError(f"{path}: no array {name!r}; accepted: {ACCEPTED}")
    losses, member = arrays["losses"], arrays["member"]
    losses = losses[:, None] if losses.ndim == 1 else losses
    count = len(losses)
    if losses.ndim != 2 or losses.dtype.kind != "f" or not losses.size or not np.isfinite(losses).all():
        raise InputError(f"{path}: losses of shape {losses.shape}, {losses.dtype}; accepted: finite numbers (n, t)")
    if member.shape != (count,) or member.dtype != bool or member.all() or not member.any():
        raise InputError(f"{path}: member; accepted: one bool for each of the {count} records, both values present")
    number = np.arange(count).astype(str)
    default = {"patients": number, "splits": np.where(member, "members", "others")}
    default["levels"] = np.arange(losses.shape[1]).astype(str)
    named = {}
    for name, fallback in default.items():
        named[name] = np.asarray(arrays.get(name, fallback)).astype(str)
        if named[name].shape != fallback.shape:
            raise InputError(f"{path}: {name} of shape {named[name].shape}; accepted: {fallback.shape}")
    mixed = set(named["splits"][member].tolist()) & set(named["splits"][~member].tolist())
    if mixed:
        raise InputError(f"{path}: split {min(mixed)!r} holds members and non-members; accepted: one kind in a split")
    return Losses(
        losses=losses.astype(np.float64),
        member=member,
        patients=named["patients"],
        splits=named["splits"],
        levels=tuple(named["levels"].tolist()),
        facts=_facts(path, arrays),
    )


def attacks(given: Losses, *, replicates: int = 1000, seed: int = 0) -> list[Attack]:
    """Members against each part of non-members, at all levels together and at each.

    Where there are two parts of non-members, the first against the second is a control: what is told apart there is a
    difference of the recordings and no memory of the model.

    Args:
        given: the losses.
        replicates, seed: of the bootstrap over patients.

    Raises:
        InputError: a patient is member and non-member, or a part has fewer than two records.
    """
    outside = list(dict.fromkeys(given.splits[~given.member].tolist()))
    inside = "+".join(dict.fromkeys(given.splits[given.member].tolist()))
    whole = [(inside, "+".join(outside), given.member, ~given.member)] if len(outside) > 1 else []
    pairs = whole + [(inside, name, given.member, given.splits == name) for name in outside]
    pairs += [(a, b, given.splits == a, given.splits == b) for a, b in pairwise(outside)]
    out = []
    for positives, negatives, first, second in pairs:
        for level in (ALL, *given.levels):
            column = slice(None) if level == ALL else given.levels.index(level)
            found = membership_white_box(
                given.losses[first, column],
                given.losses[second, column],
                member_groups=given.patients[first],
                holdout_groups=given.patients[second],
                replicates=replicates,
                seed=seed,
            )
            out.append(Attack(positives, negatives, level, int(first.sum()), int(second.sum()), found))
    return out


def write_losses(path: Path, given: Losses) -> None:
    """Write a file that `read_losses` reads; one that is there is replaced."""
    with atomic_files(path, overwrite=True) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            losses=given.losses,
            member=given.member,
            patients=given.patients,
            splits=given.splits,
            levels=np.array(given.levels),
            facts=np.array(json.dumps(given.facts)),
        )


def table(rows: Sequence[Attack]) -> dict[str, dict[str, Value]]:
    """A line for each attack."""
    out = {}
    for row in rows:
        out[f"{row.positives} from {row.negatives}, noise {row.level}"] = {
            "AUROC": Value.of(row.found.auroc, n=row.members + row.others, better="lower"),
            "TPR at 1 % FPR": Value.of(row.found.tpr, n=row.members + row.others, better="lower"),
        }
    return out


def _facts(path: Path, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    try:
        facts = json.loads(str(arrays["facts"])) if "facts" in arrays else {}
    except ValueError as error:
        raise InputError(f"{path}: facts are no JSON") from error
    return facts if isinstance(facts, dict) else {"facts": facts}
