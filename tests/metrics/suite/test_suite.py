"""The benchmark as a whole: what it says about sets whose quality is known, and what it refuses."""

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from gen.cine import CineRecord
from gen.datasets.scp import aggregate
from gen.io import write
from gen.io.cine import write_cine
from gen.leads import LEADS_8, LEADS_12
from gen.records import EcgRecord, InputError, Patient
from gen.simulate import iter_cohort
from metrics.report.entries import CONTRACT
from metrics.suite import benchmark
from metrics.suite.aligned import align_set, choose_target
from metrics.suite.halves import half_scores, halvings
from metrics.suite.pairing import scored_leads
from metrics.suite.presets import Preset
from metrics.suite.sets import open_set

N, FS_HZ, SECONDS = 100, 100.0, 5.0
LEVELS = (0.02, 0.1, 0.5)


def cohort(number, seed):
    return list(iter_cohort(number, seed, 1, noise="light", fs_hz=FS_HZ, duration_s=SECONDS))


def noisy(records, level, seed=9):
    rng = np.random.default_rng(seed)
    return [
        replace(r, signal_mv=r.signal_mv + level * rng.standard_normal(r.signal_mv.shape).astype(np.float32))
        for r in records
    ]


#: What needs no neural network: importing one takes longer than all of this.
LEAN = Preset("lean", ("paired", "features", "physics", "privacy"), 4, 2, 1000, 100)
COPIES = Preset("copies", ("privacy",))


def run(real, generated, preset=LEAN, **options):
    return benchmark(real=real, generated=generated, preset=preset, extractors=["random-conv"], **options)


@pytest.fixture(scope="module")
def real():
    return cohort(N, 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, real):
    """A real set, a fresh one, a training set, and noise at three levels."""
    root = tmp_path_factory.mktemp("sets")
    sets = {"real": real, "fresh": cohort(N, 1), "train": cohort(N, 2)}
    sets |= {f"noise{level}": noisy(real, level) for level in LEVELS}
    for name, records in sets.items():
        write(records, root / name, format="parquet")
    return root


@pytest.fixture(scope="module")
def floors(tmp_path_factory):
    """Where reports on the one real set keep its floors: the first works them out, the others read them."""
    place = tmp_path_factory.mktemp("floors")

    @contextmanager
    def kept():
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PHYSIOGEN_CACHE", str(place))
            yield

    return kept


@pytest.fixture(scope="module")
def fresh_report(folder, floors):
    with floors():
        return run(folder / "real", folder / "fresh", train=folder / "train")


@pytest.fixture(scope="module")
def noise_reports(folder, floors):
    with floors():
        return [run(folder / "real", folder / f"noise{level}") for level in LEVELS]


def test_every_name_of_the_contract_is_there_with_a_value_or_a_reason(fresh_report):
    for name in CONTRACT:
        each = fresh_report[name]
        assert (each.value is None) == (each.skipped is not None), name
    assert json.loads(json.dumps(fresh_report.as_dict(), allow_nan=False))


def test_a_fresh_sample_of_the_same_cohort_is_as_good_as_real(fresh_report):
    fid = fresh_report["fid"]
    assert fid.n == N
    # At the floor's n, fresh patients are as far from a real half as the other real half is.
    assert fid.at_floor_n == pytest.approx(fid.floor, rel=0.35)
    assert fid.floor < 0.2 * fid.baseline
    assert fresh_report["coverage"].value > 0.85
    assert fresh_report["two_sample_auroc"].value < 0.7
    assert fresh_report["near_copy_share"].value == 0
    low, high = fresh_report["nearer_to_train_share"].ci
    assert low < 0.5 < high
    assert abs(fresh_report["membership_auroc"].value - 0.5) < 0.12


#: What noise on the very same records must make worse step by step, and what it must make better.
WORSE = [
    "fid", "kid", "two_sample_auroc", "mse", "mae", "rmse", "rmse_record_mean", "nrmse", "prd",
    "limb_lead_residual_mv", "log_psd_distance_db", "amplitude_wasserstein_mv", "lead_correlation_distance",
    "autocorrelation_distance", "fid_infinity", "mmd_rbf", "mae_aligned", "kid of NORM", "kid of CD",
]  # fmt: skip
FALLS = ["precision", "recall", "density", "coverage", "pcc", "snr_db", "r2", "pearson_median", "pearson_fisher"]
FALLS += ["pcc_aligned", "precision_k3", "recall_k3"]


@pytest.mark.parametrize("name", WORSE)
def test_more_noise_raises(noise_reports, name):
    values = [report[name].value for report in noise_reports]
    assert values[0] <= values[1] <= values[2], values
    assert values[0] < values[2]


@pytest.mark.parametrize("name", FALLS)
def test_more_noise_lowers(noise_reports, name):
    values = [report[name].value for report in noise_reports]
    assert values[0] >= values[1] >= values[2], values
    assert values[0] > values[2]


def test_the_ranking_table_leaves_no_computed_measure_out(noise_reports):
    """A measure that is added to the benchmark has to be put into the table, or named here with the reason."""
    others = {
        "drift_power_mv2", "mains_power_mv2",  # descriptive: no better and worse
        "above_10_mv_share", "flat_lead_share", "clipped_lead_share",  # none at any of these levels
        "repeated_share",  # noise repeats nothing
    }  # fmt: skip
    computed = {name for name, each in noise_reports[0].entries.items() if each.skipped is None}
    assert computed <= {*WORSE, *FALLS, *others}


def test_a_set_compared_with_itself_says_so_first(folder):
    report = run(folder / "real", folder / "real", preset=Preset("self", ("paired", "features", "privacy"), 2, 0))
    assert "IS the real set" in report.headline
    assert report["fid"].value == pytest.approx(0, abs=1e-9)
    assert report["near_copy_share"].value == 1
    assert report["mse"].value == 0


def test_planted_copies_are_flagged(folder, tmp_path):
    """1 % copies: 200 ms later, 1.1 times as large, with noise 20 dB below."""
    train, fake = list(open_set(folder / "train")), list(open_set(folder / "fresh"))
    rng = np.random.default_rng(0)
    copied = 1.1 * np.roll(train[7].signal_mv, round(0.2 * FS_HZ), axis=1)
    copied += 0.1 * copied.std() * rng.standard_normal(copied.shape).astype(np.float32)
    fake[3] = replace(fake[3], signal_mv=copied)
    write(fake, tmp_path / "copies", format="parquet")
    report = run(folder / "real", tmp_path / "copies", train=folder / "train", preset=COPIES)
    found = report["near_copy_share"]
    assert found.value == pytest.approx(1 / N)
    assert found.extra["top_pairs"][0]["generated"] == fake[3].record_id
    assert found.extra["top_pairs"][0]["training"] == train[7].record_id
    assert any("near-copies" in warning for warning in report.warnings)


def test_the_same_seed_repeats_another_does_not_and_settings_are_there(tmp_path, real):
    write(real[:40], tmp_path / "a", format="npz")
    write(noisy(real[40:80], 0.05), tmp_path / "b", format="npz")
    first, again, other = (run(tmp_path / "a", tmp_path / "b", seed=seed) for seed in (3, 3, 4))
    assert first.metrics == again.metrics
    assert first["kid"].value == other["kid"].value
    assert first["kid"].floor != other["kid"].floor
    assert first.settings["wall_s"]["total"] > 0
    assert first.settings["extractors"]["random-conv"]["sha256"]


def test_training_patients_in_the_real_set_are_refused(folder, tmp_path):
    with pytest.raises(InputError, match="patients are in the training set"):
        run(folder / "real", folder / "fresh", train=folder / "real")
    people = tmp_path / "patients.txt"
    people.write_text("\n".join(open_set(folder / "real").patients[:2]))
    with pytest.raises(InputError, match="2 of its patients"):
        run(folder / "real", folder / "fresh", train=people)


def test_training_records_under_other_patient_ids_are_refused(folder, tmp_path, real):
    renamed = [replace(r, record_id=f"x{i}", patient=Patient(f"x{i}")) for i, r in enumerate(real[:5])]
    write(renamed, tmp_path / "renamed", format="parquet")
    with pytest.raises(InputError, match="sample for sample"):
        run(folder / "real", folder / "fresh", train=tmp_path / "renamed")


def test_no_fid_below_the_stated_minimum(folder, tmp_path, real):
    write(real[:30], tmp_path / "few", format="npz")
    report = run(tmp_path / "few", folder / "fresh", preset=Preset("few", ("features",), 2, 0))
    assert report["fid"].value is None
    assert "at least 100" in report["fid"].skipped
    assert report["kid"].value is not None
    assert report["kid"].n == 30
    assert any("fewer than the 192 features" in warning for warning in report.warnings)


def flat(record_id, *, leads=LEADS_12, fs_hz=FS_HZ, seconds=SECONDS, patient=None, value=0.1):
    rng = np.random.default_rng(abs(hash(record_id)) % 1000)
    signal = value * rng.standard_normal((len(leads), round(fs_hz * seconds))).astype(np.float32)
    return EcgRecord(signal, fs_hz, tuple(leads), record_id=record_id, patient=Patient(patient or record_id))


def aligned(root, *sets):
    opened = []
    for number, records in enumerate(sets):
        write(records, root / f"set{number}", format="wfdb")
        opened.append(open_set(root / f"set{number}"))
    target, notes = choose_target(opened)
    return [align_set(each, target) for each in opened], notes


def test_lead_order_rate_and_derived_leads_are_aligned_and_said(tmp_path):
    eight = [flat(f"b{i}", leads=LEADS_8[::-1], fs_hz=200) for i in range(3)]
    (first, second), notes = aligned(tmp_path, [flat(f"a{i}") for i in range(3)], eight)
    assert first.leads == second.leads == LEADS_12
    assert second.signal_mv.shape == first.signal_mv.shape == (3, 12, 500)
    assert any("resampled from 200 to 100 Hz" in note for note in notes)
    assert any("III, aVR, aVL, aVF computed" in note for note in notes)
    einthoven = second.signal_mv[:, 2] - (second.signal_mv[:, 1] - second.signal_mv[:, 0])
    assert np.abs(einthoven).max() < 1e-5


def test_other_leads_and_lengths_are_refused_in_one_line(tmp_path):
    real = [flat(f"a{i}") for i in range(3)]
    for name, other, words in (
        ("leads", [flat(f"b{i}", leads=("I",)) for i in range(3)], "leads I, but"),
        ("length", [flat(f"b{i}", seconds=4) for i in range(3)], "4 s long"),
    ):
        with pytest.raises(InputError, match=words) as error:
            aligned(tmp_path / name, real, other)
        assert "\n" not in str(error.value)


def test_nan_records_are_left_out_counted_and_refused_above_five_percent(tmp_path):
    def with_nan(count):
        records = [flat(f"a{i:02d}") for i in range(40)]
        for record in records[:count]:
            record.signal_mv[2, 5] = np.nan
        return records

    (each, _), _ = aligned(tmp_path / "few", with_nan(2), [flat(f"b{i}") for i in range(3)])
    assert each.excluded == ("a00", "a01")
    assert len(each) == 38
    with pytest.raises(InputError, match="3 of 40 records hold NaN"):
        aligned(tmp_path / "many", with_nan(3), [flat(f"b{i}") for i in range(3)])


def test_one_record_one_patient_and_duplicate_ids_are_refused(tmp_path):
    real = [flat(f"a{i}") for i in range(3)]
    with pytest.raises(InputError, match="at least two"):
        aligned(tmp_path / "one", real, [flat("b")])
    with pytest.raises(InputError, match="2 records of 1 patients"):
        aligned(tmp_path / "patient", real, [flat("b", patient="p"), flat("c", patient="p")])
    write(real, tmp_path / "twice", format="wfdb")
    table = tmp_path / "twice" / "metadata.csv"
    table.write_text(table.read_text().replace("a1,", "a0,", 1))
    with pytest.raises(InputError, match="given twice"):
        open_set(tmp_path / "twice")


def test_places_that_hold_no_set_are_named(tmp_path):
    (tmp_path / "empty").mkdir()
    for place, words in ((tmp_path / "gone", "no such folder"), (tmp_path / "empty", "empty")):
        with pytest.raises(InputError, match=words):
            open_set(place)
    with pytest.raises(InputError, match="unknown split"):
        open_set(f"{tmp_path}:tset")


def test_splits_are_opened_by_name(folder):
    parts = [open_set(f"{folder / 'real'}:{split}") for split in ("train", "val", "test")]
    assert sum(map(len, parts)) == N
    assert not set(parts[0].patients) & set(parts[2].patients)


def test_missing_labels_are_skipped_not_zero(tmp_path):
    for name in ("a", "b"):
        write([flat(f"{name}{i}") for i in range(12)], tmp_path / name, format="npz")
    report = run(tmp_path / "a", tmp_path / "b", preset=Preset("conditions", ("conditioning",), 2, 0))
    assert report["statement_auroc"].value is None
    assert "statements" in report["statement_auroc"].skipped
    assert report["hr_mae_bpm"].value is None


def test_a_reconstruction_is_scored_on_the_leads_it_made(tmp_path, real):
    seen = ["II", "V1", "V5"]
    made = []
    for record in real[:12]:
        eight = record.to_8()
        signal = eight.signal_mv.copy()
        for row, lead in enumerate(eight.leads):
            signal[row] += 0.0 if lead in seen else 0.1
        facts = {**record.metadata, "observed_leads": seen}
        made.append(replace(eight, signal_mv=signal, metadata=facts).to_12())
    write(real[:12], tmp_path / "real", format="npz")
    write(made, tmp_path / "made", format="npz")
    report = run(tmp_path / "real", tmp_path / "made", preset=Preset("pairs", ("paired",)))
    assert report["mse"].value == pytest.approx(0.01, rel=1e-3)  # an offset of 0.1 mV on all scored leads
    assert report["mse"].extra["scored_leads"] == ["I", "V2", "V3", "V4", "V6"]
    assert report["mse"].baseline > 0
    assert report["mse"].extra["flat_line"] > 0


def test_scored_leads_leave_out_what_follows_from_the_observed_ones():
    record = replace(flat("a"), metadata={"observed_leads": ["I", "II"]})
    assert scored_leads(LEADS_12, record) == [lead.startswith("V") for lead in LEADS_12]
    assert all(scored_leads(LEADS_12, flat("b")))


def test_halves_share_no_patient_and_are_equally_large():
    patients = [f"p{i // 2}" for i in range(60)]
    for split in halvings(patients, [f"q{i}" for i in range(41)], count=5, seed=0):
        assert len(split.first) == len(split.second) == len(split.generated)
        assert len(split.first) in (20, 21)
        assert not {patients[i] for i in split.first} & {patients[i] for i in split.second}


def test_a_patient_in_both_sets_never_faces_himself():
    patients = [f"p{i}" for i in range(30)]
    for split in halvings(patients, patients, count=5, seed=1):
        assert not set(split.first) & set(split.generated)


def test_the_floor_is_the_real_sets_own():
    """Whatever is scored: the real halves are the same, as long as they are equally large."""
    patients = [f"p{i // 2}" for i in range(60)]
    others = ([f"q{i}" for i in range(80)], [f"a{i // 3}" for i in range(200)], patients)
    found = [halvings(patients, other, count=4, seed=3) for other in others]
    for splits in zip(*found, strict=True):
        assert len({len(split.first) for split in splits}) == 1
        for split in splits[1:]:
            assert np.array_equal(split.first, splits[0].first)
            assert np.array_equal(split.second, splits[0].second)


def test_the_interval_of_a_mean_is_that_of_the_textbook():
    """Delete-half jackknife of a mean: standard error s / sqrt(n)."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((400, 1))
    names = [f"g{i}" for i in range(400)]
    splits = halvings([f"r{i}" for i in range(400)], names, count=60, seed=0)
    found = half_scores(np.zeros((400, 1)), values, splits, lambda a, b, seed: {"mean": float(b.mean())}, name="mean")[
        "mean"
    ]
    assert found.error == pytest.approx(1 / 20, rel=0.25)
    assert found.floor == 0


def test_cines_are_compared_by_file_name(tmp_path):
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:32, :32] - 16
    for name in ("a", "b", "c"):
        radius = 9 + 3 * np.cos(2 * np.pi * np.arange(12) / 12) + rng.uniform(-1, 1)
        mask = ((rows**2 + columns**2)[None] < radius[:, None, None] ** 2).astype(np.uint8)[None]
        for side, level in (("real", 0.0), ("made", 0.02)):
            (tmp_path / side).mkdir(exist_ok=True)
            frames = 0.8 * mask + level * rng.standard_normal(mask.shape)
            cine = CineRecord(frames, (1.4, 1.4), masks=mask, slice_thickness_mm=8.0, synthetic=True)
            write_cine(cine, tmp_path / side / f"{name}.npz")
    report = benchmark(real=tmp_path / "real", generated=tmp_path / "made", preset="cine")
    assert report["psnr_db"].value == pytest.approx(20 * np.log10(0.8 / 0.02), abs=0.3)
    assert report["ef_mae_points"].value == 0
    assert report["cavity_dice"].value == 1
    assert report["psnr_db"].value > report["psnr_db"].baseline
    assert report["fid"].skipped
    (tmp_path / "other").mkdir()
    write_cine(CineRecord(np.zeros((1, 4, 16, 16)), (1.0, 1.0)), tmp_path / "other" / "z.npz")
    with pytest.raises(InputError, match="no cine has a name"):
        benchmark(real=tmp_path / "real", generated=tmp_path / "other", preset="cine")


def test_all_extractors_are_known_to_a_benchmark_that_nothing_else_was_imported_for():
    ask = "import metrics.suite.ecg as suite; print(*suite.extractor_names()); print(*suite.DEFAULT_EXTRACTORS)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    known, default = (set(line.split()) for line in done.stdout.splitlines())
    assert default <= known
    assert known >= {"ptbxl-classifier", "random-conv", "ecg-parameters", "ecgfounder"}


def test_other_shares_of_the_diagnoses_leave_the_distance_within_a_class(tmp_path):
    def normal(record):
        return "NORM" in aggregate(record.statements, "super")

    for seed, others in ((0, 40), (1, 5)):
        records = cohort(200, seed)
        chosen = [r for r in records if normal(r)][:30], [r for r in records if not normal(r)][:others]
        write([*chosen[0], *chosen[1]], tmp_path / f"mixed{seed}", format="npz")
        write(chosen[0], tmp_path / f"normal{seed}", format="npz")
    few = Preset("few", ("features",), 2, 2, thorough=False, raw_network=False)
    mixed = run(tmp_path / "mixed0", tmp_path / "mixed1", few)
    alone = run(tmp_path / "normal0", tmp_path / "normal1", few)
    assert mixed["kid of NORM"].value == pytest.approx(alone["kid"].value, rel=1e-6)
    assert mixed["kid of NORM"].extra["records"] == [30, 30]
    assert mixed["kid of NORM"].floor_n >= 10
    assert "kid of HYP" not in mixed.entries, "too few of them"
    assert any("other diagnoses" in line and "'kid of'" in line for line in mixed.warnings)


def test_sets_in_each_others_place_are_told_of_at_once(tmp_path, real, capsys):
    recorded = [replace(record, synthetic=False) for record in cohort(30, 7)]
    write(recorded, tmp_path / "recorded")
    write(real[:30], tmp_path / "made")
    short = Preset("short", ("physics",), 2, 0, 1000, 20, thorough=False)  # what is told does not depend on figures
    exchanged = run(tmp_path / "made", tmp_path / "recorded", short)
    assert any("are they exchanged?" in text for text in exchanged.warnings)
    assert "are they exchanged?" in capsys.readouterr().err
    right = run(tmp_path / "recorded", tmp_path / "made", short)
    assert not any("exchanged" in text for text in right.warnings)
