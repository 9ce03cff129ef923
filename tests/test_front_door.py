"""``import physiogen`` is the door; a user's file that bears a package's name is told."""

import subprocess
import sys

import pytest

import gen
import physiogen


def test_the_door_has_what_the_floor_has():
    assert physiogen.__version__ == gen.__version__
    assert set(gen.__all__) == set(dir(physiogen))
    for name in gen.__all__:
        assert getattr(physiogen, name) is getattr(gen, name)
    with pytest.raises(AttributeError, match="it has EcgRecord"):
        _ = physiogen.nothing


def test_opening_it_loads_nothing_heavy():
    code = "import sys, physiogen; assert not {'torch', 'numpy', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "physiogen", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == gen.__version__


@pytest.mark.parametrize(
    ("file", "call"),
    [
        ("metrics.py", "gen.benchmark(real='a', generated='b')"),
        ("vae.py", "gen.load('reconstruct')"),
    ],
)
def test_a_file_in_the_way_is_named(tmp_path, file, call):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("")
    code = f"import gen\ntry:\n    {call}\nexcept gen.registry.RegistryError as error:\n    print(error)\n"
    (tmp_path / "script.py").write_text("import gen.registry\n" + code)
    done = subprocess.run([sys.executable, str(tmp_path / "script.py")], capture_output=True, text=True, check=True)
    assert "stands in the way of physiogen's package" in done.stdout
    assert str(tmp_path / file.split("/")[0]) in done.stdout
