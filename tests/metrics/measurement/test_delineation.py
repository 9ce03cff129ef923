"""Delineation: the mathematics of matching and segmenting, the network's invariances, LUDB and simulated truth."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gen.leads import LEADS_8, LEADS_12, to_12
from gen.records import InputError
from gen.simulate import simulate
from metrics.evaluation.delineation import network_system, score
from metrics.measurement.delineation import delineate
from metrics.measurement.delineation.baseline import neurokit_waves
from metrics.measurement.delineation.data import DelineationSource, consensus_label, noise_bank, simulated
from metrics.measurement.delineation.delineator import SHIPPED, ready
from metrics.measurement.delineation.ludb import read_ludb
from metrics.measurement.delineation.network import Delineator, fold_norms, pool_leads
from metrics.measurement.delineation.preprocess import prepare
from metrics.measurement.delineation.scoring import Score, Tally, match
from metrics.measurement.delineation.segments import segment, without_flicker
from metrics.measurement.delineation.waves import Wave

FS = 250.0


def _probability(*waves, time=2500):
    """(1, 3, time) from (channel, onset, offset) in seconds."""
    out = np.full((1, 3, time), 0.02)
    for channel, onset, offset in waves:
        out[0, channel, int(np.ceil(onset * FS)) : int(offset * FS) + 1] = 0.98
    return out


def test_match_pairs_the_closest_first_and_each_once():
    i, j = match(np.array([1.0, 2.0, 3.0]), np.array([1.1, 0.95, 2.2, 3.14]))
    assert sorted(zip(i.tolist(), j.tolist(), strict=True)) == [(0, 1), (2, 3)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0, 10), max_size=8, unique=True),
    st.lists(st.floats(0, 10), max_size=8, unique=True),
)
def test_counts_add_up(reference, found):
    tally = Tally()
    reference, found = np.sort(np.array(reference, dtype=float)), np.sort(np.array(found, dtype=float))
    tally.add(reference, found, (-1, 11))
    assert tally.hits + tally.misses == len(reference)
    assert tally.hits + tally.extra == len(found)
    assert all(abs(e) <= 0.15 for e in tally.errors_s)
    mirrored = Tally()
    mirrored.add(found, reference, (-1, 11))
    assert mirrored.f1 == pytest.approx(tally.f1)


def test_perfect_waves_score_one_and_shifted_ones_show_the_shift():
    truth = [Wave("QRS", t, t + 0.04, t + 0.09) for t in (1.0, 2.0, 3.0)]
    result = Score()
    result.add(truth, [Wave("QRS", w.onset + 0.02, w.peak, w.offset - 0.01) for w in truth], (1.0, 3.09))
    onset, offset = result.tallies["QRS", "onset"], result.tallies["QRS", "offset"]
    assert onset.f1 == 1
    assert onset.errors_ms()["mean"] == pytest.approx(20)
    assert offset.errors_ms()["mean"] == pytest.approx(-10)
    assert onset.errors_ms()["sd"] == pytest.approx(0, abs=1e-9)


def test_waves_outside_the_annotated_beats_are_not_counted():
    truth = [Wave("T", 2.0, 2.1, 2.2)]
    result = Score()
    found = [Wave("T", t, t + 0.1, t + 0.2) for t in (0.5, 2.0, 5.0)]
    result.add(truth, found, (1.5, 4.0))
    assert result.tallies["T", "peak"].precision == 1
    result.add(truth, found, (0.0, 9.0))
    assert result.tallies["T", "peak"].precision == pytest.approx(0.5)


def test_invented_p_waves_are_counted_per_beat():
    truth = [Wave("QRS", t, t + 0.04, t + 0.08) for t in (1.0, 2.0, 3.0, 4.0)]
    result = Score()
    result.add(truth, [Wave("P", 1.8, 1.85, 1.9)], (1.0, 4.1), atrial_fibrillation=True)
    assert result.invented_p_share == pytest.approx(0.25)


def test_segments_are_the_runs_to_half_a_sample():
    p, qrs, t = segment(_probability((0, 1.0, 1.1), (1, 1.2, 1.3), (2, 1.5, 1.7)))[0]
    for found, (onset, offset) in ((p, (1.0, 1.1)), (qrs, (1.2, 1.3)), (t, (1.5, 1.7))):
        assert len(found) == 1
        assert found.onset[0] == pytest.approx(onset, abs=0.004)
        assert found.offset[0] == pytest.approx(offset, abs=0.004)


def test_segments_obey_physiology():
    twice = segment(_probability((1, 1.0, 1.05), (1, 1.1, 1.2), (2, 1.4, 1.5), (2, 1.6, 1.8)))[0]
    assert len(twice[1]) == 1  # refractory
    assert twice[1].onset[0] == pytest.approx(1.1, abs=0.01)
    assert len(twice[2]) == 1  # one T
    assert len(segment(_probability((0, 1.02, 1.08), (1, 1.0, 1.1)))[0][0]) == 0  # P inside QRS
    assert len(segment(_probability((1, 1.0, 1.01)))[0][1]) == 0  # too short
    assert len(segment(_probability((2, -0.5, 0.2)))[0][2]) == 0  # cut by the record's end


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_segmenting_anything_gives_ordered_waves(seed, rows):
    rng = np.random.default_rng(seed)
    wild = np.clip(np.cumsum(rng.normal(0, 0.1, (rows, 3, 700)), axis=-1) % 1.0, 0, 1)
    for triple in segment(wild):
        for waves in triple:
            assert np.all(waves.offset > waves.onset)
            assert np.all(np.diff(waves.onset) > 0)
        assert np.all(np.diff(triple[1].centre) >= 0.2 - 1e-9)


def test_consensus_is_the_majority_of_the_leads_that_show_a_wave():
    leads = np.full((12, 12), 0x70, np.uint8)
    leads[:6, 4:7] |= 1
    leads[:2, 3] |= 1  # fewer than half of the six begin here
    leads[:2, 10] |= 1  # too few leads
    leads[:3, 7] |= 1
    assert np.flatnonzero(consensus_label(leads) & 1).tolist() == [4, 5, 6, 7]


def _small():
    torch.manual_seed(0)
    return Delineator(widths=(8, 8, 8), deep_width=8, dilations=(1, 2)).eval()


def test_leads_may_come_in_any_order():
    model, x = _small(), torch.randn(2, 5, 320)
    order = torch.tensor([3, 0, 4, 1, 2])
    leads, together = model(x, torch.ones(2, 5))
    moved, same = model(x[:, order], torch.ones(2, 5))
    torch.testing.assert_close(moved, leads[:, order], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(same, together, atol=1e-4, rtol=1e-4)


def test_leads_that_only_listen_change_nothing():
    model, x = _small(), torch.randn(1, 4, 320)
    pool = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    leads, together = model(x, pool)
    other = x.clone()
    other[:, 2:] = 7 * torch.randn(1, 2, 320)
    leads_2, together_2 = model(other, pool)
    torch.testing.assert_close(leads_2[:, :2], leads[:, :2])
    torch.testing.assert_close(together_2, together)


def test_pooling_is_mean_and_maximum():
    x = torch.rand(1, 2, 3, 4)
    pooled = pool_leads(x, torch.ones(1, 3))
    torch.testing.assert_close(pooled[:, :2], x.mean(dim=2, keepdim=True))
    torch.testing.assert_close(pooled[:, 2:], x.amax(dim=2, keepdim=True))


def test_folding_keeps_the_function():
    model = _small()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -1, 1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    x = torch.randn(2, 3, 160)
    before = model(x, torch.ones(2, 3))
    after = fold_norms(model)(x, torch.ones(2, 3))
    for a, b in zip(before, after, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_samples_are_named_by_seed_and_number():
    source = DelineationSource(simulated(6, 0, margins=True), None, noise_bank(4, 0), samples=320)
    one = source.batch(np.arange(4), 9)
    other = source.batch(np.array([2, 3]), 9)
    torch.testing.assert_close(one["signal_mv"][2:], other["signal_mv"], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(one["lead_label"][2:], other["lead_label"])
    assert set(one["label"].unique().tolist()) <= {0.0, 1.0}


def test_loss_falls_on_a_few_records():
    source = DelineationSource(simulated(4, 0, margins=False), None, noise_bank(2, 0), rows=3, samples=640)
    batch = source.batch(np.arange(4), 0)
    model = _small().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    values = []
    for _ in range(15):
        loss = model.loss(batch)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    assert values[-1] < 0.6 * values[0]


def test_preparation_keeps_the_instants():
    t = np.arange(5000) / 500
    wave = np.exp(-0.5 * ((t - 4.0) / 0.02) ** 2)[None].astype(np.float32)
    slow = prepare(wave, 500)
    assert slow.shape == (1, 2500)
    assert abs(int(slow[0].argmax()) - 1000) <= 1
    assert np.isfinite(prepare(np.where(t[None] < 1, np.nan, wave).astype(np.float32), 500)).all()


def test_beats_of_simulated_records_are_found():
    batch = simulate(range(24), seed=31, noise="light")
    result = Score()
    for found, truth in zip(delineate(batch.signal_mv, 500, LEADS_8), batch.truth, strict=True):
        marks = [Wave("QRS", b.qrs[0], b.qrs[1], b.qrs[2]) for b in truth.beats if np.isfinite(b.qrs[0])]
        result.add(marks, found.waves("global"), (marks[0].onset, marks[-1].offset - 0.2))
    assert result.tallies["QRS", "peak"].f1 > 0.99
    assert result.tallies["QRS", "onset"].errors_ms()["mean_abs"] < 8


def test_consensus_is_the_same_with_and_without_the_leads_own_waves():
    batch = simulate(range(3), seed=8, noise="light")
    quick = delineate(batch.signal_mv, 500, LEADS_8)
    full = delineate(to_12(batch.signal_mv), 500, LEADS_12, per_lead=True)
    for a, b in zip(quick, full, strict=True):
        assert len(a.consensus[1]) == len(b.consensus[1])
        np.testing.assert_allclose(a.consensus[1].onset, b.consensus[1].onset, atol=0.006)
        assert set(b.per_lead) == set(LEADS_12)


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan])
def test_a_dead_signal_has_no_waves(value):
    found = delineate(np.full((1, 12, 5000), value, np.float32), 500, LEADS_12, per_lead=True)[0]
    assert found.waves("global") == []
    assert found.waves("V1") == []


def test_neurokit_is_wrapped_so_that_flat_input_does_not_raise():
    pytest.importorskip("neurokit2")
    assert neurokit_waves(np.zeros(5000), 500) == []


def test_shipped_weights_are_small_and_strict():
    assert (SHIPPED / "model.safetensors").stat().st_size < 4_000_000
    assert sum(p.numel() for p in ready(SHIPPED).parameters()) < 1_500_000


def test_a_folder_without_ludb_is_named(tmp_path):
    with pytest.raises(InputError, match="no LUDB"):
        list(read_ludb(tmp_path))


def test_ludb_marks_are_in_order(data_dir):
    (item,) = read_ludb(data_dir("ludb"), 2, 2)
    assert set(item.waves) == set(LEADS_12)
    assert all(w.onset < w.peak < w.offset for w in item.waves["II"] if np.isfinite(w.onset) and np.isfinite(w.offset))


def test_accuracy_on_ludb_records_not_learned_from(data_dir):
    records = list(read_ludb(data_dir("ludb"), 51, 62))
    result = score(network_system(), records, ("II", "V2"))
    assert result.tallies["QRS", "peak"].f1 > 0.99
    assert result.tallies["T", "peak"].f1 > 0.93
    assert result.tallies["P", "peak"].f1 > 0.9
    assert result.tallies["QRS", "onset"].errors_ms()["mean_abs"] < 11
    assert result.tallies["QRS", "offset"].errors_ms()["mean_abs"] < 13


def test_long_records_pass_in_windows_without_seams():
    batch = simulate(range(1), seed=12, noise="light", duration_s=75, fs_hz=250)
    whole = delineate(batch.signal_mv, 250, LEADS_8)[0].consensus[1]
    cut = delineate(batch.signal_mv[..., 55 * 250 : 65 * 250], 250, LEADS_8)[0].consensus[1]
    near = whole.onset[(whole.onset > 56) & (whole.onset < 64)] - 55
    other = cut.onset[(cut.onset > 1) & (cut.onset < 9)]
    np.testing.assert_allclose(near, other, atol=0.01)


def test_sporadic_p_waves_in_an_irregular_rhythm_are_dropped():
    qrs = np.cumsum([1.0, 0.6, 1.1, 0.75, 0.9, 0.55, 1.2])
    complexes = _probability(*((1, on, on + 0.08) for on in qrs))
    few = _probability(*((1, on, on + 0.08) for on in qrs), *((0, qrs[k] - 0.2, qrs[k] - 0.1) for k in (1, 4)))
    every = _probability(*((1, on, on + 0.08) for on in qrs), *((0, on - 0.2, on - 0.1) for on in qrs))
    assert len(without_flicker(*segment(complexes)[0])[1]) == len(qrs)
    assert len(without_flicker(*segment(few)[0])[0]) == 0
    assert len(without_flicker(*segment(every)[0])[0]) == len(qrs)  # irregular, but conducted
