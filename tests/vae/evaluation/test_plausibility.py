"""Figures of reconstructions without a truth: each reacts to the fault that it is there for, and to no other."""

import json
from dataclasses import replace

import numpy as np
import pytest

from gen.cli import run
from gen.io import write
from gen.leads import LEADS_12
from gen.records import EcgRecord, InputError
from gen.simulate import simulate
from vae.evaluation.plausibility import agree, heart_rates, plausibility, summary


@pytest.fixture(scope="module")
def rebuilt() -> EcgRecord:
    """A simulated ECG that says lead I was recorded: the best reconstruction there could be."""
    conditions = {"statements": ["SR"], "heart_rate": 72}
    record = simulate(range(1), seed=2, conditions=conditions).records()[0]
    return replace(record, metadata={"observed_leads": ["I"], "truth": record.metadata["truth"]})


def changed(record: EcgRecord, lead: str, values) -> EcgRecord:
    signal = record.signal_mv.copy()
    signal[LEADS_12.index(lead)] = values
    return replace(record, signal_mv=signal)


def test_a_true_ecg_is_plausible(rebuilt):
    found = plausibility(rebuilt)
    assert found.limb_residual_mv < 1e-6
    assert found.above_10_mv_share == 0
    assert (found.recorded_faults, found.output_faults) == ((), ())
    assert set(found.rebuilt_bpm) == {"II", "V1", "V2", "V3", "V4", "V5", "V6"}
    truth = rebuilt.metadata["truth"]["hr_bpm"]
    assert abs(found.recorded_bpm - truth) < 2
    assert all(abs(rate - truth) < 2 for rate in found.rebuilt_bpm.values())


def test_each_fault_shows_in_its_own_figure(rebuilt):
    broken_law = plausibility(changed(rebuilt, "aVF", rebuilt.lead("aVF") + 0.2))
    assert broken_law.limb_residual_mv == pytest.approx(0.1, rel=1e-3)  # RMS over four identities, one of them off
    assert broken_law.above_10_mv_share == 0
    huge = rebuilt.lead("V2").copy()
    huge[:50] = 12.0
    assert plausibility(changed(rebuilt, "V2", huge)).above_10_mv_share == pytest.approx(50 / (7 * 5000))
    flat = plausibility(changed(rebuilt, "V4", 0.0))
    assert flat.rebuilt_bpm["V4"] is None
    assert any("V4" in reason for reason in flat.output_faults)
    assert flat.recorded_faults == ()


def test_another_rhythm_in_a_rebuilt_lead_is_seen(rebuilt):
    fast = simulate(range(1), seed=3, conditions={"statements": ["STACH"], "heart_rate": 120}).records()[0]
    found = [plausibility(rebuilt), plausibility(changed(rebuilt, "V3", fast.lead("V3")))]
    assert abs(found[1].rebuilt_bpm["V3"] - 120) < 4
    figures = summary(found)
    assert (figures["records"], figures["rate_pairs"]) == (2, 14)
    assert figures["rate_agrees_share"] == pytest.approx(13 / 14)
    assert figures["rate_difference_bpm_median"] < 1


def test_what_cannot_be_measured_is_no_rate_and_agrees_with_none(rebuilt):
    assert heart_rates([replace(rebuilt, signal_mv=np.zeros((12, 5000)))]) == [None]
    assert not agree(None, 60)
    assert agree(45, 40)
    assert not agree(45.1, 40)
    assert agree(110, 100)
    assert not agree(89.9, 100)


def test_the_command(rebuilt, tmp_path, capsys):
    folder = write([rebuilt], tmp_path / "set")
    assert run(["evaluate", "plausibility", str(folder)]) == 0
    assert "| share that agrees (5 bpm or 10 %) ↑ | 1 | 7 |" in capsys.readouterr().out
    assert run(["evaluate", "plausibility", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n"] == 1
    # Files hold whole microvolts.
    assert found["values"]["physics"]["limb-lead law, largest RMS residual"]["value"] < 1e-3


@pytest.mark.parametrize("metadata", [{}, {"observed_leads": list(LEADS_12)}])
def test_what_was_not_rebuilt_is_refused(rebuilt, tmp_path, capsys, metadata):
    with pytest.raises(InputError, match="accepted"):
        plausibility(replace(rebuilt, metadata=metadata))
    folder = write([replace(rebuilt, metadata=metadata)], tmp_path / "set")
    assert run(["evaluate", "plausibility", str(folder)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "accepted" in line


def test_a_folder_that_is_not_there(tmp_path, capsys):
    assert run(["evaluate", "plausibility", str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err
