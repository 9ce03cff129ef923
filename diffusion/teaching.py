"""Teaching mode: text -> ECG on paper, the answer hidden. ``physiogen teach --out DIR``.

Every row of a table of conditions (see `diffusion.teaching_cases`) becomes a case. The folder is a record set (its
``metadata.csv`` holds the answers) with a picture of each case and ``teaching.html``, one page that opens offline: an
ECG to read, and under "Show the answer" what was asked for, what was measured on the generated ECG, and how rare it is
in the training recordings. Cases are shuffled; neither order nor names tell anything.

``--score FOLDER`` makes nothing: it prints how many ECGs of a set, made or recorded, meet the criterion of a rare
finding that they are said to have, and how many others do (for common ones: ``physiogen evaluate adherence``).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from html import escape
from pathlib import Path

import numpy as np

from diffusion.conditions.condition import Condition
from diffusion.pipeline import ECGPipeline
from gen import __version__
from gen.card import data_digest
from gen.datasets import open_source
from gen.files import commit_folder, read_json, write_json
from gen.io import RecordSetWriter
from gen.io.unfinished import Resume, unfinished
from gen.page import Page
from gen.plot import plot_ecg, render, save
from gen.plot.header import patient_text
from gen.randomness import Purpose
from gen.records import EcgRecord, InputError
from gen.simulate.disease import KNOWN
from gen.synthesis import TableRequests
from gen.text import read_text, statements
from metrics.measurement.criteria import CRITERIA
from metrics.measurement.parameters import Parameters
from metrics.measurement.records import measure_records

PAGE, PICTURES = "teaching.html", "plots"
#: Cases that are made together; a killed run loses no more than these.
BLOCK = 16
#: Findings whose criteria `--score` reports on.
RARE = ("WPW", "3AVB", "SVTAC", "ILBBB", "BIGU", "LPFB", "RVH", "RAO/RAE", "PMI", "STE_")
#: How many of the 2,330 training recordings (folds 1-8 of this copy of PTB-XL) name a statement, in report or codes.
RECORDINGS: Mapping[str, int] = {
    "SR": 1797, "NORM": 1204, "MID": 735, "IMI": 325, "ABQRS": 325, "AXL": 321, "LVH": 269, "ASMI": 266, "NDT": 237,
    "ISC_": 232, "LAD": 204, "NST_": 203, "STRAIN": 177, "LAO/LAE": 168, "AFIB": 163, "STD_": 153, "LAFB": 151,
    "IVCD": 148, "IRBBB": 134, "PVC": 132, "TAB_": 121, "VCLVH": 113, "INVT": 108, "1AVB": 103, "SARRH": 100,
    "LOWT": 100, "PAC": 98, "AMI": 95, "ISCAL": 94, "LVOLT": 87, "NT_": 84, "STACH": 83, "SBRAD": 81, "CRBBB": 75,
    "QWAVE": 63, "RVR": 61, "CLBBB": 59, "ISCLA": 55, "LNGQT": 54, "ALMI": 47, "ABNORM": 45, "ILMI": 44, "PWIDE": 42,
    "STE_": 42, "LMI": 41, "ISCIL": 39, "QS": 35, "ISCIN": 35, "ISCAN": 29, "RSTRANS": 25, "PACE": 25, "LPR": 24,
    "RAD": 20, "PRWP": 20, "DIG": 19, "INJAS": 18, "BIFB": 17, "LPFB": 15, "RVH": 15, "SVARR": 15, "AXIND": 13,
    "ARAD": 13, "ISCAS": 13, "HVOLT": 12, "BIGU": 12, "EL": 12, "ILBBB": 12, "AXR": 10, "INJAL": 10, "HYPOK": 10,
    "JR": 10, "RAO/RAE": 9, "WPW": 9, "AFLT": 9, "BBB": 8, "ANEUR": 8, "TRIGU": 8, "VH": 7, "TPEAK": 7, "MI": 7,
    "ARTEF": 6, "SEHYP": 5, "BORD": 5, "SVTAC": 5, "TACH": 4, "BIPHT": 4, "PMI": 3, "IPLMI": 3, "BRADY": 3,
    "UWAVE": 3, "PERI": 2, "ESC": 2, "PE": 2, "3AVB": 2, "INJLA": 2, "2AVB": 2, "ATACH": 2, "REVERSAL": 2,
    "INJIN": 1, "ARRH": 1, "JTACH": 1, "SVR": 1, "IVR": 1, "S1Q3T3": 1, "IPMI": 1, "SPR": 1, "PSVT": 1, "PRC(S)": 1,
    "FASC": 1,
}  # fmt: skip
#: Split digest, in the weights' card, of the data that was counted.
COUNTED = "9186b86602e20382e94f0958c283ee651062bfcb2dffea57b4237e43bbea5aef"
#: Statements in fewer recordings than this are said to be rare; those that reports of simulated ECGs name.
FEW, SIMULATED = 100, KNOWN | {"HYPERK", "HYPOK", "PERI", "ER", "LAD", "RAD", "ARAD", "MID", "AXL", "AXR"}
#: What the answer's table shows: words, name in a request, name among measured parameters.
_ROWS = (
    ("rate, bpm", "heart_rate", "hr_bpm"), ("PR, ms", "pr_ms", "pr_ms"), ("QRS, ms", "qrs_ms", "qrs_ms"),
    ("QT, ms", "qt_ms", "qt_ms"), ("QTc (Bazett), ms", "", "qtcb_ms"), ("axis, degrees", "axis_deg", "axis_deg"),
    ("RR variation", "", "rr_cv"), ("share of beats after a P wave", "", "p_present"),
)  # fmt: skip


class TeachingPage(Page):
    """A page that can hide a part of itself until the reader asks for it; without a script."""

    @contextmanager
    def hidden(self, summary: str) -> Iterator[None]:
        """What is added inside the block is hidden behind these words."""
        self._add(f'<details><summary style="cursor:pointer;font-weight:600">{escape(summary)}</summary>')
        yield
        self._add("</details>")


def case_blocks(
    pipeline: ECGPipeline, requests: TableRequests, *, seed: int, steps: int | None, first: int = 0
) -> Iterator[list[EcgRecord]]:
    """One ECG for each request, shuffled by the seed and named by the place after that; block by block from ``first``.

    Raises:
        InputError: a setting out of range.
    """
    if seed < 0:
        raise InputError(f"--seed {seed}: expected 0 or more")
    settings = pipeline.sampling(num_inference_steps=steps)
    pipeline.set_progress_bar_config(disable=True)
    shuffling = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(Purpose.TEACHING,)))
    places = shuffling.permutation(len(requests))
    for start in range(first, len(requests), BLOCK):
        asked = [requests[int(old)] for old in places[start : start + BLOCK]]
        conditions = [Condition(**request.values) for request in asked]
        made = pipeline.generate(conditions, [request.number for request in asked], seed, settings)
        yield [replace(record, record_id=f"case_{start + k:03d}") for k, record in enumerate(made, 1)]


def unlabelled(record: EcgRecord) -> EcgRecord:
    """The record with nothing but what a reader is told: age, sex, and that it is synthetic."""
    return replace(record, report=None, statements={}, metadata={})


def begin_page(count: int, counted: bool) -> TeachingPage:
    """The page without its cases; ``counted``: `RECORDINGS` are those that the weights were trained on."""
    page = TeachingPage("What does this ECG show?", subtitle=f"{count} generated cases", synthetic=True)
    page.text(
        "Every ECG was generated from a written request. Read it, then open its answer. A generated ECG need not show "
        "what was asked for, rare findings least of all: the answer says what was measured."
    )
    if not counted:
        page.note(
            "How rare a finding is in the recordings is not known here; rare ones are learned from simulated ECGs."
        )
    return page


def _add_case(page: TeachingPage, number: int, record: EcgRecord, p: Parameters, picture: bytes, counted: bool) -> None:
    page.heading(f"Case {number}")
    page.figure(picture, f"Case {number}: {patient_text(record)}. 25 mm/s, 10 mm/mV. Synthetic, not for diagnosis.")
    with page.hidden("Show the answer"):
        _answer(page, record, p, counted)


def _answer(page: Page, record: EcgRecord, p: Parameters, counted: bool) -> None:
    told = {**record.metadata["request"], **record.metadata.get("implied", {})}
    rate = f"{told['heart_rate']:.0f} bpm" if "heart_rate" in told else "rate left open"
    page.text(f"Asked for: {record.report}; {patient_text(record)}, {rate}.")
    page.points(_finding(code, p, record.patient.sex, counted) for code in record.statements)
    unknown = read_text(record.report or "").unknown
    if unknown:
        page.note(f"Not understood: {', '.join(unknown)}")
    rows = [(words, _shown(told.get(asked)), _shown(getattr(p, found))) for words, asked, found in _ROWS]
    page.table(["", "asked for or implied", "measured"], rows)
    if p.failure:
        page.note(f"This ECG could not be measured: {p.failure.replace('_', ' ')}.")


def _finding(code: str, p: Parameters, sex: str | None, counted: bool) -> str:
    """A finding, whether the ECG shows it, and how rare it is."""
    line = f"{statements()[code].description} ({code})."
    if code in CRITERIA:
        line += f" Criterion ({CRITERIA[code].words}): {'met' if CRITERIA[code].met(p, sex) else 'not met'}."
    return f"{line} {rarity(code) if counted else ''}".strip()


def rarity(code: str) -> str:
    """What the training recordings hold of a statement; nothing where they hold enough."""
    count = RECORDINGS.get(code, 0)
    if count >= FEW:
        return ""
    others = "the rest was learned from simulated ones" if code in SIMULATED else "no simulated one does"
    return f"Named by {count} of the 2,330 training recordings; {others}."


def score(location: Path) -> list[str]:
    """A line for each criterion of `RARE`: how many ECGs of a set meet it, with the statement and without.

    Raises:
        InputError: no set there, or none of the statements in it.
    """
    records = list(open_source(location))
    measured = measure_records(records)
    lines = []
    for code in RARE:
        sign = CRITERIA[code]
        met = [(code in r.statements, bool(sign.met(p, r.patient.sex))) for r, p in zip(records, measured, strict=True)]
        shown, others = ([m for named, m in met if named is wanted] for wanted in (True, False))
        if shown:
            lines.append(
                f"{code}: {sum(shown)} of {len(shown)}; of others {sum(others)} of {len(others)} ({sign.words})"
            )
    if not lines:
        raise InputError(f"{location}: no ECG with a statement of {', '.join(RARE)}")
    return lines


def teach(
    pipeline: ECGPipeline,
    requests: TableRequests,
    out: Path,
    *,
    seed: int,
    steps: int | None,
    overwrite: bool = False,
    resume: Resume = "if-possible",
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Write the whole folder, or nothing; a run that was killed is gone on with.

    Args:
        pipeline: makes the ECGs.
        requests: a case each.
        out: folder of the record set.
        seed, steps: of sampling; the seed shuffles the cases, too.
        overwrite: replace a record set that is there.
        resume: see `gen.io.unfinished.unfinished`.
        progress: told how many cases are done.

    Raises:
        InputError: a setting out of range, or the folder cannot be written.
    """
    counted = data_digest(pipeline.card) == COUNTED
    identity = {
        "command": "teach",
        "software": __version__,
        "weights": pipeline.digests,
        "requests": requests.digest,
        "seed": seed,
        "steps": steps,
    }

    def publish(folder: Path) -> None:
        commit_folder(folder, out, overwrite=overwrite)

    with unfinished(out, identity, publish=publish, resume=resume) as work:
        done = work.last.get("cases", 0)
        progress(done)
        parts = [work.folder / f"cases-{k:05d}.json" for k in range(-(-len(requests) // BLOCK))]
        with RecordSetWriter(out, place=work.folder, state=work.last.get("set")) as writer:
            for cases in case_blocks(pipeline, requests, seed=seed, steps=steps, first=done):
                page = TeachingPage("")
                for record, p in zip(cases, measure_records(cases), strict=True):
                    writer.add(record)
                    figure = plot_ecg(unlabelled(record))
                    save(figure, work.folder / PICTURES / f"{record.record_id}.png")
                    _add_case(page, writer.count, record, p, render(figure, dpi=127), counted)
                write_json(parts[done // BLOCK], page.saved())
                done += len(cases)
                work.note({"set": writer.settle(BLOCK), "cases": done})
                progress(done)
        whole = begin_page(len(requests), counted)
        for part in parts:
            whole.add_saved(read_json(part))
        whole.write(work.folder / PAGE)
        for part in parts:
            part.unlink()


def _shown(value: float | None) -> float | int | None:
    """Whole numbers, and hundredths of what is small."""
    if value is None or not np.isfinite(value):
        return None
    return round(float(value), 2) if abs(value) < 2 else round(float(value))
