"""A continuation has the rate, the rhythm and the beats of the recording it goes on from."""

from pathlib import Path

import numpy as np
import pytest

from diffusion.continuation import continuation
from gen.leads import LEADS_8
from gen.records import EcgRecord, InputError

DATA = Path(".data/ptb-xl")


@pytest.fixture
def pipeline(beat_pipeline):
    return beat_pipeline


def test_a_recording_goes_on_with_its_own_beats(pipeline):
    if not DATA.is_dir():
        pytest.skip("PTB-XL is not there")
    from diffusion.rhythm import observed_plan
    from gen.datasets import open_source

    source = open_source(DATA)
    record = source[int(source.split("val")[0])]
    before = observed_plan(record, record.statements)
    made = continuation(pipeline, record, 3, 60.0)
    signal, plan = made.piece(0, 30_000)
    assert 60 * 59 / 60 < len(plan) * 60 / before.heart_rate_bpm < 61.5
    # The first beat is due as long after the last one as others follow each other.
    gap = record.duration_s - before.times_s[before.inside][-1] + plan.times_s[0]
    assert 0.75 * before.rr_s.min() < gap < 1.3 * before.rr_s.max()
    after = EcgRecord(signal[:, :5000].astype(np.float32), 500, LEADS_8)
    again = observed_plan(after, record.statements)
    assert again.heart_rate_bpm == pytest.approx(before.heart_rate_bpm, rel=0.1)

    def middle(mv, times):
        at = np.rint(times[(times > 0.3) & (times < 9.5)] * 500).astype(int)
        return np.median([mv[:, k - 40 : k + 60] - mv[:, k - 40 : k - 35].mean(axis=1)[:, None] for k in at], axis=0)

    own, drawn = middle(record.to_8().signal_mv, before.times_s), middle(after.signal_mv, again.times_s)
    assert np.corrcoef(own.ravel(), drawn.ravel())[0, 1] > 0.97


def test_noise_alone_is_no_reference(pipeline):
    noise = (0.05 * np.random.default_rng(0).standard_normal((8, 5000))).astype(np.float32)
    with pytest.raises(InputError, match="too few beats"):
        continuation(pipeline, EcgRecord(noise, 500, LEADS_8, record_id="n"), 1, 30.0)
