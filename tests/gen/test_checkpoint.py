import json
import os
from pathlib import Path

import pytest
import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from safetensors.torch import load_file, save_file
from torch import nn

from gen.card import SIMULATED, About, Source, make_card, training_card
from gen.checkpoint import (
    checkpoint_digest,
    load_checkpoint,
    load_model,
    load_weights,
    save_checkpoint,
    unique_tensors,
)
from gen.files import recover_folder, replace_folder
from gen.pack import pack
from gen.records import InputError

CARD = make_card(
    About(name="test/tiny", task="numbers to numbers", intended_use="tests", limits="all"),
    data=[Source(name="none", licence="CC0")],
    training={"seed": 3},
)


class Tiny(ModelMixin, ConfigMixin):
    @register_to_config
    def __init__(self, width: int = 3, depth: int = 1):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.register_buffer("count", torch.arange(width))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class Other(Tiny):
    pass


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4, bias=False)
        self.second = nn.Linear(4, 4, bias=False)
        self.second.weight = self.first.weight


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Tiny, Path]:
    model = Tiny(width=4, depth=2)
    config = json.loads(model.to_json_string())
    return model, save_checkpoint(tmp_path / "model", config=config, model=model, card=CARD)


def change_weights(folder: Path, change) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def test_round_trip_gives_the_same_model_and_card(saved):
    model, folder = saved
    loaded = load_model(Tiny, folder)
    assert not loaded.training
    assert loaded.config.width == 4
    for name, value in model.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name])
    card = load_checkpoint(folder).card
    assert card == CARD
    assert sorted(p.name for p in folder.parent.iterdir()) == ["model"]


def test_what_diffusers_saves_is_read_too(saved, tmp_path):
    model, _ = saved
    model.save_pretrained(tmp_path / "diffusers")
    loaded = load_model(Tiny, tmp_path / "diffusers")
    assert torch.equal(loaded.layers[1].weight, model.layers[1].weight)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("layers.1.bias"), "layers.1.bias is missing"),
        (lambda t: t.update(more=torch.zeros(1)), "more does not belong to Tiny"),
        (lambda t: t.update({"layers.0.bias": torch.zeros(9)}), r"layers.0.bias has shape \(9,\); expected \(4,\)"),
        (lambda t: t.pop("count"), "count is missing"),
    ],
)
def test_missing_extra_and_foreign_weights_are_errors(saved, change, message):
    _, folder = saved
    change_weights(folder, change)
    with pytest.raises(InputError, match=message) as raised:
        load_model(Tiny, folder)
    assert str(folder) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_diffusers_own_loader_would_have_gone_on(saved, tmp_path):
    # The reason for load_model; if this ever fails, diffusers has become strict.
    model, _ = saved
    model.save_pretrained(tmp_path / "d")
    tensors = load_file(tmp_path / "d" / "diffusion_pytorch_model.safetensors")
    del tensors["layers.1.bias"]
    save_file(tensors, tmp_path / "d" / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})
    Tiny.from_pretrained(tmp_path / "d")
    with pytest.raises(InputError, match=r"layers\.1\.bias is missing"):
        load_model(Tiny, tmp_path / "d")


def test_a_refused_checkpoint_leaves_the_model_unchanged(saved):
    _, folder = saved
    change_weights(folder, lambda t: t.pop("count"))
    model = Tiny(width=4, depth=2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(InputError):
        load_weights(model, load_checkpoint(folder).tensors, folder)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_class_and_settings_must_be_known(saved):
    _, folder = saved
    with pytest.raises(InputError, match="checkpoint of Tiny; expected Other"):
        load_model(Other, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "widht": 4}))
    with pytest.raises(InputError, match="no setting 'widht'"):
        load_model(Tiny, folder)
    (folder / "config.json").write_text(json.dumps({**config, "pipeline": "reconstruct"}))
    load_model(Tiny, folder)  # the registry's key is welcome


def test_pickles_and_broken_files_are_refused(saved, tmp_path):
    _, folder = saved
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-5])
    with pytest.raises(InputError, match="not a complete safetensors file"):
        load_checkpoint(folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"pytorch_model\.bin: pickled weights can run code"):
        load_checkpoint(folder)
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(InputError, match=r"no model\.safetensors"):
        load_checkpoint(folder)
    (folder / "config.json").write_text("[1")
    with pytest.raises(InputError, match="not readable as JSON"):
        load_checkpoint(folder)
    with pytest.raises(InputError, match="no such checkpoint folder"):
        load_checkpoint(tmp_path / "nothing")


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_half_precision_storage_halves_the_floats_only(tmp_path, dtype):
    model = Tiny(width=64)
    config = json.loads(model.to_json_string())
    folder = save_checkpoint(tmp_path / "half", config=config, model=model, dtype=dtype)
    stored = load_checkpoint(folder).tensors
    assert stored["layers.0.weight"].element_size() == 2
    assert stored["count"].dtype == torch.int64
    loaded = load_model(Tiny, folder)
    assert loaded.layers[0].weight.dtype == torch.float32
    torch.testing.assert_close(loaded.layers[0].weight, model.layers[0].weight, rtol=8e-3, atol=1e-6)
    assert load_model(Tiny, folder, dtype=None).layers[0].weight.element_size() == 2


def test_weights_that_do_not_fit_the_storage_type_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"weight a is not finite in torch\.float16"):
        save_checkpoint(tmp_path / "x", config={}, model={"a": torch.tensor([1e6])}, dtype="fp16")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="storage type 'int4'"):
        save_checkpoint(tmp_path / "x", config={}, model={"a": torch.tensor([1e6])}, dtype="int4")


def test_tied_weights_are_stored_once_and_come_back_tied(tmp_path):
    model = Tied()
    assert list(unique_tensors(model)) == ["first.weight"]
    folder = save_checkpoint(tmp_path / "tied", config={}, model=model)
    loaded = Tied()
    load_weights(loaded, load_checkpoint(folder).tensors, folder)
    assert torch.equal(loaded.second.weight, model.first.weight)
    assert loaded.second.weight is loaded.first.weight


def test_digest_names_the_model_but_not_its_card(saved):
    model, folder = saved
    digest = checkpoint_digest(folder)
    (folder / "card.json").write_text("{}")
    assert checkpoint_digest(folder) == digest
    with torch.no_grad():
        model.layers[0].weight[0, 0] += 1
    save_checkpoint(folder, config=load_checkpoint(folder).config, model=model)
    assert checkpoint_digest(folder) != digest


def test_a_failing_save_keeps_what_was_there(saved):
    model, folder = saved
    before = checkpoint_digest(folder)
    with pytest.raises(TypeError):
        save_checkpoint(folder, config={"a": object()}, model=model)
    assert checkpoint_digest(folder) == before
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_recovery_after_a_kill_between_the_two_renames(saved):
    _, folder = saved
    digest = checkpoint_digest(folder)
    folder.rename(folder.with_name(".model.old"))
    folder.with_name(f".partial-{os.getpid()}-model").mkdir()
    recover_folder(folder)
    assert checkpoint_digest(folder) == digest
    assert [p.name for p in folder.parent.iterdir()] == ["model"]


def test_a_place_that_cannot_be_written_is_an_input_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"), replace_folder(tmp_path / "file" / "model"):
        pass
    assert os.listdir(tmp_path) == ["file"]


def test_int8_storage_rounds_each_row_by_at_most_half_a_step(tmp_path):
    model = Tiny(width=96)
    with torch.no_grad():
        model.layers[0].weight[5] *= 1000  # a large row must not coarsen the others
        model.layers[0].weight[6] = 0
    save_checkpoint(tmp_path / "a", config={"_class_name": "Tiny", "width": 96}, model=model, dtype="int8")
    loaded = load_model(Tiny, tmp_path / "a")
    weight, found = model.layers[0].weight, loaded.layers[0].weight
    step = weight.abs().amax(dim=1, keepdim=True) / 127
    assert ((found - weight).abs() <= 0.5001 * step).all()
    torch.testing.assert_close(loaded.layers[0].bias, model.layers[0].bias, atol=1e-3, rtol=1e-3)
    assert (tmp_path / "a" / "model.safetensors").stat().st_size < 0.35 * weight.numel() * 4
    again = save_checkpoint(tmp_path / "b", config={"_class_name": "Tiny", "width": 96}, model=loaded, dtype="int8")
    torch.testing.assert_close(load_model(Tiny, again).layers[0].weight, found)
    with torch.no_grad():
        model.layers[0].weight[0, 0] = torch.nan
    with pytest.raises(InputError, match="not finite"):
        save_checkpoint(tmp_path / "c", config={}, model=model, dtype="int8")


def test_packing_keeps_the_model_in_fewer_bytes(tmp_path):
    model = torch.nn.Linear(128, 64)
    config = {"_class_name": "Linear", "pipeline": "x"}
    save_checkpoint(tmp_path / "run" / "denoiser", config=config, model=model, card=CARD)
    (tmp_path / "run" / "model_index.json").write_text("{}")
    size = pack(tmp_path / "run", tmp_path / "packed", "int8", {"sampling": {"steps": 4}})
    stored = load_checkpoint(tmp_path / "packed" / "denoiser")
    assert (tmp_path / "packed" / "model_index.json").read_text() == "{}"
    assert stored.config == config
    assert stored.card == {**CARD, "sampling": {"steps": 4}}
    torch.testing.assert_close(stored.tensors["weight"].float(), model.weight.detach(), atol=5e-4, rtol=0)
    assert size < 0.5 * sum(p.stat().st_size for p in (tmp_path / "run").rglob("*") if p.is_file())
    with pytest.raises(InputError, match="no checkpoint"):
        pack(tmp_path / "empty", tmp_path / "packed")


def test_a_card_without_intended_use_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(InputError, match="the card has no 'intended_use'"):
        save_checkpoint(
            tmp_path / "c",
            config={},
            model=torch.nn.Linear(1, 1),
            card={k: v for k, v in CARD.items() if k != "intended_use"},
        )
    assert list(tmp_path.iterdir()) == []


def test_a_card_names_data_only_where_the_recipe_takes_some():
    about = About(name="toy/net", task="t", intended_use="i", limits="l")
    for reads, words in ((True, "toy/net --data CACHE --out RUN"), (False, "toy/net --out RUN")):
        card = training_card(about, data=[SIMULATED], changes={"width": "5"}, reads=reads)
        assert card["training"]["commands"] == [f"physiogen train {words} --set width=5"]
