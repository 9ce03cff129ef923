"""The network that draws beats: the vector of `diffusion.beats.code` under text, patient, numbers, and another beat."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from diffusion.beats.code import WIDTH, BeatCode
from diffusion.conditions.condition import ConditionBatch, drop_at_random
from diffusion.networks.embedding import AngleEmbedding, ConditionEncoder, TextTotal, checked_digest
from diffusion.process.noising import noisy, velocity
from gen.randomness import Stream, seeded_normal, seeded_uniform

#: Forms of beats: a recording's prevailing one, and that of its ventricular beats.
FORMS = ("own", "other")


class BeatDenoiser(ModelMixin, ConfigMixin):
    """Predicts v of a beat's vector, as `diffusion.networks.dit.LatentDiT` does of a recording's latents.

    Args:
        width: of the hidden layers.
        depth: blocks.
        condition_width: of the encoded condition.
        dropout: of the hidden layers.
        vocabulary_digest: of the text vocabulary; None takes the running one's.
        findings_add: whether a text's findings are added up, besides being averaged.
    """

    config_name = "config.json"  # type: ignore[assignment]
    code: BeatCode

    @register_to_config
    def __init__(
        self,
        width: int = 384,
        depth: int = 5,
        condition_width: int = 256,
        dropout: float = 0.1,
        vocabulary_digest: str | None = None,
        findings_add: bool = False,
    ) -> None:
        super().__init__()
        self.register_to_config(vocabulary_digest=checked_digest(vocabulary_digest))
        self.encoder = ConditionEncoder(condition_width, text_path="adaln", numbers_path="adaln")
        if findings_add:
            self.encoder.pool = TextTotal(condition_width)
        self.angle = AngleEmbedding(condition_width)
        self.form = nn.Embedding(len(FORMS), condition_width)
        # A beat that is known of the person: its vector, and whether there is one.
        self.reference = nn.Sequential(
            nn.Linear(WIDTH + 1, condition_width), nn.SiLU(), nn.Linear(condition_width, condition_width)
        )
        self.stem = nn.Linear(WIDTH + WIDTH + 1, width)
        self.blocks = nn.ModuleList(_Block(width, condition_width, dropout) for _ in range(depth))
        self.head = nn.Linear(width, WIDTH)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.code = BeatCode()

    def forward(
        self,
        x: torch.Tensor,
        phi: torch.Tensor,
        condition: ConditionBatch,
        form: torch.Tensor,
        reference: torch.Tensor,
    ) -> torch.Tensor:
        """Predict v.

        Args:
            x: (batch, WIDTH) noisy vectors.
            phi: (batch,) noise angle in radians, 0 (clean) to pi / 2 (noise).
            condition: of the batch.
            form: (batch,) int64, index of `FORMS`.
            reference: (batch, WIDTH) a beat of the person, NaN where none is known.
        """
        known = (~reference.isnan().any(dim=1, keepdim=True)).to(x.dtype)
        given = torch.cat([torch.nan_to_num(reference) * known, known], dim=1)
        vector = self.encoder(condition).vector + self.angle(phi) + self.form(form) + self.reference(given)
        h = self.stem(torch.cat([x, given], dim=1))
        for block in self.blocks:
            h = block(h, vector)
        return self.head(F.layer_norm(h, h.shape[-1:]))

    def loss(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Squared error of v over what is known of each beat.

        Args:
            batch: ``vector`` (batch, WIDTH), ``mask`` of the same shape, ``form``, ``reference``, ``sample_seed``, the
                tensors of a `ConditionBatch`, and optionally ``phi`` (nothing is left out then).
        """
        z, seeds, mask = batch["vector"].float(), batch["sample_seed"], batch["mask"].float()
        condition, reference = ConditionBatch.from_dict(batch), batch["reference"].float()
        phi = batch.get("phi")
        if phi is None:
            phi = 0.5 * torch.pi * torch.sigmoid(1.2 * seeded_normal((), seeds, stream=Stream.TIME))
            condition = drop_at_random(condition, seeds, each=0.1, everything=0.1, within=0.3)
            absent = (seeded_uniform((1,), seeds, stream=Stream.BASE) < 0.3) & (batch["form"][:, None] == 0)
            reference = torch.where(absent, torch.nan, reference)
        noise = seeded_normal(z.shape[1:], seeds)
        # What is not known is not shown either: it is noise at every level.
        x = torch.where(mask > 0, noisy(z[:, :, None], noise[:, :, None], phi)[:, :, 0], noise)
        error = (
            self.forward(x, phi, condition, batch["form"], reference).float() - _velocity(z, noise, phi)
        ) ** 2 * mask
        per_sample = error.sum(dim=1) / mask.sum(dim=1)
        return {"loss": per_sample.mean(), "mse": per_sample.mean()}


def _velocity(z: torch.Tensor, noise: torch.Tensor, phi: torch.Tensor) -> torch.Tensor:
    return velocity(z[:, :, None], noise[:, :, None], phi)[:, :, 0]


class _Block(nn.Module):
    def __init__(self, width: int, condition_width: int, dropout: float) -> None:
        super().__init__()
        self.modulation = nn.Linear(condition_width, 3 * width)
        self.net = nn.Sequential(
            nn.Linear(width, 2 * width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
        """(batch, width), (batch, condition_width) -> (batch, width)."""
        shift, scale, gate = self.modulation(F.silu(vector)).chunk(3, dim=-1)
        return x + gate * self.net(F.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift)


@torch.inference_mode()
def draw_vectors(
    model: Any,
    condition: ConditionBatch,
    form: torch.Tensor,
    reference: torch.Tensor,
    seeds: torch.Tensor,
    *,
    steps: int = 24,
    guidance: float = 1.0,
    negative: ConditionBatch | None = None,
    stream: int = Stream.BEAT,
    groups: Sequence[str] = ("text", "patient", "rate", "shape"),
) -> torch.Tensor:
    """(batch, WIDTH) vectors of beats, by Heun steps of rectified flow.

    Args:
        model: a `BeatDenoiser`.
        condition: of the batch.
        form, reference: see `BeatDenoiser.forward`.
        seeds: (batch,) int64, fix all noise.
        steps: of the sampler.
        guidance: scale of the conditions; 1 is none.
        negative: to stay away from, instead of nothing said.
        stream: of the noise.
        groups: of conditions, which guidance stresses.
    """
    x = seeded_normal((WIDTH,), seeds, stream=stream)
    angles = torch.linspace(0.5 * torch.pi, 0.0, steps + 1)
    empty = negative if negative is not None else condition.without(list(groups))

    def velocity_at(state: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
        phi = angle.expand(len(state))
        v = model(state, phi, condition, form, reference).float()
        if guidance != 1.0:
            without = model(state, phi, empty, form, reference).float()
            v = without + guidance * (v - without)
        return v

    # Data and noise held, a step turns x and v in their plane: exact for a single point. The second evaluation, turned
    # back to the step's beginning and averaged in, makes it right for unit normal data too (there v is 0, and turning
    # alone would shrink x).
    for now, then in pairwise(angles):
        step = now - then
        v = velocity_at(x, now)
        ahead = x * step.cos() - v * step.sin()
        if then > 0:  # at no noise at all v cannot be known
            v_ahead = velocity_at(ahead, then)
            v = 0.5 * (v + v_ahead * step.cos() - ahead * step.sin())
            ahead = x * step.cos() - v * step.sin()
        x = ahead
    return x
