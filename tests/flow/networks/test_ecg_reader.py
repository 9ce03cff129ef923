"""The distribution that the reader tells: its density, its draws, what it is not told, and that it learns."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from flow.networks.ecg_reader import FIGURES, EcgReader, ToldHeart, quantities


def _told(seed: int = 0) -> ToldHeart:
    g = torch.Generator().manual_seed(seed)
    chance = torch.log_softmax(torch.randn(2, 3, generator=g), dim=1)
    spread = 0.2 + torch.rand(2, 3, 5, generator=g)
    tie = torch.tril(torch.randn(3, 5, 5, generator=g), -1) + torch.eye(5)
    return ToldHeart(chance, torch.randn(2, 3, 5, generator=g), spread, tie)


def _asked(n: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
    g = torch.Generator().manual_seed(seed)
    beat, rhythm = torch.randn(n, 8, 160, generator=g), torch.rand(n, 7, generator=g)
    return beat, rhythm, torch.ones(n, 8, dtype=torch.bool), torch.full((n, 4), float("nan"))


def test_density_is_that_of_the_joint_normal() -> None:
    told, group = _told(), torch.tensor([2, 0])
    figures = told.mean[torch.arange(2), group] + 0.3
    found = told.log_likelihood(figures, group)
    for row in range(2):
        k = int(group[row])
        scale = told.spread[row, k].diag() @ told.tie[k]
        wanted = multivariate_normal.logpdf(figures[row].numpy(), told.mean[row, k].numpy(), (scale @ scale.T).numpy())
        assert float(found[row]) - 0.5 * len(FIGURES) * np.log(2 * np.pi) == pytest.approx(wanted, abs=1e-3)


def test_draws_have_the_chances_means_and_covariance_of_the_mixture() -> None:
    told = _told()
    for cloud in (
        told.cloud(8192),
        told.draw(torch.rand(2, 40_000, generator=torch.manual_seed(1)), torch.randn(2, 40_000, 5))[0],
    ):
        chance = told.group.exp()[:, :, None]
        mean = (chance * told.mean).sum(dim=1)
        assert torch.allclose(cloud.mean(dim=1), mean, atol=0.06)
        within = torch.einsum("bk,bki,kij,klj,bkl->bil", told.group.exp(), told.spread, told.tie, told.tie, told.spread)
        among = (
            torch.einsum("bk,bki,bkj->bij", told.group.exp(), told.mean, told.mean) - mean[:, :, None] * mean[:, None]
        )
        for row in range(2):
            assert np.allclose(np.cov(cloud[row].numpy().T), (within + among)[row], atol=0.25, rtol=0.08)
    assert torch.equal(told.cloud(64), told.cloud(64))


def test_every_heart_of_the_cloud_keeps_the_identity() -> None:
    found = quantities(_told().cloud(64).numpy())
    assert found["sv_ml"] == pytest.approx(found["edv_ml"] - found["esv_ml"])
    assert found["ef_percent"] == pytest.approx(100 * found["sv_ml"] / found["edv_ml"])


def test_leads_that_were_not_recorded_and_unknown_patients_are_not_looked_at() -> None:
    model = EcgReader(width=16, depth=1).eval()
    beat, rhythm, recorded, patient = _asked(2)
    recorded[:, 3:] = False
    other = torch.where(recorded[:, :, None], beat, beat + 5.0)
    with torch.no_grad():
        first, second = model(beat, rhythm, recorded, patient), model(other, rhythm, recorded, patient)
        assert torch.equal(first.mean, second.mean)
        assert torch.isfinite(first.mean).all()
        known = patient.clone()
        known[:, 0] = 40.0
        assert not torch.equal(model(beat, rhythm, recorded, known).mean, first.mean)


def test_recordings_teach_leads_alone() -> None:
    model = EcgReader(width=16, depth=1, dropout=0.0)
    beat, rhythm, recorded, patient = _asked(6)
    recorded[3:, 4:] = False
    group = torch.tensor([0, 2, 5, -1, -1, -1])
    figures = torch.full((6, 5), float("nan"))
    figures[:3] = torch.tensor([4.9, 4.5, 0.4, 0.38, 1.9])
    batch = {"beat_mv": beat, "rhythm": rhythm, "recorded": recorded, "patient": patient}
    losses = model.loss({**batch, "group": group, "figures": figures})
    assert torch.isfinite(losses["loss"])
    assert float(losses["rebuilding"].detach()) > 0
    alone = model.loss({key: value[:3] for key, value in {**batch, "group": group, "figures": figures}.items()})
    assert float(alone["rebuilding"].detach()) == 0.0
    assert float(alone["figures"].detach()) == pytest.approx(float(losses["figures"].detach()), abs=1e-5)


def test_it_learns_what_a_beat_tells() -> None:
    torch.manual_seed(0)
    model = EcgReader(width=32, depth=1, dropout=0.0)
    beat, rhythm, recorded, patient = _asked(256)
    size = beat[:, 2, :40].mean(dim=1)
    size = size / size.std()
    figures = torch.tensor([4.95, 4.5, 0.3, 0.37, 1.85]).repeat(256, 1)
    figures[:, 1] += 0.3 * size
    batch = {"beat_mv": beat, "rhythm": rhythm, "recorded": recorded, "patient": patient, "figures": figures}
    batch["group"] = (size > 0).long()
    optimiser = torch.optim.AdamW(model.parameters(), 3e-3)
    for _ in range(80):
        loss = model.loss(batch)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        told = model.eval()(beat, rhythm, recorded, patient)
    mass = quantities(told.cloud(128).numpy())["mass_g"].mean(axis=1)
    assert np.corrcoef(mass, figures[:, 1])[0, 1] > 0.9
    assert (told.group.argmax(dim=1) == batch["group"]).float().mean() > 0.9
