"""From a record with any leads and gaps to the arrays the networks read, and back to twelve leads."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gen.completion import Policy, check
from gen.leads import CHEST_LEADS, LEADS_8, LEADS_8_TO_12, LEADS_12, LIMB_LEADS, derivation, to_12
from gen.records import EcgRecord, InputError

AUGMENTED = LIMB_LEADS[2:]


@dataclass(frozen=True)
class Observation:
    """What of a record may be used, at the record's own rate.

    Attributes:
        signal_mv: (8, time) float32 in the order ``LEADS_8``; 0 where not observed.
        observed: (8, time) bool.
        augmented_mv: (4, time) float32 III, aVR, aVL, aVF where they are the only limb lead there; NaN elsewhere.
        given_mv: (12, time) float32, every usable sample as recorded; NaN elsewhere.
        leads: leads used.
        ignored: leads of the record that were not used, with the reason.
    """

    signal_mv: np.ndarray
    observed: np.ndarray
    augmented_mv: np.ndarray
    given_mv: np.ndarray
    leads: tuple[str, ...]
    ignored: dict[str, str]


def observe(record: EcgRecord, leads: Sequence[str] | None = None, *, allow_bad_leads: bool = False) -> Observation:
    """Take the wanted leads of a record, check them, and bring them to the eight independent ones.

    Missing samples (NaN) are holes to be filled. A lead that is flat, saturated or empty is refused.

    Args:
        record: any leads, rate and length.
        leads: leads to use; all the record has where not given.
        allow_bad_leads: treat refused leads as missing.

    Raises:
        InputError: none of the wanted leads is there, a wanted lead is bad, or the record is too short.
    """
    name = record.source_name
    wanted = tuple(record.leads if leads is None else leads)
    present = [lead for lead in wanted if lead in record.leads]
    if not present:
        raise InputError(f"{name}: none of the leads {', '.join(wanted)} in the file; it has {', '.join(record.leads)}")
    # Holes are welcome (paper print-outs have them); a lead of holes alone is not.
    checked = check(record.select(present), Policy(most_missing=0.95, drop_bad=allow_bad_leads, whole=False))
    chosen, usable = checked.record, tuple(checked.record.leads)
    given = np.full((len(LEADS_12), record.num_samples), np.nan, dtype=np.float32)
    for lead in usable:
        given[LEADS_12.index(lead)] = chosen.lead(lead)
    ignored = checked.dropped | {lead: "not in the file" for lead in wanted if lead not in record.leads}
    signal, augmented = independent(given)
    observed = ~np.isnan(signal)
    return Observation(np.where(observed, signal, 0), observed, augmented, given, usable, ignored)


def independent(given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(12, time) with gaps -> the eight leads (8, time) and lone augmented limb leads (4, time), NaN where unknown."""
    signal = np.full((len(LEADS_8), given.shape[1]), np.nan, dtype=np.float32)
    augmented = np.full((len(AUGMENTED), given.shape[1]), np.nan, dtype=np.float32)
    for lead in ("I", "II", *CHEST_LEADS):
        signal[LEADS_8.index(lead)] = given[LEADS_12.index(lead)]
    limb = ~np.isnan(given[: len(LIMB_LEADS)])
    # Samples by which of the limb leads they have, as a number of six bits.
    places = np.arange(len(LIMB_LEADS))
    pattern = (limb << places[:, None]).sum(axis=0)
    for number in np.flatnonzero(np.bincount(pattern)).tolist():
        names = [LIMB_LEADS[place] for place in places if number >> place & 1]
        here = np.flatnonzero(pattern == number)
        rows = [LIMB_LEADS.index(lead) for lead in names]
        if len(names) >= 2:
            missing = [lead for lead in ("I", "II") if lead not in names]
            for lead in missing:
                weights = derivation(names, [lead])[0]
                signal[LEADS_8.index(lead), here] = weights @ given[rows][:, here]
        elif len(names) == 1 and names[0] in AUGMENTED:
            augmented[AUGMENTED.index(names[0]), here] = given[rows[0], here]
    return signal, augmented


def assemble(predicted_mv: np.ndarray, observation: Observation) -> np.ndarray:
    """Twelve leads from eight predicted ones: observed samples bit for bit, the limb-lead law everywhere else.

    Args:
        predicted_mv: (8, time) at the record's own rate.
        observation: what was observed.

    Returns:
        (12, time) float32 mV.
    """
    eight = np.where(observation.observed, observation.signal_mv, predicted_mv).astype(np.float32)
    for row, lead in enumerate(AUGMENTED):
        here = np.flatnonzero(~np.isnan(observation.augmented_mv[row]))
        if here.size:
            # The smallest change of I and II that makes them agree with the one limb lead that was recorded.
            direction = LEADS_8_TO_12[LEADS_12.index(lead), :2]
            gap = observation.augmented_mv[row, here] - direction @ eight[:2, here]
            eight[:2, here] += (direction[:, None] * gap / (direction @ direction)).astype(np.float32)
    twelve = to_12(eight)
    return np.where(np.isnan(observation.given_mv), twelve, observation.given_mv)
