"""The pipeline of beats with random weights: samples, lengths, refusals."""

import numpy as np
import pytest

from diffusion.beat_pipeline import BeatPipeline
from diffusion.conditions.condition import Condition


@pytest.fixture
def pipeline(beat_pipeline):
    return beat_pipeline


def test_samples_do_not_depend_on_the_batch(pipeline) -> None:
    texts = ["atrial fibrillation", "ventricular bigeminy", "normal ECG"]
    together = pipeline(texts, age=60, sex="F", seed=4, num_inference_steps=3, output_type="np")
    alone = pipeline(texts, age=60, sex="F", seed=4, num_inference_steps=3, output_type="np", batch_size=1)
    assert np.abs(together - alone).max() < 2e-3


def test_records_tell_their_beats(pipeline) -> None:
    record = pipeline("ventricular bigeminy", heart_rate=70, seed=1, num_inference_steps=3)[0]
    beats = record.metadata["beats"]
    assert record.synthetic
    assert record.metadata["noise"] == "as recorded"
    assert len(beats["times_s"]) == len(beats["symbols"])
    assert {"N", "V"} <= set(beats["symbols"])
    # An ECG has QRS where it says.
    steep = np.abs(np.diff(record.signal_mv[:, :], axis=1)).sum(axis=0)
    at = np.array(beats["times_s"])
    inside = at[(at > 0.1) & (at < 9.9)]
    near = [steep[int((t - 0.06) * 500) : int((t + 0.06) * 500)].max() for t in inside]
    assert np.median(near) > 3 * np.median(steep)


def test_any_length_is_drawn(pipeline) -> None:
    long = pipeline("normal ECG", heart_rate=60, seed=2, num_inference_steps=3, duration_s=30)[0]
    assert long.signal_mv.shape == (12, 15_000)
    assert 29 <= len(long.metadata["beats"]["times_s"]) <= 31


def test_clean_is_told_and_has_the_same_beats(pipeline) -> None:
    settings = pipeline.sampling(num_inference_steps=3, clean=True)
    noisy = pipeline.sampling(num_inference_steps=3)
    conditions = [Condition(text="normal ECG", heart_rate=60)]
    a = pipeline.generate(conditions, [0], 7, settings)[0]
    b = pipeline.generate(conditions, [0], 7, noisy)[0]
    assert a.metadata["noise"] == "none"
    assert a.metadata["beats"] == b.metadata["beats"]
    assert np.abs(np.diff(a.signal_mv)).mean() < np.abs(np.diff(b.signal_mv)).mean()


def test_another_sampler_is_refused(pipeline) -> None:
    from gen.records import InputError

    with pytest.raises(InputError, match="adams"):
        pipeline.sampling(scheduler="ddim")
    with pytest.raises(InputError, match="adams"):
        BeatPipeline(pipeline.denoiser, "heun")


def test_implausible_beats_are_refused(pipeline, monkeypatch) -> None:
    from diffusion.beats import draw
    from gen.records import InputError

    monkeypatch.setattr(draw, "fault", lambda shape, form: "QRS of 20 mV")
    with pytest.raises(InputError, match="nothing plausible in 8 tries"):
        pipeline("normal ECG", seed=0, num_inference_steps=2)


def test_one_implausible_sample_does_not_end_the_others(pipeline, monkeypatch) -> None:
    from diffusion.beats import draw
    from gen.synthesis import Refusal

    settings = pipeline.sampling(num_inference_steps=2)
    conditions = [Condition(text="normal ECG", heart_rate=60), Condition(text="normal ECG", heart_rate=91)]
    monkeypatch.setattr(draw, "fault", lambda shape, form: "")
    both = pipeline.generate(conditions, [0, 1], 3, settings)
    monkeypatch.setattr(draw, "fault", lambda shape, form: "QRS of 20 mV" if shape.rr_s < 0.8 else "")
    kept, refused = pipeline.generate_each(conditions, [0, 1], 3, settings)
    assert np.array_equal(kept.signal_mv, both[0].signal_mv)
    assert isinstance(refused, Refusal)
    assert "QRS of 20 mV" in refused.reason
    assert refused.tries == 8


def test_a_strip_that_no_recording_looks_like_is_drawn_again(pipeline, monkeypatch) -> None:
    from diffusion import beat_pipeline

    left = ["9.0 mV", "9.0 mV"]
    monkeypatch.setattr(beat_pipeline, "strip_fault", lambda signal, plan, fs: left.pop() if left else "")
    record = pipeline("normal ECG", heart_rate=60, seed=0, num_inference_steps=2)[0]
    assert not left
    assert record.metadata["tries"] == 3


def test_a_saved_pipeline_draws_the_same(pipeline, tmp_path) -> None:
    from diffusion.beat_pipeline import load

    given = {"heart_rate": 70, "num": 2, "seed": 3}
    pipeline.save_pretrained(tmp_path / "saved")
    again = load(tmp_path / "saved")
    first, second = pipeline("left bundle branch block", **given), again("left bundle branch block", **given)
    assert all(np.array_equal(a.signal_mv, b.signal_mv) for a, b in zip(first, second, strict=True))


def test_the_shipped_weights_are_sampled_as_their_card_says() -> None:
    from diffusion.beat_pipeline import load

    shipped = load()
    best = shipped.card["sampling"]
    settings = shipped.sampling()
    assert (settings.scheduler, settings.steps) == (best["scheduler"], best["num_inference_steps"])
    assert settings.guidance.scales["text"] == best["guidance_scale"]
