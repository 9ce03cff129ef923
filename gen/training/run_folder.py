"""The folder of a run: what it may hold, and when a run may start or go on there."""

import json
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gen.files import printable, read_json, recover_folder, refuse_foreign, write_json
from gen.records import InputError
from gen.runs import check_run, holds_run
from gen.training.config import TrainingConfig

LAYOUT = ("run.json", "log.jsonl", "state", "best", "last", "tensorboard")
_FREE_TO_CHANGE = {
    "steps",
    "max_minutes",
    "validate_every",
    "save_every",
    "log_every",
    "patience",
    "tensorboard",
    "threads",
    "prefetch",
    "gradient_accumulation",
    "checkpoint_dtype",
    "find_unused_parameters",
    "cpu",
}


def check_run_folder(
    out: Path,
    config: TrainingConfig,
    model: Mapping[str, Any] | None,
    identity: Mapping[str, Any] | None = None,
    *,
    resume: bool,
    overwrite: bool,
) -> None:
    """Refuse a folder that must not be written to; changes nothing.

    Args:
        out: folder of the run.
        config: its settings.
        model: configuration of its model; None before there is one.
        identity: what else a run is made from: ``recipe``, ``inputs`` (digests by name) and ``settings``.
        resume: whether the run there is gone on with.
        overwrite: whether it is replaced.

    Raises:
        InputError: see `gen.runs.check_run`; the run was started with other settings or on other data; or ``out`` is a
            file, or holds other things than a run that is to be replaced.
    """
    check_run(out, resume=resume, overwrite=overwrite)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; expected a folder for the run")
    if overwrite:
        refuse_foreign(out, LAYOUT, "run")
    if resume and holds_run(out):
        before = read_json(out / "run.json")
        _check_same_identity(out, before.get("identity"), identity)
        _check_same_run(out, before, config, model)


def _check_same_identity(out: Path, before: Mapping[str, Any] | None, identity: Mapping[str, Any] | None) -> None:
    if not before or not identity:
        return  # a run of `train` alone, or of a version that kept no identity: nothing is known
    now = as_json(identity)
    if before["recipe"] != now["recipe"]:
        raise InputError(f"{out}: a run of recipe {before['recipe']}; it cannot go on as {now['recipe']}")
    for name in sorted(before["inputs"].keys() | now["inputs"].keys()):
        then, wanted = before["inputs"].get(name), now["inputs"].get(name)
        if then != wanted:
            raise InputError(
                f"{out}: the run was started on other {name} (digest {_short(then)}); "
                f"it cannot go on with this one ({_short(wanted)})"
            )
    then, wanted = _flat(before["settings"]), _flat(now["settings"])
    for key in sorted(then.keys() & wanted.keys()):
        if then[key] != wanted[key]:
            raise InputError(
                f"{out}: the run was started with {key}={then[key]}; it cannot go on with {key}={wanted[key]}"
            )


def _short(digest: str | None) -> str:
    return "none" if digest is None else digest[:12]


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def _check_same_run(
    out: Path, before: Mapping[str, Any], config: TrainingConfig, model: Mapping[str, Any] | None
) -> None:
    now = as_json(asdict(config))
    for key, value in before["training"].items():
        if key in now and key not in _FREE_TO_CHANGE and now[key] != value:
            raise InputError(f"{out}: the run was started with {key}={value}; it cannot go on with {key}={now[key]}")
    if model is None:
        return
    then, wanted = _architecture(before["model"]), _architecture(model)
    for key in sorted(then.keys() | wanted.keys()):
        if then.get(key) != wanted.get(key):
            raise InputError(
                f"{out}: the run trains a model with {key}={printable(then.get(key))}; "
                f"it cannot go on with {key}={printable(wanted.get(key))}"
            )


def _architecture(config: Mapping[str, Any]) -> dict[str, Any]:
    """A model's configuration without what diffusers notes down for itself."""
    return {k: v for k, v in as_json(config).items() if k == "_class_name" or not k.startswith("_")}


def prepare_run_folder(
    out: Path,
    config: TrainingConfig,
    model: Mapping[str, Any],
    identity: Mapping[str, Any] | None = None,
    *,
    overwrite: bool,
) -> None:
    """Create the folder and ``run.json``; with ``overwrite``, remove what an earlier run wrote (and nothing else)."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if overwrite:
            _remove_run(out)
        for name in ("best", "last"):
            recover_folder(out / name)
        run: dict[str, Any] = {"training": asdict(config), "model": dict(model)}
        run |= {"identity": identity, "versions": versions(), "command": command()}
        write_json(out / "run.json", run)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror})") from error


def _remove_run(out: Path) -> None:
    for name in LAYOUT:
        path = out / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    packages = ("physiogen", "torch", "diffusers", "accelerate", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def command() -> str:
    """The command line of this process, with the program's name instead of its path."""
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])


def as_json(value: Any) -> Any:
    """What a value is after a round through JSON (tuples become lists)."""
    return json.loads(json.dumps(value))
