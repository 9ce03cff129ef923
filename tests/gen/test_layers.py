"""Shared layers against their formulas and torch's own."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gen.layers import Attention, attend, circular, merge_heads, modulate, sinusoid, split_heads, zero


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_heads_split_and_merge():
    x = drawn(2, 5, 12)
    heads = split_heads(x, 3)
    assert heads.shape == (2, 3, 5, 4)
    assert torch.equal(heads[1, 2, 4], x[1, 4, 8:])
    assert torch.equal(merge_heads(heads), x)


def test_attention_is_torchs():
    q, k, v = (drawn(2, 3, n, 4, seed=s) for s, n in enumerate((5, 7, 7)))
    torch.testing.assert_close(attend(q, k, v, scale=0.5), F.scaled_dot_product_attention(q, k, v))
    seen = torch.arange(7) < 4
    bias = torch.where(seen, 0.0, -math.inf)[None, None, None]
    torch.testing.assert_close(attend(q, k, v, scale=0.5, bias=bias), attend(q, k[:, :, :4], v[:, :, :4], scale=0.5))


def test_attention_layer_has_one_context_for_all_heads():
    torch.manual_seed(0)
    layer, own = Attention(8, 2, context_width=6), nn.MultiheadAttention(8, 2, kdim=6, vdim=6, batch_first=True)
    own.q_proj_weight, own.in_proj_bias = (
        layer.query.weight,
        nn.Parameter(torch.cat([layer.query.bias, layer.key_value.bias])),
    )
    own.k_proj_weight, own.v_proj_weight = (nn.Parameter(w) for w in layer.key_value.weight.chunk(2))
    own.out_proj.weight, own.out_proj.bias = layer.out.weight, layer.out.bias
    x, context = drawn(3, 4, 8), drawn(3, 5, 6, seed=1)
    torch.testing.assert_close(layer(x, context), own(x, context, context, need_weights=False)[0])
    with pytest.raises(ValueError, match="multiple of heads"):
        Attention(7, 2)


def test_zero_and_modulate():
    layer = zero(nn.Linear(3, 4))
    assert not any(parameter.any() for parameter in layer.parameters())
    x = drawn(2, 5, 4)
    assert torch.equal(modulate(x, torch.zeros(2, 4), torch.zeros(2, 4)), x)
    torch.testing.assert_close(modulate(x, torch.ones(2, 4), torch.ones(2, 4)), 2 * x + 1)


def test_embeddings_of_places():
    places = sinusoid(torch.arange(50), 16)
    # A shift is one rotation, the same everywhere: products of places depend on their distance alone.
    products = places @ places.T
    torch.testing.assert_close(products.diagonal(3), products.diagonal(3)[:1].expand(47), atol=1e-4, rtol=1e-4)
    ring = circular(torch.tensor([0.0, 0.25, 1.0]), 16)
    torch.testing.assert_close(ring[0], ring[2], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(ring[0], ring[1], atol=0.1)
