"""A simulated cohort with known truth: patients (hearts), their visits, their ECGs.

    from gen.simulate import simulate
    batch = simulate(range(64), seed=0, noise="light")
    batch.signal_mv            # (64, 8, 5000) float32 mV
    batch.truth[0].beats[0]    # fiducials of the first beat
    batch.records()[0]         # twelve-lead EcgRecord with statements and report

Everything made here is marked synthetic.
"""

from gen.simulate.cohort import SimulatedBatch, iter_cohort, simulate
from gen.simulate.heart import Heart, draw_heart
from gen.simulate.truth import Beat, Truth

__all__ = ["Beat", "Heart", "SimulatedBatch", "Truth", "draw_heart", "iter_cohort", "simulate"]
