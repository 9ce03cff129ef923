"""A monitor adapted to its person with twins: ``physiogen evaluate personal-monitor --sets SETS``."""

from pathlib import Path
from typing import Any

from diffusion.evaluation.monitor_sets import write_sets
from diffusion.evaluation.settings import PersonalMonitor
from gen.evaluations import Progress
from gen.files import read_json, write_json
from gen.records import InputError
from gen.results import Data, Results
from metrics.evaluation.personal_monitor import SETS, scored, table

#: What the sets of a folder were made with; sets of somebody's own have none.
_MADE = "made.json"


def run(settings: PersonalMonitor, progress: Progress) -> Results:
    """Make the record sets where there are none, then train and score every way."""
    events = tuple(code.strip() for code in settings.events.split(",") if code.strip())
    made = _sets(settings, progress)
    results, sizes = scored(
        settings.sets,
        events=events,
        ways=settings.only,
        seeds=settings.seeds,
        general_steps=settings.general_steps,
        personal_steps=settings.personal_steps,
        progress=progress,
    )
    return settings.results(
        {"monitors": table(results, sizes["visits"])},
        data=[Data("simulated hearts" if made else settings.sets.resolve().name)],
        n=sizes["visits"],
        notes=["Records: " + ", ".join(f"{name} {count}" for name, count in sizes.items()) + "."],
        weights=made.get("weights"),
        records=sizes,
    )


def _sets(settings: PersonalMonitor, progress: Progress) -> dict[str, Any]:
    """What the sets were made with; empty for sets of somebody's own.

    Raises:
        InputError: the folder holds sets that were made with other settings, or something else.
    """
    from diffusion.twin.beat_twin import load

    folder = settings.sets
    there = [name for name in SETS if (folder / name).is_dir()]
    if there and not (folder / _MADE).is_file():
        missing = [name for name in SETS if name not in there and name != "own"]
        if missing:
            raise InputError(f"--sets {folder}: no set {missing[0]!r}; accepted: {', '.join(SETS)}, or an empty folder")
        progress(f"using the sets in {folder}")
        return {}
    pipeline = load(settings.checkpoint)
    pipeline.set_progress_bar_config(disable=True)
    asked = {name: getattr(settings, name) for name in ("persons", "hearts", "count", "normal", "seed", "steps")}
    wanted = {**asked, "weights": dict(pipeline.digests)}
    if (folder / _MADE).is_file():
        if read_json(folder / _MADE) != wanted:
            raise InputError(f"--sets {folder}: holds sets of other settings or weights; accepted: another folder")
        progress(f"using the sets in {folder}")
        return wanted
    _refuse_others(folder)
    write_sets(folder, pipeline, **asked, tell=progress)
    write_json(folder / _MADE, wanted)
    return wanted


def _refuse_others(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"--sets {folder}: holds something else; accepted: an empty folder, or record sets")
