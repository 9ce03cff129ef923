#!/bin/sh
# prdc 0.2: a perfect copy of a data set gets precision, recall, density and coverage near zero where records are repeated.
#
# Guess before running: generated records that ARE the real ones have precision, recall and coverage 1; repeating some
# records to balance classes, as is usual before training, weights them and changes no more. Seen: every record that is
# there more than k times has a ball of radius zero, and prdc asks for a distance BELOW the radius, so the ball doesn't hold
# its own centre. With k = 5 and one class repeated six times the scores of the copy fall by the share of that class;
# with all records six times they are 0, 0, 0, 0. The same holds for windows that are all alike: flat leads, padding, an
# embedding that saturates. A generator is judged the worse the more faithfully it makes the balanced class, and k = 6 hides
# it. Nothing is printed. The paper that defines precision and recall so (Kynkaanniemi et al., 2019) counts the radius in.
# Instead: remove repeats (numpy.unique over rows) before the radii are taken.
# Here: these measures are computed without it, with closed balls, and say how many radii are zero.
set -eu
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet prdc==0.2 numpy==2.3.5 scikit-learn==1.9.0
cat > "$work/run.py" <<'PY'
import contextlib
import io
from importlib.metadata import version

import numpy as np
from prdc import compute_prdc

rng = np.random.default_rng(0)
common, rare = rng.standard_normal((180, 8)), rng.standard_normal((20, 8)) + 3
sets = {
    "nothing repeated": np.concatenate([common, rare]),
    "rare class five times": np.concatenate([common, *[rare] * 5]),
    "rare class six times": np.concatenate([common, *[rare] * 6]),
    "all six times": np.concatenate([common, rare] * 6),
}
seen = {}
print(f"prdc {version('prdc')}, nearest_k=5, real against a copy of itself (expected 1 for precision, recall, coverage)")
for name, real in sets.items():
    with contextlib.redirect_stdout(io.StringIO()):
        scores = compute_prdc(real, real.copy(), nearest_k=5)
    seen[name] = scores
    print(f"{name}: " + ", ".join(f"{key} {value:.3f}" for key, value in scores.items()))
share = 120 / 300  # of the rare class among all records
assert seen["nothing repeated"]["recall"] == seen["rare class five times"]["recall"] == 1
assert all(abs(seen["rare class six times"][key] - (1 - share)) < 0.02 for key in ("precision", "recall", "coverage")), (
    "the behaviour has changed"
)
assert all(value == 0 for value in seen["all six times"].values()), "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/run.py"
