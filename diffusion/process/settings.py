"""Settings of sampling: scheduler, steps, guidance, length."""

from dataclasses import dataclass, field, fields
from typing import Any

from diffusion.process import samplers
from diffusion.process.guidance import Guidance
from gen.records import InputError

#: Shortest and longest ECG that is generated.
SHORTEST_S, LONGEST_S = 2.0, 60.0


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How samples are drawn; part of what a data set is made with.

    Attributes:
        scheduler: sampler's name, see `diffusion.process.samplers.SAMPLERS`.
        steps: sampling steps.
        guidance: scales, see `Guidance`.
        negative_prompt: statements to stay away from.
        duration_s: length.
        fs_hz: rate of the output; the codec's where None.
        bfloat16: compute in bfloat16 where the device can (two to three times as fast on a CPU).
        literal: leave numbers open that a finding implies, see `diffusion.conditions.implied`.
    """

    scheduler: str = samplers.DEFAULT_SAMPLER
    steps: int = samplers.SAMPLERS[samplers.DEFAULT_SAMPLER].steps
    guidance: Guidance = field(default_factory=Guidance)
    negative_prompt: str | None = None
    duration_s: float = 10.0
    fs_hz: float | None = None
    bfloat16: bool = True
    literal: bool = False

    def __post_init__(self) -> None:
        samplers.check_steps(self.steps)
        if not SHORTEST_S <= self.duration_s <= LONGEST_S:
            raise InputError(f"duration {self.duration_s:g} s: expected {SHORTEST_S:g} to {LONGEST_S:g} s")
        if self.fs_hz is not None and not 50 <= self.fs_hz <= 5000:
            raise InputError(f"sampling rate {self.fs_hz:g} Hz: expected 50 to 5000 Hz")

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return values | {"guidance": self.guidance.as_dict()}

    def signature(self) -> dict[str, Any]:
        """What a record should say of how it was sampled, as JSON values."""
        said = {"scheduler": self.scheduler, "steps": self.steps, "guidance": self.guidance.as_dict()}
        return said | ({"negative_prompt": self.negative_prompt} if self.negative_prompt else {})
