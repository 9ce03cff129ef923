"""The slow baseline of a lead, which belongs to its electrode and not to the heart, taken apart from the rest.

Recorders differ in what they write below .5 Hz: offsets of volts of the electrode, drift of breathing, or nothing. A
lead's *slow part* is its least-squares fit by a constant and the slowest Slepian sequences of the window, which
together span everything below `DRIFT_HZ` up to some per mille. Least squares on a span takes whatever lies in it out
exactly, without edges or ringing, and needs no sample where there is a hole. What remains are *deviations*, and only
they reach the network; deviations of missing leads are what it answers.

The slow part of a missing lead is a guess of its own: the conditional mean under the covariance of slow parts in
training records, shrunk by the power that the given leads show, since what is large is an electrode's and no heart's.
Its uncertainty is Student's t with that power as its scale, and with the power usual in training records as well where
the given leads are quiet.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.special import ndtri, stdtrit

from gen.leads import LEADS_8
from vae.networks.spatial import AUGMENTED_ROWS

#: Everything slower is baseline.
DRIFT_HZ = 0.3
#: Samples averaged before the fit: 20 ms at 500 Hz.
BLOCK = 10
#: Pulls all but the constant towards 0 where a lead has holes; in units of a lead without any.
HOLE_RIDGE = 0.1
#: Prior of a record's baseline power: this many leads of so many mV^2.
PRIOR_LEADS, PRIOR_MV2 = 1.5, 6e-4
#: Baselines of a power (mV^2) far above this are offsets, which the prior says nothing about.
OFFSET_MV2 = 0.01
#: Quiet baselines are more peaked than Student's t: shares of its 50 and 90 % half-widths (folds 1-8).
PEAKED = (0.75, 1.0)
#: How far offsets and drift of given leads are taken for electrodes' own noise, as a share of their power. Drift is
#: hardly believed, or a loud one would be seen in other leads.
OFFSET_SHARE, DRIFT_SHARE = 0.05, 1.0
LEVELS = (50, 90)


@dataclass(frozen=True)
class Basis:
    """Slow functions of a window: (function, block) orthonormal on blocks, and the same (function, time)."""

    blocks: torch.Tensor
    full: torch.Tensor


@lru_cache(maxsize=64)
def slow_basis(length: int, fs_hz: float) -> Basis:
    """Basis for windows of so many samples; eleven functions for ten seconds, four for one."""
    seconds, count = length / fs_hz, -(-length // BLOCK)
    functions = max(1, min(int(4 + 0.72 * seconds), count))
    found = np.ones((1, length))
    if functions > 1:
        from scipy.signal.windows import dpss  # the package takes a second to import

        found = np.concatenate([found, dpss(length, max(DRIFT_HZ * seconds, 0.05), functions - 1)])
    padded = np.concatenate([found, np.zeros((functions, count * BLOCK - length))], axis=1)
    samples = np.full(count, float(BLOCK))
    samples[-1] -= count * BLOCK - length
    means = padded.reshape(functions, count, BLOCK).sum(axis=2) / samples
    q, r = np.linalg.qr(means.T)
    return Basis(torch.from_numpy(q.T.copy()), torch.from_numpy(np.linalg.solve(r.T, found)))


def slow_part(x: torch.Tensor, observed: torch.Tensor, basis: Basis) -> torch.Tensor:
    """Least-squares fit of the slow functions to the observed samples of each lead.

    Args:
        x: (..., time) mV; what stands where ``observed`` is False has no influence.
        observed: (..., time) bool.
        basis: of windows of this length.

    Returns:
        (..., time) at every sample, in holes too; 0 for a lead without any sample.
    """
    # Solved in double precision: an offset may be a thousand times the heart's signal.
    length, functions = x.shape[-1], len(basis.blocks)
    pad = -length % BLOCK
    shape = (*x.shape[:-1], -1, BLOCK)
    values = torch.nn.functional.pad(torch.where(observed, x, 0.0), (0, pad)).reshape(shape).sum(-1).double()
    count = torch.nn.functional.pad(observed.to(x.dtype), (0, pad)).reshape(shape).sum(-1).double()
    mean, weight = values / count.clamp_min(1), count / BLOCK
    blocks, full = basis.blocks.to(x.device), basis.full.to(x.device)
    missing = 1 - observed.double().mean(-1, keepdim=True)
    penalty = HOLE_RIDGE * missing**2 * (torch.arange(functions, device=x.device) > 0)
    # The last block may be shorter than the others; it weighs as one.
    last = torch.ones_like(weight)
    last[..., -1] = BLOCK / (BLOCK - pad) if pad else 1.0
    weight = weight * last
    # Conjugate gradients: as many steps as there are functions, one where nothing is missing. No solver is needed,
    # which exported graphs do not have.
    fit = torch.zeros((*x.shape[:-1], functions), dtype=torch.float64, device=x.device)
    rest = (weight * mean) @ blocks.T
    direction, power = rest, rest.square().sum(-1, keepdim=True)
    for _ in range(functions + 4):
        applied = ((direction @ blocks) * weight) @ blocks.T + penalty * direction
        step = power / (direction * applied).sum(-1, keepdim=True).clamp_min(1e-30)
        fit = fit + step * direction
        rest = rest - step * applied
        new = rest.square().sum(-1, keepdim=True)
        direction = rest + new / power.clamp_min(1e-30) * direction
        power = new
    return (fit @ full).to(x.dtype)


def whole_slow_part(x: torch.Tensor, basis: Basis) -> torch.Tensor:
    """`slow_part` of leads (..., time) without holes: one projection."""
    length = x.shape[-1]
    pad = -length % BLOCK
    sums = torch.nn.functional.pad(x, (0, pad)).reshape(*x.shape[:-1], -1, BLOCK).sum(-1).double()
    counts = torch.full((sums.shape[-1],), float(BLOCK), dtype=torch.float64, device=x.device)
    counts[-1] -= pad
    return ((sums / counts) @ basis.blocks.to(x.device).T @ basis.full.to(x.device)).to(x.dtype)


class DriftPrior:
    """What the slow parts of given leads tell about those of the others.

    Args:
        covariance: (8, 8) mV^2 of slow parts over training records, loud ones capped.
    """

    def __init__(self, covariance: torch.Tensor) -> None:
        self.covariance = covariance.double().cpu()
        self.rows = torch.cat([torch.eye(len(LEADS_8), dtype=torch.float64), AUGMENTED_ROWS])
        self._known: dict[tuple[bool, ...], tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = {}

    def of_pattern(self, pattern: tuple[bool, ...]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Factors of the conditional mean given these rows: (8, rows), (rows,) and (rows, rows).

        The map under an offset power p is ``left @ diag(1 / (values + p)) @ right``; rows not given are 0.
        """
        if pattern not in self._known:
            size, chosen = len(pattern), [i for i, there in enumerate(pattern) if there]
            h = self.rows[chosen]
            values, vectors = torch.linalg.eigh(h @ self.covariance @ h.T)
            all_values, right = torch.ones(size, dtype=torch.float64), torch.zeros(size, size, dtype=torch.float64)
            # A tenth of the leads' own variance keeps close neighbours from being extrapolated.
            floor = 0.1 * values.mean() if chosen else 0.0
            all_values[: len(chosen)] = values + floor
            right[: len(chosen), chosen] = vectors.T
            left = torch.zeros(len(LEADS_8), size, dtype=torch.float64)
            left[:, : len(chosen)] = self.covariance @ h.T @ vectors
            self._known[pattern] = (left, all_values, right)
        return self._known[pattern]

    def __call__(self, slow: torch.Tensor, given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Slow parts of the eight leads.

        Args:
            slow: (batch, 8 or 12, time) mV, slow parts of the eight leads and, where there are any, of lone III, aVR,
                aVL and aVF; 0 where not given.
            given: (batch, 8 or 12) bool.

        Returns:
            (batch, 8, time) mV, those given as they are; (batch, len(LEVELS)) mV, half the width of the bands around
            one that is not given.
        """
        found = [self.of_pattern(tuple(row)) for row in given.tolist()]
        left, values, right = (torch.stack(part).to(slow.device) for part in zip(*found, strict=True))
        quantiles = torch.stack([STUDENT[count] for count in given.sum(dim=1).tolist()]).to(slow.device)
        return conditional_drift(slow, given, left, values, right, quantiles)


@dataclass(frozen=True)
class Split:
    """Signals in two parts.

    Attributes:
        deviation_mv: (batch, 8, time), 0 where not observed.
        augmented_mv: (batch, 4, time) deviations of lone III, aVR, aVL, aVF, NaN elsewhere; None: there are none.
        slow_mv: (batch, 8, time) slow parts; those of missing leads are guessed.
        half_mv: (batch, level, 8) half the width of the bands around the slow part; in a lead with holes their share
            of it.
    """

    deviation_mv: torch.Tensor
    augmented_mv: torch.Tensor | None
    slow_mv: torch.Tensor
    half_mv: torch.Tensor


def padded(parts: Split, samples: int) -> Split:
    """Parts with so many unobserved samples more at their end."""
    pad = torch.nn.functional.pad
    return Split(
        pad(parts.deviation_mv, (0, samples)),
        None if parts.augmented_mv is None else pad(parts.augmented_mv, (0, samples), value=torch.nan),
        pad(parts.slow_mv, (0, samples)),
        parts.half_mv,
    )


def split(
    prior: DriftPrior | None,
    signal_mv: torch.Tensor,
    observed: torch.Tensor,
    augmented_mv: torch.Tensor | None,
    fs_hz: float,
) -> Split:
    """Deviations and slow parts of observed leads (batch, 8, time), and the slow parts of the others.

    A jump of the baseline, as when an electrode is put on again, starts another slow part in its lead. Without a prior
    everything is deviation.
    """
    x = torch.where(observed, signal_mv, 0.0)
    if prior is None:
        return Split(x, augmented_mv, torch.zeros_like(x), x.new_zeros(len(x), len(LEVELS), len(LEADS_8)))
    values, there = x, observed
    if augmented_mv is not None:
        extra = ~torch.isnan(augmented_mv)
        values = torch.cat([x, torch.where(extra, augmented_mv, 0.0)], dim=1)
        there = torch.cat([observed, extra], dim=1)
    slow = slow_with_jumps(values, there, fs_hz)
    deviation = torch.where(there, values - slow, 0.0)
    eight, half = prior(slow, there.any(dim=2))
    leads = len(LEADS_8)
    unseen = 1 - observed.to(half.dtype).mean(dim=2)
    return Split(
        deviation[:, :leads],
        None if augmented_mv is None else torch.where(there[:, leads:], deviation[:, leads:], torch.nan),
        eight,
        half[:, :, None] * unseen[:, None],
    )


def slow_with_jumps(x: torch.Tensor, observed: torch.Tensor, fs_hz: float) -> torch.Tensor:
    """Slow parts of leads (batch, lead, time), with steps where a lead's baseline jumps.

    In signals shorter than `LEAST_JUMP_S` no jump is looked for: a few complexes look like steps there.
    """
    basis = slow_basis(x.shape[2], fs_hz)
    share = observed.float().mean(dim=2)
    whole, holed = share == 1, (share > 0) & (share < 1)
    slow = torch.zeros_like(x)
    if whole.any():
        slow[whole] = whole_slow_part(x[whole], basis)
    if holed.any():
        slow[holed] = slow_part(x[holed], observed[holed], basis)
    if x.shape[2] < LEAST_JUMP_S * fs_hz:
        return slow
    rest = torch.where(observed, x - slow, 0.0)
    # Most leads have no jump; a coarse look at all of them together leaves few for a closer one.
    for row, lead in (_step_gain(_blocks(rest), basis).amax(-1) > JUMP_POWER).nonzero().tolist():
        steps = jumps(rest[row, lead].cpu().numpy(), observed[row, lead].cpu().numpy(), basis)
        if steps is not None:
            slow[row, lead] += torch.from_numpy(steps).to(x)
    return slow


#: A jump is looked for where the best step takes so much power (mV^2 times blocks) out of a lead, and believed where
#: the mean absolute deviation falls to this share at most.
JUMP_POWER, JUMP_GAIN, MOST_JUMPS = 1.0, 0.9, 4
#: In two or three seconds a few complexes look like steps; see the tests.
LEAST_JUMP_S = 4.0
_TRIED = 6


def _blocks(x: torch.Tensor) -> torch.Tensor:
    """Means of `BLOCK` samples (..., blocks), the last one of what is left."""
    pad = -x.shape[-1] % BLOCK
    sums = torch.nn.functional.pad(x, (0, pad)).reshape(*x.shape[:-1], -1, BLOCK).sum(-1)
    sums[..., -1] *= BLOCK / (BLOCK - pad)
    return sums / BLOCK


def _step_gain(rest: torch.Tensor, basis: Basis) -> torch.Tensor:
    """Power that a step at each block takes out of what the slow functions leave (..., blocks), by least squares."""
    after = rest.double().flip(-1).cumsum(-1).flip(-1)
    count = torch.arange(rest.shape[-1], 0, -1, dtype=torch.float64, device=rest.device)
    # What of a step the slow functions do not hold; at the ends next to nothing.
    own = count - basis.blocks.to(rest.device).flip(-1).cumsum(-1).flip(-1).square().sum(0)
    return torch.where(own > 1, after.square() / own.clamp_min(1), 0.0)


def jumps(rest: np.ndarray, observed: np.ndarray, basis: Basis) -> np.ndarray | None:
    """What steps, and the slow functions beside them, add to the slow part of a lead (time,); None without any.

    Args:
        rest: what a fit without steps leaves, 0 where not observed.
        observed: bool.
        basis: of this length.
    """
    there = torch.from_numpy(observed)
    weight = _blocks(there.float()).double().numpy()
    mean = _blocks(torch.from_numpy(rest)).double().numpy() / np.maximum(weight, 1e-9)
    slow, full = basis.blocks.numpy(), basis.full.numpy()
    penalty = HOLE_RIDGE * (1 - observed.mean()) ** 2 * (np.arange(len(slow)) > 0)
    places: list[int] = []
    found = None
    cost, left = float((weight * np.abs(mean)).sum()), mean
    while len(places) < MOST_JUMPS:
        tried = []
        for place in _steepest(left, weight, rest, observed, basis):
            if place in places:
                continue
            steps = np.arange(len(rest)) >= np.array([*places, place])[:, None]
            rows = np.concatenate([slow, _blocks(torch.from_numpy(steps).float()).double().numpy()])
            normal = (rows * weight) @ rows.T + np.diag([*penalty, *[1e-6] * len(steps)])
            fit = np.linalg.solve(normal, rows @ (weight * mean))
            new = mean - fit @ rows
            tried.append((float((weight * np.abs(new)).sum()), place, new, fit @ np.concatenate([full, steps])))
        if not tried or min(each[0] for each in tried) > JUMP_GAIN * cost:
            break
        # The steepest of those that are about as good.
        least = min(each[0] for each in tried)
        cost, place, left, found = next(each for each in tried if each[0] <= 1.1 * least)
        places.append(place)
    return found


def _steepest(left: np.ndarray, weight: np.ndarray, rest: np.ndarray, observed: np.ndarray, basis: Basis) -> list[int]:
    """Steepest samples near the block where one more step would take most out of a lead; none where it takes little."""
    gain = _step_gain(torch.from_numpy(left * weight), basis).numpy()
    best = int(np.argmax(gain))
    if gain[best] < JUMP_POWER:
        return []
    # In a hole the jump lies anywhere: the first sample after the hole stands for it.
    there = np.flatnonzero(observed)
    near = there[np.searchsorted(there, (best - 25) * BLOCK) : np.searchsorted(there, (best + 25) * BLOCK) + 1]
    steps = np.abs(np.diff(rest[near]))
    found: list[int] = []
    # Complexes are steep as well, so that several places are tried.
    while steps.size and len(found) < _TRIED:
        place = int(np.argmax(steps))
        if steps[place] <= 0:
            break
        found.append(int(near[place + 1]))
        steps[max(0, place - BLOCK) : place + BLOCK + 1] = 0
    return found


def conditional_drift(
    slow: torch.Tensor,
    given: torch.Tensor,
    left: torch.Tensor,
    values: torch.Tensor,
    right: torch.Tensor,
    quantiles: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """`DriftPrior.__call__` with its factors: plain tensor operations, as an exported graph needs them."""
    power = slow.double().square().mean(dim=2).sum(dim=1)  # rows not given are 0
    count = given.double().sum(dim=1)
    middle = slow.double().mean(dim=2, keepdim=True)
    sums = torch.zeros_like(slow[:, : len(LEADS_8)].double())
    # Apart, so that an offset changes the offsets of other leads alone.
    for part, believed in ((middle, OFFSET_SHARE), (slow.double() - middle, DRIFT_SHARE)):
        own = believed * part.square().mean(dim=2).sum(dim=1) / count.clamp_min(1)
        sums = sums + (left / (values + own[:, None]).clamp_min(1e-12)[:, None]) @ right @ part
    guessed = sums.to(slow.dtype)
    eight = torch.where(given[:, : len(LEADS_8), None], slow[:, : len(LEADS_8)], guessed)
    quiet = ((PRIOR_LEADS * PRIOR_MV2 + power) / (PRIOR_LEADS + count)).sqrt()
    loud = power / count.clamp_min(1)
    share = (loud / (loud + OFFSET_MV2))[:, None]
    half = (1 - share) * quantiles[:, 0] * quiet[:, None] + share * quantiles[:, 1] * loud.sqrt()[:, None]
    return eight, half.to(slow.dtype)


def slow_draw(rng: np.random.Generator, length: int, fs_hz: float) -> np.ndarray:
    """(8, length) float32 slow parts, half offset, half drift; their 90 % bands have a half-width of 1."""
    full = slow_basis(length, fs_hz).full.numpy()
    power = (full**2).mean(axis=1)
    share = np.full(len(full), 0.5 / max(1, len(full) - 1))
    share[0] = 0.5 if len(full) > 1 else 1.0
    weights = rng.standard_normal((len(LEADS_8), len(full))) * np.sqrt(share / power) / ndtri(0.95)
    return (weights @ full).astype(np.float32)


def _quantiles() -> torch.Tensor:
    levels = 0.5 + np.asarray(LEVELS) / 200
    found = [
        [np.asarray(PEAKED) * stdtrit(PRIOR_LEADS + count, levels), stdtrit(max(1, count), levels)]
        for count in range(13)
    ]
    return torch.from_numpy(np.asarray(found))


#: (number of given leads, quiet or loud, level): half-widths of Student's t.
STUDENT = _quantiles()


def drift_covariance(blocks: Iterable[np.ndarray], fs_hz: float) -> np.ndarray:
    """(8, 8) mV^2 covariance of slow parts of complete records, given in blocks (n, 8, time) mV.

    Records louder than the median are scaled down to it, or a few loose electrodes would decide it alone.
    """
    found = []
    for block in blocks:
        x = torch.from_numpy(np.nan_to_num(block))
        slow = whole_slow_part(x, slow_basis(x.shape[2], fs_hz)).double()
        found.append(torch.einsum("nat,nbt->nab", slow, slow).numpy() / x.shape[2])
    each = np.concatenate(found)
    power = np.trace(each, axis1=1, axis2=2)
    return (each * np.minimum(1, np.median(power) / np.maximum(power, 1e-12))[:, None, None]).mean(axis=0)
