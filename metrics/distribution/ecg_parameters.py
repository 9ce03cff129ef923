"""ECG parameters as a feature vector: hand-made features for distances between sets of ECGs."""

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from gen.leads import LEADS_8
from gen.records import InputError
from metrics.distribution.extractors import register
from metrics.measurement.parameters import Parameters
from metrics.measurement.records import measure_records

Array = npt.NDArray[np.float64]

#: Feature -> (typical value, typical spread) in adults at rest; fixed, so that features need no fitting.
TYPICAL: dict[str, tuple[float, float]] = {
    "hr_bpm": (72, 16), "rr_sd_ms": (45, 60), "rmssd_ms": (45, 80), "rr_cv": (0.05, 0.07), "p_present": (0.9, 0.25),
    "pr_ms": (160, 28), "qrs_ms": (98, 20), "qt_ms": (392, 36), "qtcf_ms": (412, 27), "p_ms": (105, 16),
    "t_ms": (180, 40), "axis_cos": (0.65, 0.4), "axis_sin": (0.35, 0.5),
    "r_mv_I": (0.6, 0.3), "r_mv_II": (0.8, 0.4), "r_mv_aVL": (0.35, 0.3), "r_mv_V1": (0.25, 0.2),
    "r_mv_V2": (0.5, 0.35), "r_mv_V5": (1.2, 0.5), "r_mv_V6": (1.0, 0.4), "s_mv_V1": (0.85, 0.4),
    "s_mv_V2": (1.25, 0.6), "s_mv_V3": (0.95, 0.55), "s_mv_V5": (0.25, 0.22), "p_mv_II": (0.1, 0.05),
    "p_mv_V1": (0.03, 0.05), "t_mv_I": (0.16, 0.13), "t_mv_II": (0.22, 0.15), "t_mv_V2": (0.4, 0.3),
    "t_mv_V5": (0.3, 0.22), "st_mv_II": (0.02, 0.06), "st_mv_V2": (0.08, 0.1), "st_mv_V5": (0.02, 0.08),
    "alike": (0.97, 0.05),
}  # fmt: skip
#: Names of the numbers in `parameter_vector`.
VECTOR_NAMES = tuple(TYPICAL)


def parameter_vector(parameters: Parameters) -> Array:
    """Parameters as numbers in the order of `VECTOR_NAMES`, (34,), in their own units; NaN where not measurable."""
    numbers = parameters.numbers()
    angle = np.radians(parameters.axis_deg)
    numbers |= {"axis_cos": float(np.cos(angle)), "axis_sin": float(np.sin(angle))}
    return np.array([numbers[name] for name in VECTOR_NAMES], dtype=np.float64)


def feature_matrix(parameters: Sequence[Parameters]) -> Array:
    """Features without gaps, (n, 35): (value - typical) / spread, limited to +-8, and whether the ECG was measurable.

    A missing value becomes 0, the typical one: that P is missing shows in ``p_present``, a failure in the last number.
    """
    if not len(parameters):
        return np.empty((0, len(VECTOR_NAMES) + 1))
    centre, spread = np.array(list(TYPICAL.values())).T
    scaled = (np.stack([parameter_vector(p) for p in parameters]) - centre) / spread
    measured = np.array([[float(p.failure is None)] for p in parameters])
    return np.concatenate([np.clip(np.nan_to_num(scaled, nan=0.0), -8, 8), measured], axis=1)


class ParameterFeatures:
    """ECG parameters as an extractor, see `metrics.distribution.extractors`."""

    name = "ecg-parameters"
    dim = len(VECTOR_NAMES) + 1

    @cached_property
    def digest(self) -> str:
        """SHA-256 of version, scaling and the delineator's weights."""
        from metrics.measurement.delineation.delineator import shipped_digest

        settings = {"version": 1, "typical": TYPICAL, "weights": shipped_digest()}
        return hashlib.sha256(json.dumps(settings).encode()).hexdigest()

    def __call__(self, signal_8_mv: npt.ArrayLike, fs_hz: float) -> Array:
        """Features (n, dim) of ECGs (n, 8, time) in mV, leads `gen.leads.LEADS_8`.

        Raises:
            InputError: not eight leads.
        """
        signal = np.asarray(signal_8_mv, dtype=np.float32)
        if signal.ndim != 3 or signal.shape[1] != len(LEADS_8):
            raise InputError(f"signal_8_mv of shape {signal.shape}; accepted: (n, 8, time), leads {', '.join(LEADS_8)}")
        return feature_matrix(measure_records(signal, fs_hz, LEADS_8))


register("ecg-parameters", ParameterFeatures)
