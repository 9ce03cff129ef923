"""What a large set costs, measured and by arithmetic: ``physiogen evaluate bulk --number 1000 --number 20000``."""

import tempfile
from itertools import product
from pathlib import Path

from gen.engines import cores
from gen.evaluation.cost import command, cost_of
from gen.evaluation.settings import Bulk
from gen.evaluations import Progress
from gen.files import remove
from gen.records import InputError
from gen.results import Data, Node, Results, Value

#: Sets and machines of the estimates.
SETS, CORES = (1_000_000, 10_000_000), (2, 64, 1024)
_MIB, _GIB = 2**20, 2**30
#: Findings, one after the other, so that the set is no repetition of one.
FINDINGS = (
    "sinus rhythm", "atrial fibrillation", "left bundle branch block", "inferior myocardial infarction",
    "sinus bradycardia, first degree AV block", "left ventricular hypertrophy", "premature ventricular complexes",
)  # fmt: skip


def run(settings: Bulk, progress: Progress) -> Results:
    """Measured sets, and from the largest of each format the estimates.

    Raises:
        InputError: no Linux, or a command that does not end well.
    """
    if not Path("/proc/self/smaps_rollup").exists():
        raise InputError("bulk: memory of processes is read from /proc, which is not here; accepted: Linux")
    workers = settings.workers or cores()
    measured: dict[str, Node] = {}
    estimates: dict[str, Node] = {}
    with tempfile.TemporaryDirectory(prefix="physiogen-") as place:
        table = Path(place) / "requests.csv"
        rows = [f'"{text}",{40 + 5 * k},{"FM"[k % 2]}' for k, text in enumerate(FINDINGS)]
        table.write_text("\n".join(["text,age,sex", *rows]) + "\n", encoding="utf-8")
        for format, engine in product(settings.format, settings.engine):
            name = format if settings.engine == ("local",) else f"{format}, {engine}"
            for number in settings.number:
                out = Path(place) / "set"
                words = ["synthesize", "--conditions", str(table), "-n", str(number)]
                words += ["--engine", engine, "--workers", str(workers)]
                words += ["--format", format, "--out", str(out)]
                cost = cost_of(command(*words))
                if cost.status:
                    raise InputError(f"physiogen {' '.join(words)}: ended with status {cost.status}: {cost.said}")
                size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
                remove(out)
                measured[f"{number:,} as {name}"] = {
                    "time": Value(cost.seconds, unit="s", better="lower"),
                    "ECGs per second": Value(number / cost.seconds, better="higher"),
                    "core time per ECG": Value(1000 * cost.seconds * workers / number, unit="ms", better="lower"),
                    "peak memory": Value(cost.peak / _MIB, unit="MiB", better="lower"),
                    "bytes per ECG": Value(size / number, better="lower"),
                }
                progress(f"{number} as {name}: {cost.seconds:.0f} s, {cost.peak / _MIB:.0f} MiB")
            for count in SETS:  # from the last and largest
                row: dict[str, Node] = {
                    f"{machine} cores": Value(
                        count * cost.seconds * workers / number / machine / 3600, unit="h", better="lower"
                    )
                    for machine in CORES
                }
                estimates[f"{count:,} as {name}"] = {**row, "size": Value(count * size / number / _GIB, unit="GiB")}
    data = [Data(f"requests: {len(FINDINGS)} findings in turn; {workers} workers")]
    notes = ["Larger sets: time of the last measured one times its workers, by cores; not measured."]
    values: dict[str, Node] = {"measured": measured, "larger sets": estimates}
    return settings.results(values, data=data, n=max(settings.number), notes=notes)
