"""The simulated cohort: batches of recordings with known truth."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gen.leads import LEADS_8, LEADS_12, to_12
from gen.records import EcgRecord, Patient
from gen.simulate import pathology, waves
from gen.simulate.draw import Plan, draw_waves, is_ectopic, pacing_spikes
from gen.simulate.heart import Heart, draw_heart, generator
from gen.simulate.leadfield import patient_lead_field
from gen.simulate.noise import draw_noise, noise_level
from gen.simulate.population import Loops, loops_of
from gen.simulate.report import write_reports
from gen.simulate.rhythm import PACED, draw_rhythm
from gen.simulate.truth import Truth, read_truth

#: What a record's condition may pin.
CONDITION_KEYS = ("statements", "heart_rate", "age", "sex", "findings")
Conditions = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class SimulatedBatch:
    """Recordings of several simulated patients.

    Attributes:
        signal_mv: (n, 8, time) float32 in the order ``LEADS_8``.
        fs_hz: sampling rate.
        truth: what is known about each recording.
        hearts: the patients.
        seed, visit: what the batch was drawn from.
    """

    signal_mv: np.ndarray
    fs_hz: float
    truth: list[Truth]
    hearts: list[Heart]
    seed: int
    visit: int

    def records(self, language: str = "en") -> list[EcgRecord]:
        """Twelve-lead records, marked synthetic, with patient, report, statements and truth summary.

        Args:
            language: ``"en"``, ``"de"`` or ``"mixed"`` (every second patient German); both are in the metadata.
        """
        out = []
        for signal, truth, heart in zip(self.signal_mv, self.truth, self.hearts, strict=True):
            german = language == "de" or (language == "mixed" and heart.index % 2 == 1)
            out.append(
                EcgRecord(
                    to_12(signal),
                    self.fs_hz,
                    LEADS_12,
                    record_id=f"{heart.id}-{self.visit}",
                    patient=Patient(heart.id, heart.age, heart.sex, heart.height_cm, heart.weight_kg),
                    report=truth.report_de if german else truth.report_en,
                    statements=dict(truth.statements),
                    synthetic=True,
                    metadata={
                        "source": "gen.simulate",
                        "seed": self.seed,
                        "index": heart.index,
                        "visit": self.visit,
                        "truth": truth.summary(),
                        "report_en": truth.report_en,
                        "report_de": truth.report_de,
                    },
                )
            )
        return out


def simulate(
    indices: Sequence[int] | np.ndarray,
    *,
    seed: int,
    visit: int = 0,
    fs_hz: float = 500.0,
    duration_s: float = 10.0,
    noise: str | Mapping[str, float] = "none",
    conditions: Conditions | Sequence[Conditions | None] | None = None,
    oversample: Mapping[str, float] | None = None,
) -> SimulatedBatch:
    """Simulated recordings; record k of seed s is the same whatever else is drawn with it.

    Args:
        indices: patients of the cohort ``seed``.
        seed: non-negative integer that names the cohort.
        visit: examination of the same patients; age, rate, posture and electrodes change a little.
        fs_hz, duration_s: sampling rate and length.
        noise: ``"none"``, ``"light"`` (resting ECG), ``"wearable"``, or fields of `gen.simulate.noise.NoiseLevel`.
        conditions: pins ``statements`` (SCP-ECG codes), ``heart_rate`` (1/min), ``age``, ``sex`` and ``findings``
            for all records (one mapping) or one by one (a sequence with None where nothing is pinned).
        oversample: statement -> factor on its odds in the drawn population, e.g. ``{"CLBBB": 5}``.

    Raises:
        ValueError: unknown condition, statement, finding or noise.
    """
    level = noise_level(noise)
    numbers = [int(i) for i in indices]
    specifications = _each_condition(conditions, len(numbers))
    signal = np.empty((len(numbers), len(LEADS_8), round(duration_s * fs_hz)), dtype=np.float32)
    truths, hearts = [], []
    for row, (index, specification) in enumerate(zip(numbers, specifications, strict=True)):
        heart = draw_heart(
            seed,
            index,
            age=specification.get("age"),
            sex=specification.get("sex"),
            statements=specification.get("statements"),
            findings=specification.get("findings"),
            oversample=oversample,
        )
        visited = replace(heart, age=heart.age if "age" in specification else round(heart.age + visit * 1.1, 1))
        clean, truth = examine(visited, visit, fs_hz, duration_s, specification.get("heart_rate"))
        signal[row] = clean
        if level != noise_level("none"):
            signal[row] += draw_noise(generator(seed, index, visit + 1, 1), level, signal.shape[2], fs_hz)
        truths.append(truth)
        hearts.append(visited)
    return SimulatedBatch(signal, float(fs_hz), truths, hearts, seed, visit)


def _each_condition(conditions: Conditions | Sequence[Conditions | None] | None, count: int) -> list[Conditions]:
    if conditions is None or isinstance(conditions, Mapping):
        specifications: list[Conditions] = [conditions or {}] * count
    else:
        specifications = [c or {} for c in conditions]
        if len(specifications) != count:
            raise ValueError(f"{len(specifications)} conditions were given for {count} records")
    for specification in specifications:
        for key in specification:
            if key not in CONDITION_KEYS:
                raise ValueError(f"condition {key!r} is unknown; known: {', '.join(CONDITION_KEYS)}")
    return specifications


def examine(
    heart: Heart, visit: int, fs_hz: float, duration_s: float, heart_rate: float | None = None
) -> tuple[np.ndarray, Truth]:
    """One noise-free recording of a heart and its truth; ((8, time) mV, `Truth`)."""
    rng = generator(heart.seed, heart.index, visit + 1, 0)
    disease, codes = heart.disease, frozenset(heart.disease.codes)
    rate = float(heart_rate) if heart_rate is not None else _rate_of_the_day(rng, heart, codes)
    # How much one person's ECG changes between visits is set after the 73 patients with several records in PTB-XL.
    latent = heart.latent * 0.93 + 0.367 * rng.standard_normal(len(heart.latent))
    loops = loops_of(latent, heart.detail, heart.sex, heart.age, rate, disease.severity, disease.regime)
    day = np.exp(np.array([0.08, 0.14]) * rng.standard_normal(2) - np.array([0.0, 0.05]))
    loops = replace(loops, stt=loops.stt * day[1])
    tilt = heart.tilt_deg + rng.normal(0, 3.5, 3)
    shift = np.clip(heart.electrode_shift + rng.normal(0, 0.09, 6), -0.4, 0.4)
    field = patient_lead_field(tilt, shift, heart.lead_gain * day[0])
    loops = pathology.apply(loops, disease, rate, heart.habits, field)
    rhythm = draw_rhythm(
        rng,
        codes,
        dict(disease.findings),
        rate=rate,
        pq_s=loops.pq_s,
        age=heart.age,
        variability=heart.rate_variability,
        duration_s=duration_s,
        pinned_rate=heart_rate is not None,
    )
    ectopic = ectopic_loops(loops, heart.focus)
    plan = Plan(rhythm, loops, ectopic, np.empty(0), field)
    plan = replace(plan, st_s=_repolarisation_times(plan, 60.0 / rate))
    signal = draw_waves(plan, duration_s, fs_hz, rng)
    if (rhythm.kind == PACED).any():
        gain = field[:, :3] @ (np.array([-0.15, -0.5, 0.15]) * (0.3 + rng.random()))
        signal += pacing_spikes(rhythm.qrs_on[rhythm.kind == PACED], signal.shape[1], fs_hz, gain)
    beats, numbers = read_truth(plan, duration_s, pathology.axis_deg(loops.qrs, field))
    statements = _final_statements(heart, numbers, rng)
    words = {k: v for k, v in numbers.items() if k != "rr_s"}
    english, german = write_reports(rng, statements, disease.findings, **words)
    truth = Truth(
        beats=beats,
        statements=dict.fromkeys(statements, 100.0),
        findings=dict(disease.findings),
        report_en=english,
        report_de=german,
        **numbers,
    )
    return signal, truth


def _rate_of_the_day(rng: np.random.Generator, heart: Heart, codes: frozenset[str]) -> float:
    z = rng.standard_normal()
    for code, mean, spread, low, high in (
        ("3AVB", 40, 6, 28, 55),
        ("PACE", 70, 8, 58, 95),
        ("SVTAC", 165, 18, 140, 210),
        ("PSVT", 170, 18, 140, 210),
        ("AFIB", 89, 22, 45, 165),
        ("AFLT", 100, 28, 65, 160),
        ("STACH", 112, 10, 101, 150),
        ("SBRAD", 53, 4.5, 38, 59),
    ):
        if code in codes:
            return float(np.clip(mean + spread * z, low, high))
    rate = heart.resting_rate + 5.0 * z + (3.0 if "NORM" not in codes else 0.0)
    if rng.random() < (0.012 if "NORM" in codes else 0.05):
        rate += 30.0
    if heart.disease.pinned and "SR" in codes:
        rate = float(np.clip(rate, 61, 99))
    return float(np.clip(rate, 42, 150))


def _repolarisation_times(plan: Plan, mean_rr: float) -> np.ndarray:
    """J point to T end of every beat: QT follows the adapted RR by about 0.14 s/s and ends before the next beat."""
    ectopic = is_ectopic(plan)
    base = np.where(ectopic, plan.ectopic.st_s, plan.normal.st_s)
    slope = 0.14 * np.clip(plan.rhythm.adapted_rr - mean_rr, -0.35, 0.35)
    qrs = np.where(ectopic, plan.ectopic.qrs_s, plan.normal.qrs_s)
    following = np.diff(plan.rhythm.qrs_on, append=plan.rhythm.qrs_on[-1] + mean_rr)
    limit = np.maximum(0.92 * following - qrs, 0.16)
    return np.clip(base + slope, 0.16, limit)


def ectopic_loops(own: Loops, focus: np.ndarray) -> Loops:
    """Loops of a beat that starts in one ventricle: wide, slow, T opposite to QRS.

    Args:
        own: the patient's conducted beat.
        focus: (10,) four uniform and six normal numbers that place the focus.
    """
    u, z = focus[:4], focus[4:]
    from_right = u[0] < 0.55
    # Away from its origin: a right-ventricular focus drives forces left and back, a left one right and forwards.
    main = np.array([0.75, 0.5, 0.55]) if from_right else np.array([-0.55, 0.35, -0.75])
    main[1] *= 1.0 if u[1] < 0.7 else -1.2
    main = main + 0.22 * z[:3]
    main *= (1.05 + 0.55 * u[2]) / np.linalg.norm(main)
    side = np.cross(main, z[3:6])
    side *= 0.45 / max(float(np.linalg.norm(side)), 1e-6)
    phase = np.asarray(waves.QRS.centres)
    along = np.exp(-0.5 * ((phase - 0.47) / 0.19) ** 2)
    across = np.sin(2 * np.pi * (phase - 0.05)) * np.exp(-0.5 * ((phase - 0.45) / 0.25) ** 2)
    qrs = np.outer(along, main) * 0.62 + np.outer(across, side) * 0.6
    later = np.asarray(waves.STT.centres)
    t_wave = np.exp(-0.5 * ((later - 0.52) / 0.19) ** 2) + 0.35 * np.exp(-0.5 * ((later - 0.15) / 0.2) ** 2)
    stt = -np.outer(t_wave, main) * 0.24
    zeros = np.zeros((len(qrs), 5))
    return Loops(
        # A share of the patient's own loop gives slurs and notches.
        qrs=np.concatenate([qrs, zeros], axis=1) * (0.72 * 11 / waves.QRS.size) + 0.22 * own.qrs,
        stt=np.concatenate([stt, zeros[: len(stt)]], axis=1),
        p=own.p,
        qrs_s=0.135 + 0.04 * float(u[3]),
        p_s=own.p_s,
        pq_s=own.pq_s,
        st_s=own.st_s * 0.98,
    )


def _final_statements(heart: Heart, numbers: Mapping[str, Any], rng: np.random.Generator) -> list[str]:
    """Statements of the recording: the heart's, and the rhythm that its rate of the day makes."""
    codes = list(heart.disease.codes)
    own_rhythm = {"2AVB", "AFIB", "AFLT", "SVTAC", "PSVT", "PACE", "3AVB", "SBRAD", "STACH", "SR"}
    if set(codes) & own_rhythm:
        return [*codes, "SR"] if set(codes) & own_rhythm == {"2AVB"} else codes
    rate = numbers["hr_bpm"]
    if rate < 50 or (rate < 60 and rng.random() < 0.2):
        return [*codes, "SBRAD"]
    if rate > 100:
        return [*codes, "STACH"]
    rr = numbers["rr_s"]
    regular = not {"SARRH", "PVC", "PAC", "BIGU", "TRIGU", "PRC(S)"} & set(codes) and not heart.disease.pinned
    if regular and len(rr) > 3 and rr.std() / rr.mean() > 0.055:
        return [*codes, "SARRH", "SR"]
    return [*codes, "SR"]


def iter_cohort(
    n: int,
    seed: int,
    visits: int = 1,
    batch: int = 64,
    *,
    noise: str | Mapping[str, float] = "light",
    fs_hz: float = 500.0,
    duration_s: float = 10.0,
    start: int = 0,
    language: str = "en",
    oversample: Mapping[str, float] | None = None,
) -> Iterator[EcgRecord]:
    """Twelve-lead records of patients ``start`` .. ``start + n - 1``, all visits of a patient one after another."""
    options: dict[str, Any] = {"fs_hz": fs_hz, "duration_s": duration_s, "noise": noise, "oversample": oversample}
    for first in range(start, start + n, batch):
        numbers = range(first, min(first + batch, start + n))
        examined = [simulate(numbers, seed=seed, visit=v, **options).records(language) for v in range(visits)]
        for visits_of_one in zip(*examined, strict=True):
            yield from visits_of_one
