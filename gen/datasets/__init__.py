"""Sources of recordings (PTB-XL, MIMIC-IV-ECG, CODE-15 %, LUDB, AliveCor, WFDB folders, record sets) and their caches.

from gen.datasets import SignalCache, open_source, prepare
source = open_source("ptb-xl")              # table at once, signals when asked for
cache = prepare(source, "CACHE")            # memory-mapped int16 microvolt
cache.batch(cache.split("train")[:32])      # (32, 8, 5000) float32 mV
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gen.datasets.base import Source, SourceInfo
    from gen.datasets.cache import ReadSpeed, SignalCache, benchmark_read, prepare
    from gen.datasets.opening import open_source

#: Tables by which the kinds of folders are recognised, one of them in the folder; record sets and caches have theirs.
PTBXL, MIMIC, LUDB, ALIVECOR, CODE15 = (
    "ptbxl_database.csv",
    "record_list.csv",
    "ludb.csv",
    "REFERENCE.csv",
    "exams.csv",
)
MARKS = (PTBXL, MIMIC, LUDB, ALIVECOR, CODE15, "metadata.csv", "manifest.json")
#: Kinds of folders that are recognised.
KINDS = "PTB-XL, MIMIC-IV-ECG, CODE-15 %, LUDB, AliveCor, WFDB, record set"
_PLACES = {
    "ReadSpeed": "cache",
    "SignalCache": "cache",
    "Source": "base",
    "SourceInfo": "base",
    "benchmark_read": "cache",
    "open_source": "opening",
    "prepare": "cache",
}
__all__ = ["KINDS", "ReadSpeed", "SignalCache", "Source", "SourceInfo", "benchmark_read", "open_source", "prepare"]


def __getattr__(name: str) -> Any:
    """Import on first use: statements are read without the readers of whole collections."""
    if name not in _PLACES:
        raise AttributeError(f"module 'gen.datasets' has no attribute {name!r}; it has {', '.join(__all__)}")
    from importlib import import_module

    return getattr(import_module(f"gen.datasets.{_PLACES[name]}"), name)
