"""Free-text reports in English and German, built from statements and numbers; the wording varies with the seed."""

from collections.abc import Mapping, Sequence

import numpy as np

#: SCP-ECG code -> (English wordings, German wordings).
PHRASES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "NORM": (
        ("normal ECG", "within normal limits", "otherwise normal ECG"),
        ("normales EKG", "unauffälliges EKG", "sonst normales EKG"),
    ),
    "SR": (("sinus rhythm", "normal sinus rhythm"), ("Sinusrhythmus",)),
    "SBRAD": (("sinus bradycardia",), ("Sinusbradykardie",)),
    "STACH": (("sinus tachycardia",), ("Sinustachykardie",)),
    "SARRH": (("sinus arrhythmia",), ("Sinusarrhythmie",)),
    "SVARR": (("supraventricular arrhythmia",), ("supraventrikuläre Arrhythmie",)),
    "AFIB": (
        ("atrial fibrillation", "atrial fibrillation with irregular ventricular response"),
        ("Vorhofflimmern", "absolute Arrhythmie bei Vorhofflimmern"),
    ),
    "AFLT": (("atrial flutter",), ("Vorhofflattern",)),
    "SVTAC": (("supraventricular tachycardia",), ("supraventrikuläre Tachykardie",)),
    "PSVT": (("paroxysmal supraventricular tachycardia",), ("paroxysmale supraventrikuläre Tachykardie",)),
    "PACE": (
        ("ventricular paced rhythm", "artificial pacemaker rhythm"),
        ("Schrittmacherrhythmus", "ventrikulärer Schrittmacher-EKG-Rhythmus"),
    ),
    "PVC": (
        ("premature ventricular contraction(s)", "ventricular extrasystoles"),
        ("ventrikuläre Extrasystolen", "VES"),
    ),
    "PAC": (
        ("premature atrial contraction(s)", "supraventricular extrasystoles"),
        ("supraventrikuläre Extrasystolen", "SVES"),
    ),
    "PRC(S)": (("premature complex(es)",), ("vorzeitige Schläge",)),
    "BIGU": (("bigeminal pattern", "bigeminy"), ("Bigeminus",)),
    "TRIGU": (("trigeminal pattern", "trigeminy"), ("Trigeminus",)),
    "1AVB": (("first degree AV block", "1st degree AV block"), ("AV-Block I. Grades", "AV-Block 1. Grades")),
    "LPR": (("prolonged PR interval",), ("verlängertes PQ-Intervall", "PQ-Verlängerung")),
    "2AVB": (("second degree AV block",), ("AV-Block II. Grades",)),
    "3AVB": (("third degree AV block", "complete heart block"), ("AV-Block III. Grades", "kompletter AV-Block")),
    "CLBBB": (
        ("complete left bundle branch block", "left bundle branch block", "LBBB"),
        ("kompletter Linksschenkelblock", "Linksschenkelblock", "LSB"),
    ),
    "ILBBB": (("incomplete left bundle branch block",), ("inkompletter Linksschenkelblock",)),
    "CRBBB": (
        ("complete right bundle branch block", "right bundle branch block", "RBBB"),
        ("kompletter Rechtsschenkelblock", "Rechtsschenkelblock", "RSB"),
    ),
    "IRBBB": (("incomplete right bundle branch block",), ("inkompletter Rechtsschenkelblock",)),
    "LAFB": (("left anterior fascicular block", "left anterior hemiblock"), ("linksanteriorer Hemiblock", "LAH")),
    "LPFB": (("left posterior fascicular block", "left posterior hemiblock"), ("linksposteriorer Hemiblock", "LPH")),
    "IVCD": (
        ("non-specific intraventricular conduction delay", "intraventricular conduction disturbance"),
        ("unspezifische intraventrikuläre Leitungsstörung", "intraventrikuläre Leitungsverzögerung"),
    ),
    "WPW": (
        ("Wolff-Parkinson-White pattern with delta wave", "ventricular pre-excitation (WPW)"),
        ("Präexzitation (WPW)", "WPW-Syndrom mit Deltawelle"),
    ),
    "LVH": (
        ("left ventricular hypertrophy", "LVH by voltage and repolarisation"),
        ("linksventrikuläre Hypertrophie", "Linkshypertrophie"),
    ),
    "VCLVH": (
        ("voltage criteria for left ventricular hypertrophy",),
        ("Voltagekriterien für linksventrikuläre Hypertrophie",),
    ),
    "RVH": (("right ventricular hypertrophy",), ("rechtsventrikuläre Hypertrophie", "Rechtshypertrophie")),
    "SEHYP": (("septal hypertrophy",), ("septale Hypertrophie",)),
    "LAO/LAE": (("left atrial enlargement", "left atrial overload"), ("P-sinistroatriale", "linksatriale Belastung")),
    "RAO/RAE": (("right atrial enlargement", "right atrial overload"), ("P-dextroatriale", "rechtsatriale Belastung")),
    "LVOLT": (("low QRS voltages", "low voltage"), ("Niedervoltage", "periphere Niederspannung")),
    "HVOLT": (("high QRS voltages",), ("hohe QRS-Amplituden", "Hochvoltage")),
    "ABQRS": (("abnormal QRS",), ("abnormer QRS-Komplex",)),
    "QWAVE": (("Q waves present", "abnormal Q waves"), ("auffällige Q-Zacken", "Q-Zacken")),
    "NDT": (
        ("non-diagnostic T wave abnormalities", "T wave abnormality, non-diagnostic"),
        ("nicht-diagnostische T-Veränderungen", "unspezifisch abnormes T"),
    ),
    "NST_": (("non-specific ST changes",), ("unspezifische ST-Veränderungen",)),
    "NT_": (("non-specific T wave changes",), ("unspezifische T-Veränderungen",)),
    "STD_": (("non-specific ST depression", "ST depression"), ("unspezifische ST-Senkung", "ST-Senkungen")),
    "STE_": (("non-specific ST elevation", "ST elevation"), ("unspezifische ST-Hebung", "ST-Hebungen")),
    "INVT": (("inverted T waves", "T wave inversion"), ("T-Negativierung", "negative T-Wellen")),
    "LOWT": (("low amplitude T waves", "flat T waves"), ("T-Abflachung", "flache T-Wellen")),
    "TAB_": (("T wave abnormality",), ("T-Wellen-Veränderung",)),
    "LNGQT": (("long QT interval", "prolonged QT interval"), ("QT-Verlängerung", "verlängertes QT-Intervall")),
    "DIG": (("digitalis effect",), ("Digitaliseffekt",)),
    "EL": (("electrolyte disturbance or drug effect",), ("Elektrolytstörung oder Medikamenteneffekt",)),
    "ANEUR": (
        ("ST-T changes compatible with ventricular aneurysm",),
        ("ST-T-Veränderungen vereinbar mit Ventrikelaneurysma",),
    ),
}
_AGES = {"old": ("old", "alter"), "subacute": ("subacute", "subakuter"), "acute": ("acute", "akuter")}
_RHYTHM_FIRST = ("SR", "SBRAD", "STACH", "SARRH", "AFIB", "AFLT", "SVTAC", "PSVT", "PACE", "SVARR")


def _pick(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]


def _phrase(rng: np.random.Generator, code: str, findings: Mapping[str, str]) -> tuple[str, str]:
    from gen.simulate.disease import INFARCTS, TERRITORIES

    if code in INFARCTS:
        wall, (age_en, age_de) = INFARCTS[code], _AGES[findings.get("infarct", "old")]
        elevation = rng.random() < 0.7 and findings.get("infarct") == "acute"
        extra = (" with ST elevation", " mit ST-Hebung") if elevation else ("", "")
        name = _pick(rng, (f"{age_en} {wall} myocardial infarction", f"{wall} myocardial infarction, {age_en}"))
        return name + extra[0], f"{age_de} {wall}er Myokardinfarkt{extra[1]}"
    if code == "ISC_":
        return "non-specific ischaemic ST-T changes", "unspezifische ischämische ST-T-Veränderungen"
    if code in TERRITORIES:
        wall = TERRITORIES[code]
        if code.startswith("INJ"):
            return f"subendocardial injury in {wall} leads", f"subendokardiale Schädigung {wall}"
        return f"ischaemic ST-T changes in {wall} leads", f"ischämische ST-T-Veränderungen {wall}"
    english, german = PHRASES[code]
    pair = (_pick(rng, english), _pick(rng, german))
    return _with_finding(code, findings.get(code, ""), pair)


_DETAILS = {
    "hypokalaemia": ("suggests hypokalaemia", "Hinweis auf Hypokaliämie"),
    "hyperkalaemia": ("suggests hyperkalaemia", "Hinweis auf Hyperkaliämie"),
    "early repolarisation": ("early repolarisation", "frühe Repolarisation"),
    "pericarditis": ("suggests pericarditis", "Hinweis auf Perikarditis"),
    "mobitz1": ("Mobitz I (Wenckebach)", "Typ Mobitz I (Wenckebach)"),
    "mobitz2": ("Mobitz II", "Typ Mobitz II"),
    "2:1": ("2:1 conduction", "2:1-Überleitung"),
}


def _with_finding(code: str, finding: str, pair: tuple[str, str]) -> tuple[str, str]:
    if finding not in _DETAILS:
        return pair
    english, german = _DETAILS[finding]
    return f"{pair[0]}, {english}", f"{pair[1]}, {german}"


def axis_words(axis: float) -> tuple[str, str]:
    """Frontal axis in words, English and German (the German types of the axis are finer)."""
    for limit, english, german in (
        (-120.0, "extreme axis deviation", "überdrehter Rechtstyp"),
        (-30.0, "left axis deviation", "überdrehter Linkstyp"),
        (30.0, "normal axis", "Linkstyp"),
        (60.0, "normal axis", "Lagetyp normal"),
        (90.0, "normal axis", "Steiltyp"),
        (120.0, "right axis deviation", "Rechtstyp"),
    ):
        if axis < limit:
            return english, german
    return "right axis deviation", "überdrehter Rechtstyp"


def write_reports(
    rng: np.random.Generator,
    statements: Sequence[str],
    findings: Mapping[str, str],
    *,
    hr_bpm: float,
    pr_ms: float,
    qrs_ms: float,
    qt_ms: float,
    axis_deg: float,
) -> tuple[str, str]:
    """English and German report that mention every statement, and at times the numbers."""
    order = [c for c in _RHYTHM_FIRST if c in statements]
    rest = [c for c in statements if c not in order and c != "NORM"]
    rest = [rest[i] for i in rng.permutation(len(rest))] if rng.random() < 0.3 else rest
    codes = [*order, *rest, *(["NORM"] if "NORM" in statements else [])]
    pairs = [_phrase(rng, code, findings) for code in codes]
    if rng.random() < 0.6:
        pairs.insert(len(order), axis_words(axis_deg))
    if rng.random() < 0.45 and np.isfinite(hr_bpm):
        pairs.insert(min(1, len(pairs)), (f"heart rate {hr_bpm:.0f}/min", f"Frequenz {hr_bpm:.0f}/min"))
    if rng.random() < 0.25:
        pairs += _numbers(pr_ms, qrs_ms, qt_ms)
    mark = ". " if rng.random() < 0.7 else ", "
    sentences = [[_capital(text) if mark == ". " else text for text in pair] for pair in pairs]
    english, german = (mark.join(pair[side] for pair in sentences) for side in (0, 1))
    return _capital(english) + ".", _capital(german) + "."


def _numbers(pr_ms: float, qrs_ms: float, qt_ms: float) -> list[tuple[str, str]]:
    table = (("PR", "PQ", pr_ms), ("QRS", "QRS", qrs_ms), ("QT", "QT", qt_ms))
    return [(f"{en} {v:.0f} ms", f"{de} {v:.0f} ms") for en, de, v in table if np.isfinite(v)]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
