"""What a short delay costs: ``physiogen evaluate streaming --data CACHE --hops 0.5,1,2``.

Complete records are streamed in small chunks and scored on the leads that were not given, beside the reconstruction of
the record as a whole. Most of a ten-second record lies within the first window, where the network has seen less than a
window yet; the second half is scored by itself as well. CPU time is that of all threads.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from gen.datasets.cache import SignalCache
from gen.evaluations import Progress, data_of
from gen.leads import LEADS_8, LEADS_12, parse_leads
from gen.precision import in_threads
from gen.records import EcgRecord
from gen.results import Results, Value
from gen.signals import pearson, resample
from vae.deploy.streaming import StreamingReconstructor, StreamSettings
from vae.evaluation.reconstruction import patient_interval, records_of
from vae.evaluation.settings import Streaming
from vae.pipeline import ReconstructionPipeline, load

CHUNK_S = 0.1
SCORED_HZ = 100.0


def streamed(
    pipeline: ReconstructionPipeline, record: EcgRecord, leads: Sequence[str], settings: StreamSettings
) -> np.ndarray:
    """(12, time) mV of a record that was handed over in chunks."""
    stream = StreamingReconstructor(leads, record.fs_hz, pipeline=pipeline, settings=settings)
    signal, step = record.select(leads).signal_mv, max(1, round(CHUNK_S * record.fs_hz))
    parts = [stream.push(signal[:, start : start + step]) for start in range(0, signal.shape[1], step)]
    return np.concatenate([part.signal_mv for part in (*parts, stream.close())], axis=1)


def scores(
    rebuild: Callable[[EcgRecord], np.ndarray], records: Sequence[EcgRecord], leads: Sequence[str]
) -> tuple[dict[str, Value], float]:
    """Errors of ``rebuild`` at 100 Hz, and its CPU seconds per second of signal.

    Returns:
        ``mse_mv2``, ``mae_mv``, ``pearson`` over whole records, ``mae_mv_later`` over their second halves; CPU time.
    """
    rows = [LEADS_12.index(lead) for lead in LEADS_8 if lead not in leads]
    rebuild(records[0])  # the first call is slower
    began = time.process_time()
    rebuilt = [rebuild(record)[rows] for record in records]
    cpu = (time.process_time() - began) / sum(record.duration_s for record in records)
    fs, people = records[0].fs_hz, [record.patient.id or record.record_id for record in records]
    found = resample(np.stack(rebuilt), fs, SCORED_HZ)
    truth = resample(np.stack([record.signal_mv[rows] for record in records]), fs, SCORED_HZ)
    error = found.astype(np.float64) - truth
    values = {
        "mse_mv2": patient_interval((error**2).mean(axis=(1, 2)), people),
        "mae_mv": patient_interval(np.abs(error).mean(axis=(1, 2)), people),
        "pearson": patient_interval(pearson(found, truth), people),
        "mae_mv_later": patient_interval(np.abs(error[..., error.shape[2] // 2 :]).mean(axis=(1, 2)), people),
    }
    return values, cpu


def row(values: Mapping[str, Value], cpu: float, latency_s: float | None) -> dict[str, Value]:
    """One line of the table; the whole record has no latency."""
    return {
        "delay": Value(latency_s, unit="s", better="lower"),
        "MSE": replace(values["mse_mv2"], unit="mV²", better="lower"),
        "MAE": replace(values["mae_mv"], unit="mV", better="lower"),
        "Pearson": replace(values["pearson"], better="higher"),
        "MAE, second half": replace(values["mae_mv_later"], unit="mV", better="lower"),
        "CPU per second of signal": Value(1000 * cpu, unit="ms", better="lower"),
    }


def run(settings: Streaming, progress: Progress) -> Results:
    """The record as a whole, then a line for each distance of windows."""
    given = {"window_s": settings.window, "guard_s": settings.guard, "fade_s": settings.fade}
    common = {name: value for name, value in given.items() if value is not None}
    leads = parse_leads(settings.leads)
    choices = [StreamSettings(hop_s=hop, **common) for hop in settings.hops]
    cache = SignalCache.open(settings.data)
    records = records_of(cache, settings.split, settings.limit)
    pipeline = load(settings.checkpoint)
    pipeline.batch_size = 1  # one record at a time on both sides
    with in_threads(settings.threads):
        found = scores(lambda r: pipeline(r, leads=leads).record.signal_mv, records, leads)
        rows = {"whole record": row(*found, None)}
        progress("whole record: done")
        for each in choices:
            found = scores(lambda r, each=each: streamed(pipeline, r, leads, each), records, leads)  # type: ignore[misc]
            rows[f"every {each.hop_s:g} s"] = row(*found, each.latency_s)
            progress(f"every {each.hop_s:g} s: done")
    return settings.results(
        {"windows": rows},
        data=[data_of(cache, settings.split)],
        n=len(records),
        notes=[f"{','.join(leads)} given; scored are the other leads at {SCORED_HZ:g} Hz."],
        weights=pipeline.predictor.digest,
    )
