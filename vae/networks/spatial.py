"""Linear estimate of the leads that were not recorded, for any pattern of recorded samples.

ECG leads are projections of one electrical source, so most of a missing lead follows linearly from the others. The
conditional mean of a zero-mean Gaussian with covariance S between the leads is

    E[x | y = H x] = S H' (H S H' + e I)^-1 y,

with H the rows of the observed leads. The network gets this estimate as its starting point and learns the rest.
"""

import torch

from gen.leads import LEADS_8

#: Keeps the solve stable where two observed leads are nearly proportional; relative to unit record power.
_RIDGE = 1e-4


def conditional_mean(
    signal: torch.Tensor, observed: torch.Tensor, covariance: torch.Tensor, augmented: torch.Tensor | None = None
) -> torch.Tensor:
    """Fill unobserved samples by the conditional mean given the leads observed at the same instant.

    Args:
        signal: (batch, 8, time) in the order ``LEADS_8``; values where ``observed`` is False are ignored.
        observed: (batch, 8, time) bool.
        covariance: (8, 8) between the leads, of records scaled to unit power.
        augmented: (batch, 4, time) samples of III, aVR, aVL, aVF where only such a limb lead was recorded,
            NaN elsewhere; they help to estimate I and II. None: there are none.

    Returns:
        (batch, 8, time) float32; observed samples as they were.
    """
    # In full precision even under autocast: bfloat16 would cost three digits of the observed amplitudes.
    with torch.autocast(signal.device.type, enabled=False):
        return _conditional_mean(signal.float(), observed, covariance, augmented)


def _conditional_mean(
    signal: torch.Tensor, observed: torch.Tensor, covariance: torch.Tensor, augmented: torch.Tensor | None
) -> torch.Tensor:
    batch, leads, time = signal.shape
    rows = torch.eye(leads, dtype=torch.float64, device=signal.device)
    present, values = observed, torch.where(observed, signal, 0.0)
    if augmented is not None:
        rows = torch.cat([rows, AUGMENTED_ROWS.to(signal.device)])
        extra = ~torch.isnan(augmented)
        present = torch.cat([present, extra], dim=1)
        values = torch.cat([values, torch.where(extra, augmented, 0.0)], dim=1)
    weights = 2 ** torch.arange(len(rows), device=signal.device)
    code = (present * weights[:, None]).sum(dim=1)  # (batch, time): which leads are there, as a bit pattern
    constant = bool((code == code[:, :1]).all())
    codes = code[:, 0] if constant else code
    patterns, index = torch.unique(codes, return_inverse=True)
    solved = torch.stack([_solve(rows, covariance, int(pattern)) for pattern in patterns]).to(values.dtype)
    if constant:
        filled = torch.bmm(solved[index], values)
    else:
        flat = values.transpose(1, 2).reshape(batch * time, -1)
        filled = flat.new_zeros(batch * time, leads)
        for number, matrix in enumerate(solved):
            here = (index.reshape(-1) == number).nonzero()[:, 0]
            filled[here] = flat[here] @ matrix.T
        filled = filled.view(batch, time, leads).transpose(1, 2)
    return torch.where(observed, signal, filled)


def pattern_table(covariance: torch.Tensor) -> torch.Tensor:
    """(256, 8, 8) float64 matrices that take the eight leads (0 where not observed) to their conditional mean.

    Entry p is for the leads whose bits are set in p, bit k standing for ``LEADS_8[k]``.
    """
    rows = torch.eye(len(LEADS_8), dtype=torch.float64, device=covariance.device)
    return torch.stack([_solve(rows, covariance, pattern) for pattern in range(1 << len(LEADS_8))])


def _limb_rows() -> torch.Tensor:
    from gen.leads import LEADS_8_TO_12

    return torch.from_numpy(LEADS_8_TO_12[2:6].copy())


#: (4, 8): III, aVR, aVL, aVF in the basis of the eight independent leads.
AUGMENTED_ROWS = _limb_rows()


def _solve(rows: torch.Tensor, covariance: torch.Tensor, pattern: int) -> torch.Tensor:
    chosen = [i for i in range(len(rows)) if pattern >> i & 1]
    matrix = torch.zeros(len(LEADS_8), len(rows), dtype=torch.float64, device=rows.device)
    if chosen:
        h = rows[chosen]
        cross = covariance.double() @ h.T
        inner = h @ cross + _RIDGE * torch.eye(len(chosen), dtype=torch.float64, device=rows.device)
        matrix[:, chosen] = torch.linalg.solve(inner, cross.T).T
    return matrix
