"""The networks: parameter counts, the linear start, what may and what may not influence the result."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gen.checkpoint import load_model
from gen.leads import LEADS_8, LEADS_8_TO_12, LEADS_12
from vae.networks.lead_vae import LeadVAE
from vae.networks.objective import LossWeights, reconstruction_loss
from vae.networks.spatial import AUGMENTED_ROWS, conditional_mean
from vae.networks.wearecg import LATENT_CHANNELS, WearECG, canvas_of


def rows(*leads: str) -> list[int]:
    return [LEADS_8.index(lead) for lead in leads]


def mask_of(leads: tuple[str, ...], batch: int, time: int) -> torch.Tensor:
    mask = torch.zeros(batch, 8, time, dtype=torch.bool)
    mask[:, rows(*leads)] = True
    return mask


@pytest.fixture(scope="module")
def model(checkpoint) -> LeadVAE:
    return load_model(LeadVAE, checkpoint)


@pytest.fixture(scope="module")
def signal(population) -> torch.Tensor:
    return torch.from_numpy(population[:3, :, :1000])


# --- the published network -------------------------------------------------------------------------------------------


def test_the_published_network_has_the_published_number_of_parameters():
    """Counted by hand from the paper's list of layers, and as published: 12.22 M and 22.28 M."""

    def conv(width_in: int, width: int, kernel: int) -> int:
        return width_in * width * kernel + width

    def norm(width: int) -> int:
        return 2 * width

    def res(width_in: int, width: int) -> int:
        skip = conv(width_in, width, 1) if width_in != width else 0
        return norm(width_in) + conv(width_in, width, 3) + norm(width) + conv(width, width, 3) + skip

    attention = norm(512) + conv(512, 3 * 512, 1) + conv(512, 512, 1)
    encoder = conv(12, 128, 3) + 2 * res(128, 128) + conv(128, 128, 3)
    encoder += res(128, 256) + res(256, 256) + conv(256, 256, 3)
    encoder += res(256, 512) + res(512, 512) + conv(512, 512, 3)
    encoder += 3 * res(512, 512) + attention + res(512, 512) + norm(512) + conv(512, 8, 3) + conv(8, 8, 1)
    decoder = conv(4, 4, 1) + conv(4, 512, 3) + res(512, 512) + attention + 4 * res(512, 512)
    decoder += 3 * conv(512, 512, 3) + 6 * res(512, 512)
    decoder += res(512, 256) + 2 * res(256, 256) + norm(256) + conv(256, 12, 3)
    with torch.device("meta"):
        model = WearECG()
    counts = [sum(p.numel() for p in part.parameters()) for part in (model.encoder, model.decoder)]
    assert counts == [encoder, decoder] == [12_218_448, 22_276_896]
    assert [f"{count / 1e6:.2f} M" for count in counts] == ["12.22 M", "22.28 M"]


def test_the_published_network_halves_time_three_times():
    model = WearECG().eval()
    x = torch.zeros(1, 12, 96)
    with torch.inference_mode():
        mean, log_var = model.encode(x)
        assert mean.shape == log_var.shape == (1, LATENT_CHANNELS, 12)
        assert model.decode(mean).shape == x.shape
        before = mean.clone()
        model.decode(mean)
        assert torch.equal(mean, before)  # the public code divides its argument in place


def test_the_canvas_holds_what_is_known_and_nothing_else(signal):
    observed = mask_of(("I", "II", "V1"), 3, 1000)
    observed[:, rows("I"), :500] = False
    canvas = canvas_of(torch.where(observed, signal, torch.nan), observed)
    truth = torch.einsum("wl,blt->bwt", torch.tensor(LEADS_8_TO_12, dtype=torch.float32), signal)
    for lead, start in {"I": 500, "II": 0, "III": 500, "aVR": 500, "aVL": 500, "aVF": 500, "V1": 0}.items():
        row = LEADS_12.index(lead)
        torch.testing.assert_close(canvas[:, row, start:], truth[:, row, start:])
        assert not canvas[:, row, :start].any()
    assert not canvas[:, LEADS_12.index("V2") :].any()


# --- the linear start ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("leads", [("I",), ("II", "V1", "V5"), ("V3",), ("I", "II", "V2"), LEADS_8[1:]])
def test_the_conditional_mean_is_that_of_a_gaussian(covariance, rng, leads):
    draws = rng.multivariate_normal(np.zeros(8), covariance, size=50).T.astype(np.float32)
    here, missing = rows(*leads), [i for i in range(8) if LEADS_8[i] not in leads]
    inverse = np.linalg.inv(covariance[np.ix_(here, here)] + 1e-4 * np.eye(len(here)))
    expected = covariance[np.ix_(missing, here)] @ inverse @ draws[here]
    found = conditional_mean(torch.tensor(draws)[None], mask_of(leads, 1, 50), torch.tensor(covariance))[0].numpy()
    np.testing.assert_allclose(found[missing], expected, atol=2e-5)
    assert np.array_equal(found[here], draws[here])


def test_the_conditional_mean_is_the_best_linear_estimate(covariance, rng):
    """No other weights have a smaller squared error: the error is uncorrelated with what was observed."""
    draws = rng.multivariate_normal(np.zeros(8), covariance, size=60_000).T.astype(np.float32)
    leads = ("II", "V1", "V5")
    found = conditional_mean(torch.tensor(draws)[None], mask_of(leads, 1, draws.shape[1]), torch.tensor(covariance))
    error = found[0].numpy() - draws
    assert np.abs(error @ draws[rows(*leads)].T / draws.shape[1]).max() < 0.02


def test_everything_observed_is_the_identity_and_nothing_observed_is_zero(signal, covariance):
    cov = torch.tensor(covariance)
    everything = torch.ones(3, 8, 1000, dtype=torch.bool)
    assert torch.equal(conditional_mean(signal, everything, cov), signal)
    assert not conditional_mean(signal, ~everything, cov).any()


def test_observations_may_change_from_sample_to_sample(signal, covariance):
    observed = mask_of(("II", "V1", "V5"), 3, 1000)
    observed[:, :, 400:] = mask_of(("I", "V2"), 3, 600)
    observed[1, :, 700:] = False
    found = conditional_mean(signal, observed, torch.tensor(covariance))
    for start, end in ((0, 400), (400, 700), (700, 1000)):
        part = conditional_mean(signal[..., start:end], observed[..., start:end], torch.tensor(covariance))
        torch.testing.assert_close(found[..., start:end], part)


@pytest.mark.parametrize("lead", ["III", "aVR", "aVL", "aVF"])
def test_a_lone_augmented_lead_constrains_its_combination(signal, covariance, lead):
    row = ("III", "aVR", "aVL", "aVF").index(lead)
    combination = AUGMENTED_ROWS[row].float()
    values = torch.einsum("l,blt->bt", combination, signal)
    augmented = torch.full((3, 4, 1000), torch.nan)
    augmented[:, row] = values
    observed = mask_of(("V1", "V5"), 3, 1000)
    found = conditional_mean(signal, observed, torch.tensor(covariance), augmented)
    rebuilt = torch.einsum("l,blt->bt", combination, found)
    assert (rebuilt - values).abs().max() < 0.01 * values.abs().max()
    without = conditional_mean(signal, observed, torch.tensor(covariance))
    error = (without[:, :2] - signal[:, :2]).square().mean()
    assert (found[:, :2] - signal[:, :2]).square().mean() < 0.8 * error


# --- no leakage ------------------------------------------------------------------------------------------------------


def check_no_leak(run, signal: torch.Tensor, observed: torch.Tensor) -> None:
    expected = run(torch.where(observed, signal, 0.0))
    for value in (1e3, torch.nan, torch.inf):
        assert torch.equal(run(torch.where(observed, signal, value)), expected), value


@settings(max_examples=12, deadline=None)
@given(pattern=st.lists(st.booleans(), min_size=8, max_size=8).filter(any), hole=st.integers(0, 900))
def test_what_is_not_observed_has_no_influence(model, signal, pattern, hole):
    observed = torch.tensor(pattern)[None, :, None].repeat(3, 1, 1000)
    observed[:, :, hole : hole + 100] = False
    with torch.inference_mode():
        for field in ("mean_mv", "scale_mv"):
            check_no_leak(lambda x, field=field: getattr(model(x, observed), field), signal, observed)


def test_the_published_network_does_not_leak_either(signal):
    model = WearECG().eval()
    observed = mask_of(("II", "V1", "V5"), 3, 1000)[..., :96]
    with torch.inference_mode():
        check_no_leak(lambda x: model(x, observed).mean_mv, signal[..., :96], observed)
        everything = model(signal[..., :96], torch.ones_like(observed)).mean_mv
        assert not torch.allclose(model(signal[..., :96], observed).mean_mv, everything)


def test_what_is_observed_has_influence(model, signal):
    """The counterpart: the test above would pass for a network that ignores its input."""
    observed = mask_of(("II", "V1", "V5"), 3, 1000)
    with torch.inference_mode():
        before = model(signal, observed).mean_mv
        for lead in ("II", "V1", "V5"):
            other = signal.clone()
            other[:, rows(lead), 300:400] += 0.2
            assert (model(other, observed).mean_mv - before).abs().max() > 1e-3, lead


def test_the_latent_and_the_mask_reach_the_output(model, signal):
    observed = mask_of(("II", "V1", "V5"), 3, 1000)
    with torch.inference_mode():
        encoded = model.encode(signal, observed)
        assert (model.decode(encoded, encoded.mean + 1).mean_mv - model.decode(encoded, encoded.mean).mean_mv).any()
        more = mask_of(("II", "V1", "V5", "I"), 3, 1000)
        assert (model.encode(signal, more).mean - encoded.mean).abs().max() > 1e-4


def test_amplitude_only_scales_the_linear_start(model, signal):
    observed = mask_of(("II", "V1"), 3, 1000)
    with torch.inference_mode():
        once, twice = model.encode(signal, observed), model.encode(2 * signal, observed)
    torch.testing.assert_close(twice.scale_mv, 2 * once.scale_mv)
    torch.testing.assert_close(twice.filled, once.filled)


def test_the_scale_does_not_depend_on_batch_or_threads(model, population):
    x = torch.from_numpy(population[:12])
    observed = mask_of(("II", "V1", "V5"), 12, x.shape[2])
    before, found = torch.get_num_threads(), []
    try:
        with torch.inference_mode():
            for threads in (1, 2):
                torch.set_num_threads(threads)
                found.append(model.encode(x, observed).scale_mv)
                found.append(
                    torch.cat([model.encode(a[None], b[None]).scale_mv for a, b in zip(x, observed, strict=True)])
                )
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(scale, found[0]) for scale in found)


def test_a_silent_record_stays_finite(model):
    zero = torch.zeros(1, 8, 400)
    with torch.inference_mode():
        for observed in (torch.ones(1, 8, 400, dtype=torch.bool), torch.zeros(1, 8, 400, dtype=torch.bool)):
            decoded = model(zero, observed)
            assert decoded.mean_mv.isfinite().all()
            assert (decoded.scale_mv > 0).all()


# --- training --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def batch(signal) -> dict[str, torch.Tensor]:
    observed = mask_of(("II", "V1", "V5"), 3, 1000)
    return {
        "signal_mv": signal,
        "input_mv": signal + 0.01,
        "observed": observed,
        "sample_seed": torch.tensor([3, 5, 7]),
    }


def test_the_loss_reaches_every_weight(make_model, batch):
    model = make_model().train()
    weights = LossWeights(posterior_share=0.5)
    reconstruction_loss(model, batch, weights)["loss"].backward()
    idle = [name for name, value in model.named_parameters() if value.grad is None or not value.grad.any()]
    assert idle == []


def test_the_loss_is_the_weighted_sum_of_its_parts_and_repeats(make_model, batch):
    model = make_model()
    weights = LossWeights()
    with torch.no_grad():
        found, again = (reconstruction_loss(model, batch, weights) for _ in range(2))
    names = set(found) - {"loss"}
    assert names >= {"mae", "mse", "correlation", "spectral", "likelihood", "kl"}
    expected = sum(getattr(weights, name) * found[name] for name in names)
    torch.testing.assert_close(found["loss"], expected)
    assert torch.equal(found["loss"], again["loss"])
    assert found["kl"] > 0


def test_the_loss_sees_the_truth_only_where_it_should(make_model, batch):
    """With the prior's mean alone, what the model puts out does not depend on the unobserved truth."""
    model = make_model()
    other = {**batch, "signal_mv": torch.where(batch["observed"], batch["signal_mv"], batch["signal_mv"] + 100)}
    assert torch.equal(
        model(batch["input_mv"], batch["observed"]).mean_mv, model(other["input_mv"], batch["observed"]).mean_mv
    )
    with torch.no_grad():
        weights = LossWeights(posterior_share=0.0)
        assert reconstruction_loss(model, other, weights)["mae"] > reconstruction_loss(model, batch, weights)["mae"]


def test_a_few_steps_lower_the_loss(make_model, batch):
    model = make_model().train()
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    losses = []
    for _ in range(15):
        optimiser.zero_grad()
        loss = model.loss(batch)["loss"]
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_the_published_network_s_loss_has_a_gradient_everywhere(signal):
    model = WearECG().train()
    short = {
        "signal_mv": signal[:2, :, :64],
        "observed": mask_of(("II", "V1", "V5"), 2, 64),
        "sample_seed": torch.tensor([1, 2]),
    }
    found = model.loss(short)
    torch.testing.assert_close(found["loss"], found["mse"] + model.kl_weight * found["kl"])
    found["loss"].backward()
    assert [name for name, value in model.named_parameters() if value.grad is None] == []
