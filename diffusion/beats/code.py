"""A recording's beats and habits as one vector, and back.

The vector of a recording holds components of the prevailing beat's QRS, ST-T and P wave, each of unit size, with the
logarithms of those sizes apart: what a large heart does to every component is one number. Further logarithms of its
intervals, and how it varies: size of the beats' mixing, swelling of noise, and components of the powers by lead and
band (`diffusion.beats.profile`). What a recording does not have (a P wave in fibrillation) is marked in a mask and
learned from the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from diffusion.beats.agreement import LeadAgreement
from diffusion.beats.findings import FindingsReader
from diffusion.beats.noise import BANDS, EDGES_HZ, fine_power
from diffusion.beats.profile import REST_WIDTH, SIZE, Buffers, Profile
from diffusion.beats.shape import LEAD_IN, NUM_LEADS, P_POINTS, POINTS, QRS, STT, BeatShape
from gen.leads import LEADS_8

Array = npt.NDArray[np.float64]

QRS_WIDTH, STT_WIDTH, P_WIDTH = 40, 24, 14
QRST_WIDTH = QRS_WIDTH + STT_WIDTH
_I, _II = LEADS_8.index("I"), LEADS_8.index("II")
#: Logarithms: reference minus onset, QRS, QT and PR in seconds; sizes of QRS, ST-T and P; mixing, swelling.
INTERVALS, SIZES, HABITS = 4, 3, 2
WIDTH = QRST_WIDTH + P_WIDTH + INTERVALS + SIZES + HABITS + REST_WIDTH
_P = slice(QRST_WIDTH, QRST_WIDTH + P_WIDTH)
_TIMES = slice(_P.stop, _P.stop + INTERVALS)
_SIZES = slice(_TIMES.stop, _TIMES.stop + SIZES)
_HABITS = slice(_SIZES.stop, _SIZES.stop + HABITS)
_REST = slice(_HABITS.stop, WIDTH)
#: Waves: components, and the size below which there is no telling their form, root mean square in mV.
_WAVES = (
    ("qrst", slice(0, QRS_WIDTH), 0.02 * np.sqrt(NUM_LEADS * QRS)),
    ("qrst", slice(QRS_WIDTH, QRST_WIDTH), 0.01 * np.sqrt(NUM_LEADS * STT)),
    ("p", _P, 0.008 * np.sqrt(NUM_LEADS * P_POINTS)),
)


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


#: Points over which components of QRS and of ST-T pass into each other.
_BLEND = 10
#: Standard deviations up to which components count as they are; beyond, as their logarithm.
_LINEAR = 1.2
#: Finer structure than this (mV^2 in a band) is none.
_LEAST_FINE = 3e-8
#: Habits and forms are not drawn farther out than these standard deviations.
_USUAL, _BEYOND = 2.6, 3.0
#: Factors on the powers of bands as drawn for ones as measured, by upper edge in Hz, set on fold 9: between complexes
#: and in them. The mean of ten seconds takes drift away, slow noise adds to ST-T, and interpolation between samples
#: adds at the end of the spectrum.
_FACTORS = (
    (0.4, 1.2, 1.2),
    (2, 0.2, 0.2),
    (23, 1, 0.65),
    (49, 0.78, 0.55),
    (60, 1.2, 0.75),
    (125, 1, 1.1),
    (200, 1, 0.95),
)
_LAST = 0.63


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


class BeatCode(Buffers):
    """Buffers of the code; vectors have mean 0 and SD 1 over the recordings it was made from."""

    def __init__(self) -> None:
        super().__init__(
            {
                "qrst_basis": (QRST_WIDTH, NUM_LEADS * POINTS),
                "p_basis": (P_WIDTH, NUM_LEADS * P_POINTS),
                "p_mean": (NUM_LEADS * P_POINTS,),
                "scale": (QRST_WIDTH + P_WIDTH,),
                "mean": (WIDTH,),
                "std": (WIDTH,),
                "lead_agreement": (BANDS, NUM_LEADS, NUM_LEADS),
                "mixing_root": (NUM_LEADS**2, NUM_LEADS**2),
                "breathing": (1,),
            }
        )
        self.profile = Profile()
        self.between = LeadAgreement()
        self.findings = FindingsReader(WIDTH)

    def fit(self, recorded: "Sequence[Measured]", simulated: "Sequence[Measured]" = ()) -> None:
        """Components and scales of recordings.

        Args:
            recorded: recordings; those without habits count for their forms alone.
            simulated: further beats, whose forms take part in the components.
        """
        forms = [*recorded, *simulated]
        qrst = np.stack([s.qrst.ravel() for e in forms for s in (e.own, e.other) if s is not None])
        p = np.stack([e.own.p.ravel() for e in forms if e.has_p])
        self.set_arrays(qrst_basis=wave_components(qrst), p_basis=_directions(p, P_WIDTH), p_mean=p.mean(axis=0))
        units = np.stack([np.concatenate([u for u, _ in self._units(e.own)]) for e in forms])
        self.set_arrays(scale=np.maximum(units.std(axis=0), 1e-4), mean=np.zeros(WIDTH), std=np.ones(WIDTH))
        self.profile.fit(np.stack([self._power(e.own, e.habits) for e in recorded if e.habits is not None]))
        whole = [e for e in recorded if e.habits is not None]
        raw = np.stack([self.vector(e.own, e.habits) for e in whole])
        mean, std = raw.mean(axis=0), raw.std(axis=0)
        part = np.r_[np.arange(_P.start, _P.stop), _TIMES.stop - 1, _SIZES.stop - 1]
        with_p = raw[[e.has_p for e in whole]]
        mean[part], std[part] = with_p[:, part].mean(axis=0), with_p[:, part].std(axis=0)
        self.set_arrays(mean=mean, std=np.maximum(std, 1e-6))

    def set_variation(self, lead_agreement: Array, quiet: Array, mixing_root: Array, breathing: float) -> None:
        """Set how leads agree in noise and how beats mix, see `diffusion.beats.variation`.

        Args:
            lead_agreement: (BANDS, 8, 8) mean correlation of leads in what recordings have beside their beats.
            quiet: (n, BANDS, 8, 8) that of each recording between its complexes.
            mixing_root, breathing: see `diffusion.beats.variation.draw_mixing`.
        """
        self.between.fit(quiet)
        self.set_arrays(lead_agreement=lead_agreement, mixing_root=mixing_root, breathing=np.array([breathing]))

    def vector(self, shape: BeatShape, habits: Habits | None) -> Array:
        """(WIDTH,) of one form; without habits they are 0, the mean."""
        out = np.zeros(WIDTH)
        units = self._units(shape)
        out[: _P.stop] = np.arcsinh(np.concatenate([unit for unit, _ in units]) / (_LINEAR * self.array("scale")))
        out[_SIZES] = [np.log(size) for _, size in units]
        on = max(-shape.on_s, 0.004)
        out[_TIMES] = np.log([on, shape.off_s - shape.on_s, shape.t_off_s - shape.on_s, max(shape.pr_s, 0.06)])
        if habits is not None:
            out[_HABITS] = np.log([max(habits.mixing, 1e-3), max(habits.swelling, 1e-2)])
            out[_REST] = self.profile.vector(self._power(shape, habits))
        out = (out - self.array("mean")) / self.array("std")
        if habits is None:
            out[_HABITS.start : _REST.stop] = 0
        return out

    def _units(self, shape: BeatShape) -> list[tuple[Array, float]]:
        """Components of each wave in units of its size, and the size: its length, with the least that counts."""
        out = []
        for part, place, least in _WAVES:
            scores = getattr(shape, part).ravel() @ self.array(f"{part}_basis")[_within(place, part)].T
            size = float(np.sqrt(scores @ scores + least**2))
            out.append((scores / size, size))
        return out

    def _power(self, shape: BeatShape, habits: "Habits") -> Array:
        """Powers between and in complexes, and of what the components miss of the complex, (3, 8, BANDS) mV^2."""
        basis, flat = self.array("qrst_basis"), shape.qrst.ravel()
        missed = (flat - (flat @ basis.T) @ basis).reshape(NUM_LEADS, POINTS)[:, LEAD_IN : LEAD_IN + QRS]
        fine = fine_power(missed, shape.off_s - shape.on_s)
        # In complexes all of it counts: what they have more may be nothing, and that has no logarithm.
        return np.stack([habits.power_mv2[0], habits.power_mv2.sum(axis=0), fine + _LEAST_FINE])

    def shape(self, vector: Array, rr_s: float) -> BeatShape:
        """The form of a vector (WIDTH,), for RR intervals of ``rr_s``."""
        raw = np.clip(vector, -_BEYOND, _BEYOND) * self.array("std") + self.array("mean")
        on, qrs, qt, pr = np.exp((vector * self.array("std") + self.array("mean"))[_TIMES].clip(-6, 1))
        qrs = float(np.clip(qrs, 0.04, 0.30))
        qt = float(np.clip(qt, qrs + 0.10, 0.80))
        units = _LINEAR * self.array("scale") * np.sinh(raw[: _P.stop])
        waves = {"qrst": np.zeros(NUM_LEADS * POINTS), "p": np.zeros(NUM_LEADS * P_POINTS)}
        for (part, place, least), size in zip(_WAVES, np.exp(raw[_SIZES]), strict=True):
            unit = units[place] / max(float(np.linalg.norm(units[place])), 1e-9)
            length = float(np.sqrt(max(size**2 - least**2, 0.0)))
            waves[part] += length * unit @ self.array(f"{part}_basis")[_within(place, part)]
        return BeatShape(
            waves["qrst"].reshape(NUM_LEADS, POINTS),
            waves["p"].reshape(NUM_LEADS, P_POINTS),
            -float(min(on, qrs)),
            -float(min(on, qrs)) + qrs,
            -float(min(on, qrs)) + qt,
            float(np.clip(pr, 0.06, 0.45)),
            rr_s,
        )

    def habits(self, vector: Array, missed: Array | None = None) -> Habits:
        """The habits of a vector (WIDTH,), with what its components miss, see `Profile.power_mv2`."""
        raw = np.clip(vector, -_USUAL, _USUAL) * self.array("std") + self.array("mean")
        mixing, swelling = np.exp(raw[_HABITS])
        power = self.profile.power_mv2(raw[_REST], missed) * _DRAWN
        return Habits(float(mixing), float(swelling), _apart(power), power[2])

    def agreement(self, rng: np.random.Generator) -> Array:
        """(2, BANDS, 8, 8) how leads agree in the noise of one recording: between complexes, and in them."""
        return np.stack([self.between.draw(rng), self.array("lead_agreement")])

    @staticmethod
    def mask(has_p: bool, whole: bool = True) -> npt.NDArray[np.bool_]:
        """(WIDTH,) what is known of a form; ``whole`` with its habits."""
        known = np.ones(WIDTH, dtype=bool)
        known[_P] = has_p
        known[[_TIMES.stop - 1, _SIZES.stop - 1]] = has_p
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
    out, place = vector.copy(), _SIZES.stop - 1
    out[place] = np.clip(out[place] + np.log(factor) / code.array("std")[place], -_BEYOND, _BEYOND)
    return out


def with_axis(code: BeatCode, vector: Array, rr_s: float, turn_deg: float) -> Array:
    """A vector whose QRS and ST-T are turned in the frontal plane; chest leads stay.

    Args:
        code: what the vector is of.
        vector: (WIDTH,).
        rr_s: RR interval that its form is of.
        turn_deg: added to the axis, as `metrics.measurement.amplitudes.axis` counts it: clockwise.
    """
    shape = code.shape(vector, rr_s)
    lead_i, lead_ii = shape.qrst[_I], shape.qrst[_II]
    across, down = lead_i, (2 * lead_ii - lead_i) / np.sqrt(3.0)  # aVF is II - I / 2
    turn = np.radians(turn_deg)
    turned = shape.qrst.copy()
    turned[_I] = across * np.cos(turn) - down * np.sin(turn)
    turned[_II] = 0.5 * turned[_I] + 0.5 * np.sqrt(3.0) * (across * np.sin(turn) + down * np.cos(turn))
    out, sizes = vector.copy(), slice(_SIZES.start, _SIZES.start + 2)
    known = code.vector(replace(shape, qrst=turned), None)
    out[:QRST_WIDTH], out[sizes] = known[:QRST_WIDTH].clip(-_BEYOND, _BEYOND), known[sizes].clip(-_BEYOND, _BEYOND)
    return out


def draw_missed(rng: np.random.Generator) -> Array:
    """(SIZE,) of what the components of habits miss, see `BeatCode.habits`."""
    return rng.standard_normal(SIZE)


def wave_components(qrst: Array) -> Array:
    """(QRST_WIDTH, width) orthonormal components of QRS and of ST-T, each of its own; every beat counts alike.

    ST-T is a tenth of QRS's energy and most findings are about it, so it has components that QRS has no part in.
    """
    window = np.zeros(POINTS)
    end = LEAD_IN + QRS
    window[:end] = 1
    window[end : end + _BLEND] = np.cos(0.5 * np.pi * (np.arange(_BLEND) + 1) / (_BLEND + 1)) ** 2
    window = np.tile(window, NUM_LEADS)
    parts = (qrst * window, QRS_WIDTH), (qrst * (1 - window), STT_WIDTH)
    basis = np.concatenate([_directions(rows, count) for rows, count in parts])
    # They overlap where QRS ends: the nearest orthonormal ones.
    values, turn = np.linalg.eigh(basis @ basis.T)
    return np.asarray((turn / np.sqrt(values)) @ turn.T @ basis)


def _directions(rows: Array, count: int) -> Array:
    """(count, width) orthonormal directions of most of rows of unit size, counted from zero."""
    unit = rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 0.01 * np.sqrt(rows.shape[1]))
    _, vectors = np.linalg.eigh(unit.T @ unit)
    return np.asarray(vectors[:, ::-1][:, :count].T)


def _within(place: slice, part: str) -> slice:
    """Where components of a vector are in the basis of their wave."""
    return slice(place.start - _P.start, place.stop - _P.start) if part == "p" else place
