"""Streams of random numbers: each has a name and a number of its own; a sample has one rule."""

import ast
from pathlib import Path

import numpy as np
import pytest
import torch

from gen.randomness import Purpose, Stream, record_generator, sample_seeds, seeded_normal, seeded_uniform

SEEDS = [2021251017632032385, 2624995808185472001]
NORMAL = np.array([[-0.352372169, 0.786061764], [1.208474636, -0.902538717]], dtype=np.float32)
UNIFORM = np.array([0.866072416, 0.727821231], dtype=np.float32)
ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "gen" / "randomness.py"


def bare(tree: ast.AST) -> list[int]:
    """Lines with a stream or a spawn key that is a number, or a constant of the module, instead of a name."""
    found = []
    for node in ast.walk(tree):
        for word in node.keywords if isinstance(node, ast.Call) else []:
            if word.arg in ("stream", "spawn_key"):
                inner = [part for part in ast.walk(word.value) if not isinstance(part, ast.expr_context)]
                number = any(isinstance(part, ast.Constant) and isinstance(part.value, int) for part in inner)
                constant = any(isinstance(part, ast.Name) and part.id.isupper() for part in inner)
                if number or constant:
                    found.append(node.lineno)
    return found


def test_no_stream_is_a_bare_number():
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for package in ("gen", "vae", "diffusion", "flow", "metrics")
        for path in sorted((ROOT / package).rglob("*.py"))
        for line in bare(ast.parse(path.read_text()))
    ]
    assert found == [], "give it a name in gen.randomness.Stream or Purpose"


def test_a_planted_number_is_found():
    source = (
        "f(stream=3)\nf(spawn_key=(3,))\nf(stream=_NOISE)\nf(stream=Stream.NOISE)\nf(spawn_key=(Purpose.ORDER,))\nf(3)"
    )
    assert bare(ast.parse(source)) == [1, 2, 3]


@pytest.mark.parametrize("names", [Stream, Purpose])
def test_no_number_is_given_twice(names):
    """Also not in the source: of two equal members, an enum keeps one silently unless told not to."""
    (found,) = (n for n in ast.parse(HOME.read_text()).body if isinstance(n, ast.ClassDef) and n.name == names.__name__)
    numbers = [part.value.value for part in found.body if isinstance(part, ast.Assign)]
    assert len(numbers) == len(set(numbers)) == len(names)


def test_numbers_stay_what_they_were():
    """Whatever was ever drawn would change with them."""
    assert {s.name: int(s) for s in Stream} | {} == {
        "NOISE": 0, "NOISE_CHOICE": 1, "TIME": 3, "CONDITIONS": 11, "NUMBERS": 12, "BASE": 13, "CROP": 14,
        "GENERATION": 21, "WHOLE": 22, "IMPUTED": 23, "MASK": 24, "ANATOMY": 31, "MOTION": 32,
        "FLOW_NOISE": 41, "FLOW_TIME": 42, "FLOW_DROP": 43, "BEAT": 45, "CRITERIA": 46, "FINDINGS": 47,
    }  # fmt: skip
    seeds = torch.from_numpy(sample_seeds(np.array([0, 5]), 7))
    # Known values, drawn before streams had names.
    assert seeds.tolist() == SEEDS
    np.testing.assert_array_equal(seeded_normal((2,), seeds, stream=Stream.GENERATION).numpy(), NORMAL)
    np.testing.assert_array_equal(seeded_uniform((), seeds, stream=Stream.IMPUTED).numpy(), UNIFORM)


def test_streams_of_a_sample_are_independent():
    seeds = torch.from_numpy(sample_seeds(np.arange(400), 0))
    drawn = np.stack([seeded_normal((), seeds, stream=stream).numpy() for stream in Stream])
    assert np.abs(np.corrcoef(drawn) - np.eye(len(drawn))).max() < 0.25
    assert all(len(np.unique(column)) == len(Stream) for column in drawn.T)


def test_a_draw_for_a_recording_depends_on_it_alone():
    first = record_generator(3, "a", 1).standard_normal(5)
    np.testing.assert_array_equal(record_generator(3, "a", 1).standard_normal(5), first)
    np.testing.assert_array_equal(np.random.default_rng((3, 0xE8B7BE43, 1)).standard_normal(5), first)
    for other in ((4, "a", 1), (3, "b", 1), (3, "a", 2)):
        assert not np.array_equal(record_generator(*other).standard_normal(5), first)
