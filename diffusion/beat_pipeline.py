"""`BeatPipeline`: rhythm, beat, signal: plans beats, draws their form, and places them a little different each time.

rhythm    `diffusion.rhythm`: times and kinds of beats, P waves and conduction, for the text, the rate and the age
beat      `diffusion.beats.network`: the form of the prevailing beat and of ventricular ones, and the habits of the
recording, drawn by diffusion under text, patient, rate, intervals and axis
signal    `diffusion.beats.compose`: forms at the beats' times, each turned a little as breathing turns the heart,
and noise as recordings hold it
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from diffusion.beats.code import WIDTH, calmer, draw_missed
from diffusion.beats.compose import Drawn, compose, draw_flutter
from diffusion.beats.draw import TRIES, Outcome, draw_beats
from diffusion.beats.measure import forms_of
from diffusion.beats.network import FORMS, BeatDenoiser
from diffusion.beats.plausible import strip_fault
from diffusion.beats.recording import LongRecording
from diffusion.beats.shape import BeatShape
from diffusion.checkpoints import WEIGHTS, is_beats, module_digest
from diffusion.conditions.condition import Condition
from diffusion.conditions.request import Prepared, implied_by, report_of, request_of, statements_of
from diffusion.pipeline import ECGPipeline
from diffusion.pipeline import load as load_latent_pipeline
from diffusion.process import named
from diffusion.process.editing import Start
from diffusion.process.settings import LONGEST_S, Sampling
from diffusion.rhythm.plan import BeatKind, BeatPlan
from diffusion.rhythm.request import RhythmRequest
from diffusion.rhythm.stream import RhythmStream, draw_rhythm
from gen.checkpoint import checkpoint_digest, load_checkpoint, load_model, model_config, save_checkpoint
from gen.leads import LEADS_8_TO_12, LEADS_12
from gen.pipeline import Pipeline
from gen.records import EcgRecord, InputError, Patient
from gen.signals import resample
from gen.synthesis.refusal import Refusal
from gen.text import ReadText

#: Steps of `named.ADAMS`: twice as near to the differential equation's own solution as 16 of Heun's, which ask the
#: network two and a half times as often.
STEPS = 12
FS_HZ = 500.0
_RHYTHM, _SIGNAL, _MISSED = 43, 44, 45


@dataclass(frozen=True, eq=False)
class Strip:
    """What a generated recording is made of.

    Attributes:
        drawn: its signal and beats.
        vector: (WIDTH,) of the prevailing beat.
        tries: how often it was drawn, with all its parts.
        notes: what was changed in the request so that it can be, and what of it is not met.
        shapes: forms of its beats.
        request: its rhythm.
    """

    drawn: Drawn
    vector: np.ndarray
    tries: int
    notes: tuple[str, ...]
    shapes: Mapping[str, BeatShape]
    request: RhythmRequest


class BeatPipeline(ECGPipeline):
    """Generates twelve-lead ECGs beat by beat; called as `diffusion.pipeline.ECGPipeline` is.

    Args:
        denoiser: draws vectors of beats.
        scheduler: None; beats are drawn by `named.ADAMS` alone.

    Raises:
        InputError: another sampler.
    """

    #: Beats are planned and placed one by one, so length costs nothing but memory.
    longest_s = LONGEST_S

    def __init__(self, denoiser: torch.nn.Module, scheduler: Any = None) -> None:
        Pipeline.__init__(self)
        if scheduler not in (None, named.ADAMS):
            raise InputError(f"sampler {scheduler!r}: beats are drawn by {named.ADAMS!r}")
        self.register_modules(denoiser=denoiser.eval(), scheduler=None)
        self.card: dict[str, Any] = {}
        self._digests: dict[str, str] | None = None

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of the checkpoint behind ``denoiser``."""
        if self._digests is None:
            self._digests = {"denoiser": module_digest(self.denoiser)}
        return self._digests

    @property
    def _network(self) -> Any:
        return self.denoiser

    @property
    def fs_hz(self) -> float:
        """Rate at which strips are drawn."""
        return FS_HZ

    def sampling(self, *, scheduler: str | None = None, **chosen: Any) -> Sampling:
        """See `ECGPipeline.sampling`.

        Raises:
            InputError: another sampler than the beats' own.
        """
        if scheduler not in (None, named.ADAMS):
            raise InputError(f"sampler {scheduler!r}: beats are drawn by {named.ADAMS!r}")
        chosen["num_inference_steps"] = chosen.get("num_inference_steps") or self._steps()
        return super().sampling(scheduler=named.ADAMS, **chosen)

    def _steps(self) -> int:
        return int((self.card.get("sampling") or {}).get("num_inference_steps") or STEPS)

    @torch.inference_mode()
    def latents(
        self,
        prepared: Prepared,
        settings: Sampling,
        *,
        base: torch.Tensor | None = None,
        start: Start | None = None,
        after_step: Callable[[int, torch.Tensor], None] | None = None,
    ) -> Any:
        """Strips of samples; see `ECGPipeline.latents`, whose last three arguments have no meaning here.

        Raises:
            InputError: for one of them nothing plausible was drawn in `TRIES` tries.
        """
        del base, start, after_step
        strips = self.tried(prepared, settings)
        for strip in strips:
            if isinstance(strip, Refusal):
                raise InputError(strip.reason)
        return strips

    @torch.inference_mode()
    def tried(self, prepared: Prepared, settings: Sampling) -> "list[Strip | Refusal]":
        """Strips of samples, or why there is none."""
        told, seeds = prepared.told, prepared.seeds
        numbers = seeds.tolist()
        asked = [self._rhythm_request(condition) for condition in told]
        first = [draw_rhythm(r, _seed(s, _RHYTHM), settings.duration_s) for r, s in zip(asked, numbers, strict=True)]
        known = [_with_rate(condition, plan) for condition, plan in zip(told, first, strict=True)]
        form = torch.zeros(len(told), dtype=torch.int64)
        nothing = torch.full((len(told), WIDTH), torch.nan)
        vectors, outcomes = draw_beats(self._network, known, form, nothing, seeds, settings)
        code = self._network.code
        plans, shapes = [], []
        for k, (request, plan) in enumerate(zip(asked, first, strict=True)):
            own = code.shape(vectors[k], _rr_s(plan))
            if request.pr_ms is None and len(plan.p_times_s):
                with_pr = replace(
                    request, heart_rate=plan.heart_rate_bpm, pr_ms=float(np.clip(1e3 * own.pr_s, 60, 440))
                )
                plan = draw_rhythm(with_pr, _seed(numbers[k], _RHYTHM), settings.duration_s)
            plans.append(plan)
            shapes.append({"own": own})
        strange = [k for k, plan in enumerate(plans) if "other" in forms_of(plan.kinds)]
        if strange:
            other = torch.full((len(strange),), FORMS.index("other"))
            reference = torch.from_numpy(vectors[strange]).float()
            drawn, more = draw_beats(
                self._network, [known[k] for k in strange], other, reference, seeds[strange], settings
            )
            for k, vector, outcome in zip(strange, drawn, more, strict=True):
                shapes[k]["other"] = code.shape(vector, shapes[k]["own"].rr_s)
                outcomes[k] = outcomes[k].then(outcome)
        strips: list[Strip | Refusal] = []
        for k, plan in enumerate(plans):
            made, wrong, attempts = self._signal(numbers[k], shapes[k], vectors[k], plan, settings)
            outcome = outcomes[k].then(Outcome(attempts, wrong))
            if outcome.wrong:
                said = f"nothing plausible in {TRIES} tries for {request_of(known[k])}: {outcome.wrong}"
                strips.append(Refusal(said, outcome.tries))
            else:
                notes = (*asked[k].notes, *(f"{name}: not met" for name in outcome.unmet))
                strips.append(Strip(made, vectors[k], outcome.tries, notes, shapes[k], asked[k]))
        return strips

    def plausible_beats(
        self,
        known: Sequence[Condition],
        form: torch.Tensor,
        reference: torch.Tensor,
        seeds: torch.Tensor,
        settings: Sampling,
    ) -> np.ndarray:
        """(n, WIDTH) vectors of beats under conditions; see `diffusion.beats.draw.draw_beats`.

        Raises:
            InputError: for one of them no heart makes what was drawn, in `TRIES` tries.
        """
        vectors, outcomes = draw_beats(self._network, known, form, reference, seeds, settings)
        for condition, outcome in zip(known, outcomes, strict=True):
            if outcome.wrong:
                raise InputError(
                    f"no plausible beat in {outcome.tries} tries for {request_of(condition)}: {outcome.wrong}"
                )
        return vectors

    def _signal(
        self, number: int, shapes: Mapping[str, BeatShape], vector: np.ndarray, plan: BeatPlan, settings: Sampling
    ) -> tuple[Drawn, str, int]:
        """A strip, what is wrong with it (empty: nothing), and how often it was drawn."""
        code = self._network.code
        length = round(settings.duration_s * FS_HZ)
        missed = draw_missed(_generator(number, _MISSED))
        for attempt in range(TRIES):
            words = (number, _SIGNAL, attempt) if attempt else (number, _SIGNAL)
            rng = np.random.default_rng(np.random.SeedSequence(words))
            # Noise as large as this vector's may be too large for any recording: nearer to the usual with every try.
            usual = attempt / TRIES
            habits = code.habits(calmer(vector, usual), (1 - usual) * missed)
            made = compose(code, shapes, habits, plan, rng, length, FS_HZ, clean=settings.clean)
            if plan.atrial == "flutter":
                draw_flutter(made.signal_mv, plan, rng, FS_HZ)
            wrong = strip_fault(made.signal_mv, plan, FS_HZ)
            if not wrong:
                break
        return made, wrong, attempt + 1

    def generate_each(
        self, conditions: Sequence[Condition], numbers: Sequence[int], seed: int, settings: Sampling
    ) -> list[EcgRecord | Refusal]:
        """See `ECGPipeline.generate_each`."""
        prepared = Prepared.of(conditions, numbers, seed, literal=settings.literal)
        strips = self.tried(prepared, settings)
        good = [k for k, strip in enumerate(strips) if isinstance(strip, Strip)]
        made = self.records([strips[k] for k in good], prepared.rows(good), settings) if good else []
        records = dict(zip(good, made, strict=True))
        return [strip if isinstance(strip, Refusal) else records[k] for k, strip in enumerate(strips)]

    def recording(self, prepared: Prepared, settings: Sampling, duration_s: float) -> LongRecording:
        """The first of some samples as a recording of any length, with the beats that its strip has.

        Args:
            prepared: the sample.
            settings: of sampling; their length is that of the strip.
            duration_s: of the recording.
        """
        strip: Strip = self.latents(prepared[:1], settings)[0]
        plan = strip.drawn.plan
        request = strip.request
        if request.heart_rate is None and plan.heart_rate_bpm > 0:
            request = replace(request, heart_rate=plan.heart_rate_bpm)
        if request.pr_ms is None and len(plan.p_times_s):
            request = replace(request, pr_ms=float(np.clip(1e3 * strip.shapes["own"].pr_s, 60, 440)))
        number = int(prepared.seeds[0])
        code = self._network.code
        stream = RhythmStream(request, _seed(number, _RHYTHM), duration_s)
        habits = code.habits(strip.vector, draw_missed(_generator(number, _MISSED)))
        return LongRecording(code, strip.shapes, habits, stream, _seed(number, _SIGNAL), FS_HZ, clean=settings.clean)

    @staticmethod
    def _rhythm_request(condition: Condition) -> RhythmRequest:
        text = condition.text if condition.text is not None else ReadText(())
        numbers: dict[str, Any] = {"heart_rate": condition.heart_rate, "age": condition.age}
        if condition.pr_ms is not None:
            numbers["pr_ms"] = float(np.clip(condition.pr_ms, 60, 450))
        try:
            return RhythmRequest.of(text, beyond="clip", **numbers)
        except InputError:  # a report that tells of standstill among other things: its findings alone are drawn
            return RhythmRequest.of([c for c in text.codes() if c != "VFIB"], beyond="clip", **numbers)

    def signals(self, latent: Any, settings: Sampling) -> np.ndarray:
        """(n, 12, time) float32 mV of strips, at the rate of the settings."""
        eight = np.stack([strip.drawn.signal_mv for strip in latent])
        if settings.fs_hz is not None:
            eight = resample(eight, FS_HZ, settings.fs_hz)
        # To whole microvolts, as recorders store them; the derived leads follow from the stored ones.
        eight = np.round(eight, 3)
        return np.stack([(LEADS_8_TO_12 @ each).astype(np.float32) for each in eight.astype(np.float64)])

    def records(self, latent: Any, prepared: Prepared, settings: Sampling) -> list[EcgRecord]:
        """See `ECGPipeline.records`; with the times and kinds of all beats under ``beats``."""
        facts: dict[str, Any] = {"generator": "physiogen diffusion", "model": self.digests["denoiser"]}
        facts["seed"] = prepared.seed
        facts |= {"sampling": settings.signature(), "noise": "none" if settings.clean else "as recorded"}
        return [
            EcgRecord(
                signal,
                settings.fs_hz or FS_HZ,
                LEADS_12,
                record_id=f"synthetic_{number:06d}",
                patient=Patient(age=asked.age, sex=asked.sex),
                report=report_of(asked),
                statements=statements_of(asked),
                synthetic=True,
                metadata={
                    **facts,
                    "sample": int(number),
                    "request": request_of(asked),
                    **implied_by(asked, told),
                    "beats": events_of(strip.drawn.plan),
                    **({"changed": list(strip.notes)} if strip.notes else {}),
                    **({"tries": strip.tries} if strip.tries > 1 else {}),
                },
            )
            for signal, strip, asked, told, number in zip(
                self.signals(latent, settings), latent, prepared.asked, prepared.told, prepared.numbers, strict=True
            )
        ]

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
        """See `ECGPipeline.draw`; a "latent" is the vector of the prevailing beat and the recording's habits."""
        if output_type != "latent":
            return super().draw(prepared, settings, output_type=output_type, batch_size=batch_size)
        rows: list[np.ndarray] = []
        for begin in range(0, len(prepared), batch_size):
            rows += [strip.vector for strip in self.latents(prepared[begin : begin + batch_size], settings)]
        return torch.from_numpy(np.stack(rows))

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> None:
        """Write a checkpoint folder that `load`, ``gen.load`` and ``--checkpoint`` read, whole or not at all."""
        del options
        config = {**model_config(self.denoiser), "pipeline": "synthesize"}
        save_checkpoint(save_directory, config=config, model=self.denoiser, card=self.card)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, *, scheduler: Any = None) -> "BeatPipeline":
        """Load a checkpoint of the beat network.

        Raises:
            InputError: it is not one.
        """
        folder = Path(pretrained_model_name_or_path)
        pipeline = cls(load_model(BeatDenoiser, folder), scheduler)
        pipeline.card = load_checkpoint(folder).card
        pipeline._digests = {"denoiser": checkpoint_digest(folder)}
        return pipeline


def load(path: str | Path | None = None) -> ECGPipeline:
    """The text-to-ECG pipeline with the shipped weights, or those of a checkpoint folder, of beats or of latents.

    Raises:
        InputError: no weights are there, or they are of something else.
    """
    folder = WEIGHTS / "default" if path is None else Path(path)
    return BeatPipeline.from_pretrained(folder) if is_beats(folder) else load_latent_pipeline(path)


def events_of(plan: BeatPlan) -> dict[str, Any]:
    """Beats inside a strip as JSON values: seconds, symbols of the WFDB library, P onsets, and what the atria do."""
    inside = plan.inside
    p = plan.p_times_s[(plan.p_times_s >= 0) & (plan.p_times_s < plan.duration_s)]
    return {
        "times_s": [round(float(t), 4) for t in plan.times_s[inside]],
        "symbols": "".join(BeatKind(k).symbol for k in plan.kinds[inside].tolist()),
        "p_onsets_s": [round(float(t), 4) for t in p],
        "atrial": plan.atrial,
    }


def _with_rate(condition: Condition, plan: BeatPlan) -> Condition:
    rate = plan.heart_rate_bpm
    if condition.heart_rate is not None or rate != rate:
        return condition
    return replace(condition, heart_rate=float(np.clip(rate, 20, 300)))


def _rr_s(plan: BeatPlan) -> float:
    return 60.0 / plan.heart_rate_bpm if plan.heart_rate_bpm > 0 else 0.8


def _generator(number: int, stream: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence((number, stream)))


def _seed(number: int, stream: int) -> int:
    return int(np.random.SeedSequence((number, stream)).generate_state(1, np.uint64)[0] >> 1)
