"""The door of the benchmark: two sets in, one report out, of ECGs or of cines."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from gen.io.kept import Kept
from gen.io.unfinished import Resume, unfinished
from metrics.report.entries import BenchmarkReport
from metrics.suite.presets import Preset
from metrics.suite.presets import preset as preset_of
from metrics.suite.progress import Report
from metrics.suite.threads import NEURAL, one_thread


def benchmark(
    *,
    real: str | Path,
    generated: str | Path,
    train: str | Path | None = None,
    out: str | Path | None = None,
    preset: str | Preset = "quick",
    extractors: Sequence[str] | None = None,
    leads: Sequence[str] | None = None,
    seconds: float | None = None,
    seed: int = 0,
    overwrite: bool = False,
    progress: Report | None = None,
    resume: Resume = "if-possible",
) -> BenchmarkReport:
    """Score generated ECGs against real ones.

        report = benchmark(real=".data/ptb-xl:test", generated="GEN", out="R")
        report["fid"].value

    Args:
        real, generated: ``FOLDER`` or ``FOLDER:SPLIT``; a record set, a PTB-XL or MIMIC-IV-ECG tree, a prepared cache,
            or a folder of ECG files.
        train: what the generator was trained on, for the privacy measures and the leakage guard: a set as above, or
            a file naming its patients (then the guard alone works).
        out: folder for the page, tables (CSV, LaTeX), figures (PNG, SVG, PDF) and report.json; None writes nothing.
        preset: quick, reconstruction, generation, twin, cine or full; or a `metrics.suite.presets.Preset` of one's own.
        extractors: names of feature extractors; the first one's figures carry no suffix.
        leads: score these leads only.
        seconds: cut every record to its first seconds.
        seed: of everything drawn at random.
        overwrite: replace a report in ``out``.
        progress: called with (done, total, step).
        resume: see `gen.io.unfinished.unfinished`; with ``out``, a run that was killed goes on with the same figures.

    Raises:
        InputError: the sets cannot be compared; the message says why, and what is accepted.
    """
    chosen = preset if isinstance(preset, Preset) else preset_of(preset)
    if out is not None:
        from metrics.report.write import check_out

        check_out(Path(out), overwrite=overwrite)
    with ExitStack() as stack:  # what is kept of an unfinished run goes when the report is written

        def keep(identity: Mapping[str, Any]) -> Kept:
            if out is None:
                return Kept()
            work = unfinished(Path(out), identity, publish=lambda folder: None, resume=resume)
            return Kept(stack.enter_context(work))

        if "cine" in chosen.sections:
            from metrics.suite.cine import cine_benchmark

            report = cine_benchmark(real, generated, chosen, seed=seed, progress=progress)
        else:
            from metrics.suite.ecg import ecg_benchmark

            neural = bool(NEURAL & set(chosen.sections)) or extractors is None or set(extractors) != {"random-conv"}
            with one_thread(neural=neural):
                report = ecg_benchmark(
                    real, generated, train, chosen, extractors, leads, seconds, seed, out is not None, progress, keep
                )
        if out is None:
            return report
        from metrics.report.write import write_report

        return write_report(report, Path(out), overwrite=overwrite)
