"""EDF as other recorders write it: pauses, blank channels, units in other letters, several rates, 24 bits; padding."""

import numpy as np
import pytest

from gen.io import read, write_record
from gen.io.edf import _block
from gen.leads import LEADS_12
from gen.records import EcgRecord, InputError

FS = 250


def field(value, width):
    return (value if isinstance(value, bytes) else str(value).encode("latin-1"))[:width].ljust(width)


def channel(label, data, unit="uV", per_block=FS, physical=(-32768, 32767), digital=(-32768, 32767)):
    return {
        "label": label, "transducer": "", "unit": unit, "pmin": physical[0], "pmax": physical[1], "dmin": digital[0],
        "dmax": digital[1], "filter": "", "samples": per_block, "reserved": "", "data": np.asarray(data),
    }  # fmt: skip


def edf(path, channels, blocks=10, onsets=None, bdf=False, reserved=None):
    channels = [dict(one) for one in channels]
    size = 3 if bdf else 2
    if onsets is not None:
        channels.append(channel("EDF Annotations", np.zeros(0), "", 60 // size, (-1, 1)))
    head = field(b"\xffBIOSEMI" if bdf else "0", 8) + field("X X X X", 80) + field("Startdate X X X X", 80)
    head += field("01.01.24", 8) + field("10.00.00", 8) + field(256 * (len(channels) + 1), 8)
    head += field(reserved or ("EDF+D" if onsets is not None else ""), 44) + field(blocks, 8) + field(1, 8)
    head += field(len(channels), 4)
    widths = {"label": 16, "transducer": 80, "unit": 8, "pmin": 8, "pmax": 8, "dmin": 8, "dmax": 8, "filter": 80}
    widths |= {"samples": 8, "reserved": 32}
    for key, width in widths.items():
        head += b"".join(field(one[key], width) for one in channels)
    body = bytearray(head)
    for block in range(blocks):
        for one in channels:
            if one["label"] == "EDF Annotations":
                body += f"+{onsets[block]:g}\x14\x14\x00".encode().ljust(60, b"\0")
                continue
            values = one["data"][block * one["samples"] : (block + 1) * one["samples"]].astype("<i4")
            body += values.view(np.uint8).reshape(-1, 4)[:, :3].tobytes() if bdf else values.astype("<i2").tobytes()
    path.write_bytes(body)
    return path


@pytest.fixture
def leads(rng):
    signal = np.cumsum(rng.integers(-30, 31, (2, 10 * FS)), axis=1)
    return signal, [channel(name, row) for name, row in zip(("I", "II"), signal, strict=True)]


@pytest.mark.parametrize("bdf", [False, True])
@pytest.mark.parametrize("onsets", [None, range(10), [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]])
def test_data_records_stand_where_their_time_stamps_say(tmp_path, leads, onsets, bdf):
    signal, channels = leads
    record = read(edf(tmp_path / "x.edf", channels, onsets=None if onsets is None else list(onsets), bdf=bdf))
    assert record.fs_hz == FS
    if onsets is None or list(onsets) == list(range(10)):
        np.testing.assert_allclose(record.signal_mv, signal / 1000, atol=1e-6)
        return
    assert record.duration_s == 15
    assert np.isnan(record.signal_mv[:, 5 * FS : 10 * FS]).all()
    np.testing.assert_allclose(record.signal_mv[:, : 5 * FS], signal[:, : 5 * FS] / 1000, atol=1e-6)
    np.testing.assert_allclose(record.signal_mv[:, 10 * FS :], signal[:, 5 * FS :] / 1000, atol=1e-6)


def test_time_stamps_that_make_no_sense(tmp_path, leads):
    with pytest.raises(InputError, match=r"x\.edf: data record 3 begins before the one before it ends"):
        read(edf(tmp_path / "x.edf", leads[1], onsets=[0, 1, 1, *range(3, 10)]))
    with pytest.raises(InputError, match="time stamps span"):
        read(edf(tmp_path / "y.edf", leads[1], onsets=[*range(9), 90000]))


@pytest.mark.parametrize(
    "blank",
    [
        channel("Marker", np.zeros(10), "", 1, (0, 0)),
        channel("Event", np.zeros(10), "", 1, (0, 1), (0, 0)),
        channel("Battery", np.zeros(10), "%", 1, ("", "")),
        channel("Accelerometer_X", np.zeros(1000), "mg", 100),
    ],
)
def test_a_channel_that_nobody_needs(tmp_path, leads, blank):
    signal, channels = leads
    record = read(edf(tmp_path / "x.edf", [*channels, blank]))
    np.testing.assert_allclose(record.signal_mv, signal / 1000, atol=1e-6)
    assert record.metadata["skipped_channels"] == [blank["label"]]


def test_a_lead_without_a_scale_is_named(tmp_path, leads):
    signal, channels = leads
    file = edf(tmp_path / "x.edf", [*channels, channel("V1", signal[0], physical=(0, 0))])
    record = read(file)
    assert record.leads == ("I", "II")
    assert "give no scale" in record.metadata["unreadable_leads"]["V1"]
    with pytest.raises(InputError, match=r"x\.edf: channel V1: its physical or digital minimum and maximum"):
        read(file, leads="V1")


def test_a_lone_channel_called_ecg_is_named_by_the_caller(tmp_path, leads):
    signal, _ = leads
    channels = [channel("ECG", signal[0]), channel("Accelerometer_X", np.zeros(1000), "mg", 100)]
    file = edf(tmp_path / "x.edf", channels)
    with pytest.raises(InputError, match=r"lead names \(its channels are 'ECG'\) are missing"):
        read(file)
    np.testing.assert_allclose(read(file, leads="I").signal_mv[0], signal[0] / 1000, atol=1e-6)


@pytest.mark.parametrize("unit", ["µV", "µV".encode(), "microV", "mV"])
def test_units_in_other_letters(tmp_path, leads, unit):
    signal, _ = leads
    factor = 1 if unit == "mV" else 1000
    record = read(edf(tmp_path / "x.edf", [channel("II", signal[0], unit)]))
    np.testing.assert_allclose(record.signal_mv[0], signal[0] / factor, rtol=1e-6)


@pytest.mark.parametrize(
    ("fs_hz", "seconds", "most_s"),
    [(62.4725, 30, 0.02), (333.33, 10, 0.01), (512.4, 8, 0.01), (128.5, 2.5, 0.01), (500, 10, 0), (257.5, 10, 0)],
)
def test_padding_is_shorter_than_a_hundredth_of_a_second(tmp_path, rng, fs_hz, seconds, most_s):
    count = round(fs_hz * seconds)
    record = EcgRecord(
        np.round(rng.normal(size=(12, count)), 3),
        fs_hz,
        LEADS_12,
    )
    size, duration = _block(record)
    assert (-count % size) / fs_hz <= most_s
    assert size / float(duration) == pytest.approx(fs_hz, rel=1e-5)
    back = read(write_record(record, tmp_path / "x.edf"))
    assert (back.fs_hz, back.num_samples) == (fs_hz, count)
    pyedflib = pytest.importorskip("pyedflib")
    with pyedflib.EdfReader(str(tmp_path / "x.edf")) as file:  # another reader
        assert file.getNSamples()[0] / fs_hz == pytest.approx(seconds, abs=max(most_s, 1 / fs_hz) + 1e-6)
        np.testing.assert_allclose(file.readSignal(1)[:count] / 1000, record.signal_mv[1], atol=1e-6)
