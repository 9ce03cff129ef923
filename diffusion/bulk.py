"""A bulk synthesis in words that any process understands: what the command was asked for, and the set it comes to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gen.card import trained_on
from gen.commands.device import moved

if TYPE_CHECKING:
    from diffusion.pipeline import ECGPipeline
    from diffusion.process.settings import Sampling
    from gen.engines import Task
    from gen.records import EcgRecord
    from gen.synthesis import DataSet, Refusal, Request, Requests
    from gen.synthesis.shards import Generate, Shards
    from gen.synthesis.wanted import Wanted


@dataclass(frozen=True)
class Bulk:
    """Options of ``physiogen synthesize`` that decide the set; see its help.

    Attributes:
        wanted: what is to be made.
        chosen: arguments of `ECGPipeline.sampling`.
        format, per_shard, batch: of the files; ``per_shard`` by the number of samples where None.
        checkpoint, device: the weights, and where they compute.
        unconditional, allow_unknown, allow_contradictions: what passes the checks.
    """

    wanted: "Wanted"
    chosen: Mapping[str, Any]
    format: str = "wfdb"
    per_shard: int | None = None
    batch: int = 64
    checkpoint: Path | None = None
    device: str = "cpu"
    unconditional: bool = False
    allow_unknown: bool = False
    allow_contradictions: bool = False

    def __post_init__(self) -> None:
        from gen.synthesis import check_cut

        check_cut(self.format, self.per_shard, self.batch)

    def task(self, out: Path) -> "Task":
        """The same for processes that begin with nothing."""
        from gen.engines import Task

        return Task("diffusion.bulk:shards", {"out": str(out.resolve()), "job": _as_json(asdict(self))})

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> "Bulk":
        """What `task` has written down."""
        from gen.synthesis.wanted import Wanted

        wanted = dict(values["wanted"])
        paths = {name: Path(wanted[name]) for name in _PATHS if wanted[name] is not None}
        wanted |= {**paths, "only": tuple(wanted["only"])}
        checkpoint = values["checkpoint"]
        facts = {key: values[key] for key in (each.name for each in fields(cls)) if key in values}
        facts |= {"wanted": Wanted(**wanted), "checkpoint": None if checkpoint is None else Path(checkpoint)}
        return cls(**facts)

    def requests(self) -> "tuple[Requests, tuple[str, ...]]":
        """Requests, and a line for each row that cannot be used."""
        from gen.synthesis.wanted import requests_of

        check = _checker(self.unconditional, self.allow_unknown)
        return requests_of(self.wanted, check, self.allow_contradictions)

    def pipeline(self) -> "tuple[ECGPipeline, Sampling]":
        """Weights, and how they are sampled."""
        from diffusion.beat_pipeline import load

        pipeline = moved(load(self.checkpoint), self.device)
        return pipeline, pipeline.sampling(**self.chosen)

    def set_of(self, requests: "Requests") -> "tuple[DataSet, Generate]":
        """The set, and what generates its blocks."""
        from gen.synthesis import DataSet, shard_size

        pipeline, settings = self.pipeline()
        data = DataSet(
            requests=requests,
            seed=self.wanted.seed,
            model=pipeline.digests,
            settings=settings.as_dict(),
            format=self.format,
            per_shard=shard_size(len(requests), self.batch) if self.per_shard is None else self.per_shard,
            block=self.batch,
            card=_facts(pipeline),
        )
        pipeline.set_progress_bar_config(disable=True)
        return data, _generator(pipeline, settings, self.wanted.seed)


_PATHS = ("conditions", "like", "labels", "measured")


def _as_json(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value.resolve())
    if isinstance(value, Mapping):
        return {str(key): _as_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(each) for each in value]
    return value


def shards(out: str, job: Mapping[str, Any]) -> "Shards":
    """What makes the shards of a set that a driver has begun; the target of `Bulk.task`.

    Raises:
        InputError: weights or tables are not here, or are others than where the set was begun.
    """
    from gen.synthesis import shards_of

    bulk = Bulk.of_json(job)
    requests, _ = bulk.requests()
    data, generate = bulk.set_of(requests)
    return shards_of(data, generate, out)


def _checker(unconditional: bool, allow_unknown: bool) -> Callable[[Mapping[str, Any]], None]:
    """Raises `InputError` for values that cannot be asked for."""
    from diffusion.conditions.condition import Condition, check_request

    def check(values: Mapping[str, Any]) -> None:
        check_request([Condition(**values)], unconditional=unconditional, allow_unknown=allow_unknown)

    return check


def _generator(pipeline: "ECGPipeline", settings: "Sampling", seed: int) -> "Generate":
    from diffusion.conditions.condition import Condition

    def generate(block: "Sequence[Request]") -> "list[EcgRecord | Refusal]":
        conditions = [Condition(**request.values) for request in block]
        made = pipeline.generate_each(conditions, [request.number for request in block], seed, settings)
        return [_noted(record, request.values) for record, request in zip(made, block, strict=True)]

    return generate


def _noted(made: "EcgRecord | Refusal", values: Mapping[str, Any]) -> "EcgRecord | Refusal":
    """The record with what contradicts itself in its request."""
    from gen.records import EcgRecord
    from gen.synthesis.contradictory import lines

    found = lines(values) if isinstance(made, EcgRecord) else []
    if not found or not isinstance(made, EcgRecord):
        return made
    return replace(made, metadata={**made.metadata, "contradictions": found})


def _facts(pipeline: "ECGPipeline") -> dict[str, Any]:
    """What the weights' card says that a data card should repeat."""
    card = pipeline.card
    return {
        "name": "physiogen diffusion",
        "trained_on": trained_on(card),
        "training_licence": card.get("licence"),
        "sources": [{key: each.get(key) for key in ("name", "licence", "citation")} for each in card.get("data") or []],
    }
