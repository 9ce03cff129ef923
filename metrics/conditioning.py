"""Whether a generator does what it was asked: rates, statements, and the agreement of ECG and text."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gen.records import InputError
from metrics.statistics.arrays import Array, feature_pair, vector


@dataclass(frozen=True)
class RequestError:
    """Measured against requested values.

    Attributes:
        mae, bias: in the unit of the values, over measurable samples; bias is measured minus requested.
        slope: of measured on requested by least squares; 1 is best, 0 ignores the condition. NaN if only one value was
            requested.
        within_5, within_10: share within 5 and 10 units of the request, of ALL samples: not measurable is a failure.
        coverage: share of samples where the measurement succeeded.
        n: samples requested.
    """

    mae: float
    bias: float
    slope: float
    within_5: float
    within_10: float
    coverage: float
    n: int


def request_error(*, reference: npt.ArrayLike, generated: npt.ArrayLike) -> RequestError:
    """How well measured values follow requested ones, such as heart rates in bpm.

    Args:
        reference: (n,) requested.
        generated: (n,) measured on what was generated; NaN where it could not be.

    Raises:
        InputError: not equally many, a request that is not finite, or nothing measurable.
    """
    asked, got = _value_pair(reference, generated)
    found = np.isfinite(got)
    error = (got - asked)[found]
    spread = asked[found] - asked[found].mean()
    distance = np.where(found, np.abs(got - asked), np.inf)
    return RequestError(
        mae=float(np.abs(error).mean()),
        bias=float(error.mean()),
        slope=float(spread @ got[found] / (spread @ spread)) if (spread @ spread) > 1e-12 else float("nan"),
        within_5=float((distance <= 5).mean()),
        within_10=float((distance <= 10).mean()),
        coverage=float(found.mean()),
        n=len(asked),
    )


def hr_mae_bpm(*, reference: npt.ArrayLike, generated: npt.ArrayLike) -> float:
    """Mean absolute error of measured against requested heart rate, bpm. See `request_error`."""
    return request_error(reference=reference, generated=generated).mae


@dataclass(frozen=True, eq=False)
class StatementAccuracy:
    """Whether an independent classifier sees the requested statements in what was generated.

    Attributes:
        auroc: (statement,) classifier score against the request; NaN where all or none were asked for it.
        shuffled: (statement,) mean AUROC against shuffled requests, about 0.5: what deafness looks like.
        macro, macro_shuffled: means over the statements there are.
        p_value: chance of a shuffled macro as high as the true one.
    """

    auroc: Array
    shuffled: Array
    macro: float
    macro_shuffled: float
    p_value: float


def statement_accuracy(
    *, reference: npt.ArrayLike, generated: npt.ArrayLike, shuffles: int = 100, seed: int = 0
) -> StatementAccuracy:
    """AUROC of a classifier's scores on generated ECGs for the statements requested, beside shuffled requests.

    Args:
        reference: (n, statement) requested, true or false.
        generated: (n, statement) scores of a classifier that never saw a generated ECG.
        shuffles: random pairings of request and ECG.
        seed: of the shuffles.

    Raises:
        InputError: shapes differ, or no statement is both requested and not requested.
    """
    asked, scores = feature_pair(reference, generated, minimum=2)
    if asked.shape != scores.shape:
        raise InputError(f"generated: scores of shape {scores.shape}; accepted: {asked.shape} as in reference")
    wanted = asked > 0.5
    rated = wanted.any(axis=0) & ~wanted.all(axis=0)
    if not rated.any():
        raise InputError("reference: no statement with and without a request; accepted: at least one")
    ranks = _midranks(scores)
    true = _auroc_of_ranks(ranks, wanted)
    drawn = np.array(
        [
            _auroc_of_ranks(
                ranks, wanted[np.random.default_rng(np.random.SeedSequence((seed, k))).permutation(len(wanted))]
            )
            for k in range(shuffles)
        ]
    )
    macro, macros = float(true[rated].mean()), drawn[:, rated].mean(axis=1)
    return StatementAccuracy(
        auroc=true,
        shuffled=drawn.mean(axis=0),
        macro=macro,
        macro_shuffled=float(macros.mean()),
        p_value=float((1 + (macros >= macro).sum()) / (1 + shuffles)),
    )


@dataclass(frozen=True)
class Retrieval:
    """How often the right text is found for an ECG among all candidates.

    Attributes:
        at_1, at_5, at_10: share of ECGs whose text is among the first k; chance is k / candidates.
        median_rank: of the right text, from 1.
        candidates: texts to choose from.
    """

    at_1: float
    at_5: float
    at_10: float
    median_rank: float
    candidates: int


def retrieval(*, reference: npt.ArrayLike, generated: npt.ArrayLike, candidates: int = 100, seed: int = 0) -> Retrieval:
    """Find each ECG's own text by cosine among ``candidates`` texts (its own and random others).

    Args:
        reference: text embeddings (n, d), row for row.
        generated: ECG embeddings (n, d).
        candidates: texts to choose from, at most n.
        seed: of the others.

    Raises:
        InputError: other shapes, or fewer than two samples.
    """
    texts, ecgs = feature_pair(reference, generated, minimum=2)
    if len(texts) != len(ecgs):
        raise InputError(f"generated: {len(ecgs)} embeddings; accepted: {len(texts)}, one per text")
    texts, ecgs = _directions(texts), _directions(ecgs)
    size = min(candidates, len(texts))
    ranks = np.empty(len(ecgs))
    for i, ecg in enumerate(ecgs):
        rng = np.random.default_rng(np.random.SeedSequence((seed, i)))
        others = rng.choice(len(texts) - 1, size - 1, replace=False)
        score = texts[others + (others >= i)] @ ecg
        own = texts[i] @ ecg
        # A tie is half a place: a constant embedding must not be first.
        ranks[i] = 1 + np.count_nonzero(score > own + 1e-12) + np.count_nonzero(np.abs(score - own) <= 1e-12) / 2
    first, five, ten = (float((ranks <= k).mean()) for k in (1, 5, 10))
    return Retrieval(first, five, ten, float(np.median(ranks)), size)


@dataclass(frozen=True)
class TextAgreement:
    """Mean cosine of ECG and text, with what it can be compared to.

    Attributes:
        generated: generated ECG with the text it was made from.
        real: real ECG with its own text.
        shuffled: real ECG with another's text.
        noise: noise with a text.
        ratio: generated / real, as papers print it (rCLIP); hides that ``shuffled`` may be nearly as high.
        calibrated: (generated - shuffled) / (real - shuffled); 1 as good as real, 0 as if the text were not read.
    """

    generated: float
    real: float
    shuffled: float
    noise: float
    ratio: float
    calibrated: float


def text_agreement(
    *,
    reference: npt.ArrayLike,
    reference_text: npt.ArrayLike,
    generated: npt.ArrayLike,
    generated_text: npt.ArrayLike,
    noise: npt.ArrayLike,
    seed: int = 0,
) -> TextAgreement:
    """CLIP-style score with three references.

    Args:
        reference, reference_text: embeddings (m, d) of real ECGs and their texts.
        generated, generated_text: embeddings (n, d) of generated ECGs and the texts asked for.
        noise: embeddings (k, d) of noise in place of ECGs.
        seed: of the shuffles.

    Raises:
        InputError: shapes do not fit, or fewer than two samples.
    """
    real, real_text = (_directions(x) for x in feature_pair(reference, reference_text, minimum=2))
    fake, fake_text = (_directions(x) for x in feature_pair(generated, generated_text, minimum=2))
    if real.shape != real_text.shape or fake.shape != fake_text.shape:
        raise InputError("embeddings: accepted: one text per ECG")
    static = _directions(feature_pair(real, noise)[1])
    rng = np.random.default_rng(seed)
    turn = (np.arange(len(real)) + rng.integers(1, len(real))) % len(real)  # never one's own text
    pick = rng.integers(0, len(real), len(static))
    own, asked, other, none = (
        float(np.einsum("nd,nd->n", a, b).mean())
        for a, b in ((real, real_text), (fake, fake_text), (real, real_text[turn]), (static, real_text[pick]))
    )
    span = own - other
    return TextAgreement(
        generated=asked,
        real=own,
        shuffled=other,
        noise=none,
        ratio=asked / own if own else float("nan"),
        calibrated=(asked - other) / span if abs(span) > 1e-12 else float("nan"),
    )


def _value_pair(reference: npt.ArrayLike, generated: npt.ArrayLike) -> tuple[Array, Array]:
    asked, got = vector(reference, name="reference", minimum=2), vector(generated, name="generated", minimum=2)
    if len(asked) != len(got):
        raise InputError(f"generated: {len(got)} values; accepted: {len(asked)}, one per request")
    if not np.isfinite(asked).all():
        raise InputError("reference: a requested value is not finite; accepted: finite requests")
    if not np.isfinite(got).any():
        raise InputError("generated: nothing could be measured; accepted: at least one value")
    return asked, got


def _directions(x: Array) -> Array:
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(norm > 0, norm, np.inf)


def _midranks(scores: Array) -> Array:
    from scipy.stats import rankdata

    return rankdata(scores, axis=0)


def _auroc_of_ranks(ranks: Array, wanted: npt.NDArray[np.bool_]) -> Array:
    """(statement,) Mann-Whitney from ranks; NaN where a class is missing."""
    positive = wanted.sum(axis=0)
    pairs = positive * (len(wanted) - positive)
    wins = (ranks * wanted).sum(axis=0) - positive * (positive + 1) / 2
    return np.divide(wins, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
