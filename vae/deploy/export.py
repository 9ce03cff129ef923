"""Writes the default model as a file that a device's runtime can read: ONNX or TorchScript.

    physiogen export --format onnx --leads II,V1,V5 --out wearable.onnx
    physiogen export --leads II,V1,V5 --dtype int8 --out small.onnx
    physiogen export --checkpoint RUN/best --format torchscript --out any_leads.pt

With ``--leads`` the file takes what the device records, (batch, lead, time); without, the eight independent leads and
a mask of what was observed, (batch, 8, time) each (`vae.deploy.graph`). It gives twelve leads and half the width of
their
90 % band. Signals are in mV at the network's rate; rate, leads and digest stand in the file's metadata. Resampling,
checks for bad leads and cutting long records stay with the caller (`vae.pipeline`, `vae.deploy.streaming`).
"""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gen.checkpoint import checkpoint_digest, load_checkpoint, load_model
from gen.files import atomic_files
from gen.leads import LEADS_8
from gen.records import InputError
from gen.simulate import simulate
from vae.deploy.graph import FixedLeadsGraph, ReconstructionGraph
from vae.deploy.quantise import in_int8
from vae.networks.lead_vae import LeadVAE

FORMATS = ("onnx", "torchscript")
#: How weights are stored in an ONNX file, see `vae.deploy.quantise`.
DTYPES = ("float32", "int8")
#: A written file whose output differs by more (mV) from the network's is refused; 32-bit sums differ by some 1e-6.
TOLERANCE_MV = 1e-4
#: The same of weights that were rounded to int8: root mean square.
TOLERANCE_INT8_MV = 5e-3
#: Batch sizes at which the written file is compared with the network.
CHECKED = (1, 4)
META = "physiogen.json"  #: name of the metadata inside a TorchScript file
_OPSET = 20

Run = Callable[[Sequence[np.ndarray]], list[np.ndarray]]


def export(
    checkpoint: str | Path,
    out: str | Path,
    *,
    format: str = "onnx",
    leads: Sequence[str] | None = None,
    seconds: float = 10.0,
    batch: int | None = None,
    dtype: str = "float32",
    overwrite: bool = False,
) -> "Difference":
    """Write a checkpoint's deterministic path as a graph, and compare the file with the network.

    It computes in 32-bit floats, however the weights are stored.

    Args:
        checkpoint: folder of a `LeadVAE` with calibrated bands.
        out: file to write.
        format: 'onnx' or 'torchscript'.
        leads: leads of the device in the order of its channels; None: any leads, with a mask.
        seconds: length that the graph takes, a multiple of the network's step (80 ms for the shipped weights).
        batch: batch size that the graph takes; None: any.
        dtype: how its weights are stored, 'float32' or (ONNX alone) 'int8'.
        overwrite: replace ``out``.

    Returns:
        How far it is from the network's output, on simulated ECGs.

    Raises:
        InputError: bad checkpoint, leads, length or batch; ``out`` exists; the extra ``export`` is not installed.
    """
    if format not in FORMATS:
        raise InputError(f"--format {format}: unknown; accepted: {', '.join(FORMATS)}")
    if dtype not in DTYPES or (dtype != "float32" and format != "onnx"):
        raise InputError(f"--dtype {dtype}: accepted: float32, or int8 with --format onnx")
    if batch is not None and batch < 1:
        raise InputError(f"--batch {batch}: accepted: 1 or more")
    if format == "onnx":
        _require_onnx()
    checkpoint, out = Path(checkpoint), Path(out)
    with atomic_files(out, overwrite=overwrite) as temporary, torch.inference_mode():
        graph = graph_of(checkpoint, leads).eval()
        _check_length(graph, seconds)
        graph.prepare(seconds)
        facts = {
            "fs_hz": graph.fs_hz,
            "leads": ",".join(graph.leads),
            "unit": "mV",
            "model": checkpoint_digest(checkpoint),
            "licence_of_training_data": load_checkpoint(checkpoint).card.get("licence"),
            "note": "Leads that were not observed are estimated by software. Not a diagnostic device.",
        }
        write = _write_onnx if format == "onnx" else _write_torchscript
        write(graph, graph.example(seconds, batch or 2), temporary, facts, fixed_batch=batch is not None)
        if dtype == "int8":
            _to_int8(temporary)
        difference = compare(graph, load(temporary, format), seconds, CHECKED if batch is None else (batch,))
        if not (difference.rms_mv <= TOLERANCE_INT8_MV if dtype == "int8" else difference.largest_mv <= TOLERANCE_MV):
            raise RuntimeError(f"{out}: the graph differs from the network by {difference}; not written")
    return difference


@dataclass(frozen=True)
class Difference:
    """Between two outputs, in mV: the largest, and the root mean square."""

    largest_mv: float
    rms_mv: float

    def __str__(self) -> str:
        return f"at most {self.largest_mv:.1g} mV, {self.rms_mv:.1g} mV in the mean square"


def graph_of(checkpoint: str | Path, leads: Sequence[str] | None = None) -> ReconstructionGraph:
    """The graph of a checkpoint as a module; raises `InputError` for a checkpoint of something else."""
    model = load_model(LeadVAE, checkpoint)
    model.requires_grad_(False)
    try:
        return ReconstructionGraph(model) if leads is None else FixedLeadsGraph(model, leads)
    except InputError as error:
        raise InputError(f"{checkpoint}: {error}") from error


def load(path: str | Path, format: str) -> Run:
    """An exported file as a function from input arrays to output arrays."""
    if format == "torchscript":
        module = torch.jit.load(str(path))
        return lambda arrays: [part.numpy() for part in module(*map(torch.from_numpy, arrays))]
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    return lambda arrays: session.run(None, dict(zip(names, arrays, strict=True)))


def compare(graph: ReconstructionGraph, run: Run, seconds: float, batches: Sequence[int]) -> Difference:
    """Difference between a module and an exported file on simulated ECGs."""
    hearts = simulate(range(max(batches)), seed=1, fs_hz=graph.fs_hz, duration_s=max(2.0, seconds))
    length = round(seconds * graph.fs_hz)
    parts = []
    for count in batches:
        if isinstance(graph, FixedLeadsGraph):
            records = hearts.records()[:count]
            given = [np.stack([record.select(graph.leads).signal_mv[:, :length] for record in records])]
        else:
            observed = np.zeros((count, len(LEADS_8), length), dtype=bool)
            observed[:, [LEADS_8.index(lead) for lead in ("II", "V1", "V5")]] = True
            observed[0, 0, : length // 2] = True  # and half a lead, since holes are allowed
            given = [hearts.signal_mv[:count, :, :length], observed]
        given = [np.ascontiguousarray(array) for array in given]
        expected = graph(*map(torch.from_numpy, given))
        for found, wanted in zip(run(given), expected, strict=True):
            parts.append((found - wanted.numpy()).ravel())
    off = np.concatenate(parts).astype(np.float64)
    return Difference(float(np.abs(off).max()), float(np.sqrt(np.mean(off**2))))


def _write_onnx(
    graph: ReconstructionGraph, example: tuple[torch.Tensor, ...], path: Path, facts: dict[str, Any], fixed_batch: bool
) -> None:
    shapes = None
    if not fixed_batch:
        any_batch = torch.export.Dim("batch", min=1)
        shapes = tuple({0: any_batch} for _ in example)
    with _quiet():
        program = torch.onnx.export(
            graph,
            example,
            dynamo=True,
            dynamic_shapes=shapes,
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            opset_version=_OPSET,
            verbose=False,
        )
        assert program is not None
        program.model.metadata_props.update({key: str(value) for key, value in facts.items()})
        program.save(str(path))


def _to_int8(path: Path) -> None:
    import onnx

    onnx.save(in_int8(onnx.load(path)), path)


def _write_torchscript(
    graph: ReconstructionGraph, example: tuple[torch.Tensor, ...], path: Path, facts: dict[str, Any], fixed_batch: bool
) -> None:
    del fixed_batch  # a trace takes any batch
    with _quiet():
        traced = torch.jit.trace(graph, example, check_trace=False)
        torch.jit.save(traced, str(path), _extra_files={META: json.dumps(facts)})


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' chatter (missing torchvision, deprecations of their own) from the user."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _check_length(graph: ReconstructionGraph, seconds: float) -> None:
    step = graph.multiple / graph.fs_hz
    samples = seconds * graph.fs_hz
    if seconds < 1 or abs(samples - round(samples)) > 1e-6 or round(samples) % graph.multiple:
        raise InputError(f"--seconds {seconds:g}: accepted: 1 or more, in steps of {step:g}")


def _require_onnx() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(f"--format onnx needs {error.name}: pip install 'physiogen[export]'") from error
