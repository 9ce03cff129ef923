"""What this machine gives a process: cores, and the rules that worker processes live by."""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def cores() -> int:
    """Cores that this process may use: of its affinity, and no more than the quota of its container."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        count = min(count, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass  # no such file, or "max"
    return count


def forks() -> bool:
    """Whether worker processes are forked, so that they share weights and libraries that are loaded already.

    Linux alone: elsewhere system libraries do not survive it. Whoever forks has to keep its workers at one thread.
    """
    return sys.platform == "linux"


def live_as_worker() -> None:
    """End with the process that started this one, leave Ctrl-C to it, and compute in one thread."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # unfinished files go
    one_thread()


def one_thread() -> None:
    """Compute in one thread from here on: bytes do not depend on the number of cores, and threads wait for nobody."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    if "numpy" in sys.modules:
        from threadpoolctl import threadpool_limits

        threadpool_limits(1)


@contextmanager
def in_one_thread() -> Iterator[None]:
    """As `one_thread`, inside a block; afterwards as before."""
    torch = sys.modules.get("torch")
    before = None if torch is None else torch.get_num_threads()
    if "numpy" not in sys.modules:
        yield
        return
    from threadpoolctl import threadpool_limits

    try:
        with threadpool_limits(1):
            if torch is not None:
                torch.set_num_threads(1)
            yield
    finally:
        if torch is not None:
            torch.set_num_threads(before)
