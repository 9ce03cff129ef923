"""ECGFounder's network: parameters, loading, preprocessing."""

import subprocess

import numpy as np
import pytest
import scipy
import torch

from gen.leads import LEADS_8
from gen.records import InputError
from metrics.judges.ecgfounder import EcgFounderFeatures, Net1D, load_net1d, preprocess

# --- Net1D


@pytest.mark.parametrize(("leads", "millions"), [(12, 30.82), (1, 30.81)])
def test_net1d_has_the_published_number_of_parameters(leads, millions):
    with torch.device("meta"):
        network = Net1D(leads)
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 2) == millions


def tiny_net1d(**changes):
    torch.manual_seed(0)
    return Net1D(**{"classes": 3, "widths": (32, 48), "blocks": (1, 2), "base_width": 16, **changes}).eval()


def test_net1d_halves_time_in_every_stage_rounding_up():
    network, lengths = tiny_net1d(), []
    for stage in network.stage_list:
        stage.register_forward_hook(lambda module, inputs, output: lengths.append(output.shape[-1]))
    network(torch.randn(1, 12, 1250))
    assert lengths == [313, 157]


def test_net1d_batch_norm_is_carried_but_skipped():
    signal = torch.randn(2, 12, 400)
    plain, skipped, used = tiny_net1d(), tiny_net1d(), tiny_net1d(batch_norm=True)
    for network in (skipped, used):
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                torch.nn.init.constant_(module.weight, 3.0)
    torch.testing.assert_close(skipped(signal), plain(signal), rtol=0, atol=0)
    assert (used(signal) - plain(signal)).abs().max() > 1e-3


def test_net1d_weights_load_strictly(tmp_path):
    network = Net1D(12, 5)
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": network.state_dict(), "epoch": 3}, path)
    signal = torch.randn(1, 12, 200)
    torch.testing.assert_close(load_net1d(path, classes=5)(signal), network.eval()(signal))
    with pytest.raises(InputError, match=r"dense\.weight has shape"):
        load_net1d(path)
    torch.save({"state_dict": {"dense.bias": torch.zeros(5)}}, path)
    with pytest.raises(InputError, match=r"first_conv\.conv\.weight is missing"):
        load_net1d(path, classes=5)


def test_net1d_runs_no_code_from_a_file(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": subprocess.Popen}, path)
    with pytest.raises(InputError, match="tensors alone"):
        load_net1d(path)
    with pytest.raises(InputError, match="no such file"):
        EcgFounderFeatures(tmp_path / "none.pth")


def test_preprocessing_equals_the_published_steps_lead_by_lead(rng):
    signal = np.cumsum(rng.standard_normal((2, 3, 1500)), axis=-1) * 0.02
    expected = np.empty_like(signal)
    for record, lead in np.ndindex(2, 3):
        x = scipy.signal.filtfilt(*scipy.signal.iirnotch(50, 30, 500), signal[record, lead])
        x = scipy.signal.filtfilt(*scipy.signal.butter(4, [0.67, 40], btype="bandpass", fs=500), x)
        expected[record, lead] = x - scipy.signal.medfilt(x, 201)
    for record in expected:
        record[:] = (record - record.mean()) / (record.std() + 1e-8)
    np.testing.assert_allclose(preprocess(signal, 500), expected, atol=1e-5)
    assert preprocess(signal[..., :300], 100).shape == (2, 3, 1500)
    assert len(LEADS_8) == 8
