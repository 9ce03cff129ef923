"""What a short delay costs: ``python -m vae.evaluation.streaming --data CACHE --split test [--hops 0.5,1,2]``.

Complete records are streamed in small chunks and scored on the leads that were not given, beside the reconstruction of
the record as a whole. Most of a ten-second record lies within the first window, where the network has seen less than a
window yet; the second half is scored by itself as well. CPU time is that of all threads.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from gen.datasets.cache import SignalCache
from gen.leads import LEADS_8, LEADS_12, LeadError, parse_leads
from gen.records import EcgRecord, InputError
from gen.signals import resample
from vae.deploy.streaming import StreamingReconstructor, StreamSettings
from vae.evaluation.reconstruction import Value, patient_interval, records_of
from vae.pipeline import ReconstructionPipeline, load
from vae.training.validation import correlations

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
        "pearson": patient_interval(correlations(found, truth), people),
        "mae_mv_later": patient_interval(np.abs(error[..., error.shape[2] // 2 :]).mean(axis=(1, 2)), people),
    }
    return values, cpu


def _row(name: str, latency: str, values: dict[str, Value], cpu: float) -> str:
    cells = [
        f"{value.value:.{digits}f} [{value.low:.{digits}f}, {value.high:.{digits}f}]"
        for value, digits in zip(values.values(), (4, 4, 3, 4), strict=True)
    ]
    return f"| {name} | {latency} | " + " | ".join(cells) + f" | {1000 * cpu:.1f} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table; returns the exit code."""
    default = StreamSettings()
    parser = argparse.ArgumentParser(prog="python -m vae.evaluation.streaming", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="cache made by `physiogen data prepare`")
    parser.add_argument("--split", default="val", choices=("train", "val", "test"))
    parser.add_argument("--leads", default="II,V1,V5", help="input set")
    parser.add_argument("--hops", default=f"0.5,{default.hop_s:g},2", help="seconds between windows, comma-separated")
    parser.add_argument("--window", type=float, default=default.window_s, help="seconds that the network sees")
    parser.add_argument("--guard", type=float, default=default.guard_s, help="newest seconds that are not used")
    parser.add_argument("--fade", type=float, default=default.fade_s, help="seconds of cross-fade")
    parser.add_argument("--checkpoint", type=Path, help="weights of your own")
    parser.add_argument("--limit", type=int, help="first N records only")
    parser.add_argument("--threads", type=int, default=1, help="more gain little on single windows")
    options = parser.parse_args(arguments)
    try:
        leads = parse_leads(options.leads)
        choices = [
            StreamSettings(window_s=options.window, hop_s=float(hop), guard_s=options.guard, fade_s=options.fade)
            for hop in options.hops.split(",")
        ]
        records = records_of(SignalCache.open(options.data), options.split, options.limit)
        pipeline = load(options.checkpoint)
    except (InputError, LeadError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    torch.set_num_threads(options.threads)
    pipeline.batch_size = 1  # one record at a time on both sides
    print(f"{len(records)} records of split {options.split}, {','.join(leads)} given, scored at {SCORED_HZ:g} Hz\n")
    print("| windows | delay s | MSE mV² | MAE mV | Pearson | MAE mV, second half | CPU ms per second |")
    print("|---|---|---|---|---|---|---|")
    print(
        _row("whole record", "–", *scores(lambda r: pipeline(r, leads=leads).record.signal_mv, records, leads)),
        flush=True,
    )
    for each in choices:
        found = scores(lambda r, each=each: streamed(pipeline, r, leads, each), records, leads)  # type: ignore[misc]
        print(_row(f"every {each.hop_s:g} s", f"{each.latency_s:g}", *found), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
