"""When the heart beats: atrial and ventricular events of one recording, drawn by the rhythm's own process."""

from dataclasses import dataclass

import numpy as np

NORMAL, PVC, PAC, ESCAPE, PACED = range(5)
BEAT_TYPES = ("normal", "PVC", "PAC", "escape", "paced")
#: Seconds before and after the recording in which events are drawn too, so that its ends look like its middle.
MARGIN_S = 1.6


@dataclass(frozen=True, eq=False)
class Rhythm:
    """Events in seconds from the start of the recording; some lie in the margins.

    Attributes:
        qrs_on: (beat,) onset of each ventricular complex.
        kind: (beat,) one of `NORMAL`, `PVC`, `PAC`, `ESCAPE`, `PACED`.
        p_on: (beat,) onset of the P wave conducted to that beat; NaN where there is none.
        free_p_on: onsets of P waves that no ventricular beat follows (block, dissociation).
        adapted_rr: (beat,) the RR interval to which repolarisation has adapted.
        atrial: ``"sinus"``, ``"fibrillation"``, ``"flutter"`` or ``"hidden"``.
        atrial_hz: rate of fibrillation or flutter waves.
    """

    qrs_on: np.ndarray
    kind: np.ndarray
    p_on: np.ndarray
    free_p_on: np.ndarray
    adapted_rr: np.ndarray
    atrial: str
    atrial_hz: float = 0.0


def sinus_rr(
    rng: np.random.Generator, mean_s: float, count: int, age: float, scale: float, arrhythmia: bool
) -> np.ndarray:
    """RR intervals with respiratory (0.2-0.3 Hz), Mayer-wave (0.1 Hz) and 1/f components; (count,) s."""
    time = np.arange(count) * mean_s
    young = float(np.clip(1.4 - age / 70.0, 0.25, 1.2)) * min(1.0, mean_s / 0.8) ** 1.5
    u = rng.random(4)
    respiration = 0.2 + 0.12 * u[0]
    depth = (0.075 + 0.06 * u[3]) if arrhythmia else min(0.045 * young * scale, 0.07)
    wave = depth * np.sin(2 * np.pi * (respiration * time + u[1]))
    wave += 0.5 * depth * np.sin(2 * np.pi * (0.1 * time + u[2]))
    slow = np.cumsum(rng.standard_normal(count)) * 0.010 * scale
    slow -= slow.mean()
    fast = rng.standard_normal(count) * 0.007 * scale
    return mean_s * (1.0 + wave + slow + fast)


def draw_rhythm(
    rng: np.random.Generator,
    codes: frozenset[str],
    findings: dict[str, str],
    *,
    rate: float,
    pq_s: float,
    age: float,
    variability: float,
    duration_s: float,
    pinned_rate: bool = False,
) -> Rhythm:
    """Events of one recording.

    Args:
        rng: generator of this visit's rhythm.
        codes: statements (rhythm, block, extrasystoles).
        findings: details, see `gen.simulate.disease.FINDINGS`.
        rate: mean ventricular rate in 1/min.
        pq_s: P onset to QRS onset in seconds.
        age: years (respiratory arrhythmia fades with age).
        variability: the patient's scale of heart-rate variation.
        duration_s: length of the recording.
        pinned_rate: the mean rate inside the recording must be met.
    """
    mean, span = 60.0 / rate, duration_s + 2 * MARGIN_S
    if codes & {"AFIB"} and "3AVB" not in codes and "PACE" not in codes:
        return _fibrillation(rng, mean, span, duration_s, codes, pinned_rate)
    if "AFLT" in codes and "PACE" not in codes:
        return _flutter(rng, rate, span)
    if "3AVB" in codes:
        return _dissociated(rng, mean, span, findings, age, variability, "AFIB" in codes)
    if "PACE" in codes:
        return _paced(rng, mean, span, codes, findings, pq_s, age, variability)
    count = int(span / mean * 1.4) + 8
    fast = bool(codes & {"SVTAC", "PSVT"})
    rr = sinus_rr(rng, mean, count, age, 0.3 if fast else variability, bool(codes & {"SARRH", "SVARR"}))
    if "2AVB" in codes:
        return _second_degree(rng, rr, span, findings.get("2AVB", "mobitz1"), pq_s)
    onset = np.cumsum(rr)
    onset = _placed(onset, mean, duration_s, pinned_rate)
    onset, kind = _premature(rng, onset, codes, duration_s)
    p_on = onset - pq_s
    p_on = np.where(kind == PVC, np.nan, p_on)
    if fast:
        return _rhythm(onset, kind, np.full(len(onset), np.nan), "hidden")
    return _rhythm(onset, kind, p_on, "sinus")


def _rhythm(
    onset: np.ndarray,
    kind: np.ndarray,
    p_on: np.ndarray,
    atrial: str,
    free: np.ndarray | None = None,
    atrial_hz: float = 0.0,
) -> Rhythm:
    rr = np.diff(onset, prepend=onset[0] - np.median(np.diff(onset)))
    adapted = np.empty(len(rr))
    memory = float(np.mean(rr))
    for i, value in enumerate(rr):
        memory += 0.25 * (value - memory)
        adapted[i] = 0.75 * memory + 0.25 * value
    free = np.empty(0) if free is None else free
    return Rhythm(onset, kind.astype(np.int8), p_on, free, adapted, atrial, atrial_hz)


def _placed(onset: np.ndarray, mean: float, duration_s: float, pinned: bool) -> np.ndarray:
    """Events counted from the start of the margin -> from the start of the recording, cut at both margins."""
    onset = onset - MARGIN_S
    if pinned:
        onset = _meet_rate(onset, mean, duration_s)
    return onset[(onset > -MARGIN_S) & (onset < duration_s + MARGIN_S + 0.5)]


def _meet_rate(onset: np.ndarray, mean: float, duration_s: float) -> np.ndarray:
    """Scales and shifts the RR intervals so that those inside the recording average ``mean`` exactly."""
    count = max(1, int(duration_s / mean - 1e-9))
    slack = max(duration_s - count * mean, 0.0)
    first = int(np.searchsorted(onset, 0.0))
    first = max(1, min(first, len(onset) - count - 2))
    rr = np.diff(onset)
    rr[first : first + count] *= mean / rr[first : first + count].mean()
    # The neighbours of the counted beats must lie outside the recording.
    rr[first - 1] = max(rr[first - 1], slack / 2 + 0.02)
    rr[first + count] = max(rr[first + count], slack / 2 + 0.02)
    moved = np.concatenate([[0.0], np.cumsum(rr)])
    return moved - moved[first] + slack / 2


def _premature(
    rng: np.random.Generator, onset: np.ndarray, codes: frozenset[str], duration_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Replaces beats by premature ones: PVC with full compensatory pause, PAC with a reset sinus node."""
    kind = np.full(len(onset), NORMAL)
    onset = onset.copy()
    ventricular = bool(codes & {"PVC", "BIGU", "TRIGU"})
    if not ventricular and not codes & {"PAC", "PRC(S)"}:
        return onset, kind
    inside = np.flatnonzero((onset > 0.5) & (onset < duration_s - 0.8))
    if len(inside) == 0:
        return onset, kind
    if "BIGU" in codes or "TRIGU" in codes:
        step = 2 if "BIGU" in codes else 3
        chosen = list(range(1 + int(rng.integers(step)), len(onset) - 1, step))
    else:
        wanted = 1 + int(rng.random() < 0.5) + int(rng.random() < 0.25)
        chosen = []
        for at in rng.permutation(inside)[: 4 * wanted]:
            if len(chosen) < wanted and all(abs(int(at) - c) > 1 for c in chosen) and 0 < at < len(onset) - 1:
                chosen.append(int(at))
    coupling = 0.52 + 0.14 * rng.random()
    for at in sorted(chosen):
        before = onset[at - 1]
        interval = onset[at] - before
        if ventricular:
            onset[at] = before + max(coupling * interval + 0.01 * rng.standard_normal(), 0.34)
            kind[at] = PVC
        else:
            early = max((0.6 + 0.18 * rng.random()) * interval, 0.38)
            shift = early + interval * 1.05 - (onset[at + 1] - before)
            onset[at] = before + early
            onset[at + 1 :] += shift
            kind[at] = PAC
    return onset, kind


def _fibrillation(
    rng: np.random.Generator, mean: float, span: float, duration_s: float, codes: frozenset[str], pinned: bool
) -> Rhythm:
    """RR intervals without memory: gamma with a floor at the node's refractory time, CV about 0.2-0.3."""
    count = int(span / mean * 1.6) + 12
    floor = min(0.30, 0.5 * mean)
    cv = 0.19 + 0.09 * rng.random()
    shape = ((mean - floor) / (cv * mean)) ** 2
    rr = floor + rng.gamma(shape, (mean - floor) / shape, count)
    onset = _placed(np.cumsum(rr), mean, duration_s, pinned)
    kind = np.full(len(onset), NORMAL)
    if codes & {"PVC", "BIGU", "TRIGU"}:
        for at in range(2 + int(rng.integers(3)), len(onset) - 1, 5 + int(rng.integers(4))):
            kind[at] = PVC
    return _rhythm(onset, kind, np.full(len(onset), np.nan), "fibrillation", atrial_hz=5.2 + 2.2 * rng.random())


def _flutter(rng: np.random.Generator, rate: float, span: float) -> Rhythm:
    """Atrial cycle near 300/min; every second to fourth wave is conducted, the ratio nearest to the wanted rate."""
    ratio = int(np.clip(round(300.0 / rate), 2, 6))
    hz = float(np.clip(rate * ratio / 60.0, 4.0, 5.8))
    count = int(span * hz / ratio * 1.5) + 4
    steps = np.full(count, ratio)
    if rng.random() < 0.4:
        steps += rng.choice([-1, 0, 1], size=count, p=[0.15, 0.7, 0.15])
    waves = np.cumsum(np.maximum(steps, 2))
    onset = waves / hz + 0.01 * rng.standard_normal(count)
    onset = onset[onset < span + 0.5] - MARGIN_S
    return _rhythm(onset, np.full(len(onset), NORMAL), np.full(len(onset), np.nan), "flutter", atrial_hz=hz)


def _second_degree(rng: np.random.Generator, rr: np.ndarray, span: float, form: str, pq_s: float) -> Rhythm:
    """Sinus P waves of which some are not conducted: Wenckebach periods, Mobitz II, or 2:1."""
    p = np.cumsum(rr * (0.85 if form == "2:1" else 1.0))
    p = p[p < span + 0.5] - MARGIN_S
    cycle = {"2:1": 2}.get(form, int(rng.integers(3, 6)))
    phase = int(rng.integers(cycle))
    qrs, conducted, free = [], [], []
    for i, at in enumerate(p):
        place = (i + phase) % cycle
        if place == cycle - 1:
            free.append(at)
            continue
        # Wenckebach: the largest step is the first, then smaller ones, so that RR shortens before the pause.
        delay = pq_s + (0.075 * (1 - 0.55**place) / 0.45 if form == "mobitz1" else 0.0)
        qrs.append(at + delay)
        conducted.append(at)
    onset = np.array(qrs)
    return _rhythm(onset, np.full(len(onset), NORMAL), np.array(conducted), "sinus", np.array(free))


def _dissociated(
    rng: np.random.Generator,
    mean: float,
    span: float,
    findings: dict[str, str],
    age: float,
    variability: float,
    fibrillating: bool,
) -> Rhythm:
    """Third-degree block: atria and a slow escape rhythm, each on its own clock."""
    count = int(span / mean * 1.3) + 6
    onset = np.cumsum(mean * (1 + 0.01 * rng.standard_normal(count)))
    onset = onset[onset < span + 0.5] - MARGIN_S
    kind = np.full(len(onset), ESCAPE if findings.get("3AVB") != "junctional escape" else NORMAL)
    none = np.full(len(onset), np.nan)
    if fibrillating:
        return _rhythm(onset, kind, none, "fibrillation", atrial_hz=5.5)
    atrial = 60.0 / (72 + 22 * rng.random())
    p = np.cumsum(sinus_rr(rng, atrial, int(span / atrial * 1.3) + 6, age, variability, False)) - rng.random() * atrial
    return _rhythm(onset, kind, none, "sinus", p[p < span + 0.5] - MARGIN_S)


def _paced(
    rng: np.random.Generator,
    mean: float,
    span: float,
    codes: frozenset[str],
    findings: dict[str, str],
    pq_s: float,
    age: float,
    variability: float,
) -> Rhythm:
    """Ventricular pacing at a fixed rate (atria fibrillate or are dissociated), or following the atria."""
    count = int(span / mean * 1.3) + 6
    dual = findings.get("PACE") == "dual chamber" and "AFIB" not in codes
    rr = (
        sinus_rr(rng, mean, count, age, 0.5 * variability, False)
        if dual
        else mean * (1 + 2e-4 * rng.standard_normal(count))
    )
    onset = np.cumsum(rr)
    onset = onset[onset < span + 0.5] - MARGIN_S
    kind = np.full(len(onset), PACED)
    none = np.full(len(onset), np.nan)
    if "AFIB" in codes:
        return _rhythm(onset, kind, none, "fibrillation", atrial_hz=5.2 + 2 * rng.random())
    if dual:
        return _rhythm(onset, kind, onset - float(np.clip(pq_s, 0.14, 0.18)), "sinus")
    return _rhythm(onset, kind, none, "hidden")
