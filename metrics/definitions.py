"""What each named measure means: one table that reports, contract tests and readers share.

To add one: write a pure function with keyword-only ``reference`` and ``generated``, then one entry in `_TABLE`. The
contract tests pick it up by themselves, every report.json holds it, and a measure of features is computed by the
benchmark for every extractor (``role``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from math import inf
from types import MappingProxyType
from typing import Any, Literal

from gen.records import InputError

#: Counts up whenever a measure's value on equal input changes; stored beside every result.
VERSION = "1"

Kind = Literal["features", "paired signals", "signals", "paired values", "features and holdout"]
#: Where the benchmark computes a measure of features: always, with thorough presets, in the section on diversity.
Role = Literal["distribution", "thorough", "diversity"]


@dataclass(frozen=True, kw_only=True)
class MetricDefinition:
    """One measure.

    Attributes:
        name: as in ``report.json``.
        home: ``module:function`` that computes it; imported when first called.
        kind: what it takes. ``features``: (n, d) twice. ``paired signals``: (n, lead, time) twice, record for record.
            ``signals``: (n, lead, time), unpaired. ``paired values``: (n,) twice, one number per sample.
            ``features and holdout``: training features as reference, generated ones, and holdout ones.
        unit: of the value; empty for a share or a correlation.
        better: direction.
        ideal: value of a perfect generator.
        min_samples: below it the function raises `InputError`.
        symmetric: swapping reference and generated changes nothing.
        needs: further arguments that must be given: ``holdout``, ``fs_hz``.
        accepts: further arguments that may be: ``seed``, ``leads``, ``mask``, ``k``, ``paired``.
        compares: it takes a reference; otherwise it judges the generated set alone.
        copying: what it thinks of a generator that returns its reference: best (fidelity) or worst (privacy).
        role: which part of the benchmark computes it by itself, for every extractor; None: a section of its own does.
        reported_from: records a side below which the benchmark prints none, since it would be mostly chance.
        bounds: of the values, which intervals do not cross.
        slow: it takes a second or more, so fewer splits stand behind floor and interval.
        summary: one sentence for the report.
    """

    name: str
    home: str
    kind: Kind
    better: Literal["lower", "higher"]
    ideal: float | None
    min_samples: int
    summary: str
    unit: str = ""
    symmetric: bool = False
    needs: tuple[str, ...] = ()
    accepts: tuple[str, ...] = ()
    copying: Literal["best", "worst"] = "best"
    compares: bool = True
    role: Role | None = None
    reported_from: int = 1
    bounds: tuple[float, float] = (-inf, inf)
    slow: bool = False

    @property
    def seeded(self) -> bool:
        """Whether the value depends on a seed."""
        return "seed" in self.accepts

    def __call__(self, *, reference: Any = None, generated: Any, **given: Any) -> float:
        """Compute it. Arguments that this measure does not need are ignored, so a caller can pass all it has.

        Raises:
            InputError: an argument that it needs is missing, or the data is unfit.
        """
        missing = [name for name in self.needs if name not in given]
        if missing:
            raise InputError(f"{self.name}: needs {', '.join(missing)}")
        module, _, function = self.home.partition(":")
        arguments = {name: given[name] for name in (*self.needs, *self.accepts) if name in given}
        if self.compares:
            arguments["reference"] = reference
        return float(getattr(import_module(module), function)(generated=generated, **arguments))


def fid_infinity(*, reference: Any, generated: Any, paired: bool = False, seed: int = 0) -> float:
    """Value of `metrics.distribution.frechet.fd_infinity`."""
    from metrics.distribution.frechet import fd_infinity

    return fd_infinity(reference=reference, generated=generated, paired=paired, seed=seed).value


def _measure(name: str, home: str, *, kind: Kind = "features", **given: Any) -> MetricDefinition:
    return MetricDefinition(name=name, home=f"metrics.{home}", kind=kind, **given)


_SHARE, _POSITIVE = (0.0, 1.0), (0.0, inf)

# fmt: off
_TABLE = (
    _measure("fid", "distribution.frechet:fid", better="lower", ideal=0.0, min_samples=2, unit="feature units²",
             symmetric=True, role="distribution", reported_from=100, bounds=_POSITIVE,
             summary="Fréchet distance of the feature sets seen as Gaussians; compare at equal n only."),
    _measure("fid_infinity", "definitions:fid_infinity", better="lower", ideal=0.0, min_samples=20,
             unit="feature units²", accepts=("seed", "paired"), reported_from=100, slow=True,
             summary="Fréchet distance extrapolated to infinitely many samples."),
    _measure("kid", "distribution.mmd:kid", better="lower", ideal=0.0, min_samples=2, symmetric=True,
             role="distribution", reported_from=10,
             summary="Unbiased squared MMD with a cubic kernel; can be slightly negative."),
    _measure("precision", "distribution.manifold:precision", better="higher", ideal=1.0, min_samples=6,
             accepts=("k",), role="distribution", reported_from=20, bounds=_SHARE,
             summary="Share of generated samples inside the real support (k = 5 by default)."),
    _measure("recall", "distribution.manifold:recall", better="higher", ideal=1.0, min_samples=6, accepts=("k",),
             role="distribution", reported_from=20, bounds=_SHARE,
             summary="Share of real samples inside the generated support (k = 5 by default)."),
    _measure("density", "distribution.manifold:density", better="higher", ideal=1.0, min_samples=6, accepts=("k",),
             role="distribution", reported_from=20, bounds=_POSITIVE,
             summary="Real balls around a generated sample over k; above 1 is crowding (k = 5 by default)."),
    _measure("coverage", "distribution.manifold:coverage", better="higher", ideal=1.0, min_samples=6, accepts=("k",),
             role="distribution", reported_from=20, bounds=_SHARE,
             summary="Share of real samples with a generated one in their ball; .969 for equal sets (k = 5)."),
    _measure("two_sample_auroc", "distribution.two_sample:two_sample_auroc", better="lower", ideal=0.5,
             min_samples=20, accepts=("seed",), role="distribution", reported_from=50, bounds=_SHARE, slow=True,
             summary="How well classifiers tell generated from real; .5 is not at all."),
    _measure("mse", "waveform.paired:mse", kind="paired signals", better="lower", ideal=0.0, min_samples=1,
             unit="mV²", symmetric=True, accepts=("mask",),
             summary="Mean squared error on the scored samples."),
    _measure("mae", "waveform.paired:mae", kind="paired signals", better="lower", ideal=0.0, min_samples=1,
             unit="mV", symmetric=True, accepts=("mask",),
             summary="Mean absolute error on the scored samples."),
    _measure("pcc", "waveform.paired:pcc", kind="paired signals", better="higher", ideal=1.0, min_samples=1,
             symmetric=True, accepts=("mask",),
             summary="Pearson correlation per record and lead, plain mean; flat leads are left out."),
    _measure("limb_lead_residual_mv", "waveform.physics:limb_lead_residual_mv", kind="signals", better="lower",
             ideal=0.0, min_samples=1, unit="mV", accepts=("leads",), compares=False,
             summary="RMS deviation from Einthoven's and Goldberger's laws."),
    _measure("hr_mae_bpm", "conditioning:hr_mae_bpm", kind="paired values", better="lower", ideal=0.0, min_samples=2,
             unit="bpm",
             summary="Mean absolute error of the measured against the requested (or paired) heart rate."),
    _measure("near_copy_share", "privacy.copies:near_copy_share", kind="signals", better="lower", ideal=0.0,
             min_samples=1, needs=("fs_hz",), copying="worst",
             summary="Share of generated ECGs that are near-copies of a training ECG."),
    _measure("nearer_to_train_share", "privacy.attacks:nearer_to_train_share", kind="features and holdout",
             better="lower", ideal=0.5, min_samples=2, needs=("holdout",), accepts=("seed",), copying="worst",
             summary="Share of generated samples nearer to training than to holdout patients; .5 is ideal."),
    _measure("membership_auroc", "privacy.attacks:membership_auroc", kind="features and holdout", better="lower",
             ideal=0.5, min_samples=2, needs=("holdout",), accepts=("seed",), copying="worst",
             summary="How well an attacker who sees the samples tells training patients from others; .5 is ideal."),
)
# fmt: on

#: Measures that describe, beside those of `_TABLE`: no report has to hold them, and worse input need not score worse.
# fmt: off
_FURTHER = (
    _measure("precision_k3", "distribution.manifold:precision_k3", better="higher", ideal=1.0, min_samples=4,
             role="thorough", reported_from=20, bounds=_SHARE,
             summary="Precision at k = 3, as the family's papers use it."),
    _measure("recall_k3", "distribution.manifold:recall_k3", better="higher", ideal=1.0, min_samples=4,
             role="thorough", reported_from=20, bounds=_SHARE,
             summary="Recall at k = 3, as the family's papers use it."),
    _measure("mmd_rbf", "distribution.mmd:rbf_mmd", better="lower", ideal=0.0, min_samples=2, accepts=("seed",),
             role="thorough", reported_from=10,
             summary="Unbiased squared MMD, Gaussian kernel of the median distance."),
    _measure("spread_ratio", "distribution.diversity:spread_ratio", better="higher", ideal=1.0, min_samples=2,
             role="diversity", reported_from=20, bounds=_POSITIVE,
             summary="Mean pairwise feature distance over the real one; below .5 is collapse."),
    _measure("vendi_score", "distribution.diversity:standardised_vendi_score", better="higher", ideal=None,
             min_samples=2, role="diversity", reported_from=20, bounds=(1.0, inf),
             summary="Effective number of different samples."),
)
# fmt: on

#: The measures that every report.json holds, computed or skipped, by name.
DEFINITIONS: Mapping[str, MetricDefinition] = MappingProxyType({entry.name: entry for entry in _TABLE})
#: Those and the describing ones.
ALL: Mapping[str, MetricDefinition] = MappingProxyType({entry.name: entry for entry in (*_TABLE, *_FURTHER)})
