"""``physiogen train gen/population``."""

import json

from gen.cli import run


def test_a_folder_that_is_no_ptb_xl_is_one_line(tmp_path, capsys):
    assert run(["train", "gen/population", "--data", str(tmp_path), "--out", str(tmp_path / "p.json")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no ptbxl_database.csv; accepted: a folder of PTB-XL" in line
    assert not (tmp_path / "p.json").exists()


def test_every_recipe_of_a_table_is_known():
    from gen import registry

    for name in ("vae/bands", "flow/steering", "diffusion/implied", "gen/population"):
        assert registry.get("gen.recipes", name).about.name == name


def test_the_shipped_population_names_its_command():
    from importlib.resources import files

    stored = json.loads(files("gen.simulate").joinpath("population.json").read_text(encoding="utf-8"))
    assert stored["source"].endswith("physiogen train gen/population --data .data/ptb-xl")
