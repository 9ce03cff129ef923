"""`ReconstructionPipeline`: what it promises for any leads, holes, rates and lengths."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gen
from gen.leads import LEADS_12, limb_lead_residual
from gen.records import EcgRecord, InputError
from gen.registry import RegistryError
from gen.simulate import simulate
from vae.expected import expected
from vae.methods import METHODS
from vae.networks.wearecg import WearECG
from vae.pipeline import LEVELS, load
from vae.windows import blend

MAIN = ("II", "V1", "V5")
#: Methods that need no trained network, and those that may not read the truth.
LINEAR = tuple(name for name in METHODS if name not in ("default", "wearecg"))
BLIND = tuple(name for name in LINEAR if name != "per-patient")


@pytest.fixture(scope="module")
def pipeline(checkpoint):
    return load(checkpoint)


@pytest.fixture(scope="module")
def every_method(checkpoint, tmp_path_factory):
    """All methods by name; those with a network have a random one."""
    from gen.checkpoint import model_config, save_checkpoint

    network = WearECG()
    folder = save_checkpoint(
        tmp_path_factory.mktemp("model") / "wearecg", config=model_config(network), model=network, dtype="bf16"
    )
    paths = {"default": checkpoint, "wearecg": folder}
    return {name: load(paths.get(name), method=name) for name in METHODS}


@pytest.fixture(scope="module")
def short(hearts) -> EcgRecord:
    """Three seconds of twelve leads at 500 Hz."""
    return replace(hearts[0], signal_mv=hearts[0].signal_mv[:, :1500])


def holed(record: EcgRecord, **gaps: slice) -> EcgRecord:
    signal = record.signal_mv.copy()
    for lead, gap in gaps.items():
        signal[record.leads.index(lead), gap] = np.nan
    return replace(record, signal_mv=signal)


def check_result(result, given_record: EcgRecord, leads) -> None:
    """Twelve finite leads, and every observed sample the same bits."""
    rebuilt = result.record
    assert rebuilt.leads == LEADS_12
    assert rebuilt.signal_mv.shape == (12, given_record.num_samples)
    assert rebuilt.fs_hz == given_record.fs_hz
    assert np.isfinite(rebuilt.signal_mv).all()
    for record in (rebuilt, *result.samples):
        for lead in leads:
            before = given_record.lead(lead)
            there = ~np.isnan(before)
            assert np.array_equal(record.lead(lead)[there], before[there]), lead
            assert np.array_equal(result.observed[LEADS_12.index(lead)], there)
    assert not result.observed[[i for i, lead in enumerate(LEADS_12) if lead not in leads]].any()
    for lower, upper in result.bands.values():
        assert (lower <= upper).all()
        assert np.array_equal(lower[result.observed], rebuilt.signal_mv[result.observed])


# --- observed samples ------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(leads=st.lists(st.sampled_from(LEADS_12), min_size=1, max_size=12, unique=True))
def test_any_subset_gives_twelve_leads_and_keeps_what_was_observed(pipeline, short, leads):
    check_result(pipeline(short, leads=leads, num_samples=1), short, leads)


@pytest.mark.parametrize(
    "leads", [("aVF",), ("II", "III"), ("aVR", "aVL"), ("V1", "V2", "V3", "V4", "V5", "V6"), ("III", "V2"), LEADS_12]
)
def test_awkward_subsets(pipeline, short, leads):
    result = pipeline(short, leads=leads)
    check_result(result, short, leads)
    if {"aVR", "aVL"} <= set(leads) or {"II", "III"} <= set(leads):
        # Two limb leads determine all six.
        for lead in LEADS_12[:6]:
            np.testing.assert_allclose(result.record.lead(lead), short.lead(lead), atol=2e-6)


@pytest.mark.parametrize("lead", ["III", "aVR", "aVL", "aVF"])
def test_a_lone_augmented_lead_fits_the_rebuilt_ones(pipeline, short, lead):
    rebuilt = pipeline(short, leads=[lead]).record
    np.testing.assert_allclose(rebuilt.select(("I", "II")).lead(lead), short.lead(lead), atol=1e-6)
    assert limb_lead_residual(rebuilt.signal_mv, LEADS_12) < 1e-6


def test_limb_leads_obey_their_law(every_method, hearts):
    for name, method in every_method.items():
        result = method(hearts[1], leads=MAIN)
        assert limb_lead_residual(result.record.signal_mv, LEADS_12) <= 1e-6, name
        for leads in (("I",), ("V1",), ("aVF", "V3")):
            if "aVF" not in leads or name in ("default", "wearecg"):
                residual = limb_lead_residual(method(hearts[1], leads=leads).record.signal_mv, LEADS_12)
                assert residual <= 1e-6, (name, leads)


def test_draws_obey_the_law_too(pipeline, short):
    for sample in pipeline(short, leads=MAIN, num_samples=3).samples:
        assert limb_lead_residual(sample.signal_mv, LEADS_12) <= 1e-6


def test_holes_are_filled_and_the_rest_is_kept(pipeline, hearts):
    record = holed(hearts[0], II=slice(100, 900), V1=slice(4000, 5000), V5=slice(0, 1))
    check_result(pipeline(record, leads=MAIN, num_samples=1), record, MAIN)


def test_leads_recorded_in_part_are_named_and_not_spoken_for(pipeline, short):
    part = pipeline(holed(short, II=slice(0, 1125), V1=slice(0, 30)), leads=MAIN).record.metadata
    assert part["partly_observed"] == {"II": 0.25}
    assert part.get("expected", {}) == expected(("V1", "V5"), pipeline.predictor.digest)
    assert "partly_observed" not in pipeline(short, leads=MAIN).record.metadata


@pytest.mark.parametrize("layout", ["3x4", "6x2"])
@pytest.mark.parametrize("rhythm", ["II", "V1"])
def test_print_outs_become_complete(pipeline, hearts, layout, rhythm):
    record = hearts[2]
    columns = (LEADS_12[:6], LEADS_12[6:]) if layout == "6x2" else [LEADS_12[k : k + 3] for k in (0, 3, 6, 9)]
    signal = np.full_like(record.signal_mv, np.nan)
    size = record.num_samples // len(columns)
    for k, leads in enumerate(columns):
        rows = [LEADS_12.index(lead) for lead in leads]
        signal[rows, k * size : (k + 1) * size] = record.signal_mv[rows, k * size : (k + 1) * size]
    signal[LEADS_12.index(rhythm)] = record.lead(rhythm)
    printed = replace(record, signal_mv=signal)
    result = pipeline(printed)
    check_result(result, printed, LEADS_12)
    limb_times = slice(0, size)
    np.testing.assert_allclose(result.record.signal_mv[:6, limb_times], record.signal_mv[:6, limb_times], atol=2e-6)


# --- no leakage ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [7.0, np.nan, 0.0])
@pytest.mark.parametrize("name", [*BLIND, "default", "wearecg"])
def test_leads_that_were_not_asked_for_have_no_influence(every_method, short, name, value):
    method = every_method[name]
    expected = method(short, leads=MAIN).record.signal_mv
    others = [row for row, lead in enumerate(short.leads) if lead not in MAIN]
    signal = short.signal_mv.copy()
    signal[others] = value
    assert np.array_equal(method(replace(short, signal_mv=signal), leads=MAIN).record.signal_mv, expected)
    assert np.array_equal(method(short.select(MAIN)).record.signal_mv, expected)


def test_only_the_upper_reference_reads_the_truth(short):
    upper = load(method="per-patient")
    own = upper(short, leads=MAIN).record.signal_mv
    other = replace(short, signal_mv=np.where(np.isin(LEADS_12, MAIN)[:, None], short.signal_mv, -short.signal_mv))
    assert np.abs(upper(other, leads=MAIN).record.signal_mv - own).max() > 0.1
    with pytest.raises(ValueError, match="follow"):
        upper(short.select(MAIN))


def test_what_was_under_a_hole_has_no_influence(pipeline, short):
    expected = pipeline(holed(short, V1=slice(300, 600)), leads=MAIN).record.signal_mv
    signal = short.signal_mv.copy()
    signal[LEADS_12.index("V1"), 300:600] += 3
    changed = holed(replace(short, signal_mv=signal), V1=slice(300, 600))
    assert np.array_equal(pipeline(changed, leads=MAIN).record.signal_mv, expected)


# --- rates and lengths -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fs_hz", "seconds"),
    [
        (100.0, 10.0),
        (250.0, 10.0),
        (257.3, 10.0),
        (500.0, 10.0),
        (500.0, 1.0),
        (300.0, 9.0),
        (1000.0, 2.5),
        (360.0, 11.3),
    ],
)
def test_any_rate_and_length(pipeline, hearts, fs_hz, seconds):
    full = simulate([1], seed=5, fs_hz=500.0, duration_s=seconds).records()[0].at(fs_hz)
    assert full.num_samples == pytest.approx(fs_hz * seconds, abs=1)
    check_result(pipeline(full, leads=MAIN, num_samples=1), full, MAIN)


@pytest.mark.parametrize("num_samples", [501, 997, 1001, 4999, 5003])
def test_lengths_that_no_patch_divides(pipeline, num_samples):
    record = simulate([2], seed=5, duration_s=11.0).records()[0]
    record = replace(record, signal_mv=record.signal_mv[:, :num_samples])
    check_result(pipeline(record, leads=MAIN), record, MAIN)


def test_every_method_takes_another_rate(every_method, hearts):
    record = hearts[0].at(250.0)
    for name, method in every_method.items():
        assert method.predictor.name == name
        check_result(method(record, leads=MAIN), record, MAIN)


def test_a_minute_is_blended_without_steps(pipeline, every_method):
    minute = simulate([3], seed=5, duration_s=60.0).records()[0]
    result = pipeline(minute, leads=MAIN, num_samples=1)
    check_result(result, minute, MAIN)
    # Where windows begin and end, a lead moves no more from sample to sample than it does anywhere else.
    for signal in (result.record.signal_mv, result.samples[0].signal_mv, *result.bands[90]):
        step = np.abs(np.diff(signal[[LEADS_12.index(lead) for lead in ("I", "V3", "V6")]], axis=1))
        seams = np.arange(8 * 500, 60 * 500 - 500, 8 * 500)
        at_seams = max(step[:, s - 3 : s + 3].max() for s in seams)
        assert at_seams <= 1.05 * np.quantile(step, 0.9999)
    # A method without memory gives the same whether the record is cut or not.
    plain = every_method["least-squares"]
    parts = [
        plain(replace(minute, signal_mv=minute.signal_mv[:, a : a + 5000]), leads=MAIN) for a in range(0, 30000, 5000)
    ]
    whole = plain(minute, leads=MAIN).record.signal_mv
    np.testing.assert_allclose(whole, np.concatenate([p.record.signal_mv for p in parts], axis=1), atol=1e-5)


@given(size=st.integers(60, 90), overlap=st.integers(2, 10), hops=st.lists(st.integers(5, 10), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_windows_that_disagree_are_joined_without_a_step(size, overlap, hops):
    starts = [0, *np.cumsum([size - overlap - (10 - hop) for hop in hops]).tolist()]  # the last ones overlap more
    levels = [np.full((2, size), float(k % 2)) for k in range(len(starts))]
    joined = blend(starts, levels, overlap)
    assert joined.shape == (2, starts[-1] + size)
    # A window comes in with weight 1 of overlap + 1 and takes over from there.
    assert np.abs(np.diff(joined)).max() <= 1 / overlap + 1e-6
    assert joined.min() >= 0
    assert joined.max() <= 1
    truth = np.sin(np.arange(starts[-1] + size))[None]
    same = blend(starts, [truth[:, a : a + size] for a in starts], overlap)
    np.testing.assert_allclose(same, truth, atol=1e-6)


# --- seeds and batches -----------------------------------------------------------------------------------------------


def test_a_sample_depends_on_seed_number_and_record_alone(pipeline, hearts):
    group = hearts[:4]
    together = pipeline(group, leads=MAIN, num_samples=3, seed=7)
    for record, result in zip(group, together, strict=True):
        alone = pipeline(record, leads=MAIN, num_samples=2, seed=7)
        for a, b in zip(alone.samples, result.samples, strict=False):
            np.testing.assert_allclose(a.signal_mv, b.signal_mv, atol=1e-4)
            assert a.record_id == b.record_id
        np.testing.assert_allclose(alone.record.signal_mv, result.record.signal_mv, atol=1e-4)
    first = together[0].samples
    assert np.abs(first[0].signal_mv - first[1].signal_mv).max() > 1e-3
    assert (
        np.abs(pipeline(group[0], leads=MAIN, num_samples=1, seed=8).samples[0].signal_mv - first[0].signal_mv).max()
        > 1e-3
    )
    again = pipeline(group, leads=MAIN, num_samples=3, seed=7)
    assert all(np.array_equal(a.signal_mv, b.signal_mv) for a, b in zip(again[0].samples, first, strict=True))


@pytest.mark.parametrize("name", METHODS)
def test_batch_size_does_not_matter(every_method, hearts, name):
    method = every_method[name]
    records = [replace(r, signal_mv=r.signal_mv[:, :2000]) for r in hearts[:5]]
    one, five = (type(method)(method.predictor, method.calibration, size)(records, leads=MAIN) for size in (1, 5))
    for a, b in zip(one, five, strict=True):
        np.testing.assert_allclose(a.record.signal_mv, b.record.signal_mv, atol=1e-4)


def test_neither_batch_size_nor_threads_matter_for_whole_records(pipeline, hearts):
    """A sum over one record alone is split between threads: its last bit must not grow through bfloat16."""
    before, found = torch.get_num_threads(), {}
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            for size in (1, 6):
                method = type(pipeline)(pipeline.predictor, pipeline.calibration, size)
                found[threads, size] = [r.samples[0].signal_mv for r in method(hearts, leads=MAIN, num_samples=1)]
    finally:
        torch.set_num_threads(before)
    for signals in found.values():
        np.testing.assert_allclose(signals, found[1, 1], atol=1e-4)


def test_records_of_different_leads_rates_and_lengths_go_together(pipeline, hearts):
    mixed = [hearts[0].select(MAIN), hearts[1].select(("I", "aVF")).at(250.0), hearts[2].select(("III",))]
    mixed.append(replace(hearts[3], signal_mv=hearts[3].signal_mv[:, :777]))
    for record, result in zip(mixed, pipeline(mixed), strict=True):
        check_result(result, record, record.leads)
        np.testing.assert_allclose(result.record.signal_mv, pipeline(record).record.signal_mv, atol=1e-4)


# --- what comes back -------------------------------------------------------------------------------------------------


def test_the_result_says_what_it_is(pipeline, hearts):
    original = replace(hearts[0], synthetic=False)
    result = pipeline(original, leads=MAIN, num_samples=2)
    assert result.record.synthetic
    assert not original.synthetic
    facts = result.record.metadata
    assert facts["observed_leads"] == list(MAIN)
    assert facts["method"] == "default"
    assert len(facts["model"]) == 64
    assert result.record.patient == original.patient
    assert result.record.record_id == original.record_id
    for k, sample in enumerate(result.samples, 1):
        assert sample.synthetic
        assert sample.record_id == f"{original.record_id}_s{k:02d}"
        assert (sample.metadata["sample"], sample.metadata["sample_of"]) == (k, original.record_id)
    json.dumps(dict(facts))


def test_bands_widen_with_their_level_and_are_centred_on_the_mean(pipeline, short):
    result = pipeline(short, leads=MAIN)
    assert tuple(result.bands) == LEVELS
    widths = {level: upper - lower for level, (lower, upper) in result.bands.items()}
    hidden = ~result.observed
    assert (widths[90][hidden] > widths[50][hidden]).all()
    for lower, upper in result.bands.values():
        np.testing.assert_allclose((lower + upper) / 2, result.record.signal_mv, atol=1e-5)
    # III = II - I with II observed is as uncertain as I.
    np.testing.assert_allclose(widths[90][LEADS_12.index("III")], widths[90][LEADS_12.index("I")], rtol=1e-4)
    np.testing.assert_allclose(2 * widths[90][LEADS_12.index("aVR")], widths[90][LEADS_12.index("I")], rtol=1e-4)


def test_methods_without_uncertainty_state_none(every_method, short):
    for name in (*LINEAR, "wearecg"):
        assert every_method[name](short, leads=MAIN).bands == {}
        with pytest.raises(InputError, match="draws no samples"):
            every_method[name](short, leads=MAIN, num_samples=1)


def test_a_list_gives_a_list_and_nothing_gives_nothing(pipeline, short):
    assert len(pipeline([short], leads=MAIN)) == 1
    assert pipeline([]) == []


def test_the_caller_s_record_is_not_changed(pipeline, short):
    before = short.signal_mv.copy()
    pipeline(short, leads=MAIN, num_samples=1)
    assert np.array_equal(short.signal_mv, before)


# --- errors ----------------------------------------------------------------------------------------------------------


def test_unknown_methods_and_foreign_checkpoints(checkpoint, tmp_path):
    with pytest.raises(InputError, match=r"unknown method 'magic'; known: default, wearecg"):
        load(method="magic")
    with pytest.raises(InputError, match="not shipped"):
        load(method="wearecg")
    with pytest.raises(InputError, match=r"LeadVAE.*WearECG"):
        load(checkpoint, method="wearecg")
    with pytest.raises(InputError, match="takes no checkpoint"):
        load(checkpoint, method="dower")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "config.json").write_text('{"_class_name": "UNet1DModel"}')
    (foreign / "model.safetensors").write_bytes((checkpoint / "model.safetensors").read_bytes())
    with pytest.raises(InputError, match="UNet1DModel; expected LeadVAE or WearECG"):
        load(foreign)


def test_the_registry_finds_the_pipeline_by_name_and_by_checkpoint(checkpoint, short):
    by_folder = gen.load(checkpoint)(short, leads=MAIN).record
    assert np.array_equal(by_folder.signal_mv, load(checkpoint)(short, leads=MAIN).record.signal_mv)
    with pytest.raises(RegistryError, match="reconstruct"):
        gen.load("reconstrukt")


def test_wrong_calls(pipeline, short):
    for arguments, words in (
        ({"leads": ["X1"]}, "unknown lead 'X1'"),
        ({"leads": ["II", "ii"]}, "given twice"),
        ({"num_samples": -1}, "0 or more"),
    ):
        with pytest.raises(ValueError, match=words):
            pipeline(short, **arguments)
    with pytest.raises(InputError, match=r"none of the leads V1 in the file; it has I, II"):
        pipeline(short.select(("I", "II")), leads=["V1"])
