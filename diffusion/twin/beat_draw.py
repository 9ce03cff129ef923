"""Draws one twin: the person's beat changed, placed in a rhythm, composed, measured, and drawn again where it fails."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from diffusion.beat_pipeline import FS_HZ, BeatPipeline, Strip
from diffusion.beats.code import Habits
from diffusion.beats.compose import compose, draw_flutter
from diffusion.beats.measure import forms_of
from diffusion.beats.network import FORMS, draw_vectors
from diffusion.beats.noise import EDGES_HZ
from diffusion.beats.own import OwnBeats
from diffusion.beats.shape import BeatShape
from diffusion.conditions.batch import collate
from diffusion.conditions.condition import Condition
from diffusion.process.settings import Sampling
from diffusion.rhythm import BeatKind, BeatPlan, RhythmRequest, draw_rhythm, habits_of
from diffusion.rhythm import Habits as RhythmHabits
from diffusion.twin.beat_change import BeatChange, voltage
from diffusion.twin.beat_edit import (
    Verdict,
    added_codes,
    beat_condition,
    changes_pr,
    changes_qrs,
    enforced,
    held,
    judged,
    judged_codes,
    possible,
    with_numbers,
)
from diffusion.twin.change import VOLTAGE, Change
from diffusion.twin.reference import Reference, Seen
from gen.leads import LEADS_8
from gen.randomness import Stream
from gen.records import InputError
from gen.signals import rms_mv
from metrics.measurement.parameters import Parameters
from metrics.measurement.records import measure_records

#: How often a twin is drawn at most. Where a criterion was missed, the change becomes this many times what is expected,
#: and in the end the form is brought over the limit; where an amplitude lay outside, the lead is held.
_FACTORS = (1.0, 1.15, 1.3, 1.3)
_ENFORCED = 2
#: How often in one draw.
_ROUNDS = 3
#: How far draws lie around what is expected, in standard deviations of simulated hearts.
SPREAD = 0.6
_RHYTHM, _SIGNAL, _CHANGE, _OTHER = 53, 54, 55, 56
_LOW = "LVOLT"
_ATRIAL = {"fibrillation": "AFIB", "flutter": "AFLT"}
#: Bands in which fibrillating atria are seen.
_WAVES = (EDGES_HZ[:-1] >= 3.0) & (EDGES_HZ[1:] <= 11.5)


@dataclass(frozen=True, eq=False)
class DrawnTwin:
    """A twin, and how it stands."""

    strip: Strip
    verdict: Verdict


class TwinDrawer:
    """Draws twins one by one.

    Args:
        change: a `BeatChange`, what conditions do to beats.
        generator: draws beats that the person was never seen with.
    """

    def __init__(self, change: BeatChange, generator: BeatPipeline) -> None:
        self._change: Any = change
        self._generator: Any = generator

    @torch.inference_mode()
    def drawn(
        self, person: Reference, change: Change, target: Condition, seed: int, settings: Sampling, strength: float
    ) -> DrawnTwin:
        """One twin, drawn until nothing is wrong with it; the best of them where none is.

        Raises:
            InputError: none of them is one that a heart can make.
        """
        nearest = person.nearest(target)
        own_condition, own, measured = nearest.condition, nearest.beats, nearest.measured
        factor, spread, hold = 0, SPREAD, False
        best: DrawnTwin | None = None
        irregular = 0
        reshaped = changes_qrs(own_condition, target)
        for attempt in range(len(_FACTORS)):
            plan, request = self._rhythm(person, own, change, target, _seed(seed, _RHYTHM, irregular), settings)
            rr = 60.0 / plan.heart_rate_bpm if plan.heart_rate_bpm > 0 else own.shape.rr_s
            rng = np.random.default_rng(np.random.SeedSequence((seed, _CHANGE, attempt)))
            shape = self._changed(
                own, own_condition, target, rr, len(plan.p_times_s) > 0, rng, strength * _FACTORS[factor], spread
            )
            shape = with_numbers(shape, dict(change.numbers))
            shape = possible(shape) if reshaped else shape
            if len(plan.p_times_s) and request.pr_ms is None:
                request = replace(
                    request, heart_rate=plan.heart_rate_bpm, pr_ms=float(np.clip(1e3 * shape.pr_s, 60, 440))
                )
                plan = self._plan(person, own, target, request, _seed(seed, _RHYTHM, irregular), settings)
            strip = self._composed(person, own, target, shape, plan, request, seed, settings, change)
            found = _measured(strip)
            verdict = judged(own_condition, target, shape, measured, found)
            for _ in range(_ROUNDS):
                if attempt >= _ENFORCED and verdict.measurable:
                    shape = self._enforced(shape, verdict, nearest, target, found)
                elif hold and reshaped and (verdict.outside or verdict.impossible):
                    shape = held(shape, found, judged_codes(own_condition, target))
                else:
                    break
                strip = self._composed(person, own, target, shape, plan, request, seed, settings, change)
                found = _measured(strip)
                verdict = judged(own_condition, target, shape, measured, found)
            now = DrawnTwin(replace(strip, tries=attempt + 1), verdict)
            if best is None or verdict.weight < best.verdict.weight:
                best = now
            if verdict.good or strength < 1 or not (reshaped or verdict.missing):
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

    @staticmethod
    def _enforced(shape: BeatShape, verdict: Verdict, nearest: Seen, target: Condition, found: Parameters) -> BeatShape:
        came = added_codes(nearest.condition, target)
        missing = set(verdict.missing)
        for codes, gone in ((missing & came, False), (missing - came, True)):
            shape = enforced(shape, codes, nearest.measured, found, target.sex, gone)
        return shape

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
        # Low voltage is the same beat, smaller in all leads.
        gain = VOLTAGE[_LOW] ** (strength * (int(_LOW in then.codes) - int(_LOW in first.codes)))
        first, then = (replace(c, codes=c.codes - {_LOW}) for c in (first, then))
        mean, root = self._change.expected(own.shape, first, then)
        change = strength * (mean + spread * (root @ rng.standard_normal(len(mean)).clip(-2, 2)))
        keep = {"keep_qrs": not changes_qrs(before, target), "keep_pr": not changes_pr(before, target, rr_s)}
        shape: BeatShape = self._change.changed(own.shape, change, rr_s, had, has_p, **keep)
        return shape if gain == 1 else shape.mixed(gain * np.eye(len(LEADS_8)))

    def _rhythm(
        self, person: Reference, own: OwnBeats, change: Change, target: Condition, seed: int, settings: Sampling
    ) -> tuple[BeatPlan, RhythmRequest]:
        """The plan for a condition, without a PR interval but where one was asked for, and its request."""
        asked = replace(target, pr_ms=dict(change.numbers).get("pr_ms"))
        request = self._generator._rhythm_request(asked)
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
        code = self._change.code
        shapes = {"own": shape}
        vector = self._generator.denoiser.code.vector(own.shape, own.habits)
        if "other" in forms_of(plan.kinds):
            known = own.beats.shapes.get("other")
            shapes["other"] = known if known is not None else self._other(vector, target, shape.rr_s, seed, settings)
        habits = self._habits(own, vector, target, plan, seed, settings)
        # Leads are mixed by shares; where some have grown, the same turning of the heart must not move the others more.
        habits = replace(habits, mixing=habits.mixing * min(1.0, voltage(own.shape) / voltage(shape)))
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
        shown = self._generator.denoiser.code.vector(shapes["own"], habits)
        return Strip(made, shown, 1, request.notes, shapes, request)

    def _other(self, own: np.ndarray, target: Condition, rr_s: float, seed: int, settings: Sampling) -> BeatShape:
        """A ventricular beat, of a person who was seen with none."""
        reference = torch.from_numpy(own)[None].float()
        seeds = torch.tensor([_seed(seed, _OTHER, 0)])
        form = torch.tensor([FORMS.index("other")])
        vectors = self._generator.plausible_beats([target], form, reference, seeds, settings)
        return self._generator.denoiser.code.shape(vectors[0], rr_s)

    def _habits(
        self, own: OwnBeats, vector: np.ndarray, target: Condition, plan: BeatPlan, seed: int, settings: Sampling
    ) -> Habits:
        """The person's; with what atria add to the signal that begin to fibrillate, and without it where they stop."""
        before, now = own.beats.plan.atrial == "fibrillation", plan.atrial == "fibrillation"
        if before == now:
            return own.habits
        drawn = draw_vectors(
            self._generator.denoiser,
            collate([target]),
            torch.zeros(1, dtype=torch.int64),
            torch.from_numpy(vector)[None].float(),
            torch.tensor([_seed(seed, _OTHER, 1)]),
            steps=settings.steps,
            stream=Stream.BEAT,
        )
        usual = self._generator.denoiser.code.habits(drawn[0].double().numpy().clip(-3, 3)).power_mv2[0]
        power = own.habits.power_mv2.copy()
        choose = np.maximum if now else np.minimum
        power[0][:, _WAVES] = choose(power[0], usual)[:, _WAVES]
        return replace(own.habits, power_mv2=power)


def _measured(strip: Strip) -> Parameters:
    return measure_records(strip.drawn.signal_mv[None].astype(np.float32), fs_hz=FS_HZ, leads=LEADS_8)[0]


def _seed(number: int, stream: int, again: int) -> int:
    return int(np.random.SeedSequence((number, stream, again)).generate_state(1, np.uint64)[0] >> 1)
