"""Where results go beside the screen: a file, and the card of the weights that gave them."""

from collections.abc import Mapping
from pathlib import Path

from gen.card import NAMELESS, check_card, note_evaluation
from gen.checkpoint import CARD, CONFIG, checkpoint_digest
from gen.files import read_json, write_json
from gen.records import InputError
from gen.results import Results


def check_file(path: Path) -> None:
    """Refuse, before anything is measured, a file that could not be written.

    Raises:
        InputError: a folder of that name, or a file in the way of its folder.
    """
    if path.is_dir():
        raise InputError(f"--out {path}: is a folder; accepted: a file for the results")
    for folder in path.parents:
        if folder.exists():
            if not folder.is_dir():
                raise InputError(f"--out {path}: {folder} is no folder; accepted: a file for the results")
            break


def check_card_folder(folder: Path) -> None:
    """Refuse a folder that cannot hold a card, or one whose card does not keep the schema.

    Raises:
        InputError: no checkpoint there, or a card that cannot be used.
    """
    if not (folder / CONFIG).is_file():
        raise InputError(f"--card {folder}: no {CONFIG} in it; accepted: a checkpoint folder")
    if (folder / CARD).is_file():
        check_card(read_json(folder / CARD), str(folder / CARD))


def note(folder: Path, found: Results) -> None:
    """Add results to a card's ``evaluations``, in place of earlier ones of the same name.

    Raises:
        InputError: no checkpoint there, or other weights than those measured (``settings["weights"]``: a digest, or
            digests by name).
    """
    check_card_folder(folder)
    weights = found.settings.get("weights")
    digests = list(weights.values()) if isinstance(weights, Mapping) else [weights]
    if not weights or checkpoint_digest(folder) not in digests:
        raise InputError(f"--card {folder}: holds other weights than those measured; accepted: the folder of those")
    card = read_json(folder / CARD) if (folder / CARD).is_file() else NAMELESS
    noted = note_evaluation(card, found.for_card())
    check_card(noted, str(folder / CARD))
    write_json(folder / CARD, noted)
