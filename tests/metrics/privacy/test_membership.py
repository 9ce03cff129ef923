"""Loss-threshold attack: closed forms, a denoiser that learned its samples by heart, and one that never saw them."""

import json
from math import pi

import numpy as np
import pytest
import torch
from scipy.stats import norm

from gen.cli import run
from gen.records import InputError
from metrics.privacy.attacks import membership_white_box
from metrics.privacy.membership import ALL, attacks, read_losses, table, write_losses

LEVELS = (0.2, 0.5, 0.8)


def v_losses(denoise, z, seed):
    """(n, level) squared error of v of a toy denoiser ``denoise(x, phi) -> expected z``; the same noise for all."""
    out = []
    for k, level in enumerate(LEVELS):
        phi = level * pi / 2
        noise = np.random.default_rng((seed, k)).standard_normal(z.shape[1])
        x, v = np.cos(phi) * z + np.sin(phi) * noise, np.cos(phi) * noise - np.sin(phi) * z
        data = denoise(x, phi)
        predicted = (np.cos(phi) * x - data) / np.sin(phi)
        out.append(((predicted - v) ** 2).mean(axis=1))
    return np.stack(out, axis=1)


def memorising(train):
    """The denoiser that minimises the loss on a finite training set: the posterior mean over its samples."""

    def denoise(x, phi):
        squared = ((x[:, None] - np.cos(phi) * train[None]) ** 2).sum(axis=2) / (2 * np.sin(phi) ** 2)
        weight = np.exp(squared.min(axis=1, keepdims=True) - squared)
        return weight @ train / weight.sum(axis=1, keepdims=True)

    return denoise


def population(x, phi):
    """The denoiser that minimises it on the standard normal population itself."""
    return np.cos(phi) * x


def test_attack_on_gaussian_losses_has_its_closed_form(rng):
    """Losses apart by one standard deviation: AUROC = Phi(1 / sqrt 2), TPR = Phi(Phi^-1(.01) + 1)."""
    members, others = rng.standard_normal((2, 20_000))
    found = membership_white_box(members - 1, others, replicates=100)
    assert found.auroc.value == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.01)
    assert found.tpr.value == pytest.approx(norm.cdf(norm.ppf(0.01) + 1), abs=0.015)
    assert found.tpr_at_1_percent == found.tpr.value
    # Four independent levels, averaged: the distance of the means grows to two standard deviations.
    four = membership_white_box(*(x.reshape(-1, 4) for x in (members - 1, others)), replicates=100)
    assert four.auroc.value == pytest.approx(norm.cdf(2 / np.sqrt(2)), abs=0.015)


def test_an_overfitted_denoiser_is_caught_and_the_true_one_passes(rng):
    train, holdout, other = rng.standard_normal((3, 200, 32))
    caught = membership_white_box(*(v_losses(memorising(train), z, 1) for z in (train, holdout)))
    assert caught.auroc.low > 0.9
    assert caught.tpr.low > 0.5
    fresh = membership_white_box(*(v_losses(memorising(other), z, 1) for z in (train, holdout)))
    truth = membership_white_box(*(v_losses(population, z, 1) for z in (train, holdout)))
    for found in (fresh, truth):
        assert found.auroc.low <= 0.5 <= found.auroc.high
        assert found.tpr.value < 0.1


def test_a_trained_network_is_caught_too(rng):
    """A small network fitted to 16 samples until it knows them; the same network judged on strangers to it passes."""
    dim, generator = 32, torch.Generator().manual_seed(0)
    train, holdout, other = (rng.standard_normal((n, dim)) for n in (16, 200, 200))
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(dim + 1, 256), torch.nn.SiLU(), torch.nn.Linear(256, dim))
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    z = torch.from_numpy(train).float().repeat(8, 1)
    for _ in range(400):
        phi = torch.rand(len(z), 1, generator=generator) * pi / 2
        noise = torch.randn(z.shape, generator=generator)
        x = torch.cat([phi.cos() * z + phi.sin() * noise, phi], dim=1)
        loss = (network(x) - z).pow(2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    @torch.inference_mode()
    def denoise(x, phi):
        given = torch.from_numpy(np.column_stack([x, np.full(len(x), phi)])).float()
        return network(given).double().numpy()

    caught = membership_white_box(*(v_losses(denoise, z, 2) for z in (train, holdout)))
    assert caught.auroc.value > 0.9
    fresh = membership_white_box(*(v_losses(denoise, z, 2) for z in (other, holdout)))
    assert fresh.auroc.low <= 0.5 <= fresh.auroc.high


@pytest.fixture
def losses(rng, tmp_path):
    """40 members and two parts of 40 non-members, two levels; the second level tells nothing."""
    member = np.arange(120) < 40
    values = rng.standard_normal((120, 2))
    values[member, 0] -= 6
    arrays = {
        "losses": values,
        "member": member,
        "patients": np.array([f"p{k // 2}" for k in range(120)]),
        "splits": np.repeat(["train", "val", "test"], 40),
        "levels": np.array(["0.2", "0.8"]),
        "facts": np.array(json.dumps({"seed": 7})),
    }
    np.savez(tmp_path / "losses.npz", **arrays)
    return tmp_path / "losses.npz", arrays


def test_every_part_is_attacked_and_the_control_is_blind(losses):
    rows = {(a.positives, a.negatives, a.level): a for a in attacks(read_losses(losses[0]), replicates=200)}
    assert [key[:2] for key in rows if key[2] == ALL] == [
        ("train", "val+test"),
        ("train", "val"),
        ("train", "test"),
        ("val", "test"),
    ]
    assert rows["train", "val+test", "0.2"].found.auroc.value == 1
    assert rows["train", "test", "0.8"].found.auroc.value == pytest.approx(0.5, abs=0.15)
    for level in (ALL, "0.2", "0.8"):
        control = rows["val", "test", level]
        assert control.found.auroc.value == pytest.approx(0.5, abs=0.15)
        assert control.found.auroc.groups == 40  # patients of two records each
    shown = table(list(rows.values()))
    assert len(shown) == len(rows) == 12
    assert str(shown["train from val+test, noise 0.2"]["AUROC"]) == "1.00 [1.00, 1.00]"
    assert shown["train from val+test, noise 0.2"]["TPR at 1 % FPR"].n == 120
    again = losses[0].with_name("again.npz")
    write_losses(again, read_losses(losses[0]))
    assert read_losses(again).facts == {"seed": 7}
    assert (read_losses(again).losses == read_losses(losses[0]).losses).all()


def test_a_bare_file_is_enough(rng, tmp_path):
    np.savez(tmp_path / "bare.npz", losses=rng.random(20), member=np.arange(20) < 10)
    (row, same) = attacks(read_losses(tmp_path / "bare.npz"), replicates=100)
    assert (row.positives, row.negatives, row.members, row.others) == ("members", "others", 10, 10)
    assert row.found == same.found


BAD = [
    ({"losses": None}, "no array 'losses'"),
    ({"losses": np.full((120, 2), np.nan)}, "finite"),
    ({"member": np.ones(120, bool)}, "both values"),
    ({"member": np.arange(120) < 60}, "'val' holds members and non-members"),
    ({"levels": np.array(["1"])}, "levels of shape"),
    ({"patients": np.full(120, "p")}, "1 patients are members and non-members"),
    ({"facts": np.array("{")}, "no JSON"),
]


@pytest.mark.parametrize(("changes", "words"), BAD)
def test_files_that_do_not_fit_are_refused(losses, tmp_path, capsys, changes, words):
    arrays = {name: value for name, value in (losses[1] | changes).items() if value is not None}
    np.savez(tmp_path / "bad.npz", **arrays)
    assert run(["evaluate", "membership", "--losses", str(tmp_path / "bad.npz"), "--replicates", "100"]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "text.npz").write_text("losses")
    np.savez(tmp_path / "whole.npz", losses=np.zeros((50, 2)))
    (tmp_path / "half.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:200])
    np.save(tmp_path / "one.npy", np.zeros(3))
    for name in ("text.npz", "half.npz", "one.npy", "none.npz"):
        with pytest.raises(InputError, match=r"accepted: an \.npz"):
            read_losses(tmp_path / name)
