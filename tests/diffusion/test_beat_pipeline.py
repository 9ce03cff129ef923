"""The pipeline of beats with random weights: samples, lengths, refusals."""

import numpy as np
import pytest
import torch

from diffusion.beats.code import BeatCode, Habits
from diffusion.beats.network import BeatDenoiser
from diffusion.beats.shape import P_POINTS, POINTS, BeatShape, ends, p_ends
from diffusion.beats.variation import BANDS
from diffusion.conditions.condition import Condition


def some_shape(gain: float = 1.0, **changes: float) -> BeatShape:
    grid = np.linspace(0, 1, POINTS)
    leads = np.linspace(0.4, 1.2, 8)[:, None]
    qrs = np.exp(-0.5 * ((grid - 0.25) / 0.035) ** 2) - 0.3 * np.exp(-0.5 * ((grid - 0.36) / 0.03) ** 2)
    t = 0.25 * np.exp(-0.5 * ((grid - 0.74) / 0.06) ** 2)
    p = 0.12 * np.exp(-0.5 * ((np.linspace(0, 1, P_POINTS) - 0.45) / 0.13) ** 2) * p_ends(0.1, 0.16)
    times = {"on_s": -0.04, "off_s": 0.055, "t_off_s": 0.36, "pr_s": 0.16, "rr_s": 0.8} | changes
    return BeatShape(gain * leads * (qrs + t) * ends(), gain * leads * p, **times)


def some_habits(scale: float = 1e-5) -> Habits:
    power = np.full((2, 8, BANDS), scale)
    power[1] = 0.1 * scale
    return Habits(0.05, 0.2, power, np.full((8, BANDS), 1e-7))


def fitted_code() -> BeatCode:
    rng = np.random.default_rng(0)

    class Row:
        def __init__(self) -> None:
            times = {"t_off_s": 0.36, "off_s": 0.055, "pr_s": 0.16}
            times = {name: value * float(np.exp(0.1 * rng.standard_normal())) for name, value in times.items()}
            base = some_shape(float(np.exp(0.3 * rng.standard_normal())), **times)
            mixing = np.eye(8) + 0.2 * rng.standard_normal((8, 8))
            self.own, self.other, self.has_p = base.mixed(mixing), None, True
            self.habits: Habits | None = some_habits(float(np.exp(-11 + rng.standard_normal())))

    code = BeatCode()
    code.fit([Row() for _ in range(120)])
    root = np.eye(64) / 8
    code.set_variation(np.tile(np.eye(8), (BANDS, 1, 1)), root, 0.5)
    return code


@pytest.fixture(scope="module")
def pipeline():
    from diffusion.beat_pipeline import BeatPipeline

    torch.manual_seed(0)
    model = BeatDenoiser(width=32, depth=1, condition_width=32)
    model.code = fitted_code()
    made = BeatPipeline(model)
    made.set_progress_bar_config(disable=True)
    return made


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

    with pytest.raises(InputError, match="heun"):
        pipeline.sampling(scheduler="ddim")


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
