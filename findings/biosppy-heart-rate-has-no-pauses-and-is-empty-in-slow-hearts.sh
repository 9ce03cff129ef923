#!/bin/sh
# biosppy 2.2.4: the heart rate of ecg() leaves out every interval below 40 or above 200 beats a minute, and closes the gap.
#
# Guess before running: a pause of four seconds is a heart rate of 15, and a regular rhythm of 38 is 38.
# Seen: the R peaks are found, all of them, but the rate of the pause is not there: the series goes from 75 to 75, its
# least value is 75. At 38 beats a minute, a sleeping athlete, and at 210, an infant or a tachycardia, the heart rate is an
# empty array. Nothing is raised or printed. What is left out are the findings that an ECG is recorded for, and a mean over the
# series is too normal. A note of the helper get_heart_rate says that human rates are assumed to lie between 40 and 200;
# the page of ecg() says instantaneous heart rate, and neither says that the rest is taken out.
# Instead: take rpeaks, 60 * rate / diff(rpeaks).
# Here: heart rates are computed from the beats, without bounds.
set -eu
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet biosppy==2.2.4 peakutils==1.3.5 numpy==2.4.6 scipy==1.17.1
cat > "$work/run.py" <<'PY'
import warnings
from importlib.metadata import version

import numpy as np

warnings.simplefilter("ignore")
from biosppy.signals.ecg import ecg

rate = 250


def recorded(beats, seconds=60):
    """A clean lead of 1 mV: P, R and T of each beat."""
    t = np.arange(seconds * rate) / rate
    waves = ((0, 0.012, 1.0), (-0.16, 0.025, 0.12), (0.28, 0.05, 0.25))
    signal = sum(mv * np.exp(-(((t - beat - at) / wide) ** 2)) for beat in beats for at, wide, mv in waves)
    return signal + 0.005 * np.random.default_rng(0).standard_normal(len(t))


rhythms = {
    "75 with a pause": np.r_[np.arange(0.5, 29, 0.8), np.arange(32.5, 59, 0.8)],
    "38": np.arange(0.5, 59, 60 / 38),
    "210": np.arange(0.5, 59, 60 / 210),
}
seen = {}
print(f"biosppy {version('biosppy')}")
for name, beats in rhythms.items():
    out = ecg(recorded(beats), sampling_rate=rate, show=False)
    peaks = 60 * rate / np.diff(out["rpeaks"])
    seen[name] = (peaks, out["heart_rate"])
    least = f"least {out['heart_rate'].min():.0f}" if len(out["heart_rate"]) else "empty"
    print(f"rhythm {name}: {len(out['rpeaks'])} R peaks, rate from them {peaks.min():.0f} to {peaks.max():.0f}; heart_rate: {least}")
assert seen["75 with a pause"][0].min() < 20 < 70 < seen["75 with a pause"][1].min(), "the behaviour has changed"
assert len(seen["38"][0]) > 30 and len(seen["38"][1]) == 0, "the behaviour has changed"
assert len(seen["210"][0]) > 190 and len(seen["210"][1]) == 0, "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/run.py"
