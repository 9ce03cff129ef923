"""`Engine`: who makes the blocks of a bulk job."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from gen.engines.machine import cores
from gen.records import InputError

#: Engines, and what has to be installed for them.
ENGINES: Mapping[str, str | None] = {"local": None, "ray": "ray", "slurm": "submitit"}
#: Told of a block how much of it is done; of None: it is finished.
Heard = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Engine:
    """Who makes blocks.

    Attributes:
        name: of `ENGINES`.
        workers: processes (local), actors (ray), tasks of the array (slurm); where None, as many as there are cores
            for, and never more than blocks.
        limit_s: seconds that a block may take.
        tries: how often a block is tried.
        address: of a Ray cluster; a local one is started where there is none.
        slurm: of the array's jobs, such as ``partition`` and ``timeout_min``; ``cluster`` is ``slurm``, or ``local``
            for processes of this machine.
        fresh: workers of this machine start from nothing instead of being forked: where an accelerator is in use.
    """

    name: str = "local"
    workers: int | None = None
    limit_s: float | None = None
    tries: int = 3
    address: str | None = None
    slurm: Mapping[str, Any] = field(default_factory=dict)
    fresh: bool = False

    def __post_init__(self) -> None:
        if self.name not in ENGINES:
            raise InputError(f"--engine {self.name}: expected one of {', '.join(ENGINES)}")
        if self.workers is not None and self.workers < 1:
            raise InputError(f"--workers {self.workers}: expected at least 1")
        if self.limit_s is not None and self.limit_s <= 0:
            raise InputError(f"--block-limit {self.limit_s:g}: expected seconds above 0")
        if self.address is not None and self.name != "ray":
            raise InputError("--address belongs to --engine ray")
        library = ENGINES[self.name]
        if library is not None and find_spec(library) is None:
            raise InputError(f"--engine {self.name} needs {library}: pip install 'physiogen[{self.name}]'")

    def count(self, blocks: int) -> int:
        """Workers for so many blocks."""
        return max(1, min(self.workers or cores(), blocks))
