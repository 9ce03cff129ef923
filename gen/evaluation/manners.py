"""How soon a command speaks, and how it is stopped: ``physiogen evaluate manners``.

Every command runs in a process of its own, as a log sees it (no terminal), on simulated recordings. Measured are the
time to its first line and its longest silence, what a mistyped name costs, and what Ctrl-C leaves. Seconds of the
processor are those of all its processes: on a machine that does other things too, those of the clock say less.
"""

import itertools
import os
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from gen.evaluation.cost import command, cost_of
from gen.evaluation.settings import Manners
from gen.evaluations import Progress
from gen.io import write
from gen.records import InputError
from gen.results import Node, Results, Value
from gen.simulate import simulate

#: Words of a run that lasts (empty: the command is quick), and of one that must fail at once. ``{set}``, ``{other}``
#: and ``{one}`` are recordings, ``{cache}`` a prepared cache, ``{out}`` a place for the result.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo --out {out}", "demo --out {one}"),
    "reconstruct": ("reconstruct {set} --leads II --samples 20 --out {out}", "reconstruct missing.hea --out {out}"),
    "synthesize": ("synthesize --text AF -n 5000 --out {out}", "synthesize --text AF --sex X --out {out}"),
    "augment": ("augment --real {set} --synthetic {other}", "augment --real missing --synthetic {set}"),
    "twin": ("twin {one} --hr 90 -n 2000 --out {out}", "twin missing.hea --hr 90 --out {out}"),
    "cmr": ("cmr {set} --out {out}", "cmr missing.hea --out {out}"),
    "benchmark": ("benchmark --real {set} --generated {other} --out {out}", "benchmark --real missing --generated x"),
    "measure": ("measure {set} --out {out}.csv", "measure missing.hea --out {out}.csv"),
    "text": ("", "text zzqq"),
    "data simulate": ("data simulate -n 100000 --out {out}", "data simulate -n 0 --out {out}"),
    "data prepare": ("data prepare {set} --out {out}", "data prepare missing --out {out}"),
    "data convert": ("data convert {set} --format fhir --out {out}", "data convert missing.hea --out {out}"),
    "data pairs": ("data pairs -n 4000 --out {out}", "data pairs -n 0 --val 0 --test 0 --ecgs 0 --out {out}"),
    "train": ("train metrics/classifier --data {cache} --out {out}", "train nothing --out {out}"),
    "evaluate": ("evaluate measurement -n 300", "evaluate nothing"),
    "compare": ("", "compare A=missing B=missing"),
    "export": ("export --out {out}", "export --out {out} --leads X9"),
    "teach": ("teach --out {out}", "teach"),
    "study": ("study make --real {set} --generated {other} --out {out}", "study make --real missing --generated x"),
    "paper": ("paper {set} --out {out}", "paper missing.hea --out {out}"),
    "multimodal": ("multimodal {set} --out {out}", "multimodal missing.hea --out {out}"),
    "pack": ("", "pack missing {out}"),
    "card": ("", "card nothing"),
}


@dataclass
class Heard:
    """What a run said.

    Attributes:
        lines: (seconds since its start, text) of stderr.
        status: with which it ended.
        seconds: after which it ended, or was interrupted.
        ended: whether it ended by itself.
    """

    lines: list[tuple[float, str]] = field(default_factory=list)
    status: int = 0
    seconds: float = 0.0
    ended: bool = False

    @property
    def first_s(self) -> float | None:
        """Until the first line; None where it was done without one."""
        return self.lines[0][0] if self.lines else None

    @property
    def silence_s(self) -> float:
        """The longest time without a line, up to its end."""
        times = [0.0, *(at for at, _ in self.lines if at <= self.seconds), self.seconds]
        return max(late - early for early, late in itertools.pairwise(times))

    @property
    def clean(self) -> bool:
        """Whether the interruption gave its one line, and nothing of Python's."""
        after = [text for at, text in self.lines if at > self.seconds]
        return after[-1:] == ["physiogen: interrupted"] and not any("Traceback" in text for text in after)


def listen(words: list[str], seconds: float, folder: Path) -> Heard:
    """Run ``physiogen WORDS`` and press Ctrl-C after so many seconds, in its terminal: all its processes get it."""
    heard = Heard()
    start = time.monotonic()
    process = subprocess.Popen(
        command(*words),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )

    def hear() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            heard.lines.append((time.monotonic() - start, line.rstrip("\n")))

    listener = threading.Thread(target=hear, daemon=True)
    listener.start()
    try:
        process.wait(seconds)
        heard.ended = True
        heard.seconds = time.monotonic() - start
    except subprocess.TimeoutExpired:
        heard.seconds = time.monotonic() - start
        os.killpg(process.pid, signal.SIGINT)
        process.wait()
    listener.join()
    heard.status = process.returncode
    return heard


def run(settings: Manners, progress: Progress) -> Results:
    """A line for each command.

    Raises:
        InputError: an unknown command, or a run that fails.
    """
    unknown = [name for name in settings.only if name not in COMMANDS]
    if unknown:
        raise InputError(f"--only {unknown[0]!r}: accepted: {', '.join(COMMANDS)}")
    rows: dict[str, Node] = {}
    with tempfile.TemporaryDirectory(prefix="physiogen-") as place:
        folder = Path(place)
        words = _inputs(folder, settings.number)
        for name in settings.only or COMMANDS:
            rows[name] = _row(name, words, folder, settings.seconds)
            progress(name)
    return settings.results(
        {"commands": rows},
        notes=[
            "Time to the first line and longest silence: by the clock, on stderr of a run without a terminal, until "
            f"Ctrl-C after {settings.seconds:g} s. A mistyped name: processor seconds of the whole command, start "
            "included. Ctrl-C: sent to all processes; 'one line' is one line, status 130 and no traceback.",
        ],
        load=round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    )


def _inputs(folder: Path, number: int) -> dict[str, str]:
    sets = {name: folder / name for name in ("set", "other")}
    for seed, path in enumerate(sets.values()):
        write(simulate(range(number), seed=seed, noise="light").records(), path)
    from gen.datasets import open_source, prepare

    prepare(open_source(sets["set"], fs_hz=100.0), folder / "cache", fs_hz=100.0)
    found = {name: str(path) for name, path in sets.items()}
    return found | {"one": str(min(sets["set"].rglob("*.hea"))), "cache": str(folder / "cache")}


def _row(name: str, words: dict[str, str], folder: Path, seconds: float) -> dict[str, Node]:
    lasting, failing = (
        [word.format(out=folder / f"{name.replace(' ', '-')}-{kind}", **words) for word in line.split()]
        for kind, line in zip(("long", "short"), COMMANDS[name], strict=True)
    )
    cost = cost_of(command(*failing))
    row: dict[str, Node] = {
        "mistyped: processor time": Value(cost.cpu_s, unit="s", better="lower"),
        "mistyped: status": Value(cost.status),
    }
    if not lasting:
        return row | {"Ctrl-C": "quick"}
    heard = listen(lasting, seconds, folder)
    if heard.ended and heard.status:
        raise InputError(f"{name}: ended with status {heard.status}: {heard.lines[-1][1] if heard.lines else ''}")
    row["first line"] = Value(heard.first_s, unit="s", better="lower")
    row["longest silence"] = Value(heard.silence_s, unit="s", better="lower")
    stopped = "one line" if heard.clean and heard.status == 130 else f"status {heard.status}"
    return row | {"Ctrl-C": "was done" if heard.ended else stopped}
