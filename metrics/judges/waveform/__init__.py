"""A small network that learns, on one half of the patients, to tell generated from recorded waveforms."""

from metrics.judges.waveform.halves import RawVerdict, raw_waveform_test

__all__ = ["RawVerdict", "raw_waveform_test"]
