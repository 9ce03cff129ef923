"""What a training run is told: one frozen dataclass, checked when it is made."""

from dataclasses import dataclass
from typing import Literal

from gen.records import InputError

Schedule = Literal["cosine", "onecycle", "constant"]
Precision = Literal["bf16", "fp32"]
StorageType = Literal["fp32", "bf16", "fp16", "int8"]


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Settings of `gen.training.train`.

    Raises:
        InputError: a value is out of range, or two settings contradict each other.
    """

    steps: int = 10_000
    """Optimiser steps of the whole run."""
    batch_size: int = 32
    """Samples per optimiser step, over all processes and accumulated parts together."""
    lr: float = 1e-3
    """Peak learning rate."""
    weight_decay: float = 0.01
    """Decoupled weight decay; never applied to biases, norms and other parameters of one dimension."""
    betas: tuple[float, float] = (0.9, 0.99)
    """AdamW's averaging constants."""
    schedule: Schedule = "cosine"
    """Shape of the learning rate, see `gen.training.learning_rate`."""
    warmup: int = 0
    """Steps over which the learning rate rises; 'onecycle' takes 30 % of the steps where this is 0."""
    lr_floor: float = 0.0
    """Fraction of ``lr`` that 'cosine' ends at."""
    clip_norm: float | None = 1.0
    """Largest norm of the gradient; None does not clip."""
    precision: Precision = "fp32"
    """'bf16' computes the loss under bfloat16 autocast; weights and optimiser stay in float32."""
    ema_decay: float | None = 0.999
    """Decay of the exponential moving average of the weights, min(decay, (1+n)/(10+n)) at step n; None is off."""
    validate_every: int = 500
    """Steps between validations; the end of the run is always validated."""
    save_every: int = 500
    """Steps between saves of the exact state (and of ``last/``)."""
    patience: int | None = None
    """Stop after so many validations in a row without a new best; None never stops early."""
    monitor: str = "loss"
    """Name of the validation value that selects the best weights."""
    maximise: bool = False
    """Whether more is better in the monitored value."""
    seed: int = 0
    """Seed of the run: with it, a sample's number determines the sample."""
    gradient_accumulation: int = 1
    """Parts a process cuts its share of a batch into, to save memory; the batch stays the same."""
    threads: int | None = None
    """Threads per process for torch on the CPU; None leaves torch's choice."""
    prefetch: int = 2
    """Batches prepared ahead in a background thread; 0 prepares them in line."""
    max_minutes: float | None = None
    """Time budget of the whole run, resumed parts included; it ends cleanly once this is used up."""
    schedule_by_time: bool = False
    """Let the learning rate reach its end when ``max_minutes`` is used up (such a run is not exactly repeatable)."""
    log_every: int = 50
    """Steps averaged into one line of ``log.jsonl``."""
    tensorboard: bool = False
    """Also write TensorBoard events to ``tensorboard/``."""
    checkpoint_dtype: StorageType = "fp32"
    """How ``best/`` and ``last/`` store their weights; the exact state is always full precision."""
    cpu: bool = False
    """Train on the CPU even where there is an accelerator."""
    find_unused_parameters: bool = False
    """For several processes: the model does not use every parameter in every batch."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "validate_every", "save_every", "gradient_accumulation", "log_every"):
            self._check(name, getattr(self, name) >= 1, "1 or more")
        for name in ("patience", "threads"):
            value = getattr(self, name)
            self._check(name, value is None or value >= 1, "1 or more, or none")
        for name in ("clip_norm", "max_minutes"):
            value = getattr(self, name)
            self._check(name, value is None or value > 0, "above 0, or none")
        self._check("lr", self.lr > 0, "above 0")
        self._check("weight_decay", self.weight_decay >= 0, "0 or more")
        self._check("betas", len(self.betas) == 2 and all(0 <= b < 1 for b in self.betas), "two values in [0, 1)")
        self._check("warmup", 0 <= self.warmup <= self.steps, f"between 0 and steps ({self.steps}); --set warmup=0")
        self._check("lr_floor", 0 <= self.lr_floor <= 1, "between 0 and 1")
        self._check("ema_decay", self.ema_decay is None or 0 <= self.ema_decay < 1, "in [0, 1), or none")
        self._check("prefetch", self.prefetch >= 0, "0 or more")
        self._check("seed", self.seed >= 0, "0 or more")
        self._check("schedule", self.schedule in ("cosine", "onecycle", "constant"), "cosine, onecycle or constant")
        self._check("precision", self.precision in ("bf16", "fp32"), "bf16 or fp32")
        self._check(
            "checkpoint_dtype", self.checkpoint_dtype in ("fp32", "bf16", "fp16", "int8"), "fp32, bf16, fp16 or int8"
        )
        self._check(
            "schedule_by_time", not self.schedule_by_time or self.max_minutes is not None, "used with max_minutes"
        )
        self._check(
            "gradient_accumulation",
            self.batch_size % self.gradient_accumulation == 0,
            f"a divisor of batch_size {self.batch_size}",
        )

    def _check(self, name: str, good: bool, accepted: str) -> None:
        if not good:
            raise InputError(f"training setting {name}={getattr(self, name)!r}: must be {accepted}")
