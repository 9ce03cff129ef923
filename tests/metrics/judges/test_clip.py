"""The judge of ECG and text: tokens, network, loss, pairs, weights, scores, its place in the benchmark."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gen.checkpoint import save_checkpoint
from gen.leads import LEADS_8, LEADS_12
from gen.records import EcgRecord, InputError
from gen.simulate import simulate
from gen.text import vocabulary
from gen.training import TrainingConfig, train
from metrics.judges.classifier.data import Augmentation
from metrics.judges.clip import model
from metrics.judges.clip.data import PairSource, TextAugmentation, pairs_of, simulated_pairs
from metrics.judges.clip.model import Clip
from metrics.judges.clip.network import EcgTextClip, masked_logits
from metrics.judges.clip.scores import match_auroc, superclasses, zero_shot_aurocs
from metrics.judges.clip.tokens import groups, token_digest, tokens_of
from metrics.suite.aligned import AlignedSet, Target
from metrics.suite.job import Job
from metrics.suite.presets import preset
from metrics.suite.sections.text import NAMES, text_entries, text_of

SIZE = len(vocabulary())


def small(seed=0):
    torch.manual_seed(seed)
    return EcgTextClip(
        vocabulary_size=SIZE, attribute_sizes=vocabulary().attribute_sizes, token_digest=token_digest(SIZE),
        widths=(8, 16), blocks=1, feature_width=16, text_width=16, text_layers=1, text_heads=2, embedding_width=8,
    ).eval()  # fmt: skip


def wave(rng, count, hertz):
    time = np.arange(1000) / 100
    phase = 2 * np.pi * rng.random((count, 8, 1))
    return np.rint(1000 * np.sin(2 * np.pi * hertz * time + phase)).astype(np.int16)


def test_texts_that_say_the_same_share_a_group():
    same = ["atrial fibrillation, LBBB", "Linksschenkelblock bei Vorhofflimmern", "LBBB. AF at 130 bpm"]
    others = ["atrial fibrillation, RBBB", "atrial fibrillation, no LBBB", "atrial fibrillation, possible LBBB"]
    found = groups(tokens_of([*same, *others], SIZE))
    assert len(set(found[:3])) == 1
    assert len(set(found)) == 4


def test_a_text_is_a_set_and_padding_says_nothing():
    clip = Clip(small())
    one, two = clip.embed_text(["AF, LBBB, HR 130"]), clip.embed_text(["LBBB. HR 130. AF"])
    np.testing.assert_allclose(one, two, atol=1e-6)
    longer = "sinus rhythm, LVH, left axis deviation, PVC, T wave inversion, 60 bpm"
    batch = clip.embed_text(["AF, LBBB, HR 130", longer])
    np.testing.assert_allclose(batch[:1], one, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(batch, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("other", ["RBBB, HR 60", "no LBBB, HR 60", "possible LBBB, HR 60", "LBBB, HR 130", ""])
def test_what_a_text_says_changes_its_direction(other):
    one, two = Clip(small()).embed_text(["LBBB, HR 60", other])
    assert one @ two < 0.999


def test_ids_that_the_network_does_not_know_are_passed_over():
    early = vocabulary().id("piece:0")
    found = tokens_of(["sinus rhythm, HR 70", "LVH"], early)
    assert found.ids.max() < early
    assert found.mask.any(axis=1).all()
    assert found.ids[1, 0] == vocabulary().id("<none>")


def test_the_same_statements_are_no_negatives():
    logits = masked_logits(torch.zeros(4, 4), torch.tensor([5, 7, 5, 9]))
    expected = torch.zeros(4, 4)
    expected[0, 2] = expected[2, 0] = -torch.inf
    torch.testing.assert_close(logits, expected)
    # A batch of one and the same text has nothing to tell apart: no loss, and no NaN.
    batch = _batch(small(), ["sinus rhythm"] * 4)
    assert float(small().loss(batch)["loss"].detach()) == pytest.approx(0, abs=1e-6)


def _batch(network, texts):
    tokens = tokens_of(texts, SIZE)
    given = {name: torch.from_numpy(getattr(tokens, name)) for name in ("ids", "attributes", "values", "mask")}
    signal = torch.randn(len(texts), 8, 1000, generator=torch.Generator().manual_seed(0))
    return {**given, "signal_mv": signal, "group": torch.from_numpy(groups(tokens))}


def test_loss_is_infonce_where_all_texts_differ():
    network = small()
    batch = _batch(network, ["LBBB", "RBBB", "AF", "WPW"])
    ecg, text = (x.detach().double().numpy() for x in network(batch))
    logits = ecg @ text.T / 0.07
    each = [-np.diag(x - np.log(np.exp(x).sum(axis=1, keepdims=True))).mean() for x in (logits, logits.T)]
    assert float(network.loss(batch)["loss"].detach()) == pytest.approx(np.mean(each), rel=1e-4)


def test_training_matches_waves_with_words(rng, tmp_path):
    recorded = pairs_of(
        np.concatenate([wave(rng, 20, 1.5), wave(rng, 20, 9.0)]), [["sinus rhythm"] * 20 + ["atrial flutter"] * 20]
    )
    source = PairSource(
        recorded, None, simulated_share=0.0, augmentation=Augmentation(rate=0.0, mixup=0.0), text=TextAugmentation()
    )
    config = TrainingConfig(steps=40, batch_size=16, lr=5e-3, ema_decay=None, validate_every=40, threads=1, cpu=True)
    result = train(small(), source, config=config, out=tmp_path / "run")
    clip = Clip.load(result.best_path)
    fresh = np.concatenate([wave(rng, 10, 1.5), wave(rng, 10, 9.0)]) / 1000.0
    text = clip.embed_text(["Sinusrhythmus"] * 10 + ["Vorhofflattern"] * 10)
    assert match_auroc(clip.embed_ecg(fresh, 100), text, np.repeat([0, 1], 10)) > 0.95
    named = zero_shot_aurocs(
        clip, clip.embed_ecg(fresh, 100), [{"SR": 100.0}] * 10 + [{"AFLT": 100.0}] * 10, {"AFLT": ["AFLT"]}, "all"
    )
    assert named["AFLT"] > 0.95


def test_samples_depend_on_seed_and_number_alone():
    simulated = simulated_pairs(6, seed=3)
    recorded = pairs_of(simulated.signal_uv, [["sinus rhythm"] * 6])
    given = {"simulated_share": 0.5, "augmentation": Augmentation(), "text": TextAugmentation()}
    source = PairSource(recorded, simulated, **given)
    whole, part = source.batch(np.arange(12), 7), source.batch(np.arange(5, 9), 7)
    for name, value in whole.items():
        torch.testing.assert_close(value[5:9], part[name], rtol=0, atol=0)
    assert whole["mask"].any(dim=1).all()
    denied = whole["attributes"][..., 0].bool()
    assert not (denied & ~whole["mask"]).any()


def test_a_denied_finding_is_not_in_the_text():
    recorded = pairs_of(np.zeros((1, 8, 1000), np.int16), [["atrial fibrillation, LBBB, LVH, PVC"]])
    text = TextAugmentation(token_dropout=0.5, negation=1.0)
    source = PairSource(recorded, None, simulated_share=0.0, augmentation=Augmentation(), text=text)
    batch = source.batch(np.arange(60), 0)
    denied = batch["ids"][batch["attributes"][..., 0].bool()]
    assert len(denied) == 60
    assert not set(denied.tolist()) & {vocabulary().id(code) for code in ("AFIB", "CLBBB", "LVH", "PVC")}


def test_match_auroc_counts_other_texts_only():
    axes = np.eye(3)
    assert match_auroc(axes, axes, np.arange(3)) == 1
    assert match_auroc(axes, axes[[1, 2, 0]], np.arange(3)) == pytest.approx(0.25)  # one loss, one tie each
    assert match_auroc(axes, np.ones((3, 3)), np.arange(3)) == 0.5
    assert np.isnan(match_auroc(axes, axes, np.zeros(3, int)))
    assert set(superclasses()) == {"NORM", "MI", "STTC", "CD", "HYP"}


def test_a_checkpoint_is_strict_about_its_tokens(tmp_path):
    network = small()
    save_checkpoint(tmp_path / "good", config=network.config | {"_class_name": "EcgTextClip"}, model=network)
    clip = Clip.load(tmp_path / "good")
    signal = np.random.default_rng(0).standard_normal((3, 8, 2000)).astype(np.float32)
    np.testing.assert_allclose(clip.embed_ecg(signal, 200), Clip(network).embed_ecg(signal, 200), atol=1e-6)
    assert clip.score(signal, 200, ["AF", "LBBB", "sinus rhythm"]).shape == (3,)
    other = network.config | {"_class_name": "EcgTextClip", "token_digest": "0123"}
    save_checkpoint(tmp_path / "foreign", config=other, model=network)
    with pytest.raises(InputError, match="other tokens"):
        Clip.load(tmp_path / "foreign")
    with pytest.raises(InputError, match="no such checkpoint"):
        Clip.load(tmp_path / "none")


@pytest.mark.parametrize(("shape", "texts"), [((3, 7, 1000), 3), ((8, 1000), 1), ((2, 8, 150), 2), ((3, 8, 1000), 2)])
def test_unfit_input_is_refused(shape, texts):
    with pytest.raises(InputError, match="accepted"):
        Clip(small()).score(np.zeros(shape), 100, ["LBBB"] * texts)
    with pytest.raises(InputError, match="unknown statement"):
        Clip(small()).embed_codes(["LBBBB"])


def test_the_request_wins_over_the_report():
    record = simulate([0], seed=0).records()[0]
    assert text_of(record) == record.report
    asked = EcgRecord(record.signal_mv, 500, record.leads, report="x", metadata={"request": {"text": "LBBB"}})
    assert text_of(asked) == "LBBB"
    assert text_of(EcgRecord(record.signal_mv, 500, record.leads, report=" ")) is None


def aligned(name, seed):
    records = simulate(range(24), seed=seed, noise="light", fs_hz=100).records()
    signal = np.stack([record.signal_mv for record in records])
    target = Target(LEADS_12, 100.0, signal.shape[-1])
    patients = tuple(record.patient.id for record in records)
    return AlignedSet(name, "set", signal, target, tuple(records), patients, LEADS_12)


def test_the_benchmark_scores_texts(monkeypatch):
    clip = Clip(small())
    monkeypatch.setattr(model, "shipped", lambda: clip)
    sets = [aligned("real", 1), aligned("fake", 2)]
    job = Job(*sets, None, None, False, (), preset("generation"), 0, None)
    found = {entry.name: entry for entry in text_entries(job)}
    assert tuple(found) == NAMES
    score = found["clip_score"]
    own = clip.score(sets[1].block(slice(None), LEADS_8), 100, [record.report for record in sets[1].facts])
    np.testing.assert_allclose(score.records, own, atol=1e-6)
    assert score.value == pytest.approx(own.mean())
    assert score.extra["real_with_other_texts"] == score.baseline
    assert found["clip_relative"].value == pytest.approx(score.value / score.floor)
    assert found["text_retrieval_at_10"].extra["candidates"] == 24
    assert all(entry.value is not None and entry.skipped is None for entry in found.values())


def test_the_benchmark_says_why_there_is_no_text_score(monkeypatch):
    sets = [aligned("real", 1), aligned("fake", 2)]
    silent = replace(sets[1], facts=tuple(replace(record, report=None) for record in sets[1].facts))
    job = Job(sets[0], silent, None, None, False, (), preset("generation"), 0, None)
    assert all("carry a report" in entry.skipped for entry in text_entries(job))

    def none():
        raise InputError("no weights here")

    monkeypatch.setattr(model, "shipped", none)
    job = Job(*sets, None, None, False, (), preset("generation"), 0, None)
    assert all("no weights here" in entry.skipped for entry in text_entries(job))
    # Real records without reports: a score to compare two reports with, but no scale.
    monkeypatch.setattr(model, "shipped", lambda: Clip(small()))
    job = Job(silent, sets[1], None, None, False, (), preset("generation"), 0, None)
    found = {entry.name: entry for entry in text_entries(job)}
    assert found["clip_score"].value is not None
    assert found["clip_relative"].skipped
