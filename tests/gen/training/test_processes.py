"""Training in processes of its own: killed and resumed, and shared by two; this file is also their script."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from gen.training import TrainingConfig, sample_generator, seeded_normal, train

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


class Toy(nn.Module):
    def __init__(self, dropout: float):
        super().__init__()
        torch.manual_seed(1)
        self.net = nn.Sequential(nn.Linear(6, 16), nn.LayerNorm(16), nn.SiLU(), nn.Dropout(dropout), nn.Linear(16, 6))

    def loss(self, batch):
        noise = seeded_normal((6,), batch["sample_seed"], batch["x"].device)
        error = (self.net(batch["x"] + noise) - batch["x"]) ** 2
        return {"loss": error.mean(), "first": error[:, 0].mean()}


class Source:
    def __init__(self, wait: float):
        self.wait = wait

    def batch(self, numbers, seed):
        time.sleep(self.wait)
        x = np.stack([sample_generator(seed, n).standard_normal(6, dtype=np.float32) for n in numbers])
        return {"x": torch.from_numpy(x)}


def main(out: str, wait: str, dropout: str, parts: str) -> None:
    config = TrainingConfig(
        steps=40, batch_size=8, lr=1e-2, log_every=1, save_every=4, validate_every=6, warmup=5, cpu=True,
        gradient_accumulation=int(parts),
    )  # fmt: skip
    model = Toy(float(dropout))
    validate = lambda m: {"loss": float(m.net[0].weight.square().sum())}  # noqa: E731
    train(model, Source(float(wait)), config=config, out=out, validate=validate, resume=True)


def command(out: Path, *, wait: float = 0.0, dropout: float = 0.0, parts: int = 1) -> list[str]:
    return [str(Path(__file__)), str(out), str(wait), str(dropout), str(parts)]


def newest(out: Path) -> Path:
    return max((out / "state").glob("step-*"))


def losses(out: Path) -> list[float]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [value for line in lines if "loss" in line for value in (line["loss"], line["first"], line["grad_norm"])]


def test_killed_and_resumed_is_bit_identical(tmp_path):
    killed = subprocess.Popen([sys.executable, *command(tmp_path / "killed", wait=0.05, dropout=0.2)], env=ENVIRONMENT)
    try:
        deadline = time.monotonic() + 60
        while not list((tmp_path / "killed").glob("state/step-*1[26]")) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.08)  # into the steps after the save
    finally:
        killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert 12 <= int(newest(tmp_path / "killed").name[-9:]) < 40
    for name in ("killed", "whole"):  # as many threads as the killed one had: sums of floats depend on that
        subprocess.run([sys.executable, *command(tmp_path / name, dropout=0.2)], env=ENVIRONMENT, check=True)
    for name in ("state/step-000000040/tensors.safetensors", "best/model.safetensors", "last/model.safetensors"):
        resumed, whole = load_file(tmp_path / "killed" / name), load_file(tmp_path / "whole" / name)
        assert resumed.keys() == whole.keys()
        for key, value in whole.items():
            assert torch.equal(resumed[key], value), key
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")


def run_on_two(script: list[str], launcher: str) -> None:
    """Start a script on two CPU processes (gloo), with accelerate's launcher or torch's."""
    if launcher == "accelerate":
        # `--cpu` would start one process alone: accelerate 1.15 needs MPI for more, `--multi_gpu` takes torch's way.
        options = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines=1", "--mixed_precision=no"]
        options += ["--num_processes=2", "--dynamo_backend=no", "--main_process_port=0"]
    else:
        options = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run([sys.executable, *options, *script], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize(("launcher", "parts"), [("accelerate", 1), ("torchrun", 2)])
def test_two_processes_give_the_losses_of_one(tmp_path, launcher, parts):
    main(str(tmp_path / "one"), "0", "0", "1")
    run_on_two(command(tmp_path / "two", parts=parts), launcher)
    card = json.loads((tmp_path / "two" / "last" / "card.json").read_text())
    assert card["training"]["processes"] == 2
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert len(one) == 3 * 40
    np.testing.assert_allclose(two, one, rtol=1e-6)


if __name__ == "__main__":
    main(*sys.argv[1:])
