"""`BeatTwinPipeline`: twins beat by beat: the person's own beats, rhythm and noise, and what a condition changes.

beat      the form of the reference's prevailing beat, changed as `diffusion.twin.beat_change` has learned
rhythm    `diffusion.rhythm` for the condition asked for, with the person's own variation and premature beats
signal    `diffusion.beats.compose` with the person's own variation from beat to beat, and noise of their recorder
check     criteria of the findings and amplitudes of recordings with them; what fails is drawn again, and flagged
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline

from diffusion.beat_pipeline import FS_HZ, BeatPipeline, Strip
from diffusion.beats.code import Habits
from diffusion.beats.compose import compose, draw_flutter
from diffusion.beats.measure import LEAST_BEATS, forms_of
from diffusion.beats.network import FORMS, draw_vectors
from diffusion.beats.own import OwnBeats, find_own_beats
from diffusion.beats.shape import BeatShape
from diffusion.beats.variation import EDGES_HZ
from diffusion.checkpoints import DEFAULT_CODEC, INDEX, WEIGHTS, load_codec, module_digest
from diffusion.conditions.condition import Condition, collate
from diffusion.conditions.request import Prepared, seeds_of
from diffusion.pipeline import check_output
from diffusion.process.settings import Sampling
from diffusion.rhythm import BeatKind, BeatPlan, RhythmRequest, draw_rhythm, habits_of
from diffusion.rhythm import Habits as RhythmHabits
from diffusion.twin.beat_change import BeatChange
from diffusion.twin.beat_edit import Verdict, added_codes, beat_condition, held, judged, with_numbers
from diffusion.twin.change import Change
from diffusion.twin.identity import IdentityEncoder
from diffusion.twin.pipeline import ECGTwinPipeline
from diffusion.twin.reference import Reference, Seen, check_strength
from gen.checkpoint import checkpoint_digest, load_checkpoint, load_model, model_config, save_checkpoint
from gen.files import replace_folder, write_json
from gen.leads import LEADS_8
from gen.randomness import Stream
from gen.records import EcgRecord, InputError
from gen.signals import fill_gaps, rms_mv
from gen.text import statements
from gen.text.phrases import rhythms
from metrics.measurement.parameters import Parameters
from metrics.measurement.records import measure_records

#: How often a twin is drawn at most; from the second time on the change is this many times what is expected, where a
#: criterion was missed, or drawn nearer to what is expected, where an amplitude lay outside.
_FACTORS = (1.0, 1.15, 1.3, 1.5, 1.75, 2.0, 2.3)
#: How far draws lie around what is expected, in standard deviations of simulated hearts.
SPREAD = 0.6
#: Share of a reference's energy that its beats make up at least.
_STEADY = 0.5
_RHYTHM, _SIGNAL, _CHANGE, _OTHER = 53, 54, 55, 56
_ATRIAL = {"fibrillation": "AFIB", "flutter": "AFLT"}
#: Bands in which fibrillating atria are seen.
_WAVES = (EDGES_HZ[:-1] >= 3.0) & (EDGES_HZ[1:] <= 11.5)
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


@dataclass(frozen=True, eq=False)
class _Drawn:
    strip: Strip
    verdict: Verdict


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
        DiffusionPipeline.__init__(self)
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
            self._drawn(person, change, told, int(number), settings, strength)
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
            self._drawn(person, change, told, int(number), settings, strength)
            for person, change, told, number in zip(people, changes, prepared.told, prepared.seeds, strict=True)
        ]
        return self._records(drawn, people, prepared, settings, strength)

    def _records(
        self,
        drawn: Sequence[_Drawn],
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
            signed = self.signed(record, person, target, strength)
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

    @torch.inference_mode()
    def _drawn(
        self, person: Reference, change: Change, target: Condition, seed: int, settings: Sampling, strength: float
    ) -> _Drawn:
        """One twin, drawn until nothing is wrong with it; the best of them where none is.

        Raises:
            InputError: none of them is one that a heart can make.
        """
        nearest = person.nearest(target)
        own_condition, own, measured = nearest.condition, nearest.beats, nearest.measured
        factor, spread, hold = 0, SPREAD, False
        best: _Drawn | None = None
        irregular = 0
        for attempt in range(len(_FACTORS)):
            plan, request = self._rhythm(person, own, change, target, _seed(seed, _RHYTHM, irregular), settings)
            rr = 60.0 / plan.heart_rate_bpm if plan.heart_rate_bpm > 0 else own.shape.rr_s
            rng = np.random.default_rng(np.random.SeedSequence((seed, _CHANGE, attempt)))
            shape = self._changed(
                own, own_condition, target, rr, len(plan.p_times_s) > 0, rng, strength * _FACTORS[factor], spread
            )
            shape = with_numbers(shape, dict(change.numbers))
            if len(plan.p_times_s) and request.pr_ms is None:
                request = replace(
                    request, heart_rate=plan.heart_rate_bpm, pr_ms=float(np.clip(1e3 * shape.pr_s, 60, 440))
                )
                plan = self._plan(person, own, target, request, _seed(seed, _RHYTHM, irregular), settings)
            strip = self._composed(person, own, target, shape, plan, request, seed, settings, change)
            found = _measured(strip, settings)
            verdict = judged(own_condition, target, shape, measured, found)
            if hold and verdict.outside:
                shape = held(shape, found, added_codes(own_condition, target))
                strip = self._composed(person, own, target, shape, plan, request, seed, settings, change)
                verdict = judged(own_condition, target, shape, measured, _measured(strip, settings))
            now = _Drawn(replace(strip, tries=attempt + 1), verdict)
            if best is None or verdict.weight < best.verdict.weight:
                best = now
            if verdict.good or strength < 1:
                break
            irregular += verdict.irregular
            if verdict.outside or verdict.impossible:
                spread, hold = 0.3 * spread, True
            elif verdict.missing and not verdict.irregular:
                factor, spread = factor + 1, 0.5 * spread
        assert best is not None
        if best.verdict.impossible:
            raise InputError(
                f"{person.record.source_name}: no plausible twin in {len(_FACTORS)} draws: {best.verdict.impossible}"
            )
        return best

    def _changed(
        self,
        own: OwnBeats,
        before: Condition,
        target: Condition,
        rr_s: float,
        has_p: bool,
        rng: np.random.Generator,
        strength: float,
        spread: float,
    ) -> BeatShape:
        had = own.beats.has_p
        first = beat_condition(before, 60.0 / own.shape.rr_s, had)
        then = beat_condition(replace(target, text=target.text or before.text), 60.0 / rr_s, has_p)
        mean, root = self.change.expected(own.shape, first, then)
        change = strength * (mean + spread * (root @ rng.standard_normal(len(mean)).clip(-2, 2)))
        return self.change.changed(own.shape, change, rr_s, had, has_p)

    def _rhythm(
        self, person: Reference, own: OwnBeats, change: Change, target: Condition, seed: int, settings: Sampling
    ) -> tuple[BeatPlan, RhythmRequest]:
        """The plan for a condition, without a PR interval but where one was asked for, and its request."""
        asked = replace(target, pr_ms=dict(change.numbers).get("pr_ms"))
        request = self._beats._rhythm_request(asked)
        atrial = _ATRIAL.get(own.beats.plan.atrial)
        silent = not (change.text or change.add or change.remove)
        if silent and atrial is not None and atrial not in request.codes:  # seen, though no report says so
            request = RhythmRequest.of(
                request.codes | {atrial}, heart_rate=request.heart_rate, age=request.age, beyond="clip"
            )
        if request.mechanism not in ("sinus", "second degree block", "pacing"):
            request = replace(request, pr_ms=None)
        return self._plan(person, own, target, request, seed, settings), request

    def _plan(
        self, person: Reference, own: OwnBeats, target: Condition, request: RhythmRequest, seed: int, settings: Sampling
    ) -> BeatPlan:
        habits = habits_of(own.beats.plan, person.condition.age, seed=0)
        codes = request.codes
        premature = {
            BeatKind.VENTRICULAR: {"PVC", "PRC(S)", "BIGU", "TRIGU", "COUP"},
            BeatKind.ATRIAL: {"PAC", "PRC(S)", "SVARR"},
        }
        ectopy = habits.ectopy
        before = person.condition.text
        kept = target.text == before or (ectopy is not None and bool(premature[ectopy.kind] & codes))
        same = own.beats.plan.atrial == "fibrillation" and request.mechanism == "fibrillation"
        return draw_rhythm(
            request,
            seed,
            settings.duration_s,
            habits=RhythmHabits(
                variation=habits.variation,
                pr_ms=None,
                ectopy=ectopy if kept else None,
                spread=habits.spread if same else None,
                memory=habits.memory if same else None,
            ),
        )

    def _composed(
        self,
        person: Reference,
        own: OwnBeats,
        target: Condition,
        shape: BeatShape,
        plan: BeatPlan,
        request: RhythmRequest,
        seed: int,
        settings: Sampling,
        change: Change,
    ) -> Strip:
        code = self.change.code
        shapes = {"own": shape}
        vector = self._beats.denoiser.code.vector(own.shape, own.habits)
        if "other" in forms_of(plan.kinds):
            known = own.beats.shapes.get("other")
            shapes["other"] = known if known is not None else self._other(vector, target, shape.rr_s, seed, settings)
        habits = self._habits(own, vector, target, plan, seed, settings)
        length = round(settings.duration_s * FS_HZ)

        def drawn(forms: Mapping[str, BeatShape]) -> Any:
            rng = np.random.default_rng(np.random.SeedSequence((seed, _SIGNAL)))
            return compose(code, forms, habits, plan, rng, length, FS_HZ, clean=settings.clean)

        made = drawn(shapes)
        wanted = dict(change.numbers).get("rms_mv")
        if wanted is not None:
            gain = wanted / max(float(rms_mv(made.signal_mv[None].astype(np.float32), FS_HZ)[0]), 1e-6)
            shapes = {name: form.mixed(gain * np.eye(len(LEADS_8))) for name, form in shapes.items()}
            made = drawn(shapes)
        if plan.atrial == "flutter":
            rng = np.random.default_rng(np.random.SeedSequence((seed, _SIGNAL, 1)))
            draw_flutter(made.signal_mv, plan, rng, FS_HZ)
        shown = self._beats.denoiser.code.vector(shapes["own"], habits)
        return Strip(made, shown, 1, request.notes, shapes, request)

    def _other(self, own: np.ndarray, target: Condition, rr_s: float, seed: int, settings: Sampling) -> BeatShape:
        """A ventricular beat, of a person who was seen with none."""
        reference = torch.from_numpy(own)[None].float()
        seeds = torch.tensor([_seed(seed, _OTHER, 0)])
        form = torch.tensor([FORMS.index("other")])
        vectors, _ = self._beats._plausible([target], form, reference, seeds, settings)
        return self._beats.denoiser.code.shape(vectors[0], rr_s)

    def _habits(
        self, own: OwnBeats, vector: np.ndarray, target: Condition, plan: BeatPlan, seed: int, settings: Sampling
    ) -> Habits:
        """The person's; with what atria add to the signal that begin to fibrillate, and without it where they stop."""
        before, now = own.beats.plan.atrial == "fibrillation", plan.atrial == "fibrillation"
        if before == now:
            return own.habits
        drawn = draw_vectors(
            self._beats.denoiser,
            collate([target]),
            torch.zeros(1, dtype=torch.int64),
            torch.from_numpy(vector)[None].float(),
            torch.tensor([_seed(seed, _OTHER, 1)]),
            steps=settings.steps,
            stream=Stream.BEAT,
        )
        usual = self._beats.denoiser.code.habits(drawn[0].double().numpy().clip(-3, 3)).power_mv2[0]
        power = own.habits.power_mv2.copy()
        choose = np.maximum if now else np.minimum
        power[0][:, _WAVES] = choose(power[0], usual)[:, _WAVES]
        return replace(own.habits, power_mv2=power)

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> None:  # type: ignore[override]
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
    def from_pretrained(  # type: ignore[override]
        cls, pretrained_model_name_or_path: str | Path, *, scheduler: Any = None
    ) -> "BeatTwinPipeline":
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


def _measured(strip: Strip, settings: Sampling) -> Parameters:
    del settings
    return measure_records(strip.drawn.signal_mv[None].astype(np.float32), fs_hz=FS_HZ, leads=LEADS_8)[0]


def _seed(number: int, stream: int, again: int) -> int:
    return int(np.random.SeedSequence((number, stream, again)).generate_state(1, np.uint64)[0] >> 1)


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
