"""Codes of ECG leads in ISO/IEEE 11073-10101 (MDC), which DICOM, HL7 aECG and FHIR share."""

#: Lead -> number within the block of leads (PS3.16 CID 3001: MDC 2:N, SCPECG 5.6.3-9-N).
CODES = {"I": 1, "II": 2, "V1": 3, "V2": 4, "V3": 5, "V4": 6, "V5": 7, "V6": 8, "III": 61, "aVR": 62, "aVL": 63}
CODES["aVF"] = 64
#: Context-free code of an electrical potential of the ECG; that of a lead is its number beyond.
POTENTIAL = 131328
LEAD_BLOCK = 131072


def reference(lead: str, stem: str = "MDC_ECG_LEAD") -> str:
    """``MDC_ECG_LEAD_AVR``: the reference identifier of a lead."""
    return f"{stem}_{lead.upper()}"


def lead_of(code: str) -> str | None:
    """The lead that a context-free code or a reference identifier stands for; None for anything else."""
    if code.isdigit():
        numbers = {number: lead for lead, number in CODES.items()}
        return numbers.get(int(code) - POTENTIAL) or numbers.get(int(code) - LEAD_BLOCK)
    by_name = {reference(lead, stem): lead for lead in CODES for stem in ("MDC_ECG_LEAD", "MDC_ECG_ELEC_POTL")}
    return by_name.get(code.upper())
