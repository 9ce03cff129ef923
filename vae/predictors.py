"""What stands behind a method of reconstruction: windows in; mean, scale and draws out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from gen.checkpoint import checkpoint_digest
from gen.leads import LEADS_8
from gen.precision import in_threads
from gen.randomness import record_generator
from vae.networks import linear as baselines
from vae.networks.baseline import Split, padded, slow_draw
from vae.networks.lead_vae import MIN_SCALE_MV, LeadVAE
from vae.networks.spatial import conditional_mean
from vae.networks.wearecg import WearECG

WEIGHTS = Path(__file__).parent / "weights"


class Predictor(Protocol):
    """What stands behind a method: windows in, mean, scale and draws out."""

    fs_hz: float
    name: str
    digest: str
    draws: bool

    def __call__(self, batch: "Windows", num_samples: int) -> "Prediction":
        """Predict all windows of a batch."""
        ...

    def linear(self, signal_mv: np.ndarray, observed: np.ndarray) -> np.ndarray:
        """Linear estimate (8, time) mV at any rate, for what lies above the predictor's band; zero where none."""
        ...


@dataclass(frozen=True)
class Windows:
    """Equally long windows at the predictor's rate: (n, 8, time), (n, 8, time) bool, (n, 4, time), noise seeds (n,)."""

    signal_mv: np.ndarray
    observed: np.ndarray
    augmented_mv: np.ndarray
    seeds: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Prediction:
    """Mean (n, 8, time); scale (n, 8, time) or None; draws (n, K, 8, time).

    And half the width of the bands that the baseline alone needs (n, level, 8), None where the method knows of none.
    """

    mean_mv: np.ndarray
    scale_mv: np.ndarray | None
    draws_mv: np.ndarray
    slow_half_mv: np.ndarray | None = None


@dataclass(frozen=True)
class Residual:
    """What a draw of the latent leaves open: a Gaussian process in units of the predicted scale.

    Attributes:
        hz: frequencies at which the spectrum is given.
        amplitude: relative amplitude at these frequencies.
        gain: standard deviation per lead of ``LEADS_8``.
    """

    hz: np.ndarray
    amplitude: np.ndarray
    gain: np.ndarray

    @classmethod
    def of(cls, stored: Mapping[str, Sequence[float]] | None) -> "Residual | None":
        """From a checkpoint's configuration; None where it has none."""
        return None if stored is None else cls(*(np.asarray(stored[key]) for key in ("hz", "amplitude", "gain")))

    def draw(self, rng: np.random.Generator, length: int, fs_hz: float) -> np.ndarray:
        """One realisation (8, length) float32, independent between leads."""
        white = np.fft.rfft(rng.standard_normal((len(LEADS_8), length)), axis=1)
        shape = np.interp(np.fft.rfftfreq(length, 1 / fs_hz), self.hz, self.amplitude, right=0.0)
        coloured = np.fft.irfft(white * shape, length, axis=1)
        # Unit power by expectation, not by realisation: a short record may well deviate.
        power = np.sqrt((shape[0] ** 2 + 2 * (shape[1:] ** 2).sum()) / length)
        return (coloured / power * self.gain[:, None]).astype(np.float32)


class NetworkPredictor:
    """A trained network as a predictor; float32, draws seeded one by one."""

    def __init__(self, model: LeadVAE | WearECG, name: str, digest: str, device: str = "cpu") -> None:
        self.model, self.name, self.digest = model.to(device).eval(), name, digest
        self.fs_hz = float(model.fs_hz)
        self.draws = isinstance(model, LeadVAE)
        self.residual = Residual.of(model.config.residual) if isinstance(model, LeadVAE) else None
        self.device = device

    def to(self, device: str) -> None:
        """Move the network to another device."""
        self.model = self.model.to(device)
        self.device = device

    def linear(self, signal_mv: np.ndarray, observed: np.ndarray) -> np.ndarray:
        """The conditional mean that the network starts from; zero for the published network, which has none."""
        if not isinstance(self.model, LeadVAE):
            return np.zeros_like(signal_mv)
        x, mask = torch.from_numpy(signal_mv)[None], torch.from_numpy(observed)[None]
        scale = max(float(np.sqrt((signal_mv[observed] ** 2).mean())), MIN_SCALE_MV)
        return conditional_mean(x / scale, mask, self.model.lead_covariance.cpu())[0].numpy() * np.float32(scale)

    @torch.inference_mode()
    def __call__(self, batch: Windows, num_samples: int) -> Prediction:
        """Predict; see `Prediction`. One record is computed in one thread."""
        # A second thread makes one record little faster, and beside other work much slower: threads wait for each other
        # by spinning.
        alone = torch.device(self.device).type == "cpu" and len(batch.signal_mv) == 1
        with in_threads(1 if alone else None):
            return self._predicted(batch, num_samples)

    def _predicted(self, batch: Windows, num_samples: int) -> Prediction:
        length = batch.signal_mv.shape[2]
        pad = -length % self.model.multiple
        x, mask, extra = (
            torch.from_numpy(np.ascontiguousarray(a)).to(self.device)
            for a in (batch.signal_mv, batch.observed, batch.augmented_mv)
        )
        augmented = None if extra.isnan().all() else extra
        # Before padding, which would look like a hole.
        parts = None if isinstance(self.model, WearECG) else padded(self.model.split(x, mask, augmented), pad)
        x, mask = torch.nn.functional.pad(x, (0, pad)), torch.nn.functional.pad(mask, (0, pad))
        # In float32: rounded to bfloat16, the offset of a lead moves the others (tests/vae/networks/test_baseline.py).
        mean, scale, draws, half = self._predict(x, mask, parts, batch.seeds, num_samples)
        cut = (slice(None), slice(None), slice(0, length))
        return Prediction(
            mean[cut].float().cpu().numpy(),
            None if scale is None else scale[cut].float().cpu().numpy(),
            np.stack([d[cut].float().cpu().numpy() for d in draws], axis=1)
            if draws
            else np.empty((len(x), 0, len(LEADS_8), length), dtype=np.float32),
            None if half is None else half.float().cpu().numpy(),
        )

    def _predict(
        self,
        x: torch.Tensor,
        mask: torch.Tensor,
        parts: Split | None,
        seeds: tuple[tuple[int, str], ...],
        num_samples: int,
    ) -> tuple[torch.Tensor, torch.Tensor | None, list[torch.Tensor], torch.Tensor | None]:
        model = self.model
        if isinstance(model, WearECG) or parts is None:
            return model(x, mask).mean_mv, None, [], None
        encoded = model.encode(parts.deviation_mv, mask, parts.augmented_mv)
        decoded = model.decode(encoded, encoded.mean)
        draws = []
        for k in range(num_samples):
            generators = [record_generator(*seed, k) for seed in seeds]
            noise = np.stack([g.standard_normal(encoded.mean.shape[1], np.float32) for g in generators])
            z = encoded.mean + torch.from_numpy(noise).to(self.device) * (0.5 * encoded.log_var).exp()
            drawn = model.decode(encoded, z).mean_mv + parts.slow_mv
            if self.residual is not None:
                rest = np.stack([self.residual.draw(g, x.shape[2], self.fs_hz) for g in generators])
                drawn = drawn + decoded.scale_mv * torch.from_numpy(rest).to(self.device)
            if model.drift is not None:
                slow = np.stack([slow_draw(g, x.shape[2], self.fs_hz) for g in generators])
                drawn = drawn + parts.half_mv[:, -1, :, None] * torch.from_numpy(slow).to(self.device)
            draws.append(drawn)
        half = None if model.drift is None else parts.half_mv
        return decoded.mean_mv + parts.slow_mv, decoded.scale_mv, draws, half


class LinearPredictor:
    """A linear or trivial method as a predictor."""

    fs_hz = 500.0
    draws = False

    def __init__(self, name: str, folder: Path = WEIGHTS / "linear") -> None:
        self.name, self.folder = name, folder
        self.digest = checkpoint_digest(folder) if name in ("least-squares", "fir", "nearest") else name

    @cached_property
    def statistics(self) -> baselines.LinearStatistics:
        """Second moments of the training records."""
        return baselines.LinearStatistics.load(self.folder)

    def __call__(self, batch: Windows, num_samples: int) -> Prediction:
        """Predict; a linear method states no uncertainty and draws no samples."""
        # One by one: the records of a batch may have different leads.
        pairs = zip(batch.signal_mv[:, None], batch.observed[:, None], strict=True)
        mean = np.concatenate([self.predict(signal, observed) for signal, observed in pairs])
        return Prediction(mean, None, np.empty((len(mean), 0, *mean.shape[1:]), dtype=np.float32))

    def linear(self, signal_mv: np.ndarray, observed: np.ndarray) -> np.ndarray:
        """Zero: these methods work at the records' own band already."""
        del observed
        return np.zeros_like(signal_mv)

    def predict(self, signal: np.ndarray, observed: np.ndarray) -> np.ndarray:
        """(n, 8, time) mV and bool -> (n, 8, time) mV."""
        if self.name == "least-squares":
            return baselines.least_squares(signal, observed, self.statistics)
        if self.name == "fir":
            return baselines.fir_least_squares(signal, observed, self.statistics, self.fs_hz)
        if self.name == "nearest":
            return baselines.copy_nearest(signal, observed, self.statistics)
        return baselines.dower(signal, observed) if self.name == "dower" else baselines.per_patient(signal, observed)
