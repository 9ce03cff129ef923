"""Low-rank adaptation: nothing changes before training, only the change is trained, and folding loses nothing."""

import torch
from torch import nn

from gen.checkpoint import unique_tensors
from gen.training.adapter import adapt, folded


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(7, 6), nn.Flatten(), nn.Linear(24, 8), nn.ReLU(), nn.Linear(8, 3))


def test_an_adapted_network_is_the_same_until_it_is_trained():
    model, plain = network(), network()
    x = torch.arange(8).reshape(2, 4) % 7
    trained = adapt(model, 2)
    assert torch.equal(model(x), plain(x))
    assert trained == sum(2 * (a + b) for a, b in ((7, 6), (8, 24), (3, 8)))
    assert not any(p.requires_grad for name, p in model.named_parameters() if "parametrizations" not in name)


def test_training_moves_weights_by_a_matrix_of_that_rank_and_folding_keeps_the_answers():
    model = network()
    before = {name: value.clone() for name, value in unique_tensors(model).items()}
    adapt(model, 2)
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    x, y = torch.arange(28).reshape(7, 4) % 7, torch.arange(7) % 3
    for _ in range(5):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimiser.step()
    tensors = folded(model)
    assert set(tensors) == set(before)
    change = tensors["2.weight"] - before["2.weight"]
    assert torch.linalg.matrix_rank(change, atol=1e-6) == 2
    assert torch.equal(tensors["2.bias"], before["2.bias"])
    fresh = network()
    fresh.load_state_dict(tensors)
    assert torch.allclose(fresh(x), model(x), atol=1e-6)


def test_a_network_that_is_not_adapted_is_folded_to_itself():
    model = network()
    assert set(folded(model)) == set(model.state_dict())
