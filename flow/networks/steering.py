"""Draws hearts of given figures from a network that was not trained on them: volume, mass, emptying, end-systole.

What an ECG tells of a heart is learned from many more hearts than have pictures (`flow.networks.ecg_reader`). The
figures of a sample are drawn from that, and the pictures have to follow. At every step of the ODE the heart that the
network predicts is moved, along the regression of latents on figures, until a linear reading of its latents gives the
figures: conditioning on a linear measurement under a normal prior (Kalman's gain; as guidance of generative models:
Song et al. 2023, "Pseudoinverse-guided diffusion models"). The network goes on from there, so that the rest fits.
"""

from typing import Any

import numpy as np
import torch

from gen.network import Network, register_to_config

#: Penalties among which the reading's are chosen, per standardised latent.
_PENALTIES = np.logspace(0, 5, 11)


class Steering(Network):
    """A linear reading of figures from packed latents, and the way back.

    Args:
        size: numbers of a packed latent, see `flow.networks.velocity.VelocityDiT.pack`.
        figures: how many figures; they are the last numbers of a packed latent too, and are not read from there.
        codec_digest: names the codec whose latents are read.
    """

    @register_to_config
    def __init__(self, size: int = 1956, figures: int = 4, codec_digest: str = "") -> None:
        super().__init__()
        self.register_buffer("reading", torch.zeros(size, figures))
        self.register_buffer("offset", torch.zeros(figures))
        self.register_buffer("gain", torch.zeros(size, figures))
        self.register_buffer("lowest", torch.zeros(figures))
        self.register_buffer("highest", torch.zeros(figures))

    @classmethod
    def fit(cls, latents: np.ndarray, figures: np.ndarray, codec_digest: str = "") -> "Steering":
        """Learn both from hearts.

        Args:
            latents: (n, size) packed; the last numbers are figures themselves and are left out.
            figures: (n, figures) standardised, of the same hearts.
            codec_digest: see the class.
        """
        from sklearn.linear_model import RidgeCV

        count = figures.shape[1]
        seen = latents[:, :-count].astype(np.float64)
        ridge: Any = RidgeCV(_PENALTIES, alpha_per_target=True).fit(seen, figures)
        told = ridge.predict(seen)
        centred = told - told.mean(axis=0)
        # Of latents on what is read of them, so that a heart moved by it is read as wanted: reading.T @ gain = 1.
        back = np.linalg.solve(centred.T @ centred, centred.T @ (seen - seen.mean(axis=0)))
        out = cls(latents.shape[1], count, codec_digest)
        out.reading[:-count] = torch.from_numpy(ridge.coef_.T.astype(np.float32))
        out.gain[:-count] = torch.from_numpy(back.T.astype(np.float32))
        out.offset.copy_(torch.from_numpy(np.asarray(ridge.intercept_, np.float32)))
        out.lowest.copy_(torch.from_numpy(figures.min(axis=0).astype(np.float32)))
        out.highest.copy_(torch.from_numpy(figures.max(axis=0).astype(np.float32)))
        return out

    def read(self, hearts: torch.Tensor) -> torch.Tensor:
        """Figures (batch, figures), standardised, of packed latents (batch, size)."""
        return hearts @ self.reading + self.offset

    def within(self, figures: torch.Tensor) -> torch.Tensor:
        """Figures (..., figures) that hearts with pictures had: those beyond are taken back to the farthest."""
        return torch.minimum(torch.maximum(figures, self.lowest), self.highest)

    def forward(self, hearts: torch.Tensor, figures: torch.Tensor) -> torch.Tensor:
        """Hearts (batch, size) moved until they are read as figures (batch, figures), standardised."""
        return hearts + (figures - self.read(hearts)) @ self.gain.T
