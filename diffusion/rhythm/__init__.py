"""When the heart beats: sequences of beats and atrial activations, drawn for a text, a rate and an age.

    from diffusion.rhythm import RhythmRequest, RhythmStream, draw_rhythm, observed_plan
    request = RhythmRequest.of("sinus rhythm, ventricular bigeminy", heart_rate=80, age=60)
    plan = draw_rhythm(request, seed=1)                      # ten seconds
    plan.times_s, plan.kinds, plan.pr_s, plan.p_times_s
    for plan in RhythmStream(request, seed=1, duration_s=86_400).windows(60): ...
    observed_plan(record, codes={"SR", "PVC"})               # of a recording, from its delineation

A `BeatPlan` is what the signal's denoiser is told, what a recording's delineation gives (`observed_plan`), and the
event truth that is written beside a generated record.
"""

from diffusion.rhythm.draw import Habits
from diffusion.rhythm.habits import habits_of
from diffusion.rhythm.observed import observed_plan, observed_plans
from diffusion.rhythm.plan import ATRIAL, BeatKind, BeatPlan, events_of
from diffusion.rhythm.request import RhythmRequest
from diffusion.rhythm.stream import RhythmStream, draw_rhythm

__all__ = [
    "ATRIAL",
    "BeatKind",
    "BeatPlan",
    "Habits",
    "RhythmRequest",
    "RhythmStream",
    "draw_rhythm",
    "events_of",
    "habits_of",
    "observed_plan",
    "observed_plans",
]
