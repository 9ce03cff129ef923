#!/bin/sh
# sdmetrics 0.32.0: DCROverfittingProtection measures distances to training and to holdout with two yardsticks.
#
# The metric asks of each synthetic row whether it lies nearer to the training rows than to a holdout; near half and half is
# good, nearly always nearer to training is a copy. Guess before running: one patient of 400 without an ECG, whose heart rate
# and QT are 9999, the usual code for "not measured", changes the answer of no row, being far from all.
# Seen: it changes nearly all. A column is divided by its range in the table that is compared with, so the code in the holdout
# shrinks every distance to the holdout and leaves those to training: a generator that gives its patients back with some
# noise goes from 92 percent nearer to training to 7, and its score from 0.16 to 1, the best there is. In the training table
# the same row makes patients who were never seen look like copies, all of them. Without any code a laboratory value with a
# long tail does the same in a small way. The documentation explains the comparison of distances and does not say that
# the two have scales of their own; the score is an ordinary number between 0 and 1.
# Instead: clip all three tables to the range of the training table before.
# Here: both distances are taken in the same units (metrics/privacy/attacks.py).
set -eu
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet sdmetrics==0.32.0 numpy==2.4.6 pandas==2.3.3
cat > "$work/run.py" <<'PY'
import warnings
from importlib.metadata import version

import numpy as np
import pandas as pd

warnings.simplefilter("ignore")
from sdmetrics.single_table import DCROverfittingProtection

COLUMNS = {"heart rate": (75, 12), "QT": (400, 25), "systolic": (125, 15), "potassium": (4.2, 0.4)}
metadata = {"tables": {"patients": {"columns": {name: {"sdtype": "numerical"} for name in COLUMNS}}}}


def patients(seed, rows=400):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({name: rng.normal(mean, sd, rows) for name, (mean, sd) in COLUMNS.items()})


def with_code(table):
    table = table.copy()
    table.loc[0, ["heart rate", "QT"]] = 9999.0  # no ECG of this patient
    return table


def nearer_to_training(training, synthetic, holdout):
    row = DCROverfittingProtection.compute_breakdown(training, synthetic, holdout, metadata, "patients")
    return 100 * row["synthetic_data_percentages"]["closer_to_training"], row["score"]


training, holdout, never_seen = patients(0), patients(1), patients(2)
noise = np.random.default_rng(3).standard_normal(training.shape)
copies = training + 0.15 * training.std().to_numpy() * noise
clipped = with_code(holdout).clip(training.min(), training.max(), axis=1)
seen = {}
print(f"sdmetrics {version('sdmetrics')}: synthetic rows nearer to training, and the score (1 is best)")
for name, arguments, expected in (
    ("copies", (training, copies, holdout), "over 90"),
    ("copies, one row with 9999 in the holdout", (training, copies, with_code(holdout)), "as before"),
    ("copies, the same clipped to training", (training, copies, clipped), "as before"),
    ("independent rows", (training, never_seen, holdout), "about 50"),
    ("independent rows, one row with 9999 in training", (with_code(training), never_seen, holdout), "as before"),
):
    seen[name] = nearer_to_training(*arguments)
    print(f"{name}: {seen[name][0]:.0f} percent (expected {expected}), score {seen[name][1]:.2f}")
share = [value[0] for value in seen.values()]
assert share[0] > 90 and share[2] > 90 and 40 < share[3] < 60
assert share[1] < 15 and seen["copies, one row with 9999 in the holdout"][1] == 1, "the behaviour has changed"
assert share[4] > 95, "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/run.py"
