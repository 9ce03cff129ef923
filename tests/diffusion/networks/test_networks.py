"""The denoising networks: what may and what may not influence a prediction, counts, and round trips."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from diffusion.conditions.batch import ConditionBatch, collate
from diffusion.conditions.condition import Condition
from diffusion.networks.diffusets import DiffuSETSDenoiser, DiffuSETSUNet
from diffusion.networks.dit import LatentDiT, rotary_table, rotated
from diffusion.networks.embedding import ConditionEncoder
from diffusion.networks.unet import LatentUNet
from gen.checkpoint import load_model, model_config, save_checkpoint
from gen.records import InputError

CHANNELS, LENGTH = 4, 20
REQUESTS = [
    Condition(text="atrial fibrillation, left bundle branch block, no infarct, QTc 480 ms", age=70, heart_rate=130),
    Condition(text="sinus rhythm", sex="F", axis_deg=-40),
    Condition(),
]


def dit(**settings) -> LatentDiT:
    torch.manual_seed(1)
    return opened(LatentDiT(latent_channels=CHANNELS, width=32, depth=2, heads=2, **settings))


def unet(**settings) -> LatentUNet:
    torch.manual_seed(1)
    return opened(
        LatentUNet(CHANNELS, widths=(16, 24, 32), condition_width=32, blocks=1, heads=2, **settings)  # type: ignore[misc]
    )


def diffusets() -> DiffuSETSDenoiser:
    torch.manual_seed(1)
    return DiffuSETSDenoiser(CHANNELS, widths=(8, 8, 12), width=32, text_width=40)


def opened(model: nn.Module) -> nn.Module:
    """The model with what starts at zero drawn at random, as after some training."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(std=0.2, generator=generator)
    return model.eval()


NETWORKS = pytest.mark.parametrize("build", [dit, unet], ids=["dit", "unet"])
ALL_NETWORKS = pytest.mark.parametrize("build", [dit, unet, diffusets], ids=["dit", "unet", "diffusets"])


def state(batch: int, length: int = LENGTH) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(batch, CHANNELS, length, generator=generator), torch.linspace(0.1, 1.5, batch)


def predict(model: nn.Module, condition: ConditionBatch, base: torch.Tensor | None = None) -> torch.Tensor:
    with torch.no_grad():
        return model(*state(len(condition)), condition, base)


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return (a - b).abs().max().item()


# --- text ------------------------------------------------------------------------------------------------------------


@NETWORKS
def test_valid_tokens_are_a_set_that_matters(build):
    """Tokens carry no position: a permutation of valid ones is the same request, an exchange of one is another."""
    model, condition = build(), collate(REQUESTS[:1])
    valid = int(condition.token_mask.sum())
    assert valid >= 4
    order = torch.arange(condition.token_ids.shape[1])
    order[:valid] = order[:valid].roll(1)
    names = ("token_ids", "token_attributes", "token_values", "token_mask")
    permuted = replace(condition, **{name: getattr(condition, name)[:, order] for name in names})
    plain = predict(model, condition)
    assert difference(predict(model, permuted), plain) < 1e-5

    for index in range(valid):
        ids = condition.token_ids.clone()
        ids[0, index] += 1
        assert difference(predict(model, replace(condition, token_ids=ids)), plain) > 1e-4


@NETWORKS
@pytest.mark.parametrize("path", ["attention", "adaln", "both"])
def test_padding_has_no_influence(build, path):
    model, condition = build(text_path=path), collate(REQUESTS)
    plain = predict(model, condition)
    ids = torch.where(condition.token_mask, condition.token_ids, 7)
    values = torch.where(condition.token_mask, condition.token_values, 1e6)
    assert difference(predict(model, replace(condition, token_ids=ids, token_values=values)), plain) == 0

    longer = collate(
        [*REQUESTS, Condition(text="xyzzyplugh quuxfrobnicate " * 3 + ", ".join(["LVH", "RBBB", "PVC"] * 4))]
    )
    assert longer.token_ids.shape[1] > condition.token_ids.shape[1]
    short = {name: value[: len(REQUESTS)] for name, value in longer.as_dict().items()}
    assert difference(predict(model, ConditionBatch.from_dict(short)), plain) < 1e-5


@NETWORKS
def test_every_attribute_and_value_of_a_token_matters(build):
    model, condition = build(), collate(REQUESTS[:1])
    plain = predict(model, condition)
    for kind in range(condition.token_attributes.shape[2]):
        attributes = condition.token_attributes.clone()
        attributes[0, 0, kind] = 1 - attributes[0, 0, kind]
        assert difference(predict(model, replace(condition, token_attributes=attributes)), plain) > 1e-4
    other = collate([replace(REQUESTS[0], text=str(REQUESTS[0].text).replace("480", "490"))])
    assert difference(predict(model, other), plain) > 1e-4


def test_negation_can_mean_the_opposite():
    """After some steps on a task where "no X" asks for -1 and "X" for 1, statements never seen negated obey, too."""
    torch.manual_seed(0)
    words = ["LBBB", "LVH", "atrial fibrillation", "PVC", "RBBB", "first degree AV block"]
    said = collate([Condition(text=word) for word in words] + [Condition(text=f"no {word}") for word in words])
    assert said.token_attributes[len(words) :, 0, 0].all()
    target = torch.tensor([1.0] * len(words) + [-1.0] * len(words))
    encoder = ConditionEncoder(32, text_path="adaln")
    read = nn.Linear(32, 1)
    optimizer = torch.optim.Adam([*encoder.parameters(), *read.parameters()], lr=3e-3)
    for _ in range(60):
        loss = ((read(encoder(said).vector)[:, 0] - target)[:-1] ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.05
    assert read(encoder(said).vector)[-1].item() < 0  # the last was left out of the loss


# --- numbers and categories ------------------------------------------------------------------------------------------


@NETWORKS
def test_every_number_and_category_matters_to_its_resolution(build):
    """One bpm, one year, a few milliseconds and degrees, hundredths of a millivolt; sex and source."""
    model = build()
    asked = Condition(
        age=60, sex="F", heart_rate=75, pr_ms=160, qrs_ms=95, qt_ms=390, axis_deg=30, rms_mv=0.2, source="recorded"
    )
    plain = predict(model, collate([asked]))
    near = {"age": 61, "heart_rate": 76, "pr_ms": 165, "qrs_ms": 98, "qt_ms": 395, "axis_deg": 35, "rms_mv": 0.21}
    for name, value in {**near, "sex": "M", "source": "simulated"}.items():
        assert difference(predict(model, collate([replace(asked, **{name: value})])), plain) > 1e-3, name


def test_neighbouring_rates_are_told_apart_everywhere():
    """Features of rates one bpm apart differ by more than bf16 rounds away (2^-8), from 20 to 300 bpm."""
    encoder = ConditionEncoder(64)
    rates = torch.arange(20.0, 301.0)
    numbers = torch.full((len(rates), 7), torch.nan)
    numbers[:, 1] = rates
    tokens = encoder.numbers(numbers)[:, [1, 7]].flatten(1)
    apart = (tokens[1:] - tokens[:-1]).norm(dim=1) / tokens[1:].norm(dim=1)
    assert apart.min() > 0.05


def test_the_axis_is_an_angle():
    encoder = ConditionEncoder(16)
    numbers = torch.full((2, 7), torch.nan)
    numbers[:, 5] = torch.tensor([-180.0, 180.0])
    first, second = encoder.numbers(numbers)
    torch.testing.assert_close(first, second, atol=1e-5, rtol=0)


@NETWORKS
@pytest.mark.parametrize(
    ("group", "parts"),
    [
        ("text", {"text": None}),
        ("patient", {"age": None, "sex": None}),
        ("rate", {"heart_rate": None}),
        ("shape", {"qrs_ms": None}),
    ],
)
def test_a_group_left_out_is_a_group_never_given(build, group, parts):
    model = build()
    asked = Condition(text="LBBB", age=60, sex="F", heart_rate=75, qrs_ms=150)
    without = predict(model, collate([asked]).without([group]))
    assert difference(without, predict(model, collate([replace(asked, **parts)]))) < 1e-6
    assert difference(without, predict(model, collate([asked]))) > 1e-3
    assert torch.isfinite(without).all()


def test_the_clock_repeats_with_the_rr_interval():
    """At 75 bpm and 80 ms a position, ten positions are a beat."""
    clock = dit().clock
    beats = clock(collate([Condition(heart_rate=75), Condition()]), 40)
    torch.testing.assert_close(beats[0, :30], beats[0, 10:], atol=1e-4, rtol=0)
    assert difference(beats[0, :35], beats[0, 5:]) > 0.1
    assert not beats[1].any()


# --- identity embeddings ------------------------------------------------------------------------------------------


@NETWORKS
@pytest.mark.parametrize("path", ["adaln", "attention"])
def test_base_vectors_matter_and_can_be_absent(build, path):
    model, condition = build(base_width=6, base_path=path), collate(REQUESTS)
    base = torch.randn(3, 6, generator=torch.Generator().manual_seed(4))
    absent = predict(model, condition)
    assert difference(predict(model, condition, torch.full((3, 6), torch.nan)), absent) == 0
    one_known = base.clone()
    one_known[1:, 0] = torch.nan
    given = predict(model, condition, one_known)
    assert difference(given[1:], absent[1:]) < 1e-6
    assert difference(given[0], absent[0]) > 1e-3
    assert difference(predict(model, condition, base)[1], absent[1]) > 1e-3


def test_base_vectors_of_another_size_are_refused():
    condition = collate(REQUESTS)
    with pytest.raises(ValueError, match=r"shape \(3, 5\); expected \(3, 6\)"):
        predict(dit(base_width=6), condition, torch.zeros(3, 5))
    with pytest.raises(ValueError, match="without one"):
        predict(dit(), condition, torch.zeros(3, 5))


# --- shapes, counts, gradients ---------------------------------------------------------------------------------------


def test_parameter_counts():
    """The default sizes, as stated where they are described."""
    with torch.device("meta"):
        counts = [sum(p.numel() for p in m.parameters()) for m in (LatentDiT(), LatentUNet(), DiffuSETSDenoiser())]
    assert 12e6 < counts[0] < 14e6
    assert 5e6 < counts[1] < 8e6
    assert 14e6 < counts[2] < 16e6


def test_the_published_network_has_the_published_number_of_parameters():
    """14.18 M (21.74 M for text of 8,192), of which 13 tables of 1000 x 64 sines and 12 convolutions do nothing."""
    tables = 13 * 1000 * 64
    unused = 2 * sum(3 * w * w + w for w in (8, 16, 32, 64, 128)) + (3 * 256 * 256 + 256) + (3 * 4 * 4 + 4)
    with torch.device("meta"):
        counts = [sum(p.numel() for p in DiffuSETSUNet(text_width=w).parameters()) for w in (1536, 8192)]
    assert counts == [13_017_436, 20_578_652]
    assert [round((count + tables + unused) / 1e6, 2) for count in counts] == [14.18, 21.74]


def test_the_published_attention_to_one_repeated_vector_is_a_bias():
    torch.manual_seed(0)
    attention = DiffuSETSUNet(text_width=8).bottleneck.cross_attention
    x, vector = torch.randn(2, 6, 256), torch.randn(2, 1, 256)
    once = attention(x, vector)
    torch.testing.assert_close(attention(x, vector.expand(-1, 6, -1)), once, atol=1e-6, rtol=0)
    torch.testing.assert_close(once[:, :1].expand_as(once), once, atol=1e-6, rtol=0)


def test_the_published_network_runs_on_its_own_terms():
    model = DiffuSETSUNet(text_width=8)
    x = torch.randn(2, 4, 128)
    assert model(x, torch.tensor([0, 999]), torch.randn(2, 8), torch.randn(2, 3)).shape == x.shape
    with pytest.raises(ValueError, match="multiple of 64"):
        model(x[..., :100], torch.tensor([0, 999]), torch.randn(2, 8), torch.randn(2, 3))


@ALL_NETWORKS
@pytest.mark.parametrize("length", [1, 7, 125])
def test_any_length(build, length):
    x, phi = state(3, length)
    with torch.no_grad():
        out = build()(x, phi, collate(REQUESTS))
    assert out.shape == x.shape
    assert out.dtype == torch.float32
    assert torch.isfinite(out).all()


@ALL_NETWORKS
def test_samples_do_not_depend_on_their_batch(build):
    model = build().eval()
    condition = collate(REQUESTS)
    together = predict(model, condition)
    x, phi = state(3)
    for k, request in enumerate(REQUESTS):
        with torch.no_grad():
            alone = model(x[k, None], phi[k, None], collate([request]))
        assert difference(alone[0], together[k]) < 1e-4


@ALL_NETWORKS
def test_the_angle_matters(build):
    model, (x, phi) = build(), state(3)
    with torch.no_grad():
        assert difference(model(x, phi, collate(REQUESTS)), model(x, phi + 0.02, collate(REQUESTS))) > 1e-4


def test_rotary_scores_depend_on_distance_only():
    """q(i) . k(j) is the same for all pairs at one distance, and differs between distances."""
    torch.manual_seed(0)
    x = torch.randn(1, 1, 2, 1, 16).expand(1, 30, 2, 1, 16)
    q, k = rotated(x, rotary_table(30, 16, x))[0].unbind(1)
    scores = q[:, 0] @ k[:, 0].T
    for lag in (0, 1, 7):
        diagonal = scores.diagonal(lag)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-5, rtol=0)
    assert abs(scores[0, 1] - scores[0, 7]) > 1e-3
    torch.testing.assert_close(scores[0, 0], (x[0, 0, 0, 0] @ x[0, 0, 1, 0]) / 4, atol=1e-5, rtol=0)


@pytest.mark.parametrize("build", [LatentDiT, LatentUNet])
def test_the_prediction_starts_at_zero(build):
    small = {"width": 32, "depth": 1} if build is LatentDiT else {"widths": (16, 32), "condition_width": 32}
    model = build(latent_channels=CHANNELS, heads=2, **small)
    assert not predict(model, collate(REQUESTS)).any()


@NETWORKS
@pytest.mark.parametrize("text_path", ["attention", "adaln", "both"])
@pytest.mark.parametrize("numbers_path", ["attention", "adaln", "both"])
def test_gradients_reach_every_parameter(build, text_path, numbers_path):
    """Also that no switch builds what it does not use: such parameters would stop training on several devices."""
    model = build(text_path=text_path, numbers_path=numbers_path, base_width=6)
    base = torch.randn(3, 6)
    base[0] = torch.nan
    x, phi = state(3)
    (model(x, phi, collate(REQUESTS), base) ** 2).sum().backward()
    unreached = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert unreached == []


@ALL_NETWORKS
def test_the_training_loss_is_finite_under_autocast(build):
    model = build()
    batch = {"latent": state(3)[0], "sample_seed": torch.arange(3), **collate(REQUESTS).as_dict()}
    with torch.autocast("cpu", torch.bfloat16):
        loss = model.loss(batch)["loss"]
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("setting", ["text_path", "numbers_path", "base_path"])
def test_an_unknown_path_is_refused(setting):
    with pytest.raises(ValueError, match=rf"{setting} 'film': expected one of attention, adaln, both"):
        dit(**{setting: "film"})


# --- checkpoints -----------------------------------------------------------------------------------------------------


@ALL_NETWORKS
def test_checkpoints_give_the_same_network_back(build, tmp_path):
    model, condition = build(), collate(REQUESTS)
    save_checkpoint(tmp_path / "net", config=model_config(model), model=model)
    again = load_model(type(model), tmp_path / "net")
    assert difference(predict(again, condition), predict(model.eval(), condition)) == 0
    assert model_config(again) == model_config(model)


@ALL_NETWORKS
def test_diffusers_own_loading_gives_the_same_network_back(build, tmp_path):
    """`from_pretrained` builds without memory first; what is computed in constructors must survive that."""
    model, condition = build().eval(), collate(REQUESTS)
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    assert difference(predict(again, condition), predict(model, condition)) == 0


@ALL_NETWORKS
def test_a_checkpoint_of_another_vocabulary_is_refused(build, tmp_path):
    model = build()
    config = model_config(model)
    assert len(config["vocabulary_digest"]) == 16
    save_checkpoint(tmp_path / "net", config={**config, "vocabulary_digest": "0" * 16}, model=model)
    with pytest.raises(InputError, match="text vocabulary 0000"):
        load_model(type(model), tmp_path / "net")
