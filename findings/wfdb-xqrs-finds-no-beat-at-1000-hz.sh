#!/bin/sh
# wfdb 4.3.1: xqrs_detect finds every beat of a clean ECG at 250 or 500 Hz, none at 1000 Hz, and misplaces them at 100 Hz.
#
# Guess before running: fs is an argument, so the same minute of ECG has the same beats at each rate, to within a sample.
# Seen: 69 of 69 from 120 to 750 Hz, an empty array at 1000 and 2000 Hz, with or without noise, and at 100 Hz beats that
# lie at the R peak or some 60 ms before it, by turns, so that a regular rhythm has a beat-to-beat variability of tens of
# milliseconds. Nothing is raised; with verbose a line says that default parameters are used. The wavelet that brings out
# the QRS is four SAMPLES wide at every rate: 4 ms at 1000 Hz, less than any QRS has, 40 ms at 100 Hz. 1000 Hz is the rate of
# the PTB diagnostic database and of Holters for late potentials, 100 Hz that of PTB-XL's small copy; "no beats" is then
# read as asystole or as a bad lead. Issue 389 of MIT-LCP/wfdb-python shows a failed learning at 1000 Hz. The docstring
# gives the QRS width as a time.
# Instead: resample to 250 to 500 Hz for xqrs and scale the indices back.
# Here: no beat is found with xqrs.
set -eu
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet wfdb==4.3.1 numpy==2.3.5 scipy==1.17.1
cat > "$work/run.py" <<'PY'
from importlib.metadata import version

import numpy as np
from wfdb.processing import xqrs_detect

beats = np.arange(0.7, 59.5, 60 / 70)
WAVES = ((0, 0.020, 1.0), (-0.03, 0.012, -0.15), (0.035, 0.015, -0.25), (0.3, 0.06, 0.3), (-0.17, 0.03, 0.12))


def recorded(rate, noise_mv):
    """A minute at 70 beats a minute: R of 1 mV, Q, S, T and P."""
    t = np.arange(60 * rate) / rate
    signal = sum(mv * np.exp(-(((t - beat - at) / wide) ** 2)) for beat in beats for at, wide, mv in WAVES)
    return signal + noise_mv * np.random.default_rng(0).standard_normal(len(t))


seen = {}
print(f"wfdb {version('wfdb')}: {len(beats)} beats, one every 857 ms")
for rate in (100, 250, 500, 1000, 2000):
    for noise_mv in (0.0, 0.01):
        found = xqrs_detect(recorded(rate, noise_mv), rate, verbose=False) / rate
        if len(found):
            late = 1000 * np.array([found[np.argmin(np.abs(found - beat))] - beat for beat in beats])
            swing = float(np.sqrt(np.mean(np.diff(late) ** 2)))
            low, high = np.percentile(late, (10, 90))
            text = f"off by {low:.0f} to {high:.0f} ms (tenth and ninetieth percentile), RMSSD {swing:.0f} ms (expected 0)"
        else:
            swing, text = None, "-"
        seen[rate, noise_mv] = (len(found), swing)
        print(f"{rate} Hz, noise {noise_mv} mV: {len(found)} beats; {text}")
assert all(seen[rate, noise][0] == len(beats) and seen[rate, noise][1] < 10 for rate in (250, 500) for noise in (0.0, 0.01))
assert all(seen[rate, noise][0] == 0 for rate in (1000, 2000) for noise in (0.0, 0.01)), "the behaviour has changed"
assert seen[100, 0.01][1] > 15, "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/run.py"
