"""Velocity network: a transformer over the tokens of a static anatomy and of a motion, conditioned on an ECG.

Space and time are apart in the latent itself: the anatomy has places but no time, the motion has times but no place.
So a heart of 50 frames is 36 + 50 tokens and not 50 x 144, and full attention among them costs less than attention
over space and then time over a video would; that layout, as published, is `flow.networks.velocity_published`.

One more token holds the heart's figures (volume, mass, ejection fraction, timing). They are drawn together with the
pictures: what little an ECG tells about a heart is easy to learn on four numbers and hard on two thousand, and what
the four numbers mean for the pictures is plain to see in every training heart.
"""

import math

import torch
from einops import rearrange
from torch import nn

from flow.networks.conditions import NUMBERS
from flow.networks.objective import Context, flow_loss
from gen.layers import Attention, circular, mlp, modulate, sinusoid, zero
from gen.network import Network, register_to_config

_TIME_WIDTH = 128
#: Share of anatomy, motion and figures in the loss.
GROUP_WEIGHTS = (1.0, 1.0, 0.3)


class VelocityDiT(Network):
    """Predicts the velocity of packed latents: anatomy first, then motion (see `pack`).

    Args:
        anatomy_shape: (channels, rows, columns) of the static latent.
        frames, motion_width: of the motion latent.
        figures: numbers of the figure token, see `flow.networks.pamae.TARGETS`.
        patch: side of an anatomy token in latent pixels.
        width, depth, heads: of the transformer.
        token_width, summary_width, told: widths of the ECG tokens, of the ECG summary and of what it tells (mean and
            spread of the heart's figures).
        alpha: spread of the start point around the template.
        drop_ecg, drop_number: chance that the ECG, or each number, is withheld from a training sample.
        time_shape: 'uniform' or 'logit-normal' draw of the training time.
        encoder_digest, codec_digest: name the parts this network was trained with; the pipeline checks them.
    """

    @register_to_config
    def __init__(
        self,
        anatomy_shape: tuple[int, ...] = (8, 12, 12),
        frames: int = 50,
        motion_width: int = 16,
        figures: int = 4,
        patch: int = 2,
        width: int = 224,
        depth: int = 6,
        heads: int = 7,
        token_width: int = 192,
        summary_width: int = 128,
        told: int = 8,
        alpha: float = 1.0,
        drop_ecg: float = 0.1,
        drop_number: float = 0.15,
        time_shape: str = "uniform",
        encoder_digest: str = "",
        codec_digest: str = "",
    ) -> None:
        super().__init__()
        channels, rows, columns = anatomy_shape
        if rows % patch or columns % patch or width % 8:
            raise ValueError("anatomy must be a multiple of patch, and width of 8")
        self.anatomy_shape, self.patch = tuple(anatomy_shape), patch
        self.frames, self.motion_width, self.figures = frames, motion_width, figures
        self.alpha, self.drop_ecg, self.drop_number, self.time_shape = alpha, drop_ecg, drop_number, time_shape
        cells = (rows // patch, columns // patch)
        self.anatomy_in = nn.Linear(channels * patch**2, width)
        self.motion_in = nn.Linear(motion_width, width)
        self.figures_in, self.figures_out = nn.Linear(figures, width), zero(nn.Linear(width, figures))
        self.anatomy_out = zero(nn.Linear(width, channels * patch**2))
        self.motion_out = zero(nn.Linear(width, motion_width))
        self.place = nn.Parameter(0.02 * torch.randn(cells[0] * cells[1], width))
        phase = torch.arange(frames) / frames
        self.register_buffer("phases", circular(phase, width), persistent=False)
        self.ecg_in = nn.Linear(token_width, width)
        self.summary_in = mlp(summary_width + told, width, width)
        self.null_ecg = nn.Parameter(torch.zeros(1, width))
        self.null_summary = nn.Parameter(torch.zeros(width))
        self.numbers_in = nn.Linear(len(NUMBERS), width)
        self.null_numbers = nn.Parameter(torch.zeros(len(NUMBERS), width))
        self.time_in = mlp(_TIME_WIDTH, width, width)
        # One modulation for all blocks plus an offset of each (adaLN-single, Chen et al. 2024): a third of the weights.
        self.modulation = nn.Sequential(nn.SiLU(), zero(nn.Linear(width, 6 * width)))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.last = nn.Sequential(nn.SiLU(), zero(nn.Linear(width, 2 * width)))
        self.register_buffer("template", torch.zeros(self.size))
        self.register_buffer("weights", self._weights(), persistent=False)

    @property
    def size(self) -> int:
        """Numbers of a packed latent."""
        return sum(self._sizes())

    def _sizes(self) -> tuple[int, int, int]:
        return math.prod(self.anatomy_shape), self.frames * self.motion_width, self.figures

    def _weights(self) -> torch.Tensor:
        """(size,) weights of the loss, mean 1: anatomy, motion and figures count by `GROUP_WEIGHTS`, not by number."""
        parts = [
            torch.full((n,), w / sum(GROUP_WEIGHTS) * self.size / n)
            for n, w in zip(self._sizes(), GROUP_WEIGHTS, strict=True)
        ]
        return torch.cat(parts)

    def pack(self, anatomy: torch.Tensor, motion: torch.Tensor, figures: torch.Tensor) -> torch.Tensor:
        """Anatomy (batch, C, h, w), motion (batch, frame, M) and figures (batch, 4) -> (batch, size)."""
        return torch.cat([anatomy.flatten(1), motion.flatten(1), figures], dim=1)

    def unpack(self, packed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Inverse of `pack`."""
        anatomy, motion, figures = packed.split(self._sizes(), dim=1)
        return (
            anatomy.unflatten(1, self.anatomy_shape),
            motion.unflatten(1, (self.frames, self.motion_width)),
            figures,
        )

    def forward(self, packed: torch.Tensor, time: torch.Tensor, context: Context) -> torch.Tensor:
        """Velocity (batch, size) towards the start point.

        Args:
            packed: (batch, size) latents at ``time``.
            time: (batch,) 1 at the start point, 0 at the heart (diffusers' sigma).
            context: the conditions.
        """
        anatomy, motion, figures = self.unpack(packed)
        tokens = torch.cat(
            [
                self.anatomy_in(patches(anatomy, self.patch)) + self.place,
                self.motion_in(motion) + self.phases,
                self.figures_in(figures)[:, None],
            ],
            dim=1,
        )
        keys, summary = self._ecg(context)
        c = self.time_in(sinusoid(1000.0 * time, _TIME_WIDTH)) + summary + self._numbers(context)
        modulation = self.modulation(c).unflatten(1, (6, -1))
        for block in self.blocks:
            tokens = block(tokens, keys, modulation)
        shift, scale = self.last(c).chunk(2, dim=1)
        tokens = modulate(self.norm(tokens), shift, scale)
        still = self.place.shape[0]
        return self.pack(
            unpatched(self.anatomy_out(tokens[:, :still]), self.patch, self.anatomy_shape),
            self.motion_out(tokens[:, still:-1]),
            self.figures_out(tokens[:, -1]),
        ).float()

    def loss(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Training loss, see `flow.networks.objective.flow_loss`."""
        return flow_loss(self, batch)

    def _ecg(self, context: Context) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys for the cross-attention, and the summary; learned values where the ECG is withheld."""
        there = context.has_ecg.to(context.tokens.dtype)
        keys = self.ecg_in(context.tokens) + self.phases
        keys = there[:, None, None] * keys + (1 - there)[:, None, None] * (self.null_ecg + self.phases)
        summary = self.summary_in(context.summary)
        summary = there[:, None] * summary + (1 - there)[:, None] * self.null_summary
        return torch.cat([keys, summary[:, None]], dim=1), summary

    def _numbers(self, context: Context) -> torch.Tensor:
        known = torch.isfinite(context.numbers)
        values = torch.nan_to_num(context.numbers)
        return self.numbers_in(values * known) + (~known).to(values.dtype) @ self.null_numbers


def patches(anatomy: torch.Tensor, side: int) -> torch.Tensor:
    """(batch, channel, row, column) -> (batch, patch, channel * side * side), row by row."""
    return rearrange(anatomy, "batch c (row p) (col q) -> batch (row col) (c p q)", p=side, q=side)


def unpatched(tokens: torch.Tensor, side: int, shape: tuple[int, ...]) -> torch.Tensor:
    """Inverse of `patches` for anatomies of this shape (channel, row, column)."""
    channels, rows, _ = shape
    pattern = "batch (row col) (c p q) -> batch c (row p) (col q)"
    return rearrange(tokens, pattern, row=rows // side, c=channels, p=side, q=side)


class Block(nn.Module):
    """Self-attention of all tokens, cross-attention to the ECG, MLP; modulated by time and conditions."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(width, elementwise_affine=False)
        self.norm_2, self.norm_3 = nn.LayerNorm(width), nn.LayerNorm(width, elementwise_affine=False)
        self.norm_keys = nn.LayerNorm(width)
        self.attention, self.cross = Attention(width, heads), Attention(width, heads)
        self.mlp = mlp(width, 4 * width, width)
        self.offset = nn.Parameter(torch.zeros(6, width))
        zero(self.cross.out)

    def forward(self, x: torch.Tensor, keys: torch.Tensor, modulation: torch.Tensor) -> torch.Tensor:
        """(batch, token, width), (batch, key, width), (batch, 6, width) -> (batch, token, width)."""
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = (modulation + self.offset).unbind(1)
        h = modulate(self.norm_1(x), shift_1, scale_1)
        x = x + gate_1[:, None] * self.attention(h, h)
        x = x + self.cross(self.norm_2(x), self.norm_keys(keys))
        return x + gate_2[:, None] * self.mlp(modulate(self.norm_3(x), shift_2, scale_2))
