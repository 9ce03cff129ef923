"""Samplers on a problem with a known answer, noise that belongs to samples, and guidance as a formula."""

import math
from itertools import pairwise

import pytest
import torch

from diffusion.conditions.batch import collate
from diffusion.conditions.condition import GROUPS, Condition
from diffusion.process.guidance import GuidedVelocity, links, said
from diffusion.process.samplers import SAMPLERS, check_scheduler, default_steps, make_scheduler, sample, step_generators
from diffusion.process.scales import Guidance
from gen.records import InputError
from gen.training import seeded_normal

MEAN, SD = 0.7, 0.5
SEEDS = torch.arange(64)


def exact_v(x, phi):
    """E[v | x] for data of independent normal values: posterior means of data and noise."""
    c, s = phi.cos()[:, None, None], phi.sin()[:, None, None]
    share = (x - c * MEAN) / (c**2 * SD**2 + s**2)
    return c * (s * share) - s * (MEAN + c * SD**2 * share)


@pytest.fixture(scope="module")
def noise():
    return seeded_normal((8, 50), SEEDS)


#: Few-step Euler and DDIM are of first order: they contract a normal distribution visibly; the SDE solver widens it.
SPREAD = {"ddpm": 0.02, "ddim": 0.05, "dpm++": 0.02, "sde-dpm++": 0.04, "unipc": 0.02, "euler": 0.05, "heun": 0.03}


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_recovers_mean_and_spread(name, noise):
    z = sample(exact_v, noise, make_scheduler(name), SAMPLERS[name].steps, SEEDS)
    assert z.dtype == torch.float32
    assert z.mean().item() == pytest.approx(MEAN, abs=0.02)
    assert z.std().item() == pytest.approx(SD, rel=SPREAD[name])


@pytest.mark.parametrize("name", ["dpm++", "unipc", "ddim", "euler", "heun"])
def test_few_steps_approach_many(name, noise):
    """All are discretisations of one equation, whose solution from noise n is mean + SD n."""
    errors = [
        (sample(exact_v, noise, make_scheduler(name), steps, SEEDS) - (MEAN + SD * noise)).abs().max().item()
        for steps in (8, 32)
    ]
    assert errors[1] < 0.5 * errors[0]
    assert errors[1] < 0.15


def test_many_steps_of_every_family_end_at_the_same_point(noise):
    ends = [sample(exact_v, noise, make_scheduler(name), 200, SEEDS) for name in ("dpm++", "ddim", "euler", "heun")]
    for end in ends:
        assert (end - (MEAN + SD * noise)).abs().max() < 0.03


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sample_does_not_depend_on_its_batch(name, noise):
    whole = sample(exact_v, noise[:6], make_scheduler(name), 10, SEEDS[:6])
    parts = [sample(exact_v, noise[k : k + 2], make_scheduler(name), 10, SEEDS[k : k + 2]) for k in (0, 2, 4)]
    assert (whole - torch.cat(parts)).abs().max() < 1e-5


def test_noise_of_steps_is_new_in_every_step_and_sample():
    values = [torch.randn(4, generator=g).tolist() for step in (0, 1) for g in step_generators(SEEDS[:3], step)]
    assert len({tuple(v) for v in values}) == 6


@pytest.mark.parametrize("name", ["ddpm", "sde-dpm++"])
def test_stochastic_sampling_is_random_and_repeatable(name, noise):
    runs = [sample(exact_v, noise[:2], make_scheduler(name), 20, seeds) for seeds in (SEEDS[:2],) * 2]
    assert torch.equal(*runs)
    other = sample(exact_v, noise[:2], make_scheduler(name), 20, SEEDS[2:4])
    assert not torch.allclose(runs[0], other)


def test_angles_run_from_noise_to_data(noise):
    for name in SAMPLERS:
        seen = []

        def velocity(x, phi, seen=seen):
            seen.append(phi[0].item())
            return exact_v(x, phi)

        sample(velocity, noise[:1], make_scheduler(name), 10, SEEDS[:1])
        assert seen[0] == pytest.approx(math.pi / 2, abs=1e-3), name
        assert all(b <= a + 1e-6 for a, b in pairwise(seen)), name


def test_other_schedulers_of_diffusers_can_be_used(noise):
    from diffusers import EulerDiscreteScheduler

    scheduler = EulerDiscreteScheduler(beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction")
    z = sample(exact_v, noise, scheduler, 100, SEEDS)
    assert z.std().item() == pytest.approx(SD, rel=0.1)
    assert default_steps(scheduler) == 50
    assert [default_steps(make_scheduler(name)) for name in SAMPLERS] == [s.steps for s in SAMPLERS.values()]


def test_bad_settings_are_refused(noise):
    from diffusers import DDIMScheduler

    with pytest.raises(InputError, match="known: ddpm, ddim"):
        make_scheduler("euler2")
    for steps in (0, -1, 1001):
        with pytest.raises(InputError, match="expected 1 to 1000"):
            sample(exact_v, noise, make_scheduler("ddim"), steps, SEEDS)
    with pytest.raises(InputError, match="v_prediction"):
        check_scheduler(DDIMScheduler(prediction_type="epsilon"))


# Guidance ---------------------------------------------------------------------------------------------------------


class Counting(torch.nn.Module):
    """Predicts a different constant for every set of groups that it is told of, and counts evaluations."""

    def __init__(self):
        super().__init__()
        self.rows = 0

    def forward(self, x, phi, condition, base=None):
        self.rows += len(x)
        names = ("age", "heart_rate", "pr_ms")
        numbers = [k for k, name in enumerate(NUMBERS) if name in names]
        there = ~condition.numbers[:, numbers].isnan()
        value = there.float() @ torch.tensor([1.0, 10.0, 100.0])
        value = (
            value + 1000.0 * condition.token_mask.any(dim=1) + 0.5 * (condition.token_ids * condition.token_mask).sum(1)
        )
        return value[:, None, None].expand_as(x)


NUMBERS = ("age", "heart_rate", "pr_ms", "qrs_ms", "qt_ms", "axis_deg", "rms_mv")
FULL = Condition(text="atrial fibrillation", age=70, heart_rate=120, pr_ms=200)


def guided(condition, guidance, negative=None, phi=1.0):
    network = Counting()
    batch = collate([condition] * 3)
    other = None if negative is None else collate([Condition(text=negative)] * 3)
    out = GuidedVelocity(network, batch, guidance, other)(torch.zeros(3, 2, 5), torch.full((3,), phi))
    return out[0, 0, 0].item(), network.rows // 3


def prediction(condition):
    network = Counting()
    return network(torch.zeros(1, 1, 1), torch.ones(1), collate([condition])).item()


def test_weights_add_up_to_one():
    for scales in ({"text": 3.0, "patient": 2.0, "rate": 0.0, "shape": 1.0}, dict.fromkeys(GROUPS, 4.0)):
        assert sum(link.weight for link in links(scales)) == pytest.approx(1.0)


def test_a_scale_of_one_is_the_network_itself_in_one_evaluation():
    assert guided(FULL, Guidance.of(1.0)) == (prediction(FULL), 1)


def test_equal_scales_are_guidance_as_usual_in_two_evaluations():
    null, full = prediction(Condition()), prediction(FULL)
    assert guided(FULL, Guidance.of(3.0)) == (pytest.approx(null + 3 * (full - null)), 2)


def test_every_group_has_its_own_scale():
    value, evaluations = guided(FULL, Guidance.of({"text": 5.0, "patient": 2.0, "rate": 3.0, "shape": 4.0}))
    text = prediction(FULL) - 111.0
    assert value == pytest.approx(2 * 1 + 3 * 10 + 4 * 100 + 5 * text, rel=1e-5)
    assert evaluations == 5


def test_a_group_of_scale_nought_is_left_out():
    value, evaluations = guided(FULL, Guidance.of({"text": 0.0}))
    assert (value, evaluations) == (111.0, 1)


def test_groups_that_nobody_asked_for_cost_nothing():
    alone = Condition(heart_rate=120)
    assert said(collate([alone])) == {"rate"}
    assert guided(alone, Guidance.of({"text": 5.0, "patient": 2.0, "rate": 3.0})) == (pytest.approx(30.0), 2)
    assert guided(Condition(), Guidance.of(7.0)) == (0.0, 1)


def test_a_negative_prompt_takes_the_place_of_the_absent_text():
    positive, negative = prediction(Condition(text="atrial fibrillation")), prediction(Condition(text="pacemaker"))
    value, evaluations = guided(Condition(text="atrial fibrillation"), Guidance.of(3.0), "pacemaker")
    assert (value, evaluations) == (pytest.approx(negative + 3 * (positive - negative)), 2)
    assert guided(Condition(text="atrial fibrillation"), Guidance.of(1.0), "pacemaker")[1] == 1


def test_outside_of_its_interval_guidance_costs_nothing():
    guidance = Guidance.of(3.0, interval=(0.2, 0.8))
    assert guided(FULL, guidance, phi=0.1 * math.pi / 2) == (prediction(FULL), 1)
    assert guided(FULL, guidance, phi=0.5 * math.pi / 2)[1] == 2


def test_rescaling_restores_the_spread():
    def network(x, phi, condition, base=None):
        return x * (1.0 + 2.0 * condition.token_mask.any(dim=1)[:, None, None])

    batch = collate([Condition(text="atrial fibrillation")] * 2)
    x = torch.randn(2, 4, 30, generator=torch.Generator().manual_seed(0))
    out = GuidedVelocity(network, batch, Guidance.of(5.0, rescale=1.0))(x, torch.ones(2))
    assert torch.allclose(out, 3 * x, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (({"test": 2.0},), "expected a group of text"),
        ((-1.0,), "expected 0 to 50"),
        ((math.nan,), "expected 0 to 50"),
        ((1.0, 2.0), "rescale 2"),
        ((1.0, 0.0, (0.8, 0.2)), "interval 0.8 to 0.2"),
    ],
)
def test_bad_guidance_is_refused(arguments, words):
    with pytest.raises(InputError, match=words):
        Guidance.of(*arguments)
