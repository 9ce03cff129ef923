#!/bin/sh
# augraphy 8.2.6: BleedThrough prints pages of earlier documents onto later ones, across processes.
#
# BleedThrough imitates ink of the reverse side. Guess before running: the reverse is made from the page itself, or from
# a page handed in; a blank page stays blank. Seen: every pipeline keeps a copy of each page that it is given under
# ./augraphy_cache (thirty of them, never removed), and BleedThrough takes one of those at random. A blank page comes out
# with the marks of a page that another process treated before, in the same folder; in an empty folder it stays blank. One
# patient's ECG shows through another's, pages of the training part through those of the test part, copies of scans that
# were thought to be in memory alone lie in the working directory, and one seed gives other pictures in another folder.
# Here: paper ECGs use no bleed-through, and effects run in a folder of their own that is removed.
set -eu
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet augraphy==8.2.6 numpy==2.4.6 numba==0.68.1 opencv-python==5.0.0.93
mkdir "$work/used" "$work/empty"
cat > "$work/first.py" <<'PY'
import warnings

import numpy as np

warnings.simplefilter("ignore")
import augraphy

page = np.full((300, 400, 3), 255, np.uint8)
page[:, 60:120] = 0  # one patient's page: a bar at the left
augraphy.AugraphyPipeline(ink_phase=[], paper_phase=[], post_phase=[])(page)
PY
cat > "$work/second.py" <<'PY'
import os
import sys
import warnings
from importlib.metadata import version

import numpy as np

warnings.simplefilter("ignore")
import augraphy

blank = np.full((300, 400, 3), 255, np.uint8)
kept = os.listdir("augraphy_cache") if os.path.isdir("augraphy_cache") else []
effect = augraphy.BleedThrough(intensity_range=(0.1, 0.1), color_range=(0, 64), ksize=(3, 3), sigmaX=1, alpha=0.9, p=1)
page = np.asarray(effect(blank.copy())).astype(float)
bar, beside = page[:, 290:330].mean(), page[:, 150:250].mean()  # where the bar's mirror image would be
print(f"augraphy {version('augraphy')}, {sys.argv[1]} folder, {len(kept)} kept pages: a blank page is {beside - bar:.1f} darker at the bar")
assert (beside - bar > 10) == (sys.argv[1] == "used"), "the behaviour has changed"
assert abs(beside - bar) < 3 or sys.argv[1] == "used", "the behaviour has changed"
PY
cd "$work/used"; "$work/venv/bin/python" "$work/first.py"; "$work/venv/bin/python" "$work/second.py" used
cd "$work/empty"; "$work/venv/bin/python" "$work/second.py" empty
