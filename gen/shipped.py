"""Where the weights that come with the suite are: beside the code of the package that they belong to.

shipped("diffusion", "default")       # the folder diffusion/weights/default
checkpoint("default", "diffusion")    # the same, where a user may give a folder of their own instead

A checkout has them there; elsewhere the package ``physiogen-weights`` puts them there. ``weights.sha256`` names its
version that this code was made with, and the digest of every file.
"""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from gen.errors import InputError

PACKAGE = "physiogen-weights"
_MARKS = ("config.json", "model_index.json")
_TABLE = Path(__file__).with_name("weights.sha256")


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
        if not _has_weights(found):
            raise _missing(found)
        return found
    accepted = f"accepted: {', '.join(sorted(names))} (shipped), or a checkpoint's folder such as RUN/best"
    raise InputError(f"{text}: {'no config.json in it' if folder.is_dir() else 'no such weights'}; {accepted}")


def there(folder: Path) -> Path:
    """The folder itself, if it holds weights or is none of the shipped ones.

    Raises:
        InputError: it is where shipped weights belong, and none are installed.
    """
    if not _has_weights(folder) and _belongs(folder) is not None:
        raise _missing(folder)
    return folder


def check_installed(path: Path) -> None:
    """Refuse a file of an installed `physiogen-weights` that is not the one this code was made with.

    In a checkout nothing is compared: there weights are made.

    Raises:
        InputError: another version, or the file was changed.
    """
    found = _installed()
    name = None if found is None else _belongs(path)
    if name is None or not path.is_file():
        return
    if _digests().get(name, "") != hashlib.sha256(path.read_bytes()).hexdigest():
        why = f"of {PACKAGE} {found}" if found != made_with() else "changed since it was installed"
        raise InputError(f"{path}: {why}; accepted: {PACKAGE} {made_with()}, as `make wheels` builds it")


def _has_weights(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _MARKS)


def _missing(folder: Path) -> InputError:
    return InputError(
        f"{folder}: no weights there; accepted: {PACKAGE} {made_with()} beside the code, or a checkpoint's folder such "
        "as RUN/best"
    )


def _belongs(path: Path) -> str | None:
    """Name of a shipped file or folder, such as ``vae/weights/default``; None for others."""
    for package in {name.partition("/")[0] for name in _digests()}:
        with suppress(ModuleNotFoundError, ValueError):
            return f"{package}/weights/{path.resolve().relative_to(shipped(package).resolve()).as_posix()}"
    return None


def made_with() -> str:
    """Version of the package of weights that this code was made with."""
    return _TABLE.read_text(encoding="utf-8").partition("\n")[0].split()[-1]


@cache
def _digests() -> Mapping[str, str]:
    lines = _TABLE.read_text(encoding="utf-8").splitlines()[1:]
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


@cache
def _installed() -> str | None:
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return None
