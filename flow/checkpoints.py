"""The folder of a cmr pipeline: checkpoints that belong together, the volume reader, and which is which."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flow.levels import INDEX
from flow.networks.velocity import VelocityDiT
from flow.volumes.reader import VolumeReader
from gen.card import check_card
from gen.checkpoint import CARD, CONFIG, checkpoint_digest, load_checkpoint
from gen.files import read_json, replace_folder, write_json
from gen.records import InputError

PARTS = ("encoder", "codec", "network")
#: What lets the figures of the hearts be told by more hearts than have pictures; both or neither.
TELLING = ("reader", "steering")
#: What draws slices from base to apex; both or neither.
SLICES = ("slice_codec", "slices")
OPTIONAL = (*TELLING, *SLICES)


def save_pipeline(
    folder: Path,
    *,
    encoder: Path,
    codec: Path,
    network: Path,
    volumes: VolumeReader,
    card: Mapping[str, Any] | None = None,
    steps: int = 8,
    solver: str = "euler",
) -> Path:
    """Put three checkpoints together, byte by byte.

    Raises:
        InputError: encoder or codec is not the one that the network was trained with.
    """
    with replace_folder(folder) as temporary:
        for name, source in (("encoder", encoder), ("codec", codec), ("network", network)):
            shutil.copytree(source, temporary / name)
        write_index(temporary, volumes, card or {}, steps, solver)
        checked_index(temporary)
    return folder


def write_index(folder: Path, volumes: VolumeReader, card: Mapping[str, Any], steps: int, solver: str) -> None:
    """Write index and card beside the parts."""
    network = read_json(folder / "network" / CONFIG)
    index = {
        "_class_name": "ECGToCMRPipeline",
        "pipeline": "cmr",
        "parts": {name: checkpoint_digest(folder / name) for name in (*PARTS, *OPTIONAL) if (folder / name).is_dir()},
        "alpha": network["alpha"],
        "steps": steps,
        "solver": solver,
        "volumes": volumes.to_json(),
    }
    write_json(folder / INDEX, index)
    if card:
        check_card(card, str(folder / CARD))
        write_json(folder / CARD, dict(card))


def pipeline_card(folder: Path) -> dict[str, Any]:
    """The card beside the index; empty where there is none."""
    return read_json(folder / CARD) if (folder / CARD).is_file() else {}


def checked_index(folder: Path) -> dict[str, Any]:
    """The index of a pipeline folder whose parts belong together.

    Raises:
        InputError: a part or the index is missing, damaged or foreign.
    """
    if not (folder / INDEX).is_file():
        raise InputError(f"{folder}: no {INDEX}; a cmr pipeline holds it beside {', '.join(PARTS)}")
    index = read_json(folder / INDEX)
    if index.get("_class_name") != "ECGToCMRPipeline":
        raise InputError(f"{folder}: pipeline of {index.get('_class_name')}; expected ECGToCMRPipeline")
    stored = index.get("parts") or {}
    further = [name for both in (TELLING, SLICES) if any(name in stored for name in both) for name in both]
    for name in (*PARTS, *further):
        if checkpoint_digest(folder / name) != stored.get(name):
            raise InputError(f"{folder / name}: is not the part this pipeline was saved with (digest differs)")
    config = load_checkpoint(folder / "network", VelocityDiT).config
    for name in ("encoder", "codec"):
        if config[f"{name}_digest"] != stored[name]:
            raise InputError(f"{folder / name}: the network was trained with another {name} (digest differs)")
    for name, of in (("steering", "codec"), ("slice_codec", "codec"), ("slices", "slice_codec")):
        if name in stored and read_json(folder / name / CONFIG).get(f"{of}_digest") != stored[of]:
            raise InputError(f"{folder / name}: knows latents of another {of} (digest differs)")
    if config["alpha"] != index.get("alpha"):
        raise InputError(f"{folder}: alpha {index.get('alpha')}, but the network was trained with {config['alpha']}")
    return index


def index_digest(index: Mapping[str, Any]) -> str:
    """Names everything in a pipeline that its volumes depend on."""
    facts = json.dumps({"parts": index["parts"], "volumes": index.get("volumes")}, sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()
