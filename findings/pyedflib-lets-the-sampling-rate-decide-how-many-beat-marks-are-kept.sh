#!/bin/sh
# pyedflib 0.1.42: a sampling rate with a fraction drops annotations and adds seconds of zeros at the end.
#
# Guess before running: 20 s with a mark on each of 25 beats come back as that at any rate that the format can express,
# with up to one second of filling. Seen: pyedflib picks the shortest data record that holds whole samples of every channel,
# up to a minute, and keeps one annotation a record. At 500 Hz 20 of 25 marks are kept, at 499.9 Hz two, at 976.5625 Hz (a
# megahertz divided by 1024, which recorders have) two, and the file lasts 32 s: 12 s of zeros after the last sample. All
# annotations are accepted with 0, "written"; nothing is raised or printed. An hour at 976.5625 Hz keeps 225 of 4,500 beats,
# all from its first minutes, and ends in what looks like an asystole. That set_number_of_annotation_signals makes room for
# more than one mark a second is documented, that the need grows with the digits of the rate is not.
# Instead: after closing count the annotations and compare the samples, ask for 64 annotation signals, or write with edfio.
# Here: EDF is written without pyedflib, with room for every annotation.
set -eu
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pyedflib==0.1.42 numpy==2.3.5
cat > "$work/run.py" <<'PY'
import sys
from importlib.metadata import version

import numpy as np
import pyedflib

path = sys.argv[1] + "/rate.edf"
seen = {}
print(f"pyedflib {version('pyedflib')}: 20 s of 1 mV, 25 annotations")
for rate in (500, 499.9, 976.5625):
    header = dict(label="II", dimension="mV", sample_frequency=rate, physical_min=-5, physical_max=5, digital_min=-32768,
                  digital_max=32767, transducer="", prefilter="")
    samples = np.ones(int(20 * rate))
    with pyedflib.EdfWriter(path, 1, pyedflib.FILETYPE_EDFPLUS) as file:
        file.setSignalHeaders([header])
        file.writeSamples([samples])
        answers = {file.writeAnnotation(0.8 * beat, -1, "N") for beat in range(25)}
    with pyedflib.EdfReader(path) as file:
        zeros = int((np.abs(file.readSignal(0)) < 0.5).sum())
        seen[rate] = (len(file.readAnnotations()[0]), zeros / rate)
        print(f"{rate} Hz: record of {file.datarecord_duration:g} s, file of {file.file_duration:g} s, "
              f"{seen[rate][0]} annotations kept, {seen[rate][1]:.1f} s of zeros; answers of writeAnnotation: {answers}")
assert seen[500] == (20, 0), "the behaviour has changed"
assert seen[499.9][0] == 2, "the behaviour has changed"
assert seen[976.5625][0] == 2 and round(seen[976.5625][1]) == 12, "the behaviour has changed"
PY
"$work/venv/bin/python" "$work/run.py" "$work"
