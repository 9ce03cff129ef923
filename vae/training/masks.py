"""Which samples of a record are observed: lead subsets, holes in time, paper layouts."""

import numpy as np

from gen.leads import LEADS_8

#: Lead sets of real devices: (watch) I; II; I+II; with a chest lead; WearECG's patch; Mason-Likar subsets.
DEVICE_SETS = (
    ("I",),
    ("II",),
    ("I", "II"),
    ("I", "II", "V2"),
    ("I", "II", "V1"),
    ("I", "II", "V4"),
    ("V1",),
    ("V2",),
    ("II", "V5"),
    ("I", "II", "V1", "V5"),
    ("II", "V1", "V4"),
    ("I", "II", "V3"),
)
MAIN_SET = ("II", "V1", "V5")

#: Columns of the paper layouts in time order; a limb lead that is computed (III, aVR, ...) is not listed.
PAPER_COLUMNS = {
    "3x4": (("I", "II"), (), ("V1", "V2", "V3"), ("V4", "V5", "V6")),
    "6x2": (("I", "II"), ("V1", "V2", "V3", "V4", "V5", "V6")),
}


def lead_mask(leads: tuple[str, ...], num_samples: int) -> np.ndarray:
    """(8, time) bool: these leads throughout."""
    mask = np.zeros((len(LEADS_8), num_samples), dtype=bool)
    mask[[LEADS_8.index(lead) for lead in leads]] = True
    return mask


def paper_mask(layout: str, num_samples: int, rhythm: str | None = "II") -> np.ndarray:
    """(8, time) bool of what a print-out shows: each column of leads for its part of the time, rhythm strip on top.

    In the second column of 3x4 stand aVR, aVL and aVF, which together determine I and II.

    Raises:
        ValueError: unknown layout.
    """
    if layout not in PAPER_COLUMNS:
        raise ValueError(f"unknown paper layout {layout!r}; known: {', '.join(PAPER_COLUMNS)}")
    columns = PAPER_COLUMNS[layout]
    edges = np.linspace(0, num_samples, len(columns) + 1).astype(int)
    mask = np.zeros((len(LEADS_8), num_samples), dtype=bool)
    for leads, start, end in zip(columns, edges[:-1], edges[1:], strict=True):
        shown = leads or ("I", "II")
        mask[[LEADS_8.index(lead) for lead in shown], start:end] = True
    if rhythm is not None:
        mask[LEADS_8.index(rhythm)] = True
    return mask


def random_mask(rng: np.random.Generator, num_samples: int, main_share: float = 0.5) -> np.ndarray:
    """A training mask (8, time): WearECG's leads, a device's leads or any leads; sometimes holes or a paper layout."""
    kind = rng.random()
    if kind > 0.93:
        return paper_mask(("3x4", "6x2")[rng.integers(2)], num_samples, (None, "II", "V1")[rng.integers(3)])
    if kind < main_share:
        mask = lead_mask(MAIN_SET, num_samples)
    elif kind < main_share + 0.23:
        mask = lead_mask(DEVICE_SETS[rng.integers(len(DEVICE_SETS))], num_samples)
    else:
        count = rng.integers(1, 8)
        mask = np.zeros((len(LEADS_8), num_samples), dtype=bool)
        mask[rng.choice(len(LEADS_8), count, replace=False)] = True
    if rng.random() < 0.1:
        _cut_holes(mask, rng)
    return mask


def _cut_holes(mask: np.ndarray, rng: np.random.Generator) -> None:
    # One stretch of up to 20 % of the time for each observed lead (ImputeECG's setting).
    num_samples = mask.shape[1]
    for lead in np.flatnonzero(mask.any(axis=1)):
        length = int(num_samples * rng.uniform(0.05, 0.2))
        start = rng.integers(0, num_samples - length)
        mask[lead, start : start + length] = False


INPUT_SETS = ("II,V1,V5", "I", "I,II", "I,II,V2", "V1")
