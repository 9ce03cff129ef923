"""Splits a report into tokens: meanings, leads, numbers, breaks, unknown words, each with its place in the text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from gen.text.lexicon import chinese, lexicon
from gen.text.turns import LIMITS, PATTERN, meanings_of

#: Longest text that is read; a clinical report has hundreds of characters.
MAX_CHARS = 20_000

#: Beginnings that a hyphen may set apart from their word: "pre-excitation", "bi-atrial".
_JOINED = (
    "pre", "pré", "re", "ré", "bi", "tri", "sous", "intra", "supra", "sopra", "idio", "peri", "sub", "micro", "multi",
    "extra", "hyper", "hypo", "hiper", "hipo", "brady", "tachy", "tachi", "taqui", "anti", "sino", "seno", "auriculo",
    "atrio",
)  # fmt: skip
_TOKEN = re.compile(
    r"""
    (?P<machine>\d\.\d\d\s{1,40}unbest\S{0,12}\s{1,5}bericht)       # a device's program version and "unconfirmed"
  | (?P<criteria>\[(?=[^]]{0,200}(?:[<>]|\d\s?\+?\s?m[vsm]))[^][\n]{0,200}\])  # "[QRS AXIS < -30]": why, not what
  | (?P<special>(?<!\w)(?:a\s?[-.]\s?v(?!\w)\.?|v\.\s?a\.|v\.\s?d\.|z\.\s?n\.|[rwch]/o(?!\w)|c/w(?!\w)|s/p(?!\w)
        |v[-.]?\s?(?:tach|fib)|a[-.]?\s?fib|[123]\s?°(?=\s?av)|o\.\s?b\.|u\.\s?a\.|(?:[ⅠⅡⅢ]|(?<!\w)i{1,3})\s?度
        |1st|2nd|3rd|[123](?:er|e|[èe]re|[èe]me|[ºª]|[dr]o|ste|de)(?=\s+(?:degr|gra))|f\#r|non?-?q(?!\w)|[123]avb(?!\w))
      |(?<=度)(?:[ⅠⅡ]|i{1,2})(?=型))
  | (?P<sinus>(?-i:(?<!\w)RSR?)(?=\s(?:[àa@]\s?)?\d\d))            # ritmo sinusal, rythme sinusal; not the wave
  | (?P<sinustach>(?-i:(?<!\w)ST)(?=\s(?:(?:at|@|rate|of)\s?)?(?:9\d|[12]\d\d)(?!\d|[.,]\d|\s?(?:ms|[mµu]v|mm))))
  | (?P<type>(?-i:(?<!\w)[LR]T)(?=\s?(?:[,;.\n]|$)))          # Linkstyp, Rechtstyp
  | (?P<asked>(?<![^\s,;:.(/])\?\s?(?=[^\W\d_]|\d(?:st|nd|rd)))  # "?PE" asks for what comes after it
  | (?P<decade>(?<!\w)\d{1,2}0['’]?s(?!\w))                            # "in the 130s" is no value
  | (?P<person>(?-i:(?<!\w)\d\d\s?(?:y/?o\s?)?[MF](?!\w)))               # "45F", "68 y/o M"
  | (?P<turn>TURNS)
  | (?P<chest>(?<!\w)v\s?[1-6](?!\d)(?:(?:\s?[-–,/+&]\s?v?|\s(?:UNTIL)\s+v)[1-6](?![\d/]))*)
  | (?P<limb>(?<!\w)(?a:av[rlf]|i{1,3})(?!\w)(?:\.(?=\s?gr))?)
  | (?P<date>\d{1,2}[.:]\d{1,2}[.:]\d{2,4}(?!\d)|\d{1,2}:\d{1,2}(?!\d)
        |(?<![\d/])[1-9]/1(?![\d/]))                                     # tracing of 6:4:92; conduction 2:1
  | (?P<number>(?:(?:(?<![\w)-])|(?<=[\u4e00-\u9fff]))(?:[-+−]|(?:minus|plus)\s))?\d{1,9}(?:[.,]\d{1,6})?)
  | (?P<limit>[<>≤≥]\s?(?=\d)|(?<!\w)(?:LIMITS)(?=\s+\d))
  | (?P<at>@)
  | (?P<arrow>-{1,2}>|=>|→)                                              # "AF -> SR"
  | (?P<han>[\u4e00-\u9fff]+)
  | (?P<word>(?:(?:JOINED)[-‐](?=[^\W\d_]{4}))?(?:(?![\u4e00-\u9fff])[^\W\d_]|['’](?=[^\W\d_]))+(?:\([a-z]{1,2}\))?)
  | (?P<mark>[.;,?|\n&+，、。；？])
    """.replace("TURNS", PATTERN)
    .replace("LIMITS", LIMITS)
    .replace("UNTIL", r"to|thru|through|bis|till|tot|t/m|à|al?|hasta|fino\s+a")
    .replace("JOINED", "|".join(_JOINED)),
    re.VERBOSE | re.IGNORECASE,
)
_SPECIAL = {
    "va": ("possible",),
    "vd": ("possible",),
    "zn": ("formerly",),
    "ro": ("rule", "out"),
    "wo": ("no",),
    "co": (),
    "ho": ("history",),
    "cw": ("consistent",),
    "sp": ("formerly",),
    "vtach": ("ventricular", "tachycardia"),
    "vfib": ("ventricular", "fibrillation"),
    "afib": ("atrial", "fibrillation"),
    "1°": ("first", "degree"),
    "2°": ("second", "degree"),
    "3°": ("third", "degree"),
    "ob": ("normal",),
    "ua": ("normal",),
    "i度": ("first", "degree"),
    "ii度": ("second", "degree"),
    "iii度": ("third", "degree"),
    "i": ("mobitz",),
    "ii": ("mobitz",),
    "1st": ("first",),
    "2nd": ("second",),
    "3rd": ("third",),
    "f#r": (),  # "für" in a damaged encoding
    "1avb": ("first", "degree", "av", "block"),
    "2avb": ("second", "degree", "av", "block"),
    "3avb": ("third", "degree", "av", "block"),
}
_MARKS = {".": ".", ";": ".", "|": ".", "?": "?", ",": ",", "\n": ",", "&": "and", "+": "and"} | dict(
    zip("，、。；？", ",,..?", strict=True)
)
#: A full stop after one of these ends an abbreviation, not a sentence.
_ABBREVIATIONS = {
    "unbest", "path", "intraventr", "ventr", "supraventr", "mögl", "moegl", "ant", "inf", "lat", "neg", "pos",
    "chron", "kompl", "inkompl", "vollst", "unvollst", "abl", "evtl", "ev", "bzw", "ca", "insbes", "spez",
    "unspez", "konsist", "str", "susp", "fragl", "prob", "poss", "incompl", "incl", "approx", "abn", "ggf",
    "li", "re", "ges", "resp", "vs", "max", "min",
}  # fmt: skip
#: Articles and prepositions that lose their vowel before a word: "l'infarctus", "d'hypertrophie", "dell'onda".
_ELIDED = re.compile(r"(?:[dlnsct]|qu|(?:d|n|s|a)?ell|[ad]all|sull|all|un|quest)['’](?=\w{2})", re.IGNORECASE)
_HYPHEN = re.compile("[-‐]")
_OWNED = re.compile(r"['’]s$", re.IGNORECASE)
#: Words that depend on capitals: "ES" is no "es", and "la" no "LA" or "lae".
_BY_CASE: dict[str, tuple[str, ...]] = {"ES": ("premature", "beat"), "la": (), "La": (),
    "EV": ("ventricular", "premature", "beat"), "EVs": ("ventricular", "premature", "beat"),
    "BER": ("early", "repolarisation"), "AT": ("atrial", "tachycardia"), "Ts": ("t",), "Qs": ("q",),
    "HAD": ("right", "atrial", "enlargement"),
}  # fmt: skip
#: Dutch words, beside which "of" is "or".
_DUTCH = re.compile(
    r"\b(?:geen|voor|niet|met|het|een|van|bij|oude?|mogelijke?|ritme|\w+blok|\w+ritme|ischemie)\b", re.IGNORECASE
)
_ORDINALS = {"1": "first", "2": "second", "3": "third"}
_ROMAN = str.maketrans({"Ⅰ": "i", "Ⅱ": "ii", "Ⅲ": "iii", "ⅰ": "i", "ⅱ": "ii", "ⅲ": "iii"})
_SIGNS = re.compile(r"^(?:−|minus\s)")
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
    dutch = _DUTCH.search(text) is not None
    shouting = text.upper() == text and text.count(" ") > 2
    tokens: list[Token] = []
    last_word = ""
    for match in _TOKEN.finditer(text):
        kind, raw, (start, end) = match.lastgroup, match.group(), match.span()
        if kind == "word":
            raw = _HYPHEN.sub("", raw)
            last_word = raw.lower()
            meanings = _BY_CASE.get(raw) if not shouting else None
            meanings = ("or",) if dutch and last_word == "of" else meanings
            meanings = words(raw.partition("(")[0]) if meanings is None else meanings
            if meanings is None and (elided := _ELIDED.match(raw)):
                meanings = words(raw[elided.end() :])
            if meanings is None and (owned := _OWNED.search(raw)):  # "PVC's", "mother's"
                meanings = words(raw[: owned.start()])
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
            tokens.append(
                Token(
                    meaning,
                    start,
                    end,
                    value=float(_SIGNS.sub("-", raw.lower()).removeprefix("plus ").replace(",", ".")),
                )
            )
        elif kind in ("chest", "limb"):
            leads = _chest_leads(raw) if kind == "chest" else (_LIMB[raw.lower().rstrip(".")],)
            tokens.append(Token(leads[0].lower(), start, end, leads))
        elif kind == "date" and len(raw) == 3:
            tokens.append(Token("ratio", start, end))  # 2:1 conduction
        elif kind == "turn":
            tokens.extend(Token(meaning, start, end) for meaning in meanings_of(text, start, end))
        elif kind == "sinus":
            tokens.extend(Token(meaning, start, end) for meaning in ("sinus", "rhythm"))
        elif kind == "sinustach":
            tokens.extend(Token(meaning, start, end) for meaning in ("sinus", "tachycardia"))
        elif kind == "type":
            tokens.extend(Token(meaning, start, end) for meaning in ("left" if raw[0] == "L" else "right", "axis"))
        elif kind == "asked":
            tokens.append(Token("asked", start, end))
        elif kind == "decade":
            tokens.extend((Token("limit", start, end), Token("#", start, end, value=float(raw[:-1].rstrip("'’")))))
        elif kind == "criteria":
            tokens.append(Token("", start, end))
        elif kind == "arrow":
            tokens.append(Token("gaveway", start, end))
        elif kind == "person":
            tokens.extend((Token("#", start, end, value=float(raw[:2])), Token("year", start, end)))
        elif kind in ("limit", "at"):
            tokens.append(Token(kind, start, end))
        elif kind == "han":
            tokens.extend(_chinese(raw, start))
        elif kind == "special":
            key = _SPLIT.sub("", raw.lower().translate(_ROMAN))
            other = ("av",) if key == "av" else (_ORDINALS[key[0]],) if key[0] in _ORDINALS else ()
            tokens.extend(Token(meaning, start, end) for meaning in _SPECIAL.get(key, other))
        last_word = ""
    return list(_completed(tokens, text))


def _completed(tokens: list[Token], text: str) -> Iterator[Token]:
    """Give a first part that ends in a hyphen the rest of the compound it shares: "Rechts- oder Linksschenkelblock"."""
    for k, token in enumerate(tokens):
        yield token
        if text[token.end : token.end + 1] == "-" and [t.meaning for t in tokens[k + 1 : k + 2]] in (["or"], ["and"]):
            whole = [t for t in tokens[k + 2 : k + 8] if (t.start, t.end) == (tokens[k + 2].start, tokens[k + 2].end)]
            for rest in whole[1:]:
                yield Token(rest.meaning, token.start, token.end)


def _chinese(raw: str, start: int) -> list[Token]:
    """Chinese characters, cut by the longest word first; characters of no word are unknown one run at a time."""
    table, tokens, position, unknown = chinese(), [], 0, 0
    longest = max(map(len, table))
    while position < len(raw):
        length = next(
            (n for n in range(min(longest, len(raw) - position), 0, -1) if raw[position : position + n] in table), 0
        )
        if not length:
            position += 1
            continue
        if unknown < position:
            tokens.append(Token("", start + unknown, start + position))
        here, there = start + position, start + position + length
        tokens.extend(Token(meaning, here, there) for meaning in table[raw[position : position + length]])
        position += length
        unknown = position
    if unknown < len(raw):
        tokens.append(Token("", start + unknown, start + len(raw)))
    return tokens


_LIMB = {"avr": "aVR", "avl": "aVL", "avf": "aVF", "i": "I", "ii": "II", "iii": "III"}
_DIGIT = re.compile(r"([-–]|\s[a-zà/ ]+\s)?[^1-6–-]*?([1-6])", re.IGNORECASE)


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
