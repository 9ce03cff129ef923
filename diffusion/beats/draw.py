"""Draws beats of requests: again and again where no heart makes them, or where they miss what was asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from diffusion.beats.code import with_axis, with_intervals, with_larger_p
from diffusion.beats.criteria import AXIS_FINDINGS, LARGER_P, p_factor, turn_to, unmet
from diffusion.beats.findings import CANDIDATES, choose
from diffusion.beats.network import FORMS, draw_vectors
from diffusion.beats.plausible import fault
from diffusion.conditions.batch import collate
from diffusion.conditions.condition import Condition
from diffusion.process.settings import Sampling
from gen.randomness import Stream, seeded_uniform
from gen.text import read_text

#: How often a beat is drawn at most.
TRIES = 8
#: From this try on a form that misses the axis is turned to it.
TURNED = 3
_AXIS = AXIS_FINDINGS | {"axis_deg"}
#: Vectors are not drawn farther out, in standard deviations of recordings.
FARTHEST = 3.5


@dataclass(frozen=True)
class Outcome:
    """Of drawing something: how often, what is wrong with it, and what it misses of the request."""

    tries: int
    wrong: str = ""
    unmet: tuple[str, ...] = ()

    def better(self, other: "Outcome") -> bool:
        """Whether this is the one to keep."""
        return (bool(self.wrong), len(self.unmet)) < (bool(other.wrong), len(other.unmet))

    def then(self, other: "Outcome") -> "Outcome":
        """Of both, one after the other."""
        return Outcome(self.tries + other.tries - 1, self.wrong or other.wrong, (*self.unmet, *other.unmet))


def draw_beats(
    network: Any,
    known: Sequence[Condition],
    form: torch.Tensor,
    reference: torch.Tensor,
    seeds: torch.Tensor,
    settings: Sampling,
) -> tuple[np.ndarray, list[Outcome]]:
    """(n, WIDTH) vectors with the intervals asked for, and what came of drawing each.

    A beat that no heart makes, or that misses what was asked for, is drawn again. After `TRIES` tries the one
    that misses least is taken; where none can be, its outcome says what is wrong.
    """
    code = network.code
    name = FORMS[int(form[0])]
    out = np.zeros((len(known), reference.shape[1]))
    outcomes = [Outcome(0)] * len(known)
    draws = seeded_uniform((1,), seeds, stream=Stream.CRITERIA)[:, 0].tolist()
    left = list(range(len(known)))
    negative = settings.negative_prompt
    for attempt in range(TRIES):
        drawn = _chosen(
            network,
            [known[k] for k in left],
            form[left],
            reference[left],
            seeds[left],
            attempt,
            Condition(text=read_text(negative)) if negative else None,
            steps=settings.steps,
            # Guidance overshoots; after some tries the network's own distribution is drawn from.
            guidance=settings.guidance.scales["text"] if attempt < TRIES // 2 else 1.0,
            # Numbers are followed closely without, and guided ones would enlarge the beat.
            groups=("text",),
        )
        again = []
        for k, vector in zip(left, drawn, strict=True):
            asked = known[k]
            if name == "own":
                vector = with_intervals(code, vector, asked.qrs_ms, asked.qt_ms, asked.pr_ms)
            rate = asked.heart_rate
            rr_s = 60.0 / rate if rate else 0.8
            shape = code.shape(vector, rr_s)
            wrong = fault(shape, name)
            missing = tuple(unmet(shape, asked, draws[k])) if name == "own" and not wrong else ()
            if "RAO/RAE" in missing and (factor := p_factor(shape)) <= LARGER_P:
                # So high a P wave is drawn in one of fifty; one of that form is made as high.
                vector = with_larger_p(code, vector, factor)
                shape = code.shape(vector, rr_s)
                wrong = fault(shape, name)
                missing = tuple(unmet(shape, asked, draws[k])) if not wrong else ()
            if attempt >= TURNED and _AXIS & {*missing} and (turn := turn_to(shape, asked)) is not None:
                vector = with_axis(code, vector, rr_s, turn)
                shape = code.shape(vector, rr_s)
                wrong = fault(shape, name)
                missing = tuple(unmet(shape, asked, draws[k])) if not wrong else ()
            found = Outcome(attempt + 1, wrong, missing)
            if not attempt or found.better(outcomes[k]):
                out[k], outcomes[k] = vector, found
            outcomes[k] = replace(outcomes[k], tries=attempt + 1)
            if wrong or missing:
                again.append(k)
        left = again
        if not left:
            break
    return out, outcomes


def _chosen(
    network: Any,
    asked: Sequence[Condition],
    form: torch.Tensor,
    reference: torch.Tensor,
    seeds: torch.Tensor,
    attempt: int,
    negative: Condition | None,
    **given: Any,
) -> np.ndarray:
    """(n, WIDTH) vectors of one try: of prevailing beats with findings, one of several, see `findings.choose`."""
    reader, own = network.code.findings, FORMS[int(form[0])] == "own"
    tries = 1000 * attempt
    said = [reader.asked(condition) if own else {} for condition in asked]
    rows = [k for k, each in enumerate(said) if each]

    def draw(places: list[int], number: int) -> np.ndarray:
        beyond = tries + 100 * int(form[0]) + 10 * number
        out = draw_vectors(
            network,
            collate([asked[k] for k in places]),
            form[places],
            reference[places],
            seeds[places],
            negative=None if negative is None else collate([negative] * len(places)),
            stream=Stream.BEAT + beyond,
            **given,
        )
        return out.double().numpy().clip(-FARTHEST, FARTHEST)

    out = draw(list(range(len(asked))), 0)
    if not rows:
        return out
    candidates = np.stack([out[rows], *(draw(rows, k) for k in range(1, CANDIDATES))], axis=1)
    likely = np.stack([reader.log_likelihood(each, said[row]) for each, row in zip(candidates, rows, strict=True)])
    uniform = seeded_uniform((CANDIDATES,), seeds[rows], stream=Stream.FINDINGS + tries)
    out[rows] = candidates[np.arange(len(rows)), choose(likely, uniform.double().numpy())]
    return out
