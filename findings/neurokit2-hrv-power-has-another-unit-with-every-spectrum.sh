#!/bin/sh
# neurokit2 0.3.0: absolute HRV power is 50 times too large with Lomb-Scargle, and grows with the recording with FFT.
#
# Guess before running: heart periods that swing by 20 ms at 0.1 Hz and at 0.25 Hz have 200 square milliseconds of LF and
# of HF (half the square of the swing), with any psd_method, normalize=False. Seen: welch says so; lomb
# says 10,000 of each, by a factor that is half the rate to which periods were brought, and fft says 3e8 for five minutes
# and 6e8 for ten. Only ratios agree. And with normalize=True, the default, all are divided by the largest value of the spectrum:
# when the slow swing doubles and the fast one stays, HRV_HF falls to a quarter and HRV_LnHF, the usual index of vagal
# tone, by 1.4, so a change of posture or stress in LF is reported as one of HF. The docstring says that the spectrum is
# normalised by its maximum; it gives no units, and a value of lomb, 10,000, is not out of range for a young heart.
# Instead: psd_method="welch", normalize=False, which is in square milliseconds.
# Here: powers of heart periods are computed nowhere, and spectra of signals come from SciPy.
set -eu
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet neurokit2==0.3.0 astropy==7.2.0 numpy==2.3.5 scipy==1.17.1
cat > "$work/run.py" <<'PY'
import warnings
from importlib.metadata import version

import numpy as np

warnings.simplefilter("ignore")
import neurokit2


def peaks(seconds, slow_ms=20.0):
    """R peaks in ms: periods of 800 ms that swing by slow_ms at 0.1 Hz and by 20 ms at 0.25 Hz."""
    beats = [0.0]
    while beats[-1] < seconds:
        t = beats[-1]
        beats.append(t + 0.8 + slow_ms / 1000 * np.sin(2 * np.pi * 0.1 * t) + 0.02 * np.sin(2 * np.pi * 0.25 * t))
    return np.rint(np.array(beats) * 1000).astype(int)


def powers(found, **settings):
    row = neurokit2.hrv_frequency(found, sampling_rate=1000, **settings)
    return float(row["HRV_LF"].iloc[0]), float(row["HRV_HF"].iloc[0])


seen = {}
print(f"neurokit2 {version('neurokit2')}, normalize=False: LF and HF (expected 200 and 200 square ms)")
for method in ("welch", "lomb", "fft"):
    for seconds in (300, 600):
        seen[method, seconds] = powers(peaks(seconds), psd_method=method, normalize=False)
        print(f"{method}, {seconds} s: {seen[method, seconds][0]:.4g}, {seen[method, seconds][1]:.4g}")
calm, stirred = powers(peaks(300))[1], powers(peaks(300, slow_ms=40))[1]
print(f"default settings, the slow swing doubled: HF {calm:.5f} becomes {stirred:.5f} (expected no change)")
assert all(abs(power - 200) < 10 for power in seen["welch", 600])
assert all(abs(power / 200 - 50) < 2 for power in seen["lomb", 600]), "the behaviour has changed"
assert seen["fft", 300][0] > 1e8 and abs(seen["fft", 600][0] / seen["fft", 300][0] - 2) < 0.05, "the behaviour has changed"
assert abs(stirred / calm - 0.25) < 0.03, "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/run.py"
