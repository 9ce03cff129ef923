"""When the heart beats: sequences of beats and atrial activations, drawn for a text, a rate and an age.

    plan = observed_plan(record, codes={"SR", "PVC"})
    plan.times_s, plan.kinds, plan.pr_s, plan.p_times_s

A `BeatPlan` is what the signal's denoiser is told, what a recording's delineation gives (`observed_plan`), and the
event truth that is written beside a generated record.
"""

from diffusion.rhythm.observed import observed_plan, observed_plans
from diffusion.rhythm.plan import ATRIAL, BeatKind, BeatPlan

__all__ = ["ATRIAL", "BeatKind", "BeatPlan", "observed_plan", "observed_plans"]
