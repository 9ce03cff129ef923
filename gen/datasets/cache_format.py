"""The layout of a signal cache on disk, shared by the builder and the reader.

A cache is a folder of three files:

- ``signals.i16``: little-endian int16 microvolt, C order, (record, lead, time), leads as `gen.leads.LEADS_8`;
  -32768 marks a sample that was not recorded.
- ``records.parquet``: one row a record, in the same order: the source's table plus what was found while reading.
- ``manifest.json``: written last; what is in the two others, where it comes from, and digests of all of it.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FORMAT = "physiogen-signal-cache"
VERSION = 1
SIGNALS, RECORDS, MANIFEST = "signals.i16", "records.parquet", "manifest.json"
DTYPE = np.dtype("<i2")
MISSING = -(2**15)
#: Records whose bytes share one digest; also what is lost at most when a build is killed.
BLOCK = 128
LENGTH_RULE = "longer records: the first samples; shorter records: padded at the end with 'not recorded' (-32768)"


def manifest_digest(manifest: Mapping[str, Any]) -> str:
    """SHA-256 over everything the manifest says about content.

    Left out are the digest itself, the version of the software, and the Parquet file's bytes, which depend on the
    version of pyarrow; the table's content is in it through ``table_sha256``.
    """
    covered = {key: value for key, value in manifest.items() if key not in ("digest", "software", "parquet")}
    return hashlib.sha256(json.dumps(covered, sort_keys=True).encode()).hexdigest()


def table_sha256(table: pd.DataFrame) -> str:
    """SHA-256 of a table's content, the same for any Parquet version."""
    digest = hashlib.sha256()
    for start in range(0, len(table), 4096):
        part = table.iloc[start : start + 4096]
        digest.update(part.to_json(orient="records", lines=True, double_precision=15).encode())
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
