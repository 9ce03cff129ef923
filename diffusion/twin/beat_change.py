"""What a change of condition does to a person's beat: a network learned from hearts simulated twice on the same day.

A recording's prevailing form (`diffusion.beats.shape.BeatShape`) is taken apart into components of QRS-T, of P, and
logarithms of its intervals; the network gives the mean of their change from the condition that the beat was recorded in
to the one asked for, and how much hearts differ around it. The change is measured in the person's own voltage, so it
does not depend on gain, and it is nothing where the conditions are the same. It is added to the full form, so what a
condition leaves alone stays as recorded, to the microvolt.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn

from diffusion.beats.code import INTERVALS, P_WIDTH, QRST_WIDTH, BeatCode
from diffusion.beats.plausible import LONGEST_QRS_S
from diffusion.beats.shape import LEAD_IN, NUM_LEADS, P_POINTS, POINTS, QRS, QT_POWER, BeatShape, ramp
from gen.network import Network, register_to_config

Array = npt.NDArray[np.float64]

#: Components of QRS-T, of P, and logarithms of reference minus onset, QRS, QT and PR.
CHANGED = QRST_WIDTH + P_WIDTH + INTERVALS
_P = slice(QRST_WIDTH, QRST_WIDTH + P_WIDTH)
_TIMES = slice(_P.stop, CHANGED)
#: Rate, age and whether it is known, sex, whether there are P waves.
NUMBERS = 5
#: Root mean square of a form's QRS-T below which voltage is not taken as the person's measure, mV.
_LEAST_MV = 0.06
#: PR where a beat without a P wave gets one, seconds.
_PR_S = 0.16
#: Weights of ST-T, fading in after the complex.
_AFTER_QRS = np.concatenate([np.zeros(LEAD_IN + QRS), ramp(8), np.ones(POINTS - LEAD_IN - QRS - 8)])


@dataclass(frozen=True)
class BeatCondition:
    """What a beat was recorded in, or is to be.

    Attributes:
        codes: statements that are not denied.
        heart_rate: bpm.
        age: years, or None.
        sex: "F", "M" or None.
        has_p: whether P waves lead to the beats.
    """

    codes: frozenset[str]
    heart_rate: float
    age: float | None
    sex: str | None
    has_p: bool


class BeatChange(Network):
    """Mean and spread of the change of a beat.

    Args:
        codes: statements that are known, in the order of the inputs; others are not looked at.
        width: of the hidden layers.
        depth: blocks.
        dropout: of the hidden layers.
    """

    code: BeatCode
    scale: torch.Tensor

    @register_to_config
    def __init__(self, codes: Collection[str] = (), width: int = 384, depth: int = 3, dropout: float = 0.1) -> None:
        super().__init__()
        self.codes = tuple(codes)
        self.condition_width = len(self.codes) + NUMBERS
        beat = QRST_WIDTH + P_WIDTH + INTERVALS + QRST_WIDTH + 1
        self.stem = nn.Linear(beat, width)
        self.before = nn.Linear(self.condition_width, width)
        self.after = nn.Linear(self.condition_width, width)
        self.blocks = nn.ModuleList(_Block(width, dropout) for _ in range(depth))
        self.mean = nn.Linear(width, CHANGED)
        self.spread = nn.Linear(width, CHANGED)
        #: Takes the correlation out of standardised deviations: its inverse puts it in.
        self.whiten = nn.Parameter(torch.eye(CHANGED))
        self.code = BeatCode()
        self.register_buffer("scale", torch.ones(CHANGED))

    def forward(self, beat: torch.Tensor, own: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean (batch, CHANGED) of the change, and logarithm of its standard deviation.

        Args:
            beat: (batch, features) of `features`.
            own, target: (batch, condition) of `encoded`.
        """
        both = self._hidden(torch.cat([beat, beat]), torch.cat([own, own]), torch.cat([target, own]))
        changed, same = both.chunk(2)
        return self.mean(changed) - self.mean(same), self.spread(changed).clamp(-7, 2)

    def _hidden(self, beat: torch.Tensor, own: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        h, condition = self.stem(beat), self.before(own) + self.after(target)
        for block in self.blocks:
            h = block(h, condition)
        return F.layer_norm(h, h.shape[-1:])

    def loss(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Squared error of the mean, and likelihood of what is left.

        Args:
            batch: ``beat``, ``own``, ``target``, ``change`` (batch, CHANGED) in units of ``scale``, and ``mask``.
        """
        mean, spread = self.forward(batch["beat"], batch["own"], batch["target"])
        mask = batch["mask"].to(mean.dtype)
        # Of QRS-T, components count by their size: small ones are mostly what nothing tells.
        weight = mask.clone()
        size = self.scale[:QRST_WIDTH]
        weight[:, :QRST_WIDTH] *= size / size.mean()
        error = ((mean - batch["change"]).square() * weight).sum(dim=1) / weight.sum(dim=1)
        left = (batch["change"] - mean.detach()) * mask * torch.exp(-spread)
        lower = torch.tril(self.whiten)
        white = left @ lower.T
        entropy = (spread * mask).sum(dim=1) - lower.diagonal().abs().clamp_min(1e-3).log().sum()
        likelihood = (0.5 * white.square().sum(dim=1) + entropy) / CHANGED
        return {"loss": error.mean() + 0.1 * likelihood.mean(), "mse": error.mean(), "nll": likelihood.mean()}

    def encoded(self, condition: BeatCondition) -> npt.NDArray[np.float32]:
        """(condition,) inputs of a condition."""
        said = [float(code in condition.codes) for code in self.codes]
        known = condition.age is not None
        numbers = [
            2.0 * float(np.log(condition.heart_rate / 75.0)),
            (float(condition.age) - 60.0) / 20.0 if condition.age is not None else 0.0,
            float(known),
            {"F": -1.0, "M": 1.0}.get(condition.sex or "", 0.0),
            float(condition.has_p),
        ]
        return np.array([*said, *numbers], dtype=np.float32)

    def features(self, shape: BeatShape, has_p: bool) -> npt.NDArray[np.float32]:
        """(features,) inputs of a form."""
        vector = self.code.vector(shape, None)[:CHANGED].clip(-5, 5)
        if not has_p:
            vector[_P] = vector[-1] = 0.0
        size = voltage(shape)
        form = self._scores(shape.qrst, "qrst") / (size * 3.0 * np.sqrt(NUM_LEADS * POINTS / QRST_WIDTH))
        return np.concatenate([vector, form.clip(-5, 5), [2.0 * np.log(size / 0.2)]]).astype(np.float32)

    def change(self, before: BeatShape, after: BeatShape, p_before: bool, p_after: bool) -> tuple[Array, Array]:
        """The change (CHANGED,) from one form to another, not scaled, and where it is known."""
        out, mask = np.zeros(CHANGED), np.ones(CHANGED)
        out[:QRST_WIDTH] = self._scores(after.qrst - before.qrst, "qrst") / voltage(before)
        first = before.p if p_before else self.code.array("p_mean").reshape(NUM_LEADS, P_POINTS)
        out[_P] = self._scores(after.p - first, "p")
        old, new = _times(_at_rate(before, after.rr_s), p_before), _times(after, p_after)
        out[_TIMES] = np.log(new) - np.log(old)
        if not p_after:
            mask[_P] = mask[-1] = 0.0
        return out * mask, mask

    def changed(
        self,
        shape: BeatShape,
        change: Array,
        rr_s: float,
        p_before: bool,
        p_after: bool,
        *,
        keep_qrs: bool = False,
        keep_pr: bool = False,
    ) -> BeatShape:
        """A form after a change (CHANGED,), at another RR interval.

        Args:
            shape: before it.
            change: see `change`.
            rr_s: interval after it.
            p_before, p_after: whether there are P waves.
            keep_qrs, keep_pr: leave the complex, or the PR interval, as it is.
        """
        first = _at_rate(shape, rr_s)
        basis = self.code.array("qrst_basis")
        added = voltage(shape) * (change[:QRST_WIDTH] @ basis).reshape(NUM_LEADS, POINTS)
        if keep_qrs:
            added, change = added * _AFTER_QRS, change.copy()
            change[_TIMES.start : _TIMES.start + 2] = 0.0
        if keep_pr and p_before:
            change = np.append(change[:-1], 0.0)
        qrst = first.qrst + added
        p = first.p
        if p_after:
            p = p if p_before else self.code.array("p_mean").reshape(NUM_LEADS, P_POINTS)
            p = p + (change[_P] @ self.code.array("p_basis")).reshape(NUM_LEADS, P_POINTS)
        on, qrs, qt, pr = _times(first, p_before) * np.exp(change[_TIMES].clip(-1.5, 1.5))
        if not keep_qrs:
            qrs = float(np.clip(qrs, 0.05, LONGEST_QRS_S["own"] - 0.005))
            on = float(min(on, 0.8 * qrs))
        qt = float(np.clip(qt, qrs + 0.10, 0.75))
        pr = float(np.clip(pr, 0.07, 0.42)) if p_after else shape.pr_s
        return replace(first, qrst=qrst, p=p, on_s=-on, off_s=qrs - on, t_off_s=qt - on, pr_s=pr)

    @torch.inference_mode()
    def expected(self, shape: BeatShape, own: BeatCondition, target: BeatCondition) -> "tuple[Array, Array]":
        """Mean (CHANGED,) of the change of one form, and the root (CHANGED, CHANGED) of its covariance."""
        arrays = (self.features(shape, own.has_p), self.encoded(own), self.encoded(target))
        if np.array_equal(arrays[1], arrays[2]):
            return np.zeros(CHANGED), np.zeros((CHANGED, CHANGED))
        mean, spread = self.forward(*(torch.from_numpy(a)[None] for a in arrays))
        scale = self.scale.double().numpy()
        root = np.linalg.inv(np.tril(self.whiten.double().numpy()))
        return scale * mean[0].double().numpy(), (scale * np.exp(spread[0].double().numpy()))[:, None] * root

    def _scores(self, wave: Array, part: str) -> Array:
        return wave.ravel() @ self.code.array(f"{part}_basis").T


def voltage(shape: BeatShape) -> float:
    """Root mean square of QRS-T over eight leads, mV: what changes are measured in."""
    return float(np.sqrt(np.mean(shape.qrst**2) + _LEAST_MV**2))


def _at_rate(shape: BeatShape, rr_s: float) -> BeatShape:
    """A form as it is at another RR interval; see `diffusion.beats.shape.stt_stretch`."""
    factor = float(np.clip(rr_s / shape.rr_s, 0.3, 2.5)) ** QT_POWER
    return replace(shape, t_off_s=shape.off_s + factor * (shape.t_off_s - shape.off_s), rr_s=rr_s)


def _times(shape: BeatShape, has_p: bool) -> Array:
    on = max(-shape.on_s, 0.004)
    pr = max(shape.pr_s, 0.06) if has_p else _PR_S
    return np.array([on, shape.off_s - shape.on_s, shape.t_off_s - shape.on_s, pr])


class _Block(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.modulation = nn.Linear(width, 2 * width)
        self.net = nn.Sequential(
            nn.Linear(width, 2 * width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """(batch, width) twice -> (batch, width)."""
        shift, scale = self.modulation(F.silu(condition)).chunk(2, dim=-1)
        return x + self.net(F.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift)
