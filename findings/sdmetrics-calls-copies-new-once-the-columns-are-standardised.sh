#!/bin/sh
# sdmetrics 0.32.0: NewRowSynthesis counts copies as new once columns are centred, and dates by how far they are from 1970.
#
# The metric says which share of synthetic rows matches no real row; numbers match within numerical_match_tolerance, 0.01. Its
# page says that each column is first brought to 0 to 1 by the real minimum and maximum. Guess before running: so copies with
# noise of half a hundredth of the spread match wherever the zero of the scale lies, and a birthday a month off is treated
# alike in every year. Seen: nothing is brought to 0 to 1, and the tolerance is a hundredth of the value as it stands. The
# same copies score 0 (all known) with columns around 10 and 0.86 (new) after z-scoring, since in each row some value lies
# near 0 and has to be met exactly; ECG samples in mV, potentials and residuals are of that kind. Dates are nanoseconds since
# 1970: one birthday is the same as another up to 166 days away in 2015, and in January of 1970 only if it is the same day, so
# a random date of a child is a leak and a patient of that year whose birthday is off by a day is new.
# Instead: shift every column, dates as days, to a mean of ten times its spread; then the tolerance is a tenth of the spread.
# Here: copies are found by correlation of waveforms, in which neither a zero nor a date takes part.
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
from sdmetrics.single_table import NewRowSynthesis

rng = np.random.default_rng(0)
real = pd.DataFrame(rng.standard_normal((200, 6)), columns=list("abcdef"))
copies = real + 0.005 * rng.standard_normal(real.shape)
numbers = {"tables": {"t": {"columns": {name: {"sdtype": "numerical"} for name in real}}}}
dates = {"tables": {"t": {"columns": {"born": {"sdtype": "datetime", "datetime_format": "%Y-%m-%d"}}}}}

print(f"sdmetrics {version('sdmetrics')}: share of new rows among copies with noise of 0.5 percent of the spread (expected 0)")
new = {}
for centre in (0, 10):
    new[centre] = NewRowSynthesis.compute(real + centre, copies + centre, numbers, "t")
    print(f"columns around {centre}: {new[centre]:.3f}")
print("most days between two birthdays that count as one row (expected the same in each year, 0 or few)")
reach = {}
for year in (1940, 1960, 1970, 1980, 2015):
    born = pd.DataFrame({"born": pd.to_datetime([f"{year}-01-15"])})

    def same(days, born=born):
        other = born + pd.Timedelta(days=days)
        return NewRowSynthesis.compute(born.copy(), other, dates, "t") == 0

    reach[year] = max(days for days in range(200) if same(days))
    print(f"born {year}: {reach[year]}")
assert new[10] == 0 and new[0] > 0.8, "the behaviour has changed"
assert reach[1970] == 0 and reach[1980] < 60 < 150 < reach[2015], "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/run.py"
