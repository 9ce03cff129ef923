"""Losses for membership inference: the training loss sample by sample, and a file that the attack reads."""

import copy

import numpy as np
import pytest
import torch

from diffusion.conditions.batch import collate
from diffusion.conditions.condition import Condition
from diffusion.evaluation import membership
from diffusion.evaluation.membership import chosen_rows, denoising_losses
from diffusion.evaluation.probe import LEVELS, Probe
from diffusion.networks.dit import LatentDiT
from diffusion.process.objective import denoising_loss
from gen.cli import run
from gen.records import InputError
from gen.results import Results
from gen.training import sample_seeds
from metrics.privacy.attacks import membership_white_box
from metrics.privacy.membership import ALL, attacks, read_losses


def _latents(count, seed, channels=4, positions=12):
    return torch.randn(count, channels, positions, generator=torch.Generator().manual_seed(seed))


def _conditions(count):
    return collate([Condition(text="sinus rhythm", heart_rate=70.0)] * count)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    model = LatentDiT(latent_channels=4, width=64, depth=2, heads=4)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(0.05 * torch.randn(value.shape))
    return model.eval()


def test_it_is_the_training_loss_of_each_sample(network):
    """With the same angle, noise and weights, the mean over the samples is the training loss."""
    latent, weight = _latents(5, 1), torch.tensor([0.5, 1.0, 1.5, 1.0])
    probe = Probe(levels=(0.3, 0.7), draws=2, seed=4)
    found = denoising_losses(network, latent, _conditions(5), probe, weight)
    assert found.shape == (5, 2)
    seeds = sample_seeds(np.arange(4), 4)
    for place, level in enumerate(probe.levels):
        parts = []
        for seed in seeds[2 * place : 2 * place + 2]:
            batch = _conditions(5).as_dict() | {
                "latent": latent,
                "sample_seed": torch.full((5,), int(seed)),
                "phi": torch.full((5,), 0.5 * torch.pi * level),
                "channel_weight": weight[None].repeat(5, 1),
            }
            parts.append(denoising_loss(network, batch)["loss"].item())
        assert found[:, place].mean().item() == pytest.approx(np.mean(parts), rel=1e-5)


def test_a_sample_does_not_depend_on_its_company(network):
    latent, probe = _latents(6, 1), Probe(levels=(0.5,), draws=1)
    whole = denoising_losses(network, latent, _conditions(6), probe)
    alone = denoising_losses(network, latent[4:5], _conditions(1), probe)
    torch.testing.assert_close(whole[4:5], alone, rtol=1e-4, atol=1e-6)


def test_a_denoiser_that_learned_by_heart_is_caught(network):
    """The transformer itself, fitted to 12 latents; the attack finds them, and tells strangers from no strangers."""
    model = copy.deepcopy(network).train()
    known, strangers, others = _latents(12, 2), _latents(60, 3), _latents(60, 4)
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3)
    batch = _conditions(24).as_dict() | {"latent": known.repeat(2, 1, 1)}
    for step in range(100):
        batch["sample_seed"] = torch.arange(24) + 24 * step
        loss = denoising_loss(model, batch)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    probe = Probe(levels=(0.3, 0.5, 0.7), draws=2)
    losses = [denoising_losses(model.eval(), z, _conditions(len(z)), probe).numpy() for z in (known, strangers, others)]
    assert membership_white_box(losses[0], losses[1]).auroc.value > 0.9
    passed = membership_white_box(losses[2], losses[1]).auroc
    assert passed.low <= 0.5 <= passed.high


@pytest.mark.parametrize("wrong", [{"levels": (0.0,)}, {"levels": ()}, {"draws": 0}, {"variants": -1}, {"seed": -1}])
def test_probes_out_of_range(wrong):
    with pytest.raises(InputError, match="expected"):
        Probe(**wrong)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A prepared cache of simulated records at 500 Hz with all three splits."""
    from gen.datasets import open_source, prepare
    from gen.io import write
    from gen.simulate import iter_cohort

    root = tmp_path_factory.mktemp("cohort")
    write(iter_cohort(60, 0, 1), root / "set", format="npz")
    prepare(open_source(root / "set"), root / "cache")
    return root / "cache"


def test_from_cache_to_figures(cache, pipeline_folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(membership, "_BLOCK", 4)
    common = ["evaluate", "membership", "--data", str(cache), "--checkpoint", str(pipeline_folder)]
    common += ["--levels", "0.3,0.6", "--draws", "1", "--replicates", "100"]
    out = tmp_path / "m.json"
    assert run([*common, "-n", "3", "--save", str(tmp_path / "l.npz"), "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert "| train |" in said.out
    assert "warning: the weights name training data" in said.err
    given = read_losses(tmp_path / "l.npz")
    assert given.levels == ("0.3", "0.6")
    assert given.losses.shape == (given.member.size, 2)
    assert given.member.sum() == 3
    assert list(dict.fromkeys(given.splits.tolist())) == ["train", "val", "test"]
    assert (given.losses > 0).all()
    found = Results.read(out)
    rows = {f"{a.positives} from {a.negatives}, noise {a.level}": a for a in attacks(given, replicates=100)}
    assert set(found.values["told apart"]) == set(rows)
    for name, row in rows.items():
        assert found[f"told apart/{name}/AUROC"].value == pytest.approx(row.found.auroc.value, rel=1e-5)
    assert {row.level for row in rows.values()} == {ALL, "0.3", "0.6"}
    assert found["mean loss/train/t = 0.3"].n == 3
    assert run([*common, "-n", "3", "--save", str(tmp_path / "again.npz")]) == 0
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "l.npz").read_bytes()
    assert run([*common, "-n", "2", "--variants", "2", "--save", str(tmp_path / "v.npz")]) == 0
    assert not np.isclose(read_losses(tmp_path / "v.npz").losses[0], given.losses[0]).any()


def test_bad_calls_say_so_in_one_line(cache, tmp_path, capsys):
    from gen.datasets import SignalCache

    with pytest.raises(InputError, match="at least 2"):
        chosen_rows(SignalCache.open(cache), 1, 0)
    for arguments, words in (
        (["--data", str(tmp_path)], str(tmp_path)),
        (["--data", str(cache), "--levels", "1"], "above 0 and below 1"),
        ([], "accepted: --data CACHE or --losses FILE"),
        (["--data", str(cache), "--losses", str(cache)], "both are given"),
    ):
        assert run(["evaluate", "membership", *arguments, "--save", str(tmp_path / "l.npz")]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line
        assert not (tmp_path / "l.npz").exists()
    assert all(0 < level < 1 for level in LEVELS)


def test_losses_of_beats_are_those_of_training(cache, tmp_path):
    from diffusion.beats.network import BeatDenoiser
    from diffusion.evaluation.beat_losses import vector_losses
    from gen.checkpoint import model_config, save_checkpoint

    torch.manual_seed(0)
    model = BeatDenoiser(width=32, depth=1, condition_width=32).eval()
    torch.nn.init.normal_(model.head.weight, std=0.05)
    vector = torch.randn(4, model.head.out_features)
    mask = torch.ones_like(vector, dtype=torch.bool)
    mask[:, 5:9] = False
    told = collate([Condition(text="normal ECG", age=50, heart_rate=60)] * 4)
    probe = Probe(levels=(0.5,), draws=1)
    found = vector_losses(model, vector, mask, told, probe)
    batch = {"vector": vector, "mask": mask, "form": torch.zeros(4, dtype=torch.int64)}
    batch |= {"reference": torch.full_like(vector, torch.nan), "phi": torch.full((4,), np.pi / 4), **told.as_dict()}
    seed = torch.from_numpy(sample_seeds(np.arange(1), probe.seed))
    one = model.loss({**batch, "sample_seed": seed.expand(4)})["loss"]
    assert found.mean().item() == pytest.approx(one.item(), rel=1e-5)
    # What is not known does not count.
    vector = vector.clone()
    vector[:, 5:9] = 7.0
    assert torch.equal(vector_losses(model, vector, mask, told, probe), found)
    # The whole command, on weights that draw beats.
    for name in ("std", "scale"):
        model.code.get_buffer(name).fill_(1.0)
    save_checkpoint(tmp_path / "beats", config={**model_config(model), "pipeline": "synthesize"}, model=model, card={})
    common = ["evaluate", "membership", "--data", str(cache), "--checkpoint", str(tmp_path / "beats")]
    common += ["--levels", "0.4", "--draws", "1", "--replicates", "100", "-n", "3"]
    assert run([*common, "--save", str(tmp_path / "l.npz")]) == 0
    assert read_losses(tmp_path / "l.npz").losses.shape[1] == 1
    assert run([*common, "--variants", "2"]) == 2
