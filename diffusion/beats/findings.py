"""What a beat's vector tells of findings: one logistic regression for each, learned from recordings.

A network that learned from two thousand recordings draws beats of "anteroseptal infarction" of which too few look like
one. Which do is easily told: a linear reading of the vector ranks the statements of unseen recordings about as well as
a network that sees the whole ECG. Several beats are therefore drawn for a request, and one is chosen among them, the
likelier the better it reads as what was asked for; with as many draws as one likes this samples from the product of
both distributions (sampling importance resampling, Rubin 1987).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from diffusion.beats.profile import Buffers
from diffusion.conditions.condition import Condition
from gen.text import statements, vocabulary

Array = npt.NDArray[np.float64]
#: Beats drawn for a request, and the power of their reading; on fold 9.
CANDIDATES, SHARPNESS = 4, 2.0
#: A finding of fewer recordings is not learned; inverse strength of the regression's ridge.
FEWEST, _STRENGTH = 15, 0.02
#: A beat does not show when it comes.
_NOT_OF_A_BEAT = frozenset({"PVC", "PAC", "PRC(S)"})
_OF_A_BEAT = frozenset({"PACE"})
#: Likelihood in percent from which on a finding counts as asked for.
_LEAST = 50


class FindingsReader(Buffers):
    """Buffers: weights of the statements of the vocabulary, and which of them were learned.

    Args:
        width: of a vector.
    """

    def __init__(self, width: int) -> None:
        count = len(vocabulary())
        super().__init__({"weight": (count, width), "bias": (count,), "learned": (count,)})

    def fit(self, vectors: Array, codes: Sequence[set[str]]) -> None:
        """Learn from recordings' vectors (n, width) and the statements of each."""
        from sklearn.linear_model import LogisticRegression

        weight, bias, learned = (np.zeros(self.get_buffer(name).shape) for name in ("weight", "bias", "learned"))
        for code in sorted(set().union(*codes) & shown()):
            there = np.array([code in each for each in codes])
            if FEWEST <= there.sum() < len(there):
                model = LogisticRegression(C=_STRENGTH, max_iter=1000).fit(vectors, there)
                place = vocabulary().id(code)
                weight[place], bias[place], learned[place] = model.coef_[0], model.intercept_[0], 1
        self.set_arrays(weight=weight, bias=bias, learned=learned)

    def asked(self, condition: Condition) -> dict[int, bool]:
        """Statements of a request that can be read off a beat, by their id, and whether they are to be there."""
        out = {}
        for statement in condition.text.statements if condition.text is not None else ():
            if statement.code in shown() and (statement.negated or statement.likelihood >= _LEAST):
                place = vocabulary().id(statement.code)
                if self.array("learned")[place] > 0:
                    out[place] = not statement.negated
        return out

    def log_likelihood(self, vectors: Array, asked: dict[int, bool]) -> Array:
        """(n,) logarithm of the probability that beats (n, width) read as asked for, statement by statement."""
        places = list(asked)
        logits = vectors @ self.array("weight")[places].T + self.array("bias")[places]
        signs = np.where(list(asked.values()), 1.0, -1.0)
        return np.asarray(-np.logaddexp(0.0, -signs * logits).sum(axis=1))


def shown() -> set[str]:
    """Statements that the form of a beat can show."""
    known = statements()
    return {code for code, each in known.items() if "rhythm" not in each.kind or code in _OF_A_BEAT} - _NOT_OF_A_BEAT


def choose(log_likelihood: Array, uniform: Array) -> npt.NDArray[np.intp]:
    """(n,) which candidate is taken for each request, with a chance that grows with its likelihood.

    Args:
        log_likelihood: (n, candidates).
        uniform: (n, candidates) from 0 to 1, of the samples.
    """
    gumbel = -np.log(-np.log(np.clip(uniform, 1e-12, 1 - 1e-9)))
    return np.asarray((SHARPNESS * log_likelihood + gumbel).argmax(axis=1))
