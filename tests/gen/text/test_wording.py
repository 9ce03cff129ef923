"""Reports in other words: the same statements, none of the report's sentences."""

import pandas as pd
import pytest

from gen.text import read_text, statements, worded, words_of


@pytest.mark.parametrize("code", statements())
def test_every_statement_has_words_that_are_read_back(code):
    assert read_text(words_of([code])).codes() == {code}


@pytest.mark.parametrize(
    "text",
    [
        "probable inferior infarct, HR 72",
        "no LVH. possible LBBB",
        "cannot rule out anterior infarct",
        "old inferior MI",
    ],
)
def test_doubt_denial_wall_and_numbers_are_kept(text):
    first, again = read_text(text), read_text(worded(read_text(text)))
    facts = [[(s.code, s.negated, s.likelihood, s.location, s.acuity) for s in r.statements] for r in (first, again)]
    assert facts[0] == facts[1]
    assert first.numbers == again.numbers


def test_recorded_reports_say_the_same_in_other_words(data_dir):
    reports = pd.read_csv(data_dir("ptb-xl") / "ptbxl_database.csv")["report"].dropna()[:1500]
    kept = 0
    for report in reports:
        read = read_text(report)
        again = read_text(worded(read))
        kept += {(s.code, s.negated, s.likelihood) for s in read.statements} == {
            (s.code, s.negated, s.likelihood) for s in again.statements
        }
    assert kept >= 0.985 * len(reports)
