#!/bin/sh
# ecgdatakit 2.0.3 rounds the sampling rate of a WFDB record to a whole number of hertz.
#
# WFDB's sampling frequency is a floating-point number (header(5)), and recorders use it: 257.5, 62.4725 or 128.04 Hz.
# Guess before running: the rate of the header. Seen: a whole number, without a word. At 257.5 Hz an hour of recording is
# taken for seven seconds less, and beats of two readers of one file no longer lie together after a few minutes.
# Here: WFDB files are read by physiogen's own reader, which keeps the rate of every signal.
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
samples = np.rint(500 * np.sin(2 * np.pi * np.arange(2575) / 257.5)).astype("<i2")
(folder / "r.dat").write_bytes(samples.tobytes())
checksum = int(samples.astype(np.int64).sum()) & 0xFFFF
(folder / "r.hea").write_text(f"r 1 257.5 2575\nr.dat 16 1000(0)/mV 16 0 {samples[0]} {checksum} 0 II\n")
rate = FileParser().parse(str(folder / "r.hea")).leads[0].sampling_rate
print(f"ecgdatakit {version('ecgdatakit')}: {rate!r} Hz (expected 257.5)")
print(f"error after one hour: {3600 - 3600 * 257.5 / rate:.1f} s")
assert rate == 258, "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/run.py" "$work"
