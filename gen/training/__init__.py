"""Trains any model with a ``loss``: exact resume, moving average, best on validation, one or many processes.

    config = TrainingConfig(steps=1000, batch_size=64, lr=3e-4, warmup=100)
    result = train(model, source, config=config, out="RUN", validate=lambda model: {"loss": ...})

A *source* gives the samples with certain global numbers (`BatchSource`); sample g of run seed s is always the same, so
a resumed run and a run on several processes train on exactly the same data.
"""

from gen.overrides import apply_overrides, parse_overrides
from gen.randomness import sample_generator, sample_seeds, seeded_normal, seeded_uniform
from gen.training.config import TrainingConfig
from gen.training.data import Batch, BatchSource, Prefetch, Share, batches, shuffled_indices
from gen.training.engine import Engine, NonFiniteLossError, parameter_groups
from gen.training.recipe import Fit, Job, OfCache, Recipe, run
from gen.training.schedule import learning_rate
from gen.training.trainer import TrainingResult, train

__all__ = [
    "Batch",
    "BatchSource",
    "Engine",
    "Fit",
    "Job",
    "NonFiniteLossError",
    "OfCache",
    "Prefetch",
    "Recipe",
    "Share",
    "TrainingConfig",
    "TrainingResult",
    "apply_overrides",
    "batches",
    "learning_rate",
    "parameter_groups",
    "parse_overrides",
    "run",
    "sample_generator",
    "sample_seeds",
    "seeded_normal",
    "seeded_uniform",
    "shuffled_indices",
    "train",
]
