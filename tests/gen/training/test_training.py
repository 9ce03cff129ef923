import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from safetensors.torch import load_file
from torch import nn

from gen.card import About, Source, make_card
from gen.checkpoint import load_checkpoint, load_model, load_weights, model_config
from gen.precision import bfloat16_pays
from gen.records import InputError
from gen.training import NonFiniteLossError, TrainingConfig, sample_generator, seeded_normal, train

CARD = make_card(
    About(name="test/line", task="x to y", intended_use="tests", limits="a line"),
    data=[Source(name="a line", licence="none")],
)
SLOPE = torch.tensor([[1.0, -2.0, 0.5]])


class Regression(nn.Module):
    """y = w x + b, with whatever goes wrong in training built in on request."""

    def __init__(self, dropout: float = 0.0):
        super().__init__()
        torch.manual_seed(0)
        self.norm = nn.LayerNorm(3, elementwise_affine=False)
        self.linear = nn.Linear(3, 1)
        self.dropout = nn.Dropout(dropout)
        self.broken_at: float | None = None
        self.kinds: set[torch.dtype] = set()

    def loss(self, batch):
        out = self.linear(self.dropout(batch["x"]))
        self.kinds.add(out.dtype)
        noise = 0.01 * seeded_normal((1,), batch["sample_seed"])
        mse = ((out - batch["y"] - noise) ** 2).mean()
        extra = 0.0 * mse
        if self.broken_at is not None and float(batch["number"].max()) >= self.broken_at:
            extra = extra + float("nan")
        return {"loss": mse + extra, "mse": mse, "extra": extra}


class Line:
    """Samples on a plane; remembers which were asked for."""

    def __init__(self):
        self.seen: list[int] = []

    def batch(self, numbers, seed):
        self.seen += numbers.tolist()
        x = np.stack([sample_generator(seed, n).standard_normal(3, dtype=np.float32) for n in numbers])
        x = torch.from_numpy(x)
        return {"x": x, "y": x @ SLOPE.T + 0.25, "number": torch.from_numpy(numbers)}


def config(**changes) -> TrainingConfig:
    settings = {"steps": 20, "batch_size": 8, "lr": 0.05, "schedule": "constant", "log_every": 5, "save_every": 5}
    return TrainingConfig(**{**settings, "validate_every": 5, "weight_decay": 0.0, "cpu": True, **changes})


def lines(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def weights(out: Path, name: str = "last") -> dict[str, torch.Tensor]:
    return load_checkpoint(out / name).tensors


def state(out: Path) -> dict[str, torch.Tensor]:
    (folder,) = (out / "state").iterdir()
    return load_file(folder / "tensors.safetensors")


def assert_same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def test_it_finds_the_known_line_and_writes_the_layout(tmp_path):
    model, source = Regression(), Line()
    result = train(
        model,
        source,
        config=config(steps=400, schedule="cosine", warmup=10, validate_every=100, save_every=100),
        out=tmp_path / "run",
        validate=lambda m: {"loss": float(((m.linear.weight - SLOPE) ** 2).sum())},
        card=CARD,
    )
    torch.testing.assert_close(model.linear.weight.detach(), SLOPE, atol=5e-3, rtol=0)
    torch.testing.assert_close(model.linear.bias.detach(), torch.tensor([0.25]), atol=5e-3, rtol=0)
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["best", "last", "log.jsonl", "run.json", "state"]
    assert source.seen == list(range(400 * 8))  # prefetched, each once, in order
    assert (result.steps, result.reason, result.best_path) == (400, "steps", tmp_path / "run" / "best")
    card = load_checkpoint(result.best_path).card
    assert (card["data"], card["training"]["seed"]) == (CARD["data"], 0)
    assert card["training"]["validation"]["loss"] == result.best_value
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["training"]["steps"] == 400
    assert run["versions"]["torch"] == torch.__version__
    assert {p.suffix for p in (tmp_path / "run").rglob("*") if p.is_file()} == {".json", ".jsonl", ".safetensors"}


@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_a_resumed_run_is_bit_identical(tmp_path, ema_decay):
    for out, stops in (("whole", [20]), ("parts", [7, 13, 20])):
        for steps in stops:
            model = Regression(dropout=0.3)
            train(model, Line(), config=config(steps=steps, ema_decay=ema_decay), out=tmp_path / out, resume=True)
    assert_same(state(tmp_path / "whole"), state(tmp_path / "parts"))
    assert_same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    timeless = [
        [{k: v for k, v in line.items() if k not in ("seconds", "samples_per_s")} for line in lines(tmp_path / out)]
        for out in ("whole", "parts")
    ]
    assert timeless[0] == timeless[1]


def test_checkpoints_and_validation_see_the_average_which_follows_its_formula(tmp_path):
    model, history, validated = Regression(), [], []

    class Watch(Line):
        def batch(self, numbers, seed):
            history.append(model.linear.weight.detach().clone())
            return super().batch(numbers, seed)

    train(
        model,
        Watch(),
        config=config(steps=12, ema_decay=0.5, validate_every=12, prefetch=0),
        out=tmp_path,
        validate=lambda m: validated.append(m.linear.weight.detach().clone()) or {"loss": 1.0},
    )
    history.append(model.linear.weight.detach().clone())
    average = history[1]  # the first update copies
    for n, value in enumerate(history[2:], start=1):
        decay = min(0.5, (1 + n) / (10 + n))
        average = decay * average + (1 - decay) * value
    torch.testing.assert_close(validated[0], average)
    torch.testing.assert_close(weights(tmp_path)["linear.weight"], average)
    assert torch.equal(state(tmp_path)["model/linear.weight"], history[-1])
    assert not torch.equal(average, history[-1])


def test_accumulation_changes_only_the_memory(tmp_path):
    for parts in (1, 4):
        train(Regression(), Line(), config=config(gradient_accumulation=parts), out=tmp_path / str(parts))
    for name, value in weights(tmp_path / "1").items():
        torch.testing.assert_close(value, weights(tmp_path / "4")[name], rtol=1e-5, atol=1e-6)
    for one, four in zip(lines(tmp_path / "1"), lines(tmp_path / "4"), strict=True):
        for name in ("loss", "grad_norm"):
            assert one[name] == pytest.approx(four[name], rel=1e-5)


@pytest.mark.parametrize(("maximise", "best_step"), [(False, 10), (True, 15)])
def test_best_is_selected_by_the_monitored_value(tmp_path, maximise, best_step):
    values = iter([3.0, 1.0, 4.0, 2.0])
    result = train(
        Regression(),
        Line(),
        config=config(monitor="score", maximise=maximise),
        out=tmp_path,
        validate=lambda m: {"score": next(values), "other": 0.0},
    )
    assert load_checkpoint(result.best_path).card["training"]["steps"] == best_step
    assert load_checkpoint(result.last_path).card["training"]["steps"] == 20
    assert result.best_value == (4.0 if maximise else 1.0)
    assert [line["best"] for line in lines(tmp_path) if "validation" in line].count(True) == 2


def test_patience_counts_validations_without_a_new_best(tmp_path):
    values = iter([float("nan"), 3.0, 2.0, float("nan"), 2.0, 1.0])
    run = {"config": config(steps=100, patience=2), "out": tmp_path, "validate": lambda m: {"loss": next(values)}}
    result = train(Regression(), Line(), **run)
    assert (result.reason, result.steps, result.best_value) == ("patience", 25, 2.0)
    again = train(Regression(), Line(), **run, resume=True)
    assert (again.reason, again.steps) == ("patience", 25)


def test_a_nan_stops_before_the_optimiser_moves_and_the_state_survives(tmp_path):
    model = Regression()
    model.broken_at = 8 * 7
    before = []
    with pytest.raises(NonFiniteLossError, match="step 8: loss part 'extra' is nan"):
        train(model, Line(), config=config(log_every=1), out=tmp_path, log=lambda line: before.append(line["step"]))
    assert before == list(range(1, 8))
    moved = model.linear.weight.detach().clone()
    assert torch.isfinite(moved).all()
    assert [p.name for p in (tmp_path / "state").iterdir()] == ["step-000000005"]
    healthy = Regression()
    train(healthy, Line(), config=config(steps=7, log_every=1), out=tmp_path, resume=True)
    assert torch.equal(healthy.linear.weight.detach(), moved)


def test_an_infinite_gradient_is_found_where_the_loss_is_finite(tmp_path):
    class Root(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.zeros(2, 2))

        def loss(self, batch):
            return {"loss": self.w.abs().sqrt().sum()}

    with pytest.raises(NonFiniteLossError, match="step 1: the norm of the gradient"):
        train(Root(), Line(), config=config(), out=tmp_path)


def test_bf16_computes_in_half_and_keeps_full_weights(tmp_path):
    model = Regression()
    train(model, Line(), config=config(precision="bf16"), out=tmp_path / "half")
    assert model.kinds == {torch.bfloat16 if bfloat16_pays() else torch.float32}
    assert model.linear.weight.dtype == torch.float32
    full = Regression()
    train(full, Line(), config=config(), out=tmp_path / "full")  # a second precision in one process
    assert full.kinds == {torch.float32}


def test_a_time_budget_ends_cleanly_and_can_be_raised(tmp_path):
    small = config(steps=10**6, max_minutes=0.005, save_every=10**6, validate_every=10**6)
    result = train(Regression(), Line(), config=small, out=tmp_path, validate=lambda m: {"loss": 1.0})
    assert result.reason == "time"
    assert 0.3 <= result.seconds < 3
    assert load_checkpoint(result.best_path).card["training"]["steps"] == result.steps > 0
    more = config(steps=result.steps + 3, max_minutes=5, save_every=10**6, validate_every=10**6)
    again = train(Regression(), Line(), config=more, out=tmp_path, resume=True)
    assert (again.reason, again.steps) == ("steps", result.steps + 3)
    assert again.seconds > result.seconds


def test_a_signal_saves_the_step_before_it_ends(tmp_path):
    def ask(line):
        if line["step"] == 8:
            os.kill(os.getpid(), signal.SIGTERM)

    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        train(Regression(), Line(), config=config(log_every=1), out=tmp_path, log=ask)
    assert signal.getsignal(signal.SIGTERM) == handler
    assert [p.name for p in (tmp_path / "state").iterdir()] == ["step-000000008"]


def test_a_run_is_never_overwritten_or_changed_by_accident(tmp_path):
    out = tmp_path / "run"
    train(Regression(), Line(), config=config(steps=5), out=out)
    (out / "notes.txt").write_text("mine")
    for changes, options, message in [
        ({}, {}, "holds a run already; use --resume"),
        ({}, {"resume": True, "overwrite": True}, "exclude each other"),
        ({"lr": 0.1}, {"resume": True}, "started with lr=0.05; it cannot go on with lr=0.1"),
        ({"seed": 1}, {"resume": True}, "started with seed=0"),
    ]:
        with pytest.raises(InputError, match=message):
            train(Regression(), Line(), config=config(**changes), out=out, **options)
    other = {"_class_name": "Regression", "width": 3}
    with pytest.raises(InputError, match="trains a model with width=None; it cannot go on with width=3"):
        train(Regression(), Line(), config=config(), out=out, resume=True, model_config=other)
    assert lines(out)[-1]["step"] == 5
    train(Regression(), Line(), config=config(steps=10, lr=0.1), out=out, overwrite=True)
    assert [line["step"] for line in lines(out)] == [5, 10]
    assert (out / "notes.txt").read_text() == "mine"
    (out.parent / "mine").mkdir()
    (out.parent / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds files and no run"):
        train(Regression(), Line(), config=config(), out=out.parent / "mine", overwrite=True)
    with pytest.raises(InputError, match="is a file"):
        train(Regression(), Line(), config=config(), out=out / "notes.txt")


def test_a_state_of_another_model_is_refused(tmp_path):
    class Wider(Regression):
        def __init__(self):
            super().__init__()
            self.more = nn.Linear(2, 2)

    train(Regression(), Line(), config=config(steps=5), out=tmp_path)
    with pytest.raises(InputError, match=r"state of another model; more\.bias"):
        train(Wider(), Line(), config=config(), out=tmp_path, resume=True, model_config={"_class_name": "Regression"})


def test_what_a_killed_writer_left_is_cleaned(tmp_path):
    train(Regression(), Line(), config=config(steps=10), out=tmp_path)
    (tmp_path / "state" / ".partial-1-step-000000015").mkdir()
    (tmp_path / "last").rename(tmp_path / ".last.old")
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 15, "loss": 0.1}\n{"step": 1')
    train(Regression(), Line(), config=config(), out=tmp_path, resume=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["best", "last", "log.jsonl", "run.json", "state"]
    assert [p.name for p in (tmp_path / "state").iterdir()] == ["step-000000020"]
    assert [line["step"] for line in lines(tmp_path)] == [5, 10, 15, 20]


def test_the_monitored_value_must_be_there(tmp_path):
    with pytest.raises(InputError, match="monitor=mae: validation gives no such value; it gives loss, mse"):
        train(
            Regression(),
            Line(),
            config=config(monitor="mae"),
            out=tmp_path,
            validate=lambda m: {"mse": 1.0, "loss": 2.0},
        )


def test_frozen_parts_stay_as_they_are(tmp_path):
    class Frozen(Regression):
        def __init__(self):
            super().__init__()
            self.codec = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).requires_grad_(False)

        def train(self, mode=True):
            super().train(mode)
            self.codec.eval()
            return self

        def loss(self, batch):
            assert not self.codec.training
            return super().loss({**batch, "x": self.codec(batch["x"])})

    model = Frozen()
    before = {name: value.clone() for name, value in model.codec.state_dict().items()}
    train(model, Line(), config=config(weight_decay=0.5), out=tmp_path)
    assert_same(before, dict(model.codec.state_dict()))


def test_checkpoint_storage_and_reload(tmp_path):
    result = train(Regression(), Line(), config=config(checkpoint_dtype="bf16"), out=tmp_path)
    assert weights(tmp_path, "best").keys() == weights(tmp_path).keys(), "nothing has chosen: the last is the best"
    assert all(torch.equal(value, weights(tmp_path)[name]) for name, value in weights(tmp_path, "best").items())
    assert result.best_value is None
    loaded = Regression()
    load_weights(loaded, load_checkpoint(result.last_path, "Regression").tensors, result.last_path)
    assert loaded.linear.weight.dtype == torch.float32
    assert state(tmp_path)["model/linear.weight"].dtype == torch.float32


def test_a_diffusers_model_reloads_by_its_own_configuration(tmp_path):
    class Plane(ModelMixin, ConfigMixin):
        @register_to_config
        def __init__(self, inputs: int = 1, hidden: tuple[int, ...] = (2,)):
            super().__init__()
            self.linear = nn.Linear(inputs, 1)

        def loss(self, batch):
            return {"loss": (self.linear(batch["x"]) - batch["y"]).square().mean()}

    settings = {**model_config(Plane(inputs=3)), "pipeline": "reconstruct"}
    for steps in (5, 10):
        run = {"config": config(steps=steps), "out": tmp_path, "model_config": settings, "resume": steps > 5}
        result = train(Plane(inputs=3), Line(), **run)
    loaded = load_model(Plane, result.best_path)
    assert torch.equal(loaded.linear.weight, weights(tmp_path)["linear.weight"])
    assert load_checkpoint(result.best_path).config["pipeline"] == "reconstruct"


def test_progress_and_tensorboard(tmp_path, capsys):
    pytest.importorskip("tensorboard")
    train(
        Regression(),
        Line(),
        config=config(tensorboard=True),
        out=tmp_path,
        validate=lambda m: {"loss": 1.0},
    )
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "step 5: validation loss 1 (best)" in captured.err
    assert "ended at step 20 (steps)" in captured.err
    assert list((tmp_path / "tensorboard").glob("events*"))
