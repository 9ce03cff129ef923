"""Training data of the delineator: simulated ECGs with known truth, and annotated LUDB records."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, isnan
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.ndimage
import torch

from gen.leads import LEADS_8_TO_12, LEADS_12, to_12
from gen.randomness import Purpose, sample_generator
from gen.signals import resample
from gen.simulate import Truth, simulate
from gen.simulate.noise import draw_noise, noise_level
from gen.training.data import Batch, shuffled_indices
from metrics.measurement.delineation.ludb import AnnotatedRecord
from metrics.measurement.delineation.preprocess import FS_HZ, remove_drift
from metrics.measurement.delineation.waves import WAVES

#: Samples of a training record, a multiple of the network's stride.
SAMPLES = 2496
#: A simulated P or T with less than this between its extremes (mV) is not labelled in a lead, above SEEN_MV it is.
UNSEEN_MV, SEEN_MV = 0.010, 0.025
#: Within a lead, waves may begin later and end earlier than the consensus: unknown margins in seconds.
MARGIN_S = {"P": 0.02, "QRS": 0.016, "T": 0.04}
#: Statements that the simulated population is too poor in, with factors on their odds.
OVERSAMPLE = {
    "AFIB": 4.0, "AFLT": 4.0, "PVC": 3.0, "PAC": 3.0, "CLBBB": 3.0, "CRBBB": 2.0, "1AVB": 2.0, "2AVB": 6.0,
    "3AVB": 6.0, "PACE": 3.0, "SVTAC": 4.0, "WPW": 3.0,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class LabelledEcgs:
    """ECGs at 250 Hz with labels for every sample.

    Attributes:
        signal_uv: (n, 12, time) int16 microvolt, leads `gen.leads.LEADS_12`.
        lead_label: (n, 12, time) uint8, bits 0-2: P, QRS, T of the lead; bits 4-6: that label is known.
        label: (n, time) uint8, the same for the consensus.
    """

    signal_uv: npt.NDArray[np.int16]
    lead_label: npt.NDArray[np.uint8]
    label: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.signal_uv)


def _span(onset_s: float, offset_s: float) -> slice:
    return slice(max(0, int(np.ceil(onset_s * FS_HZ))), max(0, int(np.floor(offset_s * FS_HZ)) + 1))


def simulated(count: int, seed: int, *, margins: bool, batch: int = 100) -> LabelledEcgs:
    """Noise-free simulated ECGs; the noise is added when they are drawn.

    Args:
        count: records, patients 0 .. count - 1 of cohort ``seed``.
        seed: of the cohort.
        margins: leave the edges of waves unknown within single leads, see `MARGIN_S`.
        batch: records simulated at once.
    """
    signal = np.empty((count, 12, SAMPLES), np.int16)
    lead_label, label = np.empty((count, 12, SAMPLES), np.uint8), np.empty((count, SAMPLES), np.uint8)
    for start in range(0, count, batch):
        numbers = range(start, min(count, start + batch))
        made = simulate(
            numbers,
            seed=seed,
            fs_hz=FS_HZ,
            duration_s=SAMPLES / FS_HZ,
            oversample=OVERSAMPLE,
            conditions=[_fast_and_wide(number) for number in numbers],
        )
        for index, eight, truth in zip(numbers, made.signal_mv, made.truth, strict=True):
            clean = to_12(eight)
            signal[index] = np.clip(np.rint(clean * 1000), -32768, 32767)
            lead_label[index], label[index] = truth_labels(truth, clean, margins=margins)
    return LabelledEcgs(signal, lead_label, label)


def _fast_and_wide(number: int) -> dict[str, Any] | None:
    """Every twentieth record is a fast rhythm, every second of these with a wide complex: both are rare together."""
    if number % 20:
        return None
    rate = {"heart_rate": 115.0 + (number // 20 * 37) % 80}
    return rate if number % 40 else rate | {"statements": ["CLBBB" if number % 80 else "CRBBB"]}


def truth_labels(
    truth: Truth, clean_mv: npt.NDArray[np.float32], *, margins: bool
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Labels of one simulated record: (12, time) per lead, (time,) consensus. See `LabelledEcgs`."""
    time = clean_mv.shape[-1]
    lead_label, label = np.full((12, time), 0x70, np.uint8), np.full(time, 0x70, np.uint8)
    for beat in truth.beats:
        for channel, mark in enumerate((beat.p, beat.qrs, beat.t)):
            if isnan(mark[0]):
                continue
            where, bit = _span(mark[0], mark[2]), np.uint8(1 << channel)
            label[where] |= bit
            known = np.uint8(0x10 << channel)
            part = clean_mv[:, where]
            if part.shape[1] < 3:
                continue
            size = np.full(12, 9.0)
            if channel != 1:
                line = np.linspace(0, 1, part.shape[1])
                size = np.ptp(part - (part[:, :1] * (1 - line) + part[:, -1:] * line), axis=1)
            lead_label[size >= UNSEEN_MV, where] |= bit
            lead_label[(size >= UNSEEN_MV) & (size < SEEN_MV), where] &= ~known
            if margins:
                margin = MARGIN_S[WAVES[channel]]
                lead_label[:, _span(mark[0], mark[0] + margin)] &= ~known
                lead_label[:, _span(mark[2] - margin, mark[2])] &= ~known
    for labels in (lead_label, label):
        _forget_hidden_p(labels)
        _forget_ends(labels, truth)
    return lead_label, label


def _forget_hidden_p(labels: npt.NDArray[np.uint8]) -> None:
    """A P wave inside a QRS complex cannot be seen: whether to mark it is left open."""
    labels[((labels & 1) > 0) & ((labels & 2) > 0)] &= 0xEF


def _forget_ends(labels: npt.NDArray[np.uint8], truth: Truth) -> None:
    """Truth lists beats that begin inside the record: T of the beat before and P of the one after are unknown."""
    beats = [beat for beat in truth.beats if isfinite(beat.qrs[0])]
    first = min((b.p[0] if isfinite(b.p[0]) else b.qrs[0] for b in beats), default=1e9)
    last = max((b.t[2] if isfinite(b.t[2]) else b.qrs[2] for b in beats), default=-1.0)
    labels[..., : _span(0, max(first, 0)).stop] &= 0x2F
    labels[..., _span(max(last, 0), 1e3).start :] &= 0x2F
    edge = int(0.15 * FS_HZ)
    labels[..., :edge] &= 0x0F
    labels[..., -edge:] &= 0x0F


def annotated(records: Sequence[AnnotatedRecord]) -> LabelledEcgs:
    """LUDB records; unknown outside the annotated beats. The consensus is the majority, see `consensus_label`."""
    signal = np.zeros((len(records), 12, SAMPLES), np.int16)
    lead_label = np.zeros((len(records), 12, SAMPLES), np.uint8)
    label = np.zeros((len(records), SAMPLES), np.uint8)
    for index, item in enumerate(records):
        slow = resample(item.record.signal_mv, item.record.fs_hz, FS_HZ)[:, :SAMPLES]
        signal[index, :, : slow.shape[1]] = np.clip(np.rint(slow * 1000), -32768, 32767)
        for row, lead in enumerate(LEADS_12):
            _label_lead(item, lead, lead_label[index, row])
        label[index] = consensus_label(lead_label[index])
    return LabelledEcgs(signal, lead_label, label)


def _label_lead(item: AnnotatedRecord, lead: str, labels: npt.NDArray[np.uint8]) -> None:
    first, last = item.span(lead)
    labels[_span(first, last)] = 0x70
    for wave in item.waves[lead]:
        channel = WAVES.index(wave.kind)
        if isnan(wave.onset) or isnan(wave.offset):
            labels[_span(wave.peak - 0.2, wave.peak + 0.3)] &= ~np.uint8(0x10 << channel)
        else:
            labels[_span(wave.onset, wave.offset)] |= np.uint8(1 << channel)


def consensus_label(lead_label: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Majority of the leads that show a wave, (12, time) -> (time,).

    A wave is there where a quarter of the leads mark it, and lasts as long as half of those that mark its core do. (The
    envelope of all leads, with twelve marks that each scatter, would be 15 to 20 ms too long.) Known where half of the
    leads are.
    """
    label = np.zeros(lead_label.shape[-1], np.uint8)
    for channel in range(len(WAVES)):
        known = (lead_label >> (4 + channel)) & 1
        count = ((lead_label >> channel) & known & 1).sum(axis=0)
        enough = known.sum(axis=0) >= 6
        regions, regions_found = scipy.ndimage.label(enough & (count >= 0.25 * known.sum(axis=0)))
        for region in range(1, regions_found + 1):
            inside = regions == region
            label[inside & (count >= 0.5 * count[inside].max())] |= np.uint8(1 << channel)
        label |= enough.astype(np.uint8) << np.uint8(4 + channel)
    return label


def noise_bank(count: int, seed: int) -> npt.NDArray[np.int16]:
    """Electrode noise without signal, (count, 8, time) int16 microvolt, half resting, half wearable kind."""
    bank = np.empty((count, 8, SAMPLES), np.int16)
    for k in range(count):
        rng = np.random.default_rng(np.random.SeedSequence((seed, k), spawn_key=(Purpose.NOISE_BANK,)))
        level = noise_level("light" if k % 2 == 0 else "wearable")
        bank[k] = np.clip(np.rint(1000 * draw_noise(rng, level, SAMPLES, FS_HZ)), -32768, 32767)
    return bank


class DelineationSource:
    """Training samples: rows of a record with noise, random leads, gain and polarity of the pool.

    Args:
        simulated_ecgs: simulated records, clean.
        real: annotated real records, or None.
        noise: bank of `noise_bank`.
        real_share: of the samples drawn from ``real``.
        rows: leads per sample.
        samples: length of a sample, cut anywhere from the record; a multiple of the network's stride.
        taught: recordings marked by a network, or None; see `metrics.measurement.delineation.taught`.
        taught_share: of the samples drawn from ``taught``.
        alone: share of the samples in which one lead must do without the others.
    """

    def __init__(
        self,
        simulated_ecgs: LabelledEcgs,
        real: LabelledEcgs | None,
        noise: npt.NDArray[np.int16],
        *,
        real_share: float = 0.0,
        rows: int = 6,
        samples: int = SAMPLES,
        taught: LabelledEcgs | None = None,
        taught_share: float = 0.0,
        alone: float = 0.2,
    ) -> None:
        self.simulated, self.real, self.noise = simulated_ecgs, real, noise
        self.real_share, self.rows = real_share if real is not None else 0.0, rows
        self.samples, self.alone = samples, alone
        self.taught, self.taught_share = taught, taught_share if taught is not None else 0.0

    def batch(self, numbers: np.ndarray, seed: int) -> Batch:
        """The samples of these global numbers; see `metrics.measurement.delineation.network.Delineator.loss`."""
        signals, pools, cuts, lead_labels, labels = [], [], [], [], []
        order = shuffled_indices(numbers, len(self.simulated), seed)
        for number, index in zip(numbers.tolist(), order.tolist(), strict=True):
            rng = sample_generator(seed, number)
            real = self._recordings(rng)
            ecgs, row = (real, int(rng.integers(len(real)))) if real is not None else (self.simulated, index)
            leads = rng.permutation(12)[: self.rows]
            start = int(rng.integers(SAMPLES - self.samples + 1))
            cut = slice(start, start + self.samples)
            signals.append(self._signal(ecgs, row, leads, rng, noisy=real is None))
            pools.append(_draw_pool(self.rows, rng, self.alone))
            cuts.append(cut)
            lead_labels.append(ecgs.lead_label[row, leads, cut])
            labels.append(ecgs.label[row, cut])
        label, weight = _unpack(np.stack(labels))
        lead_label, lead_weight = _unpack(np.stack(lead_labels))
        steady = remove_drift(np.stack(signals))  # of the whole record, as it is done when measuring
        steady = np.stack([signal[:, cut] for signal, cut in zip(steady, cuts, strict=True)])
        return {
            "signal_mv": torch.from_numpy(steady),
            "pool": torch.from_numpy(np.stack(pools)),
            "label": label,
            "weight": weight,
            "lead_label": lead_label,
            "lead_weight": lead_weight,
        }

    def _recordings(self, rng: np.random.Generator) -> LabelledEcgs | None:
        """Recordings that a sample is drawn from; None for a simulated one."""
        if self.real is None and self.taught is None:
            return None
        draw = rng.random()
        if draw < self.real_share:
            return self.real
        return self.taught if draw < self.real_share + self.taught_share else None

    def _signal(
        self, ecgs: LabelledEcgs, row: int, leads: np.ndarray, rng: np.random.Generator, *, noisy: bool
    ) -> npt.NDArray[np.float32]:
        signal = ecgs.signal_uv[row, leads].astype(np.float32) * np.float32(1e-3)
        signal *= np.float32(np.exp(0.35 * rng.standard_normal()))
        strength = np.exp(0.5 * rng.standard_normal()) if noisy else 0.5 * rng.random() * (rng.random() < 0.5)
        if not noisy and rng.random() < 0.5:
            signal *= np.exp(0.15 * rng.standard_normal((len(leads), 1))).astype(np.float32)
        disturbance = self.noise[rng.integers(len(self.noise))].astype(np.float32) * np.float32(1e-3 * strength)
        start = int(rng.integers(SAMPLES))
        disturbance = np.roll(disturbance, start, axis=1)
        return signal + LEADS_8_TO_12[leads].astype(np.float32) @ disturbance


def _draw_pool(rows: int, rng: np.random.Generator, alone: float) -> npt.NDArray[np.float32]:
    """One row in the share ``alone`` of the samples, some rows in a tenth, all rows otherwise."""
    pool = np.ones(rows, dtype=np.float32)
    draw = rng.random()
    if draw < alone + 0.1:
        keep = 1 if draw < alone else int(rng.integers(2, rows))
        pool[keep:] = 0
    return pool


def _unpack(packed: npt.NDArray[np.uint8]) -> tuple[torch.Tensor, torch.Tensor]:
    """(..., time) bits -> labels and weights (..., 3, time)."""
    channels = np.arange(len(WAVES), dtype=np.uint8)[:, None]
    label = (packed[..., None, :] >> channels) & 1
    weight = (packed[..., None, :] >> (channels + np.uint8(4))) & 1
    return torch.from_numpy(label.astype(np.float32)), torch.from_numpy(weight.astype(np.float32))
