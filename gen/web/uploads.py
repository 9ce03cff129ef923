"""What a visitor has given, put beside the command that reads it; archives are unpacked with care."""

import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from gen.records import InputError

#: Files that belong to another file of the same name, which is the one that a command is given.
_COMPANIONS = {".dat", ".atr", ".xws", ".pecg"}
#: Files in an archive, and how many times larger it may be unpacked than the limit of uploads.
MOST_FILES, _LARGER = 20_000, 10


def stage(paths: Sequence[str] | None, folder: Path, limit_bytes: int, what: str = "a file") -> list[str]:
    """Put uploads into a folder under their own names.

    Args:
        paths: of the uploads.
        folder: where a command will run.
        limit_bytes: of uploads; an archive may be ten times as large when it is unpacked.
        what: that is asked for where nothing was given.

    Returns:
        What a command is given: names of files, and of the folders that archives were unpacked into.

    Raises:
        InputError: nothing was given, an archive is broken, too large, or reaches outside of its folder.
    """
    names: list[str] = []
    for path in map(Path, paths or ()):
        if path.suffix.lower() == ".zip":
            names.append(_unpack(path, folder, limit_bytes * _LARGER))
        else:
            shutil.copyfile(path, folder / path.name)
            names.append(path.name)
    if not names:
        raise InputError(f"nothing to work on; give {what}")
    mains = [name for name in names if Path(name).suffix.lower() not in _COMPANIONS]
    return [f"./{name}" if name.startswith("-") else name for name in mains or names]


def one_folder(paths: Sequence[str] | None, folder: Path, name: str, limit_bytes: int) -> str:
    """Put a set into one folder: what an archive holds, or single files.

    Raises:
        InputError: see `stage`.
    """
    own = folder / name
    own.mkdir()
    found = stage(paths, own, limit_bytes, f"a zip or files for {name}")
    return f"{name}/{found[0]}" if len(found) == 1 and (own / found[0]).is_dir() else name


def _unpack(path: Path, folder: Path, most_bytes: int) -> str:
    """Unpack an archive; the name of its folder, or of the only folder in it."""
    target = folder / path.stem
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            if len(infos) > MOST_FILES or sum(info.file_size for info in infos) > most_bytes:
                raise InputError(
                    f"{path.name}: {len(infos)} files, {sum(info.file_size for info in infos) / 1e6:.0f} MB unpacked; "
                    f"accepted: {MOST_FILES} files, {most_bytes / 1e6:.0f} MB"
                )
            for info in infos:
                parts = PurePosixPath(info.filename.replace("\\", "/")).parts
                if ".." in parts or PurePosixPath(info.filename).is_absolute() or info.external_attr >> 28 == 0xA:
                    raise InputError(f"{path.name}: holds {info.filename}, which lies outside of it or is a link")
                place = target.joinpath(*parts)
                place.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(info) as source, place.open("wb") as sink:
                    shutil.copyfileobj(source, sink)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
        raise InputError(f"{path.name}: not a zip that can be read ({error})") from error
    if not target.is_dir():
        raise InputError(f"{path.name}: an empty archive")
    inside = [each for each in target.iterdir() if each.name != "__MACOSX"]
    return f"{path.stem}/{inside[0].name}" if len(inside) == 1 and inside[0].is_dir() else path.stem
