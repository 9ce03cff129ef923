"""Makes a blinded kit: pictures that tell nothing but the signal, an answer sheet, and the key beside the folder.

What could tell the groups apart without looking at the signal is made equal: rate, length and leads, style and size,
which of age, sex and text is printed, the way the text is worded (statements in the words of PTB-XL's table, read off
both reports by the same reader), metadata and names of the files, and their order.
"""

import csv
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gen import __version__
from gen.files import commit_folder, write_json
from gen.io.kept import digest_of_arrays
from gen.io.unfinished import Resume, unfinished
from gen.leads import LeadError
from gen.records import EcgRecord, InputError, Patient
from metrics.suite.sets import EcgSet, open_set

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gen.cine import CineRecord

REAL, SYNTHETIC = "real", "synthetic"
COLUMNS = ("id", "verdict", "quality", "text_agreement", "reader")
SHEET, GUIDE = "answers.csv", "README.txt"
_DPI, _LONGEST_S = 200.0, 10.0
#: Records read for each one wanted, in search of those with age, sex and text.
_SEARCH = 4
_NOTE = "Reader study: recorded or synthetic, not for diagnosis"

_WORDS = """Reader study
============
{count} pictures, half of them recorded from patients, half made by software, in random order.
None of them is for diagnosis.

Fill in answers.csv, one row a picture, without talking to other readers:
  id              name of the picture
  verdict         real or synthetic
  quality         1 (not usable) to 5 (as a good recording)
  text_agreement  1 (contradicts the text above the trace) to 5 (agrees); empty where there is no text
  reader          your name or initials
"""


@dataclass(frozen=True)
class Case:
    """A picture's truth: its name, group, and where it comes from."""

    name: str
    truth: str
    record: str


def key_of(kit: Path) -> Path:
    """Where the key of a kit lies: beside the folder, never inside."""
    return kit.with_name(f"{kit.name}.key.json")


def make_kit(
    real: str | Path,
    generated: str | Path,
    *,
    count: int,
    seed: int,
    out: str | Path,
    key: str | Path | None = None,
    cine: bool = False,
    resume: Resume = "if-possible",
    progress: Callable[[int], None] = lambda done: None,
) -> list[Case]:
    """Write a kit of ``count`` pictures, half of each group, and its key; a run that was killed is gone on with.

    Args:
        real, generated: record sets as for ``physiogen benchmark``; with ``cine``, folders of loops (NPZ, NIfTI).
        count: pictures, an even number.
        seed: of the choice and the order.
        out: folder for the readers, a new one.
        key: file of the truth; beside the folder by default.
        cine: loops instead of ECGs, as GIF.
        resume: see `gen.io.unfinished.unfinished`.
        progress: told how many pictures are drawn.

    Returns:
        The cases in the readers' order.

    Raises:
        InputError: an odd or too large number, a set that cannot be used, or an output that exists or mixes the key
            into the kit.
    """
    folder = Path(out)
    key = key_of(folder) if key is None else Path(key)
    _check(folder, key, count, seed)
    half = count // 2
    sides: Sequence[tuple[str, Sequence[Any]]]
    if cine:
        loops = [_draw_loops(where, half, seed, side) for side, where in enumerate((real, generated))]
        sides = list(zip((REAL, SYNTHETIC), _equal_loops(*loops), strict=True))
    else:
        ecgs = [_draw_ecgs(open_set(where), half, seed, side) for side, where in enumerate((real, generated))]
        sides = list(zip((REAL, SYNTHETIC), equal_ecgs(*ecgs), strict=True))
    pool = [(truth, record) for truth, records in sides for record in records]
    order = np.random.default_rng(np.random.SeedSequence((seed, 2))).permutation(count)
    # Names of two kits differ, so that answers to one cannot be scored with the key of the other.
    code = hashlib.sha256(repr([(pool[k][0], pool[k][1].record_id) for k in order]).encode()).hexdigest()[:4]
    cases = [Case(f"{code}-{place:03d}", pool[k][0], pool[k][1].record_id) for place, k in enumerate(order, 1)]
    facts = {"real": str(real), "generated": str(generated), "seed": seed, "kind": "cine" if cine else "ecg"}
    truth = facts | {"cases": {c.name: {"truth": c.truth, "record": c.record} for c in cases}}

    def publish(finished: Path) -> None:
        # First the key: pictures without one are of no use.
        key.parent.mkdir(parents=True, exist_ok=True)
        write_json(key, truth)
        commit_folder(finished, folder, overwrite=False, mark=SHEET)

    drawn = (record.frames if cine else record.signal_mv for _, record in pool)
    identity = {"command": "study make", "software": __version__, **truth, "signals": digest_of_arrays(drawn)}
    with unfinished(folder, identity, publish=publish, resume=resume) as work:
        done = len(work.notes)
        for number, (case, k) in enumerate(zip(cases, order, strict=True), 1):
            if number > done:
                (_draw_loop if cine else _draw_page)(pool[k][1], case.name, work.folder)
                work.note({"picture": case.name})
            progress(number)
        _write_sheet(work.folder / SHEET, cases)
        (work.folder / GUIDE).write_text(_WORDS.format(count=count), encoding="utf-8")
    return cases


def _check(folder: Path, key: Path, count: int, seed: int) -> None:
    if count < 2 or count % 2 or seed < 0:
        raise InputError(f"-n {count}, --seed {seed}: accepted: an even number from 2 on, and a seed from 0 on")
    for path in (folder, key):
        if path.exists():
            raise InputError(f"{path}: exists; accepted: a new name")
    if folder.resolve() in key.resolve().parents:
        raise InputError(f"{key}: lies inside the kit that readers get; accepted: a file outside of {folder}")


def _shuffled(count: int, seed: int, side: int) -> list[int]:
    return np.random.default_rng(np.random.SeedSequence((seed, side))).permutation(count).tolist()


def _draw_ecgs(one: EcgSet, count: int, seed: int, side: int) -> list[EcgRecord]:
    """Records at random, each of another patient; whole ones with age, sex and a text first."""
    known: list[EcgRecord] = []
    others: list[EcgRecord] = []
    for record in _of_different_patients(one, _shuffled(len(one), seed, side)):
        whole = bool(np.isfinite(record.signal_mv).all())
        described = None not in (record.patient.age, record.patient.sex) and bool(_codes(record))
        (known if whole and described else others).append(record)
        if len(known) == count or len(known) + len(others) == _SEARCH * count:
            break
    found = [*known, *others][:count]
    if len(found) < count:
        raise InputError(f"{one.name}: {len(found)} patients; accepted: at least {count} for half of the kit")
    return found


def _of_different_patients(one: EcgSet, order: Sequence[int]) -> Iterator[EcgRecord]:
    seen: set[str] = set()
    for place in order:
        if one.patients[place] not in seen:
            seen.add(one.patients[place])
            yield one.read(one.rows[place])


def _codes(record: EcgRecord) -> list[str]:
    """Statements that the report makes; where there is none, those that the record carries."""
    from gen.text import read_text

    read = read_text(record.report or "")
    return sorted({s.code for s in read.statements if not s.negated} or set(record.statements))


def equal_ecgs(*sides: Sequence[EcgRecord]) -> list[list[EcgRecord]]:
    """Both groups at one rate and length, with just those facts that every record has, and without any mark."""
    from gen.text import statements

    everyone = [record for side in sides for record in side]
    fs_hz = min(record.fs_hz for record in everyone)
    samples = int(min(_LONGEST_S, *(record.duration_s for record in everyone)) * fs_hz)
    aged = all(record.patient.age is not None for record in everyone)
    sexed = all(record.patient.sex is not None for record in everyone)
    told = all(_codes(record) for record in everyone)

    def equal(record: EcgRecord) -> EcgRecord:
        words = [statements()[code].description if code in statements() else code for code in _codes(record)]
        try:
            twelve = record.to_12().at(fs_hz)
        except LeadError as error:
            raise InputError(
                f"{record.record_id}: {error}; accepted: records with twelve leads or the eight"
            ) from error
        return EcgRecord(
            twelve.signal_mv[:, :samples],
            fs_hz,
            twelve.leads,
            record_id=record.record_id,
            patient=Patient(
                age=float(round(record.patient.age)) if aged and record.patient.age is not None else None,
                sex=record.patient.sex if sexed else None,
            ),
            report=", ".join(words) if told else None,
        )

    return [[equal(record) for record in side] for side in sides]


def page(record: EcgRecord, name: str) -> "Figure":
    """One record on ECG paper, under the name of its case."""
    from gen.plot import plot_ecg

    figure = plot_ecg(replace(record, record_id=name))
    figure.text(0.02, 0.022, _NOTE, fontsize=8, color="#555555", va="center")
    return figure


def _draw_page(record: EcgRecord, name: str, folder: Path) -> None:
    from gen.plot import save

    save(page(record, name), folder / f"{name}.png", dpi=_DPI)


def _draw_loops(where: str | Path, count: int, seed: int, side: int) -> "list[CineRecord]":
    from gen.io.cine import read_cine
    from metrics.suite.cine import files_of

    files: Mapping[str, Path] = files_of(where)
    if len(files) < count:
        raise InputError(f"{where}: {len(files)} cines; accepted: at least {count} for half of the kit")
    names = sorted(files)
    return [
        replace(read_cine(files[names[k]]).mid_slice(), record_id=names[k], masks=None)
        for k in _shuffled(len(names), seed, side)[:count]
    ]


def _equal_loops(*sides: "Sequence[CineRecord]") -> "list[list[CineRecord]]":
    """Middle slices at one pixel size, one field of view and one number of frames, in one tempo."""
    from scipy.ndimage import zoom

    from gen.cine import CineRecord, robust_scale

    everyone = [loop for side in sides for loop in side]
    pixel_mm = max(max(loop.spacing_mm) for loop in everyone)
    count = min(loop.num_frames for loop in everyone)

    def scaled(loop: CineRecord) -> np.ndarray:
        chosen = np.floor(np.arange(count) * loop.num_frames / count).astype(int)
        return zoom(loop.frames[0, chosen], (1, *(mm / pixel_mm for mm in loop.spacing_mm)), order=1)

    images = [[scaled(loop) for loop in side] for side in sides]
    rows, cols = (min(image.shape[axis] for side in images for image in side) for axis in (1, 2))

    def equal(loop: CineRecord, image: np.ndarray) -> CineRecord:
        top, left = (image.shape[1] - rows) // 2, (image.shape[2] - cols) // 2
        cut = image[:, top : top + rows, left : left + cols]
        return CineRecord(robust_scale(cut)[None], (pixel_mm, pixel_mm), record_id=loop.record_id)

    return [[equal(*pair) for pair in zip(*both, strict=True)] for both in zip(sides, images, strict=True)]


def _draw_loop(loop: "CineRecord", name: str, folder: Path) -> None:
    from gen.io.cine import write_cine

    write_cine(replace(loop, record_id=name), folder / f"{name}.gif")


def _write_sheet(path: Path, cases: Sequence[Case]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        rows.writerows([case.name, "", "", "", ""] for case in cases)
