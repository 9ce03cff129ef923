"""Turns of phrase whose words mean something else together: "replaced by", "negative for", "non si può escludere"."""

import re

#: Pattern between word boundaries, and the meanings that it stands for; the first that fits counts.
_TURNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    # What stands before it is gone, what stands after it is there.
    (r"(?:now\s+(?:been\s+)?)?(?:replaced|supplanted)\s+(?:by|with)", ("gaveway",)),
    (
        r"(?:cardioverted|reverted|changed)\s+(?:back\s+)?(?:in)?to|(?:réduit|revenu)e?s?\s+en|(?:revertid|convertid)[oa]s?\s+[ae]n?"
        r"|(?:convertit|ritornat)[oaie]\s+(?:in|a)|omgezet\s+(?:in|naar)|konvertera(?:t|d|de)\s+till|umgeschlagen\s+in",
        ("gaveway",),
    ),
    (r"no\s+visible(?=\s+(?!(?:en|in|on|at|now|any|hoy)\b)\w)", ("no",)),
    # A change, or its amount, is no value and no statement of what is there now.
    (r"(?:vor[-\s]?(?:ekg|befund|aufzeichnung)|vorig(?:es|e|en|er)?\s+e[ck]g)\w*", ("old",)),
    (
        r"(?:(?:has|have)\s+)?(?:slightly\s+)?(?:in|de)creased\s+by|(?:up|down)\s+by|(?:augment|diminu|dismin|aument)\w+\s+(?:de|en|di)(?=\s+\d)"
        r"|(?:toe|af)genomen\s+met|(?:ökat|minskat)\s+med",
        ("grown", "limit"),
    ),
    (
        r"(?:has|have)\s+(?:slightly\s+|further\s+)?(?:shortened|lengthened|widened|narrowed|increased|decreased|slowed|risen|fallen)",
        ("grown",),
    ),
    (
        r"um(?=\s+\d+\s?(?:/\s?min|bpm|ms)?\s?(?:\w+\s)?(?:(?:ab|zu)genommen|gestiegen|gesunken|gefallen|schneller|langsamer))",
        ("limit",),
    ),
    (r"converted\s+(?:in)?to|g[ai]v(?:e|en)\s+way\s+to", ("gaveway",)),
    (
        r"(?:abgelöst|ersetzt)\s+(?:durch|von)|übergegangen\s+in"
        r"|(?:konvertierte?n?|umgesprungen|sprang(?:\s+um)?)\s+(?:in|zu)",
        ("gaveway",),
    ),
    (r"ersatts\s+av|(?:övergått|gått\s+över|slagit\s+(?:om|över))\s+(?:i|till)", ("gaveway",)),
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
    (
        r"(?:(?:is|was)\s+)?(?:not|n['’]t)\s+(?:present|seen|evident|visible|there|noted)\s+(?:before|previously|earlier|prior)"
        r"|(?:nicht\s+vorbestehend|(?:zuvor|vorher|früher)\s+nicht\s+(?:vorhanden|nachweisbar|sichtbar)|ej\s+tidigare|fanns\s+inte\s+tidigare"
        r"|non\s+(?:présente?s?|connue?s?)\s+(?:auparavant|antérieurement)|no\s+(?:presente|conocid[oa])\s+previamente"
        r"|non\s+(?:presente|not[oa])\s+(?:in\s+precedenza|precedentemente)|niet\s+eerder(?:\s+(?:aanwezig|bekend|gezien))?)",
        ("now",),
    ),
    # Denied.
    (r"pas\s+(?:d['’]arguments?|d['’]éléments?|de\s+signes?)\s+(?:pour|en\s+faveur\s+d(?:e|u|es)?)", ("no",)),
    (
        r"n(?:e\s+|['’])(?:sont|est|a|ont|montre(?:nt)?)\s+(?:plus|pas)(?:\s+(?:été\s+)?(?:visible|présent|retrouvé)\w*)?",
        ("no",),
    ),
    # Denied by what follows: "is not present on this tracing".
    (
        r"(?:(?:is|are|was|were|has|have)\s+)(?:no\s+longer|not|n[o']t)\s+(?:been\s+)?"
        r"(?:present|seen|evident|visible|apparent|demonstrated|identified|detected|noted|appreciated|found|observed)",
        ("absentpost",),
    ),
    (
        r"(?:(?:ist|sind)\s+)?nicht\s+(?:mehr\s+)?(?:nachweisbar|vorhanden|sichtbar|erkennbar|zu\s+sehen|gegeben)",
        ("absentpost",),
    ),
    (
        r"(?:no|non|niet|ej|inte)\s+(?:(?:è|est|es|är|is|sono|son)\s+)?(?:visib(?:le|il)[ei]?s?|zichtbaar|aanwezig|synlig\w*|presente?s?|presenti)",
        ("absentpost",),
    ),
    (r"(?:no\s+se\s+(?:observa|aprecia|evidencia|ve)n?|non\s+si\s+(?:vede|vedono|apprezza(?:no)?))", ("no",)),
    (r"n[ée]ga(?:tiv[eo]?|tief|tivt?|tif|tive)\s+(?:for|für|fuer|för|pour|para|per|voor)", ("no",)),
    (r"non\s+(?:(?:è|sono)\s+)?più(?:\s+(?:present|visibil|evident)[ei])?", ("no",)),
    (
        r"non\s+(?:(?:vi|ci)\s+(?:è|sono)\s+|c['’]è\s+|si\s+(?:osserva|evidenzia|rileva|documenta)(?:no)?\s+)?"
        r"(?:(?:evidenti\s+)?segn[io]|evidenza|evidenti)\s+(?:di|del|della)",
        ("no",),
    ),
    (r"non\s+(?:(?:vi|ci)\s+(?:è|sono)|c['’]è|si\s+(?:osserva|evidenzia|rileva|documenta)(?:no)?)", ("no",)),
    (r"neg\.?\s+for", ("no",)),
    (
        r"(?:non?|niet|nicht|ej|icke)[-\s]?(?:sostenid[ao]s?|sostenut[aoei]|soutenue?s?|sustained|aanhoudende?|anhaltende?n?|ihållande)",
        (),
    ),
    (
        r"qt(?:[-\s](?:interval|zeit|tid))?\s+(?:corr(?:igé|egido)|corrected|corretto|korrigiert\w*|gecorrigeerd\w*|korrigera\w*)",
        ("qtc",),
    ),
    (r"non\s+(?:alterazioni|modificazioni|anomalie)\s+(?:di|del|della)", ("no", "change")),
    (r"réduite?s?\s+(?:par|après)", ("gone",)),
    (r"(?:gått\s+)?i\s+(?:regress|tillbakagång)", ("gone",)),
    # In doubt: it cannot be ruled out.
    (r"(?:on\s+)?ne\s+peut(?:\s+pas)?(?:\s+être)?\s+exclu\w*|ne\s+permet\s+pas\s+d['’]exclure", ("no", "exclude")),
    (r"n['’]exclut?\s+pas|no[n]?\s+(?:s[ei]\s+)?(?:esclud(?:e|ono)|(?:excluye|descarta)n?)", ("no", "exclude")),
    (r"se\s+(?:descarta|excluye)n?|si\s+esclud(?:e|ono)", ("no",)),
    # What was before a treatment is over.
    (
        r"(?:vor|before|prior\s+to|avant|antes\s+de|prima\s+d(?:i|ella)|vóór|voor|före)\s+(?:(?:der|the|la)\s+)?"
        r"(?:[ck]ardiover\w+|ablation|ablación|ablazione|ablatie)",
        ("history",),
    ),
    (
        r"(?:nach|after|post|following|après|después\s+de|dopo|na|efter|s/p)[\s-]+(?:(?:der|the|la)\s+)?"
        r"(?:[ck]ardiover\w+|ablation|ablación|ablazione|ablatie)",
        ("now",),
    ),
    (r"en\s+(?:cours|curso|[ée]voluci[óo]n|évolution)|in\s+(?:corso|evoluzione)", ("acute",)),
    (r"por\s+lo\s+demás|per\s+il\s+resto|par\s+ailleurs|i\s+övrigt|voor\s+het\s+overige", ("otherwise",)),
    (r"no\s+(?:se\s+puede|es\s+posible|puede)\s+(?:descartar|excluir)(?:se)?", ("no", "exclude")),
    (r"non\s+(?:si\s+può|è\s+possibile|può\s+essere)\s+esclu\w*|non\s+escludibile", ("no", "exclude")),
    (r"niet\s+uit\s+te\s+sluiten|(?:kan\s+)?niet\s+(?:worden\s+)?uitgesloten(?:\s+worden)?", ("no", "excluded")),
    (r"bekend\s+met", ("history",)),
    # Rates of the atria beside those of the ventricles: "flutter waves at 300/min", "F-Wellen 280/min".
    (
        r"flutter\s?-?(?:waves?|wellen|vågor)\s+(?:at|rate|mit|med|@)(?:\s+(?:a\s+)?rate\s+of)?",
        ("flutter", "atrial-rate"),
    ),
    (r"(?:p|f)[-\s](?:waves?|wellen|vågor)\s+(?:at|rate|mit|med|@)(?:\s+(?:a\s+)?rate\s+of)?", ("atrial-rate",)),
    (r"atria\s+at|(?:ondes?|onde|ondas)\s+[fp]\s+(?:à|a)", ("atrial-rate",)),
    (r"(?:and|und|och|et|y|e|en)\s?/\s?(?:or|oder|eller|ou|o|of)", ("or",)),
    # "f.c." and "beats a minute" in other words.
    (r"f\.\s?c\.", ("hr",)),
    (
        r"(?:batt(?:iti|ements)?\.?|lat(?:idos)?\.?|slag(?:en)?|puls(?:aciones)?|schläge)\s?(?:/|par|por|al|per|pro)\s?min(?:ut[eo]|uut)?",
        ("unit_bpm",),
    ),
    # What a machine says of its own work, and arteries that share a name with an axis.
    (r"interpretation\s+assumes\s+no\s+reversal|cited\s+on\s+or\s+before", ()),
    (
        r"(?:data\s+)?quality\s+may\s+affect\s+interpretation|(?:wandering|poor|noisy|unstable)\s+baseline"
        r"|baseline\s+wander(?:ing)?",
        ("artefact",),
    ),
    (r"(?:\(\s?)(?:prox(?:imal)?\s+|mid\s+|distal\s+)?lad(?:\s?\))", ("",)),
    (
        r"(?:prox(?:imal)?|mid|distal|wrap(?:around)?)[-\s]+lad"
        r"|lad[-\s]+(?:occlusion|lesion|stenosis|territory|disease|stent\w*)",
        ("",),
    ),
    (r"cor\s+pulmonale", ("",)),
    (r"small(?=\s+qrs)", ("low",)),
    (r"\d\d\s?hz", ()),
    (
        r"no\s+(?:significant\s+|other\s+|definite\s+)?abnormalit(?:y|ies)(?:\s+(?:detected|seen|noted|found|identified))?(?=\s*(?:[.,;]|$))",
        ("normal", "ecg"),
    ),
    (r"(?<![\w)]\s)(?:geen\s+(?:bijzonderheden|afwijkingen)|sin\s+alteraciones)(?=\s*(?:[.,;]|$))", ("normal", "ecg")),
    (
        r"(?:sans\s+(?:particularité|anomalie)s?|sin\s+(?:alteraciones|anomalías)|senza\s+(?:alterazioni|anomalie)|geen\s+(?:bijzonderheden|afwijkingen)"
        r"|utan\s+(?:anmärkning|avvikelser))(?=\s*(?:[.,;]|$))",
        ("normal",),
    ),
    (r"ac\s?/\s?fa|fibrillo[-\s]?flutter", ("atrial", "fibrillation")),
    (r"s\s?1\s?q\s?3", ("",)),
    (r"t[-\s]?top(?:pen)?[-\s]?inversi\w+", ("t", "inverted")),
    (r"sugg\w+\s+(?:of)?,?\s+(?:but\s+)?not\s+diagnostic\s+(?:of|for),?", ("possible",)),
    (
        r"non(?=\s+(?:extrasist|aritmi|blocc|ischem|ritard|paus|ond[ea]|sopra|sotto|ipertrof|ingrand|infart|fibrill|flutter|tachi|bradi"
        r"|preecc|tv|bev|besv|lesion|necrosi|deviazion|dilat)\w*)",
        ("no",),
    ),
    (
        r"(?:no|without)\s+(?:clear\s+|definite\s+)?(?:e[ck]g|electrocardiograph\w*)\s+(?:evidence|signs?|criteria|features)\s+(?:of|for)",
        ("no",),
    ),
    (r"(?:ca|could|do|does|did|is|was|are|were)n?['’]t|can\s+not", ("no",)),
    (r"c/f", ("possible",)),
    (r"(?:converted|reverted|changed|switched|conversion|transition(?:ed)?)\s+from", ("replaced",)),
    (r"corrected\s+qt(?:\s+interval)?|corrected(?=\s+(?:to\s+)?\d{3})|korrigiert(?=\s+\d{3})", ("qtc",)),
    (
        r"\(\s*(?:CRITERIA)(?:\s*,\s*(?:CRITERIA))*\s*\)".replace(
            "CRITERIA", r"r\s+in\s+avl|sokolow[-\s]lyon|cornell\s+(?:product|voltage)|romhilt[-\s]estes"
        ),
        (),
    ),
    (r"(?:atrial|ventricular|[av])[-\s]sensed(?:\s+rhythm)?", ()),
    (r"a\.\s?e\.", ("possible",)),
    (
        r"(?:revertid|convertid|terminad)[oa]s?\s+(?:con|por|tras)|(?:converted|reverted)\s+(?:with|by|after|following)",
        ("gone",),
    ),
    # To be ruled out is not ruled out.
    (
        r"(?:à|a|para|per|zum|to)\s+(?:éliminer|exclure|descartar|excluir|escludere|exclude|ausschluss|rule\s+out)",
        ("rule", "out"),
    ),
    # Words that mean something else in another language, or beside another word.
    (r"v[äa][-\s]?ställd\w*", ("left", "axis")),
    (r"h[öo][-\s]?ställd\w*", ("right", "axis")),
    (r"el[-\s]?axel", ("axis",)),
    (r"qrs[-\s]?breite", ("qrs",)),
    (r"bigemin\w+\s+ventric\w+|bigéminisme\s+ventric\w+", ("ventricular", "bigeminy")),
    (r"trigemin\w+\s+ventric\w+|trigéminisme\s+ventric\w+", ("ventricular", "trigeminy")),
    (r"(?:bigemin|bigémin)\w+\s+(?:auricula(?:r|ire)|atriale|s[ou]p\w*ventric\w+)", ("atrial", "bigeminy")),
    (r"am\s+ehesten", ("possible",)),
    (r"in\s+atto", ("acute",)),
    (
        r"technically\s+(?:difficult|limited|poor|inadequate|unsatisfactory)(?:\s+(?:study|tracing|ecg|recording))?",
        ("artefact",),
    ),
    (r"lage\s+(?:qrs[-\s])?voltages?", ("low", "voltage")),
    (r"(?:normale|intermediaire)\s+(?:elektrische\s+|hart)?as", ("normal", "axis")),
    (r"(?:elektrische\s+)?as\s+naar\s+links|linker\s+as", ("left", "axis")),
    (r"(?:elektrische\s+)?as\s+naar\s+rechts|rechter\s+as", ("right", "axis")),
    (r"tracé\s+(?:est\s+)?normal", ("normal", "ecg")),
    # Words that the signs between their parts would tear apart.
    (r"s\s?1\s?,?\s?q\s?3\s?,?\s?t\s?3", ("s1q3t3",)),
    (r"ondes?\s+q\s+de\s+n[ée]crose", ("q",)),
    (r"(?:sca|idm|iam)\s+(?:avec\s+|con\s+)?st\s?\+|stemi", ("stemi",)),
    (r"(?:sca|idm|iam)\s+(?:non[-\s]?st\s?\+|(?:sans\s+|sin\s+)?st\s?[-−])", ("nstemi",)),
    (r"sus(?=[-\s]st\b)", ("elevation",)),
    (r"sous(?=[-\s]st\b)", ("depression",)),
    (r"sus[-\s]?d[ée]calages?(?!\s+(?:(?:du|de|des|segments?)\s+)*st)(?!\w)", ("st", "elevation")),
    (r"sous[-\s]?d[ée]calages?(?!\s+(?:(?:du|de|des|segments?)\s+)*st)(?!\w)", ("st", "depression")),
    (r"sus[-\s]?d[ée]calages?", ("elevation",)),
    (r"sous[-\s]?d[ée]calages?", ("depression",)),
    (r"t[- ]?toppen", ("t",)),
    (r"[eé]lectro[- ]?entra[iî]n[eé]", ("pacemaker",)),
)
#: Limits in words, before a number: what is meant is no value.
LIMITS = (
    r"between|zwischen|entre|mellan|tussen|fra|tra|"
    r"(?:less|fewer|lower|slower|more|greater|higher|faster)\s+than|below|under|above|over|exceeding|up\s+to"
    r"|(?:weniger|kleiner|mehr|größer|höher|niedriger)\s+als|unter|über|bis\s+zu|(?:mindre|lägre|högre|mer)\s+än"
    r"|(?:inférieur|supérieur)e?s?\s+à|moins\s+de|plus\s+de|(?:inferior|superior)(?:es)?\s+a|menos\s+de|más\s+de"
    r"|(?:inferior|superior)[ei]\s+a|meno\s+di|più\s+di|(?:minder|meer|lager|hoger)\s+dan"
)
#: All of them, for a verbose pattern that ignores case.
PATTERN = "|".join(rf"(?<!\w)(?:{pattern})(?!\w)" for pattern, _ in _TURNS)
_COMPILED = tuple((re.compile(rf"(?:{pattern})(?!\w)", re.IGNORECASE), meanings) for pattern, meanings in _TURNS)


def meanings_of(text: str, start: int, end: int) -> tuple[str, ...]:
    """Meanings of the part of a text that `PATTERN` matched; what stands around it counts."""
    found = ((pattern.match(text, start), meanings) for pattern, meanings in _COMPILED)
    return next(meanings for match, meanings in found if match and match.end() == end)
