"""Reading and writing ECG records and record sets; every format goes through `gen.records.EcgRecord`.

    record = read("strip.hea")                      # any readable file
    for record in read_set("SET"): ...              # any record set, lazily
    write(records, "OUT", format="parquet")         # whole or not at all

Importing this package loads no format library; each is loaded when it is needed.
"""

from gen.io.formats import ACCEPTED, WRITABLE
from gen.io.inputs import expand_inputs
from gen.io.sets import count_set, read, read_set, set_table
from gen.io.writer import COLUMNS, RecordSetWriter, write, write_record, write_shard

__all__ = [
    "ACCEPTED",
    "COLUMNS",
    "WRITABLE",
    "RecordSetWriter",
    "count_set",
    "expand_inputs",
    "read",
    "read_set",
    "set_table",
    "write",
    "write_record",
    "write_shard",
]
