"""The simulated patient: one heart that gives every ECG (and later every cine) of that patient."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from gen.simulate.disease import Disease, draw_disease, pinned_disease
from gen.simulate.population import COLUMNS, LATENT

#: Log gain of I, II, V1..V6 over patients, set so that amplitudes agree with PTB-XL (`gen.evaluation.cohort`).
_GAIN_MEAN = np.array([-0.05, -0.05, -0.06, -0.01, 0.0, 0.03, 0.03, 0.0])
_GAIN_SPREAD = np.array([0.0, 0.0, 0.12, 0.20, 0.17, 0.10, 0.10, 0.08])


@dataclass(frozen=True, eq=False)
class Heart:
    """A simulated patient. Everything an examination shows follows from these fields and the visit.

    Attributes:
        id: name of the patient, ``sim-<seed>-<index>``.
        seed, index: what it was drawn from.
        sex, age, height_cm, weight_kg: body; age in years at visit 0.
        lv_mass_g, lv_edv_ml, lv_ef: left-ventricular mass, end-diastolic volume and ejection fraction (0..1).
        relative_wall_thickness: 2 * wall / diameter at end-diastole.
        longitudinal_shortening: share of the length lost in systole.
        disease: conduction, rhythm, infarct, repolarisation; see `gen.simulate.disease.Disease`.
        latent: (96,) the patient's own wave loops as coordinates in the fitted population.
        detail: (231,) fine structure of those loops.
        tilt_deg: (3,) the heart's own turn in the chest about x, y, z.
        electrode_shift: (6,) habitual displacement of V1..V6 in electrode spacings.
        lead_gain: (8,) conductivity of the torso towards each electrode, 1 on average.
        habits: (3,) uniform, place of QRS, PQ and QT between the limits of a statement.
        focus: (10,) site and path of this patient's ectopic beats.
        resting_rate: 1/min in sinus rhythm.
        rate_variability: scale of respiratory and slow heart-rate variation.
    """

    id: str
    seed: int
    index: int
    sex: str
    age: float
    height_cm: float
    weight_kg: float
    lv_mass_g: float
    lv_edv_ml: float
    lv_ef: float
    relative_wall_thickness: float
    longitudinal_shortening: float
    disease: Disease
    latent: np.ndarray = field(repr=False)
    detail: np.ndarray = field(repr=False)
    tilt_deg: np.ndarray = field(repr=False)
    electrode_shift: np.ndarray = field(repr=False)
    lead_gain: np.ndarray = field(repr=False)
    habits: np.ndarray = field(repr=False)
    focus: np.ndarray = field(repr=False)
    resting_rate: float
    rate_variability: float

    @property
    def bsa_m2(self) -> float:
        """Body surface area by Mosteller's formula."""
        return float(np.sqrt(self.height_cm * self.weight_kg / 3600.0))

    @property
    def scar_territory(self) -> str | None:
        """Wall of the infarct (``"inferior"``, ``"anteroseptal"``, ...) or None."""
        return self.disease.scar_territory

    @property
    def scar_extent(self) -> float:
        """Infarct as a share of the left ventricle, 0..1."""
        return self.disease.scar_extent


def generator(seed: int, index: int, *key: int) -> np.random.Generator:
    """Generator of patient ``index`` of cohort ``seed``; ``key`` separates independent uses."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence((seed, index), spawn_key=key)))


def draw_heart(
    seed: int,
    index: int,
    *,
    age: float | None = None,
    sex: str | None = None,
    statements: Iterable[str] | None = None,
    findings: Mapping[str, str] | None = None,
    oversample: Mapping[str, float] | None = None,
) -> Heart:
    """The heart of patient ``index`` in cohort ``seed``, always the same one.

    Args:
        seed, index: non-negative integers.
        age, sex, statements: pinned instead of drawn; the patient's own loops, body and habits stay the same.
        findings: pinned details of statements, see `gen.simulate.disease.FINDINGS`.
        oversample: statement -> factor on its odds in the drawn population.

    Raises:
        ValueError: unknown sex, statement or finding.
    """
    if sex not in (None, "F", "M"):
        raise ValueError(f"sex must be 'F' or 'M', got {sex!r}")
    rng = generator(seed, index)
    drawn_sex = "F" if rng.random() < 0.487 else "M"
    sex = sex or drawn_sex
    drawn_age = _draw_age(rng)
    age = drawn_age if age is None else float(age)
    body = rng.standard_normal(2)
    latent = _bounded_normal(rng, LATENT)
    detail = rng.standard_normal(COLUMNS)
    tilt = rng.normal(0.0, [4.0, 9.0, 5.0])
    shift = np.clip(rng.normal(0.0, 0.12, 6), -0.35, 0.35)
    gain = np.exp(_GAIN_MEAN + _GAIN_SPREAD * rng.standard_normal(8) + 0.10 * rng.standard_normal())
    ventricle = rng.standard_normal(4)
    rate, variability = rng.standard_normal(2)
    habits = rng.random(3)
    focus = np.concatenate([rng.random(4), rng.standard_normal(6)])
    if statements is None:
        disease = draw_disease(rng, age, sex, oversample)
    else:
        disease = pinned_disease(rng, tuple(statements), findings or {})
    height = (176.5 if sex == "M" else 163.5) + 7.0 * body[0] - max(age - 60, 0) * 0.1
    bmi = float(np.clip(25.5 + 4.0 * body[1], 17, 45))
    grown = float(np.clip((age - 2) / 15.0, 0.35, 1.0))
    height *= grown**0.5
    size = float(np.sqrt(height * (bmi * (height / 100) ** 2) / 3600.0))
    mass, edv, ef, rwt, shortening = _ventricle(ventricle, latent, sex, size, disease)
    return Heart(
        id=f"sim-{seed}-{index}",
        seed=seed,
        index=index,
        sex=sex,
        age=round(age, 1),
        height_cm=round(float(height), 1),
        weight_kg=round(bmi * (height / 100) ** 2, 1),
        lv_mass_g=mass,
        lv_edv_ml=edv,
        lv_ef=ef,
        relative_wall_thickness=rwt,
        longitudinal_shortening=shortening,
        disease=disease,
        latent=latent,
        detail=detail,
        tilt_deg=tilt,
        electrode_shift=shift,
        lead_gain=gain,
        habits=habits,
        focus=focus,
        resting_rate=float(
            np.clip(69.0 + 11.5 * rate + (3.0 if sex == "F" else 0.0) + max(20 - age, 0) * 1.5, 46, 112)
        ),
        rate_variability=float(np.exp(0.4 * variability)),
    )


def _draw_age(rng: np.random.Generator) -> float:
    """Ages as in PTB-XL: median 60, quartiles 48 and 71, few children."""
    if rng.random() < 0.10:
        return float(rng.uniform(12.0, 35.0))
    value = rng.normal(62.5, 15.5)
    while not 10.0 <= value <= 95.0:
        value = rng.normal(62.5, 15.5)
    return float(value)


def _bounded_normal(rng: np.random.Generator, size: int) -> np.ndarray:
    """Standard normal, limited so that no single coordinate becomes a caricature."""
    z = rng.standard_normal(size)
    return np.clip(z, -3.0, 3.0)


def _ventricle(
    z: np.ndarray, latent: np.ndarray, sex: str, bsa: float, disease: Disease
) -> tuple[float, float, float, float, float]:
    """Mass (g), end-diastolic volume (ml), ejection fraction, wall thickness ratio, longitudinal shortening.

    Normal figures: Petersen et al., J Cardiovasc Magn Reson 2017;19:18 and the Cardiac Atlas Project. The first loop
    coordinate, which carries much of the QRS voltage, is only weakly tied to mass: an ECG knows little about it.
    """
    male = sex == "M"
    mass_index = (53.0 if male else 42.0) + (8.0 if male else 6.5) * (0.9 * z[0] + 0.25 * np.tanh(latent[0]))
    edv_index = (84.0 if male else 75.0) + 13.0 * z[1]
    ef = (58.0 if male else 61.0) + 5.0 * (0.95 * z[2] - 0.29 * z[1])
    if "LVH" in disease.codes or "SEHYP" in disease.codes:
        mass_index += 28.0 + 8.0 * abs(z[3])
    if disease.scar_extent > 0:
        ef = 60.0 - 100.0 * disease.scar_extent + 6.0 * z[2]
        edv_index += 70.0 * disease.scar_extent + 8.0 * z[3]
    if "CLBBB" in disease.codes:
        ef -= 12.0 + 6.0 * abs(z[3])
        edv_index += 18.0
        mass_index += 8.0
    ef = float(np.clip(ef, 15, 78)) / 100
    rwt = float(np.clip(0.397 + 0.06 * z[3] - 0.0015 * (edv_index - 78) + 0.003 * (mass_index - 48), 0.2, 0.8))
    shortening = float(np.clip(0.134 + 0.25 * (ef - 0.6) + 0.02 * z[0], 0.03, 0.2))
    return (
        float(np.clip(mass_index, 25, 150) * bsa),
        float(np.clip(edv_index, 40, 220) * bsa),
        ef,
        rwt,
        shortening,
    )
