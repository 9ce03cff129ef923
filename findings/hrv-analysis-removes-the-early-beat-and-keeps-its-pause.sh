#!/bin/sh
# hrv-analysis 1.0.6: remove_ectopic_beats takes out the early interval and the normal beat after the pause, and keeps the pause.
#
# Guess before running: an extra beat among intervals of 800 ms (450 ms, then a pause of 1150 ms) leaves two gaps, with any
# of the four rules, and RMSSD after filling is that of the rhythm without extra beats. Seen: karlsson and acar do so; malik,
# which is the default, and kamath keep every pause. The interval after one that was taken out is accepted without being
# looked at, which is the pause after every ventricular extra beat, and then the next, a normal one, is taken out since
# it differs from the pause. With an extra beat every twenty RMSSD of the "NN intervals" is 76 ms instead of 8, in the range of
# a trained young heart, and the count of removed beats looks right: two per extra beat. The docstring says that intervals
# that differ from the one before by more than the rule are removed; the pause differs by more than that from both its neighbours.
# Instead: method="karlsson" or "acar", or labels of beats.
# Here: rates and intervals are medians over all beats, and no rule takes any out.
set -eu
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
# nolds 0.6.3, which it asks for, can't be imported by Python 3.11
"$work/venv/bin/pip" install --quiet --no-deps hrv-analysis==1.0.6
"$work/venv/bin/pip" install --quiet "setuptools<81" nolds==0.5.2 astropy==7.2.0 matplotlib==3.10.8 numpy==2.3.5 pandas==3.0.2 scipy==1.17.1
cat > "$work/run.py" <<'PY'
import warnings
from importlib.metadata import version

import numpy as np

warnings.simplefilter("ignore")
from hrvanalysis import get_time_domain_features, interpolate_nan_values, remove_ectopic_beats

beat = np.arange(300)
rhythm = np.round(800 + 20 * np.sin(beat / 5) + 5 * np.random.default_rng(0).standard_normal(300))
extra = beat[10:290:20]
recorded = rhythm.copy()
recorded[extra], recorded[extra + 1] = 450, 1150
plain = get_time_domain_features(rhythm.tolist())["rmssd"]
seen = {}
print(f"hrv-analysis {version('hrv-analysis')}: 300 intervals, {len(extra)} extra beats; RMSSD without them {plain:.0f} ms, "
      f"with them {get_time_domain_features(recorded.tolist())['rmssd']:.0f} ms")
for method in ("malik", "kamath", "karlsson", "acar"):
    kept = np.array(remove_ectopic_beats(recorded.tolist(), method=method, verbose=False))
    rmssd = get_time_domain_features(interpolate_nan_values(kept.tolist()))["rmssd"]
    early, pauses = int((kept == 450).sum()), int((kept == 1150).sum())
    normal = int(np.isnan(kept[extra + 2]).sum())
    seen[method] = (early, pauses, rmssd)
    print(f"{method}: {np.isnan(kept).sum()} intervals removed, {early} early ones and {pauses} pauses kept (expected 0 and 0), "
          f"{normal} normal ones after a pause removed; RMSSD {rmssd:.0f} ms")
assert all(seen[method][:2] == (0, len(extra)) and seen[method][2] > 5 * plain for method in ("malik", "kamath")), (
    "the behaviour has changed"
)
assert all(seen[method][:2] == (0, 0) and seen[method][2] < 1.5 * plain for method in ("karlsson", "acar"))
PY
"$work/venv/bin/python" "$work/run.py"
