"""Twins with small random networks: conditions, the base path, editing, scores, the pipeline, recipes, the command."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import gen
from diffusion.conditions.batch import collate
from diffusion.conditions.condition import Condition
from diffusion.evaluation.intervals import interval
from diffusion.evaluation.twins import beat_errors, evaluate
from diffusion.networks.dit import LatentDiT
from diffusion.pipeline import ECGPipeline
from diffusion.process.editing import edit
from diffusion.process.guidance import GuidedVelocity, links
from diffusion.process.objective import Objective, denoising_loss
from diffusion.process.scales import Guidance
from diffusion.twin.beat_twin import load
from diffusion.twin.change import Change, own_condition
from diffusion.twin.pairs import build_pairs
from diffusion.twin.recipes import identity, personalised, twin
from diffusion.twin.sources import (
    GAP_FEATURES,
    PairSource,
    PersonSet,
    PersonSource,
    base_input,
    base_vectors,
    cohort,
    cohort_visits,
    recorded_persons,
    write_persons,
)
from gen.checkpoint import model_config as config_of
from gen.checkpoint import save_checkpoint
from gen.leads import LEADS_8, limb_lead_residual
from gen.records import InputError
from gen.simulate import simulate
from gen.text import read_text

BASE = 16
OWN = Condition(text="atrial fibrillation, LVH", age=60, sex="F", heart_rate=90, qrs_ms=95, qt_ms=380, rms_mv=0.2)


def randomised(*modules, seed=0, scale=0.1):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in modules:
            for value in module.parameters():
                value.copy_(scale * torch.randn(value.shape, generator=generator))


def noise_of(leads, seed=0):
    return {"signal_mv": np.random.default_rng(seed).normal(0, 0.1, (leads, 5000)), "leads": LEADS_8}


@pytest.fixture(scope="module")
def pipe(twin_pipeline):
    return twin_pipeline


@pytest.fixture(scope="module")
def record():
    return simulate([3], seed=5, noise="light", conditions={"statements": ["SR", "NORM"]}).records()[0]


@pytest.fixture(scope="module")
def person(pipe, record):
    return pipe.prepare(record)


# --- conditions


def test_base_input_and_unknown_times():
    base = np.eye(BASE, dtype=np.float32)[:3]
    given = base_input(base, np.array([0.0, np.nan, -10.0]))
    assert given.shape == (3, BASE + GAP_FEATURES)
    assert given[:, :BASE].std() == pytest.approx(1, abs=0.1)
    assert given[0, BASE] == -given[1, BASE] == 0.5
    assert np.all(given[1, BASE + 1 :] == 0)
    assert np.all(given[2, BASE + 1 :] < 0)


def test_a_population_model_with_a_base_path_is_the_population_model(tmp_path):
    model = LatentDiT(latent_channels=4, width=32, depth=2, heads=2)
    randomised(model)
    save_checkpoint(tmp_path / "p", config={**config_of(model), "pipeline": "synthesize"}, model=model)
    personal = personalised(tmp_path / "p", 12, "adaln").eval()
    x, phi, condition = torch.randn(2, 4, 30), torch.full((2,), 0.7), collate([OWN, OWN])
    with torch.inference_mode():
        expected = model.eval()(x, phi, condition)
        assert torch.allclose(personal(x, phi, condition), expected, atol=1e-6)
        assert torch.allclose(personal(x, phi, condition, torch.randn(2, 12)), expected, atol=1e-6)
    personal.train()
    batch = {"latent": x, "sample_seed": torch.arange(2), "base": torch.randn(2, 12), **condition.as_dict()}
    denoising_loss(personal, batch, Objective(drop_base=0.0))["loss"].backward()
    assert personal.encoder.base.weight.grad.abs().max() > 0


def test_the_base_is_dropped_sample_by_sample_and_never_in_validation():
    seen = []

    def network(x, phi, condition, base=None):
        seen.append((base.isnan().all(dim=1), condition.token_mask.any(dim=1), condition.numbers.isnan().all(dim=1)))
        assert torch.equal(base.isnan().any(dim=1), base.isnan().all(dim=1))
        return x

    n = 400
    batch = {"latent": torch.zeros(n, 1, 4), "sample_seed": torch.arange(n), "base": torch.ones(n, 3)}
    batch |= collate([OWN] * n).as_dict()
    denoising_loss(network, batch, Objective(drop_base=0.3, drop_each=0.2, drop_everything=0.0, drop_within=0.0))
    absent, text, _ = seen[0]
    assert absent.float().mean().item() == pytest.approx(0.3, abs=0.08)
    # Independent of the text: about as many texts are left out with a base as without.
    assert (~text)[absent].float().mean().item() == pytest.approx((~text)[~absent].float().mean().item(), abs=0.12)
    denoising_loss(network, batch | {"phi": torch.full((n,), 0.5)}, Objective(drop_base=1.0))
    assert not seen[1][0].any()


def test_guidance_has_a_scale_for_the_reference():
    assert "reference" not in Guidance.of(3.0).scales
    guidance = Guidance.of({"reference": 2.0})
    present = frozenset({"rate", "text", "reference"})
    assert [link.absent for link in links(guidance.scales, present)] == [("reference", "text"), ("text",), ()]
    assert links(Guidance.of(1.0).scales, present) == links(Guidance.of(1.0).scales, frozenset({"rate"}))

    def network(x, phi, condition, base=None):
        text = 10.0 * condition.token_mask.any(dim=1) + 100.0 * ~condition.numbers[:, 1].isnan()
        return (text + torch.where(base.isnan().any(dim=1), 0.0, 1.0))[:, None, None].expand_as(x)

    base = torch.ones(2, 3)
    out = GuidedVelocity(network, collate([OWN, OWN]), guidance, base=base)(torch.zeros(2, 1, 4), torch.full((2,), 1.0))
    assert torch.allclose(out, torch.tensor(110.0 + 2.0))
    nobody = GuidedVelocity(network, collate([OWN, OWN]), guidance, base=base * torch.nan)
    assert torch.allclose(nobody(torch.zeros(2, 1, 4), torch.full((2,), 1.0)), torch.tensor(110.0))


def test_an_edit_returns_to_where_the_network_points():
    """With the exact v of a single target z, any strength above zero ends at z; strength 0 is the start."""
    z, start, noise = torch.randn(2, 3, 8), torch.randn(2, 3, 8), torch.randn(2, 3, 8)

    def exact(x, phi):
        cos, sin = phi.cos()[:, None, None], phi.sin()[:, None, None]
        return cos * (x - cos * z) / sin - sin * z

    assert torch.allclose(edit(exact, start, noise, 1.0, 40), z, atol=1e-4)
    assert torch.allclose(edit(exact, start, noise, 0.5, 40), z, atol=1e-4)
    assert torch.equal(edit(exact, start, noise, 0.0, 40), start)


# --- sources


@pytest.fixture(scope="module")
def persons(tmp_path_factory, pipe):
    folder = tmp_path_factory.mktemp("persons") / "set"
    write_persons(folder, cohort(5, 2, seed=3, block=3), cohort_visits(5, 2, seed=3), pipe.codec, {"set": "test"})
    return PersonSet.open(folder)


def test_visits_of_simulated_hearts(persons):
    assert list(persons.visits.persons) == [f"sim-3-{k}" for k in range(5)] * 2
    ages = persons.latents.arrays["numbers"][:, 0]
    assert np.allclose(ages, persons.visits.years, atol=0.11)
    again = simulate([4], seed=3, visit=1, noise="light").hearts[0]
    assert again.id == persons.visits.persons[9]


def test_batches_of_persons_and_pairs(persons, pipe):
    source = PersonSource([persons, persons], [0.5, 0.5], views=2)
    numbers = np.arange(8)
    batch = source.batch(numbers, seed=1)
    assert torch.equal(batch["person"][::2], batch["person"][1::2])
    assert not torch.equal(batch["latent"][0], batch["latent"][1])
    part = source.batch(numbers[3:5], seed=1)
    assert torch.equal(part["latent"], batch["latent"][3:5])

    pairs = build_pairs(persons.visits)
    bases = base_vectors(pipe.identity, persons)
    assert np.allclose(np.linalg.norm(bases, axis=1), 1, atol=1e-2)
    drawn = PairSource([persons], [pairs], [bases], [1.0], np.ones(8))
    batch = drawn.batch(numbers, seed=1)
    assert batch["base"].shape == (8, BASE + GAP_FEATURES)
    assert torch.equal(drawn.batch(numbers[2:3], seed=1)["base"][0], batch["base"][2])
    for latent, base in zip(batch["latent"], batch["base"], strict=True):
        target = int(np.argmin([np.abs(latent.numpy() - z).max() for z in persons.latents.arrays["latents"]]))
        other = (target + 5) % 10  # the same heart's other visit
        assert np.allclose(base[:BASE], bases[other] * BASE**0.5, atol=1e-5)


def test_recorded_windows_are_in_the_order_of_their_visits(tmp_path, pipe):
    from gen.datasets import open_source, prepare

    record = simulate([0, 1, 2], seed=1).records()
    gen.write(record, tmp_path / "set")
    cache = prepare(open_source(tmp_path / "set"), tmp_path / "cache")
    rows = np.arange(3)
    blocks, visits = recorded_persons(cache, rows, lambda x, fs: [{}] * len(x), variants=2, seed=0, block=2)
    examples = list(blocks)
    assert len(visits) == sum(len(e.signal_mv) for e in examples) == 6
    names = list(cache.table["record_id"])
    assert list(visits.recordings) == [names[0], names[1], names[0], names[1], names[2], names[2]]
    spectra = [np.abs(np.fft.rfft(x[2:])).ravel() for e in examples for x in e.signal_mv]
    alike = [np.abs(np.corrcoef(spectra[a], spectra[b])[0, 1]) for a, b in ((0, 2), (0, 1))]
    assert alike[0] > alike[1]


# --- pipeline


def test_twins_say_whose_they_are(pipe, record, person):
    first, second = pipe(record, "left bundle branch block", heart_rate=95, num=2, seed=3, num_inference_steps=2)
    assert first.synthetic
    assert limb_lead_residual(first.signal_mv, first.leads) < 1e-6
    assert first.record_id == f"{record.record_id}_twin_000000"
    assert (first.patient.id, first.patient.sex) == (record.patient.id, record.patient.sex)
    assert first.metadata["generator"] == "physiogen twin"
    assert first.metadata["request"]["heart_rate"] == 95
    assert first.metadata["reference_condition"]["sex"] == record.patient.sex
    assert first.statements == {"CLBBB": 100.0}
    assert not np.allclose(first.signal_mv, second.signal_mv)
    (score, _) = pipe.scores(person, [first, second], Change(text="left bundle branch block", heart_rate=95))
    assert -1 <= score.identity <= 1
    assert score.threshold == 0.5
    assert set(score.checks) >= {"heart_rate", "CLBBB"}


def test_the_reference_matters_and_the_seed_fixes_the_rest(pipe, person):
    options = {"heart_rate": 80, "seed": 1, "num_inference_steps": 2, "output_type": "latent", "bfloat16": False}
    other = pipe.prepare(simulate([8], seed=5).records()[0])
    mine = pipe(person, num=3, **options)
    for size in (1, 2):
        assert (pipe(person, num=3, batch_size=size, **options) - mine).abs().max() < 1e-4
    changed = replace(person, base=other.base)
    assert (pipe(changed, **options) - mine[:1]).abs().max() > 1e-4
    strong = pipe(person, guidance_scale={"reference": 3.0}, **options)
    assert (strong - mine[:1]).abs().max() > 1e-4


def test_without_a_reference_it_is_the_text_pipeline(pipe):
    options = {"age": 50, "sex": "M", "seed": 2, "num_inference_steps": 2, "output_type": "np"}
    plain = ECGPipeline(pipe.denoiser, pipe.codec, pipe.scheduler)
    plain.set_progress_bar_config(disable=True)
    assert np.array_equal(pipe(None, "AF", **options), plain("AF", **options))


def test_strength_zero_is_the_reference_as_the_codec_holds_it(pipe, record, person):
    same = pipe(person, same=True, strength=0.0, output_type="latent", bfloat16=False)
    assert torch.equal(same, pipe._encoded(record, 10.0))
    options = {"heart_rate": 100, "seed": 1, "output_type": "latent", "num_inference_steps": 8, "bfloat16": False}
    near, far = (pipe(person, strength=s, **options) for s in (0.1, 0.8))
    assert (near - same).abs().mean() < (far - same).abs().mean()


def test_missing_leads_are_rebuilt_and_said_so(pipe, record, person):
    found = pipe.prepare(record.select(["I", "II", "V1", "V5"]).at(250))
    (note,) = found.notes
    assert "V2, V3, V4, V6 are missing" in note
    assert "rebuilt from I, II, V1, V5" in note
    assert found.record.fs_hz == 500
    assert found.condition.heart_rate == pytest.approx(person.condition.heart_rate, abs=2)


def test_several_references_of_one_person(pipe, record):
    visits = [simulate([3], seed=5, visit=v).records()[0] for v in range(2)]
    both = pipe.prepare(visits)
    single = [pipe.prepare(v).base for v in visits]
    assert torch.allclose(both.base, torch.nn.functional.normalize(single[0] + single[1], dim=-1), atol=1e-6)
    with pytest.raises(InputError, match="references of different people"):
        pipe.prepare([record, simulate([4], seed=5).records()[0]])


def test_own_findings_come_from_the_report_or_are_measured(record):
    measured = SimpleNamespace(hr_bpm=70.0, pr_ms=math.nan, qrs_ms=9999.0, qt_ms=400.0, axis_deg=40.0)
    own = own_condition(record, measured)
    assert own.text.wording == record.report
    assert (own.heart_rate, own.pr_ms, own.qrs_ms) == (70, None, None)
    assert own_condition(record, measured, "AF").text == read_text("AF")
    bare = replace(record, report=None)
    assert {s.code for s in own_condition(bare, measured).text.statements} == set(record.statements)
    assert own_condition(replace(bare, statements={}), measured).text is None


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda r: replace(r, signal_mv=np.random.default_rng(0).normal(0, 0.1, r.signal_mv.shape)), "no usable lead"),
        (lambda r: replace(r, **noise_of(8)), "no usable lead"),
        (lambda r: replace(r, signal_mv=1000 * r.signal_mv), "look like uV"),
        (lambda r: replace(r, signal_mv=0 * r.signal_mv), "is flat"),
        (lambda r: replace(r, signal_mv=r.signal_mv[:, :1000]), "a reference needs at least 4 s"),
    ],
    ids=["twelve leads of noise", "noise", "unit", "flat", "short"],
)
def test_references_that_cannot_be_used(pipe, record, spoil, words):
    with pytest.raises(InputError, match=words):
        pipe.prepare(spoil(record))


def test_settings_that_cannot_be(pipe, person, record):
    for options, words in (
        ({"strength": 1.5}, "strength 1.5"),
        ({"num": 0}, "num 0"),
        ({"sex": "F"}, "sex: not for a twin"),
        ({"output_type": "x"}, "expected one of"),
    ):
        with pytest.raises(InputError, match=words):
            pipe(person, heart_rate=80, **options)
    short = pipe.prepare(replace(record, signal_mv=record.signal_mv[:, :3000]))
    with pytest.raises(InputError, match="needs a reference as long"):
        pipe(short, heart_rate=80, strength=0.5)


def test_folders_that_do_not_fit(twin_folder, tmp_path):
    import shutil

    with pytest.raises(InputError, match="no twin's weights"):
        load(tmp_path)
    shutil.copytree(twin_folder, tmp_path / "t")
    card = json.loads((tmp_path / "t/denoiser/card.json").read_text())
    card["parts"]["identity"] = {"name": "diffusion/identity", "digest": "0" * 64}
    (tmp_path / "t/denoiser/card.json").write_text(json.dumps(card))
    with pytest.raises(InputError, match="trained with identity encoder 000000000000"):
        load(tmp_path / "t")


# --- recipes and command


def test_both_recipes_from_nothing_to_a_pipeline(tmp_path, record):
    population = LatentDiT(latent_channels=16, width=32, depth=1, heads=2, patch=2)
    save_checkpoint(tmp_path / "population", config=config_of(population), model=population)
    common = {"hearts": "8", "visits": "2", "held_out_hearts": "16", "latents": str(tmp_path / "persons")}
    common |= {"steps": "2", "batch_size": "8", "warmup": "1", "validate_every": "2", "save_every": "2"}
    small = {"width": "32", "depth": "1", "heads": "2", "base_width": "8", "memory": "16", "views": "2"}
    found = identity(data=None, out=tmp_path / "identity", overrides=common | small)
    assert {"rank_1", "eer", "rate_r2", "threshold"} <= set(found)
    more = {"identity": found["checkpoint"], "init": str(tmp_path / "population")}
    made = twin(data=None, out=tmp_path / "twin", overrides=common | more)
    assert math.isfinite(made["loss_without_reference"])
    pipeline = load(made["pipeline"])
    pipeline.set_progress_bar_config(disable=True)
    assert pipeline(record, heart_rate=90, num_inference_steps=1, output_type="np").shape == (1, 12, 5000)
    card = json.loads((tmp_path / "twin/pipeline/denoiser/card.json").read_text())
    assert card["facts"]["pairs"]["simulated"]["pairs"] == 16
    assert len((tmp_path / "twin/pairs-simulated.csv").read_text().splitlines()) == 18
    with pytest.raises(InputError, match="needs an identity encoder"):
        twin(data=None, out=tmp_path / "other", overrides=common)


def test_figures_of_unseen_hearts(pipe):
    figures = evaluate(pipe, 3, steps=1)
    assert {"twin_rate_mae_bpm", "population_identity", "reference_identity", "counterfactual"} <= set(figures)
    assert {"twin_beat_mae_mv", "twin_minus_reference_mv", "twin_minus_population_mv"} <= set(figures)
    assert set(figures["achieved"]) == {"CLBBB", "LVH", "LVOLT"}
    json.dumps(figures)
    known = interval(np.array([1.0, 2.0, 3.0, np.nan]))
    assert (known["value"], known["n"], known["failed"]) == (2.0, 3, 1)
    assert 1 <= known["low"] < 2 < known["high"] <= 3


def test_beats_are_compared_at_their_best_shift():
    first, second = simulate(range(2), seed=3, fs_hz=500).records()
    later = replace(first, signal_mv=np.roll(first.signal_mv, 7, axis=1))
    same, other = beat_errors([later, second], [first, first])
    assert same < 1e-3
    assert other > 20 * same
    flat = replace(first, signal_mv=np.zeros_like(first.signal_mv))
    assert np.isnan(beat_errors([flat], [first])[0])
