#!/bin/sh
# ecgdatakit 2.0.3 reads a gap in a WFDB record as a signal of -32.768 mV.
#
# WFDB's format 16 marks a sample that was not recorded with -32768 (header(5), signal(5): "invalid"), as wfdb-python reads
# and writes it. Guess before running: NaN, or at least a warning. Seen: the mark is scaled like a sample, so an electrode
# that was off for a moment becomes a plateau forty times as high as a QRS complex, and no warning names it. Means,
# spectra and beat detectors take it for signal.
# Here: WFDB files are read by physiogen's own reader, where gaps are NaN.
set -eu
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet ecgdatakit==2.0.3 numpy==2.4.6
cat > "$work/run.py" <<'PY'
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from ecgdatakit import FileParser

folder = Path(sys.argv[1])
samples = np.rint(500 * np.sin(2 * np.pi * np.arange(2500) / 250)).astype("<i2")  # 0.5 mV
samples[1000:1200] = -32768  # 0.8 s that were not recorded
(folder / "r.dat").write_bytes(samples.tobytes())
checksum = int(samples.astype(np.int64).sum()) & 0xFFFF
(folder / "r.hea").write_text(f"r 1 250 2500\nr.dat 16 1000(0)/mV 16 0 {samples[0]} {checksum} 0 II\n")
lead = FileParser().parse(str(folder / "r.hea")).leads[0]
read = np.asarray(lead.samples)
print(f"ecgdatakit {version('ecgdatakit')}: lead {lead.label}, unit {lead.units}")
print(f"NaN samples: {np.isnan(read).sum()} (expected 200)")
print(f"lowest sample: {read.min():.3f} mV (expected -0.500)")
assert np.isnan(read).sum() == 0 and np.all(np.isclose(read[1000:1200], -32.768)), "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/run.py" "$work"
