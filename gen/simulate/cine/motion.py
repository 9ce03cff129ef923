"""When the heart contracts: end-systole from QT and RR of the visit's ECG, and the ventricular volume curve."""

from dataclasses import dataclass

import numpy as np

from gen.simulate.cine.anatomy import SEPTUM_DEG, Anatomy

#: Angles of a contour, counter-clockwise from the right of the image.
ANGLES = np.linspace(0.0, 2.0 * np.pi, 72, endpoint=False)


@dataclass(frozen=True)
class Timing:
    """Events of one heartbeat in seconds after the R peak.

    Attributes:
        rr_s: length of the beat.
        ejection_s: start of ejection.
        end_systole_s: smallest left-ventricular volume.
        early_s, atrial_s: duration of early and of atrial filling.
        early_share: share of the stroke volume that fills early.
        delay_s: how much later the lateral wall contracts than the septum (left bundle branch block), else 0.
    """

    rr_s: float
    ejection_s: float
    end_systole_s: float
    early_s: float
    atrial_s: float
    early_share: float
    delay_s: float


def timing_of(
    anatomy: Anatomy, *, sex: str, rr_s: float, qt_s: float, qrs_s: float, atrial_kick: bool, left_block: bool
) -> Timing:
    """Timing of one beat from the intervals of the same visit's ECG.

    Electromechanical systole QS2 follows rate and sex (Chest 1981;80:613: men 541 - 2.2 HR, women 540 - 2.0 HR ms) and
    shares 60 % of the deviation of QT from its own regression (men 521 - 2.0 HR, women 511 - 1.8 HR ms). NaN intervals
    count as average.
    """
    rate = 60.0 / rr_s
    male = sex == "M"
    qs2 = (541.0 - 2.2 * rate if male else 540.0 - 2.0 * rate) / 1e3
    usual_qt = (521.0 - 2.0 * rate if male else 511.0 - 1.8 * rate) / 1e3
    if np.isfinite(qt_s):
        qs2 += 0.6 * (qt_s - usual_qt)
    wide = max(float(qrs_s) - 0.09, 0.0) if np.isfinite(qrs_s) else 0.0
    delay = wide if left_block else 0.0
    ejection = 0.060 + 0.4 * delay
    end = float(np.clip(anatomy.es_share * qs2 + 0.3 * delay, 0.18, 0.60 * rr_s))
    ejection = min(ejection, 0.45 * end)
    early = (0.22 - 0.05 * anatomy.young) + 0.06
    atrial = 0.125 if atrial_kick else 0.0
    rest = rr_s - end
    if early + atrial > rest:  # diastasis is gone: both fillings get shorter
        early, atrial = early * rest / (early + atrial), atrial * rest / (early + atrial)
    share = 0.58 + 0.20 * anatomy.young if atrial_kick else 1.0
    return Timing(rr_s, ejection, end, early, atrial, share, delay)


def _smooth(x: np.ndarray) -> np.ndarray:
    """0 to 1 with zero slope at both ends; 3x^2 - 2x^3."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def _soft_start(x: np.ndarray) -> np.ndarray:
    """0 to 1 that leaves 0 very slowly, so that the minimum stays a point; 6x^5 - 15x^4 + 10x^3."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * x * (10.0 + x * (6.0 * x - 15.0))


def filling(timing: Timing, t: np.ndarray) -> np.ndarray:
    """Share of the stroke volume that is in the ventricle, 1 at the R peak and 0 at end-systole; any time in s."""
    t = np.mod(t, timing.rr_s)
    eject = 1.0 - _smooth((t - timing.ejection_s) / (timing.end_systole_s - timing.ejection_s))
    early = timing.early_share * _soft_start((t - timing.end_systole_s) / timing.early_s)
    if timing.early_share >= 1.0 or timing.atrial_s <= 0.0:
        return eject + early
    return eject + early + (1.0 - timing.early_share) * _smooth((t - timing.rr_s + timing.atrial_s) / timing.atrial_s)


def frame_times(rr_s: float, frames: int) -> np.ndarray:
    """(frame,) seconds; frame 0 is the R peak and the next R peak is no frame."""
    return np.arange(frames) * (rr_s / frames)


def local_contraction(timing: Timing, t: np.ndarray) -> np.ndarray:
    """(frame, angle) contraction 0..1 of each wall; with a delay the lateral wall follows the septum."""
    septal = np.cos(ANGLES - np.deg2rad(SEPTUM_DEG))
    lag = timing.delay_s * 0.5 * (1.0 - septal)
    return 1.0 - filling(timing, t[:, None] - lag[None, :] + 0.4 * timing.delay_s)


def septal_flash(timing: Timing, t: np.ndarray) -> np.ndarray:
    """(frame, angle) mm of inward motion of the septum in the first 100 ms of a delayed ventricle."""
    depth = 3.0 * min(timing.delay_s / 0.06, 1.2)
    if depth <= 0.0:
        return np.zeros((len(t), len(ANGLES)))
    pulse = np.exp(-0.5 * ((t - 0.065) / 0.022) ** 2)
    return depth * pulse[:, None] * np.exp(3.0 * (np.cos(ANGLES - np.deg2rad(SEPTUM_DEG)) - 1.0))[None, :]
