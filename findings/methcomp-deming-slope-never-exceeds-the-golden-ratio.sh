#!/bin/sh
# methcomp 1.0.0: the slope of deming() lies between 0 and 1.618, whatever the two methods say of each other.
#
# Deming regression compares a new method with a reference where both have errors; slope 1 and intercept 0 is agreement,
# another slope a bias in proportion. Guess before running: a watch that reads exactly 1.2 times the heart rate of the
# ECG has slope 1.2 and intercept 0, one that counts T waves too has 2, and one that falls when the heart
# speeds up has -1. Seen: 1.16, 1.44 and +1.00, with intercepts that make up for it. Where the covariance of the
# two belongs, the variance of the new method stands, so the slope follows from the two spreads alone and grows towards the
# golden ratio as the new method's grows; twice the rate is "1.44 and a constant bias of 42". Methods of equal spread get 1.00 by
# definition, so the usual check, a method against itself or against a slightly noisy copy, is passed. The interval
# from the bootstrap is narrow around the wrong number. The docstring cites the papers of Koopmans and Deming.
# Instead: scipy.odr, with the two error variances as weights.
# Here: no line is fitted between two methods.
set -eu
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet methcomp==1.0.0 numpy==2.4.6 scipy==1.17.1 pandas==2.3.3 statsmodels==0.15.0
cat > "$work/run.py" <<'PY'
import re
from importlib.metadata import version

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from methcomp import deming


def fitted(reference, other):
    """Intercept and slope as the legend gives them."""
    _, axes = plt.subplots()
    deming(reference, other, bootstrap=None, ax=axes)
    (label,) = (line.get_label() for line in axes.lines if "Method 1" in str(line.get_label()))
    plt.close("all")
    intercept, slope = re.findall(r"-?\d+\.\d+", label)
    return float(intercept), float(slope)


def by_hand(reference, other):
    (xx, xy), (_, yy) = np.cov(reference, other)
    slope = (yy - xx + np.sqrt((yy - xx) ** 2 + 4 * xy**2)) / (2 * xy)
    return other.mean() - slope * reference.mean(), slope


ecg = np.random.default_rng(0).normal(75, 12, 100)
watches = {"1.2 times the rate": 1.2 * ecg, "twice the rate": 2 * ecg, "half the rate": ecg / 2,
           "150 less the rate": 150 - ecg, "ten times the rate": 10 * ecg}
seen = {}
print(f"methcomp {version('methcomp')}, deming(): 100 exact pairs without any noise")
for name, watch in watches.items():
    seen[name] = fitted(ecg, watch)
    intercept, slope = by_hand(ecg, watch)
    print(f"{name}: slope {seen[name][1]:.2f}, intercept {seen[name][0]:.2f} (expected {slope:.2f} and {abs(intercept):.2f})")
slopes = [slope for _, slope in seen.values()]
assert slopes[:4] == [1.16, 1.44, 0.3, 1.0] and 1.6 < slopes[4] < 1.62, "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/run.py"
