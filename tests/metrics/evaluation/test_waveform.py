"""The evaluation of waveform judges: what it states, on sets that differ in their noise."""

import numpy as np
import pytest

import gen
from gen.simulate import iter_cohort
from metrics.evaluation.settings import Waveform
from metrics.judges.waveform import RawVerdict
from metrics.statistics.bootstrap import Interval


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
    seen = []

    def network(recorded, generated, fs_hz, **given):
        seen.append((recorded, generated, given["reference_mv"]))
        return RawVerdict(Interval(0.5, 0.4, 0.6, 0.95, 48, 48, 100), None)

    monkeypatch.setattr(evaluation, "raw_waveform_test", network)
    found = Waveform(generated=made, real=real, reference=others).run().as_dict()
    assert list(found["values"]["network on the raw waveform"]) == ["raw", "below 40 Hz"]
    # Recorded ones have noise above 44 Hz, which the second network does not see.
    whole, below = (np.abs(np.fft.rfft(signals[0] * np.hanning(600))[..., 264:]).mean() for signals in seen)
    assert below < 0.3 * whole
    forest = found["values"]["forest on waveform descriptors"]
    assert forest["all"]["AUROC"]["value"] > 0.9 > forest["all"]["floor"]["value"]
    assert "power" in found["values"]["what tells most"]["spectrum"]
    assert found["settings"]["floor"] == "recorded against other recordings"
    assert found["n"] == 24
