"""``python -m gen.web.forge``: a process that loads libraries and weights once, and forks a command line when asked.

It reads orders as JSON lines, ``{"job": 1, "argv": [...], "cwd": ..., "files": {"out": ..., "err": ...,
"progress": ...}}``, and answers ``{"job": 1, "pid": 4711}`` when the process lives and ``{"job": 1, "status": 0}``
when it has ended (negative: the number of the signal that ended it). Between orders it runs one small example of each
command, so that what commands load is shared by all that come after. It has one thread, as forking asks for.
"""

import json
import os
import select
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from gen.engines.machine import live_as_worker, one_thread

#: How often a job's progress is written, in seconds.
FIRST_S, EVERY_S = 0.2, 0.4
_FOLDER = "WARM"
#: Command lines that load what users will need, the most wanted first.
_EXAMPLES = (
    ("synthesize", "--text", "normal ECG", "-n", "1", "--workers", "1", "--out", f"{_FOLDER}/SET"),
    ("measure", f"{_FOLDER}/SET", "--out", f"{_FOLDER}/M.csv", "--beats", f"{_FOLDER}/B.csv", "--workers", "1"),
    ("reconstruct", f"{_FOLDER}/SET", "--leads", "II,V1,V5", "--workers", "1", "--out", f"{_FOLDER}/FULL"),
    ("twin", f"{_FOLDER}/SET", "--hr", "90", "--workers", "1", "--out", f"{_FOLDER}/TWIN"),
    ("cmr", f"{_FOLDER}/SET", "--samples", "1", "--steps", "1", "--workers", "1", "--out", f"{_FOLDER}/HEART"),
    ("benchmark", "--help"),
)


def main() -> None:
    """Serve until nobody is at the other end; in a session of its own, so that Ctrl-C is for the server alone."""
    one_thread()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # whatever a library prints must not look like an answer
    wake, ring = os.pipe()
    os.set_blocking(ring, False)
    signal.set_wakeup_fd(ring)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    Forge(answers, wake, ring).serve()


class Forge:
    """Orders in, processes out."""

    def __init__(self, answers: Any, wake: int, ring: int) -> None:
        self._answers, self._wake, self._ring = answers, wake, ring
        self._jobs: dict[int, int] = {}  # process -> job
        self._rest = b""

    def serve(self) -> None:
        """Take orders; warm up while there are none."""
        warming: Iterator[str] | None = warm()
        while True:
            self._reap()
            ready = select.select([0, self._wake], [], [], 0 if warming is not None else None)[0]
            if self._wake in ready:
                os.read(self._wake, 4096)
            if 0 in ready:
                data = os.read(0, 1 << 16)
                if not data:
                    for process in self._jobs:
                        with suppress(ProcessLookupError):
                            os.killpg(process, signal.SIGKILL)
                    return
                *lines, self._rest = (self._rest + data).split(b"\n")
                for line in lines:
                    self._start(json.loads(line))
            elif not ready and warming is not None and next(warming, None) is None:
                warming = None
                self._answer({"warm": True})

    def _start(self, order: Mapping[str, Any]) -> None:
        forge, process = os.getpid(), os.fork()
        if process == 0:
            status = 1
            try:
                signal.set_wakeup_fd(-1)
                for number in (self._answers.fileno(), self._wake, self._ring):
                    os.close(number)  # else nobody would notice that the forge is gone
                live_as_worker()
                if os.getppid() == forge:  # it may have gone before this process asked to go with it
                    status = run_order(order)
            finally:
                os._exit(status)
        with suppress(ProcessLookupError, PermissionError):
            os.setpgid(process, process)  # by both, so that neither can be late
        self._jobs[process] = order["job"]
        self._answer({"job": order["job"], "pid": process})

    def _reap(self) -> None:
        while self._jobs:
            process, found = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                return
            if process in self._jobs:
                self._answer({"job": self._jobs.pop(process), "status": os.waitstatus_to_exitcode(found)})

    def _answer(self, facts: Mapping[str, Any]) -> None:
        self._answers.write(json.dumps(facts) + "\n")


def run_order(order: Mapping[str, Any]) -> int:
    """The life of a forked process: one command line, in its folder, its output in files."""
    from gen import cli

    with suppress(ProcessLookupError, PermissionError):
        os.setpgid(0, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(order["cwd"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(order["files"][name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    progress_to(order["files"]["progress"])
    try:
        cli.main(order["argv"])
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def progress_to(path: str) -> None:
    """Send the progress of this process to a file, often enough for somebody who looks at it."""
    from gen import progress

    progress.tell_to(open(path, "w", encoding="utf-8", buffering=1), first_s=FIRST_S, every_s=EVERY_S)  # noqa: SIM115


def warm() -> Iterator[str]:
    """Run an example of each installed command, one at each step; the name of what was run."""
    from gen import cli, registry

    with tempfile.TemporaryDirectory(prefix="physiogen-web-") as folder, open(os.devnull, "w") as nowhere:
        here = Path.cwd()
        for name, *words in _EXAMPLES:
            if name not in registry.names("gen.commands"):
                continue
            with redirect_stdout(nowhere), redirect_stderr(nowhere), suppress(Exception, SystemExit):
                os.chdir(folder)
                cli.run([name, *words])
            os.chdir(here)
            one_thread()
            yield name
        with suppress(Exception):
            registry.get("gen.metrics", "benchmark")
        yield "benchmark"


if __name__ == "__main__":
    if len(sys.argv) > 1:  # where processes are not forked: one order, in a process of its own
        os._exit(run_order(json.loads(sys.argv[1])))
    main()
