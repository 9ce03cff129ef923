"""Shared fixtures: where the real recordings are, and seeds."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent


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
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(0)
