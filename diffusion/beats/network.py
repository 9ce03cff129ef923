"""The network that draws beats: the vector of `diffusion.beats.code` under text, patient, numbers, and another beat."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import pi
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from diffusion.beats.code import WIDTH, BeatCode
from diffusion.conditions.batch import ConditionBatch, drop_at_random
from diffusion.networks.embedding import AngleEmbedding, ConditionEncoder, TextTotal, checked_digest
from diffusion.process.noising import noisy, velocity
from gen.network import Network, register_to_config
from gen.randomness import Stream, seeded_normal, seeded_uniform

#: Forms of beats: a recording's prevailing one, and that of its ventricular beats.
FORMS = ("own", "other")


class Told(NamedTuple):
    """What a network is told of a batch, encoded.

    Attributes:
        condition, form, reference: (batch, condition_width).
        given: (batch, WIDTH + 1) the reference's vector, 0 where there is none, and whether there is one.
    """

    condition: torch.Tensor
    form: torch.Tensor
    reference: torch.Tensor
    given: torch.Tensor


class BeatDenoiser(Network):
    """Predicts v of a beat's vector, as `diffusion.networks.dit.LatentDiT` does of a recording's latents.

    Args:
        width: of the hidden layers.
        depth: blocks.
        condition_width: of the encoded condition.
        dropout: of the hidden layers.
        vocabulary_digest: of the text vocabulary; None takes the running one's.
        findings_add: whether a text's findings are added up, besides being averaged.
    """

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
        return self.predict(x, phi, self.told(condition, form, reference))

    def told(self, condition: ConditionBatch, form: torch.Tensor, reference: torch.Tensor) -> Told:
        """What is the same at every noise level, for `predict`; see `forward`."""
        known = (~reference.isnan().any(dim=1, keepdim=True)).to(self.stem.weight.dtype)
        given = torch.cat([torch.nan_to_num(reference) * known, known], dim=1)
        return Told(self.encoder(condition).vector, self.form(form), self.reference(given), given)

    def predict(self, x: torch.Tensor, phi: torch.Tensor, told: Told) -> torch.Tensor:
        """Predict v, see `forward`."""
        vector = told.condition + self.angle(phi) + told.form + told.reference
        h = self.stem(torch.cat([x, told.given], dim=1))
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
    """(batch, WIDTH) vectors of beats, by steps of equal angle, each by the second-order rule of Adams and Bashforth.

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
    angles = [0.5 * pi * (1 - k / steps) for k in range(steps + 1)]
    told = model.told(condition, form, reference)
    if guidance != 1.0:
        empty = negative if negative is not None else condition.without(list(groups))
        untold = model.told(empty, form, reference)

    def velocity_at(state: torch.Tensor, angle: float) -> torch.Tensor:
        phi = state.new_full((len(state),), angle)
        v = model.predict(state, phi, told).float()
        if guidance != 1.0:
            without = model.predict(state, phi, untold).float()
            v = without + guidance * (v - without)
        return v

    # v is the derivative of the state by the angle. Where nothing is told (unit normal data) it is 0, and the state
    # stays what it is.
    before = None
    for now, then in pairwise(angles):
        v = velocity_at(x, now)
        x = x - (now - then) * (v if before is None else 1.5 * v - 0.5 * before)
        before = v
    return x
