"""How a disease changes the wave loops, where the fitted data are too few or too mixed to show it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gen.leads import DOWER
from gen.simulate import waves
from gen.simulate.disease import INFARCTS, TERRITORIES, WALLS, Disease
from gen.simulate.leadfield import NEAR_FIELD, SOURCE_TO_LEADS
from gen.simulate.population import Loops


def axis_deg(qrs: np.ndarray, field: np.ndarray = SOURCE_TO_LEADS) -> float:
    """Frontal axis of the QRS loop in degrees, from its areas in I and aVF.

    Args:
        qrs: (kernel, 8) source components.
        field: (8, 8) source -> leads of the patient.
    """
    lead_i, lead_ii = field[:2] @ qrs.sum(axis=0)
    avf = lead_ii - 0.5 * lead_i
    return float(np.degrees(np.arctan2(2.0 / np.sqrt(3.0) * avf, lead_i)))


def apply(loops: Loops, disease: Disease, rate: float, habits: np.ndarray, field: np.ndarray) -> Loops:
    """Adds to the fitted loops what the fitted data are too few or too mixed to show.

    Args:
        loops: fitted loops with the average effect of the statements.
        disease: statements, their strength and details.
        rate: heart rate in 1/min.
        habits: (3,) where the patient lies between the limits of QRS, PQ and QT, 0..1.
        field: (8, 8) source -> leads of the patient.
    """
    codes, strength = disease.codes, disease.severity
    if "RVH" in codes:
        loops = _right_ventricle(loops, strength["RVH"])
    loops = _axis(loops, codes, habits[0], field)
    if "NORM" in codes:
        loops = _within_limits(loops)
    if set(codes) & {"LVH", "VCLVH"}:
        loops = _voltage(loops, disease)
    if disease.regime is None:
        loops = _infarct(loops, disease)
    loops = _repolarisation(loops, disease)
    if "WPW" in codes:
        loops = _delta_wave(loops, disease)
    if "LVOLT" in codes:
        loops = _low_voltage(loops, strength["LVOLT"])
    if "LAO/LAE" in codes:
        late = np.zeros_like(loops.p)
        late[3:, :3] = np.outer([0.03, 0.02], [0.9, 0.1, 1.0]) * strength["LAO/LAE"]
        loops = replace(loops, p=loops.p + late, p_s=max(loops.p_s, 0.122))
    if "RAO/RAE" in codes:
        early = np.zeros_like(loops.p)
        early[1:3, :3] = np.outer([0.07, 0.06], [0.2, 1.0, -0.5]) * strength["RAO/RAE"]
        loops = replace(loops, p=loops.p + early)
    return _durations(loops, disease, rate, habits)


def _axis(loops: Loops, codes: Sequence[str], habit: float, field: np.ndarray) -> Loops:
    """Turns the frontal axis into the range its statement demands; ``habit`` spreads those that needed it."""
    if "LAFB" in codes:
        low, high = -75.0, -46.0
    elif "LPFB" in codes:
        low, high = 100.0, 145.0
    elif "RVH" in codes:
        low, high = 95.0, 150.0
    elif "NORM" in codes:
        low, high = -29.0, 90.0
    else:
        return loops
    now = axis_deg(loops.qrs, field)
    if low <= now <= high:
        return loops
    inward = 0.3 * habit * (high - low)
    nearer_low = abs(_turned_by(now, low)) < abs(_turned_by(now, high))
    goal = low + inward if nearer_low else high - inward
    turned = _turn(loops.qrs, goal, field)
    if abs(_turned_by(axis_deg(turned, field), goal)) > 1.0:
        # Near-field terms hold the limb leads where they are: leave them to the chest leads.
        limb = NEAR_FIELD[:2]
        near = loops.qrs[:, 3:]
        near = near - near @ limb.T @ np.linalg.pinv(limb).T
        turned = _pull(_turn(np.concatenate([loops.qrs[:, :3], near], axis=1), goal, field), goal, field)
    return replace(loops, qrs=turned)


def _pull(qrs: np.ndarray, goal: float, field: np.ndarray) -> np.ndarray:
    """Adds frontal forces towards ``goal`` until the axis is there: for loops with hardly any net frontal force."""
    angle = np.deg2rad(goal)
    wanted = np.array([np.cos(angle), 0.5 * np.cos(angle) + np.sqrt(0.75) * np.sin(angle)])
    direction = np.linalg.solve(field[:2, :2], wanted)
    pulse = np.exp(-0.5 * ((np.asarray(waves.QRS.centres) - 0.5) / 0.15) ** 2)
    pulled = qrs.copy()
    for _ in range(40):
        if abs(_turned_by(axis_deg(pulled, field), goal)) < 4.0:
            break
        pulled[:, :2] += 0.03 * np.outer(pulse, direction)
    return pulled


def _turned_by(now: float, goal: float) -> float:
    return (goal - now + 180.0) % 360.0 - 180.0


def _turn(qrs: np.ndarray, goal: float, field: np.ndarray) -> np.ndarray:
    """The loop turned in the frontal plane until its axis is ``goal`` degrees."""
    turned = qrs.copy()
    for _ in range(12):
        step = np.deg2rad(_turned_by(axis_deg(turned, field), goal))
        if abs(step) < 1e-3:
            break
        c, s = np.cos(step), np.sin(step)
        turned[:, :2] = turned[:, :2] @ np.array([[c, s], [-s, c]])
    return turned


def _right_ventricle(loops: Loops, strength: float) -> Loops:
    """Forces to the right and forwards: R in V1, S in V5-V6."""
    centres = np.asarray(waves.QRS.centres)
    pull = np.exp(-0.5 * ((centres - 0.58) / 0.2) ** 2)
    qrs = loops.qrs.copy()
    qrs[:, 0] *= 0.45
    qrs[:, 2] *= 0.45
    qrs[:, :3] += np.outer(pull, [-0.28, 0.12, -0.34]) * strength * 11 / waves.QRS.size
    return replace(loops, qrs=qrs)


def _voltage(loops: Loops, disease: Disease) -> Loops:
    """Raises the QRS to the Sokolow-Lyon or Cornell limit that the statement was made for, in most patients."""
    code = "LVH" if "LVH" in disease.codes else "VCLVH"
    limit = 2.7 + 0.7 * disease.severity[code]
    drawn = _QRS_GRID @ loops.qrs @ SOURCE_TO_LEADS.T
    sokolow = -drawn[:, 2].min() + max(drawn[:, 6].max(), drawn[:, 7].max())
    cornell = (drawn[:, 0] - 0.5 * drawn[:, 1]).max() - drawn[:, 4].min()
    reached = max(sokolow / limit, cornell / (0.75 * limit))
    return replace(loops, qrs=loops.qrs * float(np.clip(1.0 / reached, 1.0, 1.5)))


def _within_limits(loops: Loops) -> Loops:
    """A normal ECG: no more than 4 mV by Sokolow-Lyon, T upright in I, II and V4-V6."""
    drawn = _QRS_GRID @ loops.qrs @ SOURCE_TO_LEADS.T
    sokolow = -drawn[:, 2].min() + max(drawn[:, 6].max(), drawn[:, 7].max())
    stt = loops.stt.copy()
    for lead, towards in ((0, [1.0, 0.0, 0.0]), (1, [0.2, 1.0, 0.0]), (5, [1.0, 0.0, -0.5]), (7, [1.0, 0.0, 0.3])):
        t_wave = _T_SHAPE @ stt @ SOURCE_TO_LEADS[lead] / _T_SHAPE.sum()
        missing = 0.07 - float(t_wave)
        if missing > 0:
            direction = np.array(towards) / float(DOWER[lead] @ towards)
            stt[:, :3] += np.outer(_T_SHAPE, direction) * missing / float(_T_SHAPE @ _T_SHAPE / _T_SHAPE.sum())
    return replace(loops, qrs=loops.qrs * min(1.0, 4.0 / sokolow), stt=stt)


#: Where in ST-T the T wave is.
_T_SHAPE = np.exp(-0.5 * ((np.asarray(waves.STT.centres) - 0.62) / 0.16) ** 2)


def _low_voltage(loops: Loops, strength: float) -> Loops:
    """QRS under 0.5 mV from peak to peak in every limb lead."""
    limb = _QRS_GRID @ loops.qrs @ SOURCE_TO_LEADS[:2].T
    limb = np.concatenate([limb, limb[:, 1:] - limb[:, :1]], axis=1)
    return replace(loops, qrs=loops.qrs * min(1.0, (0.52 - 0.08 * strength) / np.ptp(limb, axis=0).max()))


_QRS_GRID = waves.QRS(np.linspace(0, 1, 41))


def _infarct(loops: Loops, disease: Disease) -> Loops:
    """Lost early forces of the infarcted wall; ST towards an acute injury, T away from a subacute or old one."""
    qrs, stt = loops.qrs.copy(), loops.stt.copy()
    age = disease.findings.get("infarct", "old")
    early = np.exp(-0.5 * ((np.asarray(waves.QRS.centres) - 0.32) / 0.16) ** 2)
    late = np.exp(-0.5 * ((np.asarray(waves.STT.centres) - 0.62) / 0.18) ** 2)
    st = np.array([1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.35, 0.08])
    for code in (c for c in disease.codes if c in INFARCTS):
        wall = np.array(WALLS[INFARCTS[code]])
        wall /= np.linalg.norm(DOWER @ wall) / 2.0
        # In about a third of infarcts the ECG does not tell the wall (Knippenberg et al., 2010).
        silent = not disease.pinned and disease.severity[code] < 1.02
        size = disease.severity[code] * (0.5 + 2.5 * disease.scar_extent) * (0.1 if silent else 1.0)
        qrs[:, :3] -= np.outer(early, wall) * (0.06 if age == "acute" else 0.17) * 11 / waves.QRS.size * size
        if age == "acute":
            stt[:, :3] += np.outer(st, wall) * 0.16 * size
        elif age == "subacute":
            stt[:, :3] += np.outer(st, wall) * 0.045 * size - np.outer(late, wall) * 0.16 * size
        else:
            stt[:, :3] -= np.outer(late, wall) * 0.02 * size
    return replace(loops, qrs=qrs, stt=stt)


def _repolarisation(loops: Loops, disease: Disease) -> Loops:
    stt, codes, strength = loops.stt.copy(), disease.codes, disease.severity
    centres = np.asarray(waves.STT.centres)
    st = np.array([1.0, 1.0, 0.95, 0.8, 0.5, 0.2, 0.05, 0.0])
    t_wave = np.exp(-0.5 * ((centres - 0.62) / 0.16) ** 2)
    apex = np.array([0.75, 0.55, -0.25])
    for code, wall_name in TERRITORIES.items():
        if code in codes:
            wall = np.array(WALLS[wall_name])
            wall /= np.linalg.norm(DOWER @ wall) / 2.0
            depth, inversion = (0.09, 0.03) if code.startswith("INJ") else (0.02, 0.10)
            stt[:, :3] -= np.outer(st, wall) * depth * strength[code]
            stt[:, :3] -= np.outer(t_wave, wall) * inversion * strength[code]
    if "LVH" in codes and strength["LVH"] > 1.15:
        towards = np.array([0.95, -0.05, 0.25])
        stt[:, :3] -= np.outer(0.35 * st + t_wave, towards) * 0.16 * (strength["LVH"] - 0.75)
    if "RVH" in codes:
        towards = np.array([-0.35, 0.6, -0.75])
        stt[:, :3] -= np.outer(0.3 * st + t_wave, towards) * 0.12 * strength["RVH"]
    if "STD_" in codes:
        stt[:, :3] -= np.outer(st, apex) * 0.045 * strength["STD_"]
    if "INVT" in codes:
        stt[:, :3] -= np.outer(t_wave, apex) * 0.14 * strength["INVT"]
    if "LOWT" in codes:
        stt *= 0.6
    if "DIG" in codes:
        stt[:, :3] -= np.outer(np.array([0.3, 0.7, 1.0, 0.9, 0.4, 0.1, 0.0, 0.0]), apex) * 0.05 * strength["DIG"]
    if "STE_" in codes:
        towards = apex if disease.findings.get("STE_") == "pericarditis" else np.array([0.55, 0.35, -0.7])
        stt[:, :3] += np.outer(st, towards) * 0.085 * strength["STE_"]
        stt[:, :3] += np.outer(t_wave, towards) * 0.10 * strength["STE_"]
    if "EL" in codes:
        stt = _electrolytes(stt, disease)
    return replace(loops, stt=stt)


def _electrolytes(stt: np.ndarray, disease: Disease) -> np.ndarray:
    """Hyperkalaemia: tall, narrow T. Hypokalaemia: flat T, sagging ST, and a late wave that runs into the U wave."""
    centres, strength = np.asarray(waves.STT.centres), disease.severity["EL"]
    direction = np.array([0.6, 0.6, -0.45])
    if disease.findings.get("EL") == "hyperkalaemia":
        narrow = np.exp(-0.5 * ((centres - 0.64) / 0.09) ** 2)
        return stt * (0.5 + 0.5 * narrow)[:, None] + _dipole(np.outer(narrow, direction) * 0.45 * strength)
    late = np.exp(-0.5 * ((centres - 0.86) / 0.07) ** 2)
    sag = np.exp(-0.5 * ((centres - 0.3) / 0.2) ** 2)
    return stt * 0.45 + _dipole((np.outer(late, direction) * 0.16 - np.outer(sag, direction) * 0.06) * strength)


def _dipole(vectors: np.ndarray) -> np.ndarray:
    """(kernel, 3) dipole -> (kernel, 8) source components."""
    return np.concatenate([vectors, np.zeros((len(vectors), 5))], axis=1)


def _later_qrs() -> np.ndarray:
    """(kernel, kernel): the same loop squeezed into the last 70 % of a longer QRS, as kernels of that QRS."""
    phase = np.linspace(0, 1, 201)
    return np.linalg.lstsq(waves.QRS(phase), waves.QRS((phase - 0.30) / 0.70), rcond=1e-4)[0]


_LATER = _later_qrs()


def _delta_wave(loops: Loops, disease: Disease) -> Loops:
    """Slow first forces along the accessory pathway, fused with the patient's own QRS."""
    side = {"left-sided": (0.1, 0.6, -0.9), "right-sided": (0.9, 0.2, 0.3), "septal": (0.7, -0.6, -0.2)}
    direction = np.array(side[disease.findings.get("WPW", "left-sided")])
    centres = np.asarray(waves.QRS.centres)
    ramp = np.clip(centres / 0.42, 0, 1) * np.exp(-0.5 * (np.maximum(centres - 0.42, 0) / 0.16) ** 2)
    qrs = _LATER @ loops.qrs * 0.85 + _dipole(np.outer(ramp, direction) * 0.24 * disease.severity["WPW"])
    t_wave = np.exp(-0.5 * ((np.asarray(waves.STT.centres) - 0.6) / 0.18) ** 2)
    stt = loops.stt - _dipole(np.outer(t_wave, direction) * 0.12)
    return replace(loops, qrs=qrs, stt=stt, qrs_s=max(loops.qrs_s * 1.35, 0.125))


def _durations(loops: Loops, disease: Disease, rate: float, jitter: np.ndarray) -> Loops:
    """Keeps the intervals inside what the statements claim; the clip limits are spread to avoid a pile at one value."""
    codes = set(disease.codes)
    qrs, pq, st, p = loops.qrs_s, loops.pq_s, loops.st_s, loops.p_s
    if codes & {"CLBBB", "PACE"}:
        qrs = float(np.clip(qrs, 0.138 + 0.012 * jitter[0], 0.162 + 0.012 * jitter[0]))
    elif "CRBBB" in codes:
        qrs = float(np.clip(qrs, 0.130 + 0.010 * jitter[0], 0.16))
    elif codes & {"IVCD", "WPW"}:
        qrs = float(np.clip(qrs, 0.112 + 0.01 * jitter[0], 0.16))
    elif codes & {"IRBBB", "ILBBB"}:
        qrs = float(np.clip(qrs, 0.096 + 0.008 * jitter[0], 0.116))
    else:
        qrs = float(np.clip(qrs, 0.070, 0.106 + 0.008 * jitter[0]))
    if "WPW" in codes:
        pq = 0.085 + 0.03 * jitter[1]
    elif codes & {"1AVB", "LPR"}:
        pq = float(np.clip(pq, 0.208 + 0.03 * jitter[1], 0.38))
    else:
        pq = float(np.clip(pq, 0.112 + 0.01 * jitter[1], 0.178 + 0.01 * jitter[1]))
    p = float(np.clip(p, 0.072, min(0.14, pq - 0.012)))
    # Soft kernel tails are read as part of T: the drawn wave ends a little after its nominal end.
    st *= 0.96
    scale = np.sqrt(min(60.0 / rate, 1.3))
    wide = max(qrs - 0.10, 0.0)
    if "LNGQT" in codes:
        st = max(st * 1.1, (0.485 + 0.05 * jitter[2]) * scale - qrs)
    else:
        usual = max((0.41 + 0.7 * wide) * scale - qrs, 0.16)
        longest = max((0.445 + 0.02 * jitter[2] + wide) * scale - qrs, 0.17)
        st = min(st**0.75 * usual**0.25, longest)
    if disease.findings.get("EL") == "hypokalaemia":
        st *= 1.12
    return replace(loops, qrs_s=qrs, pq_s=pq, st_s=st, p_s=p)
