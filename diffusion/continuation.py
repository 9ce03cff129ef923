"""Goes on where a recording ends, with the person's own beats, rhythm and noise."""

from dataclasses import replace
from typing import Any

import numpy as np

from diffusion.beat_pipeline import FS_HZ, BeatPipeline
from diffusion.beats.measure import observe
from diffusion.beats.own import own_beats
from diffusion.beats.recording import LongRecording
from diffusion.rhythm import RhythmRequest, RhythmStream, habits_of
from diffusion.rhythm.request import MECHANISMS
from gen.records import EcgRecord, InputError
from gen.signals import fill_gaps

_ATRIAL = {"fibrillation": "AFIB", "flutter": "AFLT"}


def continuation(
    pipeline: BeatPipeline, record: EcgRecord, seed: int, duration_s: float, *, clean: bool = False
) -> LongRecording:
    """A recording that begins where another ends.

    Args:
        pipeline: holds how leads agree in noise, and how beats mix.
        record: the person's, with the leads I, II and V1 to V6.
        seed: names the continuation.
        duration_s: its length.
        clean: without noise.

    Raises:
        InputError: too few beats can be measured in the record.
    """
    name = str(record.metadata.get("source_file", record.record_id))
    signal = fill_gaps(record.to_8().at(FS_HZ).signal_mv).astype(np.float64)
    codes = frozenset(record.statements)
    (beats,) = observe(signal[None], FS_HZ, [codes])
    if beats is None:
        raise InputError(f"{name}: too few beats can be measured to go on from it")
    plan = beats.plan
    habits = own_beats(signal, FS_HZ, beats).habits
    atrial = _ATRIAL.get(plan.atrial)
    named = codes | ({atrial} if atrial else set())
    request = RhythmRequest(codes=named, age=record.patient.age).checked(beyond="clip")
    _, low, high = MECHANISMS[request.mechanism]
    request = replace(request, heart_rate=float(np.clip(plan.heart_rate_bpm, low, high)))
    if np.isfinite(plan.pr_s).sum() >= 3 and request.mechanism in ("sinus", "second degree block"):
        request = replace(request, pr_ms=float(np.clip(1e3 * np.nanmedian(plan.pr_s), 60, 450)))
    stream = RhythmStream(
        request,
        seed,
        duration_s,
        habits=habits_of(plan, record.patient.age, seed),
        since_s=record.duration_s - float(plan.times_s[plan.inside][-1]),
    )
    code: Any = pipeline.denoiser.code
    return LongRecording(code, beats.shapes, habits, stream, seed, FS_HZ, clean=clean)
