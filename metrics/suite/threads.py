"""One thread for linear algebra and networks while a benchmark runs.

Its matrices and batches are small: on a machine with other work, threads that wait for each other made a `quick`
benchmark five times slower than one thread (165 s against 31 s on 2 cores), and never much faster.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

#: Sections that load a network, and so torch, in any case.
NEURAL = frozenset({"parameters", "waveform", "conditioning", "retention", "utility"})


@contextmanager
def one_thread(*, neural: bool) -> Iterator[None]:
    """Limit the thread pools, and put them back afterwards; ``neural`` loads torch so that it can be limited, too."""
    from threadpoolctl import threadpool_limits

    if neural:
        import torch  # noqa: F401 - a pool that is loaded later would keep its threads
    loaded = sys.modules.get("torch")
    before = loaded.get_num_threads() if loaded is not None else 1
    with threadpool_limits(limits=1):
        if loaded is not None:
            loaded.set_num_threads(1)
        try:
            yield
        finally:
            if loaded is not None:
                loaded.set_num_threads(before)
