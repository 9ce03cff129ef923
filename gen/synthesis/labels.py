"""Labels of one's own: what each stands for, from a table, from their own words, or by PTB-XL's classes."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gen.datasets.own_labels import Meaning
from gen.datasets.scp import SUPERCLASSES, aggregate, statements
from gen.files import printable, read_json
from gen.records import InputError
from gen.text import read_text, words_of
from gen.text import statements as all_statements

_LABEL, _MEANING = ("label", "class"), ("statements", "text", "findings", "report", "codes", "meaning")


def meaning(label: str) -> Meaning:
    """What a label says by itself: a statement code, a class of PTB-XL (HYP, STTC, ...), or findings in words.

    Raises:
        InputError: it is none of these.
    """
    name = label.strip()
    if name in SUPERCLASSES or any(s.subclass == name for s in statements().values()):
        codes = _codes_of_class(name)
        known = statements()
        return Meaning({words_of([code]): max(known[code].records, 0.5) for code in codes}, frozenset(codes))
    if name in all_statements():
        return Meaning({words_of([name]): 1.0}, frozenset([name]))
    found = read_text(name)
    if found.unknown or not found.codes():
        raise InputError(
            f"label {printable(label)!r} is not understood; say what it stands for in a table of two columns, "
            "label and statements: --labels TABLE ('synthesize'), --meaning TABLE ('data prepare')"
        )
    return Meaning({name: 1.0}, frozenset(found.codes(least=50)))


def _codes_of_class(name: str) -> list[str]:
    """Statements of a superclass or subclass."""
    column = "superclass" if name in SUPERCLASSES else "subclass"
    return [code for code, s in statements().items() if getattr(s, column) == name]


def codes_in(text: str) -> dict[str, float]:
    """Statement codes of a cell: a JSON object or list, or codes apart by commas, semicolons or blanks.

    Raises:
        InputError: a word in it is no statement code.
    """
    text = text.strip()
    if text[:1] in "{[":
        try:
            found = json.loads(text)
        except ValueError as error:
            raise InputError(f"{printable(text)!r} is no JSON; accepted: codes such as AFIB,CLBBB") from error
        named = {str(code): float(value) for code, value in found.items()} if isinstance(found, dict) else {}
        named = named or {str(code): 100.0 for code in found}
    else:
        named = {code: 100.0 for code in re.split(r"[,;|\s]+", text) if code}
    unknown = sorted(set(named) - set(all_statements()))
    if unknown:
        raise InputError(f"{printable(unknown[0])!r} is no SCP-ECG statement; accepted: codes such as AFIB, CLBBB, IMI")
    return named


def read_labels(path: Path) -> dict[str, Meaning]:
    """A mapping of labels: a CSV, TSV or Parquet table with the columns label and statements, or a JSON object.

    The second column holds statement codes (``AFIB,AFLT``: any of them) or findings in words (``atrial fibrillation``).

    Raises:
        InputError: the file cannot be read, lacks a column, names a label twice, or a meaning is not understood.
    """
    found: dict[str, Meaning] = {}
    for where, label, text in _pairs(path):
        if label in found:
            raise InputError(f"{where}: label {printable(label)!r} is given twice")
        found[label] = _understood(where, label, text)
    if not found:
        raise InputError(f"{path}: no label in it")
    return found


def _pairs(path: Path) -> list[tuple[str, str, str]]:
    if path.suffix.lower() == ".json":
        values = read_json(path)
        return [
            (str(path), str(label), ",".join(map(str, text)) if isinstance(text, list) else str(text))
            for label, text in values.items()
        ]
    from gen.synthesis.table import cells

    header, rows = cells(path)
    low = [name.lower() for name in header]
    label = next((low.index(name) for name in _LABEL if name in low), None)
    text = next((low.index(name) for name in _MEANING if name in low), None)
    if label is None or text is None:
        raise InputError(
            f"{path}: expected the columns label and statements (codes such as AFIB,AFLT, or findings in words); "
            f"there are {printable(', '.join(header))}"
        )
    return [
        (f"{path}, row {number}", str(row[label]).strip(), str(row[text] or "").strip())
        for number, row in enumerate(rows, 2)
        if row is not None and row[label] not in (None, "")
    ]


def _understood(where: str, label: str, text: str) -> Meaning:
    parts = [part for part in re.split(r"[,;|\s]+", text) if part]
    groups = {name for s in statements().values() for name in (s.superclass, s.subclass) if name}
    if parts and all(part in all_statements() or part in groups for part in parts):
        meanings = [meaning(part) for part in parts]
        texts = {text: weight for each in meanings for text, weight in each.texts.items()}
        return Meaning(texts, frozenset().union(*(m.codes for m in meanings)))
    found = read_text(text)
    if found.empty or found.unknown:
        words = ", ".join(found.unknown[:8]) or "nothing is said"
        raise InputError(f"{where}: label {printable(label)!r}: not understood: {printable(words)}")
    return Meaning({text: 1.0}, frozenset(found.codes(least=50)))


@dataclass(frozen=True)
class Classes:
    """The classes that a set is sorted by.

    Attributes:
        names: in order.
        mapping: what labels of one's own stand for; None where classes are those of PTB-XL.
        level: of `gen.datasets.scp.aggregate`, where there is no mapping.
    """

    names: tuple[str, ...]
    mapping: Mapping[str, Meaning] | None = None
    level: str = "super"

    def of(self, codes: Mapping[str, float] | Collection[str]) -> tuple[str, ...]:
        """Classes of a record with these statements, in order."""
        if self.mapping is not None:
            return tuple(name for name in self.names if self.mapping[name].codes & set(codes))
        found = aggregate(dict.fromkeys(codes, 100.0), self.level)
        return tuple(name for name in self.names if name in found)


def classes(only: Sequence[str], mapping: Mapping[str, Meaning] | None = None) -> Classes:
    """The classes that are meant: those named, else all labels of the mapping, else PTB-XL's five superclasses.

    Raises:
        InputError: a name that is no class.
    """
    if mapping is not None:
        unknown = [name for name in only if name not in mapping]
        if unknown:
            raise InputError(f"--only {unknown[0]}: no label of --labels; there are {', '.join(sorted(mapping))}")
        return Classes(tuple(only) or tuple(sorted(mapping)), mapping)
    subclasses = tuple(dict.fromkeys(s.subclass for s in statements().values() if s.subclass))
    for level, known in (("super", SUPERCLASSES), ("all", tuple(all_statements())), ("sub", subclasses)):
        if all(name in known for name in only):
            return Classes(tuple(only) or SUPERCLASSES, None, level)
    raise InputError(
        f"--only {','.join(only)}: accepted: superclasses ({', '.join(SUPERCLASSES)}), or SCP-ECG codes such as "
        "AFIB,CLBBB; or your own labels with --labels"
    )
