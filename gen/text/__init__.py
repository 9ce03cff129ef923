"""Clinical ECG text -> statements and tokens, offline, in English, German and common Swedish.

    from gen.text import contradictions, encode, read_text
    read = read_text("AF with RVR 130 bpm, LBBB, cannot rule out inferior infarct; no LVH")
    read.statements, read.numbers, read.unknown
    encode(["sinus rhythm", "Vorhofflimmern"]).ids

The tables `words.csv` (surfaces -> meanings), `phrases.csv` (meanings -> statements) and `statements.csv` (codes) hold
the vocabulary; `physiogen evaluate text` scores the reader on PTB-XL.
"""

from gen.text.encoding import ATTRIBUTES, TokenBatch, Vocabulary, encode, text_key, vocabulary
from gen.text.imply import contradictions, implied
from gen.text.phrases import Statement, statements
from gen.text.reader import ReadText, StatementRead, read_text
from gen.text.wording import worded, words_of

__all__ = [
    "ATTRIBUTES",
    "ReadText",
    "Statement",
    "StatementRead",
    "TokenBatch",
    "Vocabulary",
    "contradictions",
    "encode",
    "implied",
    "read_text",
    "statements",
    "text_key",
    "vocabulary",
    "worded",
    "words_of",
]
