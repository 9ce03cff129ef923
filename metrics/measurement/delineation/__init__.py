"""Delineation: P, QRS and T of every lead and of all leads together, by a small network, in batches.

    from metrics.delineation import delineate
    found = delineate(signal_mv, fs_hz=500.0, leads=LEADS_12, per_lead=True)[0]
    found.waves("global")      # consensus of the leads
    found.waves("V2")

It never raises on a signal: a flat lead has no waves. Accuracy: ``physiogen evaluate delineation``.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metrics.measurement.delineation.delineator import Delineation, delineate
    from metrics.measurement.delineation.waves import WAVES, Wave

_HOMES = {"Delineation": "delineator", "delineate": "delineator", "WAVES": "waves", "Wave": "waves"}
__all__ = ["WAVES", "Delineation", "Wave", "delineate"]


def __getattr__(name: str) -> Any:
    """Import on first use: torch only for `delineate`."""
    if name not in _HOMES:
        raise AttributeError(f"module 'metrics.measurement.delineation' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"metrics.measurement.delineation.{_HOMES[name]}"), name)
