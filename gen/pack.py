"""Weights small enough to ship: ``physiogen pack RUN WEIGHTS --dtype int8``.

Copies a checkpoint, or a pipeline's folder of checkpoints, with its weights in another storage type.
"""

import shutil
from pathlib import Path
from typing import Any

from gen.checkpoint import CONFIG, load_checkpoint, save_checkpoint
from gen.files import replace_folder
from gen.records import InputError


def pack(source: str | Path, target: str | Path, dtype: str = "int8", card: dict[str, Any] | None = None) -> int:
    """Copy every checkpoint under a folder, and the other files beside them; what was at ``target`` is replaced.

    Args:
        source: a checkpoint's folder, or one that has several.
        target: where to.
        dtype: storage of the weights, as in `gen.checkpoint.save_checkpoint`.
        card: entries for the cards.

    Returns:
        Bytes written.

    Raises:
        InputError: no checkpoint there, or a weight is not finite in the storage type.
    """
    source, target = Path(source), Path(target)
    folders = {path.parent for path in source.rglob(CONFIG)}
    if not folders:
        raise InputError(f"{source}: no checkpoint ({CONFIG}) in it")
    with replace_folder(target) as temporary:
        for path in sorted(path for path in source.rglob("*") if path.is_file() and path.parent not in folders):
            place = temporary / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
        for folder in sorted(folders):
            stored = load_checkpoint(folder)
            merged = {**stored.card, **(card or {})}
            place = temporary / folder.relative_to(source)
            save_checkpoint(place, config=stored.config, model=stored.tensors, card=merged, dtype=dtype)
        return sum(path.stat().st_size for path in temporary.rglob("*") if path.is_file())
