"""The trained judge of ECG and text, ready to use."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from gen.checkpoint import checkpoint_digest, load_model
from gen.records import InputError
from gen.text import TokenBatch, statements
from metrics.judges.classifier.data import to_network
from metrics.judges.clip.network import EcgTextClip
from metrics.judges.clip.tokens import codes_as_tokens, token_digest, tokens_of
from metrics.statistics.arrays import Array, eight_leads

#: The weights that ship with the package.
SHIPPED = Path(__file__).parents[2] / "weights" / "clip"


class Clip:
    """A trained `EcgTextClip` behind arrays and texts.

        clip = Clip.load()
        cosine = clip.score(signal_8_mv, 500, texts)            # (n,)

    Args:
        network: in evaluation mode.
        batch_size: ECGs or texts at a time.
        digest: of the weights.
    """

    def __init__(self, network: EcgTextClip, *, batch_size: int = 32, digest: str = "") -> None:
        self.network = network.eval()
        self.batch_size = batch_size
        self.digest = digest

    @classmethod
    def load(cls, folder: str | Path | None = None, *, device: str | torch.device = "cpu") -> "Clip":
        """The shipped model, or the one in a checkpoint folder.

        Raises:
            InputError: no model is there, its weights do not fit exactly, or its tokens are not those of `gen.text`.
        """
        folder = SHIPPED if folder is None else Path(folder)
        network = load_model(EcgTextClip, folder).to(device)
        expected = network.config.token_digest
        if expected and expected != token_digest(network.config.vocabulary_size):
            raise InputError(f"{folder}: trained with other tokens than this version reads texts into; train it again")
        return cls(network, digest=checkpoint_digest(folder))

    @property
    def dim(self) -> int:
        """Width of the common space."""
        return int(self.network.config.embedding_width)

    def embed_ecg(self, signal_8_mv: npt.ArrayLike, fs_hz: float) -> Array:
        """Directions (n, dim) of ECGs (n, 8, time) in mV, `gen.leads.LEADS_8`; NaN counts as the lead's mean.

        Raises:
            InputError: not eight leads, shorter than two seconds, or infinite samples.
        """
        signal = eight_leads(signal_8_mv, fs_hz)
        parts = []
        with torch.inference_mode():
            for start in range(0, len(signal), self.batch_size):
                block = torch.from_numpy(to_network(signal[start : start + self.batch_size], fs_hz))
                parts.append(self.network.embed_ecg(block.to(self._device)).double().cpu().numpy())
        return np.concatenate(parts) if parts else np.zeros((0, self.dim))

    def embed_text(self, texts: Sequence[str]) -> Array:
        """Directions (n, dim) of texts, read by `gen.text`."""
        if not len(texts):
            return np.zeros((0, self.dim))
        return self.embed_tokens(tokens_of(texts, int(self.network.config.vocabulary_size)))

    def embed_codes(self, codes: Sequence[str]) -> Array:
        """Directions (n, dim) of statements by their codes, such as 'CLBBB'.

        Raises:
            InputError: a code that is unknown.
        """
        unknown = [code for code in codes if code not in statements()]
        if unknown:
            raise InputError(f"unknown statement {unknown[0]!r}; accepted: {', '.join(list(statements())[:8])}, ...")
        return self.embed_tokens(codes_as_tokens(codes))

    def score(self, signal_8_mv: npt.ArrayLike, fs_hz: float, texts: Sequence[str]) -> Array:
        """Cosine (n,) of each ECG with its text.

        Raises:
            InputError: as `embed_ecg`, or not one text per ECG.
        """
        ecg, text = self.embed_ecg(signal_8_mv, fs_hz), self.embed_text(texts)
        if len(ecg) != len(text):
            raise InputError(f"{len(text)} texts; accepted: {len(ecg)}, one per ECG")
        return np.einsum("nd,nd->n", ecg, text)

    def zero_shot(self, signal_8_mv: npt.ArrayLike, fs_hz: float, classes: Mapping[str, Sequence[str]]) -> Array:
        """Score (n, class) of each ECG for classes that are named by statement codes, without any training for them.

        Args:
            signal_8_mv, fs_hz: as in `embed_ecg`.
            classes: name -> codes of the statements that make it up; their mean direction stands for the class.
        """
        return self.embed_ecg(signal_8_mv, fs_hz) @ self.class_directions(classes).T

    def class_directions(self, classes: Mapping[str, Sequence[str]]) -> Array:
        """(class, dim) directions of classes named by statement codes."""
        means = np.stack([self.embed_codes(codes).mean(axis=0) for codes in classes.values()])
        return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    def embed_tokens(self, batch: TokenBatch) -> Array:
        """Directions (n, dim) of texts that were encoded already."""
        given = (torch.from_numpy(x).to(self._device) for x in (batch.ids, batch.attributes, batch.values, batch.mask))
        with torch.inference_mode():
            return self.network.embed_text(*given).double().cpu().numpy()


@lru_cache(maxsize=1)
def shipped() -> Clip:
    """The shipped model, loaded once."""
    return Clip.load()
