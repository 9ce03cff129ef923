"""A simulated cohort as a record set, with the cines of the same hearts if wished; a killed run is gone on with."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from gen import __version__
from gen.files import check_output, commit_folder
from gen.io import RecordSetWriter
from gen.io.unfinished import Resume, Unfinished, unfinished
from gen.records import EcgRecord
from gen.simulate.cine.pairs import CineFolder, CineOptions, iter_pairs
from gen.simulate.cohort import iter_cohort

#: Patients between two notes; with cines, which take longer, fewer.
BLOCK, CINE_BLOCK = 64, 8


@dataclass(frozen=True)
class Cohort:
    """What is simulated.

    Attributes:
        number: patients.
        seed: of the cohort.
        visits: ECGs of a patient.
        recording: keyword arguments of `gen.simulate.iter_cohort`: noise, fs_hz, duration_s.
        format: of the ECGs.
        cines: how they are drawn; None for none.
    """

    number: int
    seed: int
    visits: int = 1
    recording: Mapping[str, Any] = field(default_factory=dict)
    format: str = "wfdb"
    cines: CineOptions | None = None

    def records(self, first: int, many: int) -> Iterator[tuple[EcgRecord, Any]]:
        """ECG, and its cine or None, of patients ``first`` .. ``first + many - 1``."""
        if self.cines is None:
            ecgs = iter_cohort(many, self.seed, self.visits, start=first, **self.recording)
            return ((record, None) for record in ecgs)
        return iter_pairs(many, self.seed, self.visits, start=first, options=self.cines, **self.recording)


def write_cohort(
    cohort: Cohort,
    out: str | Path,
    *,
    overwrite: bool = False,
    resume: Resume = "if-possible",
    progress: Callable[[int], None] = lambda done: None,
) -> Path:
    """Simulate a cohort into a record set; returns its folder.

    Args:
        cohort: what.
        out: folder of the set; its folder ``cine`` gets the cines.
        overwrite: replace a set that is there.
        resume: see `gen.io.unfinished.unfinished`.
        progress: told how many ECGs are done.

    Raises:
        InputError: the set exists, cannot be written, or another process is at it.
    """
    out = Path(out)
    check_output(out, overwrite=overwrite)
    identity = {"command": "data simulate", "software": __version__, **asdict(cohort)}

    def publish(folder: Path) -> None:
        commit_folder(folder, out, overwrite=overwrite)

    with unfinished(out, identity, publish=publish, resume=resume) as work:
        _write(cohort, out, work, progress)
    return out


def _write(cohort: Cohort, out: Path, work: Unfinished, progress: Callable[[int], None]) -> None:
    last = work.last
    block = BLOCK if cohort.cines is None else CINE_BLOCK
    with (
        RecordSetWriter(out, format=cohort.format, place=work.folder, state=last.get("set")) as writer,
        ExitStack() as stack,
    ):
        cines = None
        if cohort.cines is not None:
            cines = stack.enter_context(CineFolder(work.folder, cohort.cines, state=last.get("cines")))
        for first in range(last.get("patients", 0), cohort.number, block):
            many = min(block, cohort.number - first)
            for record, cine in cohort.records(first, many):
                if cines is not None:
                    record = replace(record, metadata={**record.metadata, "cine": cines.add(cine)})
                writer.add(record)
                progress(writer.count)
            made = writer.settle(block * cohort.visits)
            if made is not None:
                state = {} if cines is None else {"cines": cines.settle()}
                work.note({"patients": first + many, "set": made, **state})
