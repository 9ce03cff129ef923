"""A day of one lead through the commands: ``physiogen evaluate long-recordings --hours 24``.

Every command runs in processes of its own, whose peak memory and processor time are watched. With
``--killed-hours`` a shorter recording is worked on by a process that is killed behind its first note and by the same
command again, and the result compared with that of an undisturbed run, byte by byte.
"""

import signal
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from gen.evaluation.cost import command, cost_of
from gen.evaluation.settings import LongRecordings
from gen.evaluations import Progress
from gen.io.stream import WfdbStream
from gen.io.unfinished import NOTES
from gen.records import InputError
from gen.results import Data, Node, Results, Value
from gen.simulate import simulate

#: One simulated stretch is written again and again.
STRETCH_S = 600
COMMANDS = {
    "reconstruct": ["reconstruct", "{file}", "--out", "{out}"],
    "measure": ["measure", "{file}", "--out", "{out}.csv"],
    "cmr": ["cmr", "{file}", "--samples", "2", "--format", "npz", "--out", "{out}"],
}
_POLL_S = 0.02
_GIB = 2**30


def write_recording(path: Path, hours: float, *, lead: str, fs_hz: float, seed: int) -> None:
    """A simulated recording of one lead, in the memory of ten minutes."""
    stretch = simulate([0], seed=seed, noise="light", fs_hz=fs_hz, duration_s=STRETCH_S).records()[0].select([lead])
    left = round(hours * 3600 * fs_hz)
    with WfdbStream(path, replace(stretch, record_id=path.stem, metadata={})) as out:
        while left > 0:
            out.append(stretch.signal_mv[:, :left])
            left -= stretch.num_samples


def command_of(name: str, file: Path, out: Path) -> list[str]:
    """The words of a command on a file."""
    return command(*(word.format(file=file, out=out) for word in COMMANDS[name]))


def killed(words: list[str], folder: Path, *, notes: int = 1) -> bool:
    """Kill a process once it has noted that much below a folder; whether it had not ended before."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        for file in folder.rglob(NOTES):
            if len(file.read_bytes().splitlines()) > notes:  # the first line names the work
                process.send_signal(signal.SIGKILL)
                process.wait()
                return True
        time.sleep(_POLL_S)
    return False


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run(settings: LongRecordings, progress: Progress) -> Results:
    """A line for each command.

    Raises:
        InputError: an unknown command, or one that does not end well.
    """
    unknown = [name for name in settings.only if name not in COMMANDS]
    if unknown:
        raise InputError(f"--only {unknown[0]}: accepted: {', '.join(COMMANDS)}")
    names = settings.only or tuple(COMMANDS)
    values: dict[str, Node] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if settings.hours:
            values["one lead"] = {name: _whole(settings, name, folder, progress) for name in names}
        if settings.killed_hours:
            values["killed and gone on with"] = {name: _gone_on(settings, name, folder, progress) for name in names}
    lengths = f"{settings.hours:g} h and {settings.killed_hours:g} h of lead {settings.lead} at {settings.fs:g} Hz"
    data = [Data(f"a simulated recording, ten minutes again and again: {lengths}")]
    return settings.results(values, data=data, n=len(names))


def _recording(settings: LongRecordings, folder: Path, hours: float) -> Path:
    file = folder / f"in{hours:g}" / "day.hea"
    if not file.exists():
        file.parent.mkdir()
        write_recording(file, hours, lead=settings.lead, fs_hz=settings.fs, seed=settings.seed)
    return file


def _whole(settings: LongRecordings, name: str, folder: Path, progress: Progress) -> dict[str, Value]:
    words = command_of(name, _recording(settings, folder, settings.hours), folder / name)
    cost = cost_of(words)
    if cost.status:
        raise InputError(f"{name}: ended with status {cost.status} ({' '.join(words[3:])})")
    progress(f"{name}: {cost.peak / _GIB:.2f} GiB, {cost.cpu_s:.0f} s of processor time")
    return {
        "peak memory": Value(cost.peak / _GIB, unit="GiB", better="lower"),
        "processor time": Value(cost.cpu_s, unit="s", better="lower"),
        "time": Value(cost.seconds, unit="s", better="lower"),
        "recording / processor time": Value(settings.hours * 3600 / cost.cpu_s, better="higher"),
    }


def _gone_on(settings: LongRecordings, name: str, folder: Path, progress: Progress) -> dict[str, Value]:
    file = _recording(settings, folder, settings.killed_hours)
    found = []
    for disturbed in (True, False):
        room = folder / f"{name}-{disturbed}"
        room.mkdir()
        words = command_of(name, file, room / "out")
        if disturbed and not killed(words, room):
            raise InputError(f"{name}: ended before it could be killed; accepted: more --killed-hours")
        cost = cost_of(words)
        if cost.status:
            raise InputError(f"{name}: ended with status {cost.status} ({' '.join(words[3:])})")
        found.append((contents(room), cost))
    (again, rest), (whole, undisturbed) = found
    differing = sum(again.get(key) != whole.get(key) for key in {*again, *whole})
    progress(f"{name}: killed and gone on with, {differing} of {len(whole)} files differ")
    return {
        "files": Value(len(whole)),
        "files that differ": Value(differing, better="lower"),
        "processor time of the rest": Value(rest.cpu_s, unit="s", better="lower"),
        "of an undisturbed run": Value(undisturbed.cpu_s, unit="s", better="lower"),
    }
