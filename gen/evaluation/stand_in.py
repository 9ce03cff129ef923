"""A bulk job that costs nothing but time, to be killed: ``python -m gen.evaluation.stand_in JSON`` drives it once."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gen.engines import BlocksFailed, Engine, Task
from gen.leads import LEADS_12
from gen.records import EcgRecord, InputError, Patient
from gen.synthesis import DataSet, PromptRequests, Refusal, Request, shards_of, synthesize
from gen.synthesis.shards import Generate, Shards

_MV, _SAMPLES, _FS_HZ = 0.2, 100, 100.0


@dataclass(frozen=True)
class Job:
    """Noise in shards.

    Attributes:
        number, per_shard, block: samples of the set, of a shard, and made together.
        seconds: that a block takes.
        seed: of the noise.
        format: of the shards.
    """

    number: int = 64
    per_shard: int = 8
    block: int = 4
    seconds: float = 0.1
    seed: int = 0
    format: str = "wfdb"

    def data(self) -> DataSet:
        """The set."""
        requests = PromptRequests({"text": "sinus rhythm", "age": 60.0}, self.number)
        how = {"format": self.format, "per_shard": self.per_shard, "block": self.block}
        return DataSet(requests, self.seed, {"stand-in": "0" * 64}, {"seconds": self.seconds}, **how)  # type: ignore[arg-type]

    def generate(self, block: Sequence[Request]) -> list[EcgRecord | Refusal]:
        """(12, 100) noise that belongs to the sample's number, with the composition of the block mixed in."""
        time.sleep(self.seconds)
        mark = sum(request.number for request in block) % 7 / 1000
        made: list[EcgRecord | Refusal] = []
        for request in block:
            rng = np.random.default_rng((self.seed, request.number))
            signal = rng.normal(0, _MV, (len(LEADS_12), _SAMPLES)).astype(np.float32) + np.float32(mark)
            patient = Patient(age=request.values["age"])
            made.append(EcgRecord(signal, _FS_HZ, LEADS_12, patient=patient, statements={"SR": 100.0}))
        return made


def shards(out: str, job: dict[str, Any]) -> Shards:
    """Target of a `Task`."""
    asked = Job(**job)
    return shards_of(asked.data(), asked.generate, out)


def drive(out: Path, job: dict[str, Any], engine: dict[str, Any]) -> int:
    """Make the set, or go on with it; the exit status."""
    asked = Job(**job)
    task = Task("gen.evaluation.stand_in:shards", {"out": str(out.resolve()), "job": job})
    generate: Generate = asked.generate
    try:
        synthesize(asked.data(), generate, out, engine=Engine(**engine), task=task)
    except BlocksFailed as error:
        print(error, file=sys.stderr)
        return 3
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    sys.exit(drive(Path(asked["out"]), asked["job"], asked["engine"]))
