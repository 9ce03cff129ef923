"""The judges of the waveform as part of a benchmark."""

from functools import partial

import pytest

import metrics.judges.waveform
from gen.io import write
from gen.simulate import iter_cohort
from metrics.judges.forest import judge
from metrics.report.entries import WAVEFORM
from metrics.report.lights import light
from metrics.suite import benchmark
from metrics.suite.presets import PRESETS, Preset
from metrics.suite.sections import waveform

ONLY = Preset("waveform", ("waveform",), halvings=2)


def cohort(count, seed, noise="light"):
    return list(iter_cohort(count, seed, 1, noise=noise, fs_hz=100.0, duration_s=8.0))


@pytest.fixture
def quick(monkeypatch):
    """Few trees and few passes: what is reported, not how well it tells."""
    monkeypatch.setattr(waveform, "judge", partial(judge, trees=8, replicates=100))
    told = partial(metrics.judges.waveform.raw_waveform_test, epochs=1, replicates=100)
    monkeypatch.setattr(metrics.judges.waveform, "raw_waveform_test", told)


def run(tmp_path, real, generated):
    write(real, tmp_path / "real", format="parquet")
    write(generated, tmp_path / "made", format="parquet")
    return benchmark(
        real=tmp_path / "real",
        generated=tmp_path / "made",
        out=tmp_path / "report",
        preset=ONLY,
        extractors=["random-conv"],
    )


def test_every_ecg_preset_has_the_judges_of_the_waveform():
    for preset in PRESETS.values():
        assert ("waveform" in preset.sections) == ("cine" not in preset.sections), preset.name


@pytest.mark.slow
def test_the_report_names_and_draws_what_tells(tmp_path, quick):
    report = run(tmp_path, cohort(52, 0), cohort(52, 1, noise="none"))
    for name in WAVEFORM:
        assert report[name].value is not None, name
        assert report[name].section == "Waveform"
    whole = report["waveform_auroc"]
    assert whole.ci[0] > 0.8
    assert light(whole) == "red"
    assert [each["generated_is"] in ("higher", "lower", "as high") for each in whole.extra["telling"]] == [True] * 3
    assert any(name.startswith("power_62") for name in whole.extra["left_out"])  # 100 Hz hold nothing above 48 Hz
    assert light(report["waveform_auroc_quantisation"]) == "green"
    assert any(picture.section == "Waveform" for picture in report.pictures)
    told = whole.extra["telling"][0]["descriptor"]
    for name in ("report.md", "report.html"):
        page = (tmp_path / "report" / name).read_text()
        assert "most telling" in page, name
        assert told in page, name


def test_few_records_are_skipped_with_the_reason(tmp_path):
    report = run(tmp_path, cohort(8, 0), cohort(8, 1))
    for name in WAVEFORM:
        assert report[name].value is None
        assert "at least 50" in report[name].skipped
