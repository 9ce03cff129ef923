"""Where training samples come from: ECGs for the encoder, frames for the codec, latents for the velocity network."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from flow.ecg.beats import BEAT_SAMPLES, ECG_HZ, find_r_peaks, phase_labels
from flow.networks.conditions import FRAMES
from flow.networks.pamae import TARGETS, PhaseAwareMAE, targets_of
from flow.training.cohort import MOST_BEATS
from flow.training.pair_cache import Part, unpack_masks
from gen.cine import CineRecord
from gen.signals import resample
from gen.training import sample_generator, shuffled_indices

if TYPE_CHECKING:
    from gen.training import Batch


def raw_targets(part: Part) -> torch.Tensor:
    """(n, 4) figures of the hearts of a part, see `flow.networks.pamae.TARGETS`."""
    names = ("edv_ml", "mass_g", "ef", "es_share")
    return targets_of(*(torch.from_numpy(np.array(part.fact(name))) for name in names))


@dataclass(frozen=True, eq=False)
class RealEcgs:
    """Recorded ECGs at the encoder's rate: (n, 8, samples) float32 mV and R peaks (n, 48) s, NaN behind the last."""

    signal_mv: np.ndarray
    peaks: np.ndarray

    @classmethod
    def load(cls, folder: str | Path, samples: int, limit: int) -> "RealEcgs":
        """Training records of a cache made by ``physiogen data prepare``."""
        from gen.datasets.cache import SignalCache

        cache = SignalCache.open(folder)
        rows = cache.split("train")[:limit]
        signals, peaks = [], np.full((len(rows), MOST_BEATS), np.nan, np.float32)
        for start in range(0, len(rows), 64):
            block = np.nan_to_num(cache.batch(rows[start : start + 64]))
            block = resample(block, cache.fs_hz, ECG_HZ)[:, :, :samples]
            signals.append(np.pad(block, ((0, 0), (0, 0), (0, samples - block.shape[2]))))
        signal = np.concatenate(signals).astype(np.float32)
        for row, record in enumerate(signal):
            found = find_r_peaks(record, ECG_HZ)[:MOST_BEATS] / ECG_HZ
            peaks[row, : len(found)] = found
        return cls(signal, peaks)


class EcgSource:
    """ECGs with phase labels and, where simulated, the heart's figures.

    Args:
        parts: simulated parts; rows without beats are left out.
        model: names rate, length and phase times.
        real: recorded ECGs, or None.
        real_share: of the samples, where there are any.
        noise_mv: spread of white noise added to a sample, drawn up to this.
    """

    def __init__(
        self,
        parts: list[Part],
        model: PhaseAwareMAE,
        real: RealEcgs | None = None,
        real_share: float = 0.25,
        noise_mv: float = 0.02,
    ) -> None:
        self.parts, self.real, self.noise_mv = parts, real, noise_mv
        self.real_share = real_share if real is not None else 0.0
        self.rows = [(number, int(row)) for number, part in enumerate(parts) for row in part.usable]
        self.targets = [raw_targets(part) for part in parts]
        self.times = model.phase_times_s().numpy().astype(np.float64)

    def batch(self, numbers: np.ndarray, seed: int) -> "Batch":
        """See `gen.training.BatchSource`."""
        places = shuffled_indices(numbers, len(self.rows), seed)
        items = [self._item(int(n), int(p), seed) for n, p in zip(numbers, places, strict=True)]
        return {key: torch.from_numpy(np.stack([item[key] for item in items])) for key in items[0]}

    def rows_batch(self, rows: np.ndarray) -> "Batch":
        """These rows of the first part as they are."""
        items = [self._simulated(0, int(row)) for row in rows]
        return {key: torch.from_numpy(np.stack([item[key] for item in items])) for key in items[0]}

    def _item(self, number: int, place: int, seed: int) -> dict[str, np.ndarray]:
        rng = sample_generator(seed, number)
        if rng.random() < self.real_share and self.real is not None:
            item = self._recorded(self.real, int(rng.integers(len(self.real.signal_mv))))
        else:
            item = self._simulated(*self.rows[place])
        noise = rng.uniform(0.0, self.noise_mv) * rng.standard_normal(item["signal_mv"].shape, dtype=np.float32)
        return {**item, "signal_mv": item["signal_mv"] + noise.astype(np.float32)}

    def _recorded(self, real: RealEcgs, row: int) -> dict[str, np.ndarray]:
        return {
            "signal_mv": real.signal_mv[row],
            "beat_mv": np.zeros((8, BEAT_SAMPLES), np.float32),
            "rr_s": np.float32(0.9),
            **self._phase(real.peaks[row]),
            "targets": np.full(len(TARGETS), np.nan, np.float32),
        }

    def _simulated(self, number: int, row: int) -> dict[str, np.ndarray]:
        part = self.parts[number]
        return {
            "signal_mv": part.ecg[row].astype(np.float32) / 1000.0,
            "beat_mv": part.beat[row].astype(np.float32),
            "rr_s": np.float32(part.fact("rr_s")[row]),
            **self._phase(part.peaks[row]),
            "targets": self.targets[number][row].numpy(),
        }

    def _phase(self, peaks: np.ndarray) -> dict[str, np.ndarray]:
        phase, valid = phase_labels(peaks[np.isfinite(peaks)].astype(np.float64), self.times)
        return {"phase": phase.astype(np.float32), "phase_valid": valid}


class FrameSource:
    """A few frames of one heart, the R peak first.

    Args:
        part: simulated pairs.
        real: real short-axis loops, or none.
        real_share: of the samples, where there are any.
        count: frames of a sample.
        shift: largest shift of the whole loop in pixels.
    """

    def __init__(
        self,
        part: Part,
        real: list[CineRecord] | None = None,
        real_share: float = 0.1,
        count: int = 8,
        shift: int = 3,
    ) -> None:
        self.part, self.count, self.shift = part, count, shift
        self.slices = [(record, number) for record in real or [] for number in range(record.num_slices)]
        self.real_share = real_share if self.slices else 0.0

    def batch(self, numbers: np.ndarray, seed: int) -> "Batch":
        """See `gen.training.BatchSource`."""
        rows = shuffled_indices(numbers, len(self.part), seed)
        items = [self._item(int(n), int(r), seed) for n, r in zip(numbers, rows, strict=True)]
        return {key: torch.from_numpy(np.stack([item[key] for item in items])) for key in items[0]}

    def _item(self, number: int, row: int, seed: int) -> dict[str, np.ndarray]:
        rng = sample_generator(seed, number)
        chosen = np.concatenate([[0], 1 + rng.permutation(FRAMES - 1)[: self.count - 1]])
        if rng.random() < self.real_share:
            record, level = self.slices[int(rng.integers(len(self.slices)))]
            frames, masks = record.frames[level][chosen], labelled(record, level)[chosen]
            share = np.full(self.count, np.nan, np.float32)
        else:
            frames = self.part.frames[row][chosen].astype(np.float32) / 255.0
            masks = unpack_masks(self.part.packed_masks[row][chosen]).astype(np.int64)
            curve = self.part.curve[row]
            share = (curve[chosen] / curve[0]).astype(np.float32)
        by = tuple(rng.integers(-self.shift, self.shift + 1, 2))
        return {
            "frames": np.roll(frames, by, axis=(1, 2)).astype(np.float32),
            "masks": np.roll(masks, by, axis=(1, 2)).astype(np.int64),
            "share": share,
        }


def labelled(record: CineRecord, level: int) -> np.ndarray:
    """Labels (frame, row, col) of a slice, -1 in frames that nobody labelled (and where the RV was not drawn)."""
    shape = record.frames[level].shape
    out = np.full(shape, -1, dtype=np.int64)
    if record.masks is None:
        return out
    frames = record.metadata.get("labelled_frames")
    for frame in range(shape[0]) if frames is None else frames:
        labels = record.masks[level, frame].astype(np.int64)
        if (labels > 0).any():
            # Sunnybrook's readers drew the left ventricle alone: what they left blank may be the right one.
            out[frame] = np.where(labels > 0, labels, -1) if not (record.masks == 3).any() else labels
    return out


class LatentSource:
    """Latents and conditions held in memory.

    Args:
        arrays: ``latent`` (n, size), ``tokens`` (n, 50, width), ``summary``, ``numbers``; see `flow.training.latents`.
        feature_noise: spread of noise on the ECG features, which keeps few hearts from being learned by heart.
    """

    def __init__(self, arrays: dict[str, np.ndarray], feature_noise: float = 0.1) -> None:
        self.arrays, self.feature_noise = arrays, feature_noise

    def batch(self, numbers: np.ndarray, seed: int) -> "Batch":
        """See `gen.training.BatchSource`."""
        rows = shuffled_indices(numbers, len(self.arrays["latent"]), seed)
        batch = {key: np.stack([value[row] for row in rows]).astype(np.float32) for key, value in self.arrays.items()}
        for place, number in enumerate(numbers):
            rng = sample_generator(seed, int(number))
            for key in ("tokens", "summary"):
                noise = rng.standard_normal(batch[key][place].shape, dtype=np.float32)
                batch[key][place] += self.feature_noise * noise
        return {key: torch.from_numpy(value) for key, value in batch.items()}
