"""The reference's median beat at every beat of a twin."""

import numpy as np

from diffusion.twin.overlay import aligned, as_beat, beats_of
from gen.leads import LEADS_12
from gen.simulate import simulate


def heart(rate):
    specification = [{"statements": ["NORM"], "heart_rate": rate}]
    return simulate(range(1), seed=5, noise="none", conditions=specification).records()[0]


def test_the_reference_beats_where_the_twin_does():
    slow, fast = heart(55.0), heart(100.0)
    reference, own = beats_of(slow), beats_of(fast)
    assert len(own.times_s) > len(reference.times_s)
    overlay = aligned(fast, reference, own)
    assert (overlay.leads, overlay.fs_hz, overlay.num_samples) == (LEADS_12, fast.fs_hz, fast.num_samples)
    lead = overlay.lead("V5")
    drawn = np.isfinite(lead)
    assert 0.5 < drawn.mean() <= 1
    middles = [round(t * fast.fs_hz) for t in own.times_s]
    for middle in middles[1:-1]:
        window = slice(middle - 30, middle + 30)
        here, there = np.nanargmax(lead[window]), np.argmax(fast.lead("V5")[window])
        assert abs(int(here) - int(there)) <= 6, "R over R"
    beat = as_beat("reference", reference)
    assert beat.signal_mv.shape[0] == 12
    np.testing.assert_allclose(beat.signal_mv[0] + beat.signal_mv[2], beat.signal_mv[1], atol=1e-4)  # II = I + III


def test_too_few_beats_give_nothing():
    short = heart(60.0)
    few = beats_of(type(short)(short.signal_mv[:, :800], short.fs_hz, short.leads))
    assert as_beat("x", few) is None
    assert aligned(short, few, beats_of(short)) is None
