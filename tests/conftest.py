"""Shared fixtures: where the real recordings are, and seeds; one thread a process, and a budget for each test."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    import numpy as np

# Before numpy and torch are imported: workers share the cores, and threads that wait for each other by spinning cost
# more than they save (a test of 12 s took over 300 s beside other work).
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# A floor that another run has kept would hide that it is not computed any more.
os.environ["PHYSIOGEN_CACHE"] = "none"

# No test fails for a busy machine: what a test costs is counted in processor time, below.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

ROOT = Path(__file__).resolve().parent.parent
#: Seconds of processor time that a test not marked ``slow`` may take, its child processes included.
BUDGET_S = float(os.environ.get("PHYSIOGEN_TEST_BUDGET_S", "10"))


def _spent_s() -> float:
    """Processor seconds of this process and of the children it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A test over the budget fails unless it is marked slow: processor time, so that a busy machine fails nobody."""
    before = _spent_s()
    yield
    spent = _spent_s() - before
    if spent > BUDGET_S and item.get_closest_marker("slow") is None:
        pytest.fail(f"took {spent:.1f} s of processor time, more than {BUDGET_S:g}: make it smaller or mark it slow")


@pytest.fixture(scope="session")
def data_dir() -> Callable[[str], Path]:
    """Folder of one set of real recordings (``ptb-xl``, ``ludb``, ``alivecor``, ``sunnybrook``); skips without it."""

    def find(name: str) -> Path:
        folder = ROOT / os.environ.get("PHYSIOGEN_DATA", ".data") / name
        if not folder.is_dir():
            pytest.skip(f"real recordings not found: {folder} (set PHYSIOGEN_DATA)")
        return folder

    return find


@pytest.fixture
def rng() -> "np.random.Generator":
    """A generator with a fixed seed."""
    import numpy as np

    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _threads_stay_as_they_are() -> Iterator[None]:
    """Whoever leaves torch with more threads slows all tests after it, most of all on a busy machine."""
    import sys

    yield
    if "torch" in sys.modules and sys.modules["torch"].get_num_threads() != 1:
        found = sys.modules["torch"].get_num_threads()
        sys.modules["torch"].set_num_threads(1)
        pytest.fail(f"left torch with {found} threads: gen.precision.in_threads puts them back")


@pytest.fixture(autouse=True)
def _quiet_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a quick command may last until its first line of progress is due; tests count lines."""
    monkeypatch.setattr("gen.progress.FIRST_S", 3600.0)
