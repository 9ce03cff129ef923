"""`ECGPipeline` with small random networks: what it returns, what fixes a sample, saving, and bad input."""

import json
import shutil

import numpy as np
import pytest
import torch

import gen
from diffusion.pipeline import WEIGHTS, ECGPipeline, load
from diffusion.process.samplers import make_scheduler
from gen.leads import LEADS_12, limb_lead_residual
from gen.records import InputError

ASKED = {"age": 70, "sex": "F", "seed": 1, "num_inference_steps": 3}


@pytest.fixture(scope="module")
def pipe(pipeline_folder):
    pipeline = load(pipeline_folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def signals(records):
    return np.stack([record.signal_mv for record in records])


def test_records_say_what_was_asked_for_and_who_made_them(pipe):
    first, second = pipe("AF with LBBB, HR 130", num=2, **ASKED)
    assert first.leads == LEADS_12
    assert (first.signal_mv.shape, first.fs_hz) == ((12, 5000), 500)
    assert first.synthetic
    assert limb_lead_residual(first.signal_mv, LEADS_12) < 1e-6
    assert (first.patient.age, first.patient.sex) == (70, "F")
    assert first.statements == {"AFIB": 100.0, "CLBBB": 100.0}
    assert first.report == "AF with LBBB, HR 130"
    facts = first.metadata
    assert facts["request"] == {"text": "AF with LBBB, HR 130", "sex": "F", "age": 70, "heart_rate": 130}
    assert (facts["seed"], facts["sample"]) == (1, 0)
    assert second.metadata["sample"] == 1
    assert len(facts["model"]) == len(facts["codec"]) == 64
    assert facts["sampling"]["scheduler"] == "dpm++"
    assert facts["sampling"]["steps"] == 3
    assert not np.allclose(first.signal_mv, second.signal_mv)


def test_the_benchmark_finds_the_requested_rate(pipe):
    from metrics.suite.sections.conditioning import requested_rate

    assert requested_rate(pipe(heart_rate=77, **ASKED)[0]) == 77


@pytest.mark.parametrize("scheduler", ["dpm++", "ddpm", "heun"])
def test_a_sample_does_not_depend_on_batch_or_count(pipe, scheduler):
    options = {**ASKED, "scheduler": scheduler, "bfloat16": False, "guidance_scale": {"text": 2.0}}
    whole = pipe("AF", num=5, output_type="latent", **options)
    for size in (1, 2):
        part = pipe("AF", num=4, batch_size=size, output_type="latent", **options)
        assert (part - whole[:4]).abs().max() < 1e-4
    # A codec that computes in bfloat16 whatever is asked of it rounds a tiny difference to one in the third digit.
    limit = 1e-4 if hasattr(pipe.codec, "reduced_precision") else 1e-2
    ends = [signals(pipe("AF", num=2, batch_size=size, **options)) for size in (1, 2)]
    assert np.abs(ends[0] - ends[1]).max() < limit


def test_what_a_text_denies_is_not_drawn(pipe):
    affirmed = pipe("sinus rhythm", output_type="latent", **ASKED)
    denied = pipe("sinus rhythm, no atrial fibrillation", output_type="latent", **ASKED)
    assert torch.equal(affirmed, denied)
    assert not torch.equal(affirmed, pipe("sinus rhythm, atrial fibrillation", output_type="latent", **ASKED))


def test_conditions_seed_and_guidance_matter(pipe):
    base = signals(pipe("AF", **ASKED))
    changes = (
        {"seed": 2},
        {"age": 20},
        {"heart_rate": 150},
        {"guidance_scale": 4.0},
        {"guidance_scale": 4.0, "negative_prompt": "pacemaker"},
        {"scheduler": "ddim"},
        {"num_inference_steps": 4},
    )
    results = [signals(pipe("AF", **{**ASKED, **change})) for change in changes]
    for result in results:
        assert np.abs(result - base).max() > 1e-3
    assert np.abs(results[3] - results[4]).max() > 1e-3
    assert np.array_equal(signals(pipe("AF", **ASKED)), base)


def test_several_prompts_with_values_of_their_own(pipe):
    records = pipe(["AF", "LBBB"], num=2, age=[60, 70], sex="M", seed=1, num_inference_steps=2)
    assert [r.report for r in records] == ["AF", "AF", "LBBB", "LBBB"]
    assert [r.patient.age for r in records] == [60, 60, 70, 70]
    assert [r.metadata["sample"] for r in records] == [0, 1, 2, 3]


def test_output_types_rates_and_lengths(pipe):
    options = {**ASKED, "num": 2}
    array = pipe("AF", output_type="np", **options)
    assert (array.shape, array.dtype) == ((2, 12, 5000), np.float32)
    assert np.array_equal(array, signals(pipe("AF", **options)))
    latent = pipe("AF", output_type="latent", **options)
    assert latent.shape == (2, 8, 125)
    (short,) = pipe("AF", duration_s=4.1, fs_hz=250, **ASKED)
    assert (short.fs_hz, short.num_samples) == (250, 1025)


def test_generators_as_diffusers_users_know_them(pipe):
    def run(generator, num=2):
        return signals(pipe("AF", num=num, num_inference_steps=2, generator=generator))

    one = run(torch.Generator().manual_seed(5))
    assert np.array_equal(one, run(torch.Generator().manual_seed(5)))
    assert not np.allclose(one, run(torch.Generator().manual_seed(6)))
    own = run([torch.Generator().manual_seed(k) for k in (1, 2)])
    assert np.allclose(own[1:], run([torch.Generator().manual_seed(2)], num=1), atol=0.02)
    first, second = (pipe("AF", num_inference_steps=1)[0] for _ in range(2))
    assert first.metadata["seed"] != second.metadata["seed"]
    again = pipe("AF", num_inference_steps=1, seed=first.metadata["seed"])
    assert np.array_equal(first.signal_mv, again[0].signal_mv)


def test_callback_and_progress_bar(pipe, capsys):
    seen = []
    pipe("AF", callback_on_step_end=lambda p, i, x: seen.append((i, tuple(x.shape))), **ASKED)
    assert seen == [(i, (1, 8, 125)) for i in range(3)]
    assert capsys.readouterr().err == ""
    pipe.set_progress_bar_config(disable=False)
    pipe("AF", **ASKED)
    pipe.set_progress_bar_config(disable=True)
    assert "3/3" in capsys.readouterr().err


def test_a_saved_pipeline_is_the_same(pipe, pipeline_folder, tmp_path):
    expected = signals(pipe("AF", **ASKED))
    pipe.save_pretrained(tmp_path / "copy")
    assert not [p for p in (tmp_path / "copy").rglob("*") if p.suffix not in (".json", ".safetensors") and p.is_file()]
    for again in (ECGPipeline.from_pretrained(tmp_path / "copy"), gen.load(tmp_path / "copy")):
        again.set_progress_bar_config(disable=True)
        assert again.digests == pipe.digests
        assert np.array_equal(signals(again("AF", **ASKED)), expected)


def test_a_scheduler_that_was_put_in_is_used_and_saved(pipeline_folder, tmp_path):
    from diffusers import EulerDiscreteScheduler

    pipeline = ECGPipeline.from_pretrained(pipeline_folder, scheduler="unipc")
    pipeline.set_progress_bar_config(disable=True)
    assert pipeline("AF", **ASKED)[0].metadata["sampling"]["scheduler"] == "unipc"
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    (record,) = pipeline("AF", **ASKED)
    assert record.metadata["sampling"]["scheduler"] == "EulerDiscreteScheduler"
    pipeline.save_pretrained(tmp_path / "copy")
    again = load(tmp_path / "copy")
    again.set_progress_bar_config(disable=True)
    assert np.array_equal(again("AF", **ASKED)[0].signal_mv, record.signal_mv)


def test_settings_that_weights_come_with(pipeline_folder, tmp_path):
    copy = shutil.copytree(pipeline_folder, tmp_path / "copy")
    card = json.loads((copy / "denoiser" / "card.json").read_text())
    card["sampling"] = {"scheduler": "dpm++", "num_inference_steps": 9, "guidance_scale": {"text": 3.0}}
    (copy / "denoiser" / "card.json").write_text(json.dumps(card))
    pipeline = load(copy)
    settings = pipeline.sampling()
    assert (settings.scheduler, settings.steps, settings.guidance.scales["text"]) == ("dpm++", 9, 3.0)
    assert pipeline.sampling(scheduler="ddim").steps == 50
    assert pipeline.sampling(guidance_scale=1.0).guidance.scales["text"] == 1.0


def test_asking_for_nothing_has_to_be_said(pipe):
    for prompt in (None, "", "  "):
        with pytest.raises(InputError, match="--unconditional"):
            pipe(prompt)
    (record,) = pipe(unconditional=True, num_inference_steps=1, seed=0)
    assert record.metadata["request"] == {}


@pytest.mark.parametrize(
    ("prompt", "options", "words"),
    [
        ("blorp frobnicate", {}, "not understood at all: blorp, frobnicate"),
        ("AF", {"age": 150}, "age 150: expected 0 to 120 years"),
        ("AF", {"heart_rate": 5}, "heart_rate 5: expected 20 to 300 bpm"),
        ("AF", {"sex": "X"}, "sex 'X': expected one of F, M"),
        ("AF", {"num_inference_steps": 0}, "0 sampling steps: expected 1 to 1000"),
        ("AF", {"scheduler": "magic"}, "known: ddpm"),
        ("AF", {"guidance_scale": {"txt": 1}}, "expected a group of text"),
        ("AF", {"num": 0}, "expected at least 1"),
        ("AF", {"output_type": "pil"}, "expected one of records, np, latent"),
        ("AF", {"seed": -1}, "expected 0 or more"),
        ("AF", {"duration_s": 0.5}, "expected 2 to 60 s"),
        ("AF", {"duration_s": 30}, "these weights draw 2 to 10 s"),
        ("AF", {"fs_hz": 10}, "expected 50 to 5000 Hz"),
        (["AF", "LBBB"], {"age": [1, 2, 3]}, "lists of different length"),
    ],
)
def test_bad_requests_get_one_line(pipe, prompt, options, words):
    with pytest.raises(InputError, match=words) as caught:
        pipe(prompt, **options)
    assert "\n" not in str(caught.value)


def test_parts_that_do_not_belong_together(pipeline_folder, tmp_path):
    copy = shutil.copytree(pipeline_folder, tmp_path / "copy")
    card = json.loads((copy / "denoiser" / "card.json").read_text())
    (copy / "denoiser" / "card.json").write_text(
        json.dumps(card | {"parts": {"codec": {"name": "ecg", "digest": "0" * 64}}})
    )
    with pytest.raises(InputError, match="trained on latents of codec 000000000000"):
        load(copy)
    (copy / "denoiser" / "card.json").write_text(json.dumps(card | {"parts": {"codec": {"name": "morse"}}}))
    with pytest.raises(InputError, match="codec 'morse' is not installed"):
        load(copy)
    with pytest.raises(InputError, match="checkpoint of EcgCodec; expected LatentDiT"):
        load(copy / "codec")
    (copy / "denoiser" / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"no model\.safetensors"):
        load(copy)


def test_without_shipped_weights_it_says_how_to_get_some(monkeypatch, tmp_path):
    monkeypatch.setattr("diffusion.pipeline.WEIGHTS", tmp_path)
    with pytest.raises(InputError, match="ships no weights for synthesis"):
        load()


def test_shipped_weights_generate():
    if not (WEIGHTS / "default").is_dir():
        pytest.skip("no weights are shipped")
    pipeline = gen.load("synthesize")
    pipeline.set_progress_bar_config(disable=True)
    (record,) = pipeline("sinus rhythm", heart_rate=70, seed=0)
    assert 0.05 < record.signal_mv.std() < 1.0


def test_every_sampler_runs(pipe):
    for name in ("ddim", "unipc", "euler"):
        (record,) = pipe("AF", **{**ASKED, "scheduler": name})
        assert np.isfinite(record.signal_mv).all()
    pipe.scheduler = make_scheduler("dpm++")
