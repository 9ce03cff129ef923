"""NIfTI files as cines: what both readers (single files, published sets) take from header and voxels."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from gen.io.common import library, quiet, reading
from gen.records import InputError

#: Codes of xyzt_units (nifti1.h): the lower three bits are the spatial unit, the next three the unit of time.
_MILLIMETRE_PER = {"meter": 1000.0, "mm": 1.0, "micron": 0.001}
_SECOND_PER = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
#: Voxels that may be missing (NaN): the corners that resampling and masking leave, not the picture.
MOST_MISSING = 0.5
#: Bytes that one byte of a gzip file can stand for, at most.
_MOST_DEFLATED = 1032


def _check_size(path: Path, image: Any) -> None:
    """Refuse a header that announces more than the file can hold, before memory is asked for."""
    announced = math.prod(int(n) for n in image.shape) * image.get_data_dtype().itemsize
    held = path.stat().st_size * (_MOST_DEFLATED if path.name.endswith(".gz") else 1)
    if announced > held:
        raise InputError(f"{path}: truncated: its header announces {announced} bytes of voxels")


def load_cine(path: Path) -> tuple[np.ndarray, list[float], np.ndarray | None]:
    """(col, row, slice, frame) voxels, the header's pixdim (col mm, row mm, step mm, frame time s), missing voxels.

    The last one is a bool array like the voxels, or None where none is missing.

    Voxels that are not finite count as background: they take the smallest value there is. Axes of length 1 beyond the
    fourth, or in its place, are dropped. A header without units is read as mm and s.

    Raises:
        InputError: missing, broken, of another shape, or mostly not finite.
    """
    nib = library("nibabel", "cmr")
    with reading(path, "NIfTI"), quiet("nibabel.global"):
        image = nib.load(path)
        _check_size(path, image)
        data = np.asarray(image.dataobj)
        # The spacing is pixdim's: ACDC's affine is a unit matrix.
        pixdim = [float(v) for v in image.header["pixdim"][1:8]]
        space, time = image.header.get_xyzt_units()
    while data.ndim > 4 and 1 in data.shape[3:]:
        axis = 3 + data.shape[3:].index(1)
        data = data.squeeze(axis)
        del pixdim[axis]
    if data.ndim == 3:
        data = data[..., None]
    if data.ndim != 4 or 0 in data.shape or data.dtype.kind not in "fiub":
        raise InputError(f"{path}: shape {data.shape}; accepted: a cine (col, row, slice, frame)")
    pixdim = [*(v * _MILLIMETRE_PER.get(space, 1.0) for v in pixdim[:3]), pixdim[3] * _SECOND_PER.get(time, 1.0)]
    missing = ~np.isfinite(data)
    if not missing.any():
        return data, pixdim, None
    if missing.mean() > MOST_MISSING:
        raise InputError(f"{path}: {100 * missing.mean():.0f} % of its voxels are not finite; accepted: at most half")
    return np.where(missing, data[~missing].min(), data), pixdim, missing
