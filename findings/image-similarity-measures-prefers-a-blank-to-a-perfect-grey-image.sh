#!/bin/sh
# image-similarity-measures 0.3.6: a square grey image has 8 dB of PSNR against itself, and a blank one does better.
#
# rmse and psnr give a grey image, (rows, columns), its band axis themselves. Guess before running: so (128, 128) and
# (128, 128, 1) give one number, an RMSE of 0 for the image itself and a PSNR that falls as noise grows. Seen: the axis is added
# to the first image alone, and broadcasting then subtracts every row of one from every column of the other. For a square
# image, which cropped and resized slices are, nothing is raised: the image against itself has an RMSE of 0.4 of the range
# and 8 dB, noise changes the third digit, and a blank of mean grey gets 1.6 dB MORE than the perfect copy, so that a
# generator that draws nothing is ranked first. Other shapes raise an error, which is taken for a fault of those images.
# 8 dB reads like a poor generator, not like a fault of the ruler. The docstrings name bands and say nothing of grey images.
# Instead: image[..., None] for both, or skimage.metrics.
# Here: pictures are compared without it.
set -eu
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet opencv-python-headless==4.11.0.86 scikit-image==0.20.0 numpy==1.26.4 scipy==1.11.4
# with the OpenCV that needs no screen; else what the package asks for
"$work/venv/bin/pip" install --quiet --no-deps image-similarity-measures==0.3.6 phasepack==1.5
cat > "$work/run.py" <<'PY'
import warnings
from importlib.metadata import version

import numpy as np

warnings.simplefilter("ignore")
from image_similarity_measures.quality_metrics import psnr, rmse
from skimage.metrics import peak_signal_noise_ratio

y, x = np.mgrid[-1:1:128j, -1:1:128j]
slice_ = (255 * (np.hypot(x, y) < 0.8) * (0.6 + 0.4 * np.cos(9 * x) * np.cos(7 * y))).astype(np.float32)
noise = np.random.default_rng(0).standard_normal(slice_.shape).astype(np.float32)
others = {
    "itself": slice_,
    "with noise of 5": slice_ + 5 * noise,
    "with noise of 20": slice_ + 20 * noise,
    "blank, mean grey": np.full_like(slice_, slice_.mean()),
}
seen = {}
print(f"image-similarity-measures {version('image-similarity-measures')}, a slice of 128 x 128 in grey, against")
for name, other in others.items():
    grey, banded = psnr(slice_, other, max_p=255), psnr(slice_[..., None], other[..., None], max_p=255)
    expected = peak_signal_noise_ratio(slice_, other, data_range=255)
    seen[name] = float(grey)
    print(f"{name}: PSNR {grey:.2f} dB, RMSE {rmse(slice_, other, max_p=255):.3f} "
          f"(expected {expected:.2f} dB, as with one band: {banded:.2f})")
    assert np.isinf(banded) or abs(banded - expected) < 0.01
assert seen["itself"] < 10 and abs(seen["itself"] - seen["with noise of 5"]) < 0.1, "the behaviour has changed"
assert abs(seen["blank, mean grey"] - seen["itself"] - 1.57) < 0.1, "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/run.py"
