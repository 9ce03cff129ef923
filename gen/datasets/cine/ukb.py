"""UK Biobank's short-axis cine (field 20209): ``EID_20209_2_0.zip`` of flat DICOM files and a manifest.

The manifest is called ``manifest.csv`` or ``manifest.cvs``, its header says ``series discription``, and its dates hold
unquoted commas, so columns cannot be counted: a row is read by what its cells look like.
"""

import re
import zipfile
from pathlib import Path

from gen.datasets.cine.dicom import assemble
from gen.datasets.cine.standard import RawCine
from gen.io.common import reading
from gen.records import InputError

ARCHIVE = re.compile(r"(?P<eid>\w+)_20209_(?P<instance>\d)_(?P<array>\d)\.zip$")
_SERIES = re.compile(r"CINE_segmented_SAX(?:_b(?P<number>\d+))?$", re.IGNORECASE)


def find_archives(root: Path) -> list[Path]:
    """Short-axis archives in a folder, or the archive itself."""
    files = [root] if root.is_file() else sorted(root.rglob("*_20209_*.zip"))
    return [f for f in files if ARCHIVE.search(f.name)]


def read_archive(path: Path) -> RawCine:
    """The short-axis cine of one archive; other series in it are left out.

    Raises:
        InputError: not an archive, no manifest, a broken DICOM file (named), or no short-axis series.
    """
    match = ARCHIVE.search(path.name)
    eid = match["eid"] if match else path.stem
    with reading(path, "ZIP"), zipfile.ZipFile(path) as archive:
        members = {Path(n).name: n for n in archive.namelist()}
        manifest = next((members[n] for n in ("manifest.csv", "manifest.cvs") if n in members), None)
        if manifest is None:
            raise InputError(f"{path}: no manifest.csv in it; accepted: an archive of UK Biobank field 20209")
        wanted = short_axis_files(archive.read(manifest).decode("utf-8", "replace"))
        if not wanted:
            raise InputError(f"{path}: not cine short axis: no series CINE_segmented_SAX in its manifest")
        missing = [name for name in wanted if name not in members]
        if missing:
            raise InputError(f"{path}: {missing[0]} is in the manifest but not in the archive")
        files = ((f"{path}/{name}", archive.read(members[name])) for name in wanted)
        return assemble(files, str(path), record_id=path.stem if match is None else f"{eid}_{match['instance']}")


def short_axis_files(manifest: str) -> list[str]:
    """Names of the DICOM files of the short-axis series in a manifest's text, in its order."""
    found = []
    for line in manifest.splitlines()[1:]:
        cells = [cell.strip().strip('"') for cell in line.split(",")]
        name = next((c for c in cells if c.lower().endswith(".dcm")), None)
        if name is not None and any(_SERIES.match(c) for c in cells):
            found.append(name)
    return found
