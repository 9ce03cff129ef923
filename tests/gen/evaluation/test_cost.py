"""What a command takes, of all its processes together."""

import sys

import pytest

from gen.evaluation.cost import cost_of

MIB = 2**20
ALONE = "import time; held = bytearray({size}); time.sleep(0.8)"
TWO = """
import subprocess, sys, time
other = subprocess.Popen([sys.executable, "-c", {alone!r}])
held = bytearray({size})
other.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory of all processes is told by Linux alone")
def test_memory_of_two_processes_is_counted_together():
    size = 60 * MIB
    alone = ALONE.format(size=size)
    one, two = (cost_of([sys.executable, "-c", code]) for code in (alone, TWO.format(alone=alone, size=size)))
    assert size < one.peak < 1.6 * size
    assert two.peak > one.peak + 0.9 * size


def test_time_status_and_what_was_said_are_told():
    busy = "import sys, time; t = time.process_time()\nwhile time.process_time() < t + 0.3: pass\n"
    code = busy + "sys.exit('no such heart')"
    found = cost_of([sys.executable, "-c", code])
    assert (found.status, found.said) == (1, "no such heart")
    assert 0.3 <= found.cpu_s <= found.seconds + 0.2
