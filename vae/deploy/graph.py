"""The deterministic path of the default model as one graph of plain tensor operations, which `vae.deploy.export`
writes.

The pipeline around the network asks questions about values (which leads are there, is one of them flat), which no
exported graph can. Here the linear start comes from a table with one matrix for each of the 256 sets of observed leads,
so that the graph takes any leads and holes; or, for a device whose leads never change, the set is fixed beforehand.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from gen.leads import LEADS_8, LEADS_8_TO_12, LEADS_12, canonical_leads, derivable, derivation
from gen.records import InputError
from vae.networks.baseline import (
    LEVELS,
    STUDENT,
    Basis,
    conditional_drift,
    slow_basis,
    slow_part,
    whole_slow_part,
)
from vae.networks.lead_vae import MIN_SCALE_MV, LeadVAE
from vae.networks.spatial import pattern_table


class ReconstructionGraph(nn.Module):
    """Eight leads with a mask in, twelve leads and their 90 % band out.

    The prior's mean is decoded; observed samples pass through, the other four limb leads follow from I and II.

    Args:
        model: trained network with calibrated bands.

    Raises:
        InputError: the network's bands were never calibrated.
    """

    inputs: tuple[str, ...] = ("signal_mv", "observed")
    outputs: tuple[str, ...] = ("ecg_mv", "half_width_90_mv")
    leads: tuple[str, ...] = LEADS_8
    table: torch.Tensor
    bits: torch.Tensor
    factor: torch.Tensor
    squares: torch.Tensor
    drift_left: torch.Tensor
    drift_values: torch.Tensor
    drift_right: torch.Tensor
    drift_quantiles: torch.Tensor

    def __init__(self, model: LeadVAE) -> None:
        super().__init__()
        factors = (model.config["band_factors"] or {}).get("90")
        if factors is None:
            raise InputError(
                "checkpoint without a 90 % band; accepted: one that `physiogen train vae/bands` has written"
            )
        self.model = model.eval()
        self.fs_hz, self.multiple = float(model.fs_hz), int(model.multiple)
        self.register_buffer("table", pattern_table(model.lead_covariance).float())
        self.register_buffer("bits", 2 ** torch.arange(len(LEADS_8)))
        self.register_buffer("factor", torch.tensor(factors, dtype=torch.float32)[:, None])
        self.register_buffer("squares", torch.tensor(LEADS_8_TO_12**2, dtype=torch.float32))
        self.basis: Basis | None = None
        if model.drift is not None:
            patterns = [tuple(bool(p >> k & 1) for k in range(len(LEADS_8))) for p in range(1 << len(LEADS_8))]
            factors = [model.drift.of_pattern(pattern) for pattern in patterns]
            for name, part in zip(("left", "values", "right"), zip(*factors, strict=True), strict=True):
                self.register_buffer(f"drift_{name}", torch.stack(part))
            counts = torch.tensor([sum(pattern) for pattern in patterns])
            self.register_buffer("drift_quantiles", STUDENT[counts])

    def prepare(self, seconds: float) -> None:
        """Lay down what depends on the length of the signals, before the graph is exported for that length."""
        self.basis = slow_basis(round(seconds * self.fs_hz), self.fs_hz)

    def forward(self, signal_mv: torch.Tensor, observed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Rebuild.

        Args:
            signal_mv: (batch, 8, time) float32 mV, ``LEADS_8``, at ``fs_hz``, time a multiple of ``multiple``; what
                stands where ``observed`` is False has no influence.
            observed: (batch, 8, time) bool.

        Returns:
            Twelve leads and half the width of their 90 % band (0 where observed), both (batch, 12, time) mV.
        """
        eight, half = self.eight(torch.where(observed, signal_mv, 0.0), observed)
        return twelve_of(eight), self.half_of_twelve(half)

    def eight(self, signal: torch.Tensor, observed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Eight leads and half the width of their band from samples that are 0 where not observed."""
        deviation, slow, slow_half = signal, torch.zeros_like(signal), torch.zeros_like(signal[:, :, :1])
        if self.model.drift is not None:
            fitted = self.slow(signal, observed)
            deviation = torch.where(observed, signal - fitted, 0.0)
            given = observed.any(dim=2)
            slow, halves = conditional_drift(fitted, given, *self.drift_factors(given))
            unseen = 1 - observed.float().mean(dim=2)
            slow_half = (halves[:, LEVELS.index(90), None] * unseen)[:, :, None]
        power, count = deviation.square().sum((1, 2)), observed.float().sum((1, 2))
        scale = (power / count.clamp_min(1)).sqrt().clamp_min(MIN_SCALE_MV)[:, None, None]
        x = deviation / scale
        filled = torch.where(observed, x, self.linear(x, observed))
        encoded = self.model.read(filled, observed, scale)
        decoded = self.model.decode(encoded, encoded.mean)
        half = ((decoded.scale_mv * self.factor).square() + slow_half.square()).sqrt()
        return torch.where(observed, signal, decoded.mean_mv + slow), torch.where(observed, 0.0, half)

    def slow(self, signal: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
        """Slow parts of the given leads, (batch, 8, time); jumps of the baseline are not looked for."""
        return slow_part(signal, observed, self.basis_of(signal))

    def basis_of(self, signal: torch.Tensor) -> Basis:
        """Slow functions of signals of this length."""
        ready = self.basis is not None and self.basis.full.shape[-1] == signal.shape[-1]
        return self.basis if ready and self.basis else slow_basis(signal.shape[-1], self.fs_hz)

    def drift_factors(self, given: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Factors of `vae.networks.baseline.conditional_drift` for the leads given, (batch, 8) bool."""
        code = (given.long() * self.bits).sum(dim=1)
        tables = (self.drift_left, self.drift_values, self.drift_right, self.drift_quantiles)
        return tuple(table[code] for table in tables)

    def linear(self, x: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
        """Conditional mean at every instant, see `vae.networks.spatial`; both (batch, 8, time)."""
        code = (observed.long() * self.bits[:, None]).sum(dim=1)
        return (self.table[code] @ x.transpose(1, 2)[..., None])[..., 0].transpose(1, 2)

    def half_of_twelve(self, half: torch.Tensor) -> torch.Tensor:
        """Band of twelve leads: errors of the eight are taken as independent, as in the pipeline."""
        return (self.squares @ half.square()).sqrt()

    def example(self, seconds: float, batch: int) -> tuple[torch.Tensor, ...]:
        """Inputs of the right shapes, for tracing: leads II, V1, V5 observed."""
        signal = torch.randn(batch, len(LEADS_8), round(seconds * self.fs_hz))
        observed = torch.zeros_like(signal, dtype=torch.bool)
        observed[:, [LEADS_8.index(lead) for lead in ("II", "V1", "V5")]] = True
        return signal, observed


class FixedLeadsGraph(ReconstructionGraph):
    """A device's leads in, twelve out.

    Args:
        model: as `ReconstructionGraph`.
        leads: what the device records, in the order of its channels.

    Raises:
        InputError: a limb lead other than I and II that comes alone.
    """

    inputs = ("leads_mv",)
    rows: torch.Tensor
    known: torch.Tensor
    matrix: torch.Tensor

    def __init__(self, model: LeadVAE, leads: Sequence[str]) -> None:
        super().__init__(model)
        self.leads = canonical_leads(leads)
        known = [lead for lead in LEADS_8 if lead in derivable(self.leads)]
        alone = [lead for lead in self.leads if lead not in LEADS_8 and "I" not in known]
        if alone:
            raise InputError(f"lead {alone[0]} alone; accepted: I or II, or two limb leads, and any of V1-V6")
        rows = np.zeros((len(LEADS_8), len(self.leads)), dtype=np.float32)
        rows[[LEADS_8.index(lead) for lead in known]] = derivation(self.leads, known)
        pattern = sum(1 << LEADS_8.index(lead) for lead in known)
        self.register_buffer("rows", torch.from_numpy(rows))
        self.register_buffer("known", torch.tensor([lead in known for lead in LEADS_8])[:, None])
        self.register_buffer("matrix", self.table[pattern].clone())
        if model.drift is not None:
            for name in ("drift_left", "drift_values", "drift_right", "drift_quantiles"):
                self.register_buffer(name, getattr(self, name)[pattern : pattern + 1].clone())
        del self.table, self.bits
        #: Where each of the twelve leads stands among what was given, behind the twelve rebuilt ones.
        self.order = [
            len(LEADS_12) + self.leads.index(lead) if lead in self.leads else row for row, lead in enumerate(LEADS_12)
        ]

    def forward(self, leads_mv: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # type: ignore[override]
        """Rebuild from (batch, lead, time) mV; see `ReconstructionGraph.forward`."""
        signal = self.rows @ leads_mv
        eight, half = self.eight(signal, self.known.expand(signal.shape))
        whole = torch.cat([twelve_of(eight), leads_mv], dim=1)
        return torch.stack([whole[:, row] for row in self.order], dim=1), self.half_of_twelve(half)

    def slow(self, signal: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
        """A device's leads have no holes."""
        return torch.where(observed, whole_slow_part(signal, self.basis_of(signal)), 0.0)

    def drift_factors(self, given: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The same leads every time."""
        del given
        return self.drift_left, self.drift_values, self.drift_right, self.drift_quantiles

    def linear(self, x: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
        """The same matrix at every instant."""
        del observed
        return self.matrix @ x

    def example(self, seconds: float, batch: int) -> tuple[torch.Tensor, ...]:
        """Inputs of the right shape, for tracing."""
        return (torch.randn(batch, len(self.leads), round(seconds * self.fs_hz)),)


def twelve_of(eight: torch.Tensor) -> torch.Tensor:
    """(batch, 8, time) -> (batch, 12, time) by Einthoven's law and Goldberger's definitions."""
    one, two = eight[:, :1], eight[:, 1:2]
    return torch.cat([one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2, eight[:, 2:]], dim=1)
