"""The ECG classifier: scores, labels, network, samples, weights, Net1D."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score

from gen.checkpoint import load_model, save_checkpoint
from gen.datasets.scp import SUPERCLASSES, labels_at
from gen.records import InputError
from metrics.distribution import extractors
from metrics.judges.classifier import EXTRACTOR
from metrics.judges.classifier.data import Augmentation, Examples, ExampleSource, stretch, to_network, vary
from metrics.judges.classifier.labels import demographics_of, label_matrix, statements_of
from metrics.judges.classifier.model import SHIPPED, Classifier, ClassifierFeatures
from metrics.judges.classifier.network import EcgClassifier
from metrics.judges.classifier.scores import (
    average_precision,
    calibration_error,
    choose_thresholds,
    f1,
    macro_difference,
    macro_mean,
    score,
)
from metrics.statistics.bootstrap import resample_counts
from metrics.statistics.ranking import weighted_auroc

SMALL = {"widths": (8, 16), "blocks": 1, "feature_width": 12, "superclasses": ("NORM", "MI"), "statements": ("SR",)}


def small(seed: int = 0, **changes) -> EcgClassifier:
    torch.manual_seed(seed)
    network = EcgClassifier(**{**SMALL, **changes})
    for module in network.modules():  # as after training: normalisation that is not the identity
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
    return network.eval()


def predictions(rng, n=120, classes=4):
    labels = rng.random((n, classes)) < [0.5, 0.3, 0.1, 0.05]
    scores = np.clip(0.3 * labels + rng.normal(0.4, 0.2, labels.shape), 0, 1).round(2)  # rounding makes ties
    return scores, labels


# --- scores


def test_average_precision_and_f1_agree_with_scikit_learn_under_weights(rng):
    scores, labels = predictions(rng)
    weights = resample_counts(len(labels), 100, seed=1)[:5]
    ours = average_precision(scores[:, 0], labels[:, 0], weights)
    theirs = [average_precision_score(labels[:, 0], scores[:, 0], sample_weight=w) for w in weights]
    np.testing.assert_allclose(ours, theirs, atol=1e-12)
    decided = (scores[:, 1] > 0.5).astype(float)
    theirs = [f1_score(labels[:, 1], decided, sample_weight=w) for w in weights]
    np.testing.assert_allclose(f1(decided, labels[:, 1], weights), theirs, atol=1e-12)


def test_separable_classes_score_one_and_permuted_labels_a_half(rng):
    labels = rng.random((400, 3)) < 0.3
    perfect = score(labels * 0.8 + 0.1, labels, thresholds=[0.5] * 3, classes="abc", replicates=100)
    assert perfect.auroc.value == perfect.auprc.value == perfect.f1.value == 1.0
    assert perfect.auroc.low == 1.0
    chance = score(labels * 0.8 + 0.1, rng.permutation(labels), thresholds=[0.5] * 3, classes="abc", replicates=200)
    assert chance.auroc.low < 0.5 < chance.auroc.high


def test_a_class_without_positives_stays_out_of_the_mean(rng):
    scores, labels = predictions(rng)
    labels[:, 3] = False
    found = score(scores, labels, thresholds=[0.5] * 4, classes=list("abcd"), replicates=100)
    expected = np.mean([weighted_auroc(scores[:, i], labels[:, i], np.ones((1, 120)))[0] for i in range(3)])
    assert found.scored == 3
    assert found.auroc.value == pytest.approx(expected)
    assert np.isnan(found.classes[3].auroc)
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["classes"][3]["auroc"] is None


def test_a_class_that_a_replicate_lost_stays_out_of_that_replicate(rng):
    scores, labels = predictions(rng, n=10, classes=4)
    labels[:] = False
    labels[:5, 0] = labels[0, 1] = True
    weights = np.ones((1, 10))
    weights[0, 0] = 0
    both = macro_mean(weighted_auroc, scores[:, :2], labels[:, :2], weights)
    np.testing.assert_allclose(both, weighted_auroc(scores[:, 0], labels[:, 0], weights))


def test_thresholds_have_the_best_f1_of_all_cuts(rng):
    scores, labels = predictions(rng)
    for i, cut in enumerate(choose_thresholds(scores, labels)):
        best = max(f1_score(labels[:, i], scores[:, i] >= t) for t in np.unique(scores[:, i])[::2])
        assert f1_score(labels[:, i], scores[:, i] >= cut) >= best - 1e-12
    assert choose_thresholds(scores[:3, :1], np.zeros((3, 1), bool))[0] == 0.5


def test_the_scored_labels_do_not_move_the_thresholds(rng):
    scores, labels = predictions(rng)
    cuts = choose_thresholds(scores, labels)
    other = score(scores, rng.permutation(labels), thresholds=cuts, classes=list("abcd"), replicates=100)
    assert [row.threshold for row in other.classes] == pytest.approx(list(cuts))


def test_calibration_error_of_known_frequencies():
    labels = np.arange(100) < 30
    assert calibration_error(np.full(100, 0.3), labels) == pytest.approx(0, abs=1e-12)
    assert calibration_error(np.full(100, 0.8), labels) == pytest.approx(0.5)


def test_paired_difference_is_zero_for_equal_and_signed_for_better_predictions(rng):
    scores, labels = predictions(rng)
    same = macro_difference(scores, scores, labels, replicates=100)
    assert (same.interval.value, same.interval.low, same.interval.high, same.p_value) == (0, 0, 0, 1)
    better = macro_difference(scores, np.where(labels, 1.0, scores), labels, replicates=200)
    assert better.interval.low > 0
    assert better.p_value < 0.05
    runs = macro_difference(scores, np.stack([scores, np.where(labels, 1.0, scores)]), labels, replicates=100)
    assert runs.interval.value == pytest.approx(better.interval.value / 2)


def test_predictions_that_do_not_fit_are_refused(rng):
    scores, labels = predictions(rng)
    with pytest.raises(InputError, match="accepted: both"):
        score(scores[:, :3], labels, thresholds=[0.5] * 4, classes=list("abcd"))
    with pytest.raises(InputError, match="NaN"):
        score(np.where(scores > 0.5, np.nan, scores), labels, thresholds=[0.5] * 4, classes=list("abcd"))
    with pytest.raises(InputError, match="no class"):
        score(scores, np.zeros_like(labels), thresholds=[0.5] * 4, classes=list("abcd"))


# --- labels


def test_labels_keep_the_order_of_the_classes_and_count_unstated_likelihoods():
    statements = [{"NORM": 100.0, "SR": 0.0}, {"IMI": 0.0, "LVH": 50.0}, {}]
    found = label_matrix(statements, SUPERCLASSES, "super")
    assert [list(np.array(SUPERCLASSES)[row]) for row in found] == [["NORM"], ["MI", "HYP"], []]
    assert label_matrix(statements, ("LVH", "SR"), "all").tolist() == [[False, True], [True, False], [False, False]]


def test_a_table_without_statements_is_refused():
    with pytest.raises(InputError, match="no column"):
        statements_of(pd.DataFrame({"age": [1]}))
    with pytest.raises(InputError, match="no record has a statement"):
        statements_of(pd.DataFrame({"statements": ["{}", None]}))


def test_demographics_are_women_and_age_and_nan_where_unknown():
    table = pd.DataFrame({"sex": ["F", "M", None], "age": [50.0, 25.0, np.nan]})
    np.testing.assert_array_equal(demographics_of(table), np.array([[1, 1], [0, 0.5], [np.nan, np.nan]], np.float32))


# --- samples


def examples(rng, n=12):
    return Examples(
        signal_uv=(1000 * rng.standard_normal((n, 8, 300))).astype(np.int16),
        superclasses=np.eye(n, 5, dtype=np.float32),
        statements=np.eye(n, 71, dtype=np.float32),
        demographics=np.full((n, 2), 0.5, np.float32),
    )


def test_a_sample_is_the_same_in_every_batch(rng):
    source = ExampleSource(examples(rng), Augmentation())
    together = source.batch(np.arange(20, 26), seed=3)
    alone = source.batch(np.array([23]), seed=3)
    for name, value in alone.items():
        torch.testing.assert_close(together[name][3:4], value, rtol=0, atol=0)
    assert not torch.equal(source.batch(np.array([23]), seed=4)["signal_mv"], alone["signal_mv"])


def test_every_variation_can_be_switched_off(rng):
    off = Augmentation(**{**dict.fromkeys(Augmentation.__dataclass_fields__, 0.0), "window": 1.0})
    signal = rng.standard_normal((8, 300)).astype(np.float32)
    np.testing.assert_allclose(vary(signal, np.random.default_rng(0), off), signal, atol=1e-4)


def test_stretch_plays_a_ramp_at_the_speed_it_was_told():
    ramp = np.arange(100.0)[None]
    np.testing.assert_allclose(stretch(ramp, 40, 1.5, 0.0)[0], 1.5 * np.arange(40))
    np.testing.assert_allclose(stretch(ramp, 40, 0.5, 1.0)[0, -1], 99)
    np.testing.assert_allclose(stretch(ramp, 100, 1.2, 0.3), ramp, atol=1e-9)  # too short to be played faster


def test_missing_samples_become_the_lead_mean(rng):
    signal = rng.standard_normal((1, 8, 1000)).astype(np.float32)
    signal[0, 2, 100:200] = np.nan
    signal[0, 5] = np.nan
    found = to_network(signal, 100)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[0, 2, 100:200], np.nanmean(signal[0, 2]), rtol=1e-5)
    assert (found[0, 5] == 0).all()


# --- network


def test_loss_falls_and_separable_classes_are_learnt(rng):
    torch.manual_seed(0)
    network = EcgClassifier(**SMALL, dropout=0.0)
    label = rng.random((64, 2)) < 0.5
    signal = rng.normal(0, 0.05, (64, 8, 200)).astype(np.float32)
    signal[label[:, 0], 0, 50:150:20] += 1.0
    signal[label[:, 1], 7, 50:150:20] -= 1.0
    batch = {
        "signal_mv": torch.from_numpy(signal),
        "superclasses": torch.from_numpy(label.astype(np.float32)),
        "statements": torch.from_numpy(label[:, :1].astype(np.float32)),
        "demographics": torch.full((64, 2), float("nan")),
    }
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    network.train()
    losses = []
    for _ in range(50):
        value = network.loss(batch)
        assert value["demographics"] == 0  # nothing is known of them
        optimizer.zero_grad()
        value["loss"].backward()
        optimizer.step()
        losses.append(value["loss"].item())
    assert losses[-1] < 0.3 * losses[0]
    probabilities = Classifier(network).probabilities(signal, 100)["super"]
    assert macro_mean(weighted_auroc, probabilities, label, np.ones((1, 64)))[0] > 0.99


def test_features_are_deterministic_and_do_not_depend_on_the_batch(rng):
    signal = rng.standard_normal((7, 8, 1000))
    large, single = Classifier(small()), Classifier(small(), batch_size=1)
    features = large.features(signal, 500)
    np.testing.assert_array_equal(features, large.features(signal, 500))
    np.testing.assert_allclose(single.features(signal, 500), features, atol=1e-4, rtol=1e-4)
    assert features.shape == (7, 12)


def test_an_electrode_offset_means_nothing_and_amplitude_means_something(rng):
    signal = 0.2 * rng.standard_normal((2, 8, 1000))
    classifier = Classifier(small())
    features = classifier.features(signal, 100)
    np.testing.assert_allclose(classifier.features(signal + 5, 100), features, atol=1e-3)
    assert np.abs(classifier.features(2 * signal, 100) - features).max() > 1e-2


@pytest.mark.parametrize(
    ("shape", "message"),
    [((1, 12, 5000), "accepted: .n, 8, time"), ((1, 8, 500), "at least 2 s"), ((8, 5000), "shape")],
)
def test_signals_that_cannot_be_read_are_refused(shape, message):
    with pytest.raises(InputError, match=message):
        Classifier(small()).probabilities(np.zeros(shape), 500)


def test_no_record_gives_no_row():
    assert Classifier(small()).probabilities(np.zeros((0, 8, 1000)), 100)["super"].shape == (0, 2)


# --- weights


def test_weights_come_back_exactly_and_foreign_ones_are_refused(tmp_path, rng):
    network = small()
    save_checkpoint(tmp_path / "a", config=json.loads(network.to_json_string()), model=network)
    signal = rng.standard_normal((3, 8, 500))
    again = Classifier.load(tmp_path / "a")
    np.testing.assert_array_equal(again.features(signal, 100), Classifier(network).features(signal, 100))
    assert again.classes == {"super": ("NORM", "MI"), "all": ("SR",)}
    config = json.loads(network.to_json_string())
    save_checkpoint(tmp_path / "b", config=config, model=small(widths=(8, 24)))
    with pytest.raises(InputError, match="shape"):
        Classifier.load(tmp_path / "b")
    tensors = network.state_dict()
    del tensors["heads.superclasses.bias"]
    save_checkpoint(tmp_path / "c", config=config, model=tensors)
    with pytest.raises(InputError, match="missing"):
        Classifier.load(tmp_path / "c")
    save_checkpoint(tmp_path / "d", config=config, model={**network.state_dict(), "extra": torch.zeros(1)})
    with pytest.raises(InputError, match="extra does not belong"):
        Classifier.load(tmp_path / "d")
    save_checkpoint(tmp_path / "e", config={**config, "_class_name": "LeadVAE"}, model=network)
    with pytest.raises(InputError, match="LeadVAE"):
        Classifier.load(tmp_path / "e")


def test_thresholds_belong_to_their_class(rng):
    cuts = {"super/MI": 0.2, "super/NORM": 0.7, "all/SR": 0.4}
    assert Classifier(small(thresholds=cuts)).thresholds("super").tolist() == [0.7, 0.2]
    with pytest.raises(InputError, match="no thresholds"):
        Classifier(small()).thresholds("super")


def test_extractor_keeps_the_protocol_and_is_registered(rng):
    extractor = ClassifierFeatures(Classifier(small(), digest="ab" * 32))
    assert isinstance(extractor, extractors.Extractor)
    assert extractor(rng.standard_normal((2, 8, 1000)), 500).shape == (2, extractor.dim)
    assert {EXTRACTOR, "ecgfounder"} <= set(extractors.extractor_names())
    with pytest.raises(InputError, match="not finite"):
        extractor(np.full((1, 8, 1000), np.nan), 500)


def test_ecgfounder_without_weights_says_what_to_set(monkeypatch):
    monkeypatch.delenv("PHYSIOGEN_ECGFOUNDER", raising=False)
    with pytest.raises(InputError, match="set PHYSIOGEN_ECGFOUNDER"):
        extractors.extractor("ecgfounder")


def test_importing_the_package_loads_no_torch():
    code = "import sys, metrics.judges.classifier; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(not SHIPPED.is_dir(), reason="no shipped weights")
def test_shipped_classifier_knows_its_classes_and_is_small():
    network = load_model(EcgClassifier, SHIPPED)
    assert tuple(network.config.superclasses) == SUPERCLASSES
    assert tuple(network.config.statements) == labels_at("all")
    assert set(network.config.thresholds) == {f"super/{c}" for c in SUPERCLASSES} | {
        f"all/{c}" for c in labels_at("all")
    }
    assert (SHIPPED / "model.safetensors").stat().st_size < 8_000_000
    assert json.loads((SHIPPED / "card.json").read_text())["licence"]
