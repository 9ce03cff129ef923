"""The table of settings: every setting of every recipe says what it means, and shows the default that counts."""

from gen import registry
from gen.training import TrainingConfig
from gen.training.explained import as_table, settings_of


def test_every_setting_of_every_recipe_says_what_it_means():
    silent = [
        f"{name}: {row.name}"
        for name in registry.names("gen.recipes")
        for row in settings_of(registry.get("gen.recipes", name).settings())
        if not row.meaning
    ]
    assert silent == []


def test_defaults_are_those_that_a_run_takes():
    rows = {row.name: row for row in settings_of(registry.get("gen.recipes", "vae/tune").settings())}
    assert rows["training.monitor"].default == "mae"
    assert rows["source.simulated_share"].default == "0.2"
    assert rows["init"].default == "default"
    assert "low-rank" in rows["rank"].meaning


def test_the_table_has_a_line_a_setting():
    rows = settings_of(TrainingConfig(steps=7))
    lines = as_table(rows).splitlines()
    assert len(lines) == len(rows)
    assert lines[0].split() == ["steps", "7", *rows[0].meaning.split()]
