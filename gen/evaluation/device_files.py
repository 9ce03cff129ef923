"""Small valid files as devices write them, for the campaign of damaged files and for tests; no real device's content.

Samples are whole numbers (lead, time) of the converter; every function gives the content of one file.
"""

import base64
import binascii
import json
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gen.leads import LEADS_8

Digital = npt.NDArray[np.integer]


def muse(digital: Digital, units_per_bit: str = "4.88") -> str:
    """GE MUSE XML: an empty median and the rhythm of eight leads, base64 of 16-bit samples."""
    waves = "".join(
        f"<LeadData><LeadByteCountTotal>{2 * row.size}</LeadByteCountTotal><LeadTimeOffset>0</LeadTimeOffset>"
        f"<LeadSampleCountTotal>{row.size}</LeadSampleCountTotal>"
        f"<LeadAmplitudeUnitsPerBit>{units_per_bit}</LeadAmplitudeUnitsPerBit>"
        f"<LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits><LeadID>{lead}</LeadID>"
        f"<WaveFormData>{base64.b64encode(row.astype('<i2').tobytes()).decode()}</WaveFormData></LeadData>"
        for lead, row in zip(LEADS_8, digital, strict=True)
    )

    def wave(kind: str, content: str) -> str:
        return (
            f"<Waveform><WaveformType>{kind}</WaveformType><SampleBase>500</SampleBase>"
            f"<SampleExponent>0</SampleExponent>{content}</Waveform>"
        )

    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?><RestingECG><PatientDemographics><PatientID>P9</PatientID>'
        "<PatientAge>63</PatientAge><AgeUnits>YEARS</AgeUnits><Gender>FEMALE</Gender>"
        "<PatientLastName>DOE</PatientLastName></PatientDemographics>"
        "<Diagnosis><DiagnosisStatement><StmtText>Sinus rhythm</StmtText></DiagnosisStatement></Diagnosis>"
        + wave("Median", "")
        + wave("Rhythm", waves)
        + "</RestingECG>"
    )


def ishne(digital: Digital, resolution_nv: int = 2500, fs_hz: int = 257) -> bytes:
    """ISHNE Holter of leads I, II and V1, with its checksum."""
    unknown = [-9] * 9
    head = struct.pack("<IIIIH", 0, digital.shape[1], 522, 522, 1)
    head += b"JANE".ljust(40, b"\0") + b"DOE".ljust(40, b"\0") + b"H3".ljust(20, b"\0")
    head += struct.pack("<hh", 2, 1) + struct.pack("<hhh", 5, 3, 1961) + struct.pack("<hhh", 4, 3, 2024)
    head += struct.pack("<hhh", 4, 3, 2024) + struct.pack("<hhh", 12, 0, 0) + struct.pack("<h", len(digital))
    head += struct.pack("<12h", 5, 6, 11, *unknown) + struct.pack("<12h", *[2] * 3, *unknown)
    head += struct.pack("<12h", *[resolution_nv] * 3, *unknown) + struct.pack("<h", 0) + b"analog".ljust(40, b"\0")
    head += struct.pack("<h", fs_hz) + b"\0" * (80 + 80 + 88)
    return b"ISHNE1.0" + struct.pack("<H", binascii.crc_hqx(head, 0xFFFF)) + head + digital.T.astype("<i2").tobytes()


def kardia(samples: Digital) -> str:
    """Kardia JSON: lead I at 300 Hz, 500 nV a unit."""
    raw = {
        "frequency": 300,
        "mainsFrequency": 50,
        "amplitudeResolution": 500,
        "samples": {"leadI": samples.tolist()},
    }
    return json.dumps(
        {
            "id": "x",
            "recordedAt": "2024-03-04T12:00:00Z",
            "algorithmDetermination": "normal",
            "duration": 3333,
            "data": {"raw": raw},
        }
    )


def fitbit_reading(samples: Sequence[int], **changed: Any) -> dict[str, Any]:
    """One reading of Fitbit's JSON, whose rate is text and whose scale is units per mV."""
    reading: dict[str, Any] = {
        "startTime": "2024-03-04T12:00:00.000",
        "averageHeartRate": 70,
        "resultClassification": "Normal Sinus Rhythm",
        "waveformSamples": list(samples),
        "samplingFrequencyHz": "250",
        "scalingFactor": 10922,
        "leadNumber": 1,
    }
    return {**reading, **changed}


def cardiosoft(digital: Digital, *, strip: bool = True) -> str:
    """CardioSoft XML: eight leads at 500 Hz, 5 uV a unit, and an average beat."""
    waves = "".join(
        f'<WaveformData lead="{lead}">{",".join(map(str, row))}\n</WaveformData>'
        for lead, row in zip(LEADS_8, digital, strict=True)
    )
    median = f'<MedianSamples><WaveformData lead="I">{",".join("0" * 600)}</WaveformData></MedianSamples>'
    body = (
        '<StripData><NumberOfLeads>8</NumberOfLeads><SampleRate units="Hz">500</SampleRate>'
        f'<Resolution units="uVPerLsb">5</Resolution>{waves}</StripData>'
    )
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?><CardiologyXML><PatientInfo><PID>U1</PID>'
        '<Name><FamilyName>Doe</FamilyName></Name><Age units="years">63</Age><Gender>FEMALE</Gender>'
        '<Height units="cm">170</Height><Weight units="kg">70</Weight></PatientInfo>'
        "<Interpretation><Diagnosis><DiagnosisText>Sinus rhythm</DiagnosisText></Diagnosis></Interpretation>"
        f"<RestingECGMeasurements>{median}</RestingECGMeasurements>{body if strip else ''}</CardiologyXML>"
    )


def edf_with_pause(digital: Digital, fs_hz: int = 125) -> bytes:
    """EDF+D of leads I and II beside a channel without a scale: data records of 1 s, a pause of 3 s after the first."""
    labels = ["ECG I", "ECG II", "Marker", "EDF Annotations"]
    blocks = digital.shape[1] // fs_hz

    def fields(width: int, values: Sequence[object]) -> bytes:
        return b"".join(str(value).encode()[:width].ljust(width) for value in values)

    head = fields(8, ["0"]) + fields(80, ["X X X X", "Startdate X X X X"]) + fields(8, ["01.01.24", "10.00.00", 1280])
    head += fields(44, ["EDF+D"]) + fields(8, [blocks, 1]) + fields(4, [4]) + fields(16, labels)
    head += fields(80, [""] * 4) + fields(8, ["uV", "uV", "", ""]) + fields(8, [-32768, -32768, 0, -1])
    head += fields(8, [32767, 32767, 0, 1]) + fields(8, [-32768] * 4) + fields(8, [32767] * 4)
    head += fields(80, [""] * 4) + fields(8, [fs_hz, fs_hz, 1, 15]) + fields(32, [""] * 4)
    body = bytearray(head)
    for block in range(blocks):
        for row in digital[:2, block * fs_hz : (block + 1) * fs_hz]:
            body += row.astype("<i2").tobytes()
        body += b"\0\0" + f"+{block + 3 * (block > 0)}\x14\x14\x00".encode().ljust(30, b"\0")
    return bytes(body)
