"""Cine codec: a beating slice as one static anatomy latent and one small motion latent per frame.

    anatomy, motion = codec.encode(frames)       # (n, C, 12, 12) of the R-peak frame, (n, frame, M)
    decoded = codec.decode(anatomy, motion)      # pictures and label scores of every frame

The split is built in, not hoped for. Anatomy is read from the frame at the R peak alone and has no time axis. Motion
has no space axis, so it cannot draw a heart, and it is a difference from the R peak: frame 0 always has motion 0 and
is decoded from anatomy alone. The decoder moves an anatomy by a motion; a swap loss asks that the motion of one heart
moves the anatomy of another by the same share of its cavity.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from gen.cine import LV_CAVITY
from gen.layers import zero
from gen.network import Network, register_to_config
from gen.randomness import Stream, seeded_normal

LABELS = 4
LOG_VAR_RANGE = (-12.0, 4.0)
#: Three halvings.
FACTOR = 8


@dataclass(frozen=True)
class Decoded:
    """Frames that a decoder drew.

    Attributes:
        frames: (batch, frame, row, col), 0..1 up to overshoot.
        scores: (batch, frame, 4, row, col) of background, LV cavity, myocardium, RV cavity.
    """

    frames: torch.Tensor
    scores: torch.Tensor

    def masks(self) -> torch.Tensor:
        """(batch, frame, row, col) uint8 labels."""
        return self.scores.argmax(dim=2).to(torch.uint8)


class CineCodec(Network):
    """Variational autoencoder of one slice.

    Args:
        size: rows and columns, a multiple of 8.
        anatomy_channels: channels of the static latent (channels, size / 8, size / 8).
        motion_width: numbers of the motion latent of a frame.
        widths: channels at a half, a quarter and an eighth of the resolution.
        kl_weight, mask_weight, swap_weight, share_weight: of the loss beside the pictures.
        anatomy_mean, anatomy_spread: per channel, over training hearts; None until measured.
        motion_mean, motion_spread: per number, likewise.
    """

    @register_to_config
    def __init__(
        self,
        size: int = 96,
        anatomy_channels: int = 8,
        motion_width: int = 16,
        widths: tuple[int, ...] = (32, 64, 96),
        kl_weight: float = 1e-3,
        mask_weight: float = 0.2,
        swap_weight: float = 0.2,
        share_weight: float = 0.2,
        anatomy_mean: tuple[float, ...] | None = None,
        anatomy_spread: tuple[float, ...] | None = None,
        motion_mean: tuple[float, ...] | None = None,
        motion_spread: tuple[float, ...] | None = None,
    ) -> None:
        super().__init__()
        if size % FACTOR:
            raise ValueError(f"size {size} must be a multiple of {FACTOR}")
        a, b, c = widths
        self.size, self.anatomy_channels, self.motion_width = size, anatomy_channels, motion_width
        self.kl_weight, self.mask_weight = kl_weight, mask_weight
        self.swap_weight, self.share_weight = swap_weight, share_weight
        self.trunk = nn.Sequential(
            nn.PixelUnshuffle(2), conv(4, a), Residual(a, a), conv(a, b, 2), Residual(b, b), conv(b, c, 2),
            Residual(c, c),
        )  # fmt: skip
        self.to_anatomy = nn.Sequential(norm(c), nn.SiLU(), conv(c, 2 * anatomy_channels))
        cells = (size // (2 * FACTOR) + size // FACTOR % 2) ** 2
        self.to_motion = nn.Sequential(
            conv(2 * c, 32, 2), nn.SiLU(), conv(32, 16), nn.SiLU(), nn.Flatten(),
            nn.Linear(16 * cells, 128), nn.SiLU(), nn.Linear(128, 2 * motion_width),
        )  # fmt: skip
        self.share = nn.Linear(motion_width, 1, bias=False)
        self.from_anatomy = conv(anatomy_channels, c)
        self.from_motion = nn.Sequential(nn.Linear(motion_width, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU())
        self.decoder = nn.ModuleList(
            [
                Moved(c, 128), Moved(c, 128), Up(c, b), Moved(b, 128), Moved(b, 128), Up(b, a),
                Moved(a, 128), Moved(a, 128),
            ]
        )  # fmt: skip
        # The last convolution is at full resolution: without it, neighbouring pixels of a shuffle form a mesh.
        self.out = nn.Sequential(
            norm(a), nn.SiLU(), alike(conv(a, 4 * 2 * (1 + LABELS))), nn.PixelShuffle(2), nn.SiLU(),
            conv(2 * (1 + LABELS), 1 + LABELS),
        )  # fmt: skip

    @property
    def anatomy_shape(self) -> tuple[int, int, int]:
        """Shape of one static latent."""
        return (self.anatomy_channels, self.size // FACTOR, self.size // FACTOR)

    def encode(self, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Means of both latents.

        Args:
            frames: (batch, frame, size, size), 0..1; frame 0 is the R peak.

        Returns:
            Anatomy (batch, channels, size / 8, size / 8) and motion (batch, frame, motion_width), 0 in frame 0.
        """
        (anatomy, _), (motion, _) = self.posterior(frames)
        return anatomy, motion

    def posterior(
        self, frames: torch.Tensor
    ) -> tuple[tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
        """Mean and log-variance of the anatomy and of the motion; see `encode`."""
        batch, count = frames.shape[:2]
        h = self.trunk(image(2 * frames.flatten(0, 1)[:, None] - 1)).unflatten(0, (batch, count))
        first = h[:, :1]
        mean, log_var = self.to_anatomy(first[:, 0]).float().chunk(2, dim=1)
        pairs = torch.cat([h, first.expand_as(h)], dim=2).flatten(0, 1)
        moved = self.to_motion(pairs).float().unflatten(0, (batch, count))
        motion, motion_log_var = (moved - moved[:, :1]).chunk(2, dim=2)[0], moved.chunk(2, dim=2)[1]
        return (mean, log_var.clamp(*LOG_VAR_RANGE)), (motion, motion_log_var.clamp(*LOG_VAR_RANGE))

    def decode(self, anatomy: torch.Tensor, motion: torch.Tensor) -> Decoded:
        """Draw every frame of an anatomy (batch, C, h, w) moved by a motion (batch, frame, motion_width)."""
        batch, count = motion.shape[:2]
        h = self.from_anatomy(image(anatomy)).repeat_interleave(count, dim=0)
        how = self.from_motion(motion.flatten(0, 1))
        for layer in self.decoder:
            h = layer(h, how)
        out = self.out(h).float().unflatten(0, (batch, count))
        return Decoded(out[:, :, 0], out[:, :, 1:])

    def volume_share(self, motion: torch.Tensor) -> torch.Tensor:
        """(batch, frame) LV volume over that at the R peak, told from the motion alone."""
        return 1.0 + self.share(motion)[..., 0]

    def loss(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Pictures, labels, the two Kullback-Leibler terms, and the swap.

        Args:
            batch: ``frames`` (batch, frame, size, size) 0..1 with the R peak first; ``masks`` of the same shape, int64,
                -1 where not labelled; ``share`` (batch, frame) LV volume over that at the R peak, NaN where unknown;
                ``sample_seed``.
        """
        frames, masks = batch["frames"], batch["masks"]
        (mean, log_var), (motion, motion_log_var) = self.posterior(frames)
        seeds = batch["sample_seed"]
        anatomy = (
            mean + seeded_normal(mean.shape[1:], seeds, mean.device, stream=Stream.ANATOMY) * (0.5 * log_var).exp()
        )
        noise = seeded_normal(motion.shape[1:], seeds, mean.device, stream=Stream.MOTION) * (0.5 * motion_log_var).exp()
        moving = torch.ones_like(noise)
        moving[:, 0] = 0
        drawn = motion + noise * moving
        decoded = self.decode(anatomy, drawn)
        picture = picture_loss(decoded.frames - frames)
        labels = label_loss(decoded.scores, masks)
        kl = kl_divergence(mean, log_var) / mean[0].numel()
        kl = kl + kl_divergence(motion, motion_log_var * moving) / motion[0].numel()
        known = torch.isfinite(batch["share"])
        told = (self.volume_share(motion).float() - torch.nan_to_num(batch["share"])).abs()
        share = (told * known).sum() / known.sum().clamp_min(1)
        swap = self._swap(anatomy, drawn, masks)
        total = (
            picture
            + self.mask_weight * labels
            + self.kl_weight * kl
            + self.share_weight * share
            + self.swap_weight * swap
        )
        return {"loss": total, "picture": picture, "labels": labels, "kl": kl, "share": share, "swap": swap}

    def _swap(self, anatomy: torch.Tensor, motion: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """Anatomy of one heart with the motion of the next: its cavity must change by the share of the next one's."""
        if len(anatomy) < 2 or self.swap_weight == 0:
            return motion.new_zeros(())
        frames = [0, *range(1, min(3, motion.shape[1]))]
        decoded = self.decode(anatomy, motion.roll(-1, 0)[:, frames])
        area = _cavity(torch.softmax(decoded.scores, dim=2)[:, :, LV_CAVITY])
        truth = _cavity((masks.roll(-1, 0)[:, frames] == LV_CAVITY).float())
        labelled = (masks >= 0).flatten(2).any(dim=2)
        both = labelled.roll(-1, 0)[:, frames].all(dim=1) & labelled[:, 0] & (truth[:, 0] > 20) & (area[:, 0] > 20)
        wanted = truth / truth[:, :1].clamp_min(20.0)
        error = (area / area[:, :1].clamp_min(20.0) - wanted).abs().mean(dim=1)
        return (error * both).sum() / both.sum().clamp_min(1)

    def standardise(self, anatomy: torch.Tensor, motion: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents with zero mean and unit spread over the training hearts."""
        a, b, c, d = self._statistics(anatomy.device)
        return (anatomy - a) / b, (motion - c) / d

    def restore(self, anatomy: torch.Tensor, motion: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Inverse of `standardise`; the motion of frame 0 is set to 0, which it is by definition."""
        a, b, c, d = self._statistics(anatomy.device)
        motion = motion * d + c
        motion[:, 0] = 0
        return anatomy * b + a, motion

    def _statistics(self, device: torch.device) -> tuple[torch.Tensor, ...]:
        names = ("anatomy_mean", "anatomy_spread", "motion_mean", "motion_spread")
        values = [self.config[name] for name in names]
        if any(value is None for value in values):
            raise ValueError("the codec's latent statistics have not been measured")
        tensors = [torch.tensor(value, dtype=torch.float32, device=device) for value in values]
        return (*(t[:, None, None] for t in tensors[:2]), *tensors[2:])


class Residual(nn.Module):
    """Two convolutions with a skip."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = norm(width_in), norm(width)
        self.conv_1, self.conv_2 = conv(width_in, width), zero(conv(width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, width_in, h, w) -> (n, width, h, w)."""
        h = self.conv_1(F.silu(self.norm_1(x)))
        return x + self.conv_2(F.silu(self.norm_2(h)))


class Moved(nn.Module):
    """A residual block scaled and shifted by the motion of each frame."""

    def __init__(self, width: int, motion: int) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = norm(width), norm(width)
        self.conv_1, self.conv_2 = conv(width, width), conv(width, width)
        self.film = nn.Linear(motion, 2 * width)

    def forward(self, x: torch.Tensor, how: torch.Tensor) -> torch.Tensor:
        """(n, width, h, w), (n, motion) -> (n, width, h, w)."""
        h = self.conv_1(F.silu(self.norm_1(x)))
        gain, shift = self.film(how)[:, :, None, None].chunk(2, dim=1)
        h = self.norm_2(h) * (1 + gain) + shift
        return x + self.conv_2(F.silu(h))


class Up(nn.Module):
    """Doubles the resolution."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.conv = conv(width_in, width)

    def forward(self, x: torch.Tensor, how: torch.Tensor) -> torch.Tensor:
        """(n, width_in, h, w) -> (n, width, 2h, 2w); the motion is not used."""
        del how
        return F.interpolate(self.conv(x), scale_factor=2.0, mode="nearest")


def picture_loss(error: torch.Tensor) -> torch.Tensor:
    """Absolute, squared and edge error of pictures (batch, frame, row, col)."""
    edges = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
    return error.abs().mean() + 5.0 * error.square().mean() + 0.5 * edges


def label_loss(scores: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Cross-entropy over labelled pixels plus 1 - soft Dice of the three structures."""
    known = (masks >= 0).float()
    labels = masks.clamp_min(0)
    entropy = F.cross_entropy(scores.flatten(0, 1), labels.flatten(0, 1), reduction="none").unflatten(
        0, masks.shape[:2]
    )
    entropy = (entropy * known).sum() / known.sum().clamp_min(1)
    share = torch.softmax(scores, dim=2)[:, :, 1:]
    truth = torch.stack([(labels == k) for k in range(1, LABELS)], dim=2).float() * known[:, :, None]
    overlap = (share * truth).sum((1, 3, 4))
    size = (share * known[:, :, None]).sum((1, 3, 4)) + truth.sum((1, 3, 4))
    there = truth.sum((1, 3, 4)) > 0
    dice = 1 - 2 * overlap / size.clamp_min(1.0)
    return 5.0 * entropy + (dice * there).sum() / there.sum().clamp_min(1)


def kl_divergence(mean: torch.Tensor, log_var: torch.Tensor) -> torch.Tensor:
    """KL to the standard normal, summed over a sample and averaged over the batch."""
    return 0.5 * (mean.square() + log_var.exp() - 1 - log_var).flatten(1).sum(dim=1).mean()


def _cavity(share: torch.Tensor) -> torch.Tensor:
    return share.sum(dim=(2, 3))


def conv(width_in: int, width: int, stride: int = 1) -> nn.Conv2d:
    """3 x 3, edges padded with zeros."""
    return nn.Conv2d(width_in, width, 3, stride, 1)


def norm(width: int) -> nn.GroupNorm:
    """Over 8 groups of channels."""
    return nn.GroupNorm(8, width)


def image(x: torch.Tensor) -> torch.Tensor:
    """The same (n, channel, row, col) in the memory layout that convolutions are fast in."""
    return x.contiguous(memory_format=torch.channels_last)


def alike(layer: nn.Conv2d) -> nn.Conv2d:
    """The four channels that become one 2 x 2 cell of a pixel shuffle start equal (Aitken et al. 2017)."""
    with torch.no_grad():
        for value in layer.parameters():
            value.copy_(value[::4].repeat_interleave(4, dim=0))
    return layer
