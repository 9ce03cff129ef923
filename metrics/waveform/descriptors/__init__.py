"""What can be read off an ECG without a trained judge of diagnoses: numbers by family, for telling sets apart.

    from metrics.waveform.descriptors import describe
    found = describe(records)                      # EcgRecord objects, any rate and lead set
    found = describe(array, fs_hz=500)             # (n, 8 or 12, time) mV
    found.family("rhythm").values                  # (n, d), NaN where it cannot be read

Families are kept apart on purpose, so that a fault is told by its own family and by no other: everything but the
spectrum and the quantisation is read from the signal below 40 Hz, rhythm from the times of beats alone, amplitudes
and coherence from what most beats of a record share, and what beats do not share from its own family.
"""

from metrics.waveform.descriptors.describe import FAMILIES, Descriptors, describe

__all__ = ["FAMILIES", "Descriptors", "describe"]
