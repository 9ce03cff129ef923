"""HL7 aECG (Annotated ECG, ANSI/HL7 V3 ECG R1), written: one rhythm series, samples as whole microvolt.

Read back through `gen.io.devices`, as those of electrocardiographs. A missing sample is -32768, which other readers see
as -32.768 mV: the format has no word for it. The device, the patient's code and the text say what is synthetic.
"""

from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from gen.io.common import dump_json, facts_of, number_text, to_int16_microvolt
from gen.io.mdc import reference
from gen.records import EcgRecord

#: Begins the text that holds every fact, for our own reader.
MARK = "physiogen facts "
SYNTHETIC = "Synthetic data, not recorded from a person."
#: The instant that says 'unknown'; equal records give equal files.
_START = "19000101000000.000"
_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<AnnotatedECG xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" type="Observation" \
classCode="OBS">
<id root={root} extension={name}/>
<code code="93000" codeSystem="2.16.840.1.113883.6.12" codeSystemName="CPT-4"/>
<text>{text}</text>
<effectiveTime><low value="{start}"/><high value="{start}"/></effectiveTime>
<componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject><id root={root} \
extension={patient}/><subjectDemographicPerson>{sex}</subjectDemographicPerson></trialSubject></subject>
<componentOf><clinicalTrial><id root={root} extension="none"/></clinicalTrial></componentOf></subjectAssignment>\
</componentOf></timepointEvent></componentOf>
<component><series><code code="RHYTHM" codeSystem="2.16.840.1.113883.5.4"/>
<effectiveTime><low value="{start}"/><high value="{start}"/></effectiveTime>
<author><seriesAuthor><id root={root}/><manufacturedSeriesDevice><manufacturerModelName>{device}\
</manufacturerModelName><softwareName>{device}</softwareName></manufacturedSeriesDevice>
<manufacturerOrganization><name>{device}</name></manufacturerOrganization></seriesAuthor></author>
<component><sequenceSet>
<component><sequence><code code="TIME_ABSOLUTE" codeSystem="2.16.840.1.113883.5.4"/><value xsi:type="GLIST_TS">
<head value="{start}"/><increment value="{step}" unit="s"/></value></sequence></component>
"""
_LEAD = """<component><sequence><code code="{code}" codeSystem="2.16.840.1.113883.6.24" codeSystemName="MDC"/>
<value xsi:type="SLIST_PQ"><origin value="0" unit="uV"/><scale value="1" unit="uV"/><digits>{digits}</digits></value>
</sequence></component>
"""
_ROOT = "2.25.179742185306829"  # the arc of UUIDs: nobody's registered identifiers are used


def write_aecg(record: EcgRecord, path: Path) -> None:
    """Write one document; the same record gives the same bytes.

    Raises:
        InputError: a sample beyond +-32.767 mV.
    """
    digital = to_int16_microvolt(record, path)
    facts = {**facts_of(record), "fs_hz": record.fs_hz}
    text = [SYNTHETIC] if record.synthetic else []
    text += [record.report] if record.report else []
    text.append(MARK + dump_json(facts))
    device = "physiogen" + (" (synthetic)" if record.synthetic else "")
    sex = f'<administrativeGenderCode code="{record.patient.sex}" codeSystem="2.16.840.1.113883.5.1"/>'
    head = _HEAD.format(
        root=quoteattr(_ROOT),
        name=quoteattr(record.record_id),
        text=escape("\n".join(text)),
        start=_START,
        patient=quoteattr(record.patient.id or "unknown"),
        sex=sex if record.patient.sex else "",
        device=device,
        step=number_text(1 / record.fs_hz),
    )
    leads = "".join(
        _LEAD.format(code=reference(lead), digits=" ".join(map(str, row.tolist())))
        for lead, row in zip(record.leads, digital, strict=True)
    )
    path.write_text(f"{head}{leads}</sequenceSet></component></series></component></AnnotatedECG>\n", encoding="utf-8")
