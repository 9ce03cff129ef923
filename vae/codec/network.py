"""ECG codec: eight leads at 500 Hz to a short latent sequence and back, for latent diffusion.

One latent token stands for 80 ms of all eight leads. Two paths add up on each side:

- a linear one in float32: a projection of overlapping patches, started from principal components and least squares
  (`vae.codec.sources.linear_start`), so that the untrained codec is already a transform codec;
- a convolutional network that starts at zero and learns what is not linear about an ECG: that steep slopes belong to
  QRS complexes, whose shapes are few.

Latents are companded (asinh) so that P and T waves are not small beside QRS complexes, then standardised to mean 0 and
SD 1 per channel with statistics measured on training records. Absolute amplitude is kept: no record is normalised.
"""

from contextlib import AbstractContextManager
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from gen.checkpoint import load_model
from gen.layers import zero
from gen.network import Network, register_to_config
from gen.precision import reduced_precision
from gen.randomness import Stream, seeded_normal, seeded_uniform
from gen.records import InputError
from vae.codec.objective import codec_loss

NUM_LEADS = 8
#: Largest companded value that is decoded; sinh of more would be hundreds of millivolts.
COMPANDED_RANGE = 5.5
#: The weights that ship with the package.
SHIPPED = Path(__file__).parents[1] / "weights" / "codec"


class EcgCodec(Network):
    """Autoencoder between signals (batch, 8, time) in mV and latents (batch, channels, time / 40).

    Args:
        fs_hz: rate of the signals.
        latent_channels: channels per token.
        patch: samples per position of the fine convolutions.
        coarse: fine positions per token.
        width: channels at fine positions.
        token_width: channels at tokens.
        blocks: residual blocks at fine positions, on either side.
        token_blocks: residual blocks at tokens, on either side.
        compand: value of a linear coefficient, in units of its scale, from which on companding is logarithmic.
        latent_noise: largest SD, relative to the latent's own, of the noise that training adds to latents.
    """

    folder: Path | None = None
    """Checkpoint it was loaded from."""

    @register_to_config
    def __init__(
        self,
        fs_hz: float = 500.0,
        latent_channels: int = 32,
        patch: int = 10,
        coarse: int = 4,
        width: int = 96,
        token_width: int = 256,
        blocks: int = 2,
        token_blocks: int = 2,
        compand: float = 0.7,
        latent_noise: float = 0.1,
    ) -> None:
        super().__init__()
        self.fs_hz, self.latent_channels, self.downsample = fs_hz, latent_channels, patch * coarse
        self.compand, self.latent_noise = compand, latent_noise
        #: See `vae.codec.objective`; of training alone.
        self.qrs_weight = 0.0
        #: Whether networks may compute in bfloat16; without, equal latents give equal signals to 1e-4 mV in any batch.
        self.reduced_precision = True
        token = NUM_LEADS * self.downsample
        self.analysis = nn.Conv2d(token, latent_channels, (1, 3), bias=False)
        self.synthesis = nn.Conv2d(latent_channels, token, (1, 3), padding=(0, 1), bias=False)
        self.encoder = Encoder(patch, coarse, width, token_width, blocks, token_blocks, latent_channels)
        self.decoder = Decoder(patch, coarse, width, token_width, blocks, token_blocks, latent_channels)
        self.latent_mean: torch.Tensor
        self.latent_std: torch.Tensor
        self.coefficient_scale: torch.Tensor
        self.register_buffer("latent_mean", torch.zeros(latent_channels))
        self.register_buffer("latent_std", torch.ones(latent_channels))
        self.register_buffer("coefficient_scale", torch.ones(latent_channels))
        # oneDNN's bf16 convolutions are 2-8 times faster on this layout than on PyTorch's default one.
        self.to(memory_format=torch.channels_last)

    def encode(self, signal_mv: torch.Tensor) -> torch.Tensor:
        """Standardised latent (batch, channels, time / 40) float32 of signals (batch, 8, time) mV at ``fs_hz``.

        Raises:
            InputError: the leads are not eight, or time is not a multiple of `downsample`.
        """
        if signal_mv.ndim != 3 or signal_mv.shape[1] != NUM_LEADS or signal_mv.shape[2] % self.downsample:
            raise InputError(
                f"signal of shape {tuple(signal_mv.shape)}: the codec takes (batch, {NUM_LEADS}, time), "
                f"time a multiple of {self.downsample}"
            )
        with self._fast(signal_mv):
            companded = self._analyse(signal_mv)
        return (companded - self.latent_mean[:, None]) / self.latent_std[:, None]

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        """Signals (batch, 8, time) mV float32 of standardised latents (batch, channels, time / 40).

        Raises:
            InputError: the latent has another number of channels.
        """
        if latent.ndim != 3 or latent.shape[1] != self.latent_channels:
            raise InputError(
                f"latent of shape {tuple(latent.shape)}: the codec takes (batch, {self.latent_channels}, tokens)"
            )
        with self._fast(latent):
            return self._synthesise(latent.float() * self.latent_std[:, None] + self.latent_mean[:, None])

    def forward(self, signal_mv: torch.Tensor) -> torch.Tensor:
        """Decode of encode, (batch, 8, time) mV."""
        return self.decode(self.encode(signal_mv))

    def loss(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Training loss on ``signal_mv``; half of the samples see noise on the latent (see `vae.codec.objective`)."""
        signal = batch["signal_mv"]
        companded = self._analyse(signal)
        # In units of the latent's own spread, so that growing latents do not drown the noise.
        spread = companded.detach().std(dim=(0, 2), keepdim=True)
        level = (
            2 * seeded_uniform((1, 1), batch["sample_seed"], signal.device, stream=Stream.NOISE_CHOICE) - 1
        ).clamp_min(0)
        noise = seeded_normal(companded.shape[1:], batch["sample_seed"], signal.device)
        rebuilt = self._synthesise(companded + self.latent_noise * level * spread * noise)
        return codec_loss(rebuilt, signal, self.qrs_weight)

    def _analyse(self, signal_mv: torch.Tensor) -> torch.Tensor:
        """Companded latent (batch, channels, tokens), not standardised."""
        with torch.autocast(signal_mv.device.type, enabled=False):
            signal = signal_mv.float()
            padded = F.pad(signal, (self.downsample, self.downsample), mode="replicate")
            linear = self.analysis(to_patches(padded, self.downsample))
        correction = self.encoder(signal).float()
        coefficients = linear[:, :, 0] / self.coefficient_scale[:, None] + correction[:, :, 0]
        return torch.asinh(coefficients / self.compand)

    def _synthesise(self, companded: torch.Tensor) -> torch.Tensor:
        companded = companded.clamp(-COMPANDED_RANGE, COMPANDED_RANGE)
        coefficients = self.compand * torch.sinh(companded)
        with torch.autocast(companded.device.type, enabled=False):
            linear = self.synthesis((coefficients * self.coefficient_scale[:, None])[:, :, None])
            linear = from_patches(linear, self.downsample)
        return linear + self.decoder(companded, coefficients, linear)

    def _fast(self, x: torch.Tensor) -> AbstractContextManager:
        """bfloat16 for the networks on a CPU; the linear paths stay in float32."""
        ambient = torch.is_autocast_enabled(x.device.type)
        wanted = ambient or x.device.type == "cpu"
        return reduced_precision(x.device.type, self.reduced_precision and wanted)


class Encoder(nn.Module):
    """Signal (batch, 8, time) mV -> correction (batch, channels, 1, tokens) of the linear coefficients."""

    def __init__(
        self, patch: int, coarse: int, width: int, token_width: int, blocks: int, token_blocks: int, channels: int
    ) -> None:
        super().__init__()
        self.patch = patch
        self.stem = _conv(NUM_LEADS * patch, width, 3)
        self.fine = nn.Sequential(*(Block(width) for _ in range(blocks)))
        self.down = nn.Conv2d(width, token_width, (1, coarse), stride=(1, coarse))
        self.tokens = nn.Sequential(*(Block(token_width) for _ in range(token_blocks)))
        self.norm = ChannelNorm(token_width)
        self.head = zero(_conv(token_width, channels, 3))

    def forward(self, signal_mv: torch.Tensor) -> torch.Tensor:
        """See the class."""
        h = self.fine(self.stem(to_patches(signal_mv, self.patch)))
        return self.head(F.silu(self.norm(self.tokens(self.down(h)))))


class Decoder(nn.Module):
    """Latent and linear reconstruction -> correction (batch, 8, time) mV of the reconstruction."""

    def __init__(
        self, patch: int, coarse: int, width: int, token_width: int, blocks: int, token_blocks: int, channels: int
    ) -> None:
        super().__init__()
        self.patch, self.coarse, self.width = patch, coarse, width
        self.stem = _conv(2 * channels, token_width, 3)
        self.tokens = nn.Sequential(*(Block(token_width) for _ in range(token_blocks)))
        self.up = nn.Conv2d(token_width, coarse * width, 1)
        self.linear = _conv(NUM_LEADS * patch, width, 3)
        self.fine = nn.Sequential(*(Block(width) for _ in range(blocks)))
        self.norm = ChannelNorm(width)
        self.gain = _conv(width, width, 3)
        self.head = zero(_conv(width, NUM_LEADS * patch, 3))

    def forward(self, companded: torch.Tensor, coefficients: torch.Tensor, linear_mv: torch.Tensor) -> torch.Tensor:
        """See the class; (batch, channels, tokens) twice and (batch, 8, time) mV."""
        h = self.stem(torch.cat([companded, coefficients], dim=1)[:, :, None])
        h = self._finer(self.up(self.tokens(h))) + self.linear(to_patches(linear_mv, self.patch))
        h = self.fine(h)
        # The second factor is linear in the stream, so that corrections grow with the signal.
        return from_patches(self.head(F.silu(self.norm(h)) * self.gain(h)).float(), self.patch)

    def _finer(self, x: torch.Tensor) -> torch.Tensor:
        batch, _, _, tokens = x.shape
        x = x.permute(0, 2, 3, 1).reshape(batch, 1, tokens * self.coarse, self.width)
        return x.permute(0, 3, 1, 2)


class Block(nn.Module):
    """Two convolutions over time with a skip; the first reads normalised channels, whatever the amplitude."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(width)
        self.conv_1, self.conv_2 = _conv(width, width, 3), _conv(width, width, 3)
        with torch.no_grad():
            self.conv_2.weight.mul_(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, width, 1, positions) -> the same shape."""
        return x + self.conv_2(F.silu(self.conv_1(self.norm(x))))


class ChannelNorm(nn.Module):
    """Layer norm over channels, position by position: nothing depends on the length of the signal."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, width, 1, positions) -> the same shape."""
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def to_patches(x: torch.Tensor, size: int) -> torch.Tensor:
    """(batch, leads, time) -> (batch, leads * size, 1, time / size), channels last."""
    batch, leads, time = x.shape
    x = x.view(batch, leads, time // size, size).permute(0, 2, 1, 3)
    return x.reshape(batch, 1, time // size, leads * size).permute(0, 3, 1, 2)


def from_patches(x: torch.Tensor, size: int) -> torch.Tensor:
    """Inverse of `to_patches`."""
    batch, channels, _, tokens = x.shape
    x = x.permute(0, 3, 1, 2).reshape(batch, tokens, channels // size, size)
    return x.transpose(1, 2).reshape(batch, channels // size, tokens * size)


def _conv(width_in: int, width: int, kernel: int) -> nn.Conv2d:
    # Two-dimensional with a height of one: only 4-D tensors have the fast channels-last layout.
    return nn.Conv2d(width_in, width, (1, kernel), padding=(0, kernel // 2))


def load(folder: str | Path | None = None) -> EcgCodec:
    """The shipped codec, or the one in a checkpoint folder; its ``folder`` says where from.

    Raises:
        InputError: no codec is there, or its weights do not fit exactly.
    """
    folder = SHIPPED if folder is None else Path(folder)
    codec = load_model(EcgCodec, folder)
    codec.folder = folder
    return codec
