"""Facts about a record as comment lines (``age: 63``), the way WFDB headers and our CSV files carry them."""

import json
import re
from collections.abc import Iterable
from typing import Any

from gen.io.common import dump_json, facts_of, number_text, parse_age, parse_sex
from gen.io.snomed import split_codes, statements_of
from gen.records import EcgRecord

_KEY_VALUE = re.compile(r"<?([^:=<>]{1,40}?)>?\s*[:=]\s*(.*)")
_PATIENT_KEYS = {
    "age": "age",
    "sex": "sex",
    "gender": "sex",
    "patient": "id",
    "patient id": "id",
    "subject id": "id",
    "height cm": "height_cm",
    "weight kg": "weight_kg",
}
#: Who it is is nobody's business: such lines are dropped, never stored.
PERSONAL = re.compile(
    r".*\b(name|vorname|nachname|birth|born|birthday|dob|geburt\w*|address|phone|e-?mail|ssn|mrn|naissance|nom|prénom"
    r"|nacimiento|nombre|nascita|nascimento|nome|naam|geboorte\w*|namn|födelse\w*|navn|fødsel\w*|nimi|urodzenia|imię"
    r"|nazwisko|имя|рождения|姓名|出生日期|名前|生年月日)\b.*"
)


def to_comments(record: EcgRecord, name: str) -> list[str]:
    """One ``key: value`` line per known fact, readable by `from_comments` and by eye; ``name`` is the file's."""
    facts = facts_of(record)
    lines = [f"synthetic: {'true' if record.synthetic else 'false'}"]
    if record.record_id != name:
        lines.append(f"record_id: {dump_json(record.record_id)}")
    for key, name in (("id", "patient"), ("age",) * 2, ("sex",) * 2, ("height_cm",) * 2, ("weight_kg",) * 2):
        value = facts.get("patient", {}).get(key)
        if value is not None:
            lines.append(f"{name}: {number_text(value) if isinstance(value, int | float) else _quoted(value)}")
    if record.report is not None:
        lines.append(f"report: {_quoted(record.report)}")
    lines += [f"{key}: {dump_json(facts[key])}" for key in ("statements", "metadata") if key in facts]
    return lines


def _quoted(text: str) -> str:
    """The text itself where one line can hold it, else a JSON string."""
    simple = text.isprintable() and text == text.strip() and text and text[0] not in '"{['
    return text if simple else dump_json(text)


def _unquoted(text: str) -> str:
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        try:
            return str(json.loads(text))
        except ValueError:
            return text
    return text


def from_comments(lines: Iterable[str]) -> dict[str, Any]:
    """Facts (see `gen.io.common.facts_of`) from comment lines; lines not understood become metadata ``comments``."""
    facts: dict[str, Any] = {"patient": {}, "metadata": {}}
    rest: list[str] = []
    for text in (part for line in lines for part in _parts(line.strip().lstrip("#").strip())):
        match = _KEY_VALUE.fullmatch(text)
        key = re.sub(r"[\s_]+", " ", match[1]).strip().lower() if match else ""
        if not text or (match and PERSONAL.fullmatch(key)):
            continue
        if not match or not _take(facts, key, match[2].strip()):
            rest.append(text)
    if rest:
        facts["metadata"]["comments"] = [*facts["metadata"].get("comments", []), *rest]
    return facts


def _parts(text: str) -> list[str]:
    """Facts that share a line, as some sets write them: ``<age>: 65 <sex>: F``, ``Age: 71  Sex: M``, ``69 M ...``."""
    short = re.fullmatch(r"(\d{1,3}) ([MF])\b.*", text)
    if short:
        return [f"age: {short[1]}", f"sex: {short[2]}", text]
    if text.startswith("<"):
        return [part.strip() for part in re.split(r"(?=<[a-zA-Z_ ]+>)", text) if part.strip()]
    if re.match(r"(age|sex|gender)\b", text, re.IGNORECASE):
        return re.split(r"[\s,;]+(?=(?:age|sex|gender)\s*[:=])", text, flags=re.IGNORECASE)
    return [text]


def _take(facts: dict[str, Any], key: str, value: str) -> bool:
    """Store one understood fact; False where the line means nothing here."""
    if key in _PATIENT_KEYS:
        field = _PATIENT_KEYS[key]
        convert = {"age": parse_age, "sex": parse_sex, "id": _unquoted}.get(field, _float)
        found = convert(value)
        if found is not None and found != "":
            facts["patient"].setdefault(field, found)
        # 'Sex: 1' or 'age: over 89' says something, if nothing we can store as a fact.
        return found is not None or value.lower() in ("", "?", "unknown", "nan", "none", "n/a", "-1")
    if key == "synthetic":
        facts["synthetic"] = value.lower() in ("true", "yes", "1")
        return value.lower() in ("true", "yes", "1", "false", "no", "0")
    if key in ("dx", "snomed", "snomed ct"):
        return _take_codes(facts, value)
    if key in ("report", "record id"):
        facts["record_id" if key == "record id" else "report"] = _unquoted(value)
        return True
    if key in ("statements", "metadata") and value.startswith("{"):
        return _take_json(facts, key, value)
    return False


def _take_codes(facts: dict[str, Any], value: str) -> bool:
    """SNOMED CT codes of findings; the codes themselves are kept, and those without a statement named."""
    codes = split_codes(value)
    if not codes:
        return value.lower() in ("", "unknown", "nan", "none")
    statements, unmapped = statements_of(codes)
    facts["statements"] = {**facts.get("statements", {}), **statements}
    facts["metadata"]["dx"] = [*facts["metadata"].get("dx", []), *codes]
    if unmapped:
        facts["metadata"]["unmapped_dx"] = [*facts["metadata"].get("unmapped_dx", []), *unmapped]
    return True


def _take_json(facts: dict[str, Any], key: str, value: str) -> bool:
    try:
        found = json.loads(value)
        if key == "statements":
            found = {str(code): float(likelihood) for code, likelihood in found.items()}
    except (ValueError, TypeError):
        return False
    facts[key] = {**facts.get(key, {}), **found}
    return True


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
