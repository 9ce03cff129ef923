"""What a command takes: time, processor time, and the memory of all its processes together."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_POLL_S, _SAID = 0.25, 200
_LAUNCHER = """
import json, os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
print(json.dumps([os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        status: with which it ended.
        seconds: by the clock.
        cpu_s: processor seconds of all its processes.
        peak: bytes of all its processes at once, what they share counted once; elsewhere than on Linux those of the
            largest one.
        said: the end of what it wrote to stderr.
    """

    status: int
    seconds: float
    cpu_s: float
    peak: int
    said: str


def cost_of(words: list[str], **variables: str) -> Cost:
    """Run a command to its end, with these environment variables besides, and watch all its processes."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as log:
        # Started by a small process: a child takes over the peak memory of the one that starts it.
        launcher = subprocess.Popen(
            [sys.executable, "-c", _LAUNCHER, *words],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=os.environ | variables,
        )
        with watched(launcher.pid) as memory:
            told, _ = launcher.communicate()
        seconds = time.perf_counter() - start
        log.seek(0)
        said = log.read().decode(errors="replace").strip()[-_SAID:]
    status, cpu_s, largest = json.loads(told)
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(int(status), seconds, float(cpu_s), max(*memory, int(largest) * unit), said)


def command(*words: str) -> list[str]:
    """``physiogen WORDS`` of this very suite, wherever it is run: what lies in the working folder is not imported."""
    return [sys.executable, "-P", "-m", "physiogen", *words]


@contextmanager
def watched(process: int) -> Iterator[list[int]]:
    """What `memory_below` tells again and again while the block lasts; a list that grows."""
    found, ended = [memory_below(process)], threading.Event()

    def watch() -> None:
        while not ended.wait(_POLL_S):
            found.append(memory_below(process))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield found
    finally:
        ended.set()
        watcher.join()


def memory_below(process: int) -> int:
    """Bytes (PSS, Linux) of all processes below one; 0 where the system does not tell."""
    return sum(_memory(child) + memory_below(child) for child in _children(process))


def _children(process: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for thread in (Path("/proc") / str(process) / "task").iterdir():
            found += [int(child) for child in (thread / "children").read_text().split()]
    return found


def _memory(process: int) -> int:
    with suppress(OSError):
        lines = (Path("/proc") / str(process) / "smaps_rollup").read_text().splitlines()
        return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return 0
