"""A recording's beats and habits as one vector, and back.

The vector of a recording holds principal components of the prevailing beat's QRS-T and of its P wave (companded, so
that large hearts do not rule), logarithms of its intervals, and how it varies: size of the beats' mixing, swelling of
noise, and principal components of the logarithms of the powers by lead and band. What a recording does not have (a P
wave in fibrillation) is marked in a mask and learned from the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from diffusion.beats.shape import LEAD_IN, NUM_LEADS, P_POINTS, POINTS, QRS, BeatShape
from diffusion.beats.variation import BANDS, EDGES_HZ, fine_power

Array = npt.NDArray[np.float64]

QRST_WIDTH, P_WIDTH, REST_WIDTH = 64, 14, 40
#: Logarithms: reference minus onset, QRS, QT and PR in seconds; mixing, swelling.
INTERVALS, HABITS = 4, 2
WIDTH = QRST_WIDTH + P_WIDTH + INTERVALS + HABITS + REST_WIDTH
_QRST = slice(0, QRST_WIDTH)
_P = slice(QRST_WIDTH, QRST_WIDTH + P_WIDTH)
_TIMES = slice(_P.stop, _P.stop + INTERVALS)
_HABITS = slice(_TIMES.stop, _TIMES.stop + HABITS)
_REST = slice(_HABITS.stop, _HABITS.stop + REST_WIDTH)


class Measured(Protocol):
    """What a code is made from: forms of a recording's beats, and its habits."""

    @property
    def own(self) -> BeatShape:
        """The prevailing form."""
        ...

    @property
    def other(self) -> BeatShape | None:
        """Of ventricular beats."""
        ...

    @property
    def has_p(self) -> bool:
        """Whether there are P waves."""
        ...

    @property
    def habits(self) -> "Habits | None":
        """How it varies."""
        ...


#: Finer structure than this (mV^2 in a band) is none.
_LEAST_FINE = 3e-8
#: Habits and forms are not drawn farther out than these standard deviations.
_USUAL, _BEYOND = 2.6, 3.0
#: Factors on the powers of bands as drawn for ones as measured, by upper edge in Hz, set on fold 9: between complexes
#: and in them. The mean of ten seconds takes drift away, slow noise adds to ST-T, and interpolation between samples
#: adds at the end of the spectrum.
_FACTORS = ((0.4, 1.8, 1.8), (2, 0.45, 0.45), (23, 1, 1), (49, 0.75, 0.75), (60, 1, 1), (125, 1, 1.25), (200, 1, 1))
_LAST = 0.5


def _drawn() -> Array:
    """(3, 1, BANDS) of `_FACTORS`."""
    edges, between, inside = np.array([*_FACTORS, (1e9, _LAST, _LAST)]).T
    place = np.searchsorted(edges, EDGES_HZ[1:])
    return np.stack([between[place], inside[place], inside[place]])[:, None]


_DRAWN = _drawn()


@dataclass(frozen=True, eq=False)
class Habits:
    """How a recording varies, see `diffusion.beats.variation`."""

    mixing: float
    swelling: float
    power_mv2: Array
    fine_mv2: Array | None = None


class BeatCode(nn.Module):
    """Buffers of the code; vectors have mean 0 and SD 1 over the recordings it was made from."""

    def __init__(self) -> None:
        super().__init__()
        shapes = {
            "qrst_mean": (NUM_LEADS * POINTS,),
            "qrst_basis": (QRST_WIDTH, NUM_LEADS * POINTS),
            "qrst_scale": (QRST_WIDTH,),
            "p_mean": (NUM_LEADS * P_POINTS,),
            "p_basis": (P_WIDTH, NUM_LEADS * P_POINTS),
            "p_scale": (P_WIDTH,),
            "rest_mean": (3 * NUM_LEADS * BANDS,),
            "rest_basis": (REST_WIDTH, 3 * NUM_LEADS * BANDS),
            "mean": (WIDTH,),
            "std": (WIDTH,),
            "lead_agreement": (BANDS, NUM_LEADS, NUM_LEADS),
            "mixing_root": (NUM_LEADS**2, NUM_LEADS**2),
            "breathing": (1,),
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape))
        self._arrays: dict[str, tuple[torch.Tensor, int, Array]] = {}

    def array(self, name: str) -> Array:
        """A buffer as float64."""
        buffer = self.get_buffer(name)
        kept = self._arrays.get(name)
        if kept is None or kept[0] is not buffer or kept[1] != buffer._version:
            kept = self._arrays[name] = (buffer, buffer._version, buffer.double().cpu().numpy())
        return kept[2]

    def fit(self, recorded: "Sequence[Measured]", simulated: "Sequence[Measured]" = ()) -> None:
        """Components and scales of recordings.

        Args:
            recorded: recordings; those without habits count for their forms alone.
            simulated: further beats, whose forms take part in the components.
        """
        forms = [*recorded, *simulated]
        qrst = np.stack([s.qrst.ravel() for e in forms for s in (e.own, e.other) if s is not None])
        mean, basis = components(qrst, QRST_WIDTH)
        self._set(qrst_mean=mean, qrst_basis=basis, qrst_scale=np.std((qrst - mean) @ basis.T, axis=0))
        p = np.stack([e.own.p.ravel() for e in forms if e.has_p])
        mean, basis = components(p, P_WIDTH)
        self._set(p_mean=mean, p_basis=basis, p_scale=np.std((p - mean) @ basis.T, axis=0))
        rest = np.stack([self._log_power(e.own, e.habits) for e in recorded if e.habits is not None])
        mean, basis = components(rest, REST_WIDTH)
        self._set(rest_mean=mean, rest_basis=basis, mean=np.zeros(WIDTH), std=np.ones(WIDTH))
        whole = [e for e in recorded if e.habits is not None]
        raw = np.stack([self.vector(e.own, e.habits) for e in whole])
        mean, std = raw.mean(axis=0), raw.std(axis=0)
        part = np.r_[np.arange(_P.start, _P.stop), _TIMES.stop - 1]
        with_p = raw[[e.has_p for e in whole]]
        mean[part], std[part] = with_p[:, part].mean(axis=0), with_p[:, part].std(axis=0)
        self._set(mean=mean, std=np.maximum(std, 1e-6))

    def set_variation(self, lead_agreement: Array, mixing_root: Array, breathing: float) -> None:
        """Set how leads agree in noise and how beats mix, see `diffusion.beats.variation`."""
        self._set(lead_agreement=lead_agreement, mixing_root=mixing_root, breathing=np.array([breathing]))

    def _set(self, **arrays: Array) -> None:
        for name, value in arrays.items():
            getattr(self, name).copy_(torch.from_numpy(np.ascontiguousarray(value)))

    def vector(self, shape: BeatShape, habits: Habits | None) -> Array:
        """(WIDTH,) of one form; without habits they are 0, the mean."""
        out = np.zeros(WIDTH)
        out[_QRST] = self._companded(shape.qrst, "qrst")
        out[_P] = self._companded(shape.p, "p")
        on = max(-shape.on_s, 0.004)
        out[_TIMES] = np.log([on, shape.off_s - shape.on_s, shape.t_off_s - shape.on_s, max(shape.pr_s, 0.06)])
        if habits is not None:
            out[_HABITS] = np.log([max(habits.mixing, 1e-3), max(habits.swelling, 1e-2)])
            power = self._log_power(shape, habits)
            out[_REST] = (power - self.array("rest_mean")) @ self.array("rest_basis").T
        out = (out - self.array("mean")) / self.array("std")
        if habits is None:
            out[_HABITS.start : _REST.stop] = 0
        return out

    def _log_power(self, shape: BeatShape, habits: "Habits") -> Array:
        """Logarithms of the powers between and in complexes, and of what the components miss of the complex."""
        mean, basis = self.array("qrst_mean"), self.array("qrst_basis")
        flat = shape.qrst.ravel() - mean
        missed = (flat - (flat @ basis.T) @ basis).reshape(NUM_LEADS, POINTS)[:, LEAD_IN : LEAD_IN + QRS]
        fine = fine_power(missed, shape.off_s - shape.on_s)
        # In complexes all of it counts: what they have more may be nothing, and that has no logarithm.
        inside = habits.power_mv2.sum(axis=0)
        return np.log(np.stack([habits.power_mv2[0], inside, fine + _LEAST_FINE])).ravel()

    def _companded(self, wave: Array, part: str) -> Array:
        scores = (wave.ravel() - self.array(f"{part}_mean")) @ self.array(f"{part}_basis").T
        return np.arcsinh(scores / (0.5 * self.array(f"{part}_scale") + 1e-9))

    def shape(self, vector: Array, rr_s: float) -> BeatShape:
        """The form of a vector (WIDTH,), for RR intervals of ``rr_s``."""
        raw = np.clip(vector, -_BEYOND, _BEYOND) * self.array("std") + self.array("mean")
        on, qrs, qt, pr = np.exp((vector * self.array("std") + self.array("mean"))[_TIMES].clip(-6, 1))
        qrs = float(np.clip(qrs, 0.04, 0.30))
        qt = float(np.clip(qt, qrs + 0.10, 0.80))
        return BeatShape(
            self._expanded(raw[_QRST], "qrst", POINTS),
            self._expanded(raw[_P], "p", P_POINTS),
            -float(min(on, qrs)),
            -float(min(on, qrs)) + qrs,
            -float(min(on, qrs)) + qt,
            float(np.clip(pr, 0.06, 0.45)),
            rr_s,
        )

    def _expanded(self, companded: Array, part: str, points: int) -> Array:
        scores = 0.5 * self.array(f"{part}_scale") * np.sinh(companded)
        return (scores @ self.array(f"{part}_basis") + self.array(f"{part}_mean")).reshape(NUM_LEADS, points)

    def habits(self, vector: Array) -> Habits:
        """The habits of a vector (WIDTH,)."""
        raw = np.clip(vector, -_USUAL, _USUAL) * self.array("std") + self.array("mean")
        mixing, swelling = np.exp(raw[_HABITS])
        log_power = raw[_REST] @ self.array("rest_basis") + self.array("rest_mean")
        power = np.exp(log_power).reshape(3, NUM_LEADS, BANDS) * _DRAWN
        return Habits(float(mixing), float(swelling), _apart(power), power[2])

    @staticmethod
    def mask(has_p: bool, whole: bool = True) -> npt.NDArray[np.bool_]:
        """(WIDTH,) what is known of a form; ``whole`` with its habits."""
        known = np.ones(WIDTH, dtype=bool)
        known[_P] = has_p
        known[_TIMES.stop - 1] = has_p
        known[_HABITS.start :] = whole
        return known


def as_drawn(power_mv2: Array) -> Array:
    """Powers (2, 8, BANDS) as measured on a recording, as they are to be drawn for another like it."""
    return _apart(np.stack([power_mv2[0], power_mv2.sum(axis=0)]) * _DRAWN[:2])


def _apart(power_mv2: Array) -> Array:
    """(2, 8, BANDS): between complexes, and what complexes have more; from the powers between and in complexes."""
    return np.stack([power_mv2[0], np.maximum(power_mv2[1] - power_mv2[0], 1e-10)])


def with_intervals(
    code: BeatCode, vector: Array, qrs_ms: float | None, qt_ms: float | None, pr_ms: float | None
) -> Array:
    """A vector with some intervals set to what is asked for."""
    out = vector.copy()
    mean, std = code.array("mean"), code.array("std")
    for place, value in zip(range(_TIMES.start + 1, _TIMES.stop), (qrs_ms, qt_ms, pr_ms), strict=True):
        if value is not None:
            out[place] = (np.log(value / 1e3) - mean[place]) / std[place]
    return out


def calmer(vector: Array, share: float) -> Array:
    """A vector whose habits are a share of the way from its own to those of most recordings."""
    out = vector.copy()
    out[_HABITS.start : _REST.stop] *= 1 - share
    return out


def with_larger_p(code: BeatCode, vector: Array, factor: float) -> Array:
    """A vector whose P wave is larger by a factor, as far as P waves go."""
    out = vector.copy()
    larger = factor * code.shape(vector, 1.0).p
    out[_P] = ((code._companded(larger, "p") - code.array("mean")[_P]) / code.array("std")[_P]).clip(-_BEYOND, _BEYOND)
    return out


def components(rows: Array, count: int) -> tuple[Array, Array]:
    """Mean and (count, width) orthonormal principal components of rows."""
    mean = rows.mean(axis=0)
    _, vectors = np.linalg.eigh((rows - mean).T @ (rows - mean))
    return mean, vectors[:, ::-1][:, :count].T
