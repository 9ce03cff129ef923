"""Which parts make a text-to-ECG pipeline, and where they are: denoiser, codec, and how to sample from them.

A denoiser's checkpoint is a folder whose ``card.json`` names its codec (``codec``, a name of entry-point group
``gen.codecs``), the digest of that codec's checkpoint (``codec_digest``), and the settings it is best sampled with
(``sampling``). A pipeline's folder holds both as ``denoiser`` and ``codec`` beside ``model_index.json``.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from diffusion.networks.diffusets import DiffuSETSDenoiser
from diffusion.networks.dit import LatentDiT
from diffusion.networks.unet import LatentUNet
from gen import registry
from gen.card import part
from gen.checkpoint import checkpoint_digest, load_checkpoint, load_model, model_config, unique_tensors
from gen.files import read_json
from gen.records import InputError

WEIGHTS = Path(__file__).parent / "weights"
INDEX = "model_index.json"
DEFAULT_CODEC = "ecg"
#: Denoisers by the class that a checkpoint names (diffusers does not type its base classes as modules).
DENOISERS: Mapping[str, Any] = {kind.__name__: kind for kind in (LatentDiT, LatentUNet, DiffuSETSDenoiser)}


def is_beats(folder: str | Path) -> bool:
    """Whether a folder is a checkpoint of the network that draws beats (`diffusion.beats`)."""
    config = Path(folder) / "config.json"
    return config.is_file() and read_json(config).get("_class_name") == "BeatDenoiser"


@dataclass(frozen=True)
class Parts:
    """What a folder holds.

    Attributes:
        denoiser, codec: the networks.
        card: the denoiser's.
        codec_card: the codec's, empty where unknown.
        digests: SHA-256 of both checkpoints, by ``denoiser`` and ``codec``.
        scheduler: settings of a stored scheduler, or None.
    """

    denoiser: torch.nn.Module
    codec: Any
    card: dict[str, Any]
    codec_card: dict[str, Any]
    digests: dict[str, str]
    scheduler: dict[str, Any] | None = None


def load_parts(folder: str | Path) -> Parts:
    """Load a denoiser's checkpoint with the codec that it names, or a whole pipeline's folder.

    Raises:
        InputError: no such folder, a checkpoint of something else, or a codec other than the one trained with.
    """
    folder = Path(folder)
    index = read_json(folder / INDEX) if (folder / INDEX).is_file() else None
    place = folder if index is None else folder / "denoiser"
    stored = load_checkpoint(place)
    name = str(stored.config.get("_class_name", "a nameless class"))
    if name not in DENOISERS:
        raise InputError(f"{place}: checkpoint of {name}; expected {' or '.join(DENOISERS)}")
    denoiser = load_model(DENOISERS[name], place)
    card = stored.card
    codec_name = str(part(card, "codec").get("name") or DEFAULT_CODEC)
    own = folder / "codec" if index is not None else None
    codec, digest, codec_card = load_codec(codec_name, own)
    expected = part(card, "codec").get("digest")
    if expected is not None and expected != digest:
        where = own or f"the installed codec {codec_name!r}"
        raise InputError(
            f"{place}: trained on latents of codec {str(expected)[:12]}, but {where} is {digest[:12]}; "
            "they belong together"
        )
    scheduler = folder / "scheduler" / "scheduler_config.json"
    return Parts(
        denoiser,
        codec,
        card,
        codec_card,
        {"denoiser": checkpoint_digest(place), "codec": digest},
        read_json(scheduler) if index is not None and scheduler.is_file() else None,
    )


def load_codec(name: str, folder: Path | None = None) -> tuple[Any, str, dict[str, Any]]:
    """A codec by its name, shipped or from a folder, with its digest and card.

    Raises:
        InputError: no such codec is installed, or its checkpoint is missing or damaged.
    """
    try:
        loader = registry.get("gen.codecs", name)
    except registry.RegistryError as error:
        raise InputError(f"codec {name!r} is not installed; {error}") from error
    codec = loader() if folder is None else loader(folder)
    place = folder or getattr(codec, "folder", None)
    if place is None:
        return codec, module_digest(codec), {}
    return codec, checkpoint_digest(place), load_checkpoint(place).card


def module_digest(module: torch.nn.Module) -> str:
    """Digest of a network that is only in memory: its configuration and weights."""
    digest = hashlib.sha256(repr(sorted(model_config(module).items())).encode())
    for name, tensor in unique_tensors(module).items():
        digest.update(name.encode())
        digest.update(tensor.cpu().float().numpy().tobytes())
    return digest.hexdigest()
