"""`BeatTwinPipeline`: twins beat by beat: the person's own beats, rhythm and noise, and what a condition changes.

beat      the form of the reference's prevailing beat, changed as `diffusion.twin.beat_change` has learned
rhythm    `diffusion.rhythm` for the condition asked for, with the person's own variation and premature beats
signal    `diffusion.beats.compose` with the person's own variation from beat to beat, and noise of their recorder
check     criteria of the findings and amplitudes of recordings with them; what fails is drawn again, and flagged
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from diffusion.beat_pipeline import BeatPipeline
from diffusion.beats.measure import LEAST_BEATS
from diffusion.beats.own import find_own_beats
from diffusion.checkpoints import DEFAULT_CODEC, INDEX, WEIGHTS, load_codec, module_digest
from diffusion.conditions.condition import Condition
from diffusion.conditions.request import Prepared, seeds_of
from diffusion.pipeline import check_output
from diffusion.process.settings import Sampling
from diffusion.twin.beat_change import BeatChange
from diffusion.twin.beat_draw import DrawnTwin, TwinDrawer
from diffusion.twin.beat_edit import (
    added_codes,
)
from diffusion.twin.change import Change
from diffusion.twin.identity import IdentityEncoder
from diffusion.twin.pipeline import ECGTwinPipeline
from diffusion.twin.reference import Reference, Seen, check_strength, with_provenance
from gen.checkpoint import checkpoint_digest, load_checkpoint, load_model, model_config, save_checkpoint
from gen.files import replace_folder, write_json
from gen.pipeline import Pipeline
from gen.records import EcgRecord, InputError
from gen.signals import fill_gaps
from gen.text import statements
from gen.text.phrases import rhythms
from metrics.measurement.parameters import Parameters

#: Share of a reference's energy that its beats make up at least.
_STEADY = 0.5
#: Findings that the order of beats makes.
_OF_RHYTHM = rhythms() | {
    "NORM",
    "PRC(S)",
    "PVC",
    "PAC",
    "BIGU",
    "TRIGU",
    "COUP",
    "SVARR",
    "SARRH",
    "PAUSE",
    "SAB",
    "MID",
}
_LATENT_ONLY = ("scheduler", "negative_prompt", "guidance_scale", "guidance_rescale", "guidance_interval")


class BeatTwinPipeline(ECGTwinPipeline):
    """Generates a person's ECG in another condition from the person's own beats.

        pipe = gen.load("twin")
        twins = pipe(gen.read("strip.hea"), "left bundle branch block", heart_rate=95, num=4, seed=3)

    Args:
        change: what conditions do to beats.
        identity: judges whether two ECGs are one person's.
        codec: whose latents ``identity`` reads.
        generator: draws beats that the person was never seen with: ventricular ones, atria that begin to fibrillate.
    """

    codec: Any
    change: Any

    def __init__(
        self, change: torch.nn.Module, identity: torch.nn.Module, codec: torch.nn.Module, generator: BeatPipeline
    ) -> None:
        Pipeline.__init__(self)
        self.generator = generator
        self.register_modules(change=change.eval(), identity=identity.eval(), codec=codec)
        self.change_card: dict[str, Any] = {}
        self.identity_card: dict[str, Any] = {}
        self.codec_card: dict[str, Any] = {}
        self._identity_digest: str | None = None
        self._change_digest: str | None = None

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of the checkpoints behind ``change``, ``identity`` and the generator."""
        if self._change_digest is None:
            self._change_digest = module_digest(self.change)
        if self._identity_digest is None:
            self._identity_digest = module_digest(self.identity)
        beats = self.generator.digests["denoiser"]
        return {"change": self._change_digest, "identity": self._identity_digest, "beats": beats}

    @property
    def card(self) -> dict[str, Any]:
        """Card of the network of changes."""
        return self.change_card

    @property
    def _drawer(self) -> TwinDrawer:
        return TwinDrawer(self.change, self._beats)

    @property
    def _beats(self) -> Any:
        """The generator, a `BeatPipeline`."""
        return self.generator

    @property
    def _device(self) -> torch.device:
        return next(self.identity.parameters()).device

    def sampling(self, **chosen: Any) -> Sampling:
        """Settings for `twins`.

        Raises:
            InputError: one that only a twin of latents has.
        """
        for name in _LATENT_ONLY:
            value = chosen.pop(name, None)
            if value is not None and not (name == "scheduler" and value == self.generator.sampling().scheduler):
                raise InputError(
                    f"{name} {value!r}: these twins are made of the person's own beats; it is for weights of latents"
                )
        return self.generator.sampling(**chosen)

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
        """Twins of a prepared reference; ``strength`` is the share of the beat's change that is made."""
        del callback_on_step_end
        check_output(num, batch_size, output_type)
        check_strength(strength)
        numbers = range(num)
        target = person.under(change)
        prepared = Prepared.of([target] * num, numbers, *seeds_of(seed, generator, numbers), literal=True)
        strips = [
            self._drawer.drawn(person, change, told, int(number), settings, strength)
            for told, number in zip(prepared.told, prepared.seeds, strict=True)
        ]
        if output_type == "latent":
            return torch.from_numpy(np.stack([d.strip.vector for d in strips]))
        if output_type == "np":
            return self._beats.signals([d.strip for d in strips], settings)
        return self._records(strips, [person] * num, prepared, settings, strength)

    def group(
        self,
        people: Sequence[Reference],
        changes: Sequence[Change],
        numbers: Sequence[int],
        seed: int,
        settings: Sampling,
        strength: float,
    ) -> list[EcgRecord]:
        """See `ECGTwinPipeline.group`."""
        targets = [person.under(change) for person, change in zip(people, changes, strict=True)]
        prepared = Prepared.of(targets, numbers, seed, literal=True)
        drawn = [
            self._drawer.drawn(person, change, told, int(number), settings, strength)
            for person, change, told, number in zip(people, changes, prepared.told, prepared.seeds, strict=True)
        ]
        return self._records(drawn, people, prepared, settings, strength)

    def _records(
        self,
        drawn: Sequence[DrawnTwin],
        people: Sequence[Reference],
        prepared: Prepared,
        settings: Sampling,
        strength: float,
    ) -> list[EcgRecord]:
        records = self._beats.records([d.strip for d in drawn], prepared, settings)
        out = []
        for record, each, person, target in zip(records, drawn, people, prepared.asked, strict=True):
            facts: dict[str, Any] = {"model": self.digests["change"], "draws": each.strip.tries}
            verdict = each.verdict
            if verdict.outside:
                facts["outside"] = list(verdict.outside)
            if verdict.missing:
                facts["not_shown"] = list(verdict.missing)
            unknown = self._unlearned(person.condition, target)
            if unknown:
                facts["not_learned"] = unknown
            signed = with_provenance(record, person, target, strength)
            out.append(replace(signed, metadata={**signed.metadata, **facts}))
        return out

    def _unlearned(self, own: Condition, target: Condition) -> list[str]:
        """Findings that come or go, and of which the network of changes knows nothing."""
        differ = added_codes(own, target) | added_codes(target, own)
        return sorted(code for code in differ - set(self.change.codes) - _OF_RHYTHM if code in statements())

    def _seen(self, record: EcgRecord, condition: Condition, measured: Parameters, waves: Any) -> Seen:
        codes = frozenset(condition.text.codes() if condition.text is not None else ())
        signal = fill_gaps(record.to_8().signal_mv).astype(np.float64)
        own = find_own_beats(signal, record.fs_hz, measured, waves, codes)
        reason = None
        if own is None:
            reason = f"fewer than {LEAST_BEATS} beats can be measured"
        elif own.explained < _STEADY:
            reason = f"mostly movement: its beats make up {own.explained:.0%} of the signal"
        if reason is not None or own is None:
            raise InputError(f"{record.source_name}: not usable as a reference: {reason}")
        return Seen(condition, own, measured)

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> None:
        """Write a folder that `from_pretrained` and ``gen.load`` read."""
        del options
        with replace_folder(save_directory) as folder:
            for name in ("change", "identity", "codec"):
                part = getattr(self, name)
                card = getattr(self, f"{name}_card", {})
                save_checkpoint(folder / name, config=model_config(part), model=part, card=card)
            beats = self._beats.denoiser
            config = {**model_config(beats), "pipeline": "synthesize"}
            save_checkpoint(folder / "beats", config=config, model=beats, card=self.generator.card)
            write_json(folder / INDEX, {"_class_name": type(self).__name__, "pipeline": "twin"})

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, *, scheduler: Any = None) -> "BeatTwinPipeline":
        """Load a folder with ``change`` and ``identity`` (``codec`` and ``beats`` where they are not the shipped ones).

        Raises:
            InputError: a part is missing or of something else.
        """
        folder = Path(pretrained_model_name_or_path)
        if not (folder / "change").is_dir() or not (folder / "identity").is_dir():
            raise InputError(f"{folder}: no twin's weights; expected the folders change and identity in it")
        codec, _, codec_card = load_codec(DEFAULT_CODEC, folder / "codec" if (folder / "codec").is_dir() else None)
        beats = folder / "beats" if (folder / "beats").is_dir() else WEIGHTS / "default"
        pipeline = cls(
            load_model(BeatChange, folder / "change"),
            load_model(IdentityEncoder, folder / "identity"),
            codec,
            BeatPipeline.from_pretrained(beats, scheduler=scheduler),
        )
        pipeline.change_card = load_checkpoint(folder / "change").card
        pipeline.identity_card = load_checkpoint(folder / "identity").card
        pipeline.codec_card = codec_card
        pipeline._change_digest = checkpoint_digest(folder / "change")
        pipeline._identity_digest = checkpoint_digest(folder / "identity")
        return pipeline


def load(path: str | Path | None = None) -> ECGTwinPipeline:
    """The twin pipeline with the shipped weights, or those of a folder, of beats or of latents.

    Raises:
        InputError: no weights are there, or they are of something else.
    """
    folder = WEIGHTS / "twin" if path is None else Path(path)
    if path is None and not folder.is_dir():
        raise InputError(
            f"{folder}: this installation ships no weights for twins; train some (physiogen train diffusion/identity, "
            "then diffusion/beat-change) and give their folder (--checkpoint RUN/pipeline)"
        )
    latent = (folder / "denoiser").is_dir()
    return ECGTwinPipeline.from_pretrained(folder) if latent else BeatTwinPipeline.from_pretrained(folder)
