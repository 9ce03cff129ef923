"""Text of any kind: nothing raises, and time is linear in its length."""

import csv
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gen.text import contradictions, read_text, statements
from gen.text.territory import WALLS

PHRASES = Path(__file__).with_name("text_phrases.csv")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_never_raises_on_wild_text(text):
    read_text.__wrapped__(text)


_BITS = st.sampled_from(
    [
        *("no ", "or ", "inferior ", "infarct ", "v1-", "v", "a-v ", ", ", ". ", "?", "wahrscheinlich ", "4.46 unbest"),
        *("HR ", "130 ", "old ", "linksschenkel", "und ", "(", "ä", "\u0130", "\x00", "st ", "neg t ", "II", "/"),
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_BITS, max_size=60).map("".join))
def test_never_raises_on_scrambled_reports(text):
    read = read_text.__wrapped__(text)
    contradictions(read)
    for statement in read.statements:
        assert statement.code in statements()
        assert statement.location is None or statement.location in WALLS


@pytest.mark.parametrize(
    "bit",
    ["a", " ", "v1 ", "inferior ", "no ", "infarct or ", "x1 ", "4.46 ", "v1,", "linkslinks", "qwertz ", "((", "II, "],
)
def test_time_is_linear_in_the_length(bit):
    def seconds(n):
        text = (bit * n)[:n]
        begin = time.process_time()
        read_text.__wrapped__(text)
        return time.process_time() - begin

    seconds(500)
    assert seconds(20_000) < 5  # 0.3 s on a free core


def test_reads_thousands_of_reports_a_second(data_dir):
    with (data_dir("ptb-xl") / "ptbxl_database.csv").open(encoding="utf-8") as file:
        texts = [row["report"] for row in csv.DictReader(file) if int(row["strat_fold"]) <= 8]
    for text in texts[:200]:
        read_text.__wrapped__(text)  # words are looked up once
    begin = time.process_time()
    for text in texts:
        read_text.__wrapped__(text)
    assert len(texts) / (time.process_time() - begin) > 1000  # 7,000 on a free core
