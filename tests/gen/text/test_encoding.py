"""Tokens of texts: stable ids, padding, values, caching."""

import numpy as np
import pytest

from gen.text import ATTRIBUTES, encode, read_text, statements, text_key, vocabulary
from gen.text.encoding import pieces


def _tokens(batch, k):
    valid = batch.mask[k]
    names = [vocabulary().tokens[i] for i in batch.ids[k, valid]]
    return list(zip(names, batch.attributes[k, valid].tolist(), batch.values[k, valid].tolist(), strict=True))


def test_ids_are_unique_and_every_statement_has_one():
    tokens = vocabulary().tokens
    assert len(set(tokens)) == len(tokens) == len(vocabulary())
    assert tokens[0] == "<pad>"
    assert tokens[-len(statements()) :] == tuple(statements())  # appended last: new codes shift no id
    assert vocabulary().id("SR") == tokens.index("SR")
    assert len(vocabulary().digest) == 16


def test_padding_is_zero_and_masked_and_does_not_depend_on_neighbours():
    alone = encode(["sinus rhythm"])
    long = encode(["sinus rhythm", "AF, LBBB, LVH, PVC, HR 130, QRS 140 ms"])
    n = alone.mask[0].sum()
    assert np.array_equal(long.ids[0, :n], alone.ids[0, :n])
    assert not long.mask[0, n:].any()
    assert not long.ids[0, n:].any()
    assert not long.attributes[0, n:].any()
    assert not long.values[0, n:].any()
    assert long.mask.dtype == bool
    assert long.ids.dtype == np.int32


def test_attributes_and_values():
    batch = encode(["no LVH, possible old inferior infarct, HR 130"])
    assert _tokens(batch, 0) == [
        ("LVH", [1, 0, 0, 0], 0.0),
        ("IMI", [0, 1, list_location("inferior"), 2], 0.0),
        ("heart_rate", [0, 0, 0, 0], 130.0),
    ]
    assert (batch.attributes.reshape(-1, len(ATTRIBUTES)).max(axis=0) < list(ATTRIBUTES.values())).all()


def list_location(wall):
    from gen.text.territory import WALLS

    return WALLS.index(wall) + 1


@pytest.mark.parametrize(
    ("a", "b"),
    [("LBBB", "RBBB"), ("atrial fibrillation", "no atrial fibrillation"), ("LBBB", "LBBB?"), ("old AMI", "acute AMI")],
)
def test_what_embeddings_confuse_has_different_tokens(a, b):
    batch = encode([a, b])
    assert _tokens(batch, 0) != _tokens(batch, 1)


@pytest.mark.parametrize(("a", "b"), [("AF", "Vorhofflimmern"), ("LBBB", "Linksschenkelblock"), ("PVC", "VES")])
def test_same_meaning_has_the_same_tokens_in_both_languages(a, b):
    batch = encode([a, b])
    assert _tokens(batch, 0) == _tokens(batch, 1)


def test_text_without_content_has_one_token():
    batch = encode(["", "the with"])
    assert batch.mask.sum(axis=1).tolist() == [1, 1]
    assert (batch.ids[:, 0] == vocabulary().id("<none>")).all()
    assert encode([]).ids.shape == (0, 1)


def test_unknown_words_become_pieces_that_differ_and_repeat():
    assert pieces("blorfel") == pieces("Blorfel")
    assert len(pieces("blorfel")) == 2
    assert pieces("blorfel") != pieces("zwackel")
    names = [name for name, _, _ in _tokens(encode(["LBBB blorfel"]), 0)]
    assert names == ["CLBBB", *pieces("blorfel")]


def test_too_many_tokens_drop_the_pieces_first():
    batch = encode(["blorfel zwackel LBBB HR 80"], max_tokens=2)
    assert [name for name, _, _ in _tokens(batch, 0)] == ["CLBBB", "heart_rate"]
    with pytest.raises(ValueError, match="max_tokens"):
        encode(["x"], max_tokens=0)


def test_read_text_can_be_encoded_and_cache_keys_name_the_text():
    text = "sinus rhythm, HR 60"
    assert np.array_equal(encode([text]).ids, encode([read_text(text)]).ids)
    assert text_key(text) == text_key(text) != text_key(text + "0")
    assert text_key("\ud800")  # lone surrogates come from damaged files
    assert read_text(text) is read_text(text)
