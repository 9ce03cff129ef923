"""ECG parameters: formulas against hand-worked values, accuracy against simulated truth, behaviour on bad signals."""

import csv
import json
import math

import numpy as np
import pytest

from gen.leads import LEADS_8, LEADS_12, to_12
from gen.records import EcgRecord, InputError
from gen.simulate import simulate
from metrics.distribution.ecg_parameters import VECTOR_NAMES, ParameterFeatures, feature_matrix, parameter_vector
from metrics.measurement.amplitudes import amplitudes, axis
from metrics.measurement.beats import associate, intervals
from metrics.measurement.delineation.segments import Segments
from metrics.measurement.parameters import FAILURES, Parameters, coverage
from metrics.measurement.records import measure_and_delineate, measure_records


@pytest.fixture(scope="module")
def simulated():
    return simulate(range(48), seed=77, noise="light")


@pytest.fixture(scope="module")
def measured(simulated):
    return measure_records(simulated.signal_mv, 500, LEADS_8)


def _segments(*pairs):
    onset, offset = np.array(pairs, dtype=float).reshape(-1, 2).T
    return Segments(onset, offset, offset - onset)


def test_corrected_qt_follows_the_published_formulas():
    p = Parameters(qt_ms=400.0, rr_ms=800.0, hr_bpm=75.0)
    assert p.qtcb_ms == pytest.approx(400 / math.sqrt(0.8))
    assert p.qtcf_ms == pytest.approx(400 / 0.8 ** (1 / 3))
    assert p.qtcfra_ms == pytest.approx(400 + 154 * 0.2)
    assert p.qtch_ms == pytest.approx(400 + 1.75 * 15)


def test_at_sixty_per_minute_no_formula_corrects():
    p = Parameters(qt_ms=410.0, rr_ms=1000.0, hr_bpm=60.0)
    assert {round(v, 9) for v in (p.qtcb_ms, p.qtcf_ms, p.qtcfra_ms, p.qtch_ms)} == {410.0}


@pytest.mark.parametrize(("lead_i", "avf", "degrees"), [(1, 0, 0), (0, 1, 90), (-1, 0, 180), (0, -1, -90)])
def test_axis_keeps_its_quadrant(lead_i, avf, degrees):
    area = np.zeros(12)
    area[LEADS_12.index("I")], area[LEADS_12.index("aVF")] = lead_i, avf
    assert axis(area) == pytest.approx(degrees)


def test_axis_of_a_dipole_is_its_angle():
    for angle in np.radians([-150, -60, -10, 30, 75, 120, 170]):
        area = np.full(12, np.nan)
        area[LEADS_12.index("I")] = np.cos(angle)
        area[LEADS_12.index("aVF")] = np.sin(angle) * np.sqrt(3) / 2  # aVF is a shorter lead than I by this factor
        assert axis(area) == pytest.approx(np.degrees(angle))


def test_voltage_criteria_add_the_named_leads():
    r, s = np.zeros(12), np.zeros(12)
    r[LEADS_12.index("V5")], r[LEADS_12.index("V6")], s[LEADS_12.index("V1")] = 2.0, 1.5, 1.8
    r[LEADS_12.index("aVL")], s[LEADS_12.index("V3")] = 0.9, 2.1
    p = Parameters(r_mv=r, s_mv=s)
    assert (p.sokolow_mv, p.cornell_mv) == (pytest.approx(3.8), pytest.approx(3.0))


def test_beats_take_the_last_p_before_and_the_t_after():
    p = _segments((0.10, 0.18), (0.60, 0.70), (1.60, 1.70))
    qrs = _segments((0.80, 0.90), (1.80, 1.90))
    t = _segments((1.05, 1.25), (2.05, 2.25))
    beats = associate(p, qrs, t)
    np.testing.assert_allclose(beats.p_on, [0.6, 1.6])
    np.testing.assert_allclose(beats.t_off, [1.25, 2.25])
    found = intervals(beats, beats)
    assert found["pr_ms"] == pytest.approx(200)
    assert found["qrs_ms"] == pytest.approx(100)
    assert found["qt_ms"] == pytest.approx(450)
    assert found["hr_bpm"] == pytest.approx(60)


def test_p_waves_at_changing_distance_give_no_pr():
    qrs = _segments(*((k, k + 0.1) for k in np.arange(1.0, 9.0)))
    shift = np.array([0.12, 0.4, 0.25, 0.1, 0.35, 0.2, 0.42, 0.15])
    p = _segments(*((on - d, on - d + 0.05) for on, d in zip(qrs.onset, shift, strict=True)))
    beats = associate(p, qrs, _segments((1.2, 1.4)))
    assert "pr_ms" not in intervals(beats, beats)


def test_amplitudes_of_triangles_are_their_heights():
    fs, leads = 500.0, 1
    signal = np.zeros((leads, 5000), np.float32)
    qrs = _segments(*((k, k + 0.1) for k in (1.0, 2.0, 3.0)))
    for on in qrs.onset:
        i = int(on * fs)
        signal[0, i : i + 50] = np.interp(np.arange(50), [0, 10, 20, 35, 49], [0, -0.1, 1.0, -0.4, 0])
        signal[0, i + 50 : i + 125] = 0.05
        signal[0, i + 125 : i + 200] = np.interp(np.arange(75), [0, 37, 74], [0, 0.3, 0])
    t = _segments(*((on + 0.25, on + 0.4) for on in qrs.onset))
    found = amplitudes(signal, fs, associate(_segments(), qrs, t))
    assert found["q_mv"][0] == pytest.approx(0.1, abs=0.01)
    assert found["r_mv"][0] == pytest.approx(1.0, abs=0.03)
    assert found["s_mv"][0] == pytest.approx(0.4, abs=0.02)
    assert found["st_mv"][0] == pytest.approx(0.05, abs=0.005)
    assert found["t_mv"][0] == pytest.approx(0.3, abs=0.01)
    assert np.isnan(found["p_mv"][0])


@pytest.mark.parametrize(
    ("name", "limit"), [("hr_bpm", 0.5), ("pr_ms", 8.0), ("qrs_ms", 8.0), ("qt_ms", 10.0), ("axis_deg", 6.0)]
)
def test_median_error_against_simulated_truth(simulated, measured, name, limit):
    error = np.array([getattr(p, name) - getattr(t, name) for p, t in zip(measured, simulated.truth, strict=True)])
    if name == "axis_deg":
        error = (error + 180) % 360 - 180
    assert np.isfinite(error).mean() > 0.7
    assert np.nanmedian(np.abs(error)) < limit


def test_atrial_fibrillation_has_no_p_and_an_irregular_rhythm():
    batch = simulate(range(12), seed=5, noise="light", conditions={"statements": ["AFIB"]})
    found = measure_records(batch.signal_mv, 500)
    assert np.nanmedian([p.p_present for p in found]) < 0.2
    assert np.median([p.rr_cv for p in found]) > 0.1
    assert sum(np.isfinite(p.pr_ms) for p in found) <= 3


def test_each_record_depends_on_itself_alone(simulated, measured):
    order = [5, 0, 17]
    again = measure_records(simulated.signal_mv[order], 500, LEADS_8)
    for k, p in zip(order, again, strict=True):
        np.testing.assert_allclose(parameter_vector(p), parameter_vector(measured[k]), rtol=0.02, atol=0.02)


def test_eight_and_twelve_leads_and_record_objects_agree(simulated, measured):
    records = simulated.records()[:4]
    for way in (measure_records(records), measure_records(to_12(simulated.signal_mv[:4]), 500)):
        for one, other in zip(way, measured[:4], strict=True):
            np.testing.assert_allclose(parameter_vector(one), parameter_vector(other), rtol=0.02, atol=0.02)


def test_any_rate_and_any_lead_set(simulated, measured):
    records = [r.at(300).select(["II"]) for r in simulated.records()[:6]]
    found = measure_records(records)
    error = [abs(p.hr_bpm - m.hr_bpm) for p, m in zip(found, measured[:6], strict=True)]
    assert np.nanmedian(error) < 1
    assert all(np.isnan(p.axis_deg) and np.isnan(p.sokolow_mv) for p in found)


def _bad(kind):
    signal = np.zeros((12, 5000), np.float32)
    if kind == "missing":
        signal[:] = np.nan
    if kind == "too_short":
        signal = signal[:, :300]
    if kind == "few_beats":
        signal += np.linspace(0, 1, 5000, dtype=np.float32)
    return signal


@pytest.mark.parametrize("kind", ["flat", "missing", "too_short", "few_beats"])
def test_bad_signals_get_a_reason_and_nan(kind):
    (found,) = measure_records(_bad(kind)[None], 500)
    assert found.failure == kind
    assert kind in FAILURES
    assert np.isnan([found.hr_bpm, found.qt_ms, found.axis_deg]).all()
    assert coverage([found])["hr_bpm"] == 0


def test_noise_is_not_called_an_ecg(rng):
    found = measure_records(0.2 * rng.standard_normal((6, 12, 5000)), 500)
    assert all(p.failure in ("noise", "few_beats") for p in found)


def test_one_bad_record_leaves_its_neighbours_alone(simulated, measured):
    block = simulated.signal_mv[:3].copy()
    block[1] = np.nan
    found = measure_records(block, 500)
    assert [p.failure for p in found] == [None, "missing", None]
    assert found[2].hr_bpm == pytest.approx(measured[2].hr_bpm, rel=0.01)


def test_arrays_must_say_what_they_are():
    with pytest.raises(InputError, match="sampling rate"):
        measure_records(np.zeros((1, 12, 5000)))
    with pytest.raises(InputError, match="without names"):
        measure_records(np.zeros((1, 5, 5000)), 500)
    with pytest.raises(InputError, match="shape"):
        measure_records(np.zeros((12, 5000)), 500)


def test_features_are_finite_and_complete(simulated, measured):
    assert len(parameter_vector(measured[0])) == len(VECTOR_NAMES)
    features = feature_matrix([*measured, Parameters(failure="flat")])
    assert features.shape == (len(measured) + 1, ParameterFeatures.dim)
    assert np.isfinite(features).all()
    assert features[-1, -1] == 0
    extractor = ParameterFeatures()
    np.testing.assert_allclose(extractor(simulated.signal_mv[:3], 500), features[:3], atol=0.05)
    assert len(extractor.digest) == 64


def test_waves_come_with_the_parameters(simulated):
    (found,) = measure_and_delineate(simulated.records()[:1], per_lead=True)
    parameters, waves = found
    assert waves is not None
    assert set(waves.per_lead) == set(LEADS_12)
    kinds = [w.kind for w in waves.waves("global")]
    assert kinds.count("QRS") == parameters.beats
    assert all(w.onset <= w.peak <= w.offset for lead in ("global", "V2") for w in waves.waves(lead))


def _run(arguments, capsys):
    import typer

    from metrics.commands.measure import measure

    app = typer.Typer()
    app.command()(measure)
    try:
        status = app(args=arguments, standalone_mode=False)
    except typer.Exit as stop:
        status = stop.exit_code
    return status or 0, capsys.readouterr()


def test_command_writes_the_tables_of_the_contract(tmp_path, capsys, simulated):
    from gen.io import write

    write(simulated.records()[:3], tmp_path / "set", format="wfdb")
    out, beats = tmp_path / "PARAMS.csv", tmp_path / "BEATS.csv"
    arguments = [str(tmp_path / "set"), "--out", str(out), "--beats", str(beats), "--json"]
    status, captured = _run(arguments, capsys)
    assert status == 0
    assert json.loads(captured.out)["counts"]["records"] == 3
    rows = list(csv.DictReader(out.open()))
    intervals_and_more = "hr_bpm pr_ms qrs_ms qt_ms qtcb_ms qtcf_ms axis_deg sokolow_mv cornell_mv rr_cv p_present"
    contract = ["record", *intervals_and_more.split(), "quality", "failure"]
    assert list(rows[0]) == [*contract, "rr_ms", "sdnn_ms", "rmssd_ms", "pnn50", "rr_lag1", "rhythm"]
    (first, *_) = json.loads(captured.out)["measured"]
    assert first["record"] == rows[0]["record"]
    assert first["hr_bpm"] == pytest.approx(float(rows[0]["hr_bpm"]), abs=0.1)
    assert set(first["rhythm"]) == {"code", "statement", "atrial_bpm"}
    assert {beat["kind"] for beat in first["beats"]} <= {"normal", "ventricular", "atrial", "paced", "unknown"}
    waves = list(csv.DictReader(beats.open()))
    assert list(waves[0]) == ["record", "lead", "wave", "onset", "peak", "offset"]
    assert {w["lead"] for w in waves} == {"global", *LEADS_12}
    assert {w["wave"] for w in waves} <= {"P", "QRS", "T"}
    assert all(0 <= int(w["onset"]) <= int(w["offset"]) < 5000 for w in waves)


def test_command_goes_on_past_a_bad_file(tmp_path, capsys, simulated):
    from gen.io import write

    write(simulated.records()[:2], tmp_path / "set", format="wfdb")
    next((tmp_path / "set").rglob("*.dat")).write_bytes(b"12")
    flat = EcgRecord(np.zeros((12, 5000)), 500, LEADS_12, record_id="flat")
    write([flat], tmp_path / "more", format="npz")
    out = tmp_path / "PARAMS.csv"
    status, captured = _run([str(tmp_path / "set"), str(tmp_path / "more"), "--out", str(out)], capsys)
    assert status == 2
    assert captured.err.count("physiogen:") == 1
    rows = list(csv.DictReader(out.open()))
    assert len(rows) == 2
    assert rows[-1]["failure"] == "flat"
    assert rows[-1]["hr_bpm"] == ""


def test_command_leaves_nothing_behind_when_nothing_is_readable(tmp_path, capsys):
    (tmp_path / "broken.hea").write_text("broken 12 500 5000\n")
    with pytest.raises(InputError):
        _run([str(tmp_path / "broken.hea"), "--out", str(tmp_path / "P.csv")], capsys)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken.hea"]


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e6, 1e30, np.nan])
def test_wild_values_do_not_raise(simulated, value):
    signal = simulated.signal_mv[:2].copy()
    signal[0, 2, 1000:1010] = value
    signal[1, :, ::3] = value
    found = measure_records(signal, 500)
    assert all(p.failure is None or p.failure in FAILURES for p in found)


def test_one_lead_lost_costs_little(simulated, measured):
    signal = simulated.signal_mv[:6].copy()
    signal[:, 0] = np.nan
    error = [abs(p.qrs_ms - m.qrs_ms) for p, m in zip(measure_records(signal, 500), measured[:6], strict=True)]
    assert np.median(error) < 12
