"""``--device``: where the networks of a command compute."""

from typing import Annotated, Any

import typer

from gen.errors import InputError

Device = Annotated[str, typer.Option(help="Where the network computes: cpu, cuda, cuda:1, mps.")]


def moved(pipeline: Any, device: str) -> Any:
    """The pipeline on this device.

    Raises:
        InputError: there is no such device here.
    """
    if device == "cpu":
        return pipeline
    import torch

    try:
        wanted = torch.device(device)
        torch.zeros(1, device=wanted)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        there = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])
        raise InputError(f"--device {device}: no such device here; accepted: {', '.join(there)}") from error
    return pipeline.to(wanted)
