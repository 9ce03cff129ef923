"""Walls of the heart: which leads look at which, and which SCP-ECG code an infarct, ischaemia or injury there has."""

from collections.abc import Sequence

WALLS = (
    "anterior", "anteroseptal", "anterolateral", "septal", "lateral", "apical", "inferior", "inferolateral",
    "inferoposterior", "inferoposterolateral", "posterior",
)  # fmt: skip

INFARCT = {
    "anterior": "AMI", "anteroseptal": "ASMI", "anterolateral": "ALMI", "septal": "ASMI", "lateral": "LMI",
    "apical": "AMI", "inferior": "IMI", "inferolateral": "ILMI", "inferoposterior": "IPMI",
    "inferoposterolateral": "IPLMI", "posterior": "PMI",
}  # fmt: skip
ISCHAEMIA = {
    "anterior": "ISCAN", "anteroseptal": "ISCAS", "anterolateral": "ISCAL", "septal": "ISCAS", "lateral": "ISCLA",
    "apical": "ISCAN", "inferior": "ISCIN", "inferolateral": "ISCIL",
}  # fmt: skip
INJURY = {
    "anterior": "INJAS", "anteroseptal": "INJAS", "anterolateral": "INJAL", "septal": "INJAS", "lateral": "INJLA",
    "inferior": "INJIN", "inferolateral": "INJIL",
}  # fmt: skip


def territory(leads: Sequence[str]) -> list[str]:
    """Walls that a set of leads looks at: II, III, aVF inferior; V1-V2 septal; V3-V4 anterior; I, aVL, V5-V6 lateral.

    One statement over several neighbouring walls has their joint name; limb leads alone (I and II) name none.
    """
    seen = set(leads)
    inferior = bool(seen & {"III", "aVF"})
    septal = bool(seen & {"V1", "V2"})
    anterior = bool(seen & {"V3", "V4"})
    lateral = bool(seen & {"V5", "V6"}) or {"I", "aVL"} <= seen or seen == {"aVL"}
    walls: list[str] = []
    if septal and anterior and lateral:
        walls.append("anterior")
    elif septal:
        walls.append("anteroseptal" if anterior else "septal")
        if lateral:
            walls.append("lateral")
    elif anterior:
        walls.append("anterolateral" if lateral else "anterior")
    elif lateral:
        return ["inferolateral"] if inferior else ["lateral"]
    return (["inferior"] if inferior else []) + walls
