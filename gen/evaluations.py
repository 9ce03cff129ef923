"""The contract of an evaluation: a frozen dataclass of settings, and the function that measures with them.

    @dataclass(frozen=True, kw_only=True)
    class Accuracy(Evaluation):
        \"\"\"How often the reader is right.\"\"\"

        name = "accuracy"
        function = "package.evaluation.accuracy:run"
        needs = "a prepared cache"

        data: Path = setting("cache made by `physiogen data prepare`")
        split: Literal["val", "test"] = setting("part that is scored", "test")

``run(settings, progress) -> Results`` measures; `Evaluation.results` fills in what all results state. The class is
registered under ``name`` in the entry-point group ``gen.evaluations`` and stands in a light module: the list and
``--help`` load no model. ``physiogen evaluate accuracy --data CACHE`` is ``Accuracy(data="CACHE").run()``.
"""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, Union, get_args, get_origin, get_type_hints

from gen import registry
from gen.errors import InputError
from gen.results import Data, Group, Results

GROUP = "gen.evaluations"
#: Takes a line about how far it is.
Progress: TypeAlias = Callable[[str], None]


def setting(
    help: str,
    default: Any = MISSING,
    *,
    least: float | None = None,
    positional: bool = False,
    short: str | None = None,
    output: bool = False,
    location: bool = False,
    metavar: str | None = None,
) -> Any:
    """A field of settings.

    Args:
        help: what it is, in half a sentence.
        default: without one it must be given.
        least: smallest number accepted.
        positional: an argument without a name.
        short: a further name, such as ``-n``.
        output: a path that is written; other paths must exist.
        location: words that name a folder, or a part of one as ``FOLDER:SPLIT``; it must exist.
        metavar: what stands for it in ``--help`` and in commands without paths of this machine.
    """
    facts = {"help": help, "least": least, "positional": positional, "short": short, "output": output}
    return field(default=default, metadata={**facts, "location": location, "metavar": metavar})


def silent(line: str) -> None:
    """Progress that nobody sees."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Settings of one evaluation; the first line of a subclass's docstring says what it measures.

    Attributes:
        name: in the entry-point group ``gen.evaluations``.
        function: ``package.module:NAME`` of ``(settings, progress) -> Results``.
        needs: what a user must have, in a few words.
        example: options of a command that really runs, after the name.

    Raises:
        InputError: a value that is not accepted, or a path that is not there.
    """

    name: ClassVar[str]
    function: ClassVar[str]
    needs: ClassVar[str] = "nothing"
    example: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for each in settings_of(type(self)):
            object.__setattr__(self, each.name, each.accepted(getattr(self, each.name)))

    def run(self, progress: Progress = silent) -> Results:
        """Measure.

        Raises:
            InputError: the data or weights cannot be used.
        """
        return registry.get(GROUP, self.function)(self, progress)

    def command(self) -> str:
        """The command that measures the same; paths outside the current folder by a word, such as CACHE."""
        return shlex.join(["physiogen", "evaluate", self.name]) + "".join(f" {word}" for word in self._words())

    def results(
        self,
        values: Group,
        *,
        data: Sequence[Data] = (),
        n: int | None = None,
        notes: Sequence[str] = (),
        headline: Sequence[str] = (),
        **facts: Any,
    ) -> Results:
        """`Results` of these settings.

        Args:
            values, data, n, notes, headline: see there.
            facts: further settings that decide the figures, such as the digests of weights.
        """
        seed = getattr(self, "seed", None)
        return Results(self.name, self.command(), values, data, n, seed, settings=facts, notes=notes, headline=headline)

    @classmethod
    def summary(cls) -> str:
        """What it measures, in one line."""
        return (cls.__doc__ or "").strip().partition("\n")[0]

    def _words(self) -> Iterator[str]:
        for each in settings_of(type(self)):
            value = getattr(self, each.name)
            if value is None or value is False or (value == each.default and not each.positional):
                continue
            for part in value if isinstance(value, tuple) else (value,):
                shown = [] if value is True else [shlex.quote(_public(part, each.metavar))]
                yield " ".join([*([] if each.positional else [each.option]), *shown])


class Cache(Protocol):
    """A prepared cache, such as `gen.datasets.SignalCache`."""

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What it was made of."""
        ...

    @property
    def digest(self) -> str:
        """Names its content and split."""
        ...


def data_of(cache: Cache, split: str | None = None) -> Data:
    """What results state of a prepared cache."""
    return Data(str(cache.manifest["source"]["name"]), split, cache.digest)


def data_at(location: str | Path) -> Data:
    """What results state of ``FOLDER`` or ``FOLDER:SPLIT``: the folder's own name, and the split."""
    head, colon, split = str(location).rpartition(":")
    folder, part = (head, split) if colon and not Path(location).exists() else (str(location), None)
    return Data(Path(folder).resolve().name, part)


def short_names(locations: Sequence[str | Path]) -> list[str]:
    """What tables call sets: ``NAME`` or ``NAME:SPLIT``, without the path; numbered where several are called alike."""
    found = [data_at(location) for location in locations]
    names = [each.name + (f":{each.split}" if each.split else "") for each in found]
    return [f"{name} ({names[:k].count(name) + 1})" if names.count(name) > 1 else name for k, name in enumerate(names)]


def named_paths(texts: Sequence[str], accepted: str) -> dict[str, Path]:
    """Paths by name, of words ``NAME=PATH``.

    Args:
        texts: the words, in the order that is kept.
        accepted: what a path may be, for the message.

    Raises:
        InputError: not of that form, a name twice or with a slash in it, or nothing at a path.
    """
    out: dict[str, Path] = {}
    for text in texts:
        name, sign, path = text.partition("=")
        if not (sign and name and path) or "/" in name:
            raise InputError(f"{text}: accepted: NAME=PATH, {accepted}")
        if name in out:
            raise InputError(f"{text}: a name is given twice; accepted: every name once")
        out[name] = Path(path)
    for name, source in out.items():
        if not source.exists():
            raise InputError(f"{name}={source}: no such file or folder; accepted: NAME=PATH, {accepted}")
    return out


@dataclass(frozen=True)
class Setting:
    """One field of settings, as the command line and its checks need it.

    Attributes:
        name: of the field.
        kind: type of one value: Path, str, int, float or bool.
        many: several may be given.
        choices: values accepted; empty: all.
        default: `dataclasses.MISSING` where it must be given.
        help, least, positional, short, output, location, metavar: see `setting`.
    """

    name: str
    kind: type
    many: bool
    choices: tuple[Any, ...]
    default: Any
    help: str
    least: float | None
    positional: bool
    short: str | None
    output: bool
    location: bool
    metavar: str

    @property
    def option(self) -> str:
        """``--name``, or the name of an argument in capitals."""
        return self.name.upper() if self.positional else "--" + self.name.replace("_", "-")

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is MISSING

    def accepted(self, value: Any) -> Any:
        """The value in its own type.

        Raises:
            InputError: not accepted.
        """
        if not self.many:
            return None if value is None else self._one(value)
        if value is None or (self.required and not len(value)):
            raise InputError(f"{self.option}: nothing given; accepted: {self.help}")
        return tuple(self._one(part) for part in ([value] if isinstance(value, str | Path) else value))

    def _one(self, value: Any) -> Any:
        if self.choices:
            if value not in self.choices:
                raise InputError(f"{self.option} {value}: accepted: {', '.join(map(str, self.choices))}")
            return value
        try:
            out = self.kind(value)
        except (TypeError, ValueError) as error:
            words = {int: "a whole number", float: "a number"}
            raise InputError(f"{self.option} {value}: accepted: {words.get(self.kind, self.help)}") from error
        if self.least is not None and not self.least <= out < float("inf"):
            raise InputError(f"{self.option} {value}: accepted: {self.least:g} or more")
        if isinstance(out, Path) and not self.output and not out.exists():
            raise InputError(f"{self.option} {out}: no such file or folder; accepted: {self.help}")
        if self.location and not any(Path(part).exists() for part in (str(out), str(out).rpartition(":")[0] or out)):
            raise InputError(f"{self.option} {out}: no such folder; accepted: {self.help}")
        return out


def settings_of(kind: type[Evaluation]) -> list[Setting]:
    """The fields of a class of settings, in their order."""
    hints = get_type_hints(kind)
    return [_setting(each, hints[each.name]) for each in fields(kind)]


def _setting(each: Field, hint: Any) -> Setting:
    one, many = hint, False
    choices: tuple[Any, ...] = ()
    if get_origin(one) in (Union, UnionType):
        one = next(part for part in get_args(one) if part is not type(None))
    if get_origin(one) is tuple:
        one, many = get_args(one)[0], True
    if get_origin(one) is Literal:
        choices = get_args(one)
        one = type(choices[0])
    known: Mapping[str, Any] = each.metadata
    metavar = known["metavar"] or (each.name.upper() if one is Path else {int: "N", float: "X"}.get(one, "TEXT"))
    facts = {name: known[name] for name in ("help", "least", "positional", "short", "output", "location")}
    return Setting(each.name, one, many, choices, each.default, metavar=metavar, **facts)


def _public(value: Any, word: str) -> str:
    """A value as a command shows it; a path of this machine becomes a word, with its ``:SPLIT``."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    head, equals, path = text.rpartition("=")  # NAME=PATH
    if not path.startswith(("/", "~")):
        return text
    _, colon, split = path.rpartition(":")
    return f"{head}{equals}{word.rpartition('=')[2]}{colon}{split if colon else ''}"


def evaluations() -> dict[str, type[Evaluation]]:
    """Every installed evaluation by name; loads their settings, no model."""
    return {name: registry.get(GROUP, name) for name in registry.names(GROUP)}
