"""What an ECG tells about its heart, as a distribution: group, volumes, mass, emptying, time of end-systole and wall.

The averaged beat of the leads that were recorded, the rhythm and what is known of the patient go in. Out comes a
mixture with one component for each disease group: its weight is the chance of the group, and within it the figures are
jointly normal (of log volume, log mass, logit of the ejection fraction, ...), with means and spreads that depend on the
ECG and ties that do not. So "one in ten of such ECGs belongs to a heart of 240 g" can be said, which one normal
distribution cannot. Leads that were not recorded are left out, and the distribution widens by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from gen.network import Network, register_to_config

#: Figures of a heart in the order of the distribution; the first four are `flow.networks.pamae.TARGETS`.
FIGURES = ("log_edv", "log_mass", "logit_ef", "es_share", "log_wall")
#: Known of a patient or not: age in years, 1 for male, height in cm, weight in kg.
PATIENT = ("age", "male", "height", "weight")
LOG_SPREAD_RANGE = (-4.0, 1.5)
_PATIENT_CENTRE, _PATIENT_SPREAD = (60.0, 0.5, 170.0, 76.0), (18.0, 0.5, 10.0, 16.0)
#: Middle and spread of `flow.ecg.beats.RHYTHM`.
_RHYTHM_CENTRE = (0.87, 0.05, 0.05, 0.92, 1.1, 0.05, 0.085)
_RHYTHM_SPREAD = (0.2, 0.08, 0.1, 0.12, 0.25, 0.12, 0.025)
_BEAT_SCALE_MV, _FARTHEST = 0.3, 20.0
#: Hearts that stand for the whole distribution of an ECG.
POINTS = 1024


@dataclass(frozen=True, eq=False)
class ToldHeart:
    """The distribution of hearts that go with each ECG of a batch.

    Attributes:
        group: (batch, group) log chance of each group.
        mean, spread: (batch, group, len(FIGURES)) raw figures, see `FIGURES`.
        tie: (group, len(FIGURES), len(FIGURES)) lower triangular with unit diagonal: figures are mean + spread * tie z.
    """

    group: torch.Tensor
    mean: torch.Tensor
    spread: torch.Tensor
    tie: torch.Tensor

    def __getitem__(self, rows: slice) -> "ToldHeart":
        """Some of the batch."""
        return ToldHeart(self.group[rows], self.mean[rows], self.spread[rows], self.tie)

    def draw(self, uniform: torch.Tensor, normal: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Hearts from random numbers.

        Args:
            uniform: (batch, K) in [0, 1), chooses the groups.
            normal: (batch, K, len(FIGURES)) standard normal.

        Returns:
            Figures (batch, K, len(FIGURES)), and groups (batch, K).
        """
        steps = self.group.exp().cumsum(dim=1)[:, None, :-1]
        chosen = (uniform[:, :, None] >= steps).sum(dim=2)
        place = chosen[:, :, None].expand(-1, -1, self.mean.shape[2])
        tied = torch.einsum("bkij,bkj->bki", self.tie[chosen], normal)
        return self.mean.gather(1, place) + self.spread.gather(1, place) * tied, chosen

    def cloud(self, points: int = POINTS) -> torch.Tensor:
        """(batch, points, len(FIGURES)) hearts that stand evenly for the distribution, the same at every call."""
        uniform, normal = (x.to(self.mean.device) for x in _even(points, self.mean.shape[2]))
        batch = len(self.mean)
        return self.draw(uniform.expand(batch, -1), normal.expand(batch, -1, -1))[0]

    def log_likelihood(self, figures: torch.Tensor, group: torch.Tensor) -> torch.Tensor:
        """(batch,) log density of figures (batch, len(FIGURES)) within their group (batch,), without the constant."""
        rows = torch.arange(len(group), device=group.device)
        mean, spread = self.mean[rows, group], self.spread[rows, group]
        gap = ((figures - mean) / spread)[:, :, None]
        z = torch.linalg.solve_triangular(self.tie[group], gap, upper=False, unitriangular=True)[:, :, 0]
        return -0.5 * z.square().sum(dim=1) - spread.log().sum(dim=1)


@lru_cache(maxsize=4)
def _even(points: int, figures: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers for `ToldHeart.draw` that fill the space evenly (Sobol 1967): (1, points) and (1, points, figures)."""
    from scipy.special import ndtri
    from scipy.stats import qmc

    cube = qmc.Sobol(1 + figures, scramble=True, rng=0).random(points)
    normal = ndtri(np.clip(cube[:, 1:], 1e-6, 1 - 1e-6))
    return torch.from_numpy(cube[None, :, 0].astype(np.float32)), torch.from_numpy(normal[None].astype(np.float32))


def quantities(figures: np.ndarray, frames: int = 50) -> dict[str, np.ndarray]:
    """Quantities (...) of figures (..., len(FIGURES)): ml, percent, g, frame of end-systole and mm.

    Of every heart EF = SV / EDV and SV = EDV - ESV.
    """
    edv, mass, wall = (np.exp(np.asarray(figures[..., i], dtype=np.float64)) for i in (0, 1, 4))
    ef = 1.0 / (1.0 + np.exp(-np.asarray(figures[..., 2], dtype=np.float64)))
    return {
        "edv_ml": edv,
        "esv_ml": edv * (1.0 - ef),
        "sv_ml": edv * ef,
        "ef_percent": 100.0 * ef,
        "mass_g": mass,
        "es_frame": frames * np.asarray(figures[..., 3], dtype=np.float64),
        "wall_mm": wall,
    }


class EcgReader(Network):
    """Residual network on the averaged beat, the rhythm and the patient.

    Args:
        beat_samples: length of the averaged beat at 200 Hz.
        rhythm: numbers of the rhythm, see `flow.ecg.beats.RHYTHM`.
        groups: disease groups.
        width, depth: of the network.
        dropout: share of values that are dropped in training.
        rebuild_weight: of the masked reconstruction in the loss.
        target_mean, target_spread: (len(FIGURES),) standardise `FIGURES`.
    """

    @register_to_config
    def __init__(
        self,
        beat_samples: int = 160,
        rhythm: int = 7,
        groups: int = 6,
        width: int = 512,
        depth: int = 3,
        dropout: float = 0.1,
        rebuild_weight: float = 0.2,
        target_mean: tuple[float, ...] = (4.95, 4.5, 0.3, 0.37, 1.85),
        target_spread: tuple[float, ...] = (0.27, 0.35, 0.5, 0.06, 0.3),
    ) -> None:
        super().__init__()
        count = len(FIGURES)
        self.inlet = nn.Linear(8 * beat_samples + 8 + rhythm + 2 * len(PATIENT), width)
        self.blocks = nn.ModuleList(_Block(width, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.group = nn.Linear(width, groups)
        self.figures = nn.Linear(width, 2 * groups * count)
        self.ties = nn.Parameter(torch.zeros(groups, count, count))
        self.rebuild = nn.Linear(width, 8 * beat_samples)
        self.register_buffer("target_mean", torch.tensor(target_mean), persistent=False)
        self.register_buffer("target_spread", torch.tensor(target_spread), persistent=False)

    def summary(
        self, beat_mv: torch.Tensor, rhythm: torch.Tensor, recorded: torch.Tensor, patient: torch.Tensor
    ) -> torch.Tensor:
        """(batch, width) of what was recorded; arguments as in `forward`."""
        there = recorded.to(beat_mv.dtype)
        beat = (beat_mv * there[:, :, None] / _BEAT_SCALE_MV).clamp(-_FARTHEST, _FARTHEST)
        centre, spread = (torch.tensor(x, device=rhythm.device) for x in (_RHYTHM_CENTRE, _RHYTHM_SPREAD))
        known = torch.isfinite(patient)
        middle, scale = (torch.tensor(x, device=patient.device) for x in (_PATIENT_CENTRE, _PATIENT_SPREAD))
        person = torch.where(known, (patient - middle) / scale, torch.zeros_like(patient))
        numbers = ((rhythm - centre) / spread).clamp(-4.0, 4.0)
        x = self.inlet(torch.cat([beat.flatten(1), there, numbers, person, known.to(beat.dtype)], dim=1))
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def forward(
        self, beat_mv: torch.Tensor, rhythm: torch.Tensor, recorded: torch.Tensor, patient: torch.Tensor
    ) -> ToldHeart:
        """What the ECG tells.

        Args:
            beat_mv: (batch, 8, beat_samples) averaged beat, see `flow.ecg.beats.Beats.average`.
            rhythm: (batch, 7), see `flow.ecg.beats.RHYTHM`.
            recorded: (batch, 8) bool, leads that were recorded; the others are not looked at.
            patient: (batch, 4) raw, see `PATIENT`; NaN where unknown.
        """
        return self.tell(self.summary(beat_mv, rhythm, recorded, patient))

    def tell(self, summary: torch.Tensor) -> ToldHeart:
        """The distribution of a summary (batch, width)."""
        out = self.figures(F.silu(summary)).float().unflatten(1, (2, -1, len(FIGURES)))
        mean, log_spread = out[:, 0], out[:, 1].clamp(*LOG_SPREAD_RANGE)
        chances = F.log_softmax(self.group(F.silu(summary)).float(), dim=1)
        tie = torch.tril(self.ties, diagonal=-1) + torch.eye(len(FIGURES), device=summary.device)
        return ToldHeart(
            chances, self.target_mean + self.target_spread * mean, self.target_spread * log_spread.exp(), tie
        )

    def loss(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Negative log-likelihood of group and figures where known, and reconstruction of the leads that were masked.

        Args:
            batch: ``beat_mv``, ``rhythm``, ``recorded``, ``patient`` as in `forward`; ``figures`` (batch, 5) raw and
                ``group`` (batch,) int64, -1 where unknown (a recording).
        """
        summary = self.summary(batch["beat_mv"], batch["rhythm"], batch["recorded"], batch["patient"])
        known = batch["group"] >= 0
        told, group = self.tell(summary[known]), batch["group"][known]
        chance = F.nll_loss(told.group, group)
        figures = -(told.log_likelihood(batch["figures"][known], group) + self.target_spread.log().sum()).mean()
        masked = ~batch["recorded"]
        some = masked.any(dim=1)
        rebuilt = self.rebuild(summary[some]).float().unflatten(1, (8, -1))
        error = (rebuilt - batch["beat_mv"][some] / _BEAT_SCALE_MV).square().mean(dim=2)
        missing = masked[some].to(error.dtype)
        rebuilding = (error * missing).sum() / missing.sum().clamp_min(1.0)
        total = chance + figures + self.config["rebuild_weight"] * rebuilding
        return {"loss": total, "group": chance, "figures": figures, "rebuilding": rebuilding}


class _Block(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(self.dropout(F.silu(self.first(self.norm(x)))))
