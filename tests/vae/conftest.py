"""Simulated records and a small random model, which every test of this folder works on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from weights import awake

from gen.checkpoint import model_config, save_checkpoint
from gen.records import EcgRecord
from gen.simulate import simulate
from vae.networks.lead_vae import LeadVAE

BAND_FACTORS = {"50": [0.7] * 8, "90": [2.3] * 8}


def tiny_model(seed: int = 0, **settings: object) -> LeadVAE:
    """A small network whose weights are all random: none of its parts is switched off by a zero initialisation."""
    with torch.random.fork_rng():  # the same weights whatever other tests drew before
        torch.manual_seed(seed)
        model = LeadVAE(
            widths=(16, 16, 16),
            condition_width=16,
            latent=4,
            posterior_width=16,
            heads=2,
            dropout=0.0,
            **settings,
        )
    return awake(model, seed=seed)


@pytest.fixture(scope="session")
def population() -> np.ndarray:
    """(64, 8, 5000) mV of simulated patients at 500 Hz."""
    return simulate(range(64), seed=11, noise="light").signal_mv


@pytest.fixture(scope="session")
def hearts() -> list[EcgRecord]:
    """Twelve-lead simulated records."""
    return simulate(range(6), seed=5, noise="light").records()


@pytest.fixture(scope="session")
def covariance(population: np.ndarray) -> np.ndarray:
    """(8, 8) between leads of records scaled to unit power."""
    x = population / np.sqrt((population**2).mean(axis=(1, 2), keepdims=True))
    return np.einsum("nat,nbt->ab", x, x, dtype=np.float64) / (x.shape[0] * x.shape[2])


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, covariance: np.ndarray) -> Path:
    """Folder of a small random model with band factors."""
    rounded = tuple(map(tuple, covariance.round(6).tolist()))
    drift = tuple(map(tuple, (0.01 * covariance).round(8).tolist()))
    model = tiny_model(covariance=rounded, drift_covariance=drift, level=-1.6, band_factors=BAND_FACTORS)
    folder = tmp_path_factory.mktemp("model") / "tiny"
    return save_checkpoint(folder, config=model_config(model), model=model)


@pytest.fixture
def make_model() -> Callable[..., LeadVAE]:
    """`tiny_model` for tests that need another seed or setting."""
    return tiny_model
