"""Words for the key lines of CSV exports, in the languages of the phones that write them.

A watch's export translates its keys. Where a language is not listed here, rate, unit and lead are still known by their
values (``512 hertz``, ``µV``, ``Derivation I``); see `meaning`.
"""

import re

from gen.io.common import is_lead
from gen.signals import millivolt_factor

_HERTZ = r"hz|khz|hertz|herz|hercios?|hertzios?|hertsi[aä]?|hertsiä|герц[аеов]*|гц|赫兹|赫茲|ヘルツ|헤르츠"
RATE_VALUE = re.compile(rf"(\d+(?:[.,]\d+)?)\s*({_HERTZ})", re.IGNORECASE)

#: What a line that names columns begins with, rather than a key line.
_COLUMN = re.compile(r"(time|zeit|t|sec|seconds|sample|samples|index|ecg|ekg)\b")

#: Meaning -> keys, compared in lower case with runs of blanks as one.
KEYS: dict[str, tuple[str, ...]] = {
    "fs": (
        *("fs hz", "fs", "sample rate", "sampling rate", "sampling frequency", "sample rate hz", "sampling rate hz"),
        *("frequency", "hz", "abtastrate", "messrate", "fréquence d’échantillonnage", "fréquence d'échantillonnage"),
        *("frecuencia de muestreo", "frequenza di campionamento", "taxa de amostragem", "frequência de amostragem"),
        *(
            "bemonsteringsfrequentie",
            "samplefrequentie",
            "samplingsfrekvens",
            "samplingfrekvens",
        ),
        *(
            "näytteenottotaajuus",
            "częstotliwość próbkowania",
            "vzorkovací frekvence",
            "örnekleme hızı",
            "частота дискретизации",
        ),
        *("采样率", "取樣率", "サンプルレート", "サンプリングレート", "샘플링 속도"),
    ),
    "unit": (
        *("unit", "units", "einheit", "unité", "unidad", "unità", "unidade", "eenheid", "enhet", "enhed", "yksikkö"),
        *("jednostka", "jednotka", "birim", "единица измерения", "单位", "單位", "単位", "단위"),
    ),
    "lead": (
        *("lead", "leads", "ableitung", "dérivation", "derivación", "derivazione", "derivação", "afleiding"),
        *("avledning", "afledning", "kytkentä", "odprowadzenie", "svod", "derivasyon", "отведение"),
        *("导联", "導程", "誘導", "유도"),
    ),
    "birth": (
        *("date of birth", "birth date", "birthdate", "dob", "geburtsdatum", "geburtstag", "date de naissance"),
        *("fecha de nacimiento", "data di nascita", "data de nascimento", "geboortedatum", "födelsedatum"),
        *("fødselsdato", "syntymäaika", "data urodzenia", "datum narození", "doğum tarihi", "дата рождения"),
        *("出生日期", "生年月日", "생년월일"),
    ),
    "recorded": (
        *("recorded date", "recording date", "date", "recorded", "aufzeichnungsdatum", "date d’enregistrement"),
        *("date d'enregistrement", "fecha de registro", "fecha de grabación", "data di registrazione"),
        *("data de registro", "data da gravação", "opnamedatum", "inspelningsdatum", "optagelsesdato"),
        *(
            "registreringsdato",
            "tallennuspäivä",
            "data zapisu",
            "дата записи",
            "记录日期",
            "記錄日期",
            "記録日",
            "기록 날짜",
        ),
    ),
    "classification": (
        *("classification", "klassifizierung", "klassifikation", "clasificación", "classificazione", "classificação"),
        *("classificatie", "klassificering", "klassifisering", "luokitus", "klasyfikacja", "классификация"),
        *("分类", "分類", "분류"),
    ),
    "device": ("device", "gerät", "appareil", "dispositivo", "apparaat", "laite", "urządzenie", "设备", "デバイス"),
    "symptoms": (
        *("symptoms", "symptome", "symptômes", "síntomas", "sintomi", "sintomas", "symptomen", "symtom", "symptomer"),
        *("oireet", "objawy", "症状", "症狀"),
    ),
    "software_version": (
        *("software version", "softwareversion", "version du logiciel", "versión de software", "versione software"),
        *("versão do software", "softwareversie", "programversion", "ohjelmistoversio", "wersja oprogramowania"),
        *("软件版本", "ソフトウェアバージョン"),
    ),
    "name": (
        *("name", "vorname", "nachname", "nom", "nombre", "nome", "naam", "namn", "navn", "nimi", "imię i nazwisko"),
        *("имя", "姓名", "名前", "이름"),
    ),
}
_MEANING = {key: name for name, keys in KEYS.items() for key in keys}


def meaning(key: str, value: str, *, guess: bool = False) -> str | None:
    """What a key line says: a name of `KEYS`, or None.

    Args:
        key: in lower case, blanks collapsed.
        value: as written.
        guess: also recognise rate, unit and lead by their values alone.
    """
    found = _MEANING.get(key)
    if found == "unit" and not _is_unit(value) and any(ord(char) > 127 or char.isalpha() for char in value):
        found = "unit" if key in ("unit", "units", "einheit") else "device"
    if found is None and guess and not is_lead(key) and not _COLUMN.match(key):
        if RATE_VALUE.fullmatch(value.strip()):
            return "fs"
        if _is_unit(value):
            return "unit"
        if is_lead(value) or is_lead(value.rpartition(" ")[2]):
            return "lead"
    return found


def _is_unit(value: str) -> bool:
    try:
        millivolt_factor(value)
    except ValueError:
        return False
    return True
