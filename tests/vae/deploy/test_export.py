"""Exported graphs: the same numbers as the network, the leads that were given untouched, one line for bad input."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gen.checkpoint import load_model, model_config, save_checkpoint
from gen.cli import run
from gen.leads import LEADS_8, LEADS_12, limb_lead_residual
from vae.deploy import export as module
from vae.deploy.export import META, TOLERANCE_INT8_MV, TOLERANCE_MV, export, load
from vae.deploy.graph import FixedLeadsGraph, ReconstructionGraph
from vae.deploy.quantise import in_int8, rows_in_int8
from vae.networks.baseline import LEVELS
from vae.networks.lead_vae import LeadVAE
from vae.networks.wearecg import WearECG
from vae.pipeline import load as load_pipeline
from vae.predictors import WEIGHTS

MAIN = ("II", "V1", "V5")
LENGTH = 1000


@pytest.fixture(scope="module")
def model(checkpoint) -> LeadVAE:
    return load_model(LeadVAE, checkpoint)


@pytest.fixture(scope="module")
def files(checkpoint, tmp_path_factory):
    """(format, leads) -> exported file of two seconds, made once.

    Any batch, but one by one for ONNX with the leads of a device (an ONNX export takes ten seconds).
    """
    folder, found = tmp_path_factory.mktemp("exported"), {}

    def get(format: str, leads: tuple[str, ...] | None):
        if (format, leads) not in found:
            if format == "onnx":
                pytest.importorskip("onnxruntime")
                pytest.importorskip("onnxscript")
            path = folder / f"{'-'.join(leads or ('any',))}.{format}"
            batch = 1 if format == "onnx" and leads else None
            assert (
                export(checkpoint, path, format=format, leads=leads, seconds=2, batch=batch).largest_mv <= TOLERANCE_MV
            )
            found[format, leads] = path
        return found[format, leads]

    return get


def test_weights_in_int8_are_smaller_and_compute_the_same(checkpoint, files, tmp_path):
    """These weights are random numbers in 32 bits; shipped ones lie on that grid already, see the next test."""
    onnx = pytest.importorskip("onnx")
    large, small = files("onnx", MAIN), tmp_path / "small.onnx"
    onnx.save(in_int8(onnx.load(large)), small)
    onnx.checker.check_model(onnx.load(small))
    given = [np.random.default_rng(0).normal(0, 0.3, (1, len(MAIN), LENGTH)).astype(np.float32)]
    for one, other in zip(load(large, "onnx")(given), load(small, "onnx")(given), strict=True):
        assert np.sqrt(np.mean((one - other) ** 2)) < TOLERANCE_INT8_MV
    assert small.stat().st_size < large.stat().st_size


def test_shipped_weights_lie_on_the_grid():
    weights = load_model(LeadVAE, WEIGHTS / "default").state_dict()
    large = [value.numpy() for value in weights.values() if value.ndim > 1 and value.numel() >= 4096]
    assert len(large) > 40
    for weight in large:
        rounded, scales, axis = rows_in_int8(weight)
        shape = [1] * weight.ndim
        shape[axis] = -1
        np.testing.assert_allclose(rounded * scales.reshape(shape), weight, rtol=0, atol=1e-6 * np.abs(weight).max())


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_rows_are_scaled_along_the_axis_that_loses_least(axis):
    rng = np.random.default_rng(1)
    shape = [1, 1, 1]
    shape[axis] = 6
    stored = rng.integers(-126, 127, (6, 6, 6))
    stored[tuple(np.arange(6) if k == axis else 0 for k in range(3))] = 127
    scale = (10.0 ** -np.arange(6)).astype(np.float32)
    weight = (stored * scale.reshape(shape)).astype(np.float32)
    rounded, scales, found = rows_in_int8(weight)
    assert found == axis
    assert np.array_equal(rounded, stored)
    np.testing.assert_allclose(scales, scale, rtol=1e-6)


def test_a_row_of_zeros_stays_zero():
    rounded, scales, _ = rows_in_int8(np.zeros((3, 4), np.float32))
    assert not rounded.any()
    assert np.isfinite(scales).all()


def mask(*leads: str, batch: int = 1) -> np.ndarray:
    observed = np.zeros((batch, 8, LENGTH), dtype=bool)
    observed[:, [LEADS_8.index(lead) for lead in leads]] = True
    return observed


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("format", ["onnx", "torchscript"])
def test_any_leads_give_what_the_network_gives(files, model, population, format, batch):
    signal = population[:batch, :, :LENGTH]
    run = load(files(format, None), format)
    holed = mask(*MAIN, batch=batch)
    holed[-1, LEADS_8.index("V1"), 300:700] = False
    for observed in (mask(*MAIN, batch=batch), mask("I", batch=batch), mask("I", "II", "V2", batch=batch), holed):
        ecg, half = run([np.where(observed, signal, np.nan).astype(np.float32), observed])
        with torch.inference_mode():
            given = torch.from_numpy(signal), torch.from_numpy(observed)
            decoded, parts = model(*given), model.split(*given)
        eight = ecg[:, [LEADS_12.index(lead) for lead in LEADS_8]]
        assert np.abs(eight - decoded.mean_mv.numpy())[~observed].max() <= TOLERANCE_MV
        assert np.array_equal(eight[observed], signal[observed])
        assert limb_lead_residual(ecg, LEADS_12).max() < 1e-6
        width = half[:, [LEADS_12.index(lead) for lead in LEADS_8]]
        slow_half = parts.half_mv[:, LEVELS.index(90), :, None].numpy()
        expected = np.hypot(2.3 * decoded.scale_mv.numpy(), slow_half)
        np.testing.assert_allclose(width[~observed], expected[~observed], rtol=1e-4)
        assert not width[observed].any()


@pytest.mark.slow
@pytest.mark.parametrize(("format", "batch"), [("onnx", 1), ("torchscript", 1), ("torchscript", 4)])
def test_a_device_s_leads_give_what_any_leads_give(files, population, format, batch):
    signal, observed = population[:batch, :, :LENGTH], mask(*MAIN, batch=batch)
    fixed, free = load(files(format, MAIN), format), load(files(format, None), format)
    given_mv = np.ascontiguousarray(signal[:, [LEADS_8.index(lead) for lead in MAIN]])
    for found, expected in zip(fixed([given_mv]), free([signal, observed]), strict=True):
        assert found.shape == (batch, 12, LENGTH)
        assert np.abs(found - expected).max() <= TOLERANCE_MV


def test_the_graph_is_the_pipeline(checkpoint, model, hearts):
    result = load_pipeline(checkpoint)(hearts[0], leads=MAIN)
    graph = FixedLeadsGraph(model, MAIN)
    with torch.inference_mode():
        ecg, half = graph(torch.from_numpy(hearts[0].select(MAIN).signal_mv)[None])
    assert np.abs(ecg[0].numpy() - result.record.signal_mv).max() <= TOLERANCE_MV
    lower, upper = result.bands[90]
    # Where both limb leads are rebuilt the pipeline's band of a derived lead adds them in square, as does the graph's.
    np.testing.assert_allclose(half[0].numpy(), (upper - lower) / 2, rtol=0.1, atol=2e-3)


@settings(max_examples=40, deadline=None)
@given(
    leads=st.permutations(LEADS_12).flatmap(lambda order: st.integers(1, 12).map(lambda n: tuple(order[:n]))),
    seed=st.integers(0, 3),
)
def test_every_order_of_every_set_of_leads_comes_back_untouched(model, hearts, leads, seed):
    limb = [lead for lead in leads if lead in LEADS_12[:6]]
    if len(limb) == 1 and limb[0] not in LEADS_8:
        with pytest.raises(ValueError, match=f"lead {limb[0]} alone"):
            FixedLeadsGraph(model, leads)
        return
    record = hearts[seed].select(leads)
    given_mv = torch.from_numpy(np.ascontiguousarray(record.signal_mv[:, :400]))[None]
    with torch.inference_mode():
        ecg, half = FixedLeadsGraph(model, leads)(given_mv)
    rows = [LEADS_12.index(lead) for lead in leads]
    assert torch.equal(ecg[:, rows], given_mv)
    assert not half[:, rows].any()
    assert limb_lead_residual(ecg.numpy(), LEADS_12).max() < 1e-6


def test_what_is_not_observed_has_no_influence(model, population):
    graph, observed = ReconstructionGraph(model), torch.from_numpy(mask(*MAIN))
    signal = torch.from_numpy(population[:1, :, :LENGTH])
    with torch.inference_mode():
        expected = graph(signal, observed)
        for value in (0.0, 1e3, torch.nan):
            found = graph(torch.where(observed, signal, value), observed)
            assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
        other = signal.clone()
        other[:, 1, 100:200] += 0.5
        assert (graph(other, observed)[0] - expected[0])[:, 0].abs().max() > 1e-4  # and what is observed has


def test_files_say_what_they_hold(files, checkpoint, model):
    from gen.checkpoint import checkpoint_digest

    onnx = pytest.importorskip("onnx")
    stored = {p.key: p.value for p in onnx.load(files("onnx", MAIN)).metadata_props}
    extra = {META: ""}
    torch.jit.load(str(files("torchscript", MAIN)), _extra_files=extra)
    for facts in (stored, json.loads(extra[META])):
        assert float(facts["fs_hz"]) == model.fs_hz
        assert (facts["leads"], facts["unit"]) == ("II,V1,V5", "mV")
        assert facts["model"] == checkpoint_digest(checkpoint)
        assert "Not a diagnostic device" in facts["note"]


@pytest.mark.slow
def test_a_batch_may_be_fixed_or_free(files):
    onnx = pytest.importorskip("onnx")
    for leads, first in ((None, "batch"), (MAIN, 1)):
        for each in onnx.load(files("onnx", leads)).graph.input:
            dims = [d.dim_param or d.dim_value for d in each.type.tensor_type.shape.dim]
            assert dims == [first, len(leads or LEADS_8), LENGTH]


def test_the_command(checkpoint, tmp_path, capsys):
    out = tmp_path / "wearable.pt"
    arguments = ["--checkpoint", str(checkpoint), "--format", "torchscript", "--leads", "MLII,V1", "--out", str(out)]
    assert run(["export", *arguments, "--seconds", "1.2"]) == 0
    assert capsys.readouterr().out.startswith(f"{out}: ")
    (ecg, _) = load(out, "torchscript")([np.zeros((1, 2, 600), dtype=np.float32)])
    assert ecg.shape == (1, 12, 600)
    assert run(["export", *arguments]) == 2
    assert "exists; use --overwrite" in capsys.readouterr().err


def test_a_file_that_is_not_the_network_is_not_written(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "load", lambda path, format: lambda arrays: [np.zeros((len(arrays[0]), 12, 1))] * 2)
    with pytest.raises(RuntimeError, match="differs from the network"):
        export(checkpoint, tmp_path / "a.pt", format="torchscript", leads=MAIN, seconds=1.2)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def refused(tmp_path, capsys, checkpoint):
    """Run the command and expect one line with these words, status 2 and nothing written."""

    def check(arguments, *words):
        before = sorted(tmp_path.rglob("*"))
        defaults = ["--checkpoint", str(checkpoint), "--format", "torchscript", "--out", str(tmp_path / "out.pt")]
        assert run(["export", *defaults, *arguments]) == 2
        captured = capsys.readouterr()
        (line,) = captured.err.splitlines()
        assert captured.out == ""
        assert all(word in line for word in words), line
        assert sorted(tmp_path.rglob("*")) == before

    return check


def test_bad_checkpoints(refused, tmp_path, make_model, checkpoint):
    refused(["--checkpoint", str(tmp_path / "none")], "--checkpoint", "none: not found")
    other = WearECG()
    folder = save_checkpoint(tmp_path / "other", config=model_config(other), model=other, dtype="bf16")
    refused(["--checkpoint", str(folder)], str(folder), "WearECG", "expected LeadVAE")
    plain = make_model()
    folder = save_checkpoint(tmp_path / "plain", config=model_config(plain), model=plain)
    refused(["--checkpoint", str(folder)], str(folder), "physiogen train vae/bands")
    weights = (checkpoint / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    refused(["--checkpoint", str(folder)], "model.safetensors", "not a complete")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--leads", "II,V9"], ("unknown lead 'V9'",)),
        (["--leads", "II,II"], ("given twice",)),
        (["--leads", "aVF,V1"], ("aVF alone", "two limb leads")),
        (["--seconds", "0.5"], ("--seconds 0.5", "1 or more")),
        (["--seconds", "1.03"], ("--seconds 1.03", "in steps of 0.08")),
        (["--batch", "0"], ("--batch", "greater than or equal to 1")),
    ],
)
def test_bad_arguments(refused, arguments, words):
    refused(arguments, *words)
