"""The exact state of a run on disk: tensors as safetensors, numbers as JSON, always a complete one."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from gen.checkpoint import unique_tensors
from gen.files import read_json, remove, replace_folder, write_json
from gen.records import InputError

if TYPE_CHECKING:
    from diffusers.training_utils import EMAModel

_TENSORS, _NUMBERS = "tensors.safetensors", "state.json"


@dataclass
class Progress:
    """Where a run is; everything about it that is no tensor.

    Attributes:
        step: optimiser steps done.
        seconds: time used, over all resumes.
        best_value, best_step: best monitored value so far and the step it was measured at.
        stale: validations since the best one.
        validated_step: step of the last validation; -1 before the first.
        metrics: values of the last validation.
        sums: log parts summed since the last logged line, over ``summed`` steps.
    """

    step: int = 0
    seconds: float = 0.0
    best_value: float | None = None
    best_step: int = -1
    stale: int = 0
    validated_step: int = -1
    metrics: dict[str, float] = field(default_factory=dict)
    sums: dict[str, float] = field(default_factory=dict)
    summed: int = 0


def save_state(
    folder: Path, progress: Progress, model: torch.nn.Module, optimizer: torch.optim.Optimizer, ema: "EMAModel | None"
) -> None:
    """Write ``folder/step-N`` whole, then remove the older ones."""
    names = [name for name, _ in model.named_parameters()]
    tensors = {f"model/{name}": tensor for name, tensor in unique_tensors(model).items()}
    numbers: dict[str, Any] = {"progress": asdict(progress), "optimizer": {}, "ema": None}
    if ema is not None:
        tensors |= {f"ema/{name}": value for name, value in zip(names, ema.shadow_params, strict=True)}
        numbers["ema"] = {key: value for key, value in ema.state_dict().items() if key != "shadow_params"}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, torch.Tensor):
                tensors[f"optimizer/{name}/{key}"] = value
            else:
                numbers["optimizer"][f"{name}/{key}"] = value
    _write(folder, progress.step, tensors, numbers)


def _write(folder: Path, step: int, tensors: Mapping[str, torch.Tensor], numbers: dict[str, Any]) -> None:
    target = folder / f"step-{step:09d}"
    stored = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    with replace_folder(target, durable=True) as temporary:  # it is there if a resumed run ended at once
        save_file(stored, temporary / _TENSORS)
        write_json(temporary / _NUMBERS, numbers)
    for old in folder.iterdir():
        if old != target:
            remove(old)


def latest_state(folder: Path) -> Path | None:
    """The newest complete state; None where there is none."""
    return max(folder.glob("step-*"), default=None) if folder.is_dir() else None


def load_state(
    folder: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer, ema: "EMAModel | None"
) -> Progress:
    """Put model, optimiser and average back exactly as `save_state` found them.

    Raises:
        InputError: the state is damaged or belongs to another model.
    """
    numbers = read_json(folder / _NUMBERS)
    try:
        tensors = load_file(folder / _TENSORS)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{folder / _TENSORS}: not a complete safetensors file ({error})") from error
    groups: dict[str, dict[str, torch.Tensor]] = {"model": {}, "ema": {}, "optimizer": {}}
    for key, value in tensors.items():
        group, _, name = key.partition("/")
        groups[group][name] = value
    parameters = dict(model.named_parameters())
    _copy(folder, unique_tensors(model), groups["model"])
    if ema is not None:
        _copy(folder, dict(zip(parameters, ema.shadow_params, strict=True)), groups["ema"])
        ema.load_state_dict(numbers["ema"])
    _load_optimizer(optimizer, parameters, groups["optimizer"], numbers["optimizer"])
    return Progress(**numbers["progress"])


def _copy(folder: Path, targets: Mapping[str, torch.Tensor], values: Mapping[str, torch.Tensor]) -> None:
    different = {name for name in targets.keys() | values.keys() if name not in targets or name not in values}
    different |= {name for name in targets.keys() & values.keys() if targets[name].shape != values[name].shape}
    if different:
        raise InputError(
            f"{folder}: state of another model; {min(different)} is missing, left over or of another shape"
        )
    with torch.no_grad():
        for name, target in targets.items():
            target.copy_(values[name])


def _load_optimizer(
    optimizer: torch.optim.Optimizer,
    parameters: Mapping[str, torch.nn.Parameter],
    tensors: Mapping[str, torch.Tensor],
    scalars: Mapping[str, Any],
) -> None:
    per_name: dict[str, dict[str, Any]] = {}
    for key, value in {**tensors, **scalars}.items():
        name, _, entry = key.rpartition("/")
        per_name.setdefault(name, {})[entry] = value
    # torch's own loader numbers the parameters through the groups in order.
    name_of = {parameter: name for name, parameter in parameters.items()}
    order = [name_of[parameter] for group in optimizer.param_groups for parameter in group["params"]]
    state = {position: per_name[name] for position, name in enumerate(order) if name in per_name}
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
