"""What an evaluation found: named values with intervals, and everything needed to find them again.

    results = Results(
        "reconstruction",
        command="physiogen evaluate reconstruction --data CACHE --split test",
        data=[Data("ptb-xl", split="test", digest=cache.digest)],
        n=1652,
        seed=0,
        values={"all leads": {"MAE": Value(0.081, 0.079, 0.083, n=1652, unit="mV", better="lower")}},
    )
    results.write("docs/results/reconstruction.json")
    print(results.to_markdown())

One file form for all of them (``"schema": 1``), the same bytes for the same figures. Values stand in nested groups; a
group of groups with like members is a table.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import gen
from gen.errors import InputError
from gen.files import read_json, write_json
from gen.markdown import render_group
from gen.values import Better, Group, Node, Value, check_group, flat, group_as_dict, group_from_dict, whole

__all__ = ["SCHEMA", "Better", "Data", "Group", "Node", "Results", "Value", "code_revision"]

SCHEMA = 1


@cache
def code_revision() -> str:
    """The git revision of this code, with ``-modified`` where files differ from it; elsewhere the package's version."""
    root = Path(__file__).resolve().parent.parent

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        if (root / ".git").exists():  # not merely installed somewhere inside another project's checkout
            modified = git("status", "--porcelain", "--untracked-files=no")
            return git("rev-parse", "--short=12", "HEAD") + ("-modified" if modified else "")
    except (OSError, subprocess.CalledProcessError):
        pass
    return gen.__version__


@dataclass(frozen=True)
class Data:
    """Data that figures were measured on: its name, the part, and the digest that names its content."""

    name: str
    split: str | None = None
    digest: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON values; what is not known is left out."""
        return {key: value for key, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Results:
    """All figures of one run of an evaluation.

    Attributes:
        name: of the evaluation, as ``physiogen evaluate NAME``.
        command: that gives them again.
        values: nested groups of `Value` by name; words may stand among them.
        data: what was measured on.
        n: records (or persons, hearts) in all.
        seed: of what was drawn; None where nothing is.
        settings: JSON values that decide the figures, such as the digests of weights.
        revision: of the code; the present one by default.
        notes: sentences that belong below the tables.
        headline: paths (names joined by ``/``) of the values that stand for all in an overview or a model card; empty:
            all of them.
        created: when, where somebody wants to know; left out by default so that the same figures are the same bytes.

    Raises:
        ValueError: a part is empty or of another type.
    """

    name: str
    command: str
    values: Group
    data: Sequence[Data] = ()
    n: int | None = None
    seed: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    revision: str = field(default_factory=code_revision)
    notes: Sequence[str] = ()
    headline: Sequence[str] = ()
    created: str | None = None

    def __post_init__(self) -> None:
        for key in ("name", "command", "revision"):
            text = getattr(self, key)
            if not isinstance(text, str) or not text.strip() or "\n" in text:
                raise ValueError(f"{key} {text!r}: expected one line of text")
        object.__setattr__(self, "n", whole("n", self.n))
        object.__setattr__(self, "seed", None if self.seed is None else int(self.seed))
        for key in ("data", "notes", "headline"):
            object.__setattr__(self, key, tuple(getattr(self, key)))
        check_group(self.values, "values")
        known = dict(self.flat())
        for path in self.headline:
            if path not in known:
                raise ValueError(f"headline {path!r}: no such value; there are {', '.join(known)}")

    def flat(self) -> Iterator[tuple[str, Value]]:
        """(path, value) of every figure, names joined by ``/``."""
        yield from flat(self.values)

    def __getitem__(self, path: str) -> Value:
        """A value by its path; raises KeyError."""
        return dict(self.flat())[path]

    def headlines(self) -> dict[str, Value]:
        """The values that stand for all, by path."""
        known = dict(self.flat())
        return {path: known[path] for path in self.headline} if self.headline else known

    def as_dict(self) -> dict[str, Any]:
        """JSON values, as in the file."""
        out: dict[str, Any] = {"schema": SCHEMA, "name": self.name, "command": self.command, "revision": self.revision}
        out["data"] = [each.as_dict() for each in self.data]
        out |= {"n": self.n, "seed": self.seed, "settings": dict(self.settings), "values": group_as_dict(self.values)}
        out |= {"notes": list(self.notes), "headline": list(self.headline)}
        return out | ({} if self.created is None else {"created": self.created})

    def to_json(self) -> str:
        """The file's text.

        Raises:
            ValueError: a setting is no JSON value.
        """
        try:
            return json.dumps(self.as_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        except TypeError as error:
            raise ValueError(f"settings of {self.name}: {error}") from error

    def write(self, path: str | Path) -> Path:
        """Write the file, whole or not at all.

        Raises:
            InputError: it cannot be written.
        """
        path, content = Path(path), json.loads(self.to_json())
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, content)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from error
        return path

    @classmethod
    def read(cls, path: str | Path) -> "Results":
        """Results from a file.

        Raises:
            InputError: no such file, not JSON, another schema, or a part that does not belong there.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"{path}: no such file; accepted: what `physiogen evaluate NAME --out FILE` writes")
        try:
            return cls.from_dict(read_json(path))
        except ValueError as error:
            raise error if isinstance(error, InputError) else InputError(f"{path}: {error}") from error

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "Results":
        """Results from JSON values.

        Raises:
            ValueError: another schema, a key is missing, or a part does not belong there.
        """
        if found.get("schema") != SCHEMA:
            raise ValueError(f"results of schema {found.get('schema')!r}; accepted: {SCHEMA}")
        fields = set(cls.__dataclass_fields__)
        missing = sorted({"name", "command", "revision", "values"} - set(found))
        unknown = sorted(set(found) - fields - {"schema"})
        if missing or unknown:
            raise ValueError(f"{'no ' + missing[0] if missing else 'unknown key ' + unknown[0]}; accepted: results")
        given = {key: value for key, value in found.items() if key in fields}
        try:
            given["data"] = [Data(**each) for each in found.get("data", ())]
        except TypeError as error:
            raise ValueError(f"data: {error}") from error
        return cls(**{**given, "values": group_from_dict(found["values"], "values")})

    def for_card(self) -> dict[str, Any]:
        """The entry of a model card's ``evaluations``: the headline figures, flat, and where they come from."""
        return {
            "name": self.name,
            "command": self.command,
            "revision": self.revision,
            "data": [each.as_dict() for each in self.data],
            "n": self.n,
            "values": {path: value.as_dict() for path, value in self.headlines().items()},
        }

    def to_markdown(self, level: int = 2, *, facts: bool = True) -> str:
        """Tables of all figures, ``value [low, high]``; ↓ and ↑ say which direction is better.

        Args:
            level: of the headings of groups.
            facts: n, data, seed, revision and command below the tables.
        """
        lines = render_group(self.values, level)
        lines += [line for note in self.notes for line in ("", note)]
        if facts:
            lines += ["", self.origin(), "", "```", self.command, "```"]
        return "\n".join(lines).strip() + "\n"

    def origin(self) -> str:
        """One line: n, data, seed, revision."""
        parts = [] if self.n is None else [f"n = {self.n}"]
        for each in self.data:
            digest = f" ({each.digest[:12]})" if each.digest else ""
            parts.append(f"{each.name}{f', split {each.split}' if each.split else ''}{digest}")
        parts += [] if self.seed is None else [f"seed {self.seed}"]
        return "; ".join([*parts, f"code {self.revision}"]) + ". Intervals: 95 %."
