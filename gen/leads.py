"""Lead names, their order, and the exact algebra between them.

An ECG of twelve leads holds eight independent signals: two limb leads and six chest leads. Einthoven's law
(III = II - I) and Goldberger's definitions of the augmented leads give the other four. Models work on the
eight; everything shown or written has twelve. Leads are addressed by name, never by number.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from gen.errors import LeadError as LeadError

LEADS_12 = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
LEADS_8 = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
LIMB_LEADS = LEADS_12[:6]
CHEST_LEADS = LEADS_12[6:]

#: (8, 3): mV in `LEADS_8` per mV of the heart's dipole in Frank's frame, x to the left, y to the feet, z to the back
#: (Dower, Machado, Osborne, "On deriving the electrocardiogram from vectorcardiographic leads", 1980).
DOWER = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)

#: Words that say 'ECG' before a lead, and words that say 'lead' in the languages of phones and recorders.
_ECG_WORDS = ("mdc_ecg_", "ecg ", "ecg_", "ekg ", "ekg_", "ecg-", "ekg-")
_LEAD_WORDS = (
    *("lead", "ableitung", "dérivation", "derivation", "derivación", "derivacion", "derivazione", "derivação"),
    *("afleiding", "avledning", "afledning", "kytkentä", "odprowadzenie", "svod", "zvod", "derivasyon", "elvezetés"),
    *("отведение", "відведення", "απαγωγή", "导联", "導程", "誘導", "유도"),
)
_ALIASES = {
    **{name.lower(): name for name in LEADS_12},
    "l1": "I",
    "l2": "II",
    "l3": "III",
    "li": "I",
    "lii": "II",
    "liii": "III",
    "mli": "I",
    "mlii": "II",
    "mliii": "III",
    "d1": "I",
    "d2": "II",
    "d3": "III",
    "di": "I",
    "dii": "II",
    "diii": "III",
    "c1": "V1",
    "c2": "V2",
    "c3": "V3",
    "c4": "V4",
    "c5": "V5",
    "c6": "V6",
}
# Typographic Roman numerals of Asian keyboards.
_ALIASES |= {"ⅰ": "I", "ⅱ": "II", "ⅲ": "III"}

_LOWER = frozenset(name.lower() for name in LEADS_12)
_NUMBERS = {"1": "I", "2": "II", "3": "III"}

# Rows: the six limb leads in the basis (I, II). Goldberger: aVR = -(I+II)/2, aVL = I - II/2, aVF = II - I/2.
_LIMB = np.array([[1, 0], [0, 1], [-1, 1], [-0.5, -0.5], [1, -0.5], [-0.5, 1]], dtype=np.float64)

#: (12, 8) matrix that takes the eight independent leads (order ``LEADS_8``) to twelve (order ``LEADS_12``).
LEADS_8_TO_12 = np.zeros((12, 8))
LEADS_8_TO_12[:6, :2] = _LIMB
LEADS_8_TO_12[6:, 2:] = np.eye(6)


@lru_cache(maxsize=1024)
def canonical_lead(name: str) -> str:
    """Standard name of a lead: ``'AVR'``, ``'Lead I'``, ``'MLII'``, ``'MDC_ECG_LEAD_V1'`` -> aVR, I, II, V1.

    A number is a lead's only behind a word that says so (``'Lead 1'``, ``'L1'``): ``'ECG 1'`` and ``'1'`` are the
    first channel of a recorder, wherever its electrodes are.

    Raises:
        LeadError: the name is no known lead; the message lists the known ones.
    """
    key = name.strip().lower()
    for word in _ECG_WORDS:
        key = key.removeprefix(word).strip()
    bare, key = key, _without_lead_word(key)
    if bare != key and key in _NUMBERS:
        return _NUMBERS[key]
    # A leading minus stays: the -aVR of the Cabrera sequence is upside down and must not pass for aVR.
    found = _ALIASES.get(key[:1] + key[1:].replace("-", "").replace(" ", ""))
    if found is None:
        raise LeadError(f"unknown lead {name!r}; known leads: {', '.join(LEADS_12)}")
    return found


def _without_lead_word(key: str) -> str:
    """The name without a word for 'lead' before it, or (in Chinese, Japanese and Korean) behind it."""
    for word in _LEAD_WORDS:
        rest = key[len(word) :]
        if key.startswith(word) and rest and (not rest[0].isalpha() or rest in _LOWER):
            return rest.strip(" _:.")
        if key.endswith(word) and not word.isascii():
            return key.removesuffix(word).strip(" _:.第")
        if key.startswith(word) and not word[0].isascii():
            return key.removeprefix(word).strip(" _:.")
    return key


def canonical_leads(names: Sequence[str]) -> tuple[str, ...]:
    """Standard names of several leads; one text is read as names by comma.

    Raises:
        LeadError: a name is unknown, or two names mean the same lead.
    """
    names = [part.strip() for part in names.split(",")] if isinstance(names, str) else names
    leads = tuple(canonical_lead(name) for name in names)
    for position, lead in enumerate(leads):
        if lead in leads[:position]:
            one, other = names[leads.index(lead)], names[position]
            raise LeadError(f"lead {lead} is given twice" + ("" if one == other else f" (as {one!r} and {other!r})"))
    return leads


def parse_leads(text: str) -> tuple[str, ...]:
    """Leads from a comma-separated list such as ``'II,V1,V5'``.

    Raises:
        LeadError: the list is empty, or a name in it is unknown or repeated.
    """
    names = [part for part in text.replace(";", ",").replace("+", ",").split(",") if part.strip()]
    if not names:
        raise LeadError(f"no lead in {text!r}; give names such as II,V1,V5")
    return canonical_leads(names)


def derivation(leads: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """Matrix (wanted, leads) that computes the ``wanted`` leads exactly from ``leads``.

    A wanted lead that is present is copied; a limb lead follows from any two other limb leads (solved by least
    squares when more than two are there, which changes nothing where Einthoven's law holds).

    Raises:
        LeadError: a wanted lead cannot be had exactly from ``leads``.
    """
    limb = [i for i, lead in enumerate(leads) if lead in LIMB_LEADS]
    matrix = np.zeros((len(wanted), len(leads)))
    for row, lead in enumerate(wanted):
        if lead in leads:
            matrix[row, leads.index(lead)] = 1.0
        elif lead in LIMB_LEADS and len(limb) >= 2:
            basis = _LIMB[[LIMB_LEADS.index(leads[i]) for i in limb]]
            matrix[row, limb] = _LIMB[LIMB_LEADS.index(lead)] @ np.linalg.pinv(basis)
        else:
            raise LeadError(f"lead {lead} does not follow from {', '.join(leads)}")
    # pinv leaves 1e-17 where the algebra says 0, and 0.49999999999999994 for a half.
    rounded = np.round(matrix * 6) / 6
    return np.where(np.abs(matrix - rounded) < 1e-9, rounded, matrix)


def derivable(leads: Sequence[str]) -> tuple[str, ...]:
    """All leads, in standard order, that are present or follow exactly from the present ones."""
    two_limb = sum(lead in LIMB_LEADS for lead in leads) >= 2
    return tuple(lead for lead in LEADS_12 if lead in leads or (two_limb and lead in LIMB_LEADS))


def to_leads(signal: np.ndarray, leads: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """Reorder, select or derive leads.

    Args:
        signal: (..., lead, time), any unit.
        leads: names of its leads.
        wanted: names of the leads to return, in that order.

    Returns:
        (..., wanted, time) of the same dtype. Leads that were there are the same samples, bit for bit.

    Raises:
        LeadError: a wanted lead cannot be had exactly.
    """
    if signal.shape[-2] != len(leads):
        raise ValueError(f"signal has {signal.shape[-2]} leads, but {len(leads)} names were given")
    leads = tuple(leads)
    present = [lead in leads for lead in wanted]
    if all(present):
        return signal[..., [leads.index(lead) for lead in wanted], :]
    out = np.empty((*signal.shape[:-2], len(wanted), signal.shape[-1]), dtype=signal.dtype)
    missing = [lead for lead, there in zip(wanted, present, strict=True) if not there]
    matrix = derivation(leads, missing)
    used = np.flatnonzero(matrix.any(axis=0))  # a NaN in an unrelated lead must not spread through 0 * NaN
    computed = np.einsum("wl,...lt->...wt", matrix[:, used], signal[..., used, :].astype(np.float64))
    for row, lead in enumerate(wanted):
        out[..., row, :] = signal[..., leads.index(lead), :] if lead in leads else computed[..., missing.index(lead), :]
    return out


def to_12(signal_8: np.ndarray) -> np.ndarray:
    """Eight independent leads (..., 8, time) in the order ``LEADS_8`` -> twelve (..., 12, time), exact."""
    return to_leads(signal_8, LEADS_8, LEADS_12)


def to_8(signal_12: np.ndarray) -> np.ndarray:
    """Twelve leads (..., 12, time) in the order ``LEADS_12`` -> the eight independent ones; inverse of `to_12`."""
    return to_leads(signal_12, LEADS_12, LEADS_8)


def limb_lead_residual(signal: np.ndarray, leads: Sequence[str]) -> np.ndarray:
    """How far the limb leads are from Einthoven's and Goldberger's laws.

    Args:
        signal: (..., lead, time) in mV.
        leads: names; I and II must be among them, with at least one other limb lead.

    Returns:
        (...) RMS in mV over time and over those of the four identities (III, aVR, aVL, aVF) that can be checked;
        0 is exact.

    Raises:
        LeadError: fewer leads than one identity needs.
    """
    leads = tuple(leads)
    checked = [lead for lead in LIMB_LEADS[2:] if lead in leads]
    if "I" not in leads or "II" not in leads or not checked:
        raise LeadError("the limb-lead law needs I, II and one of III, aVR, aVL, aVF")
    basis = signal[..., [leads.index("I"), leads.index("II")], :].astype(np.float64)
    expected = np.einsum("wl,...lt->...wt", _LIMB[[LIMB_LEADS.index(lead) for lead in checked]], basis)
    actual = signal[..., [leads.index(lead) for lead in checked], :]
    return np.sqrt(np.mean((actual - expected) ** 2, axis=(-2, -1)))
