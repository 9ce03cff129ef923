"""The phantom: exact volumes, muscle that keeps its mass, motion in phase with the ECG, and an honest cohort."""

from dataclasses import replace

import numpy as np
import pytest

from gen.cine import LV_CAVITY, MYOCARDIUM, RV_CAVITY, mask_volume_ml
from gen.evaluation.cine_cohort import RARE, group_table
from gen.simulate import draw_heart, simulate
from gen.simulate.cine import anatomy_of, cines_of, group_of, simulate_cine, wall_thickness_mm
from gen.simulate.cine.ceiling import measure
from gen.simulate.cine.cohort import beat_of
from gen.simulate.cine.motion import ANGLES, filling, frame_times, timing_of
from gen.simulate.cine.right import _area, _ellipse, build_right
from gen.simulate.cine.tissue import bssfp_signal
from gen.simulate.cine.ventricle import build

_SMALL = {"frames": 10, "size": 48, "spacing_mm": 4.0}
_S = (np.arange(100) + 0.5) / 100


def pinned(*statements, index=0, seed=3):
    return draw_heart(seed, index, statements=statements)


def made(heart, frames=40, rr=0.9, left_block=False, **change):
    anatomy = replace(anatomy_of(heart), **change)
    timing = timing_of(
        anatomy,
        sex=heart.sex,
        rr_s=rr,
        qt_s=0.39,
        qrs_s=0.15 if left_block else 0.09,
        atrial_kick=True,
        left_block=left_block,
    )
    return build(anatomy, timing, frame_times(rr, frames)), timing


def integrated(left):
    """Cavity volume (ml) and muscle mass (g) of every frame on a finer grid than the model's own."""
    inner, outer = zip(*(left.cut(np.full(len(left.length_mm), s)) for s in _S), strict=True)
    inner, outer = np.square(inner).mean(axis=(0, 2)), np.square(outer).mean(axis=(0, 2))
    length = left.length_mm / 1e3
    return np.pi * inner * length, 1.05 * np.pi * (outer - inner) * length


@pytest.mark.parametrize("statements", [("NORM",), ("IMI",), ("CLBBB",), ("LVH",)])
def test_the_cavity_follows_the_volume_curve_and_muscle_keeps_its_mass(statements):
    heart = pinned(*statements)
    left, _ = made(heart, left_block="CLBBB" in statements)
    assert left.volume_ml[0] == pytest.approx(left.anatomy.edv_ml, rel=1e-6)
    assert left.volume_ml.min() == pytest.approx(left.anatomy.edv_ml * (1 - left.anatomy.ef), rel=0.01)
    volume, mass = integrated(left)
    np.testing.assert_allclose(volume, left.volume_ml, rtol=0.01)
    np.testing.assert_allclose(mass, left.anatomy.mass_g, rtol=0.01)


def test_the_mid_wall_thickens_as_measured_strain_says():
    left, _ = made(pinned("NORM"))
    end = int(left.volume_ml.argmin())
    inner, outer = left.cut(left.heights(0.55 * left.length_mm[0]))
    thick = (outer - inner).mean(axis=1)
    assert 1.25 < thick[end] / thick[0] < 1.75
    assert 0.55 < inner[end].mean() / inner[0].mean() < 0.8


def test_a_scar_stays_while_the_rest_moves():
    left, _ = made(pinned("IMI"), scar_width_rad=0.5, scar_depth=0.9, scar_deg=270.0, scar_level=0.45)
    end = int(left.volume_ml.argmin())
    inner, outer = left.cut(np.full(len(left.length_mm), 0.45))
    excursion = 1.0 - inner[end] / inner[0]
    thickening = (outer - inner)[end] / (outer - inner)[0]
    scar, remote = (round(np.deg2rad(d) / ANGLES[1]) for d in (270.0, 90.0))
    assert excursion[scar] < 0.4 * excursion[remote]
    assert thickening[scar] < thickening[remote]


def test_bundle_branch_block_delays_the_lateral_wall():
    left, _ = made(pinned("CLBBB"), frames=100, left_block=True)
    normal, _ = made(pinned("NORM"), frames=100)
    septum, lateral = (round(np.deg2rad(d) / ANGLES[1]) for d in (155.0, 335.0))

    def half_way(heart, angle):
        inner = heart.cut(np.full(100, 0.45))[0][:, angle]
        return np.flatnonzero(inner < 0.5 * (inner[0] + inner.min()))[0]

    assert half_way(left, lateral) - half_way(left, septum) >= 3
    assert abs(half_way(normal, lateral) - half_way(normal, septum)) <= 1
    early = left.cut(np.full(100, 0.45))[0]
    assert early[7, septum] < early[0, septum] - 1.0  # septal flash before ejection


def test_hypertrophic_septum():
    left, _ = made(pinned("NORM"), septal_mm=11.0, mass_g=230.0, group="HCM")
    inner, outer = left.cut(np.full(40, 0.3))
    wall = (outer - inner)[0]
    septum, lateral = (round(np.deg2rad(d) / ANGLES[1]) for d in (155.0, 335.0))
    assert wall[septum] > 15.0
    assert wall[septum] > 1.3 * wall[lateral]


@pytest.mark.parametrize("statements", [("NORM",), ("AMI",)])
def test_the_thickest_wall_is_that_of_the_slice(statements):
    heart = pinned(*statements)
    left, _ = made(heart, septal_mm=11.0)
    inner, outer = left.cut(np.full(40, 0.45))
    assert wall_thickness_mm(left.anatomy) == pytest.approx((outer - inner)[0].max(), rel=0.02)


@pytest.mark.parametrize("rr", [0.35, 0.6, 1.0, 1.6])
@pytest.mark.parametrize("kick", [True, False])
def test_filling_is_a_closed_curve_with_one_minimum_at_end_systole(rr, kick):
    anatomy = anatomy_of(pinned("NORM"))
    timing = timing_of(anatomy, sex="F", rr_s=rr, qt_s=float("nan"), qrs_s=0.09, atrial_kick=kick, left_block=False)
    t = frame_times(rr, 200)
    u = filling(timing, t)
    assert u[0] == pytest.approx(1.0)
    assert u[-1] == pytest.approx(1.0, abs=0.02)
    assert u.min() == pytest.approx(0.0, abs=1e-3)
    assert u.max() < 1.0 + 1e-9
    end = t[u.argmin()]
    assert abs(end - timing.end_systole_s) <= rr / 50
    assert (np.diff(u[: u.argmin()]) <= 1e-9).all()
    assert (np.diff(u[u.argmin() :]) >= -1e-9).all()


def test_end_systole_follows_rate_and_qt():
    anatomy = anatomy_of(pinned("NORM"))

    def end(**change):
        facts = {"rr_s": 0.9, "qt_s": 0.39, "qrs_s": 0.09} | change
        return timing_of(anatomy, sex="M", atrial_kick=True, left_block=False, **facts).end_systole_s

    assert end(qt_s=0.45) - end() == pytest.approx(0.06 * 0.6 * anatomy.es_share, rel=1e-6)
    assert end(rr_s=1.2) > end()
    # 0.82 of QS2 = 541 - 2.2 HR at 67/min is 323 ms.
    assert 0.26 < end() < 0.38


def test_the_right_ventricle_pumps_what_the_left_one_does():
    left, _ = made(pinned("NORM"))
    right = build_right(left)
    assert right.volume_ml.max() - right.volume_ml.min() == pytest.approx(np.ptp(left.volume_ml))
    drawn = np.zeros(len(left.length_mm))
    levels = np.linspace(0.02, 0.94, 33)
    for s in levels:
        outer = left.cut(np.full(len(drawn), s))[1]
        height = np.full(len(drawn), s)
        drawn += _area(_ellipse(height, right.contraction, outer.mean(axis=1), right.size), outer)
    drawn *= left.length_mm * 0.96 / len(levels) / 1e3
    np.testing.assert_allclose(drawn, right.volume_ml, rtol=0.08)


def test_ray_area_agrees_with_pixels():
    ellipse = np.array([[-30.0, 8.0, 40.0, 24.0, 1.2]])
    outer = np.full((1, len(ANGLES)), 30.0)
    x = np.arange(-120, 60, 0.5)
    u, v = np.meshgrid(x, x)
    cos, sin = np.cos(1.2), np.sin(1.2)
    a, b = ((u + 30) * cos + (v - 8) * sin) / 40, ((v - 8) * cos - (u + 30) * sin) / 24
    pixels = ((a * a + b * b < 1) & (np.hypot(u, v) > 30)).sum() * 0.25
    assert _area(ellipse, outer)[0] == pytest.approx(pixels, rel=0.03)


def test_bssfp_has_its_known_limits():
    # For TR << T1, T2 the steady state is PD sin a / (1 + cos a + (1 - cos a) T1/T2).
    flip = np.deg2rad(50)
    expected = np.sin(flip) / (1 + np.cos(flip) + (1 - np.cos(flip)) * 6.0)
    assert bssfp_signal(1.0, 1500, 250, tr_ms=0.01, flip_deg=50) == pytest.approx(expected, rel=1e-3)
    assert bssfp_signal(1.0, 1500, 250, tr_ms=3, flip_deg=50) > bssfp_signal(1.0, 1000, 50, tr_ms=3, flip_deg=50)


def test_a_record_is_the_same_whatever_the_batch():
    together = simulate_cine([4, 9, 2], seed=11, **_SMALL)
    alone = simulate_cine([9], seed=11, **_SMALL)[0]
    assert together[1].frames.tobytes() == alone.frames.tobytes()
    assert together[1].masks.tobytes() == alone.masks.tobytes()
    other_visit = simulate_cine([9], seed=11, visit=1, **_SMALL)[0]
    assert other_visit.edv_ml == pytest.approx(alone.edv_ml)
    assert not np.array_equal(other_visit.frames, alone.frames)


def test_it_is_the_heart_of_the_ecg_of_the_same_visit():
    batch = simulate([5, 6], seed=2, visit=1, conditions={"heart_rate": 90})
    cines = cines_of(batch, **_SMALL)
    for heart, truth, cine in zip(batch.hearts, batch.truth, cines, strict=True):
        assert cine.rr_s == pytest.approx(np.median(truth.rr_s))
        assert cine.patient.id == heart.id
        assert cine.record_id == f"{heart.id}-1"
        assert cine.synthetic
        anatomy = anatomy_of(heart)
        assert cine.lv_mass_g == anatomy.mass_g
        end = beat_of(heart, truth, anatomy).end_systole_s
        assert abs(cine.frame_times_s[cine.end_systole] - end) <= cine.rr_s / 10
    again = simulate_cine([5, 6], seed=2, visit=1, conditions={"heart_rate": 90}, **_SMALL)
    np.testing.assert_array_equal(again[1].rr_s, cines[1].rr_s)


def test_stack_masks_measure_the_volume_curve():
    cine = simulate_cine([0], seed=3, frames=8, levels="stack")[0]
    assert (np.diff(cine.slice_positions_mm) == 10.0).all()
    np.testing.assert_allclose(mask_volume_ml(cine), cine.lv_volume_ml, rtol=0.08)
    np.testing.assert_allclose(mask_volume_ml(cine, RV_CAVITY), cine.rv_volume_ml, rtol=0.15)
    assert 1.05 * mask_volume_ml(cine, MYOCARDIUM)[0] == pytest.approx(cine.lv_mass_g, rel=0.12)


def test_levels_contrast_and_loop():
    three = simulate_cine([1], seed=3, levels="three", frames=20)[0]
    assert three.frames.shape == (3, 20, 96, 96)
    assert three.frames.min() == 0.0
    assert three.frames.max() == 1.0
    area = (three.masks == LV_CAVITY).sum(axis=(1, 2, 3))
    assert area[2] < area[1]
    mid = three.select_slices([1])
    blood = mid.frames[mid.masks == LV_CAVITY].mean()
    muscle = mid.frames[mid.masks == MYOCARDIUM].mean()
    assert 0.15 < muscle / blood < 0.6
    steps = np.sqrt((np.diff(mid.frames[0], axis=0) ** 2).mean(axis=(1, 2)))
    back = np.sqrt(((mid.frames[0, 0] - mid.frames[0, -1]) ** 2).mean())
    assert back < 1.2 * steps.mean()


def test_wishes_are_checked():
    with pytest.raises(ValueError, match="accepted: mid, three, stack"):
        simulate_cine([0], seed=0, levels="all")
    with pytest.raises(ValueError, match="at least 4"):
        simulate_cine([0], seed=0, frames=1)
    with pytest.raises(ValueError, match="condition"):
        simulate_cine([0], seed=0, conditions={"ef": 0.5})


def test_groups_differ_as_real_ones_do():
    table = group_table(500, seed=1)
    for group, quantity, low, high in [
        ("normal M", "edv_ml", 150, 185),
        ("normal M", "mass_g", 92, 122),
        ("normal M", "ef", 55, 62),
        ("normal F", "edv_ml", 108, 145),
        ("normal F", "mass_g", 60, 84),
        ("normal F", "ef", 58, 65),
        ("HCM", "mass_index", 110, 140),
        ("HCM", "ef", 58, 75),
        ("DCM", "ef", 20, 38),
        ("DCM", "edv_index", 105, 140),
        ("MI", "ef", 33, 48),
        ("MI", "shortening", 5, 11),
    ]:
        assert low < table[group][quantity][0] < high, (group, quantity, table[group])


def test_atrial_fibrillation_has_no_atrial_kick():
    heart = pinned("AFIB")
    batch = simulate([0], seed=3, conditions={"statements": ["AFIB"]})
    timing = beat_of(heart, batch.truth[0], anatomy_of(heart))
    assert timing.early_share == 1.0
    assert group_of(pinned("IMI")) == "MI"


def test_an_ecg_tells_no_more_than_a_real_one():
    """The honesty bound, and its other side: another patient's ECG tells nothing."""
    found = measure(500, seed=5, boosting=False)
    for name, information in found.items():
        assert information.r2 <= information.ceiling, name
        assert information.shuffled < 0.02, name
    assert 0.45 < found["lv_mass_g"].r < 0.79
    assert found["lv_edv_ml"].r2 > 0.03


def test_the_honesty_bound_can_fail():
    """A heart whose mass is written into the ECG breaks the ceiling."""
    from gen.simulate.cine.ceiling import CEILINGS, _information

    rng = np.random.default_rng(0)
    mass = rng.normal(100, 20, 300)
    leaky = np.column_stack([mass + rng.normal(0, 5, 300), rng.standard_normal((300, 5))])
    assert _information(leaky, mass, CEILINGS["lv_mass_g"], 0, False, 5).r2 > CEILINGS["lv_mass_g"]


def test_rare_statements_are_known():
    assert draw_heart(0, 0, oversample=RARE)
