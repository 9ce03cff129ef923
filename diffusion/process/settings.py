"""Settings of sampling: scheduler, steps, guidance, length."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from diffusion.process import named
from diffusion.process.scales import Guidance, scales_of
from gen.datasets.groups import not_understood
from gen.errors import InputError
from gen.text import read_text

#: Shortest and longest ECG that is generated.
SHORTEST_S, LONGEST_S = 2.0, 60.0
#: Longest strip that a denoiser of latents has learned to draw.
LEARNED_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How samples are drawn; part of what a data set is made with.

    Attributes:
        scheduler: sampler's name, see `diffusion.process.named.SAMPLERS`.
        steps: sampling steps.
        guidance: scales, see `Guidance`.
        negative_prompt: statements to stay away from.
        duration_s: length.
        fs_hz: rate of the output; the codec's where None.
        bfloat16: compute in bfloat16 where the device can (two to three times as fast on a CPU).
        literal: leave numbers open that a finding implies, see `diffusion.conditions.implied`.
    """

    scheduler: str = named.DEFAULT_SAMPLER
    steps: int = named.SAMPLERS[named.DEFAULT_SAMPLER].steps
    guidance: Guidance = field(default_factory=Guidance)
    negative_prompt: str | None = None
    duration_s: float = 10.0
    fs_hz: float | None = None
    bfloat16: bool = True
    literal: bool = False
    clean: bool = False

    def __post_init__(self) -> None:
        named.check_steps(self.steps)
        if not SHORTEST_S <= self.duration_s <= LONGEST_S:
            raise InputError(f"duration {self.duration_s:g} s: expected {SHORTEST_S:g} to {LONGEST_S:g} s")
        if self.fs_hz is not None and not 50 <= self.fs_hz <= 5000:
            raise InputError(f"sampling rate {self.fs_hz:g} Hz: expected 50 to 5000 Hz")

    def within(self, longest_s: float) -> "Sampling":
        """The same, if a pipeline that draws strips of ``longest_s`` at most can draw it.

        Raises:
            InputError: it cannot.
        """
        if self.duration_s > longest_s:
            raise InputError(f"duration {self.duration_s:g} s: these weights draw {SHORTEST_S:g} to {longest_s:g} s")
        return self

    @classmethod
    def of(
        cls,
        best: Mapping[str, Any],
        component: Any,
        *,
        scheduler: str | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | Mapping[str, float] | None = None,
        guidance_rescale: float | None = None,
        guidance_interval: tuple[float, float] | None = None,
        **others: Any,
    ) -> "Sampling":
        """The given settings, and for the rest the best ones of some weights.

        Args:
            best: settings that the weights' card names (``card["sampling"]``).
            component: the pipeline's scheduler, used where none is named.
            scheduler, num_inference_steps, guidance_scale, guidance_rescale, guidance_interval: see `ECGPipeline`.
            others: further attributes.
        """
        from diffusion.process import samplers  # loads torch; what cannot be asked for is refused without it

        name = scheduler or samplers.name_of(component) or best.get("scheduler") or named.DEFAULT_SAMPLER
        steps = num_inference_steps
        if steps is None:
            same = best.get("scheduler", named.DEFAULT_SAMPLER) == name
            steps = best.get("num_inference_steps") if same else None
        if steps is None:
            known = named.SAMPLERS.get(name)
            steps = known.steps if known else samplers.default_steps(component)
        chosen = Guidance.of(
            _first(guidance_scale, best.get("guidance_scale"), 1.0),
            _first(guidance_rescale, best.get("guidance_rescale"), 0.0),
            tuple(_first(guidance_interval, best.get("guidance_interval"), (0.0, 1.0))),
        )
        return cls(scheduler=name, steps=int(steps), guidance=chosen, **others)

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return values | {"guidance": self.guidance.as_dict()}

    def signature(self) -> dict[str, Any]:
        """What a record should say of how it was sampled, as JSON values."""
        said = {"scheduler": self.scheduler, "steps": self.steps, "guidance": self.guidance.as_dict()}
        said |= {"negative_prompt": self.negative_prompt} if self.negative_prompt else {}
        return said | ({"clean": True} if self.clean else {})


def requested_sampling(
    *,
    steps: int | None = None,
    sampler: str | None = None,
    guidance: str | None = None,
    negative: str | None = None,
    float32: bool = False,
    **others: Any,
) -> dict[str, Any]:
    """Options of a command as arguments of `ECGPipeline.sampling`, checked before any weight is loaded.

    Args:
        steps, sampler: as they are named.
        guidance: a number, or group=number for some, with commas.
        negative: findings to stay away from.
        float32: not bfloat16.
        others: further attributes of `Sampling`.

    Raises:
        InputError: an option is out of its range, unknown or not understood.
    """
    named.check_chosen(steps, sampler)
    scale = None if guidance is None else scales_of(guidance)
    if scale is not None:
        Guidance.of(scale)
    if negative and read_text(negative).empty:
        raise InputError(f"--negative: text not understood at all: {not_understood(read_text(negative))}")
    further = {"negative_prompt": negative or None, "bfloat16": not float32, **others}
    Sampling(**further)
    return {"scheduler": sampler, "num_inference_steps": steps, "guidance_scale": scale, **further}


def _first(*values: Any) -> Any:
    return next(value for value in values if value is not None)
