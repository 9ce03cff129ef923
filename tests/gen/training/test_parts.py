import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gen.records import InputError
from gen.training import (
    Prefetch,
    Share,
    TrainingConfig,
    apply_overrides,
    batches,
    learning_rate,
    parameter_groups,
    parse_overrides,
    sample_generator,
    sample_seeds,
    seeded_normal,
    seeded_uniform,
    shuffled_indices,
)


@dataclass(frozen=True)
class Inner:
    width: int = 8
    name: str = "a"


@dataclass(frozen=True)
class Outer:
    training: TrainingConfig = field(default_factory=TrainingConfig)
    model: Inner = field(default_factory=Inner)
    name: str = "b"
    rates: tuple[float, ...] = (1.0,)
    kind: Literal["x", "y"] = "x"
    folder: Path | None = None


# ---- which process sees what


@given(st.sampled_from([1, 2, 3, 4]), st.sampled_from([1, 2]), st.integers(0, 10**6))
def test_the_processes_shares_are_the_global_batch_in_order(processes, parts, step):
    shares = [Share(24, rank, processes, parts) for rank in range(processes)]
    numbers = np.concatenate([part for share in shares for part in share.numbers(step)])
    np.testing.assert_array_equal(numbers, np.arange(24) + 24 * step)


def test_a_batch_that_cannot_be_cut_is_refused():
    with pytest.raises(InputError, match=r"batch_size 10 must be a multiple of processes \(4\)"):
        Share(10, 0, 4, 1)


def test_sample_seeds_belong_to_numbers_and_not_to_batches():
    numbers = np.array([0, 7, 2**40])
    seeds = sample_seeds(numbers, 3)
    assert seeds.dtype == np.int64
    assert (seeds >= 0).all()
    np.testing.assert_array_equal(seeds[1:2], sample_seeds(numbers[1:2], 3))
    assert len(np.unique(np.concatenate([sample_seeds(np.arange(2000), s) for s in (0, 1)]))) == 4000


def test_noise_of_a_sample_does_not_depend_on_its_batch():
    seeds = torch.from_numpy(sample_seeds(np.arange(6), 0))
    whole = seeded_normal((3, 5), seeds)
    assert whole.shape == (6, 3, 5)
    assert whole.dtype == torch.float32
    assert torch.equal(whole[4:], seeded_normal((3, 5), seeds[4:]))
    assert torch.equal(seeded_uniform((), seeds)[2:], seeded_uniform((), seeds[2:]))
    assert not torch.equal(whole, seeded_normal((3, 5), seeds, stream=1))
    assert seeded_normal((2,), seeds[:0]).shape == (0, 2)


def test_noise_is_standard_and_uncorrelated_between_neighbours():
    seeds = torch.from_numpy(sample_seeds(np.arange(400), 1))
    normal, uniform = seeded_normal((500,), seeds), seeded_uniform((500,), seeds)
    standard_error = 200_000**-0.5
    assert abs(float(normal.mean())) < 5 * standard_error
    assert abs(float(normal.var()) - 1) < 5 * 2**0.5 * standard_error
    assert abs(float((normal[1:] * normal[:-1]).mean())) < 5 * standard_error
    assert abs(float(uniform.mean()) - 0.5) < 5 * standard_error / 12**0.5
    assert 0 <= float(uniform.min()) <= float(uniform.max()) < 1


def test_sample_generator_repeats_and_differs_from_the_model_noise():
    first = sample_generator(0, 5).standard_normal(4)
    np.testing.assert_array_equal(first, sample_generator(0, 5).standard_normal(4))
    assert not np.allclose(first, sample_generator(0, 6).standard_normal(4))


@given(st.integers(1, 40), st.integers(0, 3))
def test_every_epoch_draws_each_record_once(size, seed):
    drawn = shuffled_indices(np.arange(3 * size), size, seed).reshape(3, size)
    np.testing.assert_array_equal(np.sort(drawn, axis=1), np.tile(np.arange(size), (3, 1)))
    np.testing.assert_array_equal(drawn.ravel()[size:], shuffled_indices(np.arange(size, 3 * size), size, seed))


# ---- preparing ahead


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_prefetch_keeps_the_order_and_ends(depth):
    with Prefetch(iter(range(50)), depth) as ready:
        assert list(ready) == list(range(50))
        with pytest.raises(StopIteration):
            next(ready)


def test_prefetch_passes_errors_on_and_stops_its_thread():
    def broken():
        yield 1
        raise OSError("disk")

    with Prefetch(broken(), 2) as ready:
        assert next(ready) == 1
        for _ in range(2):
            with pytest.raises(OSError, match="disk"):
                next(ready)
    with Prefetch(iter(range(10**9)), 2) as ready:
        next(ready)
    assert not [t for t in threading.enumerate() if t.name == "prefetch"]


def test_prefetch_runs_ahead_but_not_further_than_asked():
    made = []
    with Prefetch((made.append(i) or i for i in range(100)), 3) as ready:
        next(ready)
        time.sleep(0.3)
        assert 3 <= len(made) <= 5  # one taken, three waiting, one in hand


def test_batches_carry_their_sample_seeds():
    class Source:
        def batch(self, numbers, seed):
            return {"x": torch.from_numpy(numbers) + seed}

    parts = list(batches(Source(), Share(4, 0, 1, 2), 5, range(1, 3)))
    assert torch.cat([p["x"] for p in parts]).tolist() == [n + 5 for n in range(4, 12)]
    np.testing.assert_array_equal(torch.cat([p["sample_seed"] for p in parts]), sample_seeds(np.arange(4, 12), 5))


# ---- learning rate and settings


def test_cosine_rises_linearly_and_falls_to_its_floor():
    config = TrainingConfig(steps=110, warmup=10, lr=2.0, lr_floor=0.1)
    rates = [learning_rate(config, step) for step in range(111)]
    np.testing.assert_allclose(rates[:10], 0.2 * np.arange(1, 11))
    assert rates[60] == pytest.approx(2 * 0.55)  # half way: the mean of top and floor
    assert rates[110] == pytest.approx(0.2)
    assert np.all(np.diff(rates[10:]) < 0)


def test_onecycle_starts_and_ends_low_and_peaks_after_its_warmup():
    config = TrainingConfig(steps=100, lr=1.0, schedule="onecycle")
    rates = [learning_rate(config, step) for step in range(101)]
    assert int(np.argmax(rates)) in (29, 30)
    assert max(rates) == pytest.approx(1.0)
    assert rates[0] < 0.05
    assert rates[100] == pytest.approx(4e-6)


def test_constant_and_time_bound_schedules():
    assert learning_rate(TrainingConfig(lr=3.0, schedule="constant"), 9999) == 3.0
    config = TrainingConfig(steps=10**6, lr=1.0, max_minutes=2, schedule_by_time=True)
    assert learning_rate(config, 10, seconds=60) == pytest.approx(0.5, abs=1e-3)
    assert learning_rate(config, 10, seconds=500) == pytest.approx(0.0)


@pytest.mark.parametrize(
    "setting",
    [
        {"steps": 0},
        {"lr": 0.0},
        {"schedule": "linear"},
        {"batch_size": 6, "gradient_accumulation": 4},
        {"ema_decay": 1.0},
        {"schedule_by_time": True},
        {"precision": "fp16"},
        {"warmup": 10**9},
    ],
)
def test_settings_out_of_range_are_named(setting):
    with pytest.raises(InputError, match=list(setting)[-1]):
        TrainingConfig(**setting)


def test_only_matrices_and_kernels_decay():
    model = torch.nn.Sequential(torch.nn.Conv1d(2, 3, 5), torch.nn.GroupNorm(1, 3), torch.nn.Linear(3, 4))
    model[2].weight.requires_grad_(False)
    decayed, kept = parameter_groups(model, 0.1)
    assert [p.shape for p in decayed["params"]] == [(3, 2, 5)]
    assert [p.shape for p in kept["params"]] == [(3,), (3,), (3,), (4,)]
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.1, 0.0)


# ---- key=value


def test_overrides_are_parsed_by_type():
    pairs = ["steps=1e4", "training.lr=3e-4", "width=16", "ema_decay=none", "tensorboard=yes", "betas=0.8,0.9"]
    pairs += ["rates=1,2.5", "kind=y", "folder=/data/x=y", "training.clip_norm=2", "name=deep = sea"]
    changed = apply_overrides(Outer(), parse_overrides(pairs))
    assert changed.training == TrainingConfig(
        steps=10_000, lr=3e-4, ema_decay=None, tensorboard=True, betas=(0.8, 0.9), clip_norm=2.0
    )
    assert changed.model == Inner(width=16)
    assert (changed.name, changed.rates, changed.kind) == ("deep = sea", (1.0, 2.5), "y")
    assert changed.folder == Path("/data/x=y")
    assert isinstance(changed.training.steps, int)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"stepz": "3"}, "no such setting; known: folder, kind, model.name, model.width"),
        ({"steps": "3.5"}, "expected a whole number"),
        ({"lr": "fast"}, "expected a number"),
        ({"tensorboard": "perhaps"}, "expected true or false"),
        ({"kind": "z"}, "expected x or y"),
        ({"betas": "0.9"}, "expected 2 comma-separated values"),
        ({"clip_norm": "x"}, "expected a number or none"),
        ({"steps": "5", "training.steps": "6"}, "given twice"),
        ({"steps": "-5"}, "must be 1 or more"),
    ],
)
def test_wrong_overrides_say_what_is_accepted(override, message):
    with pytest.raises(InputError, match=message):
        apply_overrides(Outer(), override)


def test_an_ambiguous_key_lists_its_meanings():
    @dataclass(frozen=True)
    class Two:
        first: Inner = field(default_factory=Inner)
        second: Inner = field(default_factory=Inner)

    with pytest.raises(InputError, match=r"could mean first\.width or second\.width"):
        apply_overrides(Two(), {"width": "3"})


@pytest.mark.parametrize("pairs", [["steps"], ["=3"], ["a=1", "a=2"]])
def test_malformed_pairs_are_refused(pairs):
    with pytest.raises(InputError, match="--set"):
        parse_overrides(pairs)
