"""Where the weights that come with the suite are: beside the code, or in the package ``physiogen-weights``.

shipped("diffusion", "default")       # the folder diffusion/weights/default
checkpoint("default", "diffusion")    # the same, where a user may give a folder of their own instead
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from gen.records import InputError

#: The package of weights alone: PACKAGE/NAME below it, as PACKAGE/weights/NAME beside the code.
PACKAGE = "physiogen_weights"
_INSTALL = "pip install physiogen-weights"


def places(package: str) -> list[Path]:
    """Folders that may hold a package's weights, the first one first: beside its code, and in the package of weights.

    Args:
        package: of the code, such as ``diffusion``.
    """
    found = find_spec(package)
    beside = [Path(place) / "weights" for place in (found.submodule_search_locations or ())] if found else []
    apart = find_spec(PACKAGE)
    return beside + [Path(place) / package for place in (apart.submodule_search_locations or ())] if apart else beside


def shipped(package: str, name: str = "") -> Path:
    """The folder of shipped weights.

    Args:
        package: that they belong to.
        name: of the weights, such as ``default`` or ``twin/change``; empty for the folder of all.

    Returns:
        The first place where they are; where they are nowhere, the one beside the code, so that what loads them says
        what is missing.
    """
    candidates = places(package)
    return next((place / name for place in candidates if (place / name).is_dir()), candidates[0] / name)


def checkpoint(text: str | Path, package: str, names: Mapping[str, str]) -> Path:
    """A folder of weights by name, or the user's own.

    Args:
        text: a name or a folder; a folder of that name wins where it holds a checkpoint.
        package: of the code.
        names: what may be named -> place below the package's weights, such as ``{"default": "twin/change"}``.

    Raises:
        InputError: no such name and no such folder, or the named weights are not installed.
    """
    folder = Path(text)
    if (folder / "config.json").is_file():
        return folder
    if str(text) in names:
        found = shipped(package, names[str(text)])
        if not found.is_dir():
            raise InputError(f"{text}: these weights are not installed; {_INSTALL}")
        return found
    accepted = f"accepted: {', '.join(sorted(names))} (shipped), or a checkpoint's folder such as RUN/best"
    raise InputError(f"{text}: {'no config.json in it' if folder.is_dir() else 'no such weights'}; {accepted}")
