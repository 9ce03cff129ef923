"""Shape and function of a simulated heart: the numbers behind its cine, drawn once per patient.

Size, mass and ejection fraction start from the heart's own fields. What they lack (hypertrophic or dilated
cardiomyopathy, shape, position) is drawn from the patient's seed, so that it is the same at every visit. The truth of
a cine is its anatomy, not the heart's fields.
"""

from dataclasses import dataclass, field

import numpy as np

from gen.simulate.heart import Heart, generator
from gen.simulate.population import loops_of

GROUPS = ("normal", "LVH", "HCM", "DCM", "MI", "LBBB")
#: Spawn key of everything drawn once per patient for the cine; the ECG side uses keys of its own.
ANATOMY_KEY = 1001
#: Chance of a cardiomyopathy given a statement: HCM hides among hypertrophy and T inversion, DCM among wide QRS.
_HCM_ODDS = {"SEHYP": 0.9, "LVH": 0.12, "INVT": 0.10, "QWAVE": 0.05}
_DCM_ODDS = {"CLBBB": 0.30, "IVCD": 0.12, "ILBBB": 0.10, "LAFB": 0.03, "AFIB": 0.05, "PVC": 0.04, "LVOLT": 0.08}
#: Points of ejection fraction that go with a statement: rhythm, ischaemia and conduction say a little about function.
_EF_SHIFT = {
    "AFIB": -0.07, "AFLT": -0.05, "ISC_": -0.03, "STD_": -0.03, "ISCAL": -0.03, "NDT": -0.015, "NST_": -0.015,
    "LAO/LAE": -0.03, "PVC": -0.03, "IVCD": -0.05, "LNGQT": -0.03, "INVT": -0.02, "1AVB": -0.01, "LOWT": -0.02,
    "LAFB": -0.015, "PACE": -0.06,
}  # fmt: skip
#: Middle of a wall in degrees, counter-clockwise from the right of the image (lateral wall), and its level (0 base).
WALL_PLACE = {
    "anteroseptal": (122.0, 0.62),
    "anterior": (88.0, 0.65),
    "anterolateral": (45.0, 0.60),
    "lateral": (0.0, 0.50),
    "inferior": (265.0, 0.45),
    "inferolateral": (305.0, 0.45),
    "inferoposterior": (280.0, 0.35),
    "inferoposterolateral": (305.0, 0.38),
    "posterior": (325.0, 0.32),
}
#: Middle of the septum in the same degrees.
SEPTUM_DEG = 155.0


@dataclass(frozen=True, eq=False)
class Anatomy:
    """What the phantom is built from.

    Attributes:
        group: one of `GROUPS`.
        edv_ml, ef, mass_g: left ventricle at end-diastole, ejection fraction (0..1), muscle.
        rv_edv_ml: right ventricle; its stroke volume is the left one's.
        length_mm: left-ventricular cavity, base to apex, end-diastole.
        shortening: share of the length lost in systole.
        septal_mm: thickness that hypertrophic cardiomyopathy adds to the middle of the septum.
        scar_deg, scar_level, scar_width_rad: middle and width of an infarct; width 0 without one.
        scar_depth: share of radial motion lost in the middle of the scar.
        modes: (4, 2) cosine and sine of the contour's Fourier modes 2 to 5, as a share of the radius.
        trabeculae: (8, 2) the same for modes 7 to 14.
        papillary_deg, papillary_mm: (2,) place and radius of the papillary muscles.
        fat_mm: subcutaneous fat in front of the heart.
        young: 1 in the young, 0 in the old; how much of filling is early.
        es_share: end-systole as a share of electromechanical systole (QS2).
        seed, index: of the heart.
    """

    group: str
    edv_ml: float
    ef: float
    mass_g: float
    rv_edv_ml: float
    length_mm: float
    shortening: float
    septal_mm: float
    scar_deg: float
    scar_level: float
    scar_width_rad: float
    scar_depth: float
    modes: np.ndarray = field(repr=False)
    trabeculae: np.ndarray = field(repr=False)
    papillary_deg: np.ndarray = field(repr=False)
    papillary_mm: np.ndarray = field(repr=False)
    fat_mm: float
    young: float
    es_share: float
    seed: int
    index: int

    @property
    def sv_ml(self) -> float:
        """Stroke volume."""
        return self.edv_ml * self.ef


def group_of(heart: Heart) -> str:
    """Disease group of a heart: what its statements say, and its own dice for what they cannot say."""
    chance = generator(heart.seed, heart.index, ANATOMY_KEY, 0).random()
    codes = set(heart.disease.codes)
    if heart.scar_extent > 0:
        return "MI"
    hcm = 1.0 - float(np.prod([1.0 - _HCM_ODDS[c] for c in sorted(codes & set(_HCM_ODDS))]))
    dcm = 1.0 - float(np.prod([1.0 - _DCM_ODDS[c] for c in sorted(codes & set(_DCM_ODDS))]))
    if "NORM" not in codes:
        hcm, dcm = hcm + 0.004, dcm + 0.008
    if chance < hcm:
        return "HCM"
    if chance > 1.0 - dcm:
        return "DCM"
    if codes & {"CLBBB", "PACE"}:
        return "LBBB"
    return "LVH" if "LVH" in codes else "normal"


def usual_length_mm(edv_ml: float) -> float:
    """Base to apex of a left-ventricular cavity of this end-diastolic volume: the cube-root law of a usual shape."""
    return 92.0 * (edv_ml / 145.0) ** (1.0 / 3.0)


def anatomy_of(heart: Heart) -> Anatomy:
    """The anatomy of a heart, always the same one."""
    rng = generator(heart.seed, heart.index, ANATOMY_KEY, 1)
    z = rng.standard_normal(10)
    group = group_of(heart)
    edv, ef, mass, shortening, septal = _function(heart, group, z)
    round_heart = 0.93 if group in ("DCM", "MI") else 1.0
    length = usual_length_mm(edv) * round_heart * (1.0 + 0.035 * float(np.clip(z[5], -2, 2)))
    stroke = edv * ef
    rv_ef = float(np.clip((0.54 if heart.sex == "M" else 0.58) + 0.06 * z[6], 0.30, 0.70))
    rv_edv = float(np.clip(stroke / rv_ef, 0.72 * min(edv, 170.0), 1.35 * edv))
    place, level = WALL_PLACE.get(heart.scar_territory or "", (0.0, 0.5))
    extent = heart.scar_extent if group == "MI" else 0.0
    # A Gaussian of this width over angle, wide over height, covers the infarct's share of the wall.
    width = float(np.clip(extent * np.sqrt(2.0 * np.pi) / 0.72, 0.0, 1.5)) if extent else 0.0
    order = np.arange(2, 6)[:, None]
    age = float(np.clip((heart.age - 25.0) / 50.0, 0.0, 1.0))
    bmi = heart.weight_kg / (heart.height_cm / 100.0) ** 2
    return Anatomy(
        group=group,
        edv_ml=edv,
        ef=ef,
        mass_g=mass,
        rv_edv_ml=rv_edv,
        length_mm=length,
        shortening=shortening,
        septal_mm=septal,
        scar_deg=place + 8.0 * float(z[7]),
        scar_level=level,
        scar_width_rad=width,
        scar_depth=float(np.clip(0.9 + 0.12 * z[8], 0.6, 1.05)),
        modes=rng.standard_normal((4, 2)) * 0.05 / order,
        trabeculae=rng.standard_normal((8, 2)) * 0.011,
        papillary_deg=np.array([42.0, -62.0]) + rng.normal(0.0, 7.0, 2),
        papillary_mm=np.clip(rng.normal(4.8, 0.6, 2) * (edv / 145.0) ** 0.2, 3.0, 6.5),
        fat_mm=float(np.clip(0.9 * (bmi - 15.0) + rng.normal(0.0, 2.5), 6.0, 28.0)),
        young=float(np.clip(1.0 - age - (0.3 if group in ("LVH", "HCM") else 0.0), 0.0, 1.0)),
        es_share=float(np.clip((0.74 if ef < 0.4 else 0.82) + 0.03 * z[9], 0.65, 0.90)),
        seed=heart.seed,
        index=heart.index,
    )


def _function(heart: Heart, group: str, z: np.ndarray) -> tuple[float, float, float, float, float]:
    """EDV (ml), EF, mass (g), longitudinal shortening, septal excess (mm).

    The cardiomyopathies replace the heart's own figures by those of their group (ACDC's rules, Sunnybrook's table).
    """
    bsa = heart.bsa_m2
    edv, ef, mass = _coupled(heart)
    shortening, septal = heart.longitudinal_shortening, 0.0
    if group == "DCM":
        edv = float(np.clip(122.0 + 20.0 * z[0], 101.0, 200.0)) * bsa
        ef = float(np.clip(0.28 + 0.07 * z[1] - 0.02 * z[0], 0.12, 0.395))
        mass = float(np.clip(87.0 + 14.0 * z[2], 60.0, 130.0)) * bsa
        shortening = float(np.clip(0.05 + 0.015 * z[3], 0.02, 0.09))
    elif group == "HCM":
        edv = float(np.clip(72.0 + 11.0 * z[0], 50.0, 105.0)) * bsa
        ef = float(np.clip(0.67 + 0.05 * z[1], 0.56, 0.80))
        mass = float(np.clip(122.0 + 14.0 * z[2], 110.0, 175.0)) * bsa
        shortening = float(np.clip(0.10 + 0.02 * z[3], 0.05, 0.15))
        septal = float(np.clip(11.0 + 2.0 * z[4], 8.0, 14.0))
    elif group == "MI":
        # Remodelling after an infarct depends on more than its size.
        edv *= float(np.exp(0.10 * z[0]))
        ef = float(np.clip(0.41 + 0.75 * (ef - 0.40) + 0.06 * z[1] - 0.02 * z[0], 0.12, 0.72))
        shortening = float(np.clip(0.08 + 0.20 * (ef - 0.41) + 0.015 * z[3], 0.03, 0.16))
    else:
        shortening = float(np.clip(shortening, 0.04, 0.19))
    return float(edv), float(ef), float(mass), shortening, septal


def _coupled(heart: Heart) -> tuple[float, float, float]:
    """EDV (ml), EF and mass (g) of the heart, tied to what its ECG shows as loosely as in real hearts.

    A long way through a large ventricle widens QRS (Hakacova et al. 2010); a slow heart fills more. The ties are set so
    that `gen.simulate.cine.ceiling` stays below what ECGs tell in real cohorts.
    """
    male = heart.sex == "M"
    # Age and rate are fixed, so that the size is the same at every visit.
    own = loops_of(heart.latent * 0.93, heart.detail, heart.sex, 60.0, 70.0, {}, None).qrs_s
    wide = float(np.clip((own - (0.0909 if male else 0.0866)) / 0.0096, -2.5, 2.5))
    slow = float(np.clip(np.log(69.0 / heart.resting_rate), -0.4, 0.4))
    usual = (84.0 if male else 75.0) * heart.bsa_m2
    codes = set(heart.disease.codes)
    growth = 0.07 * wide + 0.38 * slow + (0.06 if codes & {"AFIB", "LAO/LAE"} else 0.0)
    # The ties take the place of part of the heart's own spread, so that the whole spread stays.
    edv = (usual + 0.85 * (heart.lv_edv_ml - usual)) * float(np.exp(growth))
    ef = heart.lv_ef + sum(shift for code, shift in _EF_SHIFT.items() if code in codes)
    mass = heart.lv_mass_g * float(np.exp(0.06 * wide))
    return edv, float(np.clip(ef, 0.15, 0.80)), mass
