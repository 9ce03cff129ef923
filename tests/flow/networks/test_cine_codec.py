"""The split of anatomy and motion holds by construction."""

import math
from collections.abc import Callable

import pytest
import torch

from flow.networks.cine_codec import CineCodec, kl_divergence, label_loss


def _frames(n: int = 2, count: int = 4, size: int = 32) -> torch.Tensor:
    return torch.rand(n, count, size, size, generator=torch.Generator().manual_seed(1))


def test_shapes_and_determinism(make_codec: Callable[..., CineCodec]) -> None:
    codec, x = make_codec(), _frames()
    with torch.no_grad():
        anatomy, motion = codec.encode(x)
        decoded = codec.decode(anatomy, motion)
        assert torch.equal(codec.decode(anatomy, motion).frames, decoded.frames)
    assert anatomy.shape == (2, 4, 4, 4)
    assert motion.shape == (2, 4, 5)
    assert decoded.frames.shape == x.shape
    assert decoded.scores.shape == (2, 4, 4, 32, 32)
    assert decoded.masks().dtype == torch.uint8


def test_default_size_of_latents() -> None:
    codec = CineCodec()
    assert codec.anatomy_shape == (8, 12, 12)
    assert sum(p.numel() for p in codec.parameters()) < 1_500_000


def test_motion_is_zero_at_the_r_peak_and_anatomy_sees_only_that_frame(make_codec: Callable[..., CineCodec]) -> None:
    codec, x = make_codec(), _frames()
    later = x.clone()
    later[:, 1:] = torch.rand_like(later[:, 1:])
    with torch.no_grad():
        anatomy, motion = codec.encode(x)
        other_anatomy, other_motion = codec.encode(later)
    assert float(motion[:, 0].abs().max()) == 0.0
    assert torch.allclose(anatomy, other_anatomy, atol=1e-6)
    assert not torch.allclose(motion[:, 1:], other_motion[:, 1:])


def test_swap_keeps_the_anatomy_at_the_r_peak(make_codec: Callable[..., CineCodec]) -> None:
    codec, x = make_codec(), _frames()
    with torch.no_grad():
        anatomy, motion = codec.encode(x)
        own, swapped = codec.decode(anatomy, motion), codec.decode(anatomy, motion.flip(0))
    assert torch.allclose(own.frames[:, 0], swapped.frames[:, 0], atol=1e-5)
    assert not torch.allclose(own.frames[:, 1:], swapped.frames[:, 1:], atol=1e-5)


def test_a_frame_does_not_depend_on_the_others(make_codec: Callable[..., CineCodec]) -> None:
    codec, x = make_codec(), _frames()
    with torch.no_grad():
        _, motion = codec.encode(x)
        _, fewer = codec.encode(x[:, :2])
    assert torch.allclose(motion[:, :2], fewer, atol=1e-5)


def test_statistics_round_trip(make_codec: Callable[..., CineCodec]) -> None:
    codec = make_codec()
    anatomy, motion = torch.randn(2, 4, 4, 4), torch.randn(2, 6, 5)
    motion[:, 0] = 0
    back = codec.restore(*codec.standardise(anatomy, motion))
    assert torch.allclose(back[0], anatomy, atol=1e-5)
    assert torch.allclose(back[1], motion, atol=1e-5)
    with pytest.raises(ValueError, match="statistics"):
        make_codec(anatomy_mean=None).standardise(anatomy, motion)


def test_loss_ignores_unlabelled_pixels_and_reaches_every_weight(make_codec: Callable[..., CineCodec]) -> None:
    codec = make_codec()
    masks = torch.randint(0, 4, (2, 4, 32, 32), generator=torch.Generator().manual_seed(0))
    share = torch.tensor([[1.0, 0.8, 0.5, 0.9], [math.nan] * 4])
    batch = {"frames": _frames(), "masks": masks, "share": share, "sample_seed": torch.tensor([1, 2])}
    losses = codec.loss(batch)
    losses["loss"].backward()
    assert all(math.isfinite(float(v.detach())) for v in losses.values())
    assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in codec.parameters())
    blank = dict(batch, masks=torch.full_like(masks, -1), share=torch.full_like(share, math.nan))
    losses = codec.loss(blank)
    assert float(losses["labels"].detach()) == 0.0
    assert float(losses["swap"].detach()) == 0.0


def test_perfect_labels_cost_nothing() -> None:
    masks = torch.randint(0, 4, (1, 2, 8, 8))
    scores = 50.0 * torch.nn.functional.one_hot(masks, 4).permute(0, 1, 4, 2, 3).float()
    assert float(label_loss(scores, masks)) == pytest.approx(0.0, abs=1e-4)


def test_kl_against_torch() -> None:
    mean, log_var = torch.randn(3, 7), torch.randn(3, 7)
    normal = torch.distributions.Normal(mean, (0.5 * log_var).exp())
    expected = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).sum(1).mean()
    assert torch.allclose(kl_divergence(mean, log_var), expected, atol=1e-5)


def test_an_untrained_decoder_draws_no_mesh() -> None:
    torch.manual_seed(0)
    shuffled = CineCodec(size=32, widths=(8, 8, 16)).out[:4](torch.randn(1, 8, 16, 16))
    assert torch.equal(shuffled[..., ::2, ::2], shuffled[..., 1::2, 1::2])
