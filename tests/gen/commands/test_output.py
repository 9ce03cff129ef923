"""Words that commands end with."""

import pytest

from gen.commands.output import counted, records_per_s


@pytest.mark.parametrize(
    ("number", "seconds", "said"),
    [
        (1, 3.2, "0.31 records/s"),
        (1, 40.0, "0.025 records/s"),
        (9, 2.0, "4.5 records/s"),
        (2000, 3.0, "667 records/s"),
        (20, 2.0, "10 records/s"),
    ],
)
def test_a_slow_rate_is_not_0(number, seconds, said):
    assert records_per_s(number, seconds) == said


def test_one_is_one():
    assert (counted(1, "record"), counted(0, "record")) == ("1 record", "0 records")
