"""`ECGPipeline`: text and numbers in, twelve-lead ECGs out."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline

from diffusion.checkpoints import DEFAULT_CODEC, INDEX, WEIGHTS, load_parts, module_digest
from diffusion.conditions.condition import QUANTITIES, Condition, collate
from diffusion.conditions.implied import completed
from diffusion.conditions.request import check_asked, conditions_of, report_of, request_of, statements_of
from diffusion.process import samplers
from diffusion.process.guidance import Guidance, GuidedVelocity
from diffusion.process.settings import Sampling
from gen.card import part, with_parts
from gen.checkpoint import checkpoint_digest, model_config, save_checkpoint
from gen.files import replace_folder, write_json
from gen.leads import LEADS_8_TO_12, LEADS_12
from gen.precision import reduced_precision
from gen.records import EcgRecord, InputError, Patient
from gen.signals import resample
from gen.text import ReadText
from gen.training import sample_seeds, seeded_normal

OUTPUTS = ("records", "np", "latent")
#: Streams of random numbers that belong to generation; training has its own.
_NOISE, _UNSEEDED_BITS = 21, 53


class ECGPipeline(DiffusionPipeline):
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

    def sampling(
        self,
        *,
        scheduler: str | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | Mapping[str, float] | None = None,
        guidance_rescale: float | None = None,
        guidance_interval: tuple[float, float] | None = None,
        **others: Any,
    ) -> Sampling:
        """Settings for `generate`: the given ones, for the rest those the weights came with (``card["sampling"]``)."""
        best = dict(self.card.get("sampling") or {})
        name = scheduler or self._scheduler_name() or best.get("scheduler") or samplers.DEFAULT_SAMPLER
        steps = num_inference_steps
        if steps is None:
            same = best.get("scheduler", samplers.DEFAULT_SAMPLER) == name
            steps = best.get("num_inference_steps") if same else None
        if steps is None:
            known = samplers.SAMPLERS.get(name)
            steps = known.steps if known else samplers.default_steps(self.scheduler)
        chosen = Guidance.of(
            _first(guidance_scale, best.get("guidance_scale"), 1.0),
            _first(guidance_rescale, best.get("guidance_rescale"), 0.0),
            tuple(_first(guidance_interval, best.get("guidance_interval"), (0.0, 1.0))),
        )
        return Sampling(scheduler=name, steps=int(steps), guidance=chosen, **others)

    def _scheduler_name(self) -> str | None:
        """Name that leads to the scheduler component as it is; its class name where a user put in another."""
        for name, known in samplers.SAMPLERS.items():
            same = type(self.scheduler).__name__ == known.scheduler
            if same and _plain(samplers.make_scheduler(name).config) == _plain(self.scheduler.config):
                return name
        return type(self.scheduler).__name__

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
            prompt: findings in English or German, or several of them.
            age, sex, heart_rate, pr_ms, qrs_ms, qt_ms, axis_deg, rms_mv: see `Condition`; one value, or one for each
                prompt.
            num: ECGs per prompt.
            num_inference_steps: the weights' own where not given, see `diffusion.process.samplers.SAMPLERS`.
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
        if num < 1 or batch_size < 1:
            raise InputError(f"num {num}, batch_size {batch_size}: expected at least 1")
        if output_type not in OUTPUTS:
            raise InputError(f"output_type {output_type!r}: expected one of {', '.join(OUTPUTS)}")
        check_asked(conditions, unconditional=unconditional, allow_unknown=allow_unknown)
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
        numbers = list(range(len(many)))
        seed, seeds = _seeds(seed, generator, numbers)

        told = self.told(many, seeds, settings)

        def latents(part: slice) -> torch.Tensor:
            return self.latents(told[part], seeds[part], settings, callback_on_step_end)

        def records(latent: torch.Tensor, part: slice) -> list[EcgRecord]:
            return self.records(latent, many[part], told[part], numbers[part], seed, settings)

        return self._collected(len(many), batch_size, output_type, settings, latents, records)

    def _collected(
        self,
        count: int,
        batch_size: int,
        output_type: str,
        settings: Sampling,
        latents: Callable[[slice], torch.Tensor],
        records: Callable[[torch.Tensor, slice], list[EcgRecord]],
    ) -> Any:
        """Samples computed batch by batch, in the form asked for."""
        parts: list[Any] = []
        for start in range(0, count, batch_size):
            part = slice(start, min(start + batch_size, count))
            latent = latents(part)
            if output_type == "latent":
                parts.append(latent.cpu())
            elif output_type == "np":
                parts.append(self.signals(latent, settings))
            else:
                parts += records(latent, part)
        if output_type == "latent":
            return torch.cat(parts)
        return np.concatenate(parts) if output_type == "np" else parts

    def generate(
        self, conditions: Sequence[Condition], numbers: Sequence[int], seed: int, settings: Sampling
    ) -> list[EcgRecord]:
        """Records of samples ``numbers`` of a seed, computed as one batch; for bulk synthesis."""
        seeds = torch.from_numpy(sample_seeds(np.asarray(numbers), seed))
        told = self.told(conditions, seeds, settings)
        return self.records(self.latents(told, seeds, settings), conditions, told, numbers, seed, settings)

    @torch.inference_mode()
    def latents(
        self,
        told: Sequence[Condition],
        seeds: torch.Tensor,
        settings: Sampling,
        callback: Callable[[Any, int, torch.Tensor], None] | None = None,
    ) -> torch.Tensor:
        """Latents (batch, channel, position) of conditions as `told` gives them; seeds (batch,) int64 fix all noise."""
        velocity = self._velocity(told, settings)
        noise = self._noise(seeds, settings)
        step = None if callback is None else lambda i, x: callback(self, i, x)
        with self._precision(noise.device, settings):
            return samplers.sample(
                velocity, noise, self._scheduler(settings), settings.steps, seeds, self.progress_bar, step
            )

    @staticmethod
    def told(conditions: Sequence[Condition], seeds: torch.Tensor, settings: Sampling) -> list[Condition]:
        """What the network is told of requests: no finding that is denied, and the numbers that findings imply.

        Args:
            conditions: as they were asked for.
            seeds: (n,) int64 of the samples.
            settings: of sampling.
        """
        affirmed = [condition.affirmed() for condition in conditions]
        return affirmed if settings.literal else completed(affirmed, seeds)

    def _velocity(
        self, conditions: Sequence[Condition], settings: Sampling, base: torch.Tensor | None = None
    ) -> GuidedVelocity:
        device = next(self.denoiser.parameters()).device
        negative = None
        if settings.negative_prompt:
            negative = collate([Condition(text=settings.negative_prompt)] * len(conditions)).to(device)
        return GuidedVelocity(self.denoiser, collate(conditions).to(device), settings.guidance, negative, base)

    def _noise(self, seeds: torch.Tensor, settings: Sampling) -> torch.Tensor:
        length = -(-round(settings.duration_s * self.fs_hz) // int(self.codec.downsample))
        device = next(self.denoiser.parameters()).device
        return seeded_normal((int(self.codec.latent_channels), length), seeds, device, stream=_NOISE)

    def _scheduler(self, settings: Sampling) -> Any:
        """A fresh scheduler: those of diffusers remember the run before."""
        if settings.scheduler in samplers.SAMPLERS:
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

    def records(
        self,
        latent: torch.Tensor,
        conditions: Sequence[Condition],
        told: Sequence[Condition],
        numbers: Sequence[int],
        seed: int | None,
        settings: Sampling,
    ) -> list[EcgRecord]:
        """Latents as records that say what was asked for, what was implied, and what made them.

        Args:
            latent: (n, channel, position).
            conditions: as they were asked for.
            told: the same as `told` gives them; numbers that were drawn stand under ``implied`` in the metadata.
            numbers: of the samples.
            seed: they are of.
            settings: they were drawn with.
        """
        facts: dict[str, Any] = {
            "generator": "physiogen diffusion",
            "model": self.digests["denoiser"],
            "codec": self.digests["codec"],
            "seed": seed,
        }
        facts["sampling"] = settings.signature()
        return [
            EcgRecord(
                signal,
                settings.fs_hz or self.fs_hz,
                LEADS_12,
                record_id=f"synthetic_{number:06d}",
                patient=Patient(age=condition.age, sex=condition.sex),
                report=report_of(condition),
                statements=statements_of(condition),
                synthetic=True,
                metadata={**facts, "sample": int(number), "request": request_of(condition), **_implied(condition, own)},
            )
            for signal, condition, own, number in zip(
                self.signals(latent, settings), conditions, told, numbers, strict=True
            )
        ]

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> None:  # type: ignore[override]
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
    def from_pretrained(  # type: ignore[override]
        cls, pretrained_model_name_or_path: str | Path, *, scheduler: Any = None
    ) -> "ECGPipeline":
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
        pipeline.card, pipeline.codec_card, pipeline._digests = parts.card, parts.codec_card, parts.digests
        return pipeline


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


def _seeds(
    seed: int | None, generator: torch.Generator | Sequence[torch.Generator] | None, numbers: Sequence[int]
) -> tuple[int | None, torch.Tensor]:
    """The seed to record, and (n,) int64 seeds of the samples."""
    if seed is not None and generator is not None:
        raise InputError("seed and generator: give one of them")
    if isinstance(generator, Sequence):
        if len(generator) != len(numbers):
            raise InputError(f"{len(generator)} generators for {len(numbers)} samples; expected one for each, or one")
        return None, torch.stack([_draw(g) for g in generator])
    if generator is not None:
        seed = int(_draw(generator))
    elif seed is None:
        seed = int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> (64 - _UNSEEDED_BITS))
    if seed < 0:
        raise InputError(f"seed {seed}: expected 0 or more")
    return seed, torch.from_numpy(sample_seeds(np.asarray(numbers), seed))


def _draw(generator: torch.Generator) -> torch.Tensor:
    return torch.randint(2**_UNSEEDED_BITS, (), generator=generator, device=generator.device).cpu()


def _implied(asked: Condition, told: Condition) -> dict[str, Any]:
    """Numbers that were drawn for a request, under ``implied``; nothing where none was."""
    before, after = request_of(asked), request_of(told)
    drawn = {name: round(after[name], 3) for name in QUANTITIES if name in after and name not in before}
    return {"implied": drawn} if drawn else {}


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """A scheduler's settings without diffusers' book-keeping, comparable after a trip through JSON."""
    return {key: value for key, value in config.items() if not key.startswith("_")}


def _first(*values: Any) -> Any:
    return next(value for value in values if value is not None)
