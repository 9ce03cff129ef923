"""Weights small enough to ship: ``python -m gen.pack RUN WEIGHTS --dtype int8 --card KEY=JSON``.

Copies a checkpoint, or a pipeline's folder of checkpoints, with its weights in another storage type.
"""

import argparse
import json
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


def main() -> None:
    """Command line of `pack`."""
    parser = argparse.ArgumentParser(prog="python -m gen.pack", description=__doc__)
    parser.add_argument("source", type=Path, help="checkpoint folder, or one that has several")
    parser.add_argument("target", type=Path, help="where to; replaced if there")
    parser.add_argument("--dtype", default="int8", choices=("fp32", "bf16", "fp16", "int8"))
    parser.add_argument("--card", action="append", default=[], metavar="KEY=JSON", help="entry for the cards")
    options = parser.parse_args()
    try:
        card = {key: json.loads(value) for key, _, value in (item.partition("=") for item in options.card)}
        size = pack(options.source, options.target, options.dtype, card)
    except (InputError, ValueError) as error:
        parser.error(" ".join(str(error).split()))
    print(f"{options.target}: {size / 2**20:.1f} MB")


if __name__ == "__main__":
    main()
