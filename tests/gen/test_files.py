"""Whole or not at all: every way to write goes through `gen.files`, and leaves nothing half-written."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gen.files import (
    PARTIAL,
    move,
    read_json,
    recover_folder,
    remove_left_over,
    replace_folder,
    replacing,
    write_atomically,
    write_json,
    write_text,
)
from gen.records import InputError

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("physiogen", "gen", "vae", "diffusion", "flow", "metrics")


def test_a_file_appears_at_the_end(tmp_path):
    target = tmp_path / "a.csv"
    with replacing(target) as temporary:
        assert temporary.suffix == ".csv"
        assert temporary.parent == tmp_path
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.csv"]


def fail_after(make, temporary):
    make(temporary)
    temporary.parent.mkdir()


def test_a_failure_leaves_what_was_there(tmp_path):
    for make in (lambda path: path.write_text("half"), lambda path: (path.mkdir(), (path / "x").write_text("half"))):
        target = tmp_path / "a"
        write_text(target, "old")
        with pytest.raises(FileExistsError), replacing(target) as temporary:
            fail_after(make, temporary)
        assert target.read_text() == "old"
        assert os.listdir(tmp_path) == ["a"]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    target = tmp_path / "set"
    for number in (1, 2):
        with replace_folder(target, durable=True) as temporary:
            (temporary / f"only-{number}").write_text("x")
    assert os.listdir(target) == ["only-2"]
    assert os.listdir(tmp_path) == ["set"]


def test_what_a_killed_process_left_is_put_right(tmp_path):
    target = tmp_path / "set"
    target.mkdir()
    move(target, tmp_path / ".set.old")
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    left = tmp_path / f"{PARTIAL}{int(dead.stdout)}-set"
    left.mkdir()
    recover_folder(target)
    assert os.listdir(tmp_path) == ["set"]


@pytest.mark.skipif(os.name == "nt", reason="processes cannot be asked there")
def test_what_a_living_process_writes_stays(tmp_path):
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        theirs, namesake = tmp_path / f"{PARTIAL}{other.pid}-set", tmp_path / f"{PARTIAL}{other.pid}-more-set"
        theirs.mkdir()
        namesake.mkdir()
        remove_left_over(tmp_path / "set")
        assert theirs.is_dir()
    finally:
        other.communicate()
    remove_left_over(tmp_path / "set")
    assert not theirs.exists()
    assert namesake.is_dir(), "of another target, whose name ends alike"


def test_json_keeps_every_bit_and_every_letter(tmp_path):
    value = {"z": 0.1 + 0.2, "a": "QTc µ ü", "n": [1e-300, -0.0]}
    write_json(tmp_path / "a.json", value, durable=True)
    assert read_json(tmp_path / "a.json") == value
    write_json(tmp_path / "a.json", value, sort_keys=True)
    assert list(read_json(tmp_path / "a.json")) == ["a", "n", "z"]
    write_atomically(tmp_path / "made" / "a.bin", b"\0\r\n")
    assert (tmp_path / "made" / "a.bin").read_bytes() == b"\0\r\n"


def test_no_json_is_one_line(tmp_path):
    for text in ("{", "[1]", "\xff"):
        (tmp_path / "a.json").write_text(text, encoding="latin-1")
        with pytest.raises(InputError, match=r"a\.json"):
            read_json(tmp_path / "a.json")


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"), replace_folder(tmp_path / "file" / "set"):
        pytest.fail("never inside")
    with (
        pytest.raises(FileNotFoundError, match="absent"),
        replace_folder(tmp_path / "set"),
    ):
        (tmp_path.parent.parent / "absent-input").read_text()


def renames(tree: ast.AST) -> list[int]:
    """Lines that give a file another name: ``os.replace``, ``path.rename(new)``, ``path.replace(new)``."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and len(node.args) >= 1:
            name, owner = node.func.attr, ast.unparse(node.func.value)
            by_os = owner in ("os", "shutil") and name in ("replace", "rename", "renames", "move")
            # str.replace takes two arguments; pandas takes a dictionary or names.
            by_path = name in ("rename", "replace") and len(node.args) == 1 and not isinstance(node.args[0], ast.Dict)
            if by_os or by_path:
                found.append(node.lineno)
    return found


def test_only_one_module_renames():
    """A writer of its own would have its own idea of left-overs, of two processes and of a full disk."""
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if path != ROOT / "gen" / "files.py"
        for line in renames(ast.parse(path.read_text()))
    ]
    assert found == [], "use gen.files.replacing, replace_folder, write_text or write_json"


def test_a_planted_rename_is_found():
    written = "os.replace(a, b)\npath.rename(b)\npath.replace(b)"
    harmless = "\ntext.replace('a', 'b')\ntable.rename(columns=c)\ncolumn.replace({a: b})"
    assert renames(ast.parse(written + harmless)) == [1, 2, 3]
