"""The learning rate as a pure function of progress, so that a resumed run needs no scheduler state."""

import math

from gen.training.config import TrainingConfig

_ONECYCLE_START = 1 / 25
_ONECYCLE_END = 1e-4 / 25
_ONECYCLE_WARMUP = 0.3


def learning_rate(config: TrainingConfig, step: int, seconds: float = 0.0) -> float:
    """Learning rate of a step.

    - ``constant``: linear warm-up, then ``lr``.
    - ``cosine``: linear warm-up, then half a cosine down to ``lr_floor * lr`` (Loshchilov and Hutter 2017).
    - ``onecycle``: half a cosine up from lr/25 over the warm-up (30 % of the steps unless given), then half a
      cosine down to lr/250000 (Smith and Topin 2019); momentum is left alone.

    Args:
        config: the run's settings.
        step: 0 for the first step.
        seconds: time used so far; with ``schedule_by_time`` the descent follows time if that is further on.
    """
    warmup = config.warmup
    if config.schedule == "onecycle" and warmup == 0:
        warmup = round(_ONECYCLE_WARMUP * config.steps)
    if step < warmup:
        rise = (step + 1) / warmup
        if config.schedule == "onecycle":
            return config.lr * _cosine(_ONECYCLE_START, 1.0, rise)
        return config.lr * rise
    if config.schedule == "constant":
        return config.lr
    progress = (step - warmup) / max(1, config.steps - warmup)
    if config.schedule_by_time and config.max_minutes is not None:
        progress = max(progress, seconds / (60 * config.max_minutes))
    end = _ONECYCLE_END if config.schedule == "onecycle" else config.lr_floor
    return config.lr * _cosine(1.0, end, min(1.0, progress))


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * progress))
