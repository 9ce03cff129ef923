"""Weights by name, beside the code, or a folder of one's own."""

import hashlib
import importlib
import sys

import pytest

from gen import shipped
from gen.records import InputError

NAMES = {"default": "one", "other": "two"}


@pytest.fixture
def code(tmp_path, monkeypatch):
    """A package with weights ``one`` beside its code."""
    folder = tmp_path / "site/somecode/weights/one"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (tmp_path / "site/somecode/__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "somecode", raising=False)
    importlib.invalidate_caches()
    return tmp_path / "site"


def test_weights_are_found_beside_the_code(code):
    assert shipped.shipped("somecode", "one") == code / "somecode/weights/one"
    assert shipped.checkpoint("default", "somecode", NAMES) == code / "somecode/weights/one"
    with pytest.raises(ModuleNotFoundError, match="no package 'nocode'"):
        shipped.shipped("nocode", "one")


def test_a_folder_of_ones_own_is_taken_as_it_is(code, tmp_path):
    own = tmp_path / "RUN/best"
    own.mkdir(parents=True)
    (own / "config.json").write_text("{}")
    assert shipped.checkpoint(own, "somecode", NAMES) == own


def test_what_is_neither_is_refused_with_the_names(code, tmp_path):
    with pytest.raises(InputError, match=r"nope: no such weights; accepted: default, other \(shipped\)"):
        shipped.checkpoint("nope", "somecode", NAMES)
    with pytest.raises(InputError, match=r"no config\.json in it"):
        shipped.checkpoint(tmp_path, "somecode", NAMES)
    with pytest.raises(InputError, match=r"somecode/weights/three: no weights there; accepted: physiogen-weights "):
        shipped.checkpoint("third", "somecode", {"third": "three"})


def test_missing_weights_are_named_where_they_would_lie_beside_the_code(code):
    assert shipped.shipped("somecode", "three") == code / "somecode/weights/three"


def test_the_shipped_weights_of_every_package_are_there():
    for package, name in (("diffusion", "default"), ("diffusion", "twin/change"), ("vae", "default")):
        assert (shipped.shipped(package, name) / "config.json").is_file()


@pytest.fixture
def installed(code, monkeypatch):
    """``somecode``'s weights as they would be installed by the package of weights."""
    digest = hashlib.sha256(b"{}").hexdigest()
    table = code / "weights.sha256"
    table.write_text(f"# physiogen-weights 1.2.3\n{digest}  somecode/weights/one/config.json\n")
    monkeypatch.setattr(shipped, "_TABLE", table)
    monkeypatch.setattr(shipped, "_installed", lambda: "1.2.3")
    shipped._digests.cache_clear()
    yield code / "somecode/weights/one"
    shipped._digests.cache_clear()


def test_installed_weights_are_those_the_code_was_made_with(installed, monkeypatch, tmp_path):
    shipped.check_installed(installed / "config.json")
    (installed / "config.json").write_text('{"other": 1}')
    with pytest.raises(InputError, match=r"config\.json: changed since it was installed; accepted: physiogen-weights"):
        shipped.check_installed(installed / "config.json")
    monkeypatch.setattr(shipped, "_installed", lambda: "1.2.2")
    with pytest.raises(InputError, match=r"of physiogen-weights 1\.2\.2; accepted: physiogen-weights 1\.2\.3"):
        shipped.check_installed(installed / "config.json")
    own = tmp_path / "config.json"
    own.write_text("{}")
    shipped.check_installed(own)  # a user's own weights are nobody's business
    monkeypatch.setattr(shipped, "_installed", lambda: None)
    shipped.check_installed(installed / "config.json")  # a checkout, where weights are made


def test_an_empty_place_says_what_to_install(installed):
    (installed / "config.json").unlink()
    with pytest.raises(InputError, match=r"one: no weights there; accepted: physiogen-weights 1\.2\.3 beside the code"):
        shipped.there(installed)
    assert shipped.there(installed.parent.parent) == installed.parent.parent
