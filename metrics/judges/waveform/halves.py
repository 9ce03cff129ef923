"""Trains the network on one half of the patients, judges the other, then the other way round."""

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import rankdata

from gen.records import InputError
from gen.signals import fill_gaps, resample
from metrics.distribution.two_sample import joint_groups, patient_folds
from metrics.judges.waveform.network import WaveformNetwork
from metrics.statistics.bootstrap import Groups, Interval
from metrics.statistics.floors import kept_floor
from metrics.statistics.ranking import auroc_interval

#: Faster signals are brought to this rate: recorders pass little above 250 Hz.
HIGHEST_RATE_HZ = 500.0
EPOCHS, BATCH = 24, 32
#: Fewer records a side teach a network nothing.
FEWEST = 40
_CROP, _LEARNING_RATE, _DECAY = 0.8, 2e-3, 0.05
_LARGEST_MV = 20.0


@dataclass(frozen=True)
class RawVerdict:
    """AUROC of the network on patients that it was not trained on, with its interval; ``floor`` of recordings alone."""

    auroc: Interval
    floor: Interval | None


def raw_waveform_test(
    real_mv: npt.NDArray[np.floating],
    generated_mv: npt.NDArray[np.floating],
    fs_hz: float,
    *,
    reference_mv: npt.NDArray[np.floating] | None = None,
    real_groups: Groups = None,
    generated_groups: Groups = None,
    reference_groups: Groups = None,
    floor: bool = True,
    epochs: int = EPOCHS,
    replicates: int = 1000,
    seed: int = 0,
) -> RawVerdict:
    """How well a network on the raw waveform tells generated from recorded ECGs; .5 is not at all.

    Args:
        real_mv, generated_mv: (n, lead, time) mV of the same leads, rate and length; NaN are bridged.
        fs_hz: sampling rate.
        reference_mv: recordings of other people, for the floor; None: one half of the real set's patients against the
            other.
        real_groups, generated_groups, reference_groups: patient of each record.
        floor: whether to compute it.
        epochs: passes over the training half.
        replicates: of the bootstrap over patients.
        seed: of halves, weights, order and bootstrap.

    Raises:
        InputError: fewer than `FEWEST` records in a set, or sets of different leads or length.
    """
    real, generated = _ready(real_mv, fs_hz, "real"), _ready(generated_mv, fs_hz, "generated")
    groups = joint_groups(real_groups, generated_groups, len(real), len(generated))
    auroc = _crossed(real, generated, groups, epochs, replicates, seed)
    if not floor:
        return RawVerdict(auroc, None)
    if reference_mv is not None:
        reference = _ready(reference_mv, fs_hz, "reference")
        names = None if reference_groups is None else [f"reference {each}" for each in reference_groups]
        own = None if names is None else [f"real {each}" for each in groups[: len(real)]]
        codes = joint_groups(own, names, len(real), len(reference))
        return RawVerdict(auroc, _kept_floor(real, reference, codes, epochs, replicates, seed))
    patients = np.asarray(groups[: len(real)])
    people = np.random.default_rng(np.random.SeedSequence((seed, 5))).permutation(np.unique(patients))
    chosen = np.isin(patients, people[: len(people) // 2])
    if min(chosen.sum(), (~chosen).sum()) < FEWEST:
        return RawVerdict(auroc, None)
    codes = np.unique(np.concatenate([patients[chosen], patients[~chosen]]), return_inverse=True)[1]
    # Half the records, so twice the passes: as many steps as before.
    return RawVerdict(auroc, _kept_floor(real[chosen], real[~chosen], codes, 2 * epochs, replicates, seed))


def _ready(signal_mv: npt.NDArray[np.floating], fs_hz: float, name: str) -> npt.NDArray[np.float32]:
    signal = np.asarray(signal_mv, dtype=np.float32)
    if signal.ndim != 3 or len(signal) < FEWEST:
        raise InputError(f"{name}: signals of shape {signal.shape}; accepted: (n, lead, time), n at least {FEWEST}")
    if not np.isfinite(signal).all():
        signal = fill_gaps(np.where(np.isfinite(signal), signal, np.nan).astype(np.float32))
    if fs_hz > HIGHEST_RATE_HZ:
        signal = resample(signal, fs_hz, HIGHEST_RATE_HZ)
    return np.clip(signal - np.median(signal, axis=-1, keepdims=True), -_LARGEST_MV, _LARGEST_MV)


def _kept_floor(
    real: npt.NDArray[np.float32],
    others: npt.NDArray[np.float32],
    groups: npt.NDArray[np.int64],
    epochs: int,
    replicates: int,
    seed: int,
) -> Interval:
    asked = epochs, replicates, seed
    made = kept_floor(
        f"network on the raw waveform, epochs, replicates and seed {asked}",
        (real, others, groups),
        lambda: asdict(_crossed(real, others, groups, *asked)),
    )
    return Interval(**made)


def _crossed(
    real: npt.NDArray[np.float32],
    generated: npt.NDArray[np.float32],
    groups: npt.NDArray[np.int64],
    epochs: int,
    replicates: int,
    seed: int,
) -> Interval:
    if real.shape[1:] != generated.shape[1:]:
        raise InputError(f"signals (lead, time) of {real.shape[1:]} and {generated.shape[1:]}; accepted: the same")
    signal = np.concatenate([real, generated])
    labels = np.arange(len(signal)) >= len(real)
    scores = np.empty(len(signal))
    for number, test in enumerate(patient_folds(labels, groups, 2, seed)):
        model = train(signal[~test], labels[~test], epochs=epochs, seed=2 * seed + number)
        scores[test] = rankdata(score(model, signal[test])) / test.sum()
    return auroc_interval(scores, labels, groups=groups, replicates=replicates, seed=seed)


def train(
    signal_mv: npt.NDArray[np.float32], labels: npt.NDArray[np.bool_], *, epochs: int = EPOCHS, seed: int = 0
) -> WaveformNetwork:
    """A network that tells ``labels`` apart, trained on random stretches of four fifths of each record."""
    rng = np.random.default_rng(np.random.SeedSequence((seed, 23)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**31)))
        model = WaveformNetwork(signal_mv.shape[1])
        optimiser = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE, weight_decay=_DECAY)
        per_epoch = -(-len(signal_mv) // BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _LEARNING_RATE, total_steps=per_epoch * epochs)
        length = int(_CROP * signal_mv.shape[-1])
        target = torch.from_numpy(labels.astype(np.float32))
        weight = torch.tensor(float((~labels).sum() / max(1, labels.sum())))
        model.train()
        for _ in range(epochs):
            for rows in np.array_split(rng.permutation(len(signal_mv)), per_epoch):
                starts = rng.integers(0, signal_mv.shape[-1] - length + 1, len(rows))
                batch = np.stack([signal_mv[k, :, s : s + length] for k, s in zip(rows, starts, strict=True)])
                logits = model(torch.from_numpy(batch))
                loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target[rows], pos_weight=weight)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
    return model.eval()


def score(model: WaveformNetwork, signal_mv: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Logits (n,) of whole records."""
    with torch.inference_mode():
        parts = [model(torch.from_numpy(signal_mv[k : k + BATCH])) for k in range(0, len(signal_mv), BATCH)]
    return torch.cat(parts).double().numpy()
