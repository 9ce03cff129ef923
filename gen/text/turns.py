"""Turns of phrase whose words mean something else together: "replaced by", "negative for", "non si può escludere"."""

import re

#: Pattern between word boundaries, and the meanings that it stands for; the first that fits counts.
_TURNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    # What stands before it is gone, what stands after it is there.
    (r"(?:now\s+(?:been\s+)?)?(?:replaced|supplanted)\s+(?:by|with)", ("gaveway",)),
    (r"converted\s+(?:in)?to|g[ai]v(?:e|en)\s+way\s+to", ("gaveway",)),
    (r"(?:abgelöst|ersetzt)\s+(?:durch|von)|übergegangen\s+in|konvertiert\s+(?:in|zu)", ("gaveway",)),
    (r"ersatts\s+av|övergått\s+(?:i|till)", ("gaveway",)),
    (r"(?:a\s+été\s+)?remplacée?s?\s+par|convertie?s?\s+en", ("gaveway",)),
    (r"(?:ha\s+sido\s+)?(?:reemplazad|sustituid)[oa]s?\s+por", ("gaveway",)),
    (r"(?:è\s+stat[oa]\s+)?sostituit[oaie]\s+d(?:a|al|alla|allo)", ("gaveway",)),
    (r"vervangen\s+door|overgegaan\s+in", ("gaveway",)),
    # What stands after it is gone.
    (
        r"(?:ha\s+)?(?:reemplazado|sustituido)\s+al?|(?:ha|hanno)\s+sostituito|en\s+(?:lugar|vez)\s+de(?:l)?",
        ("replaced",),
    ),
    (r"al\s+posto\s+d\w+|invece\s+d\w+|in\s+plaats\s+van|à\s+la\s+place\s+d\w+|au\s+lieu\s+d\w+", ("replaced",)),
    # Denied.
    (r"pas\s+(?:d['’]arguments?|d['’]éléments?|de\s+signes?)\s+(?:pour|en\s+faveur\s+d(?:e|u|es)?)", ("no",)),
    (
        r"n(?:e\s+|['’])(?:sont|est|a|ont|montre(?:nt)?)\s+(?:plus|pas)(?:\s+(?:été\s+)?(?:visible|présent|retrouvé)\w*)?",
        ("no",),
    ),
    (r"nega(?:tiv[eo]?|tief|tivt?)\s+(?:for|für|fuer|för|pour|para|per|voor)", ("no",)),
    (r"non\s+(?:(?:è|sono)\s+)?più(?:\s+(?:present|visibil|evident)[ei])?", ("no",)),
    (
        r"non\s+(?:(?:vi|ci)\s+(?:è|sono)\s+|c['’]è\s+|si\s+(?:osserva|evidenzia|rileva|documenta)(?:no)?\s+)?"
        r"(?:segn[io]|evidenza|alterazioni|evidenti)\s+(?:di|del|della)",
        ("no",),
    ),
    (r"non\s+(?:(?:vi|ci)\s+(?:è|sono)|c['’]è|si\s+(?:osserva|evidenzia|rileva|documenta)(?:no)?)", ("no",)),
    (r"(?:gått\s+)?i\s+(?:regress|tillbakagång)", ("gone",)),
    # In doubt: it cannot be ruled out.
    (r"(?:on\s+)?ne\s+peut(?:\s+pas)?(?:\s+être)?\s+exclu\w*|ne\s+permet\s+pas\s+d['’]exclure", ("no", "exclude")),
    (r"n['’]exclut?\s+pas|non\s+esclude|no\s+(?:excluye|descarta)", ("no", "exclude")),
    (r"no\s+(?:se\s+puede|es\s+posible|puede)\s+(?:descartar|excluir)(?:se)?", ("no", "exclude")),
    (r"non\s+(?:si\s+può|è\s+possibile|può\s+essere)\s+esclu\w*|non\s+escludibile", ("no", "exclude")),
    (r"niet\s+uit\s+te\s+sluiten|(?:kan\s+)?niet\s+(?:worden\s+)?uitgesloten(?:\s+worden)?", ("no", "excluded")),
    (r"bekend\s+met", ("history",)),
    # Words that the signs between their parts would tear apart.
    (r"s\s?1\s?,?\s?q\s?3\s?,?\s?t\s?3", ("s1q3t3",)),
    (r"sus[-\s]?d[ée]calages?", ("elevation",)),
    (r"sous[-\s]?d[ée]calages?", ("depression",)),
    (r"t[- ]?toppen", ("t",)),
    (r"[eé]lectro[- ]?entra[iî]n[eé]", ("pacemaker",)),
)
#: All of them, for a verbose pattern that ignores case.
PATTERN = "|".join(rf"(?<!\w)(?:{pattern})(?!\w)" for pattern, _ in _TURNS)
_COMPILED = tuple((re.compile(pattern, re.IGNORECASE), meanings) for pattern, meanings in _TURNS)


def meanings_of(turn: str) -> tuple[str, ...]:
    """Meanings of a text that `PATTERN` matched."""
    return next(meanings for pattern, meanings in _COMPILED if pattern.fullmatch(turn))
