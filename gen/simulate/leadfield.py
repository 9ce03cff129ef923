"""Torso lead field: how a cardiac dipole and near-field sources appear in the eight independent leads.

The dipole part is Dower's vectorcardiogram-to-ECG transform (Dower, Machado, Osborne, Clin Cardiol 1980;3:87), axes in
Frank's frame: x to the left, y to the feet, z to the back. Eight leads hold more than three dimensions: electrodes on
the chest are close to the heart and see local sources. Those are written in an orthonormal basis of what Dower's
matrix cannot reach, so that (dipole, near field) and the eight leads are the same information.
"""

import numpy as np

from gen.leads import DOWER


def _near_field_basis() -> np.ndarray:
    left, _, _ = np.linalg.svd(DOWER, full_matrices=True)
    basis = left[:, 3:]
    signs = np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(basis.shape[1])])
    return basis * signs


#: (8, 5): orthonormal directions of lead space that no dipole reaches through `DOWER`.
NEAR_FIELD = _near_field_basis()
#: (8, 8): source vector (3 dipole + 5 near field) -> leads.
SOURCE_TO_LEADS = np.concatenate([DOWER, NEAR_FIELD], axis=1)
#: (8, 8): its inverse.
LEADS_TO_SOURCE = np.linalg.inv(SOURCE_TO_LEADS)


def rotation(angles_deg: np.ndarray) -> np.ndarray:
    """Rotation about x, then y, then z by three angles in degrees; (3, 3)."""
    a, b, c = np.deg2rad(angles_deg)
    rx = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    ry = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    rz = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return rz @ ry @ rx


def electrode_shift(shift: np.ndarray) -> np.ndarray:
    """Mixing of the leads when chest electrodes sit a little beside their place; (8, 8), rows sum to 1.

    Args:
        shift: (6,) displacement of V1..V6 along the chest in electrode spacings (0.2 is about 1 cm).
    """
    mix = np.eye(8)
    for chest, amount in enumerate(shift):
        row, other = 2 + chest, 2 + chest + (1 if amount > 0 else -1)
        if 2 <= other <= 7:
            mix[row, row] -= abs(amount)
            mix[row, other] += abs(amount)
    return mix


def patient_lead_field(tilt_deg: np.ndarray, shift: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Source -> leads for one visit of one patient; (8, 8).

    Args:
        tilt_deg: (3,) turn of the heart about x, y, z.
        shift: (6,) displacement of V1..V6, see `electrode_shift`.
        gain: (8,) how well each electrode hears the heart.
    """
    turned = np.concatenate([DOWER @ rotation(tilt_deg), NEAR_FIELD], axis=1)
    return gain[:, None] * (electrode_shift(shift) @ turned)
