"""SNOMED CT codes of the PhysioNet/CinC challenges 2020 and 2021 (``# Dx: 164889003,...``) as statements.

The table beside this file lists the challenges' 133 codes (Reyna et al. 2021, Comput Cardiol 48; their public
``dx_mapping`` tables) with our statements. Codes for what no ECG statement says (heart failure, a valve's disorder)
have none; they and codes outside the table are counted as unmapped.
"""

import csv
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files


@cache
def table() -> Mapping[str, tuple[str, ...]]:
    """Statements of every SNOMED CT code of the challenges."""
    text = files("gen.io").joinpath("snomed.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return {row["code"]: tuple(filter(None, row["statements"].split(";"))) for row in rows}


def split_codes(text: str) -> list[str]:
    """The codes of a ``Dx`` line; none for 'Unknown'."""
    return [code for code in re.split(r"[,;\s]+", text.strip()) if re.fullmatch(r"\d{4,18}", code)]


def statements_of(codes: Iterable[str]) -> tuple[dict[str, float], list[str]]:
    """Statements with likelihood 100, and the codes that name none."""
    found: dict[str, float] = {}
    unmapped = []
    for code in codes:
        statements = table().get(code, ())
        found |= dict.fromkeys(statements, 100.0)
        if not statements:
            unmapped.append(code)
    return found, unmapped
