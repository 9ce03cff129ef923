"""Beats: what is measured is what was drawn, noise has the power it is given, the sampler is exact where it can be."""

import numpy as np
import pytest
import torch
from made_beats import fitted_code, some_habits, some_shape

from diffusion.beat_pipeline import STEPS
from diffusion.beats.code import WIDTH, with_axis, with_intervals, with_larger_p
from diffusion.beats.compose import compose
from diffusion.beats.criteria import axis_of, measured_shape, turn_to, unmet
from diffusion.beats.measure import forms_of, observed_beats
from diffusion.beats.network import BeatDenoiser, draw_vectors
from diffusion.beats.noise import BANDS, EDGES_HZ, draw_fine, draw_rest, fine_power
from diffusion.beats.plausible import QRS_MV, fault, strip_fault
from diffusion.beats.shape import LEAD_IN, POINTS, QRS, BeatShape, ends, strip, stt_stretch
from diffusion.beats.variation import band_power, measure_variation
from diffusion.conditions.batch import collate
from diffusion.conditions.condition import Condition
from diffusion.rhythm.plan import BeatKind, BeatPlan
from gen.randomness import Stream, seeded_normal

FS_HZ = 500.0


def some_plan(shape: BeatShape, rr_s: float = 0.8, duration_s: float = 10.0) -> BeatPlan:
    times = np.arange(0.5, duration_s - 0.45, rr_s)
    return BeatPlan(
        times_s=times,
        kinds=np.zeros(len(times), dtype=np.int8),
        pr_s=np.full(len(times), shape.pr_s),
        p_times_s=times + shape.on_s - shape.pr_s,
        duration_s=duration_s,
        onset_to_reference_s=-shape.on_s,
    )


def drawn_strip(shape: BeatShape, plan: BeatPlan) -> np.ndarray:
    forms = ["own"] * len(plan)
    return strip({"own": shape}, plan.times_s, forms, plan.p_times_s, plan.previous_rr_s(), 5000, FS_HZ)


def test_a_drawn_beat_is_measured_as_it_was_drawn() -> None:
    shape = some_shape()
    plan = some_plan(shape)
    found = observed_beats(drawn_strip(shape, plan), FS_HZ, plan, (0.095, 0.40, 0.1))
    assert found is not None
    assert found.has_p
    own = found.shapes["own"]
    assert np.abs(own.qrst - shape.qrst).max() < 0.02
    assert np.abs(own.p - shape.p).max() < 0.02
    rest = drawn_strip(shape, plan) - found.strip(5000, FS_HZ)
    assert (rest**2).sum() < 1e-3 * (drawn_strip(shape, plan) ** 2).sum()


def test_a_wide_complex_is_the_same_form_in_a_longer_time() -> None:
    narrow, wide = some_shape(), some_shape(off_s=0.055 + 0.095)
    plan = some_plan(narrow)
    a, b = drawn_strip(narrow, plan), drawn_strip(wide, plan)
    # QRS takes twice as long: its area doubles.
    first = slice(round((plan.times_s[0] - 0.045) * FS_HZ), round((plan.times_s[0] + 0.055) * FS_HZ))
    longer = slice(first.start, round((plan.times_s[0] + 0.150) * FS_HZ))
    assert b[:, longer].sum() == pytest.approx(2 * a[:, first].sum(), rel=0.1)


def test_repolarisation_follows_the_rate() -> None:
    steady = stt_stretch(np.full(30, 0.8), 0.8)
    assert np.allclose(steady, 1)
    slower = stt_stretch(np.full(30, 1.2), 0.8)
    assert slower[-1] == pytest.approx((1.2 / 0.8) ** 0.35, rel=0.01)
    assert (np.diff(slower) >= 0).all()


def test_noise_has_the_power_it_is_given() -> None:
    rng = np.random.default_rng(1)
    power = np.zeros((2, 8, BANDS)) + 1e-9
    power[0] *= np.logspace(3, 0, BANDS) * np.linspace(1, 4, 8)[:, None]
    agreement = np.tile(np.eye(8), (2, BANDS, 1, 1))
    parts = [draw_rest(rng, power, agreement, 0.0, np.zeros(5000), 5000, FS_HZ) for _ in range(12)]
    everywhere = np.ones(5000, dtype=bool)
    measured = np.mean([band_power(x, FS_HZ, everywhere, everywhere)[0] for x in parts], axis=0)
    # Narrow bands leak into their neighbours at the ends of the strip; what is slow swells.
    broad = [b for b in range(BANDS) if EDGES_HZ[b + 1] - EDGES_HZ[b] > 2.5 and EDGES_HZ[b] > 12]
    ratio = measured[:, broad] / power[0][:, broad]
    assert np.abs(np.log(ratio)).max() < 0.35


def test_noise_of_complexes_stays_in_them() -> None:
    rng = np.random.default_rng(2)
    power = np.zeros((2, 8, BANDS)) + 1e-12
    power[1] = 1e-4
    gate = np.zeros(5000)
    gate[1000:1100] = 1
    noise = draw_rest(rng, power, np.tile(np.eye(8), (2, BANDS, 1, 1)), 0.0, gate, 5000, FS_HZ)
    assert np.std(noise[:, 1000:1100]) > 30 * np.std(noise[:, 1200:])


def test_fine_structure_has_the_power_it_is_given() -> None:
    rng = np.random.default_rng(3)
    power = np.full((8, BANDS), 1e-5)
    agreement = np.tile(np.eye(8), (BANDS, 1, 1))
    found = np.mean([fine_power(draw_fine(rng, power, agreement, 0.1), 0.1) for _ in range(200)], axis=0)
    filled = np.flatnonzero(found[0] > 1e-9)[:-1]  # the last band ends with the grid
    assert len(filled) >= 7
    assert np.allclose(found[:, filled], 1e-5, rtol=0.4)


def test_mixing_of_beats_is_measured() -> None:
    shape = some_shape()
    plan = some_plan(shape)
    still, _ = measure_variation(*_observed(shape, plan, 0.0))
    moved, _ = measure_variation(*_observed(shape, plan, 0.2))
    assert still.size < 0.02 < moved.size


def _observed(shape: BeatShape, plan: BeatPlan, size: float):
    rng = np.random.default_rng(4)
    signal = np.zeros((8, 5000))
    for k in range(len(plan)):
        one = some_plan(shape)
        gain = 1 + size * rng.standard_normal()
        part = BeatPlan(
            times_s=one.times_s[k : k + 1],
            kinds=one.kinds[k : k + 1],
            pr_s=one.pr_s[k : k + 1],
            p_times_s=one.p_times_s[k : k + 1],
            duration_s=10.0,
            onset_to_reference_s=one.onset_to_reference_s,
        )
        signal += drawn_strip(shape.mixed(gain * np.eye(8)), part)
    found = observed_beats(signal, FS_HZ, plan, (0.095, 0.40, 0.1))
    assert found is not None
    return signal, FS_HZ, found


def test_a_code_gives_beats_back() -> None:
    code = fitted_code()
    shape, habits = some_shape(0.8), some_habits()
    vector = code.vector(shape, habits)
    again = code.shape(vector, 0.8)
    assert np.abs(again.qrst - shape.qrst).max() < 0.05
    assert (again.off_s - again.on_s, again.t_off_s) == pytest.approx((0.095, 0.36), abs=2e-3)
    back = code.habits(vector)
    assert back.mixing == pytest.approx(habits.mixing, rel=0.01)
    larger = code.shape(with_larger_p(code, vector, 1.2), 0.8)
    assert np.abs(larger.p).max() / np.abs(again.p).max() == pytest.approx(1.2, rel=0.02)
    assert np.array_equal(larger.qrst, again.qrst)
    changed = code.shape(with_intervals(code, vector, 150.0, None, 220.0), 0.8)
    assert changed.off_s - changed.on_s == pytest.approx(0.150, abs=1e-3)
    assert changed.pr_s == pytest.approx(0.220, abs=1e-3)


class _Known(torch.nn.Module):
    """The exact v of data that is a single point."""

    def __init__(self, point: torch.Tensor) -> None:
        super().__init__()
        self.point = point

    def told(self, condition, form, reference):
        del condition, form, reference

    def predict(self, x, phi, told):
        del told
        phi = phi[:, None]
        noise = (x - phi.cos() * self.point) / phi.sin().clamp_min(1e-6)
        return phi.cos() * noise - phi.sin() * self.point


def test_the_sampler_finds_a_point() -> None:
    point = torch.linspace(-2, 2, WIDTH)[None]
    conditions = collate([Condition(text="normal ECG")] * 3)
    nothing = torch.full((3, WIDTH), torch.nan)
    seeds = torch.arange(3)
    found = draw_vectors(_Known(point), conditions, torch.zeros(3, dtype=torch.int64), nothing, seeds, steps=8)  # type: ignore[arg-type]
    assert torch.allclose(found, point.expand(3, -1), atol=0.05)


def test_unit_normal_data_stay_noise() -> None:
    model = BeatDenoiser(width=32, depth=1, condition_width=32)  # its head is zero: exact for unit normal data
    conditions = collate([Condition(text="normal ECG")] * 2)
    nothing = torch.full((2, WIDTH), torch.nan)
    seeds = torch.tensor([5, 6])
    drawn = draw_vectors(model.eval(), conditions, torch.zeros(2, dtype=torch.int64), nothing, seeds, steps=4)
    assert torch.equal(drawn, seeded_normal((WIDTH,), seeds, stream=Stream.BEAT))


class _Normal(_Known):
    """The exact v of normal data with a standard deviation for each number."""

    def predict(self, x, phi, told):
        del told
        cos, sin = phi.cos()[:, None], phi.sin()[:, None]
        return x * cos * sin * (1 - self.point**2) / (cos**2 * self.point**2 + sin**2)


def test_spread_of_data_is_kept_in_the_steps_that_beats_are_drawn_in() -> None:
    spread = torch.linspace(0.3, 1.6, WIDTH)[None]
    conditions = collate([Condition(text="normal ECG")] * 2)
    nothing, seeds = torch.full((2, WIDTH), torch.nan), torch.tensor([5, 6])
    form = torch.zeros(2, dtype=torch.int64)
    ratio = {}
    for steps in (STEPS, 2 * STEPS):
        drawn = draw_vectors(_Normal(spread), conditions, form, nothing, seeds, steps=steps)
        ratio[steps] = (drawn / (spread * seeded_normal((WIDTH,), seeds, stream=Stream.BEAT)) - 1).abs()
    assert ratio[STEPS].max() < 0.06
    assert ratio[STEPS][:, WIDTH // 2 :].max() < 0.005
    assert ratio[2 * STEPS].max() < 0.35 * ratio[STEPS].max()  # of second order


def test_loss_leaves_out_what_is_not_known() -> None:
    model = BeatDenoiser(width=32, depth=1, condition_width=32)
    batch = {
        "vector": torch.randn(4, WIDTH),
        "mask": torch.ones(4, WIDTH, dtype=torch.bool),
        "form": torch.zeros(4, dtype=torch.int64),
        "reference": torch.full((4, WIDTH), torch.nan),
        "sample_seed": torch.arange(4),
        **collate([Condition(text="normal ECG", age=50)] * 4).as_dict(),
    }
    batch["mask"][:, 10:20] = False
    first = model.loss(batch)["loss"]
    batch["vector"] = batch["vector"].clone()
    batch["vector"][:, 10:20] = 1e3
    assert model.loss(batch)["loss"].item() == first.item()


def test_impossible_beats_are_named() -> None:
    assert fault(some_shape()) == ""
    assert "QRS of" in fault(some_shape(2 * QRS_MV))
    assert "ms" in fault(some_shape(off_s=0.3))


def test_forms_follow_kinds() -> None:
    kinds = np.array([BeatKind.NORMAL] * 4 + [BeatKind.VENTRICULAR], dtype=np.int8)
    assert forms_of(kinds) == ["own"] * 4 + ["other"]
    assert forms_of(np.full(5, BeatKind.PACED, dtype=np.int8)) == ["own"] * 5


def test_without_noise_all_beats_have_one_baseline() -> None:
    code = fitted_code()
    shape = some_shape()
    plan = some_plan(shape)
    habits = some_habits()
    clean = compose(code, {"own": shape}, habits, plan, np.random.default_rng(0), 5000, FS_HZ, clean=True)
    noisy = compose(code, {"own": shape}, habits, plan, np.random.default_rng(0), 5000, FS_HZ)
    before = slice(0, round((plan.times_s[0] - 0.30) * FS_HZ))
    assert not clean.signal_mv[:, before].any()
    assert noisy.signal_mv[:, before].any()
    assert clean.signal_mv[:, LEAD_IN + QRS :].any()


def test_faults_of_strips_are_named() -> None:
    plan = some_plan(some_shape())
    good = drawn_strip(some_shape(), plan)
    assert strip_fault(good, plan, FS_HZ) == ""
    assert "mV" in strip_fault(20 * good, plan, FS_HZ)
    assert "wanders" in strip_fault(good + np.linspace(-2, 2, good.shape[1]), plan, FS_HZ)


def axis_shape(axis_deg: float) -> BeatShape:
    """All of QRS along one frontal direction."""
    wave = np.exp(-0.5 * ((np.linspace(0, 1, POINTS) - 0.25) / 0.035) ** 2)
    angle = np.deg2rad(axis_deg)
    leads = np.zeros(8)
    leads[0], leads[1] = np.cos(angle), np.cos(angle - np.pi / 3)
    leads[2:] = 0.3
    shape = some_shape()
    return BeatShape(leads[:, None] * wave * ends(), shape.p, *(getattr(shape, t) for t in TIMES))


TIMES = ("on_s", "off_s", "t_off_s", "pr_s", "rr_s")


@pytest.mark.parametrize("axis", [-60.0, 0.0, 45.0, 110.0])
def test_the_axis_of_a_form_is_read_off_it(axis: float) -> None:
    assert measured_shape(axis_shape(axis)).axis_deg == pytest.approx(axis, abs=1)


def test_a_beat_is_held_to_what_was_asked_for() -> None:
    fascicular = Condition(text="left anterior fascicular block")
    assert unmet(axis_shape(-60), fascicular, 0.5) == []
    assert unmet(axis_shape(20), fascicular, 0.5) == ["LAFB"]
    # A number goes before the finding, and a tolerance belongs to it.
    numbered = Condition(text="left anterior fascicular block", axis_deg=20)
    assert unmet(axis_shape(28), numbered, 0.5) == []
    assert unmet(axis_shape(-60), numbered, 0.5) == ["axis_deg"]
    # An axis that would show the finding is not enough of an excuse for a form that does not.
    borderline = Condition(text="left anterior fascicular block", axis_deg=-36)
    assert unmet(axis_shape(-38), borderline, 0.5) == []
    assert unmet(axis_shape(-26), borderline, 0.5) == ["LAFB"]
    # Recordings called hypertrophic often miss the voltages: a share of samples is held to them.
    hypertrophic = Condition(text="left ventricular hypertrophy")
    assert unmet(some_shape(), hypertrophic, 0.9) == []
    assert unmet(some_shape(), hypertrophic, 0.1) == ["LVH"]
    assert unmet(some_shape(4.0), hypertrophic, 0.1) == []


@pytest.mark.parametrize("turn", [-40.0, 15.0])
def test_a_form_is_turned_in_the_frontal_plane_alone(turn: float) -> None:
    code, shape = fitted_code(), some_shape()
    vector = code.vector(shape, some_habits())
    before, after = code.shape(vector, 0.8), code.shape(with_axis(code, vector, 0.8, turn), 0.8)
    assert axis_of(after) - axis_of(before) == pytest.approx(turn, abs=3)
    assert np.abs(after.qrst[2:] - before.qrst[2:]).max() < 0.05
    assert (after.off_s, after.t_off_s, after.pr_s) == pytest.approx((before.off_s, before.t_off_s, before.pr_s))
    # The frontal vector keeps its length: I^2 + (2 aVF / sqrt 3)^2.
    across, down = after.qrst[0], (2 * after.qrst[1] - after.qrst[0]) / np.sqrt(3)
    was = before.qrst[0], (2 * before.qrst[1] - before.qrst[0]) / np.sqrt(3)
    assert np.hypot(across, down).max() == pytest.approx(np.hypot(*was).max(), rel=0.1)


def test_a_far_axis_is_not_turned_to() -> None:
    asked = Condition(text="ECG", axis_deg=-40)
    assert turn_to(axis_shape(0), asked) == pytest.approx(-40, abs=1)
    assert turn_to(axis_shape(110), asked) is None
    assert turn_to(axis_shape(0), Condition(text="ECG")) is None


def test_measured_beats_are_kept(tmp_path) -> None:
    from diffusion.training.beat_sets import BeatExample
    from diffusion.training.beat_store import NoiseAgreement, read_examples, write_examples
    from gen.records import InputError
    from gen.text import read_text

    shape, habits = some_shape(), some_habits()
    texts = (read_text("LBBB, rate 70, old inferior infarct"), None, read_text("xyz"))
    one = BeatExample("a", shape, None, True, habits, np.ones((3, 64)), texts, {"age": 50.0, "sex": None})
    two = BeatExample("b", shape, some_shape(2.0), False, None, np.empty((0, 64)), (None,) * 3, {})
    agreement, file = NoiseAgreement(np.eye(8), np.ones((2, 3, 8, 8))), tmp_path / "beats.npz"
    write_examples(file, {"train": [two, one, one], "val": [two]}, agreement, {"data": "d"})
    (train, val), found = read_examples(file, ("train", "val"), {"data": "d"})
    assert all(np.array_equal(a, b) for a, b in zip(found, agreement, strict=True))
    assert [e.person for e in train] == ["b", "a", "a"]
    assert train[1].texts == texts
    assert train[1].facts == one.facts
    assert np.array_equal(train[2].mixing, one.mixing)
    assert np.array_equal(train[2].habits.power_mv2, habits.power_mv2)
    assert np.array_equal(val[0].other.qrst, two.other.qrst)
    assert val[0].habits is None
    with pytest.raises(InputError, match="measured on other data"):
        read_examples(file, ("train",), {"data": "e"})
