#!/bin/sh
# phys2denoise 0.5.0: the heart rate "convolved with the response function" is the heart rate upside down, without delay.
#
# heart_rate and respiratory_variance give two columns: the measure, and its convolution with the published cardiac or
# respiratory response of the brain's signal; the cardiac one rises for some 4 s and dips at 12 s. Guess before running: ten
# fast seconds at 100 s have their trough at 119 s, at any sampling rate. Seen: at 103 s. The response is sampled in steps of as
# many SECONDS as the rate has hertz. From 32 Hz on one sample is left, the first, which is -1 after scaling: the column
# is the heart rate times -1, at the same instant, and correlates with the right one by -0.6; at 10 and 25 Hz two to four
# samples are left and it is nearly that. The respiratory response begins at 0, so from 50 Hz on it is 0/0 and its column is
# nothing but NaN. A regressor of wrong sign and time takes little of the heart out of the images and may put some in, while
# plots of it look alive. The docstring of the response says "sampling rate of data, in seconds", those of the measures hertz.
# Instead: numpy.convolve of the first column with responses.crf(1 / fs).
# Here: no regressors are computed from beats.
set -eu
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet numpy==1.26.4 scipy==1.16.3 pandas==2.3.3 matplotlib==3.11.2 loguru==0.7.3
"$work/venv/bin/pip" install --quiet --no-deps phys2denoise==0.5.0 physutils==0.3.0
cat > "$work/run.py" <<'PY'
import warnings
from importlib.metadata import version

import numpy as np

warnings.simplefilter("ignore")
from loguru import logger

logger.remove()
from phys2denoise.metrics.cardiac import heart_rate
from phys2denoise.metrics.chest_belt import respiratory_variance
from phys2denoise.metrics.responses import crf

SECONDS = 200
beats = [0.5]
while beats[-1] < SECONDS - 1:
    beats.append(beats[-1] + (0.7 if 100 < beats[-1] < 110 else 1.0))  # ten fast seconds
seen = {}
print(f"phys2denoise {version('phys2denoise')}: heart rate of 60 a minute, 86 from 100 to 110 s")
for fs in (25.0, 40.0, 100.0):
    time = np.arange(int(SECONDS * fs)) / fs
    rate = np.asarray(heart_rate(np.zeros(len(time)), peaks=np.rint(np.array(beats) * fs).astype(int), fs=fs))
    inner = slice(int(40 * fs), int(160 * fs))  # clear of both ends
    right = np.convolve(rate[:, 0] - rate[:, 0].mean(), crf(1 / fs))[: len(time)]

    def trough(column):
        return time[inner][np.argmin(column[inner])]

    alike = [float(np.corrcoef(rate[inner, 1], other[inner])[0, 1]) for other in (rate[:, 0], right)]
    breath = np.sin(2 * np.pi * 0.25 * time) * np.where((time > 100) & (time < 115), 3, 1)
    variance = np.asarray(respiratory_variance(breath, fs=fs))[:, 1]
    seen[fs] = (trough(rate[:, 1]), *alike, float(np.isnan(variance).mean()))
    print(f"{fs:g} Hz: {len(crf(fs))} sample(s) of the response; trough at {seen[fs][0]:.0f} s (expected {trough(right):.0f}), "
          f"correlation with the heart rate itself {alike[0]:.3f}, with its convolution {alike[1]:.2f} (expected 1); "
          f"breathing: {100 * seen[fs][3]:.0f} percent NaN (expected 0)")
    assert 112 < trough(right) < 125
assert all(seen[fs][0] < 110 and seen[fs][1] < -0.999 and seen[fs][2] < 0.9 for fs in (40.0, 100.0)), "the behaviour has changed"
assert seen[100.0][3] == 1, "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/run.py"
