#!/bin/sh
# antropy 0.2.3: sample entropy counts ties from 5,000 samples on and leaves them out below.
#
# Sample entropy counts pairs of short patterns that differ by no more than a tolerance. Guess before running: more samples
# of one process give the same number, more exactly. Seen: up to 4,999 samples a compiled loop counts differences BELOW the
# tolerance, from 5,000 on a tree counts differences up to and WITH it. Heart periods in whole milliseconds and samples of a
# converter lie on a grid and a tolerance given in such steps is hit exactly: one sample more lowers the entropy by seven
# percent at 10 ms and by eleven at 4 ms, as much as groups of patients differ by. A night and an hour, or the same night
# with and without its artefacts, are then measured by two rules. The docstring names both ways and says that they should
# agree; with the default tolerance, which is never on the grid, they do.
# Instead: a tolerance between two steps of the grid (10.5), or windows that all lie on one side of 5,000.
# Here: no measure of this project is an entropy of patterns.
set -eu
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet antropy==0.2.3 numpy==2.3.5 scipy==1.17.1 scikit-learn==1.9.0 numba==0.63.1
cat > "$work/run.py" <<'PY'
from importlib.metadata import version

import antropy
import numpy as np

rng = np.random.default_rng(0)
noise, level = rng.standard_normal(5000), 0.0
periods = np.empty(5000)
for beat in range(5000):  # a first-order process of 800 +- 44 ms
    level = 0.9 * level + 20 * noise[beat]
    periods[beat] = round(800 + level)
seen = {}
print(f"antropy {version('antropy')}: sample entropy of heart periods in whole ms")
for tolerance in (4.0, 10.0, 10.5):
    short, long = (antropy.sample_entropy(periods[:n], order=2, tolerance=tolerance) for n in (4999, 5000))
    seen[tolerance] = long / short - 1
    print(f"tolerance {tolerance} ms: 4,999 beats {short:.3f}, 5,000 beats {long:.3f}: {100 * seen[tolerance]:+.1f} % (expected 0.0)")
assert seen[10.0] < -0.05 and seen[4.0] < -0.05, "the behaviour has changed"
assert abs(seen[10.5]) < 0.005, "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/run.py"
