"""Model cards: what a checkpoint is for, what it must not be used for, what it was made from and how good it is.

``card.json`` beside the weights has one form (``"schema": 1``): who it is and what it is for (`About`), the data with
licence, citation, part and digest, the training with commands and configuration, digests of the parts that belong to
it, settings of sampling, results of evaluations, and facts that only the model's own code reads.

In the manner of Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gen.errors import InputError

SCHEMA = 1
_LINE = re.compile(r"[^\n]*\S[^\n]*")
#: Keys of a card and what each holds; the first eight must be there and not be empty.
_KEYS: Mapping[str, type | tuple[type, ...]] = {
    "schema": int,
    "name": str,
    "task": str,
    "intended_use": str,
    "limits": str,
    "licence": str,
    "data": list,
    "training": dict,
    "parts": dict,
    "sampling": dict,
    "evaluations": list,
    "facts": dict,
}
_REQUIRED = tuple(_KEYS)[:8]
_OF_DATA = ("name", "licence", "citation", "split", "digest")
_OF_TRAINING = (
    ("recipe", str),
    ("commands", list),
    ("seed", int),
    ("steps", int),
    ("samples", int),
    ("minutes", float),
    ("hardware", str),
    ("processes", int),
    ("parameters", int),
    ("versions", dict),
    ("config", dict),
    ("validation", dict),
)


@dataclass(frozen=True, kw_only=True)
class About:
    """What a model is, in words for its users.

    Attributes:
        name: as its recipe, ``diffusion/default``.
        task: what goes in and what comes out.
        intended_use: what it may be used for.
        limits: what it cannot do or must not be used for.
    """

    name: str
    task: str
    intended_use: str
    limits: str


@dataclass(frozen=True, kw_only=True)
class Source:
    """Data that a model learned from.

    Attributes:
        name: of the set.
        licence: that its use in training is bound to.
        citation: how to cite it; None where there is nothing to cite.
        split: which part was used for what.
        digest: SHA-256 that names its content and split.
    """

    name: str
    licence: str
    citation: str | None = None
    split: str | None = None
    digest: str | None = None


def make_card(
    about: About,
    *,
    data: Sequence[Source],
    training: Mapping[str, Any] | None = None,
    parts: Mapping[str, Mapping[str, Any]] | None = None,
    sampling: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A card as JSON values; the licence is that of all its data together.

    Args:
        about: name, task, intended use and limits.
        data: what was learned from, the main set first.
        training: recipe, commands, seed, steps, minutes, hardware, versions, config, ...; unknown ones are left out.
        parts: by role (``codec``, ``identity``): name and digest of a checkpoint this one belongs to.
        sampling: settings that generation takes from the weights.
        facts: what only the model's own code reads.

    Raises:
        InputError: as `check_card`.
    """
    card: dict[str, Any] = {"schema": SCHEMA, **asdict(about), "licence": _licence([source.licence for source in data])}
    card["data"] = [{key: value for key, value in asdict(source).items() if value is not None} for source in data]
    card["training"] = {key: value for key, value in (training or {}).items() if value is not None}
    for key, value in (("parts", parts), ("sampling", sampling), ("facts", facts)):
        if value:
            card[key] = {name: dict(part) if key == "parts" else part for name, part in value.items()}
    check_card(card, about.name)
    return card


def training_card(
    about: About,
    *,
    data: Sequence[Source],
    config: Any = None,
    changes: Mapping[str, str] | None = None,
    parts: Mapping[str, Mapping[str, Any]] | None = None,
    sampling: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
    reads: bool = True,
) -> dict[str, Any]:
    """The card of a run of ``physiogen train``; the trainer adds how long it ran and what validation found.

    Args:
        about, data, parts, sampling, facts: see `make_card`.
        config: the recipe's settings, a dataclass or its values by name; None where it has none.
        changes: settings that the user gave, as ``--set`` takes them. Paths stay private: their setting's name stands
            for them.
        reads: whether the recipe takes ``--data``.
    """
    given = "".join(f" --set {key}={_public(key, value)}" for key, value in (changes or {}).items())
    training: dict[str, Any] = {
        "recipe": about.name,
        "commands": [f"physiogen train {about.name} {'--data CACHE ' if reads else ''}--out RUN{given}"],
    }
    if config is not None:
        training["config"] = dict(config) if isinstance(config, Mapping) else asdict(config)
    return make_card(about, data=data, training=training, parts=parts, sampling=sampling, facts=facts)


def _public(key: str, value: str) -> str:
    """A setting's value; a path on this machine becomes the last part of the setting's name, in capitals."""
    return key.rpartition(".")[2].upper() if "/" in value or Path(value).exists() else value


def source_of(described: Mapping[str, Any], *, split: str, digest: str | None) -> Source:
    """Data of a cache for the card, as the cache's manifest describes them (``name``, ``licence``, ``citation``)."""
    licence = described.get("licence") or "not stated by its owner"
    return Source(
        name=str(described["name"]), licence=licence, citation=described.get("citation"), split=split, digest=digest
    )


def sources_of(card: Mapping[str, Any]) -> list[Source]:
    """Data that a card names: what a model that starts from these weights has learned from, too."""
    return [Source(**{key: source.get(key) for key in _OF_DATA}) for source in card.get("data") or []]


#: The simulated cohort as training data.
SIMULATED = Source(name="simulated ECGs (gen.simulate)", licence="Apache-2.0", split="made for this training")


def with_run(card: Mapping[str, Any], **facts: Any) -> dict[str, Any]:
    """The card with facts of the run (seed, steps, minutes, versions, validation, ...) in its training."""
    return {**card, "training": {**card["training"], **facts}}


def with_parts(card: Mapping[str, Any], **parts: Mapping[str, Any]) -> dict[str, Any]:
    """The card with parts (``codec={"name": ..., "digest": ...}``); of a nameless model, if the card is empty."""
    return {**(card or NAMELESS), "parts": {**(card.get("parts") or {}), **{key: dict(p) for key, p in parts.items()}}}


def _licence(licences: Sequence[str]) -> str:
    """All licences, each once, in order: attribution and share-alike duties add up."""
    return "; ".join(dict.fromkeys(licences))


def check_card(card: Mapping[str, Any], where: str) -> None:
    """Refuse a card that does not keep the schema.

    Args:
        card: JSON values.
        where: file or model that an error names.

    Raises:
        InputError: a key is missing, unknown, of another type or empty.
    """
    unknown = sorted(set(card) - set(_KEYS))
    if unknown:
        raise InputError(f"{where}: unknown key {unknown[0]!r} in the card; accepted: {', '.join(_KEYS)}")
    for key, kind in _KEYS.items():
        if key not in card:
            if key in _REQUIRED:
                raise InputError(f"{where}: the card has no {key!r}; needed: {', '.join(_REQUIRED)}")
            continue
        value = card[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise InputError(f"{where}: {key!r} in the card is {type(value).__name__}; expected {_word(kind)}")
        if isinstance(value, str) and not _LINE.fullmatch(value):
            raise InputError(f"{where}: {key!r} in the card is empty or has several lines")
    if card["schema"] != SCHEMA:
        raise InputError(f"{where}: card of schema {card['schema']!r}; accepted: {SCHEMA}")
    _check_data(card["data"], where)
    _check_training(card["training"], where)
    _check_evaluations(card.get("evaluations", []), where)


def _word(kind: type | tuple[type, ...]) -> str:
    names = {str: "one line of text", list: "a list", dict: "an object", int: "a whole number", float: "a number"}
    return names.get(kind, str(kind)) if isinstance(kind, type) else " or ".join(names.get(k, str(k)) for k in kind)


def _check_data(data: Sequence[Any], where: str) -> None:
    if not data:
        raise InputError(f"{where}: 'data' in the card is empty; name every set with its licence")
    for source in data:
        if not isinstance(source, Mapping) or not source.get("name") or not source.get("licence"):
            raise InputError(f"{where}: a data set in the card without name or licence: {source!r}")
        unknown = sorted(set(source) - set(_OF_DATA))
        if unknown:
            raise InputError(f"{where}: unknown key {unknown[0]!r} of the card's data; accepted: {', '.join(_OF_DATA)}")


def _check_training(training: Mapping[str, Any], where: str) -> None:
    known = dict(_OF_TRAINING)
    for key, value in training.items():
        kind = known.get(key)
        if kind is None:
            raise InputError(f"{where}: unknown key {key!r} of training in the card; accepted: {', '.join(known)}")
        if not isinstance(value, (int, float) if kind is float else kind) or isinstance(value, bool):
            raise InputError(f"{where}: training's {key!r} in the card: {type(value).__name__}, not {_word(kind)}")


def _check_evaluations(evaluations: Sequence[Any], where: str) -> None:
    for found in evaluations:
        missing = [key for key in ("name", "command", "revision", "values") if not dict(found).get(key)]
        if missing:
            raise InputError(f"{where}: an evaluation in the card has no {missing[0]!r}")


def note_evaluation(card: Mapping[str, Any], evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """The card with one evaluation's results (`gen.results.Results.as_dict`) added; older ones of its name go."""
    others = [found for found in card.get("evaluations", []) if found["name"] != evaluation["name"]]
    return {**card, "evaluations": [*others, dict(evaluation)]}


def trained_on(card: Mapping[str, Any]) -> str | None:
    """Names of the sets a model learned from, in words; None for a card without data."""
    names = [str(source["name"]) for source in card.get("data") or []]
    return " and ".join(names) or None


def data_digest(card: Mapping[str, Any]) -> str | None:
    """Digest of the main set and its split, for checks of leakage; None where the card names none."""
    found = [source.get("digest") for source in card.get("data") or []]
    return next((digest for digest in found if digest), None)


def part(card: Mapping[str, Any], role: str) -> Mapping[str, Any]:
    """Name and digest of a part (``codec``, ``identity``) that a checkpoint belongs to; empty where there is none."""
    return (card.get("parts") or {}).get(role, {})


def fact(card: Mapping[str, Any], name: str, default: Any = None) -> Any:
    """One of the facts that only the model's own code reads."""
    return (card.get("facts") or {}).get(name, default)


def training_config(card: Mapping[str, Any]) -> Mapping[str, Any]:
    """Settings the model was trained with."""
    return (card.get("training") or {}).get("config") or {}


def validation_metrics(card: Mapping[str, Any]) -> Mapping[str, Any]:
    """What was measured on the validation part when the weights were chosen."""
    return (card.get("training") or {}).get("validation") or {}


#: The card of a model that nobody has described.
NAMELESS: Mapping[str, Any] = make_card(
    About(name="nameless", task="not stated", intended_use="not stated", limits="not stated"),
    data=[Source(name="not stated", licence="not stated")],
)
