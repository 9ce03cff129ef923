"""Splits a report into tokens: meanings, leads, numbers, breaks, unknown words, each with its place in the text."""

import re
from dataclasses import dataclass, field

from gen.text.lexicon import lexicon

#: Longest text that is read; a clinical report has hundreds of characters.
MAX_CHARS = 20_000

_TOKEN = re.compile(
    r"""
    (?P<machine>\d\.\d\d\s{1,40}unbest\S{0,12}\s{1,5}bericht)       # a device's program version and "unconfirmed"
  | (?P<special>(?<!\w)(?:a\s?[-.]\s?v(?!\w)\.?|v\.\s?a\.|v\.\s?d\.|z\.\s?n\.|[rwch]/o(?!\w)|c/w(?!\w)|s/p(?!\w)
        |1st|2nd|3rd|f\#r|non?-?q(?!\w)|[123]avb(?!\w)))
  | (?P<chest>(?<!\w)v\s?[1-6](?!\d)(?:\s?[-,/+&]\s?v?[1-6](?![\d/]))*)
  | (?P<limb>(?<!\w)(?a:av[rlf]|i{1,3})(?!\w))
  | (?P<date>\d{1,2}[.:]\d{1,2}[.:]\d{2,4}(?!\d)|\d{1,2}:\d{1,2}(?!\d))  # tracing of 6:4:92; conduction 2:1
  | (?P<number>(?:(?<![\w)-])[-+−])?\d{1,9}(?:[.,]\d{1,6})?)
  | (?P<word>(?:[^\W\d_]|['’](?=[^\W\d_]))+(?:\([a-z]{1,2}\))?)
  | (?P<mark>[.;,?|\n&+])
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SPECIAL = {
    "va": ("possible",),
    "vd": ("possible",),
    "zn": ("old",),
    "ro": ("rule", "out"),
    "wo": ("no",),
    "co": (),
    "ho": ("old",),
    "cw": ("consistent",),
    "sp": ("old",),
    "1st": ("first",),
    "2nd": ("second",),
    "3rd": ("third",),
    "f#r": (),  # "für" in a damaged encoding
    "1avb": ("first", "degree", "av", "block"),
    "2avb": ("second", "degree", "av", "block"),
    "3avb": ("third", "degree", "av", "block"),
}
_MARKS = {".": ".", ";": ".", "|": ".", "?": "?", ",": ",", "\n": ",", "&": "and", "+": "and"}
#: A full stop after one of these ends an abbreviation, not a sentence.
_ABBREVIATIONS = {
    "unbest", "path", "intraventr", "ventr", "supraventr", "mögl", "moegl", "ant", "inf", "lat", "neg", "pos",
    "chron", "kompl", "inkompl", "vollst", "unvollst", "abl", "evtl", "ev", "bzw", "ca", "insbes", "spez",
    "unspez", "konsist", "str", "susp", "fragl", "prob", "poss", "incompl", "incl", "approx", "abn", "ggf",
    "li", "re", "ges", "resp",
}  # fmt: skip
_SPLIT = re.compile(r"[\s.,/-]")


@dataclass(slots=True)
class Token:
    """One unit of meaning; several tokens of a compound share one place."""

    meaning: (
        str  #: canonical word, '.', ',', '?', '1', '2', '3' or '#' for a number, a lead in lower case, '' for unknown
    )
    start: int
    end: int
    leads: tuple[str, ...] = field(default=())
    value: float | None = None


def tokenise(text: str) -> list[Token]:
    """Tokens of a text in order; words without weight are left out, unknown words have the meaning ''."""
    words = lexicon()
    tokens: list[Token] = []
    last_word = ""
    for match in _TOKEN.finditer(text):
        kind, raw, (start, end) = match.lastgroup, match.group(), match.span()
        if kind == "word":
            last_word = raw.lower()
            meanings = words(raw.partition("(")[0])
            if meanings is None:
                tokens.append(Token("", start, end))
            else:
                tokens.extend([Token(meaning, start, end) for meaning in meanings])
            continue
        if kind == "mark":
            mark = _MARKS[raw]
            abbreviated = raw == "." and tokens and tokens[-1].end == start and last_word in _ABBREVIATIONS
            after_number = raw == "." and tokens and tokens[-1].value is not None
            decimal = after_number and not text[start + 1 : start + 2].isspace()
            if not abbreviated and not decimal:
                tokens.append(Token(mark, start, end))
        elif kind == "number":
            meaning = raw if raw in ("1", "2", "3") else "#"
            tokens.append(Token(meaning, start, end, value=float(raw.replace("−", "-").replace(",", "."))))
        elif kind in ("chest", "limb"):
            leads = _chest_leads(raw) if kind == "chest" else (_LIMB[raw.lower()],)
            tokens.append(Token(leads[0].lower(), start, end, leads))
        elif kind == "date" and len(raw) == 3:
            tokens.append(Token("ratio", start, end))  # 2:1 conduction
        elif kind == "special":
            key = _SPLIT.sub("", raw.lower())
            tokens.extend(Token(meaning, start, end) for meaning in _SPECIAL.get(key, ("av",) if key == "av" else ()))
        last_word = ""
    return tokens


_LIMB = {"avr": "aVR", "avl": "aVL", "avf": "aVF", "i": "I", "ii": "II", "iii": "III"}
_DIGIT = re.compile(r"([-]?)[^1-6-]*([1-6])")


def _chest_leads(raw: str) -> tuple[str, ...]:
    """``v4,5,6`` and ``V4-6`` -> V4 V5 V6."""
    found: list[int] = []
    for dash, digit in _DIGIT.findall(raw):
        number = int(digit)
        if dash and found and number > found[-1]:
            found.extend(range(found[-1] + 1, number + 1))
        else:
            found.append(number)
    return tuple(f"V{number}" for number in dict.fromkeys(found))
