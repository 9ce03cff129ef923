"""physiogen's shared floor and its Python door.

    import gen
    ecg = gen.read("strip.hea")
    full = gen.load("reconstruct")(ecg, leads=["II", "V1", "V5"], num_samples=20)

Importing this package loads neither torch nor any model.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from gen.io import read, read_set, write
    from gen.records import EcgRecord, InputError, Patient
    from gen.registry import benchmark, dataset, load

_HOMES = {
    "read": "gen.io",
    "read_set": "gen.io",
    "write": "gen.io",
    "EcgRecord": "gen.records",
    "Patient": "gen.records",
    "InputError": "gen.records",
    "dataset": "gen.registry",
    "load": "gen.registry",
    "benchmark": "gen.registry",
}
__all__ = [
    "EcgRecord",
    "InputError",
    "Patient",
    "__version__",
    "benchmark",
    "dataset",
    "load",
    "read",
    "read_set",
    "write",
]


def __getattr__(name: str) -> Any:
    """Import on first use, so that `import gen` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'gen' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
