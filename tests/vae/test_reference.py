"""A person's own reference: what it teaches, whom it is refused for, and what it says of itself."""

from dataclasses import replace

import numpy as np
import pytest

from gen import cli
from gen.io import read_set, write_record
from gen.leads import LEADS_8, LEADS_12
from gen.records import EcgRecord, InputError, Patient
from gen.simulate import simulate
from vae.deploy.streaming import StreamingReconstructor, StreamSettings
from vae.pipeline import load
from vae.reference import LEAST_CORRELATION, check_references, deviations, learn, likeness

MAIN = ("II", "V1", "V5")
MISSING = [LEADS_12.index(lead) for lead in ("I", "V2", "V3", "V4", "V6")]
PERSONS = range(6)


@pytest.fixture(scope="module")
def visits() -> list[tuple[EcgRecord, EcgRecord]]:
    """Two visits of six persons."""
    two = [simulate(PERSONS, seed=21, visit=v, noise="light").records() for v in (0, 1)]
    return list(zip(*two, strict=True))


@pytest.fixture(scope="module")
def network():
    return load()


def error(result, record) -> float:
    missed = (result.record.signal_mv - record.signal_mv)[MISSING]
    return float((deviations(missed[None, :, :]) ** 2).mean())


def test_a_linear_heart_is_learnt_from_its_reference():
    """What a rebuilding misses follows linearly from the given leads: the map takes it away, but for the ridge."""
    rng = np.random.default_rng(0)
    signal = deviations(simulate(range(1), seed=4).signal_mv)[0]
    given = np.array([lead in MAIN for lead in LEADS_8])
    mix = rng.normal(0, 0.3, (8, 3))
    signal[~given] = mix[~given] @ signal[given]
    personal = learn([signal], given, 500.0, lambda x, _: np.where(given[:, None], x, 0))
    found = personal.weights @ np.where(given[:, None], signal, 0)
    assert not found[given].any()
    before, after = signal[~given], (signal - found)[~given]
    assert (after**2).mean() < 0.15 * (before**2).mean()
    assert not personal.beat_mv[given].any()
    assert not personal.narrower[given].any()
    assert ((personal.narrower >= 0) & (personal.narrower < 1)).all()


def test_another_visit_of_the_same_person_helps(network, visits):
    alone = helped = 0.0
    for before, now in visits:
        alone += error(network(now, leads=MAIN), now)
        result = network(now, leads=MAIN, reference=before)
        helped += error(result, now)
        facts = result.record.metadata
        assert facts["references"] == [before.record_id]
        assert facts["reference_likeness"] >= LEAST_CORRELATION
        assert 0 < facts["bands_narrower_by"] < 1
    assert helped < 0.85 * alone


def test_bands_are_narrower_and_observed_samples_untouched(network, visits):
    before, now = visits[0]
    plain, result = network(now, leads=MAIN), network(now, leads=MAIN, reference=before, num_samples=2)
    for level in plain.steady_bands:
        wide, narrow = (np.ptp(r.steady_bands[level], axis=0)[MISSING].mean() for r in (plain, result))
        share = narrow / wide
        assert abs(1 - share - result.record.metadata["bands_narrower_by"]) < 0.1
    for lead in MAIN:
        assert np.array_equal(result.record.lead(lead), now.lead(lead))
        assert all(np.array_equal(sample.lead(lead), now.lead(lead)) for sample in result.samples)


def test_likeness_tells_one_heart_from_another(visits):
    own = [likeness(now.select(MAIN), before) for before, now in visits]
    assert min(own) > LEAST_CORRELATION
    assert likeness(visits[0][0], visits[0][0]) == pytest.approx(1.0)
    silent = replace(visits[0][0], signal_mv=np.zeros_like(visits[0][0].signal_mv))
    assert likeness(silent, visits[0][0]) is None


def upside_down(record: EcgRecord) -> EcgRecord:
    return replace(record, signal_mv=-record.signal_mv, patient=replace(record.patient, id=None), record_id="other")


def test_a_reference_that_contradicts_the_strip_is_refused_unless_trusted(network, visits):
    before, now = visits[0]
    wrong = upside_down(before)
    with pytest.raises(InputError, match=r"beats of the shared leads correlate -?0\.\d+ .*--trust-reference"):
        network(now, leads=MAIN, reference=wrong)
    assert network(now, leads=MAIN, reference=wrong, trust_reference=True).record.metadata["reference_likeness"] < 0.6


def test_references_of_different_people_are_refused(visits):
    with pytest.raises(InputError, match=r"a reference of person .* for .* of person"):
        check_references([visits[0][0], visits[1][0]])
    check_references([visits[0][0], visits[0][1]])
    with pytest.raises(InputError, match="correlate"):
        check_references([replace(visits[0][0], patient=Patient()), upside_down(visits[0][1])])


def test_a_reference_needs_twelve_leads(network, visits):
    before, now = visits[0]
    with pytest.raises(InputError, match=r"as a reference lacks V2, V3, V4, V6; accepted: twelve leads"):
        network(now, leads=MAIN, reference=before.select(("I", "II", "V1", "V5")))


def test_any_rate_and_length_of_a_reference_will_do(network, visits):
    before, now = visits[1]
    full = error(network(now, leads=MAIN, reference=before), now)
    other = replace(before, signal_mv=np.concatenate([before.signal_mv] * 2, axis=1)).at(250.0)
    assert error(network(now, leads=MAIN, reference=other), now) < 1.2 * full


def test_a_stream_takes_a_reference(network, visits):
    before, now = visits[2]
    settings = StreamSettings(window_s=8.0, hop_s=4.0)
    parts = []
    for reference in (None, before):
        stream = StreamingReconstructor(MAIN, now.fs_hz, pipeline=network, settings=settings, reference=reference)
        signal = now.select(MAIN).signal_mv
        parts.append(np.concatenate([stream.push(signal).signal_mv, stream.close().signal_mv], axis=1))
    misses = [float((deviations((p - now.signal_mv)[None, MISSING]) ** 2).mean()) for p in parts]
    assert misses[1] < misses[0]


def test_the_command_takes_references_and_refuses_wrong_ones(visits, tmp_path, capsys):
    before, now = visits[0]
    strip = write_record(now.select(MAIN), tmp_path / "strip.hea")
    clinic = write_record(before, tmp_path / "clinic.hea")
    wrong = write_record(upside_down(before), tmp_path / "wrong.hea")
    few = write_record(before.select(("I", "II")), tmp_path / "few.hea")
    out = tmp_path / "out"
    asked = ["reconstruct", str(strip), "--out", str(out)]
    for more, words in (
        (["--reference", str(wrong)], "--trust-reference"),
        (["--reference", str(few)], "accepted: twelve leads"),
        (["--reference", str(clinic), "--reference", str(wrong)], "correlate"),
        (["--trust-reference"], "--reference"),
    ):
        capsys.readouterr()
        assert cli.run([*asked, *more]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line
        assert not out.exists()
    assert cli.run([*asked, "--reference", str(clinic)]) == 0
    (record,) = read_set(out)
    assert record.leads == LEADS_12
    assert record.metadata["bands_narrower_by"] > 0
