#!/bin/sh
# brainflow 5.23.0: the power spectrum is not divided by the power of its window, so its area is not the signal's power.
#
# Guess before running: the area under a power spectral density is the power of the signal, 0.5 for a sine of 1, with any
# window, as in SciPy, MATLAB and MNE. Seen: that holds without a window alone. Under Hann the area is 0.1875, 2.7 times too
# small, under Hamming and Blackman-Harris 2.5 and 3.9 times, with get_psd and get_psd_welch alike; band powers follow.
# Ratios of bands of one window are right, so nothing strikes the eye; powers in square microvolts, thresholds taken from
# papers, and a comparison of muscle or brain activity with another program are off by that factor, and a change of window
# looks like a change of the person. The docstrings name the windows and no such factor.
# Instead: divide by the mean of the squared window (3/8 for Hann), or use scipy.signal.welch.
# Here: spectra come from SciPy.
set -eu
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet brainflow==5.23.0 numpy==2.3.5 scipy==1.17.1
cat > "$work/run.py" <<'PY'
from importlib.metadata import version

import numpy as np
from brainflow.data_filter import DataFilter, WindowOperations
from scipy.signal import welch

rate = 256
sine = np.sin(2 * np.pi * 10 * np.arange(2048) / rate)  # power 0.5
windows = {"NO_WINDOW": "boxcar", "HANNING": "hann", "HAMMING": "hamming", "BLACKMAN_HARRIS": "blackmanharris"}
seen = {}
print(f"brainflow {version('brainflow')}: power of a sine of 1 from 8 to 12 Hz (expected 0.5)")
for name, other in windows.items():
    window = getattr(WindowOperations, name).value
    whole = DataFilter.get_band_power(DataFilter.get_psd(sine.copy(), rate, window), 8, 12)
    parts = DataFilter.get_band_power(DataFilter.get_psd_welch(sine.copy(), 512, 256, rate, window), 8, 12)
    hz, density = welch(sine, rate, other, 512, 256)
    reference = np.trapezoid(density, hz)
    seen[name] = (whole, parts)
    print(f"{name}: get_psd {whole:.3f}, get_psd_welch {parts:.3f}; SciPy {reference:.3f}")
    assert abs(reference - 0.5) < 0.01
assert np.allclose(seen["NO_WINDOW"], 0.5, atol=0.01), "the behaviour has changed"
assert np.allclose(seen["HANNING"], 0.1875, atol=0.01), "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/run.py"
