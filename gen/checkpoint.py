"""Checkpoint folders: ``config.json``, ``model.safetensors`` and ``card.json``; written whole, loaded strictly.

diffusers' own ``from_pretrained`` only logs a warning for a missing, left-over or foreign-shaped weight and goes on
with random values, and takes pickled ``.bin`` files. `load_model` raises instead and reads safetensors only.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from gen.card import check_card
from gen.files import read_json, replace_folder, write_json
from gen.records import InputError
from gen.shipped import check_installed, there

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "card.json"
_DIFFUSERS_WEIGHTS = "diffusion_pytorch_model.safetensors"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "int8": torch.int8}
#: Name of a quantised weight's scales, one for each row; weights smaller than this stay as they are.
_SCALE = ".int8_scale"
#: Weights with fewer numbers are not stored in int8.
SMALLEST_QUANTISED = 4096

Model = TypeVar("Model", bound=torch.nn.Module)


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint folder holds: configuration, named tensors and card."""

    folder: Path
    config: dict[str, Any]
    tensors: dict[str, torch.Tensor]
    card: dict[str, Any]


def save_checkpoint(
    folder: str | Path,
    *,
    config: Mapping[str, Any],
    model: torch.nn.Module | Mapping[str, torch.Tensor],
    card: Mapping[str, Any] | None = None,
    dtype: str | torch.dtype | None = None,
) -> Path:
    """Write a checkpoint folder; one that is there is replaced as a whole.

    Args:
        folder: where to.
        config: JSON values that rebuild the model; ``_class_name`` names its class.
        model: the module, or its tensors by name.
        card: what it is for, what it was trained on and how good it is, see `gen.card`; None or empty writes none.
        dtype: storage of floating-point weights ('fp32', 'bf16', 'fp16', or 'int8': matrices with one scale a row,
            the rest in fp16); None keeps each as it is.

    Raises:
        InputError: a weight is not finite in the storage type, the card does not keep its schema, or the folder cannot
            be written.
    """
    folder = Path(folder)
    if card:
        check_card(card, str(folder / CARD))
    tensors = _stored(model if isinstance(model, Mapping) else unique_tensors(model), dtype, folder)
    with replace_folder(folder) as temporary:
        write_json(temporary / CONFIG, dict(config))
        if card:
            write_json(temporary / CARD, dict(card))
        save_file(tensors, temporary / WEIGHTS, metadata={"format": "pt"})
    return folder


def load_checkpoint(folder: str | Path, expected_class: str | type | None = None) -> Checkpoint:
    """Read a checkpoint folder.

    Args:
        folder: with ``config.json`` and ``model.safetensors`` (or diffusers' name for it); a missing card is empty.
        expected_class: class (or its name) that ``config.json`` must name.

    Raises:
        InputError: a file is missing or damaged, weights are pickled, or the class is another.
    """
    folder = Path(folder)
    check_installed(_existing(folder, CONFIG))
    config = read_json(folder / CONFIG)
    wanted = expected_class if isinstance(expected_class, str | None) else expected_class.__name__
    found = config.get("_class_name")
    if wanted is not None and found != wanted:
        raise InputError(f"{folder}: checkpoint of {found or 'a nameless class'}; expected {wanted}")
    path = _weights_file(folder)
    check_installed(path)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a complete safetensors file ({error})") from error
    card = read_json(folder / CARD) if (folder / CARD).is_file() else {}
    return Checkpoint(folder, config, _dequantised(tensors), card)


def load_model(model_class: type[Model], folder: str | Path, *, dtype: torch.dtype | None = torch.float32) -> Model:
    """Rebuild a `gen.network.Network`, or a model of diffusers, with its weights, in evaluation mode.

    Args:
        model_class: its class; ``config.json`` must name the same.
        folder: the checkpoint.
        dtype: type of the floating-point weights in memory; None keeps the stored one.

    Raises:
        InputError: as `load_checkpoint`, or the configuration has a setting the class does not know, or a weight is
            missing, left over or of another shape.
    """
    checkpoint = load_checkpoint(folder, expected_class=model_class)
    model = _build(model_class, checkpoint)
    load_weights(model, checkpoint.tensors, checkpoint.folder, dtype=dtype)
    return model.eval()


def load_weights(
    model: torch.nn.Module,
    tensors: Mapping[str, torch.Tensor],
    folder: str | Path,
    *,
    dtype: torch.dtype | None = torch.float32,
) -> None:
    """Copy tensors into a module; every one must be there, and none besides.

    Args:
        model: changed in place.
        tensors: by the names of the module's ``state_dict``; of tied weights, the first name.
        folder: named in errors.
        dtype: type of the floating-point weights in memory; None takes the stored one.

    Raises:
        InputError: a weight is missing, left over or of another shape; the model is unchanged then.
    """
    expected = unique_tensors(model)
    for name, value in expected.items():
        if name not in tensors:
            raise InputError(f"{folder}: weight {name} is missing")
        if tensors[name].shape != value.shape:
            raise InputError(
                f"{folder}: weight {name} has shape {tuple(tensors[name].shape)}; expected {tuple(value.shape)}"
            )
    for name in tensors:
        if name not in expected:
            raise InputError(f"{folder}: weight {name} does not belong to {type(model).__name__}")
    kinds = {t.dtype for t in tensors.values() if t.is_floating_point()} if dtype is None else {dtype}
    if len(kinds) == 1:
        torch.nn.Module.to(model, dtype=kinds.pop())  # diffusers' own `to` warns, with an empty list of modules
    with torch.no_grad():
        for name, value in unique_tensors(model).items():
            value.copy_(tensors[name])


def unique_tensors(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The tensors of ``state_dict``, with tied ones under their first name only."""
    seen: set[int] = set()
    unique: dict[str, torch.Tensor] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if isinstance(tensor, torch.Tensor) and id(tensor) not in seen:
            seen.add(id(tensor))
            unique[name] = tensor.detach()
    return unique


def checkpoint_digest(folder: str | Path) -> str:
    """SHA-256 of configuration and weights, which names a model; its card may be edited without changing it."""
    folder = Path(folder)
    digest = hashlib.sha256()
    for path in (_existing(folder, CONFIG), _weights_file(folder)):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def model_config(model: torch.nn.Module) -> dict[str, Any]:
    """Configuration of a module as JSON values: a `gen.network.Network`'s own, else its class name alone."""
    as_text = getattr(model, "to_json_string", None)
    if as_text is not None:
        return json.loads(as_text())
    return {"_class_name": type(model).__name__}


def _existing(folder: Path, name: str) -> Path:
    there(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such checkpoint folder")
    if not (folder / name).is_file():
        raise InputError(f"{folder}: no {name}; a checkpoint holds {CONFIG}, {WEIGHTS} and {CARD}")
    return folder / name


def _weights_file(folder: Path) -> Path:
    for name in (WEIGHTS, _DIFFUSERS_WEIGHTS):
        if (folder / name).is_file():
            return folder / name
    pickled = sorted(path.name for path in folder.glob("*") if path.suffix in _PICKLES)
    if pickled:
        raise InputError(f"{folder / pickled[0]}: pickled weights can run code and are refused; expected {WEIGHTS}")
    return _existing(folder, WEIGHTS)


def _stored(
    tensors: Mapping[str, torch.Tensor], dtype: str | torch.dtype | None, folder: Path
) -> dict[str, torch.Tensor]:
    if isinstance(dtype, str) and dtype not in _DTYPES:
        raise InputError(f"storage type {dtype!r}: expected one of {', '.join(_DTYPES)}")
    kind = _DTYPES[dtype] if isinstance(dtype, str) else dtype
    stored = {}
    for name, tensor in tensors.items():
        value = tensor.detach().cpu()
        if value.is_floating_point():
            if kind is torch.int8 and value.ndim > 1 and value.numel() >= SMALLEST_QUANTISED:
                value, stored[name + _SCALE] = _quantised(value.float())
            else:
                value = value.to(torch.float16 if kind is torch.int8 else kind or value.dtype)
            if not torch.isfinite(stored.get(name + _SCALE, value)).all():
                raise InputError(f"{folder}: weight {name} is not finite in {value.dtype}; not saved")
        stored[name] = value.contiguous().clone()
    return stored


def _quantised(value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Int8 values of a weight and the scale (row,) of each of its rows, symmetric about zero."""
    scale = value.flatten(1).abs().amax(dim=1) / 127
    steps = scale.clamp_min(torch.finfo(torch.float32).tiny).view(-1, *[1] * (value.ndim - 1))
    return (value / steps).round().to(torch.int8), scale


def _dequantised(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors with quantised weights in float32."""
    scales = {name.removesuffix(_SCALE): scale for name, scale in tensors.items() if name.endswith(_SCALE)}
    plain = {name: value for name, value in tensors.items() if not name.endswith(_SCALE)}
    for name, scale in scales.items():
        plain[name] = plain[name].float() * scale.view(-1, *[1] * (plain[name].ndim - 1))
    return plain


def _build(model_class: type[Model], checkpoint: Checkpoint) -> Model:
    from_config = getattr(model_class, "from_config", None)
    if from_config is None:
        raise TypeError(f"{model_class.__name__} has no from_config; build it and use load_weights")
    settings = {key: value for key, value in checkpoint.config.items() if not key.startswith("_")}
    settings.pop("pipeline", None)  # the registry's key, not the model's
    known = model_class._get_init_keys(model_class)  # type: ignore[attr-defined]
    for key in settings:
        if key not in known:
            raise InputError(f"{checkpoint.folder / CONFIG}: {model_class.__name__} has no setting {key!r}")
    try:
        return from_config(settings)
    except (TypeError, ValueError) as error:
        raise InputError(f"{checkpoint.folder / CONFIG}: does not build a {model_class.__name__} ({error})") from error
