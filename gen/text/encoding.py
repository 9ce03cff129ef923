"""Texts as tokens for a learned embedding: statements with attributes, numbers with values, pieces of unknown words.

A token is an id, four attributes (`ATTRIBUTES`) and a value; it carries no position, so the valid tokens of a text
are a set: their order (that of the text) may be permuted. Nothing here is learned and nothing needs torch.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from gen.text.lexicon import fold, read_table
from gen.text.numbers import NUMBERS
from gen.text.phrases import statements
from gen.text.reader import ReadText, StatementRead, read_text
from gen.text.territory import WALLS

if TYPE_CHECKING:
    import numpy as np

#: Pieces of unknown words share this many ids (by hash, so that no list of them has to be kept).
PIECES = 2048
PIECE_CHARS = 4
MAX_PIECES_PER_WORD = 4
DEFAULT_MAX_TOKENS = 32

_SPECIAL = ("<pad>", "<none>")
_ACUITY = (None, "acute", "old")
#: name -> number of values; 0 is always "does not apply or is not stated".
ATTRIBUTES = {"negated": 2, "possible": 2, "location": len(WALLS) + 1, "acuity": len(_ACUITY)}


@dataclass(frozen=True)
class Vocabulary:
    """Token names by id. New statements are appended at the end, so ids stay.

    Attributes:
        tokens: ``<pad>`` (0), ``<none>`` (1: a text that says nothing), numbers, ``piece:N``, statement codes.
        attribute_sizes: number of values of each attribute, in the order of `ATTRIBUTES`.
        digest: changes when ids, attributes or the tables that texts are read with change; for caches of texts.
        ids_digest: changes when ids or attributes mean something else; belongs into every network's checkpoint.
    """

    tokens: tuple[str, ...]
    attribute_sizes: tuple[int, ...]
    digest: str
    ids_digest: str

    def __len__(self) -> int:
        return len(self.tokens)

    def id(self, token: str) -> int:
        """Id of a token name.

        Raises:
            KeyError: no such token.
        """
        return _ids()[token]


@dataclass(frozen=True, eq=False)
class TokenBatch:
    """Encoded texts.

    Attributes:
        ids: (text, token) int32, see `vocabulary`; 0 where padded.
        attributes: (text, token, 4) int32 in the order of `ATTRIBUTES`; 0 where padded or not applicable.
        values: (text, token) float32; the number in its own unit (bpm, ms, degrees, years) at number tokens, else 0.
        mask: (text, token) bool, True where a token is valid. Every text has at least one.
    """

    ids: "np.ndarray"
    attributes: "np.ndarray"
    values: "np.ndarray"
    mask: "np.ndarray"


@cache
def vocabulary() -> Vocabulary:
    """Vocabulary of this version."""
    tokens = (*_SPECIAL, *NUMBERS, *(f"piece:{k}" for k in range(PIECES)), *statements())
    state = hashlib.sha256(repr((tokens, ATTRIBUTES, PIECE_CHARS, MAX_PIECES_PER_WORD)).encode())
    ids = state.hexdigest()[:16]
    for name in ("words.csv", "words_zh.csv", "phrases.csv"):
        state.update(repr(read_table(name)).encode())
    return Vocabulary(tokens, tuple(ATTRIBUTES.values()), state.hexdigest()[:16], ids)


#: What checkpoints stored before there was an `Vocabulary.ids_digest`, and the ids that they mean.
_EARLIER = {"48d8a0707129735f": "90adb7e1a2209307"}


def same_ids(stored: str) -> bool:
    """Whether a network that stores this digest was trained with the token ids of this version."""
    now = vocabulary()
    return now.ids_digest in (stored, _EARLIER.get(stored)) or stored == now.digest


@cache
def _ids() -> dict[str, int]:
    return {token: k for k, token in enumerate(vocabulary().tokens)}


def text_key(text: str) -> str:
    """Key for caches of anything computed from a text: hash of the text and of the vocabulary that read it."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=_key()).hexdigest()


def _key() -> bytes:
    return vocabulary().digest.encode()


def pieces(word: str) -> list[str]:
    """Tokens of an unknown word: its folded letters, four at a time, each with a hashed id."""
    key = fold(word)
    chunks = [key[i : i + PIECE_CHARS] for i in range(0, len(key), PIECE_CHARS)][:MAX_PIECES_PER_WORD]
    # A piece that begins a word differs from the same letters further on.
    marked = [chunk if k == 0 else f"##{chunk}" for k, chunk in enumerate(chunks)]
    hashes = (hashlib.blake2b(p.encode("utf-8", "surrogatepass"), digest_size=4).digest() for p in marked)
    return [f"piece:{int.from_bytes(h, 'big') % PIECES}" for h in hashes]


def encode(texts: Sequence[str | ReadText], max_tokens: int = DEFAULT_MAX_TOKENS) -> TokenBatch:
    """Tokens of several texts, padded to the longest of them (at most ``max_tokens``).

    Statements come first, then numbers, then pieces of unknown words, so the pieces go first where there are too many.
    Texts already read (and perhaps changed) can be given as `ReadText`. Results per text are cached.

    Raises:
        ValueError: ``max_tokens`` below 1.
    """
    if max_tokens < 1:
        raise ValueError(f"max_tokens must be at least 1, got {max_tokens}")
    rows = [_row_of_text(text) if isinstance(text, str) else _row(text) for text in texts]
    width = min(max_tokens, max((len(ids) for ids, _, _ in rows), default=1))
    import numpy as np  # reading a text needs none

    ids = np.zeros((len(rows), width), dtype=np.int32)
    attributes = np.zeros((len(rows), width, len(ATTRIBUTES)), dtype=np.int32)
    values = np.zeros((len(rows), width), dtype=np.float32)
    mask = np.zeros((len(rows), width), dtype=bool)
    for k, (row_ids, row_attributes, row_values) in enumerate(rows):
        n = min(width, len(row_ids))
        ids[k, :n], attributes[k, :n], values[k, :n] = row_ids[:n], row_attributes[:n], row_values[:n]
        mask[k, :n] = True
    return TokenBatch(ids, attributes, values, mask)


@lru_cache(maxsize=65_536)
def _row_of_text(text: str) -> "tuple[np.ndarray, np.ndarray, np.ndarray]":
    return _row(read_text(text))


def _row(read: ReadText) -> "tuple[np.ndarray, np.ndarray, np.ndarray]":
    """Ids (token,), attributes (token, 4) and values (token,) of one text."""
    import numpy as np

    table = _ids()
    found: list[tuple[int, tuple[int, ...], float]] = []
    found += [(table[s.code], _attributes(s), 0.0) for s in read.statements]
    found += [(table[name], (0,) * len(ATTRIBUTES), value) for name, value in read.numbers.items()]
    words = dict.fromkeys(word for word in read.unknown if word[0].isalpha())  # stray numbers mean nothing
    found += [(table[piece], (0,) * len(ATTRIBUTES), 0.0) for word in words for piece in pieces(word)]
    found = found or [(table["<none>"], (0,) * len(ATTRIBUTES), 0.0)]
    ids, attributes, values = zip(*found, strict=True)
    return np.array(ids, np.int32), np.array(attributes, np.int32), np.array(values, np.float32)


def _attributes(statement: StatementRead) -> tuple[int, ...]:
    return (
        int(statement.negated),
        int(statement.certainty == "possible"),
        WALLS.index(statement.location) + 1 if statement.location else 0,
        _ACUITY.index(statement.acuity),
    )
