"""Fine-tuning of beats and of twins: the card's lineage, what is kept, and what is learned."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from made_beats import fitted_code, some_habits, some_shape

from diffusion.beats.network import BeatDenoiser
from diffusion.training import beat_tuning
from diffusion.training.beat_sets import BeatExample, said
from diffusion.training.beat_store import NoiseAgreement, write_examples
from diffusion.training.beat_tuning import kept_rows, requests
from diffusion.twin.beat_change import BeatChange, BeatCondition
from diffusion.twin.change_tuning import pairs_of, with_codes
from gen.card import About, Source, make_card
from gen.checkpoint import load_checkpoint, load_model, model_config, save_checkpoint
from gen.text import ReadText, StatementRead


def example(person, codes, gain=1.0, **changes):
    text = ReadText(tuple(StatementRead(code) for code in codes))
    facts = {"age": 60.0, "sex": "F", "source": "recorded", "heart_rate": 75.0}
    shape = some_shape(gain, **changes)
    return BeatExample(person, shape, None, True, some_habits(), np.zeros((0, 64)), (text,) * 3, facts)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Weights to start from, with a card."""
    torch.manual_seed(0)
    model = BeatDenoiser(width=32, depth=1, condition_width=32, findings_add=True)
    model.code = fitted_code()
    with torch.no_grad():
        for value in model.parameters():
            value.copy_(0.1 * torch.randn_like(value))
    card = make_card(
        About(name="diffusion/beats", task="a", intended_use="b", limits="c"),
        data=[Source(name="ptb-xl", licence="CC BY 4.0", citation="Wagner 2020", digest="d" * 64)],
        sampling={"scheduler": "adams", "num_inference_steps": 5, "guidance_scale": 1.5},
    )
    folder = tmp_path_factory.mktemp("start") / "best"
    config = {**model_config(model), "pipeline": "synthesize"}
    save_checkpoint(folder, config=config, model=model, card=card, dtype="fp16")
    return folder


@pytest.fixture
def cache(tmp_path, data_dir):
    """A cache of one's own, and the beats that were measured on it, so that no test measures."""
    from gen.datasets import open_source, prepare

    source = open_source(data_dir("ptb-xl"))
    source.table = source.table.iloc[:12].assign(split=["train"] * 10 + ["val"] * 2)
    source.table.loc[source.table.index[0], ["report", "statements"]] = [None, "{}"]
    return prepare(source, tmp_path / "CACHE")


def tuned(start, cache, tmp_path, **changes):
    out = tmp_path / "RUN"
    out.mkdir()
    facts = {"data": cache.digest, "only": [], "without": []}
    sets = {"train": [example(f"p{k}", ["IMI"], 1 + k / 10) for k in range(8)], "val": [example("q", ["IMI"])]}
    write_examples(out / "beats.npz", sets, NoiseAgreement(np.zeros(0), np.zeros(0)), facts)
    settings = {"init": str(start), "rank": "2", "steps": "3", "batch_size": "8", "warmup": "0", "cpu": "true"}
    settings |= {"kept_samples": "6", "variants": "2", **changes}
    found = beat_tuning.tune(data=cache.path, out=out, overrides=settings)
    return out, found


def test_the_card_keeps_where_the_weights_come_from(start, cache, tmp_path, capsys):
    out, found = tuned(start, cache, tmp_path)
    card = load_checkpoint(found["checkpoint"]).card
    assert [source["name"] for source in card["data"]] == ["ptb-xl", "ptb-xl"]
    assert card["data"][1]["citation"] == "Wagner 2020"
    assert "CC BY 4.0" in card["licence"]
    assert card["sampling"] == {"scheduler": "adams", "num_inference_steps": 5, "guidance_scale": 1.5}
    assert card["parts"]["start"]["name"] == "diffusion/beats"
    said_of_it = capsys.readouterr().err
    assert "1 of 10 recordings have neither a report nor statements" in said_of_it
    assert str(start) not in json.dumps(card), "no path of this machine"
    assert out / "best" == type(out)(found["checkpoint"])


def test_tuned_weights_are_a_checkpoint_like_any_other_and_have_moved(start, cache, tmp_path):
    _, found = tuned(start, cache, tmp_path)
    before, after = load_checkpoint(start).tensors, load_checkpoint(found["checkpoint"]).tensors
    assert set(before) == set(after)
    assert all(value.dtype == torch.float32 for name, value in after.items() if value.is_floating_point())
    moved = [name for name in before if not torch.allclose(before[name].float(), after[name].float(), atol=1e-6)]
    assert moved
    assert all(name.endswith("weight") for name in moved), "biases, norms and the code of beats stay"
    load_model(BeatDenoiser, found["checkpoint"])
    import gen

    pipe = gen.load(found["checkpoint"])
    assert pipe.sampling().guidance.scales["text"] == 1.5


def test_what_is_kept_is_what_the_weights_draw(start):
    model = load_model(BeatDenoiser, start)
    rows, again = kept_rows(model, 5, seed=3), kept_rows(model, 5, seed=3)
    assert np.array_equal(rows.arrays["vector"], again.arrays["vector"])
    assert len(rows) == 5
    asked = requests(200, 3)
    codes = [code for condition in asked for code in said(condition.text)]
    assert codes.count("SR") > codes.count("AFIB") > 0, "as often as recordings have them"
    assert all(40 <= c.heart_rate <= 220 for c in asked)


def test_an_unknown_start_is_refused_before_anything_is_measured(cache, tmp_path):
    from gen.records import InputError

    with pytest.raises(InputError, match=r"nonsense: no such weights; accepted: default \(shipped\)"):
        beat_tuning.tune(data=cache.path, out=tmp_path / "RUN", overrides={"init": "nonsense"})
    assert not (tmp_path / "RUN").exists()


def test_pairs_are_recordings_of_one_person_that_differ():
    one = [example("a", ["NORM"]), example("a", ["NORM"]), example("a", ["CLBBB"]), example("b", ["NORM"])]
    pairs = pairs_of(one)
    assert len(pairs) == 2
    faster = replace(one[1], own=some_shape(1.0, rr_s=0.5))
    assert len(pairs_of([one[0], faster])) == 1
    unknown = replace(one[0], facts={"age": None, "sex": None})
    (pair,) = pairs_of([unknown, one[2]])
    assert np.isnan(pair.before.age)
    assert pair.before.sex == ""


def test_further_statements_change_nothing_until_they_are_learned():
    torch.manual_seed(0)
    model = BeatChange(("AFIB", "CLBBB"), width=16, depth=1)
    model.code = fitted_code()
    wider = with_codes(model, ["IMI"]).eval()
    assert wider.codes == ("AFIB", "CLBBB", "IMI")
    shape = some_shape()
    model.eval()

    def ask(network, *codes):
        own = BeatCondition(frozenset(), 70, 60, "F", True)
        return network.expected(shape, own, BeatCondition(frozenset(codes), 90, 60, "F", True))[0]

    assert np.allclose(ask(model, "CLBBB"), ask(wider, "CLBBB"), atol=1e-6)
    assert np.allclose(ask(wider, "CLBBB", "IMI"), ask(wider, "CLBBB"), atol=1e-6)
