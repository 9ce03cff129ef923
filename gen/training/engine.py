"""One optimiser step on one or many processes: what accelerate, AdamW and the moving average do together."""

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast

from gen.precision import bfloat16_pays
from gen.randomness import Purpose
from gen.records import InputError
from gen.training.config import TrainingConfig
from gen.training.data import Batch

if TYPE_CHECKING:
    from diffusers.training_utils import EMAModel


class NonFiniteLossError(ArithmeticError):
    """A loss or gradient that is NaN or infinite; the optimiser has not moved, the last saved state is good."""


class _Loss(torch.nn.Module):
    """Makes ``loss`` the forward pass, which is what accelerate wraps with autocast and gradient averaging."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        return self.model.loss(batch)  # type: ignore[operator]


class Engine:
    """Model, optimiser and average, placed and wrapped for this process.

    Attributes:
        model: the bare module.
        optimizer: AdamW over two groups (with and without weight decay).
        ema: moving average of the parameters, or None.
    """

    def __init__(self, model: torch.nn.Module, config: TrainingConfig) -> None:
        self.config = config
        self.model = model
        self.accelerator = _accelerator(config)
        self._wrapped = self.accelerator.prepare(_Loss(model))
        model.train()
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            parameter_groups(model, config.weight_decay), lr=config.lr, betas=config.betas, fused=True
        )
        # Only after the wrapping: it has made the processes' weights equal.
        self.ema: EMAModel | None = None
        if config.ema_decay is not None:
            from diffusers import training_utils  # importing it takes seconds

            self.ema = training_utils.EMAModel(model.parameters(), decay=config.ema_decay, foreach=True)

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and messages."""
        return self.accelerator.is_main_process

    def step(self, number: int, lr: float, parts: Sequence[Batch]) -> dict[str, float]:
        """Do one optimiser step.

        Args:
            number: of the step, from 0; it seeds dropout and the like.
            lr: learning rate.
            parts: this process's share of the batch, cut for accumulation.

        Returns:
            The loss parts, averaged over the global batch, and ``grad_norm`` before clipping.

        Raises:
            NonFiniteLossError: a part or the gradient is not finite; on all processes alike.
        """
        self.optimizer.zero_grad(set_to_none=True)
        sums: dict[str, float] = {}
        for index, batch in enumerate(parts):
            values = self._backward(number, index, len(parts), batch)
            for name, value in values.items():
                sums[name] = sums.get(name, 0.0) + value / len(parts)
        limit = math.inf if self.config.clip_norm is None else self.config.clip_norm
        norm = float(torch.nn.utils.clip_grad_norm_(self._parameters, limit))
        if not math.isfinite(norm):
            raise NonFiniteLossError(f"step {number + 1}: the norm of the gradient is {norm}")
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        if self.ema is not None:
            self.ema.step(self.model.parameters())
        return {**sums, "grad_norm": norm}

    def _backward(self, number: int, index: int, count: int, batch: Batch) -> dict[str, float]:
        # A stateless seed per (step, process, part): a resume needs no generator state.
        torch.manual_seed(derived_seed(self.config.seed, number, self.accelerator.process_index, index))
        batch = {name: value.to(self.accelerator.device, non_blocking=True) for name, value in batch.items()}
        more = index + 1 < count
        waiting: AbstractContextManager = self.accelerator.no_sync(self._wrapped) if more else nullcontext()
        with waiting:
            losses = self._wrapped(batch)
            values = self._reduced(losses)
            for name, value in values.items():
                if not math.isfinite(value):
                    raise NonFiniteLossError(f"step {number + 1}: loss part {name!r} is {value}")
            self.accelerator.backward(losses["loss"] / count)
        return values

    def _reduced(self, losses: dict[str, torch.Tensor]) -> dict[str, float]:
        names = sorted(losses)
        kind = torch.float32 if self.accelerator.device.type == "mps" else torch.float64
        stacked = torch.stack([losses[name].detach().to(kind).mean() for name in names])
        return dict(zip(names, self.accelerator.reduce(stacked, "mean").tolist(), strict=True))

    def agreed(self, value: float) -> float:
        """The main process's value, on every process."""
        if self.accelerator.num_processes == 1:
            return value
        tensor = torch.tensor([value], dtype=torch.float64, device=self.accelerator.device)
        return float(broadcast(tensor))

    @contextmanager
    def averaged(self) -> Iterator[torch.nn.Module]:
        """The model with its averaged weights, in evaluation mode; both are put back afterwards."""
        parameters = list(self.model.parameters())
        kept = [parameter.detach().clone() for parameter in parameters] if self.ema is not None else []
        modes = {module: module.training for module in self.model.modules()}  # a frozen part may stay in eval mode
        self.model.eval()
        try:
            if self.ema is not None:
                self.ema.copy_to(parameters)
            yield self.model
        finally:
            with torch.no_grad():
                for parameter, value in zip(parameters, kept, strict=False):
                    parameter.copy_(value)
            for module, training in modes.items():
                module.training = training


#: How long processes wait for one another: the main one may encode a data set, or finish a run, meanwhile.
_PATIENCE = timedelta(days=1)


def join_processes(config: TrainingConfig) -> PartialState:
    """The processes that were started together, joined: who is the main one, and a way to wait for all.

    Raises:
        InputError: not all of them could be joined.
    """
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    state = PartialState(cpu=_on_cpu(config), **({"timeout": _PATIENCE} if several else {}))
    _check_joined(state.num_processes)
    return state


def _on_cpu(config: TrainingConfig) -> bool:
    # Where there is no accelerator, only an explicit cpu=True makes accelerate join the processes (over gloo).
    return config.cpu or not torch.accelerator.is_available()


def _check_joined(joined: int) -> None:
    expected = int(os.environ.get("WORLD_SIZE", "1"))
    if joined != expected:
        raise InputError(f"{expected} processes were started, but accelerate joined {joined}")


def _accelerator(config: TrainingConfig) -> Accelerator:
    join_processes(config)
    # accelerate keeps the precision for the whole process; a second run may want another.
    AcceleratorState._reset_state()
    ddp = DistributedDataParallelKwargs(find_unused_parameters=config.find_unused_parameters)
    cpu = _on_cpu(config)
    mixed = "bf16" if config.precision == "bf16" and bfloat16_pays("cpu" if cpu else "accelerator") else "no"
    accelerator = Accelerator(mixed_precision=mixed, cpu=cpu, kwargs_handlers=[ddp])
    _check_joined(accelerator.num_processes)
    return accelerator


def parameter_groups(model: torch.nn.Module, weight_decay: float) -> list[dict]:
    """AdamW's groups: matrices and kernels decay; biases, norms and other vectors do not."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def initial_seed(seed: int) -> int:
    """Seed of torch's generator while the first weights of a run are drawn."""
    return int(np.random.SeedSequence(seed, spawn_key=(Purpose.WEIGHTS,)).generate_state(1, np.uint64)[0] >> 1)


def derived_seed(*numbers: int) -> int:
    """One 63-bit seed from several numbers."""
    return int(np.random.SeedSequence(numbers, spawn_key=(Purpose.STEP,)).generate_state(1, np.uint64)[0] >> 1)
