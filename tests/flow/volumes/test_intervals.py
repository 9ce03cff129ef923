"""Volumes of curves, and the spread of samples that nothing is told about."""

import numpy as np
import pytest

from flow.volumes.intervals import ends_of, outside, summarise, volume_table
from flow.volumes.reader import VolumeReader


def test_thirty_eight_hearts_are_the_least() -> None:
    """Wilks' number: smallest and largest of 38 hold 90 % of all with a certainty of 90 %."""
    assert [outside(n, 0.9) for n in (37, 38)] == [0, 1]


def test_the_spread_of_samples_and_the_reader_s_error(reader: VolumeReader) -> None:
    samples = np.exp(5.0 + 0.1 * np.random.default_rng(0).standard_normal((200, 500)))
    middle, low, high = ends_of("edv_ml", samples, reader)
    half = 1.645 * np.sqrt(0.1**2 + reader.volume_error**2)
    assert np.log(high / middle).mean() == pytest.approx(half, rel=0.03)
    assert np.log(middle / low).mean() == pytest.approx(half, rel=0.03)
    one = summarise({"edv_ml": np.array([120.0])}, reader)["edv_ml"]
    assert (one.value, one.low, one.high) == (120.0, None, None)


def test_volume_table_reads_curves() -> None:
    curve = np.array([[100.0, 60.0, 40.0, 80.0], [90.0, 45.0, 60.0, 70.0]])
    table = volume_table(curve, np.array([80.0, 90.0]))
    assert table["edv_ml"].tolist() == [100, 90]
    assert table["sv_ml"].tolist() == [60, 45]
    assert table["ef_percent"] == pytest.approx([60, 50])
    assert table["es_frame"].tolist() == [2, 1]
