"""Files that hold more than leads, at several rates, with pauses: what is read, at which rate, and where in time."""

# ruff: noqa: E501
import warnings

import numpy as np
import pytest

from gen.io import read
from gen.io.blocks import Inputs
from gen.io.channels import lead_names
from gen.leads import LEADS_12, LeadError, canonical_lead
from gen.records import InputError
from gen.simulate import simulate

FS = 500


@pytest.fixture(scope="module")
def ecg():
    """Twelve leads, 10 s, in whole microvolt."""
    record = simulate([0], seed=1, noise="none", fs_hz=FS, duration_s=10).records()[0]
    return np.rint(record.signal_mv * 1000).astype(np.int64)


def row(lead):
    return LEADS_12.index(lead)


# --- WFDB -----------------------------------------------------------------------------------------------------------


def frames(path, leads, signals, per_frame, fs_hz, slow=True):
    """A record of format 16 with several samples per frame beside a slow channel."""
    count = signals[0].size // per_frame
    columns = [signal[: count * per_frame].reshape(count, per_frame) for signal in signals]
    names = list(leads)
    if slow:
        columns.append((np.arange(count) % 100)[:, None])
    np.concatenate(columns, axis=1).astype("<i2").tofile(path.with_suffix(".dat"))
    lines = [f"{path.stem} {len(columns)} {fs_hz / per_frame:g} {count}"]
    lines += [f"{path.stem}.dat 16x{per_frame} 1000/mV 16 0 0 0 0 {name}" for name in names]
    lines += [f"{path.stem}.dat 16 1/NU 16 0 0 0 0 RESP"] if slow else []
    path.with_suffix(".hea").write_text("\n".join(lines) + "\n")
    return np.stack([signal[: count * per_frame] for signal in signals]) / 1000


@pytest.mark.parametrize("per_frame", [4, 100])
def test_several_samples_a_frame_keep_their_rate(tmp_path, ecg, per_frame):
    full = frames(tmp_path / "mf", ("I", "II"), ecg[:2], per_frame, FS)
    record = read(tmp_path / "mf")
    assert (record.fs_hz, record.leads) == (FS, ("I", "II"))
    np.testing.assert_allclose(record.signal_mv, full, atol=1e-6)
    assert record.metadata["skipped_channels"] == ["RESP"]


def test_an_invalid_sample_in_a_frame_is_one_hole(tmp_path, ecg):
    signal = ecg[:1].copy()
    signal[0, 101] = -32768
    frames(tmp_path / "x", ("II",), signal, 2, FS, slow=False)
    found = read(tmp_path / "x").signal_mv[0]
    assert np.flatnonzero(np.isnan(found)).tolist() == [101]
    np.testing.assert_allclose(found[100], signal[0, 100] / 1000)


def test_leads_of_several_rates_come_at_the_highest(tmp_path, ecg):
    fast, slow = ecg[row("II")], ecg[row("V1"), ::2]
    count = slow.size
    data = np.concatenate([fast.reshape(count, 2), slow[:, None]], axis=1).astype("<i2")
    data.tofile(tmp_path / "r.dat")
    (tmp_path / "r.hea").write_text(
        f"r 2 250 {count}\nr.dat 16x2 1000/mV 16 0 0 0 0 II\nr.dat 16 1000/mV 16 0 0 0 0 V1\n"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        record = read(tmp_path / "r")
    assert record.fs_hz == FS
    np.testing.assert_allclose(record.lead("II"), fast / 1000, atol=1e-6)
    assert np.corrcoef(record.lead("V1"), ecg[row("V1")])[0, 1] > 0.995
    assert record.metadata["resampled_leads"] == {"V1": 250.0}
    assert read(tmp_path / "r", leads="V1").fs_hz == 250  # alone it stays as it is


def plain(path, names, signals, fs_hz=FS, unit="mV", gain="1000", fmt="16"):
    signals.T.astype("<i2").tofile(path.with_suffix(".dat"))
    lines = [f"{path.stem} {len(names)} {fs_hz} {signals.shape[1]}"]
    lines += [f"{path.stem}.dat {fmt} {gain}/{unit} 16 0 0 0 0 {name}" for name in names]
    path.with_suffix(".hea").write_text("\n".join(lines) + "\n")


def test_segments_with_a_pause_and_several_units(tmp_path, ecg):
    plain(tmp_path / "a", ("I", "II"), ecg[:2, :1000])
    plain(tmp_path / "b", ("I", "II"), ecg[:2, 1000:2000], unit="uV", gain="1")
    (tmp_path / "m.hea").write_text("m/3 2 500 2500\na 1000\n~ 500\nb 1000\n")
    found = read(tmp_path / "m").signal_mv
    assert np.isnan(found[:, 1000:1500]).all()
    np.testing.assert_allclose(found[:, :1000], ecg[:2, :1000] / 1000, atol=1e-6)
    np.testing.assert_allclose(found[:, 1500:], ecg[:2, 1000:2000] / 1000, atol=1e-6)


def test_segments_of_other_leads_and_rates(tmp_path, ecg):
    (tmp_path / "layout.hea").write_text("layout 2 125 0\n~ 0 1000/mV 0 0 0 0 0 II\n~ 0 1000/mV 0 0 0 0 0 V\n")
    frames(tmp_path / "a", ("II",), ecg[1:2, :2000], 4, FS)
    frames(tmp_path / "b", ("II", "V1"), ecg[[1, 6], 2000:4000], 4, FS)
    (tmp_path / "m.hea").write_text("m/3 2 125 1000\nlayout 0\na 500\nb 500\n")
    record = read(tmp_path / "m")
    assert (record.fs_hz, record.leads) == (FS, ("II", "V1"))
    np.testing.assert_allclose(record.lead("II"), ecg[1, :4000] / 1000, atol=1e-6)
    assert np.isnan(record.lead("V1")[:2000]).all()
    assert not np.isnan(record.lead("V1")[2000:]).any()


@pytest.mark.parametrize("rate", ["0", "-inf", "nan", "-250"])
def test_a_record_of_segments_without_a_usable_rate(tmp_path, ecg, rate):
    frames(tmp_path / "s.hea", ["I", "II"], ecg[:2], 1, FS, slow=False)
    (tmp_path / "s.hea").write_text((tmp_path / "s.hea").read_text().replace(f" {FS} ", f" {rate} ", 1))
    file = tmp_path / "m.hea"
    file.write_text(f"m/2 2 {rate} 10000\ns 5000\ns 5000\n")
    with pytest.raises(InputError, match=r"m\.hea: sampling rate .* is no ECG's"):
        read(file)
    assert read(file, fs_hz=250).num_samples == 10000


def test_folders_in_names_are_no_segments(tmp_path, ecg):
    digital = ecg * 6344 - 184296602
    digital.T.astype("<i4").tofile(tmp_path / "00001_medians.dat")
    lines = [f"med/00001_medians.dat 32 6344000.0(-184296602)/mV 32 0 0 0 0 {lead}" for lead in LEADS_12]
    for name in ("med/00001_medians", "med/00001"):
        (tmp_path / "00001_medians.hea").write_text("\n".join([f"{name} 12 500 5000", *lines]) + "\n")
        record = read(tmp_path / "00001_medians.hea")
        np.testing.assert_allclose(record.signal_mv, ecg / 1000, atol=1e-5)


@pytest.mark.parametrize("fmt", ["16", "212"])
def test_an_uncalibrated_signal_has_the_default_gain(tmp_path, ecg, fmt):
    wfdb = pytest.importorskip("wfdb")
    digital = (ecg[1:2] * 200 // 1000 + 7).T
    wfdb.wrsamp(
        "r", fs=FS, units=["mV"], sig_name=["II"], d_signal=digital, fmt=[fmt], adc_gain=[200], baseline=[7],
        write_dir=str(tmp_path),
    )  # fmt: skip
    header = tmp_path / "r.hea"
    header.write_text(header.read_text().replace("200.0(7)/mV", "0(7)").replace("200(7)/mV", "0(7)"))
    with pytest.warns(UserWarning, match="not calibrated: 200 units per mV"):
        record = read(header)
    np.testing.assert_allclose(record.signal_mv[0], (digital[:, 0] - 7) / 200, atol=1e-6)
    with pytest.warns(UserWarning, match="not calibrated"):
        np.testing.assert_array_equal(read(header, unit="mV").signal_mv, record.signal_mv)


def test_packed_formats_with_a_header_that_the_library_refuses(tmp_path, ecg):
    wfdb = pytest.importorskip("wfdb")
    wfdb.wrsamp(
        "r", fs=FS, units=["mV"] * 2, sig_name=["I", "II"], p_signal=ecg[:2].T / 1000, fmt=["212"] * 2,
        write_dir=str(tmp_path),
    )  # fmt: skip
    before = read(tmp_path / "r").signal_mv
    header = (tmp_path / "r.hea").read_text().splitlines()
    header[0] += " 05-Feb-2020 11:39:16"
    (tmp_path / "r.hea").write_bytes("\n".join([*header, "# Café"]).encode("latin-1"))
    np.testing.assert_array_equal(read(tmp_path / "r").signal_mv, before)
    np.testing.assert_allclose(before, ecg[:2] / 1000, atol=2e-3)


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ECG 1", "ECG_1", "EKG 1", "ecg1", "1", "2", "ECG", "Channel 1"])
def test_a_channel_number_is_no_lead(name):
    with pytest.raises(LeadError):
        canonical_lead(name)


@pytest.mark.parametrize(
    ("name", "lead"),
    [("Lead 1", "I"), ("L2", "II"), ("ECG I", "I"), ("Dérivation I", "I"), ("Derivación II", "II"), ("Afleiding I", "I"),
     ("Derivazione I", "I"), ("Avledning I", "I"), ("I 导联", "I"), ("第I誘導", "I"), ("Ableitung aVR", "aVR")],
)  # fmt: skip
def test_words_for_lead_in_other_languages(name, lead):
    assert canonical_lead(name) == lead


def test_electrodes_of_the_brain_are_no_chest_leads():
    assert lead_names(["C3", "C4", "O1", "ECG I"]) == [None, None, None, "I"]
    assert lead_names(["I", "II", "C1", "C2"]) == ["I", "II", "V1", "V2"]
    assert lead_names(["C1", "C2"]) == [None, None]


def test_numbered_channels_have_to_be_named(tmp_path, ecg):
    plain(tmp_path / "h", ("ECG 1", "ECG 2", "RESP"), ecg[[6, 10, 5]])
    with pytest.raises(
        InputError,
        match=r"h.hea: lead names \(its channels are 'ECG 1', 'ECG 2'\) are missing; say it, such as --leads",
    ):
        read(tmp_path / "h")
    record = read(tmp_path / "h", leads="V1,V5")
    assert (record.leads, record.metadata["skipped_channels"]) == (("V1", "V5"), ["RESP"])
    np.testing.assert_allclose(record.signal_mv, ecg[[6, 10]] / 1000, atol=1e-6)
    with pytest.raises(InputError, match="1 leads were given"):
        read(tmp_path / "h", leads="V1")


def test_leads_are_chosen_while_reading(tmp_path, ecg):
    plain(tmp_path / "r", ("I", "II", "V1"), ecg[[0, 1, 6]])
    text = (tmp_path / "r.hea").read_text()
    (tmp_path / "r.hea").write_text(text.replace("1000/mV 16 0 0 0 0 V1", "1000/mmHg 16 0 0 0 0 V1"))
    assert read(tmp_path / "r").metadata["unreadable_leads"]["V1"].startswith("unit 'mmHg' cannot be converted")
    record = read(tmp_path / "r", leads=("aVF", "I"))  # derived exactly; V1 is not needed
    assert record.leads == ("aVF", "I")
    np.testing.assert_allclose(record.signal_mv[0], (ecg[1] - ecg[0] / 2) / 1000, atol=1e-6)
    with pytest.raises(InputError, match="channel V1: unit 'mmHg'"):
        read(tmp_path / "r", leads="V1")
    with pytest.raises(InputError, match="leads are I, II, V1, but V6 were given"):
        read(tmp_path / "r", leads="V6")


def test_what_is_left_out_is_told_once(tmp_path, ecg, capsys):
    for name in ("a", "b"):
        plain(tmp_path / name, ("I", "II", "ACC"), ecg[:3])
    bad = []
    records = list(Inputs([tmp_path / "a.hea", tmp_path / "b.hea"], bad, leads=("II", "V5")))
    assert [record.leads for record in records] == [("II",), ("II",)]
    assert not bad
    assert capsys.readouterr().err == f"warning: {tmp_path / 'a.hea'}: not read (no lead): ACC\n"
    assert next(iter(Inputs([tmp_path / "a.hea"], bad, leads=("II",), quiet=True))).leads == ("II",)
    assert capsys.readouterr().err == ""


# --- CSV ------------------------------------------------------------------------------------------------------------


def table(path, header, columns):
    rows = [",".join(str(cell) for cell in cells) for cells in zip(*columns, strict=True)]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_columns_that_are_no_leads(tmp_path, ecg):
    time = np.arange(1000) / 250
    text = ["on"] * 500 + ["off"] * 500
    file = table(tmp_path / "x.csv", "time_s,I_mV,heart_rate,lead_off", [time, ecg[0, :1000] / 1000, [72] * 1000, text])
    record = read(file)
    assert (record.fs_hz, record.leads) == (250, ("I",))
    assert record.metadata["skipped_channels"] == ["heart_rate", "lead_off"]
    np.testing.assert_allclose(record.signal_mv[0], ecg[0, :1000] / 1000, atol=1e-6)


@pytest.mark.parametrize(("step", "unit"), [(4, "ms"), (4000, "us"), (4_000_000, "ns")])
def test_a_clock_without_a_unit(tmp_path, ecg, step, unit):
    stamps = 1_700_000_000_000_000_000 * (unit == "ns") + np.arange(1000) * step
    file = table(tmp_path / "x.csv", "time,II_mV", [stamps, ecg[1, :1000] / 1000])
    with pytest.warns(UserWarning, match=f"column time counts {unit}"):
        record = read(file)
    assert (record.fs_hz, record.num_samples) == (250, 1000)
    assert read(file, fs_hz=300).fs_hz == 300  # the caller's word goes before an inference


def test_a_clock_that_counts_samples_is_no_clock(tmp_path, ecg):
    file = table(tmp_path / "n.csv", "time,II_mV", [np.arange(1000), ecg[1, :1000] / 1000])
    with pytest.raises(InputError, match="sampling rate 1 Hz is no ECG's; accepted: 10 to 20000 Hz, or give it"):
        read(file)
    assert read(file, fs_hz=250).duration_s == 4


def test_a_lost_packet_is_a_hole(tmp_path, ecg):
    kept = np.r_[0:400, 473:1000]
    file = table(tmp_path / "x.csv", "time_s,II_mV", [kept / 250, ecg[1, kept] / 1000])
    with pytest.warns(UserWarning, match="skips 73 samples"):
        found = read(file).signal_mv[0]
    assert np.flatnonzero(np.isnan(found)).tolist() == list(range(400, 473))
    np.testing.assert_allclose(found[kept], ecg[1, kept] / 1000, atol=1e-6)
    far = kept / 250
    far[400:] += 1e6
    with pytest.raises(InputError, match="time stamps span"):
        read(table(tmp_path / "far.csv", "time_s,II_mV", [far, ecg[1, kept]]))


def test_a_logger_with_days_and_nanoseconds(tmp_path, ecg):
    lines = ["Phone timestamp;sensor timestamp [ns];timestamp [ms];ecg [uV]"]
    for i, value in enumerate(ecg[1, :1300]):
        ns = 599616000000000000 + round(i / 130 * 1e9)
        lines.append(f"2024-05-30T16:{i // 7800:02d}:{i / 130 % 60:06.3f};{ns};{i / 130 * 1000:.3f};{value}")
    file = tmp_path / "polar.txt"
    file.write_text("\n".join(lines) + "\n")
    record = read(file, leads="I")
    assert record.fs_hz == pytest.approx(130, rel=1e-3)
    np.testing.assert_allclose(record.signal_mv[0], ecg[1, :1300] / 1000, atol=1e-6)


def test_a_long_table_and_blanks(tmp_path):
    (tmp_path / "long.csv").write_text("Sample Rate,512 hertz\nUnit,mV\nLead,Voltage\nI,0.001\nI,-0.25\nI,0.5\n")
    record = read(tmp_path / "long.csv")
    assert (record.fs_hz, record.leads) == (512, ("I",))
    np.testing.assert_allclose(record.signal_mv, [[0.001, -0.25, 0.5]])
    (tmp_path / "blank.txt").write_text("0.1 -2\n0.2  3\n-0.3 4\n")
    found = read(tmp_path / "blank.txt", fs_hz=500, unit="mV", leads="I,V5").signal_mv
    np.testing.assert_allclose(found, [[0.1, 0.2, -0.3], [-2, 3, 4]])


KEYS = {
    "en": ("Recorded Date", "Classification", "Sample Rate", "512 hertz", "Lead", "Lead I", "Unit"),
    "de": ("Aufzeichnungsdatum", "Klassifizierung", "Messrate", "511,562\u00a0Hertz", "Ableitung", "Ableitung I", "Einheit"),
    "fr": ("Date d’enregistrement", "Classification", "Fréquence d’échantillonnage", "512 hertz", "Dérivation", "Dérivation I", "Unité"),
    "es": ("Fecha de registro", "Clasificación", "Frecuencia de muestreo", "512 hercios", "Derivación", "Derivación I", "Unidad"),
    "it": ("Data di registrazione", "Classificazione", "Frequenza di campionamento", "512 hertz", "Derivazione", "Derivazione I", "Unità"),
    "nl": ("Opnamedatum", "Classificatie", "Bemonsteringsfrequentie", "512 hertz", "Afleiding", "Afleiding I", "Eenheid"),
    "sv": ("Inspelningsdatum", "Klassificering", "Samplingsfrekvens", "512 hertz", "Avledning", "Avledning I", "Enhet"),
    "pt": ("Data de registro", "Classificação", "Taxa de amostragem", "512 hertz", "Derivação", "Derivação I", "Unidade"),
    "ja": ("記録日", "分類", "サンプルレート", "512ヘルツ", "誘導", "I誘導", "単位"),
    "zh": ("记录日期", "分类", "采样率", "512 赫兹", "导联", "I 导联", "单位"),
    "xx": ("Tarih", "Sınıf", "Hızı", "512 hertz", "Bağlantı", "Bağlantı I", "Birimi"),  # a language not in the table
}  # fmt: skip


@pytest.mark.parametrize("language", KEYS)
def test_a_watch_in_any_language(tmp_path, ecg, language):
    day, kind, rate, hertz, lead, one, unit = KEYS[language]
    comma = language not in ("en", "ja", "zh")
    numbers = [f"{value / 7:.3f}".rstrip("0").rstrip(".") for value in ecg[0, :2000]]
    lines = [f"{day},2024-05-30 16:32:18 +0200", f"{kind},-", f"{rate},{hertz}", "", f"{lead},{one}", f"{unit},µV", ""]
    lines += [number.replace(".", ",") if comma else number for number in numbers]
    (tmp_path / "w.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    record = read(tmp_path / "w.csv")
    assert (record.leads, record.fs_hz) == (("I",), 511.562 if language == "de" else 512)
    np.testing.assert_allclose(record.signal_mv[0], ecg[0, :2000] / 7000, atol=1e-6)


def test_a_column_of_decimal_commas_needs_no_key(tmp_path):
    (tmp_path / "x.csv").write_text("-1,5\n2,25\n7\n")
    np.testing.assert_allclose(
        read(tmp_path / "x.csv", fs_hz=512, unit="uV", leads="I").signal_mv, [[-0.0015, 0.00225, 0.007]], rtol=1e-6
    )
