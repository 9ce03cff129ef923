"""What every sample of a data set is asked to show: one prompt for all, or what a table or a set says."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from gen.io.common import dump_json


@dataclass(frozen=True)
class Request:
    """What one sample is asked to show.

    Attributes:
        number: of the sample within its seed; it fixes the noise.
        values: condition -> value, of `COLUMNS`; what is not there is left open.
        statements: SCP-ECG code -> likelihood in percent, where known apart from the text.
        source: where the request is from, such as a record of the set it was drawn from.
        label: the class of the sample in the words of who asked, where classes were named.
        group: equal for samples that one request or one person stands behind, so that no split parts them.
    """

    number: int
    values: Mapping[str, Any]
    statements: Mapping[str, float] | None = None
    source: str | None = None
    label: str | None = None
    group: str | None = None


class Requests(Protocol):
    """All requests of a data set, in order; the k-th depends on nothing but k."""

    @property
    def digest(self) -> str:
        """Names the content."""
        ...

    @property
    def about(self) -> dict[str, Any]:
        """What a data card says of them, as JSON values."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, k: int) -> Request: ...


@dataclass(frozen=True)
class PromptRequests:
    """The same request for every sample."""

    values: Mapping[str, Any]
    count: int

    @property
    def digest(self) -> str:
        """Names the content."""
        return digest_of(["prompt", dict(self.values), self.count])

    @property
    def about(self) -> dict[str, Any]:
        """For the data card."""
        return {"kind": "prompt", **self.values}

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, k: int) -> Request:
        return Request(k, self.values)


def digest_of(value: Any) -> str:
    """SHA-256 of JSON values."""
    return hashlib.sha256(json.dumps(json.loads(dump_json(value)), sort_keys=True).encode()).hexdigest()
