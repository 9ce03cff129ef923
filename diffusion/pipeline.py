"""`ECGPipeline`: text and numbers in, twelve-lead ECGs out."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from diffusion.checkpoints import DEFAULT_CODEC, INDEX, WEIGHTS, Parts, load_parts, module_digest
from diffusion.conditions.batch import collate
from diffusion.conditions.condition import Condition, check_request
from diffusion.conditions.request import (
    Prepared,
    conditions_of,
    implied_by,
    report_of,
    request_of,
    seeds_of,
    statements_of,
)
from diffusion.process import named, samplers
from diffusion.process.editing import Start, edit
from diffusion.process.guidance import GuidedVelocity
from diffusion.process.settings import LEARNED_S, Sampling
from gen.card import part, with_parts
from gen.checkpoint import checkpoint_digest, model_config, save_checkpoint
from gen.files import replace_folder, write_json
from gen.leads import LEADS_8_TO_12, LEADS_12
from gen.pipeline import Pipeline
from gen.precision import reduced_precision
from gen.randomness import Stream, seeded_normal
from gen.records import EcgRecord, InputError, Patient
from gen.signals import resample
from gen.synthesis.refusal import Refusal
from gen.text import ReadText, read_text

OUTPUTS = ("records", "np", "latent")
#: Stream of random numbers that belongs to generation; training has its own.


class ECGPipeline(Pipeline):
    """Generates twelve-lead ECGs from text and numbers.

        pipe = ECGPipeline.from_pretrained("CHECKPOINT")
        records = pipe("atrial fibrillation, LBBB", age=70, sex="F", heart_rate=130, num=8, seed=0)

    The scheduler can be exchanged for any of diffusers' that takes v-prediction, or by name.

    Args:
        denoiser: predicts v of latents, see `diffusion.process.objective.Denoiser`.
        codec: latents of unit variance to eight leads in mV and back.
        scheduler: of diffusers, see `diffusion.process.samplers`.
    """

    denoiser: torch.nn.Module
    codec: Any
    scheduler: Any
    #: Longest strip that is drawn, seconds: the networks learned strips of ten, and beyond them the beats dissolve.
    longest_s: float = LEARNED_S

    def __init__(self, denoiser: torch.nn.Module, codec: torch.nn.Module, scheduler: Any) -> None:
        super().__init__()
        self.register_modules(denoiser=denoiser.eval(), codec=codec.eval(), scheduler=scheduler)
        self.card: dict[str, Any] = {}
        self.codec_card: dict[str, Any] = {}
        self._digests: dict[str, str] | None = None

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of the checkpoints behind ``denoiser`` and ``codec``."""
        if self._digests is None:
            self._digests = {"denoiser": module_digest(self.denoiser), "codec": module_digest(self.codec)}
        return self._digests

    @property
    def fs_hz(self) -> float:
        """Rate at which the codec works."""
        return float(self.codec.fs_hz)

    def sampling(self, **chosen: Any) -> Sampling:
        """Settings for `generate`: the given ones, for the rest those the weights came with; see `Sampling.of`.

        Raises:
            InputError: a setting out of its range, or a strip longer than `longest_s`.
        """
        return Sampling.of(dict(self.card.get("sampling") or {}), self.scheduler, **chosen).within(self.longest_s)

    def __call__(
        self,
        prompt: "str | ReadText | Sequence[str | ReadText | None] | None" = None,
        *,
        age: Any = None,
        sex: Any = None,
        heart_rate: Any = None,
        pr_ms: Any = None,
        qrs_ms: Any = None,
        qt_ms: Any = None,
        axis_deg: Any = None,
        rms_mv: Any = None,
        num: int = 1,
        num_inference_steps: int | None = None,
        guidance_scale: float | Mapping[str, float] | None = None,
        guidance_rescale: float | None = None,
        guidance_interval: tuple[float, float] | None = None,
        negative_prompt: str | None = None,
        scheduler: str | None = None,
        seed: int | None = None,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        duration_s: float = 10.0,
        fs_hz: float | None = None,
        output_type: str = "records",
        batch_size: int = 32,
        bfloat16: bool = True,
        literal: bool = False,
        unconditional: bool = False,
        allow_unknown: bool = False,
        callback_on_step_end: Callable[[Any, int, torch.Tensor], None] | None = None,
    ) -> Any:
        """Generate.

        Args:
            prompt: findings in a language of `gen.text`, or several of them.
            age, sex, heart_rate, pr_ms, qrs_ms, qt_ms, axis_deg, rms_mv: see `Condition`; one value, or one for each
                prompt.
            num: ECGs per prompt.
            num_inference_steps: the weights' own where not given, see `diffusion.process.named.SAMPLERS`.
            guidance_scale: for all conditions, or by group (text, patient, rate, shape); 1 is none.
            guidance_rescale, guidance_interval: see `Guidance`.
            negative_prompt: statements to stay away from; acts where the text's scale is not 1.
            scheduler: sampler by name; the component ``scheduler`` where not given.
            seed: names the samples: sample k is the same whatever ``num`` and the batch size.
            generator: source of the seed instead; or one per sample.
            duration_s, fs_hz: length and rate of the output.
            output_type: "records" (list of `EcgRecord`), "np" ((n, 12, time) float32 mV) or "latent" (tensor).
            batch_size: samples computed together.
            bfloat16: False computes in float32.
            literal: leave numbers open that a finding implies, such as a long PR, instead of drawing typical ones.
            unconditional: generate without any condition.
            allow_unknown: go on where nothing in a text was understood.
            callback_on_step_end: called with the pipeline, the step and the latents.

        Raises:
            InputError: nothing was asked for, a text was not understood at all, or a setting is out of its range.
        """
        values = {"age": age, "sex": sex, "heart_rate": heart_rate, "pr_ms": pr_ms, "qrs_ms": qrs_ms, "qt_ms": qt_ms}
        conditions = conditions_of(prompt, values | {"axis_deg": axis_deg, "rms_mv": rms_mv})
        check_output(num, batch_size, output_type)
        check_request(conditions, unconditional=unconditional, allow_unknown=allow_unknown)
        settings = self.sampling(
            scheduler=scheduler,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            guidance_rescale=guidance_rescale,
            guidance_interval=guidance_interval,
            negative_prompt=negative_prompt,
            duration_s=duration_s,
            fs_hz=fs_hz,
            bfloat16=bfloat16,
            literal=literal,
        )
        many = [condition for condition in conditions for _ in range(num)]
        numbers = range(len(many))
        prepared = Prepared.of(many, numbers, *seeds_of(seed, generator, numbers), literal=literal)
        step = None if callback_on_step_end is None else lambda i, x: callback_on_step_end(self, i, x)
        return self.draw(prepared, settings, output_type=output_type, batch_size=batch_size, after_step=step)

    def generate(
        self, conditions: Sequence[Condition], numbers: Sequence[int], seed: int, settings: Sampling
    ) -> list[EcgRecord]:
        """Records of samples ``numbers`` of a seed, computed as one batch; for bulk synthesis."""
        prepared = Prepared.of(conditions, numbers, seed, literal=settings.literal)
        return self.records(self.latents(prepared, settings), prepared, settings)

    def generate_each(
        self, conditions: Sequence[Condition], numbers: Sequence[int], seed: int, settings: Sampling
    ) -> list[EcgRecord | Refusal]:
        """As `generate`; where a sample cannot be made, why, instead of its record."""
        return [*self.generate(conditions, numbers, seed, settings)]

    def draw(
        self,
        prepared: Prepared,
        settings: Sampling,
        *,
        output_type: str = "records",
        batch_size: int = 32,
        base: torch.Tensor | None = None,
        start: Start | None = None,
        after_step: Callable[[int, torch.Tensor], None] | None = None,
    ) -> Any:
        """Samples computed batch by batch, in the form asked for; see `__call__` and `latents`."""
        parts: list[Any] = []
        for begin in range(0, len(prepared), batch_size):
            part = prepared[begin : begin + batch_size]
            latent = self.latents(part, settings, base=base, start=start, after_step=after_step)
            if output_type == "latent":
                parts.append(latent.cpu())
            elif output_type == "np":
                parts.append(self.signals(latent, settings))
            else:
                parts += self.records(latent, part, settings)
        if output_type == "latent":
            return torch.cat(parts)
        return np.concatenate(parts) if output_type == "np" else parts

    @torch.inference_mode()
    def latents(
        self,
        prepared: Prepared,
        settings: Sampling,
        *,
        base: torch.Tensor | None = None,
        start: Start | None = None,
        after_step: Callable[[int, torch.Tensor], None] | None = None,
    ) -> torch.Tensor:
        """Latents (batch, channel, position).

        Args:
            prepared: the samples.
            settings: of sampling.
            base: (1, width) or (batch, width), what a denoiser of twins is given of a person.
            start: what an edit starts from; None starts from noise.
            after_step: told the number of each step and the state after it.
        """
        noise = self._noise(prepared.seeds, settings)
        if base is not None:
            base = base.to(noise.device).expand(len(prepared), -1)
        velocity = self._velocity(prepared.told, settings, base)
        with self._precision(noise.device, settings):
            if start is not None and start.strength < 1:
                latent = start.latent.to(noise.device).expand(len(prepared), -1, -1)
                return edit(velocity, latent, noise, start.strength, settings.steps, after_step)
            scheduler = self._scheduler(settings)
            return samplers.sample(
                velocity, noise, scheduler, settings.steps, prepared.seeds, self.progress_bar, after_step
            )

    def _velocity(
        self, conditions: Sequence[Condition], settings: Sampling, base: torch.Tensor | None
    ) -> GuidedVelocity:
        device = next(self.denoiser.parameters()).device
        negative = None
        if settings.negative_prompt:
            negative = collate([Condition(text=read_text(settings.negative_prompt))] * len(conditions)).to(device)
        return GuidedVelocity(self.denoiser, collate(conditions).to(device), settings.guidance, negative, base)

    def _noise(self, seeds: torch.Tensor, settings: Sampling) -> torch.Tensor:
        length = -(-round(settings.duration_s * self.fs_hz) // int(self.codec.downsample))
        device = next(self.denoiser.parameters()).device
        return seeded_normal((int(self.codec.latent_channels), length), seeds, device, stream=Stream.GENERATION)

    def _scheduler(self, settings: Sampling) -> Any:
        """A fresh scheduler: those of diffusers remember the run before."""
        if settings.scheduler in named.SAMPLERS:
            return samplers.make_scheduler(settings.scheduler)
        if settings.scheduler != type(self.scheduler).__name__:
            return samplers.make_scheduler(settings.scheduler)  # says which are known
        return type(self.scheduler).from_config(self.scheduler.config)

    def _precision(self, device: torch.device, settings: Sampling) -> AbstractContextManager:
        return reduced_precision(device.type) if settings.bfloat16 else nullcontext()

    @torch.inference_mode()
    def signals(self, latent: torch.Tensor, settings: Sampling) -> np.ndarray:
        """(n, 12, time) float32 mV of latents, at the rate and length of the settings."""
        if hasattr(self.codec, "reduced_precision"):  # a codec may choose its precision by itself
            self.codec.reduced_precision = settings.bfloat16
        with self._precision(latent.device, settings):
            eight = self.codec.decode(latent).float().cpu().numpy()
        eight = eight[..., : round(settings.duration_s * self.fs_hz)]
        if settings.fs_hz is not None:
            eight = resample(eight, self.fs_hz, settings.fs_hz)
        # In float64 first: the limb leads' laws then hold to the last bit of float32.
        return np.einsum("al,nlt->nat", LEADS_8_TO_12, eight.astype(np.float64)).astype(np.float32)

    def records(self, latent: torch.Tensor, prepared: Prepared, settings: Sampling) -> list[EcgRecord]:
        """Latents as records that say what was asked for, what was implied, and what made them.

        Args:
            latent: (n, channel, position).
            prepared: the samples; numbers that were drawn for them stand under ``implied`` in the metadata.
            settings: they were drawn with.
        """
        facts: dict[str, Any] = {
            "generator": "physiogen diffusion",
            "model": self.digests["denoiser"],
            "codec": self.digests["codec"],
            "seed": prepared.seed,
        }
        facts["sampling"] = settings.signature()
        return [
            EcgRecord(
                signal,
                settings.fs_hz or self.fs_hz,
                LEADS_12,
                record_id=f"synthetic_{number:06d}",
                patient=Patient(age=asked.age, sex=asked.sex),
                report=report_of(asked),
                statements=statements_of(asked),
                synthetic=True,
                metadata={**facts, "sample": int(number), "request": request_of(asked), **implied_by(asked, told)},
            )
            for signal, asked, told, number in zip(
                self.signals(latent, settings), prepared.asked, prepared.told, prepared.numbers, strict=True
            )
        ]

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> None:
        """Write a folder that `from_pretrained` and ``gen.load`` read: safetensors and JSON, whole or not at all."""
        del options
        codec_name = str(part(self.card, "codec").get("name") or DEFAULT_CODEC)
        with replace_folder(save_directory) as folder:
            codec = save_checkpoint(
                folder / "codec", config=model_config(self.codec), model=self.codec, card=self.codec_card
            )
            save_checkpoint(
                folder / "denoiser",
                config=model_config(self.denoiser),
                model=self.denoiser,
                card=with_parts(self.card, codec={"name": codec_name, "digest": checkpoint_digest(codec)}),
            )
            self.scheduler.save_pretrained(folder / "scheduler")
            index = {"_class_name": type(self).__name__, "pipeline": "synthesize"}
            parts = ("denoiser", "codec", "scheduler")
            kinds = {part: [type(getattr(self, part)).__module__, type(getattr(self, part)).__name__] for part in parts}
            write_json(folder / INDEX, index | kinds)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, *, scheduler: Any = None) -> "ECGPipeline":
        """Load a folder of `save_pretrained`, or a denoiser's checkpoint with the codec it names.

        Args:
            pretrained_model_name_or_path: the folder; nothing is downloaded.
            scheduler: sampler by name or a scheduler, instead of the stored one.

        Raises:
            InputError: see `diffusion.checkpoints.load_parts`.
        """
        parts = load_parts(pretrained_model_name_or_path)
        if scheduler is None and parts.scheduler is not None:
            import diffusers

            kind = getattr(diffusers, str(parts.scheduler.get("_class_name")), None)
            if kind is None:
                raise InputError(f"{pretrained_model_name_or_path}: scheduler of an unknown class")
            scheduler = kind.from_config(parts.scheduler)
        pipeline = cls(parts.denoiser, parts.codec, samplers.chosen_scheduler(scheduler, parts.card))
        pipeline.know(parts)
        return pipeline

    def know(self, parts: Parts) -> None:
        """Take over the cards and digests of the checkpoints that the parts are from."""
        self.card, self.codec_card, self._digests = parts.card, parts.codec_card, parts.digests


def load(path: str | Path | None = None) -> ECGPipeline:
    """The text-to-ECG pipeline with the shipped weights, or those of a checkpoint folder.

    Raises:
        InputError: no weights are there, or they are of something else.
    """
    folder = WEIGHTS / "default" if path is None else Path(path)
    if path is None and not folder.is_dir():
        raise InputError(
            f"{folder}: this installation ships no weights for synthesis; train some (physiogen train "
            "diffusion/default --data CACHE --out RUN) and give their folder (--checkpoint RUN/best)"
        )
    return ECGPipeline.from_pretrained(folder)


def check_output(num: int, batch_size: int, output_type: str) -> None:
    """Raise `InputError` for a number of samples or a form of output that cannot be."""
    if num < 1 or batch_size < 1:
        raise InputError(f"num {num}, batch_size {batch_size}: expected at least 1")
    if output_type not in OUTPUTS:
        raise InputError(f"output_type {output_type!r}: expected one of {', '.join(OUTPUTS)}")
