"""Whole commands by the clock: ``physiogen evaluate speed --of commands --beside OTHER/bin/python``.

Every command runs in a process of its own, start-up included, on simulated recordings. With ``--beside`` the same
command of another installation runs in turn with it, so that both meet the same machine; ratios are of medians.
"""

import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from gen.evaluation.cost import Cost, cost_of
from gen.evaluation.settings import Speed
from gen.evaluations import Progress
from gen.io import write
from gen.records import InputError
from gen.results import Node, Value
from gen.simulate import simulate

#: Words of every command; ``set``, ``other`` and ``one`` are folders of recordings and a single one, ``n`` a number.
COMMANDS: dict[str, tuple[str, ...]] = {
    "--help": ("--help",),
    "synthesize, 1": ("synthesize", "--text", "sinus rhythm", "-n", "1", "--out", "{out}"),
    "synthesize, WFDB": ("synthesize", "--text", "sinus rhythm", "-n", "{n}", "--out", "{out}"),
    "synthesize, Parquet": (
        "synthesize", "--text", "sinus rhythm", "-n", "{n}", "--format", "parquet", "--out", "{out}",
    ),
    "twin": ("twin", "{one}", "--text", "atrial fibrillation", "-n", "{n}", "--out", "{out}"),
    "reconstruct, 1": ("reconstruct", "{one}", "--leads", "II,V1,V5", "--out", "{out}"),
    "reconstruct": ("reconstruct", "{set}", "--leads", "II,V1,V5", "--out", "{out}"),
    "measure": ("measure", "{set}", "--out", "{out}.csv"),
    "benchmark, quick": (
        "benchmark", "--real", "{set}", "--generated", "{other}", "--preset", "quick", "--out", "{out}",
    ),
    "cmr": ("cmr", "{one}", "--samples", "4", "--out", "{out}"),
}  # fmt: skip
_WITHOUT_AUTOCAST = Path(__file__).with_name("float32")


def bench(settings: Speed, progress: Progress) -> dict[str, Node]:
    """Seconds of the clock and of the processor, and how many times as long another installation takes.

    Raises:
        InputError: an unknown command, or no interpreter in ``--beside``.
    """
    unknown = [name for name in settings.only if name not in COMMANDS]
    if unknown:
        raise InputError(f"--only {unknown[0]!r}: accepted: {', '.join(COMMANDS)}")
    if settings.beside is not None and not settings.beside.is_file():
        raise InputError(f"--beside {settings.beside}: no such file; accepted: the Python of another installation")
    values: dict[str, Node] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for number in settings.sizes or (100,):
            words = _inputs(folder, number)
            values[f"{number} ECGs"] = {
                name: _timed(name, words, folder, settings, progress) for name in settings.only or COMMANDS
            }
    return values


def _inputs(folder: Path, number: int) -> dict[str, str]:
    """Two sets of simulated recordings; what stands for braces in `COMMANDS`."""
    sets = {"set": folder / f"set-{number}", "other": folder / f"other-{number}"}
    for seed, path in enumerate(sets.values()):
        write(simulate(range(number), seed=seed, noise="light").records(), path)
    one = min(sets["set"].rglob("*.hea"))
    return {name: str(path) for name, path in sets.items()} | {"one": str(one), "n": str(number)}


def _timed(name: str, words: dict[str, str], folder: Path, settings: Speed, progress: Progress) -> Node:
    pythons = {"here": Path(sys.executable)} | ({} if settings.beside is None else {"beside": settings.beside})
    costs: dict[str, list[Cost]] = {which: [] for which in pythons}
    paths = [str(_WITHOUT_AUTOCAST), *filter(None, [os.environ.get("PYTHONPATH")])]
    start = {"PYTHONPATH": os.pathsep.join(paths)} if settings.float32 else {}
    for run in range(settings.repeats):
        for which, python in pythons.items():
            out = folder / f"out-{len(list(folder.iterdir()))}-{run}-{which}"
            line = [word.format(out=out, **words) for word in COMMANDS[name]]
            # `-P`: what is installed, not what lies in the working folder.
            costs[which].append(cost_of([str(python), "-P", "-m", "gen.cli", *line], **start))
        progress(f"{name}: {run + 1} of {settings.repeats}")
    failed = [which for which, found in costs.items() if any(cost.status for cost in found)]
    if failed:
        return {"failed": ", ".join(failed)}

    def middle(which: str, of: Callable[[Cost], float]) -> float:
        return statistics.median(of(cost) for cost in costs[which])

    node: dict[str, Node] = {}
    for label, of in (("seconds", _clock), ("processor seconds", _processor)):
        node[label] = Value(middle("here", of), unit="s", better="lower")
        if "beside" in costs:
            node[f"{label}, beside"] = Value(middle("beside", of), unit="s", better="lower")
            node[f"{label}: times as fast"] = Value(middle("beside", of) / middle("here", of), better="higher")
    node["peak memory"] = Value(middle("here", lambda cost: cost.peak / 2**20), unit="MiB", better="lower")
    return node


def _clock(cost: Cost) -> float:
    return cost.seconds


def _processor(cost: Cost) -> float:
    return cost.cpu_s
