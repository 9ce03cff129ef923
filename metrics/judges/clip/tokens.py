"""Tokens of texts as the network takes them, and which texts say the same."""

import hashlib
from collections.abc import Sequence

import numpy as np

from gen.text import TokenBatch, encode, vocabulary
from gen.text.encoding import ATTRIBUTES
from gen.text.numbers import NUMBERS

MAX_TOKENS = 16


def token_digest(size: int) -> str:
    """Digest of the first ``size`` tokens and of the attributes: weights fit every vocabulary that begins like this."""
    return hashlib.sha256(repr((vocabulary().tokens[:size], ATTRIBUTES)).encode()).hexdigest()[:16]


def tokens_of(texts: Sequence[str], size: int, width: int | None = None) -> TokenBatch:
    """Tokens of texts; ids from ``size`` on are passed over.

    Args:
        texts: reports or prompts.
        size: token ids known to the network.
        width: pads to so many tokens; None: as wide as needed.
    """
    batch = encode(list(texts), MAX_TOKENS)
    ids, attributes, values, mask = batch.ids, batch.attributes, batch.values, batch.mask & (batch.ids < size)
    ids = np.where(mask, ids, 0)
    silent = ~mask.any(axis=1)
    ids[silent, 0], mask[silent, 0] = vocabulary().id("<none>"), True
    found = TokenBatch(ids, attributes * mask[..., None], values * mask, mask)
    return found if width is None else padded(found, width)


def codes_as_tokens(codes: Sequence[str]) -> TokenBatch:
    """Each statement code as a text of its own.

    Raises:
        KeyError: no such statement.
    """
    ids = np.array([[vocabulary().id(code)] for code in codes], dtype=np.int32)
    none = np.zeros((*ids.shape, len(ATTRIBUTES)), dtype=np.int32)
    return TokenBatch(ids, none, np.zeros(ids.shape, np.float32), np.ones(ids.shape, bool))


def padded(batch: TokenBatch, width: int) -> TokenBatch:
    """The same texts with room for ``width`` tokens each."""
    more = width - batch.ids.shape[1]
    if more <= 0:
        return batch
    pad = ((0, 0), (0, more))
    return TokenBatch(
        np.pad(batch.ids, pad), np.pad(batch.attributes, (*pad, (0, 0))), np.pad(batch.values, pad),
        np.pad(batch.mask, pad),
    )  # fmt: skip


def groups(batch: TokenBatch) -> np.ndarray:
    """(text,) int64, equal for texts with the same statements (attributes included) whatever their order and numbers.

    Words that were not understood count as well: they are all that some texts have.
    """
    numbers = {vocabulary().id(name) for name in NUMBERS}
    out = np.empty(len(batch.ids), dtype=np.int64)
    for row, (ids, attributes, mask) in enumerate(zip(batch.ids, batch.attributes, batch.mask, strict=True)):
        said = {(int(i), *map(int, a)) for i, a in zip(ids[mask], attributes[mask], strict=True) if i not in numbers}
        key = hashlib.blake2b(repr(sorted(said)).encode(), digest_size=8).digest()
        out[row] = int.from_bytes(key, "big", signed=True)
    return out
