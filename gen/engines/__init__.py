"""Engines: who makes the blocks of a bulk job. They hand out numbers; the bytes of a block depend on its number alone.

    failed = hand_out(Engine("local", workers=4), make, range(40), heard=progress)

`Engine` says how, `gen.engines.pool` holds processes of this machine, `gen.engines.ray` and `gen.engines.slurm` those
of others. `gen.engines.stream` hands out records themselves, in order, where one process reads and writes.
"""

from gen.engines.engine import ENGINES, Engine
from gen.engines.failures import FAILED, BlocksFailed, Failed
from gen.engines.handing import check_reach, hand_out
from gen.engines.machine import cores
from gen.engines.stream import in_order
from gen.engines.task import Make, Task, Tell

__all__ = [
    "ENGINES",
    "FAILED",
    "BlocksFailed",
    "Engine",
    "Failed",
    "Make",
    "Task",
    "Tell",
    "check_reach",
    "cores",
    "hand_out",
    "in_order",
]
