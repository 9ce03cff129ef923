"""A table of ECGs in Parquet: signal, picture, features of beats, report and findings in one row."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gen.leads import LEADS_12
from gen.records import EcgRecord
from metrics.measurement.delineation.delineator import Delineation
from metrics.measurement.parameters import Parameters
from metrics.multimodal.features import FEATURES, beat_features
from metrics.multimodal.findings import Evidence, Finding, measured

#: A row with a picture of 1,700 pixels is about half a megabyte.
_ROWS_PER_GROUP = 16


def schema() -> Any:
    """The table's columns; the picture is marked as one for Hugging Face `datasets`."""
    import pyarrow as pa

    beats = pa.struct([("lead", pa.string()), *((name, pa.list_(pa.float32())) for name in FEATURES)])
    evidence = pa.struct(
        [
            ("quantity", pa.string()),
            ("value", pa.float64()),
            ("unit", pa.string()),
            ("leads", pa.list_(pa.string())),
            ("intervals_s", pa.list_(pa.list_(pa.float32()))),
        ]
    )
    finding = pa.struct(
        [
            ("code", pa.string()),
            ("name", pa.string()),
            ("stated", pa.bool_()),
            ("shown", pa.bool_()),
            ("criterion", pa.string()),
            ("leads", pa.list_(pa.string())),
            ("evidence", pa.list_(evidence)),
        ]
    )
    columns = [
        ("id", pa.string()),
        ("patient_id", pa.string()),
        ("age", pa.float64()),
        ("sex", pa.string()),
        ("fs_hz", pa.float64()),
        ("leads", pa.list_(pa.string())),
        ("signal_mv", pa.list_(pa.list_(pa.float32()))),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("layout", pa.string()),
        ("measured", pa.list_(evidence)),
        ("beats", pa.list_(beats)),
        ("findings", pa.list_(finding)),
        ("report", pa.string()),
        ("synthetic", pa.bool_()),
        ("metadata", pa.string()),
    ]
    return pa.schema(columns)


def row(
    record: EcgRecord,
    png: bytes,
    layout: str,
    parameters: Parameters,
    waves: Delineation | None,
    found: Sequence[Finding],
) -> dict[str, Any]:
    """One row. ``record`` has its twelve leads; missing samples stay NaN."""
    features = beat_features(waves)
    return {
        "id": record.record_id,
        "patient_id": record.patient.id,
        "age": record.patient.age,
        "sex": record.patient.sex,
        "fs_hz": record.fs_hz,
        "leads": list(record.leads),
        "signal_mv": list(np.asarray(record.signal_mv, dtype=np.float32)),
        "image": {"bytes": png, "path": f"{record.record_id}.png"},
        "layout": layout,
        "measured": [_evidence(each) for each in measured(parameters, waves=waves)],
        "beats": [{"lead": lead, **features[lead]} for lead in LEADS_12 if lead in features],
        "findings": [
            {**each.as_dict(), "leads": list(each.leads), "evidence": [_evidence(e) for e in each.evidence]}
            for each in found
        ],
        "report": record.report,
        "synthetic": record.synthetic,
        "metadata": json.dumps(dict(record.metadata), default=str, ensure_ascii=False),
    }


def _evidence(each: Evidence) -> dict[str, Any]:
    return {**each.as_dict(), "value": float(each.value)}


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write one shard."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    marked = schema().with_metadata({"huggingface": json.dumps({"info": {"features": _features()}})})
    pq.write_table(
        pa.Table.from_pylist([dict(each) for each in rows], schema=marked),
        path,
        compression="zstd",
        row_group_size=_ROWS_PER_GROUP,
    )


def _features() -> dict[str, Any]:
    """The columns in `datasets`' own words; without them the picture would be a pair of bytes and path."""

    def of(kind: Any) -> Any:
        import pyarrow as pa

        if pa.types.is_list(kind):
            return {"feature": of(kind.value_type), "_type": "List"}
        if pa.types.is_struct(kind):
            return {field.name: of(field.type) for field in kind}
        names = {"float": "float32", "double": "float64"}
        return {"dtype": names.get(str(kind), str(kind)), "_type": "Value"}

    return {field.name: {"_type": "Image"} if field.name == "image" else of(field.type) for field in schema()}
