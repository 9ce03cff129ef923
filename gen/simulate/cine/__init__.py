"""Simulated cine cardiac MRI: a beating short-axis phantom of the same heart that makes the ECG.

    from gen.simulate import simulate
    from gen.simulate.cine import cines_of, simulate_cine
    cine = simulate_cine([7], seed=0)[0]        # CineRecord, (1, 50, 96, 96), masks and volumes exact
    batch = simulate(range(8), seed=0)          # eight ECGs ...
    cines = cines_of(batch)                     # ... and the cines of the same hearts at the same visit

Geometry, signal and artefacts are analytic (no data set is copied); everything made here is marked synthetic.
"""

from gen.simulate.cine.anatomy import GROUPS, Anatomy, anatomy_of, group_of, usual_length_mm
from gen.simulate.cine.cohort import (
    LEVEL_SHARES,
    LEVELS,
    MID_LEVEL,
    STACK_STEP_MM,
    cines_of,
    simulate_cine,
    slices_at,
    stack_heights,
)
from gen.simulate.cine.ventricle import wall_thickness_mm

__all__ = [
    "GROUPS",
    "LEVELS",
    "LEVEL_SHARES",
    "MID_LEVEL",
    "STACK_STEP_MM",
    "Anatomy",
    "anatomy_of",
    "cines_of",
    "group_of",
    "simulate_cine",
    "slices_at",
    "stack_heights",
    "usual_length_mm",
    "wall_thickness_mm",
]
