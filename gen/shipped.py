"""Where the weights that come with the suite are: beside the code of the package that they belong to.

shipped("diffusion", "default")       # the folder diffusion/weights/default
checkpoint("default", "diffusion")    # the same, where a user may give a folder of their own instead
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from gen.records import InputError


def shipped(package: str, name: str = "") -> Path:
    """The folder of shipped weights, whether it is there or not.

    Args:
        package: that they belong to.
        name: of the weights, such as ``default`` or ``twin/change``; empty for the folder of all.

    Raises:
        ModuleNotFoundError: no such package.
    """
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError(f"no package {package!r}", name=package)
    return Path(next(iter(found.submodule_search_locations))) / "weights" / name


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
            raise InputError(
                f"{text}: these weights are not in {found}; accepted: a checkpoint's folder such as RUN/best"
            )
        return found
    accepted = f"accepted: {', '.join(sorted(names))} (shipped), or a checkpoint's folder such as RUN/best"
    raise InputError(f"{text}: {'no config.json in it' if folder.is_dir() else 'no such weights'}; {accepted}")
