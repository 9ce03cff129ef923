"""What synthetic ECGs are good for, and what a reconstruction does to the diagnosis."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gen.records import InputError
from metrics.utility.downstream import Setting, standard_settings, utility
from metrics.utility.fit import CONTROLS, FitConfig, LabelledSet, fit, predict
from metrics.utility.retention import cohen_kappa, retention

FAST = FitConfig(steps=30, batch_size=16, widths=(8, 12), feature_width=8, window=200, bf16=False, dropout=0.0, lr=1e-2)
CLASSES = ("tall", "deep")


def labelled(seed: int, n: int = 60, *, told: bool = True, prefix: str = "p") -> LabelledSet:
    """Two visible classes: a tall wave in lead I, a deep one in V6; ``told`` False gives labels of other records."""
    rng = np.random.default_rng(seed)
    labels = rng.random((n, 2)) < [0.5, 0.3]
    signal = rng.normal(0, 0.05, (n, 8, 200))
    signal[labels[:, 0], 0, 10::40] += 1.0
    signal[labels[:, 1], 7, 20::40] -= 1.0
    patients = np.array([f"{prefix}{seed}-{i // 2}" for i in range(n)])
    return LabelledSet(signal, 100.0, labels if told else rng.permutation(labels), patients)


def run(settings, **changes):
    sets = {"train": labelled(0), "validation": labelled(1), "test": labelled(2), "synthetic": labelled(3)}
    options = {"classes": CLASSES, "settings": settings, "seeds": (0, 1), "config": FAST, "replicates": 100}
    return utility(**{**sets, **options, **changes})


def test_visible_classes_are_found_whatever_good_data_is_trained_on():
    report = run([Setting("TRTR", "real"), Setting("TSTR", "synthetic"), Setting("TRTS", "real", test="synthetic")])
    for result in report.values():
        assert result.scores.auroc.value > 0.95
    assert report["TSTR"].records == (0, 60)
    assert len(report["TRTR"].scores.auroc_runs) == 2
    assert "TRTR" not in report["TRTS"].differences  # other records: nothing to pair
    json.dumps({name: result.to_dict() for name, result in report.items()}, allow_nan=False)


def test_synthetic_records_with_wrong_labels_teach_nothing_and_gain_nothing():
    report = run(
        [Setting("TRTR", "real"), Setting("TSTR", "synthetic"), Setting("real+1x", "both")],
        synthetic=labelled(3, told=False),
    )
    assert abs(report["TSTR"].scores.auroc.value - 0.5) < 0.25
    assert report["TSTR"].differences["TRTR"]["auroc"].interval.high < 0
    assert not report["real+1x"].gains


def test_synthetic_records_help_where_real_ones_are_few():
    report = run([Setting("TRTR@5%", "real", 0.05), Setting("pretrain@5%", "pretrain", 0.05)])
    change = report["pretrain@5%"].differences["TRTR@5%"]
    assert report["TRTR@5%"].records == (3, 0)
    assert report["pretrain@5%"].records == (3, 60)
    assert change["auroc"].interval.value > 0
    assert set(change) == {"auroc", "auprc", "f1"}


def test_thresholds_come_from_validation_alone():
    settings = [Setting("TRTR", "real")]
    test = labelled(2)
    other = LabelledSet(test.signal_8_mv, test.fs_hz, ~test.labels, test.patients)
    first, second = (run(settings, test=t)["TRTR"].scores for t in (test, other))
    assert [row.threshold for row in first.classes] == [row.threshold for row in second.classes]
    moved = labelled(1)
    moved = LabelledSet(0.3 * moved.signal_8_mv, moved.fs_hz, moved.labels, moved.patients)
    third = run(settings, validation=moved)["TRTR"].scores
    assert [row.threshold for row in first.classes] != [row.threshold for row in third.classes]
    assert third.auroc.value == first.auroc.value


def test_every_control_trains_and_repeats_exactly():
    data, before, config = labelled(0), torch.get_rng_state(), replace(FAST, steps=6)
    found = {}
    for control in ("none", *CONTROLS):
        one, two = (
            predict(fit([data.prepared], config=config, seed=5, control=control), data.prepared) for _ in range(2)
        )
        np.testing.assert_array_equal(one, two)
        found[control] = one
    assert torch.equal(torch.get_rng_state(), before)
    for control in CONTROLS:
        assert np.abs(found[control] - found["none"]).max() > 1e-3


def test_standard_settings_cover_the_protocol():
    names = [setting.name for setting in standard_settings(shares=(0.1, 1.0), ratios=(0.5, 1.0))]
    assert {"TRTR", "TSTR", "TRTS", "real+0.5x", "real+1x@10%", "pretrain", "mixup@10%", "class-weights"} <= set(names)
    assert len(names) == len(set(names)) == 2 + 2 * 8


def test_a_smaller_share_is_part_of_the_larger_and_keeps_the_seed():
    from metrics.utility.downstream import _subset

    data = labelled(0).prepared
    small, large = (set(_subset(data, share, seed=1)) for share in (0.1, 0.5))
    assert small < large
    assert len(large) == 30
    assert set(_subset(data, 0.5, seed=2)) != large


def test_misuse_is_refused():
    settings = [Setting("TRTR", "real")]
    with pytest.raises(InputError, match="both train and test"):
        run(settings, test=labelled(0))
    with pytest.raises(InputError, match="2 labels"):
        run(settings, classes=("one",))
    with pytest.raises(InputError, match="one name"):
        run(settings * 2)
    with pytest.raises(InputError, match="synthetic records wanted"):
        run([Setting("real+4x", "both", ratio=4)])
    with pytest.raises(InputError, match="labels of shape"):
        LabelledSet(np.zeros((3, 8, 200)), 100.0, np.zeros((2, 2), bool))


class Reader:
    """Judges by the mean of leads I and II; its cuts are fixed."""

    classes = {"super": ("a", "b")}  # noqa: RUF012

    def thresholds(self, level):
        return np.array([0.5, 0.5])

    def probabilities(self, signal, fs_hz):
        return {"super": 1 / (1 + np.exp(-np.asarray(signal)[:, :2].mean(axis=2)))}


@pytest.fixture
def paired(rng):
    labels = rng.random((80, 2)) < 0.4
    signal = np.zeros((80, 8, 100))
    signal[:, :2] = (rng.normal(0, 1, (80, 2)) + 2 * labels)[:, :, None]
    return SimpleNamespace(signal=signal, labels=labels, patients=np.arange(80) // 2)


def test_identical_signals_keep_everything(paired):
    found = retention(paired.signal, paired.signal, Reader(), fs_hz=100, labels=paired.labels, patients=paired.patients)
    assert found.flip_rate.value == found.record_flip_rate.value == found.probability_mae.value == 0
    assert found.kappa == 1
    for change in (found.auroc_change, *(row.auroc_change for row in found.classes)):
        assert (change.interval.value, change.interval.low, change.interval.high) == (0, 0, 0)
    assert found.auroc_change.p_value == 1
    assert found.flip_rate.groups == 40


def test_a_lost_class_is_seen_in_that_class_alone(paired, rng):
    rebuilt = paired.signal.copy()
    rebuilt[:, 1] = rng.permutation(rebuilt[:, 1])
    found = retention(paired.signal, rebuilt, Reader(), fs_hz=100, labels=paired.labels)
    kept, lost = found.classes
    assert kept.flip_rate == 0
    assert kept.kappa == 1
    assert lost.auroc_change.interval.high < 0
    assert lost.flip_rate > 0.2
    assert abs(lost.kappa) < 0.3
    assert found.auroc_change.interval.value == pytest.approx(lost.auroc_change.interval.value / 2)
    json.dumps(found.to_dict(), allow_nan=False)


def test_retention_without_labels_compares_decisions_alone(paired):
    found = retention(paired.signal, -paired.signal, Reader(), fs_hz=100)
    assert found.auroc_change is None
    assert found.flip_rate.value == 1
    assert found.kappa < 0
    with pytest.raises(InputError, match="as real"):
        retention(paired.signal, paired.signal[:3], Reader(), fs_hz=100)


def test_kappa_of_a_known_table():
    first = np.array([True] * 25 + [False] * 25)
    second = np.array([True] * 20 + [False] * 5 + [True] * 10 + [False] * 15)
    assert cohen_kappa(first, second) == pytest.approx(0.4)  # Cohen's textbook table 20/5/10/15
    assert np.isnan(cohen_kappa(np.zeros(3, bool), np.zeros(3, bool)))
