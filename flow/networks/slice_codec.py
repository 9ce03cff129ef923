"""Codec of slices from base to apex, moved by the motion of their heart's mid slice.

    anatomy = codec.encode(stills)               # (n, C, 12, 12) of R-peak frames
    decoded = codec.decode(anatomy, motion)      # motion (n, frame, M) of `flow.networks.cine_codec`, of the mid slice

A heart has one motion. What it does to a slice depends on where that one cuts, and its anatomy says so: the apex
closes, the base leaves. Most of a picture does not move, so what stands still is drawn once for a loop, with most of
the weights, and a frame only adds what it changes.
"""

import torch
import torch.nn.functional as F
from torch import nn

from flow.networks.cine_codec import (
    FACTOR,
    LABELS,
    LOG_VAR_RANGE,
    Decoded,
    Moved,
    Residual,
    alike,
    conv,
    image,
    kl_divergence,
    label_loss,
    norm,
    picture_loss,
)
from gen.network import Network, register_to_config
from gen.randomness import Stream, seeded_normal

#: Channels at full resolution, and numbers that a motion becomes.
FINE, HOW = 8, 128


class SliceCodec(Network):
    """Variational autoencoder of the anatomy of a slice, whose motion is given.

    Args:
        size: rows and columns, a multiple of 8.
        anatomy_channels: channels of the static latent (channels, size / 8, size / 8).
        motion_width: numbers of the motion latent of a frame.
        widths: channels at a half, a quarter and an eighth of the resolution, of what is worked out for every frame.
        still_widths: likewise, of what is worked out once for a loop.
        kl_weight, mask_weight: of the loss beside the pictures.
        anatomy_mean, anatomy_spread: per channel, over training slices; None until measured.
        codec_digest: names the codec whose motion moves the slices.
    """

    @register_to_config
    def __init__(
        self,
        size: int = 96,
        anatomy_channels: int = 12,
        motion_width: int = 16,
        widths: tuple[int, ...] = (32, 64, 96),
        still_widths: tuple[int, ...] = (48, 96, 128),
        kl_weight: float = 1e-3,
        mask_weight: float = 0.2,
        anatomy_mean: tuple[float, ...] | None = None,
        anatomy_spread: tuple[float, ...] | None = None,
        codec_digest: str = "",
    ) -> None:
        super().__init__()
        if size % FACTOR:
            raise ValueError(f"size {size} must be a multiple of {FACTOR}")
        a, b, c = widths
        self.size, self.anatomy_channels = size, anatomy_channels
        self.kl_weight, self.mask_weight = kl_weight, mask_weight
        layers: list[nn.Module] = [nn.PixelUnshuffle(2)]
        for before, width, stride in zip((4, *still_widths), still_widths, (1, 2, 2), strict=False):
            layers += [conv(before, width, stride), Residual(width, width), Residual(width, width)]
        deep = still_widths[-1]
        self.to_anatomy = nn.Sequential(*layers, norm(deep), nn.SiLU(), conv(deep, 2 * anatomy_channels))
        self.still = Still(anatomy_channels, still_widths, widths)
        self.from_motion = nn.Sequential(nn.Linear(motion_width, HOW), nn.SiLU(), nn.Linear(HOW, HOW), nn.SiLU())
        self.moved = nn.ModuleList(Moved(width, HOW) for width in (c, b, a))
        self.up = nn.ModuleList([conv(c, b), conv(b, a)])
        # The last convolution is at full resolution: without it, neighbouring pixels of a shuffle form a mesh.
        self.finer = nn.Sequential(norm(a), nn.SiLU(), alike(conv(a, 4 * FINE)), nn.PixelShuffle(2))
        self.out = nn.Sequential(nn.SiLU(), conv(FINE, 1 + LABELS))

    @property
    def anatomy_shape(self) -> tuple[int, int, int]:
        """Shape of one latent."""
        return (self.anatomy_channels, self.size // FACTOR, self.size // FACTOR)

    def encode(self, stills: torch.Tensor) -> torch.Tensor:
        """Mean anatomy (batch, channels, size / 8, size / 8) of frames (batch, size, size) at the R peak, 0..1."""
        return self.posterior(stills)[0]

    def posterior(self, stills: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log-variance of the anatomy; see `encode`."""
        mean, log_var = self.to_anatomy(image(2 * stills[:, None] - 1)).float().chunk(2, dim=1)
        return mean, log_var.clamp(*LOG_VAR_RANGE)

    def decode(self, anatomy: torch.Tensor, motion: torch.Tensor) -> Decoded:
        """Draw every frame of an anatomy (batch, C, h, w) moved by a motion (batch, frame, motion_width)."""
        batch, count = motion.shape[:2]
        *still, fine = self.still(image(anatomy))
        how = self.from_motion(motion.flatten(0, 1))
        h = image(still[0].repeat_interleave(count, dim=0))
        for level, moved in enumerate(self.moved):
            if level:
                h = _with(F.interpolate(self.up[level - 1](h), scale_factor=2.0, mode="nearest"), still[level], count)
            h = moved(h, how)
        out = self.out(_with(self.finer(h), fine, count)).float().unflatten(0, (batch, count))
        return Decoded(out[:, :, 0], out[:, :, 1:])

    def loss(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Pictures, labels and the Kullback-Leibler term.

        Args:
            batch: ``frames`` (batch, frame, size, size) 0..1 with the R peak first; ``masks`` of the same shape, int64;
                ``motion`` (batch, frame, motion_width) of the mid slices; ``sample_seed``.
        """
        frames, seeds = batch["frames"], batch["sample_seed"]
        mean, log_var = self.posterior(frames[:, 0])
        noise = seeded_normal(mean.shape[1:], seeds, mean.device, stream=Stream.ANATOMY)
        decoded = self.decode(mean + noise * (0.5 * log_var).exp(), batch["motion"])
        picture, labels = picture_loss(decoded.frames - frames), label_loss(decoded.scores, batch["masks"])
        kl = kl_divergence(mean, log_var) / mean[0].numel()
        total = picture + self.mask_weight * labels + self.kl_weight * kl
        return {"loss": total, "picture": picture, "labels": labels, "kl": kl}

    def standardise(self, anatomy: torch.Tensor) -> torch.Tensor:
        """Latents with zero mean and unit spread over the training slices."""
        mean, spread = self._statistics(anatomy.device)
        return (anatomy - mean) / spread

    def restore(self, anatomy: torch.Tensor) -> torch.Tensor:
        """Inverse of `standardise`."""
        mean, spread = self._statistics(anatomy.device)
        return anatomy * spread + mean

    def _statistics(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        values = [self.config[name] for name in ("anatomy_mean", "anatomy_spread")]
        if any(value is None for value in values):
            raise ValueError("the codec's latent statistics have not been measured")
        mean, spread = (torch.tensor(value, dtype=torch.float32, device=device)[:, None, None] for value in values)
        return mean, spread


class Still(nn.Module):
    """What stands still in a loop, at four resolutions: an eighth, a quarter, a half and all of it."""

    def __init__(self, channels: int, widths: tuple[int, ...], to: tuple[int, ...]) -> None:
        super().__init__()
        a, b, c = widths
        self.start = conv(channels, c)
        self.blocks = nn.ModuleList(nn.Sequential(Residual(w, w), Residual(w, w)) for w in (c, b, a))
        self.up = nn.ModuleList([conv(c, b), conv(b, a)])
        self.narrow = nn.ModuleList(nn.Conv2d(w, to[-1 - k], 1) for k, w in enumerate((c, b, a)))
        self.fine = nn.Sequential(
            norm(a), nn.SiLU(), alike(conv(a, 4 * 2 * FINE)), nn.PixelShuffle(2), nn.SiLU(), conv(2 * FINE, FINE)
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(n, channels, h, w) -> (n, to[2], h, w), (n, to[1], 2h, 2w), (n, to[0], 4h, 4w), (n, `FINE`, 8h, 8w)."""
        x, out = self.start(x), []
        for level, block in enumerate(self.blocks):
            if level:
                x = F.interpolate(self.up[level - 1](x), scale_factor=2.0, mode="nearest")
            x = block(x)
            out.append(self.narrow[level](x))
        return [*out, self.fine(x)]


def _with(x: torch.Tensor, still: torch.Tensor, count: int) -> torch.Tensor:
    """Frames (n * count, width, h, w) plus what stands still in each loop (n, width, h, w)."""
    return (x.unflatten(0, (-1, count)) + still[:, None]).flatten(0, 1)
