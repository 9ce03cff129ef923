"""The evaluation of waveform judges: what it states, on sets that differ in their noise."""

import pytest

import gen
from gen.simulate import iter_cohort
from metrics.evaluation.settings import Waveform


def write(folder, seed, noise):
    for record in iter_cohort(24, seed, 1, noise=noise, fs_hz=100.0, duration_s=6.0):
        gen.write(record, folder / f"{record.record_id}.npz")


@pytest.mark.slow
def test_the_families_and_their_floors_are_stated(tmp_path, monkeypatch):
    import metrics.evaluation.waveform as evaluation

    judged = evaluation.judge
    monkeypatch.setattr(evaluation, "judge", lambda *sets, **given: judged(*sets, trees=5, replicates=100, **given))
    for name, seed, noise in (("REAL", 0, "light"), ("OTHERS", 1, "light"), ("GEN", 2, "none")):
        write(tmp_path / name, seed, noise)
    real, others, made = (str(tmp_path / name) for name in ("REAL", "OTHERS", "GEN"))
    found = Waveform(generated=made, real=real, reference=others, no_network=True).run().as_dict()
    forest = found["values"]["forest on waveform descriptors"]
    assert forest["all"]["AUROC"]["value"] > 0.9 > forest["all"]["floor"]["value"]
    assert "power" in found["values"]["what tells most"]["spectrum"]
    assert found["settings"]["floor"] == "recorded against other recordings"
    assert found["n"] == 24
