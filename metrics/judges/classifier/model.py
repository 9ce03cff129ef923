"""The trained classifier, ready to use: probabilities, decisions and features of ECGs at any rate."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from gen.checkpoint import checkpoint_digest, load_model
from gen.records import InputError
from metrics.judges.classifier.data import FS_HZ, to_network
from metrics.judges.classifier.network import EcgClassifier
from metrics.statistics.arrays import Array, eight_leads

#: The weights that ship with the package.
SHIPPED = Path(__file__).parents[2] / "weights" / "classifier"
LEVELS = ("super", "all")


class Classifier:
    """A trained `EcgClassifier` behind arrays.

        classifier = Classifier.load()
        probabilities = classifier.probabilities(signal_8_mv, fs_hz=500)["super"]      # (n, 5)

    Args:
        network: in evaluation mode.
        batch_size: ECGs at a time.
    """

    def __init__(self, network: EcgClassifier, *, batch_size: int = 32, digest: str = "") -> None:
        self.network = network.eval()
        self.batch_size = batch_size
        self.digest = digest

    @classmethod
    def load(cls, folder: str | Path | None = None, *, device: str | torch.device = "cpu") -> "Classifier":
        """The shipped classifier, or the one in a checkpoint folder.

        Raises:
            InputError: no classifier is there, or its weights do not fit exactly.
        """
        folder = SHIPPED if folder is None else Path(folder)
        network = load_model(EcgClassifier, folder).to(device)
        return cls(network, digest=checkpoint_digest(folder))

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        """Level ('super', 'all') -> names of its classes, in the order of `probabilities`."""
        config = self.network.config
        return {"super": tuple(config.superclasses), "all": tuple(config.statements)}

    def thresholds(self, level: str) -> Array:
        """(class,) probability from which a class counts as stated, chosen on validation records.

        Raises:
            InputError: the checkpoint has none.
        """
        known = self.network.config.thresholds
        if not known:
            raise InputError(
                "classifier: no thresholds; accepted: a checkpoint of `physiogen train metrics/classifier`"
            )
        return np.array([known[f"{level}/{name}"] for name in self.classes[level]])

    def probabilities(self, signal_8_mv: npt.ArrayLike, fs_hz: float) -> dict[str, Array]:
        """Probability of every class: level -> (n, class), for ECGs (n, 8, time) in mV, `gen.leads.LEADS_8`.

        NaN counts as the lead's mean.

        Raises:
            InputError: not eight leads, or shorter than two seconds.
        """
        output = self._run(signal_8_mv, fs_hz)
        return {"super": _sigmoid(output[1]), "all": _sigmoid(output[2])}

    def features(self, signal_8_mv: npt.ArrayLike, fs_hz: float) -> Array:
        """Penultimate values (n, feature_width) of ECGs as in `probabilities`."""
        return self._run(signal_8_mv, fs_hz)[0]

    def demographics(self, signal_8_mv: npt.ArrayLike, fs_hz: float) -> tuple[Array, Array]:
        """Probability of a woman (n,) and age in years (n,), as far as an ECG tells."""
        from metrics.judges.classifier.labels import AGE_UNIT_YEARS

        output = self._run(signal_8_mv, fs_hz)[3]
        return _sigmoid(output[:, 0]), output[:, 1] * AGE_UNIT_YEARS

    def _run(self, signal_8_mv: npt.ArrayLike, fs_hz: float) -> list[Array]:
        signal = eight_leads(signal_8_mv, fs_hz)
        device = next(self.network.parameters()).device
        parts: list[list[Array]] = []
        with torch.inference_mode():
            for start in range(0, max(1, len(signal)), self.batch_size):
                block = torch.from_numpy(to_network(signal[start : start + self.batch_size], fs_hz)).to(device)
                parts.append([part.double().cpu().numpy() for part in self.network(block)])
        return [np.concatenate(column) for column in zip(*parts, strict=True)]


@lru_cache(maxsize=1)
def shipped() -> Classifier:
    """The shipped classifier, loaded once."""
    return Classifier.load()


class ClassifierFeatures:
    """The classifier's penultimate values as a feature extractor; see `metrics.distribution.extractors.Extractor`."""

    name = "ptbxl-classifier"

    def __init__(self, classifier: Classifier | None = None) -> None:
        self.classifier = classifier or shipped()

    @property
    def dim(self) -> int:
        """Features per ECG."""
        return int(self.classifier.network.config.feature_width)

    @property
    def digest(self) -> str:
        """SHA-256 of configuration and weights."""
        return self.classifier.digest

    def __call__(self, signal_8_mv: npt.ArrayLike, fs_hz: float) -> Array:
        """Features (n, dim) of ECGs (n, 8, time) in mV.

        Raises:
            InputError: not eight leads, shorter than two seconds, or values that are not finite.
        """
        array = np.asarray(signal_8_mv)
        if not np.isfinite(array).all():
            raise InputError("signal_8_mv: samples that are not finite; accepted: finite values")
        return self.classifier.features(array, fs_hz)


def _sigmoid(logits: Array) -> Array:
    return 0.5 * (1 + np.tanh(logits / 2))


__all__ = ["FS_HZ", "LEVELS", "SHIPPED", "Classifier", "ClassifierFeatures", "shipped"]
