#!/bin/sh
# nibabel 5.4.2: every second frame of a cine keeps the interval of all frames, and frames put together have an interval of 1.
#
# Guess before running: image.slicer moves the affine along when space is cut, so it doubles the interval of frames when
# every second one is taken; frames split by four_to_three and joined by concat_images have the interval that they had.
# Seen: space is followed, time is not: 33 ms stay 33 ms for half as many frames, where SimpleITK says 66; concat_images
# writes 1, beside the unit, milliseconds, that it does keep. nilearn's index_img and concat_imgs do the same as the slicer
# (nilearn issue 2939 shows index_img). A heart cycle of 0.8 s becomes one of 0.4 s or of 25 ms, and with it every
# filling rate, strain rate and flow, by a factor of two or 33; the file is valid and every viewer plays it.
# Instead: set_zooms after any step along the fourth axis, and after concat_images.
# Here: cines are read by nibabel, cut as arrays, and written with the interval of their own frame times.
set -eu
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet nibabel==5.4.2 simpleitk==2.5.7 numpy==2.3.5
cat > "$work/run.py" <<'PY'
import sys
from importlib.metadata import version

import nibabel
import numpy as np
import SimpleITK

path = sys.argv[1] + "/cine.nii.gz"
cine = nibabel.Nifti1Image(np.zeros((8, 8, 3, 24), np.int16), np.diag([1.5, 1.5, 8, 1]))
cine.header.set_xyzt_units("mm", "msec")
cine.header.set_zooms((1.5, 1.5, 8, 33))
nibabel.save(cine, path)
cine = nibabel.load(path)


def interval_ms(image):
    """Between two frames; the header's unit is milliseconds throughout."""
    assert image.header.get_xyzt_units() == ("mm", "msec")
    return float(image.header.get_zooms()[3])


columns = float(cine.slicer[::2].header.get_zooms()[0])
half = interval_ms(cine.slicer[..., ::2])
joined = interval_ms(nibabel.concat_images(nibabel.four_to_three(cine)))
other = 1000 * SimpleITK.ReadImage(path)[:, :, :, ::2].GetSpacing()[3]  # ITK turns milliseconds into seconds
print(f"nibabel {version('nibabel')}, SimpleITK {version('simpleitk')}: pixels of 1.5 mm, frames of {interval_ms(cine):g} ms")
print(f"every second column: {columns:g} mm (expected 3)")
print(f"every second frame: {half:g} ms (expected 66; SimpleITK {other:g})")
print(f"split and joined: {joined:g} ms (expected 33)")
assert columns == 3 and round(other) == 66
assert half == 33 and joined == 1, "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/run.py" "$work"
