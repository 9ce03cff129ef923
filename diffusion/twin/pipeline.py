"""`ECGTwinPipeline`: one ECG of a person and a target condition in, the ECG this person would show out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from diffusion.checkpoints import INDEX, load_parts, module_digest
from diffusion.conditions.batch import collate
from diffusion.conditions.condition import Condition
from diffusion.conditions.request import Prepared, seeds_of
from diffusion.pipeline import ECGPipeline, check_output
from diffusion.process import samplers
from diffusion.process.editing import Start
from diffusion.process.settings import Sampling
from diffusion.twin.change import Change, one_person, own_condition
from diffusion.twin.identity import IdentityEncoder
from diffusion.twin.reference import WINDOW_S, Reference, Seen, check_strength, usable, with_provenance
from diffusion.twin.scores import TwinScores, checks_of, score
from diffusion.twin.sources import GAP_FEATURES, base_input
from gen.card import part, validation_metrics
from gen.checkpoint import checkpoint_digest, load_checkpoint, load_model, model_config, save_checkpoint
from gen.files import read_json, write_json
from gen.pipeline import Pipeline
from gen.records import EcgRecord, InputError, records_of
from gen.signals import fill_gaps
from metrics.measurement.parameters import Parameters
from metrics.measurement.records import measure_and_delineate, measure_records

#: Correlation of the beats with their median beat: white noise gives .35 to .6, 99 of 100 of PTB-XL's ECGs over .93.
_ALIKE = 0.7
_FAILURES = {
    "few_beats": "fewer than two QRS complexes were found",
    "noise": "no heartbeat stands out from the noise",
    "flat": "no lead moves",
    "missing": "more than half of the samples are missing",
    "too_short": "too short",
}


def _of_generator(name: str) -> Any:
    """A part that the generator holds, read and exchanged there."""
    return property(
        lambda self: getattr(self.generator, name), lambda self, value: setattr(self.generator, name, value)
    )


class ECGTwinPipeline(Pipeline):
    """Generates a person's ECG in another condition: a text-to-ECG generator that is told about a person.

        pipe = ECGTwinPipeline.from_pretrained("CHECKPOINT")
        twins = pipe(gen.read("strip.hea"), "left bundle branch block", heart_rate=95, num=4, seed=3)

    Args:
        denoiser, codec, scheduler: of ``generator``, see `ECGPipeline`; the denoiser takes an identity embedding.
        identity: the Individual Base Extractor that it was trained with.

    Attributes:
        generator: the `ECGPipeline` of these parts, which knows nobody.
    """

    denoiser: Any = _of_generator("denoiser")
    codec: Any = _of_generator("codec")
    scheduler: Any = _of_generator("scheduler")
    identity: Any

    def __init__(
        self, denoiser: torch.nn.Module, codec: torch.nn.Module, scheduler: Any, identity: torch.nn.Module
    ) -> None:
        super().__init__()
        self.generator = ECGPipeline(denoiser, codec, scheduler)
        self.register_modules(denoiser=denoiser, codec=codec, scheduler=scheduler, identity=identity.eval())
        self.identity_card: dict[str, Any] = {}
        self._identity_digest: str | None = None

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of the checkpoints behind ``denoiser``, ``codec`` and ``identity``."""
        if self._identity_digest is None:
            self._identity_digest = module_digest(self.identity)
        return {**self.generator.digests, "identity": self._identity_digest}

    @property
    def fs_hz(self) -> float:
        """Rate at which the codec works."""
        return self.generator.fs_hz

    @property
    def _device(self) -> torch.device:
        return next(self.denoiser.parameters()).device

    @property
    def card(self) -> dict[str, Any]:
        """Card of the denoiser."""
        return self.generator.card

    def sampling(self, **chosen: Any) -> Sampling:
        """Settings for `twins`; see `ECGPipeline.sampling`."""
        return self.generator.sampling(**chosen)

    def set_progress_bar_config(self, **options: Any) -> None:
        """Options of tqdm, for the generator's bar."""
        self.generator.set_progress_bar_config(**options)

    @torch.inference_mode()
    def prepare(
        self,
        records: Any,
        *,
        report: str | None = None,
        fs: float | None = None,
        leads: Sequence[str] | str | None = None,
    ) -> Reference:
        """Read a person off one recording or several.

        Missing and flat leads are rebuilt first; rate, intervals and axis are measured.

        Args:
            records: any leads and rate, four seconds or more; the first ten seconds count. Or arrays and tensors, see
                `gen.records.records_of`.
            report: findings of the (first) recording, where it holds none or others.
            fs, leads: sampling rate in Hz and names of the rows of an array.

        Raises:
            InputError: a recording is no usable ECG, or they are of different people.
        """
        if isinstance(records, Sequence) and not len(records):
            raise InputError("no reference: give at least one ECG")
        given = records_of(records, fs, leads)
        many = [given] if isinstance(given, EcgRecord) else given
        one_person(many)
        ready, notes = zip(*(usable(record, self.fs_hz) for record in many), strict=True)
        delineated = measure_and_delineate(ready)
        measured = [found for found, _ in delineated]
        for record, found in zip(ready, measured, strict=True):
            failure = found.failure or ("noise" if found.alike < _ALIKE else None)
            if failure is not None:
                raise InputError(f"{record.source_name}: not usable as a reference: {_FAILURES.get(failure, failure)}")
        conditions = [
            own_condition(record, found, report if k == 0 else None)
            for k, (record, found) in enumerate(zip(ready, measured, strict=True))
        ]
        parts = zip(ready, conditions, delineated, strict=True)
        seen = [self._seen(record, condition, found, waves) for record, condition, (found, waves) in parts]
        encoded = [self._encoded(record, WINDOW_S) for record in ready]
        base = F.normalize(self._bases(encoded, conditions).mean(dim=0, keepdim=True), dim=-1)
        said = tuple(line for lines in notes for line in lines)
        return Reference(ready[0], conditions[0], base, said, encoded[0], tuple(s for s in seen if s is not None))

    def _seen(self, record: EcgRecord, condition: Condition, measured: Parameters, waves: Any) -> Seen | None:
        """A recording's beats, where twins are made of them."""
        del record, condition, measured, waves
        return None

    @torch.inference_mode()
    def bases(self, records: Sequence[EcgRecord], conditions: Sequence[Condition]) -> torch.Tensor:
        """Base vectors (n, width) of recordings with all leads at the codec's rate, each with its own condition."""
        return self._bases([self._encoded(record, WINDOW_S) for record in records], conditions)

    def _bases(self, latents: Sequence[torch.Tensor], conditions: Sequence[Condition]) -> torch.Tensor:
        device = next(self.identity.parameters()).device
        found = [
            self.identity(latent.to(device), collate([condition]).to(device)).cpu()
            for latent, condition in zip(latents, conditions, strict=True)
        ]
        return torch.cat(found)

    def _encoded(self, record: EcgRecord, longest_s: float) -> torch.Tensor:
        """Latent (1, channel, position) of a recording's first seconds."""
        signal = record.to_8().signal_mv[:, : round(longest_s * self.fs_hz)]
        extra = -signal.shape[1] % int(self.codec.downsample)
        padded = np.pad(fill_gaps(signal), ((0, 0), (0, extra)), mode="edge")
        device = self._device
        return self.codec.encode(torch.from_numpy(np.ascontiguousarray(padded))[None].float().to(device)).float()

    def __call__(
        self,
        reference: Any,
        prompt: str | None = None,
        *,
        fs: float | None = None,
        leads: Sequence[str] | str | None = None,
        add: str | None = None,
        remove: str | None = None,
        age: float | None = None,
        heart_rate: float | None = None,
        pr_ms: float | None = None,
        qrs_ms: float | None = None,
        qt_ms: float | None = None,
        axis_deg: float | None = None,
        rms_mv: float | None = None,
        same: bool = False,
        report: str | None = None,
        strength: float = 1.0,
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
        allow_unknown: bool = False,
        callback_on_step_end: Callable[[Any, int, torch.Tensor], None] | None = None,
        **population: Any,
    ) -> Any:
        """Generate twins.

        Args:
            reference: one or several recordings of a person (records, or arrays with ``fs`` and ``leads``), what
                `prepare` made of them, or None for nobody.
            fs, leads: sampling rate in Hz and names of the rows of an array.
            prompt: findings of the twin; see `Change` for these, ``add``, ``remove``, ``age``, ``heart_rate`` and
                ``same``.
            pr_ms, qrs_ms, qt_ms, axis_deg, rms_mv: values of `QUANTITIES` asked for.
            report: findings of the reference.
            strength: 1 generates from noise; less starts from the reference, noised so far (0 returns it as the codec
                holds it). Sample k of a seed has the same noise at any strength and for any change.
            guidance_scale: as for `ECGPipeline`, and by the group ``reference``.
            num, num_inference_steps, guidance_rescale, guidance_interval, negative_prompt, scheduler, seed, generator,
            duration_s, fs_hz, output_type, batch_size, bfloat16, allow_unknown, callback_on_step_end: see
                `ECGPipeline`.
            population: further arguments of `ECGPipeline`, without a reference.

        Raises:
            InputError: the reference cannot be used, nothing was asked for, or a setting is out of its range.
        """
        numbers = {"pr_ms": pr_ms, "qrs_ms": qrs_ms, "qt_ms": qt_ms, "axis_deg": axis_deg, "rms_mv": rms_mv}
        chosen: dict[str, Any] = {
            "scheduler": scheduler,
            "num_inference_steps": num_inference_steps,
            "guidance_scale": guidance_scale,
            "guidance_rescale": guidance_rescale,
            "guidance_interval": guidance_interval,
            "negative_prompt": negative_prompt,
            "duration_s": duration_s,
            "fs_hz": fs_hz,
            "bfloat16": bfloat16,
        }
        common: dict[str, Any] = {"num": num, "seed": seed, "generator": generator, "output_type": output_type}
        common |= {"batch_size": batch_size, "callback_on_step_end": callback_on_step_end}
        if reference is None:
            values = {"age": age, "heart_rate": heart_rate, "allow_unknown": allow_unknown, **numbers, **population}
            return self.generator(prompt, **values, **chosen, **common)
        if population:
            raise InputError(f"{', '.join(population)}: not for a twin, who takes it from the reference")
        given = tuple((name, value) for name, value in numbers.items() if value is not None)
        change = Change(
            text=prompt, add=add, remove=remove, age=age, heart_rate=heart_rate, same=same, numbers=given
        ).checked(allow_unknown)
        if isinstance(reference, Reference):
            person = reference
        else:
            person = self.prepare(reference, report=report, fs=fs, leads=leads)
        return self.twins(person, change, self.sampling(**chosen), strength=strength, **common)

    def twins(
        self,
        person: Reference,
        change: Change,
        settings: Sampling,
        *,
        num: int = 1,
        seed: int | None = 0,
        strength: float = 1.0,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        output_type: str = "records",
        batch_size: int = 32,
        callback_on_step_end: Callable[[Any, int, torch.Tensor], None] | None = None,
    ) -> Any:
        """Twins of a prepared reference; see `__call__`."""
        check_output(num, batch_size, output_type)
        check_strength(strength)
        start = Start(self.start(person, settings), strength) if strength < 1 else None
        numbers = range(num)
        target = person.under(change)
        # Numbers that findings leave open follow from the person, so none are drawn.
        prepared = Prepared.of([target] * num, numbers, *seeds_of(seed, generator, numbers), literal=True)
        step = None if callback_on_step_end is None else lambda i, x: callback_on_step_end(self, i, x)
        made = self.generator.draw(
            prepared,
            settings,
            output_type=output_type,
            batch_size=batch_size,
            base=self.known(person, change),
            start=start,
            after_step=step,
        )
        if output_type != "records":
            return made
        return [with_provenance(record, person, target, strength) for record in made]

    def group(
        self,
        people: Sequence[Reference],
        changes: Sequence[Change],
        numbers: Sequence[int],
        seed: int,
        settings: Sampling,
        strength: float,
    ) -> list[EcgRecord]:
        """A twin of each of several people, computed as one batch; see `diffusion.twin.batch.twins_of`."""
        targets = [person.under(change) for person, change in zip(people, changes, strict=True)]
        base = torch.cat([self.known(person, change) for person, change in zip(people, changes, strict=True)])
        latents = [self.start(person, settings) for person in people] if strength < 1 else []
        start = Start(torch.cat(latents), strength) if latents else None
        prepared = Prepared.of(targets, numbers, seed, literal=True)
        records = self.generator.draw(prepared, settings, batch_size=len(people), base=base, start=start)
        return [with_provenance(*facts, strength) for facts in zip(records, people, targets, strict=True)]

    def known(self, person: Reference, change: Change) -> torch.Tensor:
        """What the denoiser is given of a person (1, base_width); the time gap where another age is asked for."""
        gap = np.array([np.nan])
        if change.age is not None and person.condition.age is not None:
            gap[0] = change.age - person.condition.age
        return torch.from_numpy(base_input(person.base.numpy(), gap))

    def start(self, person: Reference, settings: Sampling) -> torch.Tensor:
        """Latent (1, channel, position) of a reference that an edit starts from.

        Raises:
            InputError: the reference is shorter than the ECG asked for.
        """
        wanted = round(settings.duration_s * self.fs_hz)
        if person.record.num_samples < wanted - 1:
            raise InputError(
                f"{person.record.source_name}: {person.record.duration_s:.2f} s; an edit (strength below 1) "
                f"of {settings.duration_s:g} s needs a reference as long"
            )
        if person.latent is not None and wanted == round(WINDOW_S * self.fs_hz):
            return person.latent
        with torch.inference_mode():
            return self._encoded(person.record, settings.duration_s)

    def scores(self, person: Reference, twins: Sequence[EcgRecord], change: Change) -> list[TwinScores]:
        """Identity kept and change achieved, for each twin."""
        at_rate = [record.at(self.fs_hz) for record in twins]
        target, measured = person.under(change), measure_records(at_rate)
        seen = []
        for record, found in zip(at_rate, measured, strict=True):
            facts = own_condition(replace(record, report=None, statements={}), found)
            seen.append(replace(facts, text=target.text))
        cosines = (self.bases(at_rate, seen) @ person.base.T)[:, 0].tolist()
        threshold = validation_metrics(self.identity_card).get("threshold")
        checks = [checks_of(person.condition, target, found) for found in measured]
        return [score(cosine, threshold, met) for cosine, met in zip(cosines, checks, strict=True)]

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> None:
        """Write a folder that `from_pretrained` and ``gen.load`` read."""
        self.generator.save_pretrained(save_directory, **options)
        folder = Path(save_directory)
        save_checkpoint(
            folder / "identity", config=model_config(self.identity), model=self.identity, card=self.identity_card
        )
        kind = {
            "_class_name": type(self).__name__,
            "identity": [type(self.identity).__module__, type(self.identity).__name__],
            "pipeline": "twin",
        }
        write_json(folder / INDEX, read_json(folder / INDEX) | kind)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, *, scheduler: Any = None) -> "ECGTwinPipeline":
        """Load a folder with ``denoiser`` and ``identity`` (and ``codec``, where it is not the shipped one).

        Raises:
            InputError: a part is missing, or they do not belong together.
        """
        folder = Path(pretrained_model_name_or_path)
        if not (folder / "identity").is_dir() or not (folder / "denoiser").is_dir():
            raise InputError(f"{folder}: no twin's weights; expected the folders denoiser and identity in it")
        parts = load_parts(folder if (folder / "codec").is_dir() else folder / "denoiser")
        identity: Any = load_model(IdentityEncoder, folder / "identity")
        digest, expected = checkpoint_digest(folder / "identity"), part(parts.card, "identity").get("digest")
        if expected is not None and expected != digest:
            raise InputError(f"{folder}: trained with identity encoder {str(expected)[:12]}, but holds {digest[:12]}")
        width = getattr(getattr(parts.denoiser, "config", None), "base_width", 0)
        if width != identity.base_width + GAP_FEATURES:
            raise InputError(
                f"{folder}: the denoiser takes an identity embedding of {width}; the identity encoder gives "
                f"{identity.base_width + GAP_FEATURES} with the time gap"
            )
        pipeline = cls(parts.denoiser, parts.codec, samplers.chosen_scheduler(scheduler, parts.card), identity)
        pipeline.generator.know(parts)
        pipeline.identity_card = load_checkpoint(folder / "identity").card
        pipeline._identity_digest = digest
        return pipeline
