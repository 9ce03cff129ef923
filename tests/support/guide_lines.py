"""Commands of a guide page, as they stand there."""

import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def command(page: str, *words: str) -> list[str]:
    """Words of the first `physiogen` line of a page that holds all of these; fails where the guide has no such line."""
    for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if text.startswith("physiogen ") and all(word in text for word in words):
            return shlex.split(text, comments=True)[1:]
    raise AssertionError(f"{page}: no line with {words}")


def with_values(arguments: list[str], **values: object) -> list[str]:
    """The same with other values of options that stand in it: smaller numbers, a folder of the test."""
    out = list(arguments)
    for name, value in values.items():
        option = f"-{name}" if len(name) == 1 else f"--{name.replace('_', '-')}"
        out[out.index(option) + 1] = str(value)
    return out
