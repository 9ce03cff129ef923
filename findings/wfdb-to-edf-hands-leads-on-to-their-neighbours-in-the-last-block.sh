#!/bin/sh
# wfdb 4.3.1: wfdb_to_edf mixes the leads in the last data block and adds a block that was never recorded.
#
# Guess before running: three leads that stay near 1, 2 and 3 mV for 25 s are that in the EDF file, with at most some filling
# after the end. Seen: for the first 20 s they are. In the last block, 10 s here, what is left of the three leads is laid
# end to end and cut again at block length: lead I gets its own 5 s and then those of lead II, lead II those of lead III,
# and III goes to the bottom of the range, -32.8 mV. A record of 5 s is wrong from its first sample but for lead I. One that
# does fill its blocks gets another block at the bottom of the range, twice the length for 10 s at 250 Hz. The start time, 12:00 on a day
# of 2024, is midnight of 1985. The block is as long as 60 kB allow, at most 10 s. EDF readers accept the file, the
# function prints a summary of blocks and bytes and returns nothing; with one lead nothing is out of place.
# Instead: rdrecord, then edfio.
# Here: EDF is written without it, with the last data record padded lead by lead.
set -eu
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet wfdb==4.3.1 edfio==0.4.18 numpy==2.3.5 scipy==1.17.1
cat > "$work/run.py" <<'PY'
import contextlib
import datetime
import io
from importlib.metadata import version

import edfio
import numpy as np
import wfdb
from wfdb.io.convert.edf import wfdb_to_edf

rate, leads = 250, ["I", "II", "III"]
when = datetime.datetime(2024, 1, 2, 12)


def converted(seconds):
    """Median of each lead of the EDF file in each five seconds, and the file's start."""
    t = np.arange(seconds * rate) / rate
    mv = np.array([1, 2, 3]) + 0.1 * np.sin(2 * np.pi * t)[:, None]
    wfdb.wrsamp("leads", fs=rate, units=["mV"] * 3, sig_name=leads, p_signal=mv, fmt=["16"] * 3, adc_gain=[1000.0] * 3,
                baseline=[0] * 3, base_time=when.time(), base_date=when.date())
    assert np.abs(wfdb.rdrecord("leads").p_signal - mv).max() < 0.001
    with contextlib.redirect_stdout(io.StringIO()):
        wfdb_to_edf("leads")
    edf = edfio.read_edf("leads.edf")
    assert list(edf.labels) == leads
    parts = [[round(float(np.median(part)), 1) for part in np.split(signal.data, len(signal.data) // (5 * rate))] for signal in edf.signals]
    return parts, datetime.datetime.combine(edf.startdate, edf.starttime)


seen = {}
print(f"wfdb {version('wfdb')}: leads of 1, 2 and 3 mV, medians of every 5 s in the EDF file")
for seconds in (5, 20, 25):
    parts, start = converted(seconds)
    seen[seconds] = parts
    for lead, values in zip(leads, parts, strict=True):
        print(f"{seconds} s, lead {lead}: {values} mV")
print(f"start: {start} (expected {when})")
floor = -32.8
assert seen[5] == [[1, 2], [3, floor], [floor] * 2], "the behaviour has changed"
assert seen[20] == [[lead] * 4 + [floor] * 2 for lead in (1, 2, 3)], "the behaviour has changed"
assert seen[25] == [[1] * 5 + [2], [2] * 4 + [3, floor], [3] * 4 + [floor] * 2], "the behaviour has changed"
assert start.year == 1985, "the behaviour has changed"
PY
cd "$work"; "$work/venv/bin/python" "$work/run.py"
