"""DICOM waveforms as recorders write them: groups in time, padding inside the signal, byte order, skew, body height."""

import numpy as np
import pytest

from gen.io import read, write_record
from gen.leads import LEADS_12
from gen.records import EcgRecord, InputError
from gen.simulate import simulate

pydicom = pytest.importorskip("pydicom")
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402

FS = 500
CODES = dict(zip(LEADS_12, (1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8), strict=True))
BIG, LITTLE = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1"


@pytest.fixture(scope="module")
def ecg():
    """Twelve leads, 10 s, in whole microvolt."""
    record = simulate([0], seed=1, noise="none", fs_hz=FS, duration_s=10).records()[0]
    return np.rint(record.signal_mv * 1000).astype(np.int64)


def code(value, scheme):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, value
    return item


def group(signal, leads, *, fs=FS, offset=None, label=None, padding=None, big=False, skew="0", unit="uV"):
    item = Dataset()
    item.WaveformOriginality, item.SamplingFrequency = "ORIGINAL", f"{fs:g}"
    item.NumberOfWaveformChannels, item.NumberOfWaveformSamples = signal.shape
    item.ChannelDefinitionSequence = []
    for lead in leads:
        one = Dataset()
        one.ChannelSourceSequence = [code(f"2:{CODES[lead]}", "MDC") if lead in CODES else code(lead, "99LOCAL")]
        one.ChannelSensitivity, one.ChannelSensitivityUnitsSequence = (
            "1",
            [code(unit if lead in CODES else "%", "UCUM")],
        )
        one.ChannelSampleSkew, one.WaveformBitsStored = skew, 16
        item.ChannelDefinitionSequence.append(one)
    item.WaveformBitsAllocated, item.WaveformSampleInterpretation = 16, "SS"
    if offset is not None:
        item.MultiplexGroupTimeOffset = f"{offset:g}"
    if label is not None:
        item.MultiplexGroupLabel = label
    order = ">i2" if big else "<i2"
    if padding is not None:
        item.add_new("WaveformPaddingValue", "OW", np.array(padding, order).tobytes())
    item.add_new("WaveformData", "OW", np.ascontiguousarray(signal.T).astype(order).tobytes())
    return item


def save(path, groups, syntax=LITTLE, **facts):
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    data.SOPClassUID, data.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.9.1.1", pydicom.uid.generate_uid()
    data.WaveformSequence = groups
    for key, value in facts.items():
        setattr(data, key, value)
    data.save_as(path, enforce_file_format=True)
    return path


def test_a_printed_page_keeps_each_lead_at_its_time(tmp_path, ecg):
    quarter = 1250
    groups = [
        group(ecg[3 * k : 3 * k + 3, k * quarter : (k + 1) * quarter], LEADS_12[3 * k : 3 * k + 3], offset=2500 * k)
        for k in range(4)
    ]
    record = read(save(tmp_path / "paper.dcm", groups))
    assert (record.signal_mv.shape, record.fs_hz) == ((12, 5000), FS)
    for k in range(4):
        rows, place = slice(3 * k, 3 * k + 3), slice(k * quarter, (k + 1) * quarter)
        np.testing.assert_allclose(record.signal_mv[rows, place], ecg[rows, place] / 1000, atol=1e-6)
        outside = np.delete(record.signal_mv[rows], np.r_[place], axis=1)
        assert np.isnan(outside).all()
    one = read(tmp_path / "paper.dcm", leads="V1,V2")  # nobody's silence before and after
    assert one.num_samples == quarter
    assert not np.isnan(one.signal_mv).any()


def test_groups_at_once_one_after_the_other_and_average_beats(tmp_path, ecg):
    limb, chest = group(ecg[:6], LEADS_12[:6]), group(ecg[6:], LEADS_12[6:])
    median = group(ecg[:, :600] * 3, LEADS_12)
    np.testing.assert_allclose(read(save(tmp_path / "a.dcm", [median, limb, chest])).signal_mv, ecg / 1000, atol=1e-6)
    labelled = group(ecg[:, :600] * 3, LEADS_12, label="MEDIAN BEAT")
    np.testing.assert_allclose(read(save(tmp_path / "b.dcm", [labelled, limb, chest])).signal_mv, ecg / 1000, atol=1e-6)
    later = [group(ecg[:, :2000], LEADS_12), group(ecg[:, 3000:], LEADS_12, offset=6000)]
    found = read(save(tmp_path / "c.dcm", later)).signal_mv
    np.testing.assert_allclose(found[:, 3000:], ecg[:, 3000:] / 1000, atol=1e-6)
    assert np.isnan(found[:, 2000:3000]).all()


def test_padding_inside_the_signal_counts_where_it_fills_frames(tmp_path, ecg):
    signal = ecg + np.arange(12)[:, None]
    signal[3, 100] = signal[5, 2000] = 0
    signal[:, 2500:2700] = 0
    signal[7, 4800:] = 0
    found = read(save(tmp_path / "x.dcm", [group(signal, LEADS_12, padding=0)])).signal_mv
    expected = np.zeros(found.shape, bool)
    expected[:, 2500:2700] = True
    expected[7, 4800:] = True
    np.testing.assert_array_equal(np.isnan(found), expected)
    np.testing.assert_allclose(found[~expected], signal[~expected] / 1000, atol=1e-6)


def test_padding_outside_the_signal_counts_everywhere(tmp_path, ecg):
    signal = ecg.copy()
    signal[2, 700] = -32768
    found = read(save(tmp_path / "x.dcm", [group(signal, LEADS_12, padding=-32768)])).signal_mv
    assert np.argwhere(np.isnan(found)).tolist() == [[2, 700]]


def test_big_endian_samples(tmp_path, ecg):
    data = group(ecg, LEADS_12, big=True, padding=-32768)
    record = read(save(tmp_path / "x.dcm", [data], syntax=BIG))
    np.testing.assert_allclose(record.signal_mv, ecg / 1000, atol=1e-6)


def test_skewed_channels_move(tmp_path, ecg):
    found = read(save(tmp_path / "x.dcm", [group(ecg, LEADS_12, skew="3")])).signal_mv
    np.testing.assert_allclose(found[:, 3:], ecg[:, :-3] / 1000, atol=1e-6)
    assert np.isnan(found[:, :3]).all()


def test_channels_that_are_no_leads(tmp_path, ecg):
    record = read(save(tmp_path / "x.dcm", [group(ecg[:3], ("I", "II", "SPO2"))]))
    assert (record.leads, record.metadata["skipped_channels"]) == (("I", "II"), ["SPO2"])
    with pytest.raises(InputError, match="leads are I, II, but V1 were given"):
        read(tmp_path / "x.dcm", leads="V1")


@pytest.mark.parametrize(("size", "height_cm"), [("1.72", 172), ("172", 172), ("0", None), ("9000", None)])
def test_body_height_in_either_unit(tmp_path, ecg, size, height_cm):
    assert read(save(tmp_path / "x.dcm", [group(ecg, LEADS_12)], PatientSize=size)).patient.height_cm == height_cm


@pytest.mark.parametrize(("fs_hz", "number"), [(100, 3), (50, 3), (250, 1), (1000, 1)])
def test_the_storage_class_allows_the_rate(tmp_path, fs_hz, number):
    record = EcgRecord(np.zeros((2, 500)), fs_hz, ("I", "II"))
    data = pydicom.dcmread(write_record(record, tmp_path / "x.dcm"))
    assert data.SOPClassUID == f"1.2.840.10008.5.1.4.1.1.9.1.{number}"
