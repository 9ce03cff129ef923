"""Reports as they are written: the vocabulary of eight languages, and turns of phrase by their kind."""

import csv
from pathlib import Path

import pytest

from gen.evaluation.phrases import as_expected, score
from gen.text import read_text

VOCABULARY = Path(__file__).with_name("text_vocabulary.csv")


def _right(text, expected):
    read = read_text(text)
    assert as_expected(read, expected), (read.statements, read.numbers, read.unknown)


def test_vocabulary_of_eight_languages():
    """The usual words and abbreviations of each language, each alone."""
    count, _, wrong = score(VOCABULARY)
    assert count >= 1100
    assert not wrong, [row["text"] for row in wrong]
    with VOCABULARY.open(encoding="utf-8") as file:
        assert {row["language"] for row in csv.DictReader(file)} == {"en", "de", "fr", "es", "it", "nl", "sv", "zh"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SR, ?LVH", "SR LVH?"),
        ("LBBB, ?old anterior MI", "CLBBB AMI?/old"),
        ("LBBB? RVH", "CLBBB? RVH"),
        ("AF, ?2nd degree AV block", "AFIB 2AVB?"),
        ("Old inferior infarct vs. normal variant", "IMI/old"),
        ("pericarditis vs. early repolarization", "PERI? ER?"),
    ],
)
def test_a_question_mark_before_a_word_doubts_what_comes_after_it(text, expected):
    _right(text, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AF in the 120s", "AFIB"),
        ("Sinus tachycardia, min. HR 88/min, max. HR 140/min", "STACH"),
        ("Sinusrhythmus, maximale Herzfrequenz 130/min", "SR"),
        ("rythme sinusal, fréquence minimale 48/min, fréquence moyenne 70/min", "SR hr=70"),
        ("窦性心律，最快心率132次/分，平均心率75次/分", "SR hr=75"),
        ("Rate has decreased by 20 bpm, sinus rhythm", "SR"),
        ("Sinusrhythmus, Frequenz um 20/min gestiegen", "SR"),
        ("Sinusrhythmus um 70/min", "SR hr=70"),
        ("Rate increased to 110 bpm", "hr=110"),
        ("AF 145, now sinus rhythm at 76", "AFIB SR hr=76"),
        ("Vorhofflimmern 140/min, jetzt Sinusrhythmus 72/min", "AFIB SR hr=72"),
        ("Junctional rhythm, 45, no ischemia", "JR hr=45 -ISC_"),
        ("ST 115, LAE", "STACH LAO/LAE hr=115"),
        ("ST 2 mm elevated in V2", "STE_"),
        ("ST elevation 100 µV", "STE_"),
        ("RS 64/min", "SR hr=64"),
        ("Brugada Typ 2", "BRUG"),
        ("axis 2 degrees", "axis=2"),
    ],
)
def test_whose_number_it_is(text, expected):
    _right(text, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("LBBB, not seen on the previous ECG", "CLBBB"),
        ("AF, not present on prior tracing", "AFIB"),
        ("Linksschenkelblock, im Vor-EKG nicht vorhanden", "CLBBB"),
        ("LBBB is not present", "-CLBBB"),
        ("no visible P waves", ""),
        ("Bloqueo de rama derecha no visible", "-CRBBB"),
        ("LVH by voltage, likely athlete", "VCLVH"),
        ("AF, likely chronic", "AFIB"),
        ("SVT, resolved", "-SVTAC"),
        ("AF at 150, AF terminated", "-AFIB hr=150"),
        ("PR normal, no longer prolonged", "-LPR"),
        ("QRS narrow, no longer wide", "-WQRS"),
        ("no digoxin toxicity", ""),
        ("Keine Familienanamnese für Brugada-Syndrom, Sinusrhythmus", "SR"),
        ("无Brugada综合征家族史", ""),
    ],
)
def test_what_a_negation_or_a_doubt_reaches(text, expected):
    _right(text, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bi-atrial enlargement", "BAE"),
        ("tri-fascicular block", "TRIFB"),
        ("supra-ventricular tachycardia", "SVTAC"),
        ("intra-ventricular conduction delay", "IVCD"),
        ("lfet bundle branch blcok", "CLBBB"),
        ("trasitional rhytm", ""),
        ("Breitkomplextachykardie", "WCT"),
        ("Schmalkomplextachykardien", "SVTAC"),
        ("Elektrodenverpolung", "REVERSAL"),
        ("Atrioventrikularblock dritten Grades", "3AVB"),
    ],
)
def test_words_in_parts_and_words_misspelt(text, expected):
    if text.startswith("tras"):
        assert "trasitional" in read_text(text).unknown
    else:
        _right(text, expected)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("elevated in the chest", "elevated"),  # what of? never swallowed
        ("rate has decreased", "decreased"),
        ("Frequenz gestiegen", "gestiegen"),
        ("patient with COPD", "COPD"),
    ],
)
def test_what_belongs_to_nothing_is_listed(text, words):
    assert words in " ".join(read_text(text).unknown)
    assert not read_text(text).statements


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tachykardie mit schmalen QRS-Komplexen", "SVTAC"),
        ("Tachycardie à QRS larges à 160/min", "WCT hr=160"),
        ("QRS 180/min", "hr=180"),  # no interval is per minute
        ("HR 400 ms", ""),
        ("PR now 210 ms, previously 180 ms", "pr=210"),
        ("Frequenz 72/min, früher 90", "hr=72"),
        ("LBBB with left axis, cannot be excluded", "CLBBB AXL?"),
        ("Non segni di ischemia o ipertrofia ventricolare sinistra", "-ISC_ -LVH"),
        ("Geen ritmestoornissen of ST-elevatie", "-ARRH -STE_"),
        ("sin isquemia y bloqueo de rama derecha", "-ISC_ -CRBBB"),
        ("Sick sinus, pacemaker recommended", ""),
        ("Sinusrhythmus, Schrittmacher empfohlen", "SR"),
        ("建议植入起搏器，窦性心律", "SR"),
        ("Previously AF, now sinus rhythm", "SR"),
        ("Auparavant bloc de branche gauche, maintenant rythme sinusal", "SR"),
        ("pericardial effusion", ""),
        ("电轴-60度，心率60-100次/分", "axis=-60"),
    ],
)
def test_kinds_of_the_tenth_round(text, expected):
    _right(text, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dual chamber pacing, atrial tracking at 85", "PACE hr=85"),
        ("Sinus rhythm with LBBB at 110 ms", "SR CLBBB"),
        ("Trigeminal PVCs", "PVC TRIGU"),
        ("no high grade AV block", "-AVB"),
        ("Possible inferior injury or infarct", "INJIN? IMI?"),
        ("ECG negative for infarction, neg. for ischemia", "-MI -ISC_"),
        ("Sohn mit Brugada-Syndrom, Patient mit Sinusrhythmus", "SR"),
        ("Figlia con QT lungo, ritmo sinusale", "SR"),
        ("HR 52 to 110, average 68", "hr=68"),
        ("mean QRS axis 40", "axis=40"),
        ("Frequenzkorrigierte QT-Zeit normal", ""),
        ("QT corregido 460 ms", "qtc=460"),
        ("TV non sostenuta", "VT"),
        ("niet-aanhoudende ventriculaire tachycardie", "VT"),
        ("Sinustachykardi har slagit om till förmaksflimmer", "-STACH AFIB"),
        ("pas de trouble de repolarisation ni de conduction", "-NST_"),
        ("怀疑下壁心肌梗死", "IMI?"),
    ],
)
def test_kinds_of_the_eleventh_round(text, expected):
    _right(text, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Rechts- oder Linksschenkelblock", "CRBBB? CLBBB?"),
        ("Vorder- und Hinterwandinfarkt", "AMI IMI"),
        ("höger- och vänsterkammarhypertrofi", "RVH LVH"),
        ("Geen rechter- of linkerventrikelhypertrofie", "-RVH -LVH"),
        ("LVH, consider amyloidosis", "LVH"),
        ("T wave inversion, likely nonspecific", "INVT"),
        ("FA réduite par amiodarone, rythme sinusal", "-AFIB SR"),
    ],
)
def test_kinds_of_the_twelfth_round(text, expected):
    _right(text, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Bigeminus Vorhofflimmern", "BIGU AFIB"),  # the next word is none of bigeminy's
        ("bigeminismo auricular", "PAC BIGU"),
        ("trigéminisme ventriculaire", "PVC TRIGU"),
        ("PR interval is now shorter", ""),
        ("Linksschenkelblock, am ehesten vorbestehend, am ehesten LVH", "CLBBB LVH?"),
        ("Ausentes signos de isquemia", "-ISC_"),
        ("bradycardia-tachycardia syndrome", ""),
        ("unbestätigter ber", ""),
        ("T flattening of doubtful significance", "LOWT?"),
    ],
)
def test_kinds_of_the_thirteenth_round(text, expected):
    _right(text, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no STE/STD", "-STE_ -STD_"),  # a stroke joins what is denied
        ("STE/STD", "STE_ STD_"),
        ("ST depression - consider acute infarct", "STD_ MI?/acute"),  # the infarct is acute, and in doubt
        ("IAM anterior antiguo", "AMI/old"),
        ("old STEMI", "MI/old"),
        ("No discernible P waves: AF", "AFIB"),
        ("no chamber dilation of any kind or LVH", "-LVH"),
        ("LVH vs. FOO", "LVH?"),
        ("RVH with RAE, suggests pulmonary hypertension", "RVH RAO/RAE"),
        ("Consider LVH, RVH, or normal variant", "LVH? RVH?"),
        ("LAD -45 deg", "LAD axis=-45"),
        ("überdrehter Linkstyp (-50°)", "LAD axis=-50"),
        ("AV-Block 1. Grades", "1AVB"),  # a degree, and no angle
        ("INFERIOR INFARCT [40+ ms Q WAVE IN II/aVF], OLD", "IMI/old"),
        ("ST elevation [V1-V3]", "STE_@anteroseptal"),
        ("STEMI (LAD)", "MI/acute"),
        ("T wave inversion V3 through V5", "INVT@anterolateral"),
        ("ST elevation not seen previously", "STE_"),
        ("Intermittent AF, now sinus rhythm", "SR"),
        ("Intermittent LBBB", "CLBBB"),
        ("Premature complexes, vent & supraven", "PVC PAC"),
        ("cor pulmonale", ""),
        ("low-amplitude P waves", ""),
        ("low-amplitude T waves", "LOWT"),
        ("Wolff-Parkinson-White, PE to exclude", "WPW PE?"),
        ("a descartar TEP", "PE?"),
        ("se descarta TEP", "-PE"),
    ],
)
def test_kinds_of_the_fourteenth_and_fifteenth_round(text, expected):
    _right(text, expected)


@pytest.mark.parametrize(
    "text",
    [
        "WNL",
        "borderline",
        "at rest, narrow",
        "right ventricular",
        "small complexes",
        "supraventricular rhythm",
        "R in aVL",
    ],
)
def test_a_text_of_which_nothing_is_a_statement_is_listed(text):
    read = read_text(text)
    assert read.empty
    assert read.unknown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no ECG evidence of LVH or ischaemia", "-LVH -ISC_"),
        ("can't exclude ischemia", "ISC_?"),
        ("AF -> SR", "-AFIB SR"),
        ("converted from AF to SR", "-AFIB SR"),
        ("SVT converted with adenosine", "-SVTAC"),
        ("s/p CABG with inferior Q waves", "QWAVE@inferior"),  # it is the surgery that is over
        ("s/p DCCV for AF, sinus rhythm", "SR"),
        ("FHx of Brugada; normal ECG", "NORM"),
        ("Consider FOO disease, pericarditis, or injury", "PERI? INJ?"),
        ("consider FOO, LBBB", "CLBBB"),
        ("new T inversions", "INVT"),
        ("hyperacute T waves", "TPEAK"),
        ("Atrial paced, ventricular sensed rhythm", "PACE"),
        ("P axis 50, QRS axis -30, T axis 40", "axis=-30"),
        ("axis minus 40", "axis=-40"),
        ("QTc (Fridericia) 432 ms", "qtc=432"),
        ("QT 400, corrected 430", "qt=400 qtc=430"),
        ("45F with SVT", "SVTAC age=45"),
        ("LVH with repolarization abnormality (Cornell product, Romhilt-Estes)", "LVH NST_"),
    ],
)
def test_kinds_of_the_sixteenth_round(text, expected):
    _right(text, expected)
