"""What a bulk synthesis is to make, and how it is cut into shards and blocks."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gen import __version__
from gen.io import COLUMNS, formats
from gen.records import InputError
from gen.synthesis.requests import Requests

FORMATS = ("wfdb", "parquet", "webdataset", "npz")
#: Samples of a shard at most, and shards of a small set at least, so that several workers have something to do.
MOST_PER_SHARD, LEAST_SHARDS = 512, 8


def check_cut(format: str, per_shard: int | None, block: int) -> None:
    """Refuse a format that there is not, and shards that are no whole number of blocks.

    Raises:
        InputError: one of them; the line says what is accepted.
    """
    if format not in FORMATS:
        raise InputError(f"--format {format}: expected one of {', '.join(FORMATS)}")
    if block < 1:
        raise InputError(f"{block} samples computed together: expected at least 1")
    if per_shard is not None and (per_shard < 1 or per_shard % block):
        raise InputError(f"{per_shard} samples per shard: expected a multiple of the block, {block}")


def shard_size(samples: int, block: int) -> int:
    """Samples of a shard where nobody says: by the number of samples alone, never by who makes them."""
    wanted = -(-samples // (LEAST_SHARDS * block)) * block
    return max(block, min(wanted, MOST_PER_SHARD // block * block))


@dataclass(frozen=True)
class DataSet:
    """What is to be made; everything here but ``card`` must agree where a run is resumed.

    Attributes:
        requests: one for each sample.
        seed: of the noise.
        model: digests of the weights, by name.
        settings: how samples are drawn, as JSON values.
        format: of `FORMATS`.
        per_shard, block: samples per shard, and generated together; a shard is a whole number of blocks.
        card: further facts for the data card (licence, training data, ...).
    """

    requests: Requests
    seed: int
    model: Mapping[str, str]
    settings: Mapping[str, Any]
    format: str = "wfdb"
    per_shard: int = MOST_PER_SHARD
    block: int = 64
    card: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        check_cut(self.format, self.per_shard, self.block)
        if len(self.requests) < 1:
            raise InputError("no sample asked for; -n must be at least 1")

    @property
    def labelled(self) -> bool:
        """Whether samples have labels."""
        return bool(self.requests.about.get("classes"))

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the table."""
        return (*COLUMNS, "label") if self.labelled else COLUMNS

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-len(self.requests) // self.per_shard)

    def shard(self, number: int) -> range:
        """Samples of a shard."""
        return range(number * self.per_shard, min((number + 1) * self.per_shard, len(self.requests)))

    def file(self, number: int) -> str:
        """Name of a shard's file, or of its folder where every record is a file."""
        suffix = next((s for s, name in formats.SHARD_SUFFIXES.items() if name == self.format), "")
        return f"shard-{number:05d}{suffix}"

    def manifest(self) -> dict[str, Any]:
        """JSON values that name this set; ``fingerprint`` is their digest, whatever the software's version."""
        facts = {
            "format": "physiogen-synthesis",
            "version": 1,
            "samples": len(self.requests),
            "seed": self.seed,
            "model": dict(self.model),
            "conditions": self.requests.digest,
            "settings": json.loads(json.dumps(dict(self.settings))),
            "records": {"format": self.format, "per_shard": self.per_shard, "block": self.block},
        }
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        return {**facts, "fingerprint": digest, "software": {"physiogen": __version__}}
