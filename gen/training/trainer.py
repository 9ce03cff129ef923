"""The training loop, from the first batch to the checkpoint with the best validation."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gen.card import NAMELESS, with_run
from gen.checkpoint import model_config as config_of
from gen.checkpoint import save_checkpoint
from gen.precision import in_threads
from gen.progress import Progress as ProgressLine
from gen.progress import format_seconds
from gen.records import InputError
from gen.training.adapter import folded
from gen.training.config import TrainingConfig
from gen.training.data import Batch, BatchSource, Prefetch, Share, batches
from gen.training.engine import Engine, derived_seed
from gen.training.interrupt import Interrupt
from gen.training.report import RunLog
from gen.training.run_folder import check_run_folder, prepare_run_folder, versions
from gen.training.schedule import learning_rate
from gen.training.state import Progress, latest_state, load_state, save_state

Validate = Callable[[torch.nn.Module], Mapping[str, float]]


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended.

    Attributes:
        best_path: checkpoint with the best validation (a copy of the last one where there was no validation).
        last_path: checkpoint at the end.
        best_value: the monitored value of ``best_path``; None without a validation.
        steps: optimiser steps done.
        seconds: time used, over all resumes.
        reason: why it ended: 'steps', 'patience' or 'time'.
        metrics: values of the last validation.
    """

    best_path: Path
    last_path: Path
    best_value: float | None
    steps: int
    seconds: float
    reason: str
    metrics: dict[str, float]


def train(
    model: torch.nn.Module,
    source: BatchSource,
    *,
    config: TrainingConfig,
    out: str | Path,
    validate: Validate | None = None,
    resume: bool = False,
    overwrite: bool = False,
    card: Mapping[str, Any] | None = None,
    log: Callable[[dict[str, Any]], None] | None = None,
    model_config: Mapping[str, Any] | None = None,
    identity: Mapping[str, Any] | None = None,
) -> TrainingResult:
    """Train a model; the same under ``accelerate launch`` on many processes as on one.

    The initial weights are the model's: seed torch before they are drawn (`gen.training.recipe.run` does), or the
    same run twice differs.

    The folder ``out`` receives ``run.json`` (settings, versions), ``log.jsonl``, ``state/`` (for an exact resume) and
    the checkpoints ``best/`` and ``last/``, which hold the averaged weights where there is an average.

    Args:
        model: any module with ``loss(batch) -> dict`` of scalar means over the batch: "loss" and named parts.
        source: where samples come from.
        config: settings.
        out: folder of the run.
        validate: called on the main process with the (averaged) model in evaluation mode, without gradients and in
            full precision; its values are logged and ``config.monitor`` selects the best.
        resume: go on from the saved state; a run that was never saved starts anew.
        overwrite: remove an earlier run in ``out`` first.
        card: for the checkpoints' ``card.json``, see `gen.card.training_card`; without one they are nameless.
        log: called with every logged line.
        model_config: ``config.json`` of the checkpoints; the model's own configuration by default. A key
            ``pipeline`` names the pipeline that `gen.load` opens the checkpoint with.
        identity: what the run is made from (see `gen.training.recipe`), kept in ``run.json``; a resume with another
            is refused.

    Raises:
        InputError: settings, folder or state do not allow the run.
        NonFiniteLossError: a loss or gradient became NaN or infinite.
    """
    out = Path(out)
    settings = dict(model_config) if model_config is not None else config_of(model)
    check_run_folder(out, config, settings, identity, resume=resume, overwrite=overwrite)
    with in_threads(config.threads):
        return _Run(model, source, config, out, settings, validate, card or NAMELESS, identity).run(log, overwrite)


class _Run:
    def __init__(
        self,
        model: torch.nn.Module,
        source: BatchSource,
        config: TrainingConfig,
        out: Path,
        settings: Mapping[str, Any],
        validate: Validate | None,
        card: Mapping[str, Any],
        identity: Mapping[str, Any] | None,
    ) -> None:
        self.source, self.config, self.out, self.settings = source, config, out, settings
        self.validate, self.card, self.identity = validate, card, identity
        self.engine = Engine(model, config)
        accelerator = self.engine.accelerator
        self.share = Share(
            config.batch_size, accelerator.process_index, accelerator.num_processes, config.gradient_accumulation
        )
        self.progress = Progress()

    def run(self, log: Callable[[dict[str, Any]], None] | None, overwrite: bool) -> TrainingResult:
        engine, config = self.engine, self.config
        if engine.is_main:
            prepare_run_folder(self.out, config, self.settings, self.identity, overwrite=overwrite)
        engine.accelerator.wait_for_everyone()
        saved = latest_state(self.out / "state")
        if saved is not None:
            self.progress = load_state(saved, engine.model, engine.optimizer, engine.ema)
        done = self.progress.step
        self.log = None
        if engine.is_main:
            self.log = RunLog(self.out, resumed_step=done, tensorboard=config.tensorboard, hook=log)
        self.line = ProgressLine("step", config.steps, done=done) if engine.is_main else ProgressLine.silent()
        items = batches(self.source, self.share, config.seed, range(done, config.steps))
        try:
            with self.line:
                # Many processes could not agree on a step to stop at; they keep to their last saved state.
                with (
                    Prefetch(items, config.prefetch * config.gradient_accumulation) as ready,
                    Interrupt(active=self.share.processes == 1) as interrupt,
                ):
                    reason = self._loop(ready, interrupt)
                return self._finish(reason)
        finally:
            if self.log is not None:
                self.log.close()

    def _loop(self, ready: Iterator[Batch], interrupt: Interrupt) -> str:
        progress, config = self.progress, self.config
        began = time.monotonic() - progress.seconds
        measured, busy = progress.step, 0.0
        while True:
            progress.seconds = self._elapsed(began)
            reason = self._reason_to_stop()
            if reason is not None:
                return reason
            started = time.monotonic()
            lr = learning_rate(config, progress.step, progress.seconds)
            parts = [next(ready) for _ in range(config.gradient_accumulation)]
            values = self.engine.step(progress.step, lr, parts)
            progress.step += 1
            for name, value in values.items():
                progress.sums[name] = progress.sums.get(name, 0.0) + value
            progress.summed += 1
            busy += time.monotonic() - started
            self.line.update(progress.step, f"loss {values['loss']:.4g}", left_s=self._left())
            if progress.step % config.log_every == 0:
                self._log_losses(lr, (progress.step - measured) * config.batch_size / max(busy, 1e-9))
                measured, busy = progress.step, 0.0
            if progress.step % config.validate_every == 0:
                self._validate()
            if progress.step % config.save_every == 0 or interrupt.asked:
                progress.seconds = self._elapsed(began)
                self._save()
            if interrupt.asked:
                self.line.say(f"interrupted; step {progress.step} is saved, go on with --resume")
                raise KeyboardInterrupt

    def _left(self) -> float | None:
        """Seconds left where the time budget ends before the steps do; None where the steps decide."""
        left = self.line.proportional_s()
        if self.config.max_minutes is None or left is None:
            return None
        return max(0.0, min(left, 60 * self.config.max_minutes - self.progress.seconds))

    def _elapsed(self, began: float) -> float:
        seconds = time.monotonic() - began
        # With a time budget the processes must stop at the same step.
        return seconds if self.config.max_minutes is None else self.engine.agreed(seconds)

    def _reason_to_stop(self) -> str | None:
        config, progress = self.config, self.progress
        if progress.step >= config.steps:
            return "steps"
        if config.patience is not None and progress.stale >= config.patience:
            return "patience"
        if config.max_minutes is not None and progress.seconds >= 60 * config.max_minutes:
            return "time"
        return None

    def _log_losses(self, lr: float, rate: float) -> None:
        progress = self.progress
        means = {name: total / progress.summed for name, total in progress.sums.items()}
        progress.sums, progress.summed = {}, 0
        if self.log is not None:
            line = {"step": progress.step, "samples": progress.step * self.config.batch_size, "lr": lr, **means}
            self.log.write({**line, "seconds": round(progress.seconds, 3), "samples_per_s": round(rate, 2)})

    def _validate(self) -> None:
        progress, config, engine = self.progress, self.config, self.engine
        progress.validated_step = progress.step
        if self.validate is None:
            return
        value = math.nan
        if engine.is_main:
            torch.manual_seed(derived_seed(config.seed))  # the same noise at every validation
            with engine.averaged() as model, torch.no_grad():
                progress.metrics = {name: float(v) for name, v in self.validate(model).items()}
            if config.monitor not in progress.metrics:
                known = ", ".join(sorted(progress.metrics))
                raise InputError(f"monitor={config.monitor}: validation gives no such value; it gives {known}")
            value = progress.metrics[config.monitor]
        value = engine.agreed(value)
        better = math.isfinite(value) and (
            progress.best_value is None
            or (value > progress.best_value if config.maximise else value < progress.best_value)
        )
        progress.stale = 0 if better else progress.stale + 1
        if better:
            progress.best_value, progress.best_step = value, progress.step
        if self.log is not None:
            self.log.write({"step": progress.step, "validation": progress.metrics, "best": better})
            shown = ", ".join(f"{name} {v:.4g}" for name, v in progress.metrics.items())
            self.line.say(f"step {progress.step}: validation {shown}{' (best)' if better else ''}")
            if better:
                self._save_checkpoint("best")

    def _save(self) -> None:
        if self.engine.is_main:
            self._save_checkpoint("last")
            engine = self.engine
            save_state(self.out / "state", self.progress, engine.model, engine.optimizer, engine.ema)
        self.engine.accelerator.wait_for_everyone()

    def _save_checkpoint(self, name: str) -> None:
        progress = self.progress
        facts = with_run(
            self.card,
            seed=self.config.seed,
            steps=progress.step,
            samples=progress.step * self.config.batch_size,
            minutes=round(progress.seconds / 60, 2),
            processes=self.share.processes,
            parameters=sum(p.numel() for p in self.engine.model.parameters()),
            versions=versions(),
            validation=dict(progress.metrics),
        )
        with self.engine.averaged() as model:
            save_checkpoint(
                self.out / name,
                config=self.settings,
                model=folded(model),
                card=facts,
                dtype=self.config.checkpoint_dtype,
            )

    def _finish(self, reason: str) -> TrainingResult:
        progress, engine = self.progress, self.engine
        if progress.validated_step != progress.step:
            self._validate()
        saved = latest_state(self.out / "state")
        if saved is None or saved.name != f"step-{progress.step:09d}":
            self._save()
        if progress.best_value is None and engine.is_main:
            self._save_checkpoint("best")  # nothing has chosen: the last weights are the best there are
        engine.accelerator.wait_for_everyone()
        self.line.say(f"ended at step {progress.step} ({reason}) after {format_seconds(progress.seconds)}")
        return TrainingResult(
            best_path=self.out / "best",
            last_path=self.out / "last",
            best_value=progress.best_value,
            steps=progress.step,
            seconds=progress.seconds,
            reason=reason,
            metrics=dict(progress.metrics),
        )
