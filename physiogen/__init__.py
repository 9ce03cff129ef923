"""The door of physiogen: reading and writing ECGs, the shipped models by name, the benchmark.

    import physiogen

    ecg = physiogen.read("strip.hea")
    full = physiogen.load("reconstruct")(ecg, leads=["II", "V1", "V5"], num_samples=20)
    report = physiogen.benchmark(real="REAL", generated="GEN", out="REPORT")
    loader = torch.utils.data.DataLoader(physiogen.dataset("AUG"), batch_size=64, shuffle=True)

Everything behind it lives in the packages ``gen``, ``metrics``, ``vae``, ``diffusion`` and ``flow``. Importing this one
loads neither torch nor any model.
"""

from typing import TYPE_CHECKING, Any

import gen
from gen import __all__, __version__  # noqa: F401  (the door has what the floor has)

if TYPE_CHECKING:
    from gen import EcgRecord, InputError, Patient, benchmark, dataset, load, read, read_set, write  # noqa: F401


def __getattr__(name: str) -> Any:
    """Import on first use."""
    if name not in __all__:
        raise AttributeError(f"module 'physiogen' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(gen, name)


def __dir__() -> list[str]:
    return sorted(__all__)
