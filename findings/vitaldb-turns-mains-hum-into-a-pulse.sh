#!/bin/sh
# vitaldb 1.7.2: a waveform asked for at a lower rate is thinned without a filter, and hum becomes a pulse.
#
# A VitalFile holds ECG at 500 Hz and to_numpy takes the interval that a study wants. Guess before running: what the new
# rate can't hold is filtered away first, as resampling does, so an electrode that picks up mains hum alone is flat at
# 62.5 Hz. Seen: samples are picked by rounded index. Hum of 60 Hz comes out at 2.5 Hz, at nine tenths of its height: a
# regular pulse of 150 a minute, in a lead with nothing on it; at 100 Hz it lies at 40 Hz, inside the QRS. A higher rate
# repeats samples. The file is right and a plot of it at 500 Hz shows hum, so the fault is looked for in the detector.
# The docstring names the interval in seconds and no method; to_pandas and to_wfdb go the same way.
# Instead: to_numpy at the track's own rate, then scipy.signal.resample_poly.
# Here: signals are resampled with a polyphase filter, whatever file they come from.
set -eu
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet vitaldb==1.7.2 numpy==2.3.5 scipy==1.17.1
cat > "$work/run.py" <<'PY'
import sys
from importlib.metadata import version

import numpy as np
from scipy.signal import resample_poly
from vitaldb import VitalFile

path, start, rate, seconds = sys.argv[1] + "/hum.vital", 1700000000.0, 500, 20
hum = (0.2 * np.sin(2 * np.pi * 60 * np.arange(rate * seconds) / rate)).astype(np.float32)
file = VitalFile()
file.dtstart, file.dtend = start, start + seconds
pieces = [{"dt": start + second, "val": hum[second * rate : (second + 1) * rate]} for second in range(seconds)]
file.add_track("SNUADC/ECG_II", pieces, srate=rate, unit="mV", mindisp=-1, maxdisp=1)
file.to_vital(path)


def strongest(signal, hz):
    """(frequency, height) of the largest line of the middle 16 s."""
    middle = signal[int(2 * hz) : int(18 * hz)]
    lines = 2 * np.abs(np.fft.rfft(middle * np.hanning(len(middle)))) / np.hanning(len(middle)).sum()
    return float(np.argmax(lines) * hz / len(middle)), float(lines.max())


seen = {}
print(f"vitaldb {version('vitaldb')}: mains hum of 0.2 mV at 60 Hz, nothing else")
for hz in (500, 100, 62.5):
    signal = VitalFile(path).to_numpy(["SNUADC/ECG_II"], 1 / hz)[:, 0]
    filtered = resample_poly(hum, int(2 * hz), 2 * rate)
    seen[hz] = strongest(signal, hz)
    print(f"at {hz} Hz: {seen[hz][1]:.3f} mV at {seen[hz][0]:.1f} Hz; filtered: {strongest(filtered, hz)[1]:.3f} mV")
assert abs(seen[500][0] - 60) < 0.1
assert abs(seen[62.5][0] - 2.5) < 0.2 and seen[62.5][1] > 0.15, "the behaviour has changed"
assert abs(seen[100][0] - 40) < 0.2 and seen[100][1] > 0.1, "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/run.py" "$work"
