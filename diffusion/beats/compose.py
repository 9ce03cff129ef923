"""From a plan, forms and habits to eight leads: beats placed in time, each a little different, and noise between."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from diffusion.beats.code import BeatCode, Habits
from diffusion.beats.measure import ObservedBeats, forms_of
from diffusion.beats.noise import draw_fine, draw_rest
from diffusion.beats.shape import LEAD_IN, QRS, BeatShape
from diffusion.beats.variation import around, draw_mixing, modulated_strip
from diffusion.rhythm.plan import BeatPlan

Array = npt.NDArray[np.float64]
#: Mixing as drawn for one as measured, so that beats of one recording differ as much as on fold 9.
_MIXED = 1.35
#: Swelling as drawn for one as measured: windows of half a second smooth it.
SWELLED = 1.22
#: Breaths per second at rest, SD of their logarithm.
_BREATHS_HZ, _BREATHS_SPREAD = 0.20, 0.35
#: How alike the shares of breathing in what makes beats differ are from person to person; more is more alike.
_BREATHS_ALIKE = 6.0
_SOFT = np.hanning(13)[1:-1] / np.hanning(13).sum()
#: Fine structure fades at the ends of QRS.
_EDGES = np.minimum(1.0, 6 * np.minimum(np.arange(QRS) + 0.5, QRS - np.arange(QRS) - 0.5) / QRS)
#: A flutter wave in eight leads (I, II, V1 to V6), mV: deepest in II, upright in V1.
_FLUTTER_MV = np.array([0.03, -0.15, 0.10, 0.05, 0.02, -0.01, -0.02, -0.03])


@dataclass(frozen=True, eq=False)
class Drawn:
    """One generated recording.

    Attributes:
        signal_mv: (8, time).
        plan: its beats, in the places where they are drawn.
        forms: (beat,) "own" or "other".
    """

    signal_mv: Array
    plan: BeatPlan
    forms: list[str]


def placed(plan: BeatPlan, shape: BeatShape) -> BeatPlan:
    """A plan with its P waves before this form's QRS onset: forms differ in how far that lies before the reference."""
    moved = plan.onset_to_reference_s + shape.on_s
    return replace(plan, p_times_s=plan.p_times_s + moved, onset_to_reference_s=-shape.on_s)


def compose(
    code: BeatCode,
    shapes: Mapping[str, BeatShape],
    habits: Habits,
    plan: BeatPlan,
    rng: np.random.Generator,
    length: int,
    fs_hz: float,
    *,
    clean: bool = False,
) -> Drawn:
    """Draw a recording.

    Args:
        code: holds how leads agree in noise, and how beats mix.
        shapes: forms by name; "other" may be missing where the plan needs none.
        habits: of the recording.
        plan: its beats.
        rng: drawn from.
        length: samples.
        fs_hz: rate.
        clean: without noise.
    """
    forms = [form if form in shapes else "own" for form in forms_of(plan.kinds)]
    whole = placed(plan, shapes["own"])
    own = shapes["own"]
    shapes = with_fine(code, shapes, habits, rng)
    beats = ObservedBeats(whole, dict(shapes), forms, has_p=len(plan.p_times_s) > 0)
    mixing = draw_mixing(
        rng,
        plan.times_s,
        mixing_size(habits),
        code.array("mixing_root"),
        breath_share(rng, float(code.array("breathing")[0])),
        breath_rate(rng),
    )
    signal = modulated_strip(beats, mixing, length, fs_hz)
    if not clean:
        gate = gate_of(whole, own, length, fs_hz)
        agreement = code.agreement(rng)
        signal = signal + draw_rest(rng, habits.power_mv2, agreement, SWELLED * habits.swelling, gate, length, fs_hz)
    return Drawn(signal, whole, forms)


def with_fine(
    code: BeatCode, shapes: Mapping[str, BeatShape], habits: Habits, rng: np.random.Generator
) -> dict[str, BeatShape]:
    """Forms with the fine structure of QRS that the code leaves out, drawn once for a recording."""
    own = shapes["own"]
    if habits.fine_mv2 is None:
        return dict(shapes)
    qrst = own.qrst.copy()
    fine = draw_fine(rng, habits.fine_mv2, code.array("lead_agreement"), own.off_s - own.on_s)
    qrst[:, LEAD_IN : LEAD_IN + QRS] += fine * _EDGES
    return {**shapes, "own": replace(own, qrst=qrst)}


def mixing_size(habits: Habits) -> float:
    """Root mean square of a beat's mixing, as it is drawn."""
    return _MIXED * habits.mixing


def breath_rate(rng: np.random.Generator) -> float:
    """Breaths per second of one person."""
    return _BREATHS_HZ * float(np.exp(_BREATHS_SPREAD * rng.standard_normal()))


def breath_share(rng: np.random.Generator, usual: float) -> float:
    """Share of the variance of one person's mixing that goes with breathing, around what is usual."""
    return float(rng.beta(_BREATHS_ALIKE * usual, _BREATHS_ALIKE * (1 - usual)))


def gate_of(plan: BeatPlan, shape: BeatShape, length: int, fs_hz: float) -> Array:
    """(length,) 1 in complexes, 0 between, with soft edges."""
    gate = around(plan.times_s, -shape.on_s, shape.off_s, length, fs_hz).astype(np.float64)
    return np.convolve(gate, _SOFT, mode="same")


def draw_flutter(signal_mv: Array, plan: BeatPlan, rng: np.random.Generator, fs_hz: float) -> None:
    """Add flutter waves at the plan's rate to (8, time)."""
    signal_mv += flutter_wave(rng)(np.arange(signal_mv.shape[1]) / fs_hz, plan.wave_hz)


def flutter_wave(rng: np.random.Generator) -> Callable[[Array, float], Array]:
    """Flutter of one recording, a saw with a slow fall: a function of times (time,) in s and the rate in Hz."""
    start = rng.random()
    size = float(np.exp(0.35 * rng.standard_normal())) * np.exp(0.25 * rng.standard_normal(len(_FLUTTER_MV)))

    def wave(time_s: Array, wave_hz: float) -> Array:
        phase = (wave_hz * time_s + start) % 1.0
        # First harmonics of the saw, so that it has no corners.
        saw = sum(np.sin(2 * np.pi * k * phase) / k**1.4 for k in (1, 2, 3))
        return (size * _FLUTTER_MV)[:, None] * np.asarray(saw) * 0.7

    return wave
