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


_TABLE = (
    MetricDefinition(
        name="fid",
        home="metrics.distribution.frechet:fid",
        kind="features",
        unit="feature units²",
        better="lower",
        ideal=0.0,
        min_samples=2,
        symmetric=True,
        role="distribution",
        reported_from=100,
        bounds=(0.0, inf),
        summary="Fréchet distance of the feature sets seen as Gaussians; compare at equal n only.",
    ),
    MetricDefinition(
        name="fid_infinity",
        home="metrics.definitions:fid_infinity",
        kind="features",
        unit="feature units²",
        better="lower",
        ideal=0.0,
        min_samples=20,
        accepts=("seed", "paired"),
        reported_from=100,
        slow=True,
        summary="Fréchet distance extrapolated to infinitely many samples.",
    ),
    MetricDefinition(
        name="kid",
        home="metrics.distribution.mmd:kid",
        kind="features",
        better="lower",
        ideal=0.0,
        min_samples=2,
        symmetric=True,
        role="distribution",
        reported_from=10,
        summary="Unbiased squared MMD with a cubic kernel; can be slightly negative.",
    ),
    MetricDefinition(
        name="precision",
        home="metrics.distribution.manifold:precision",
        kind="features",
        better="higher",
        ideal=1.0,
        min_samples=6,
        accepts=("k",),
        role="distribution",
        reported_from=20,
        bounds=(0.0, 1.0),
        summary="Share of generated samples inside the real support (k = 5 by default).",
    ),
    MetricDefinition(
        name="recall",
        home="metrics.distribution.manifold:recall",
        kind="features",
        better="higher",
        ideal=1.0,
        min_samples=6,
        accepts=("k",),
        role="distribution",
        reported_from=20,
        bounds=(0.0, 1.0),
        summary="Share of real samples inside the generated support (k = 5 by default).",
    ),
    MetricDefinition(
        name="density",
        home="metrics.distribution.manifold:density",
        kind="features",
        better="higher",
        ideal=1.0,
        min_samples=6,
        accepts=("k",),
        role="distribution",
        reported_from=20,
        bounds=(0.0, inf),
        summary="Real balls around a generated sample over k; above 1 is crowding (k = 5 by default).",
    ),
    MetricDefinition(
        name="coverage",
        home="metrics.distribution.manifold:coverage",
        kind="features",
        better="higher",
        ideal=1.0,
        min_samples=6,
        accepts=("k",),
        role="distribution",
        reported_from=20,
        bounds=(0.0, 1.0),
        summary="Share of real samples with a generated one in their ball; .969 for equal sets (k = 5 by default).",
    ),
    MetricDefinition(
        name="two_sample_auroc",
        home="metrics.distribution.two_sample:two_sample_auroc",
        kind="features",
        better="lower",
        ideal=0.5,
        min_samples=20,
        accepts=("seed",),
        role="distribution",
        reported_from=50,
        bounds=(0.0, 1.0),
        slow=True,
        summary="How well classifiers tell generated from real; .5 is not at all.",
    ),
    MetricDefinition(
        name="mse",
        home="metrics.waveform.paired:mse",
        kind="paired signals",
        unit="mV²",
        better="lower",
        ideal=0.0,
        min_samples=1,
        symmetric=True,
        accepts=("mask",),
        summary="Mean squared error on the scored samples.",
    ),
    MetricDefinition(
        name="mae",
        home="metrics.waveform.paired:mae",
        kind="paired signals",
        unit="mV",
        better="lower",
        ideal=0.0,
        min_samples=1,
        symmetric=True,
        accepts=("mask",),
        summary="Mean absolute error on the scored samples.",
    ),
    MetricDefinition(
        name="pcc",
        home="metrics.waveform.paired:pcc",
        kind="paired signals",
        better="higher",
        ideal=1.0,
        min_samples=1,
        symmetric=True,
        accepts=("mask",),
        summary="Pearson correlation per record and lead, plain mean; flat leads are left out.",
    ),
    MetricDefinition(
        name="limb_lead_residual_mv",
        home="metrics.waveform.physics:limb_lead_residual_mv",
        kind="signals",
        unit="mV",
        better="lower",
        ideal=0.0,
        min_samples=1,
        accepts=("leads",),
        compares=False,
        summary="RMS deviation from Einthoven's and Goldberger's laws.",
    ),
    MetricDefinition(
        name="hr_mae_bpm",
        home="metrics.conditioning:hr_mae_bpm",
        kind="paired values",
        unit="bpm",
        better="lower",
        ideal=0.0,
        min_samples=2,
        summary="Mean absolute error of the measured against the requested (or paired) heart rate.",
    ),
    MetricDefinition(
        name="near_copy_share",
        home="metrics.privacy.copies:near_copy_share",
        kind="signals",
        better="lower",
        ideal=0.0,
        min_samples=1,
        needs=("fs_hz",),
        copying="worst",
        summary="Share of generated ECGs that are near-copies of a training ECG.",
    ),
    MetricDefinition(
        name="nearer_to_train_share",
        home="metrics.privacy.attacks:nearer_to_train_share",
        kind="features and holdout",
        better="lower",
        ideal=0.5,
        min_samples=2,
        needs=("holdout",),
        accepts=("seed",),
        copying="worst",
        summary="Share of generated samples nearer to training than to holdout patients; .5 is ideal.",
    ),
    MetricDefinition(
        name="membership_auroc",
        home="metrics.privacy.attacks:membership_auroc",
        kind="features and holdout",
        better="lower",
        ideal=0.5,
        min_samples=2,
        needs=("holdout",),
        accepts=("seed",),
        copying="worst",
        summary="How well an attacker who sees the samples tells training patients from others; .5 is ideal.",
    ),
)

#: Measures that describe, beside those of `_TABLE`: no report has to hold them, and worse input need not score worse.
_FURTHER = (
    MetricDefinition(
        name="precision_k3",
        home="metrics.distribution.manifold:precision_k3",
        kind="features",
        better="higher",
        ideal=1.0,
        min_samples=4,
        role="thorough",
        reported_from=20,
        bounds=(0.0, 1.0),
        summary="Precision at k = 3, as the family's papers use it.",
    ),
    MetricDefinition(
        name="recall_k3",
        home="metrics.distribution.manifold:recall_k3",
        kind="features",
        better="higher",
        ideal=1.0,
        min_samples=4,
        role="thorough",
        reported_from=20,
        bounds=(0.0, 1.0),
        summary="Recall at k = 3, as the family's papers use it.",
    ),
    MetricDefinition(
        name="mmd_rbf",
        home="metrics.distribution.mmd:rbf_mmd",
        kind="features",
        better="lower",
        ideal=0.0,
        min_samples=2,
        accepts=("seed",),
        role="thorough",
        reported_from=10,
        summary="Unbiased squared MMD, Gaussian kernel of the median distance.",
    ),
    MetricDefinition(
        name="spread_ratio",
        home="metrics.distribution.diversity:spread_ratio",
        kind="features",
        better="higher",
        ideal=1.0,
        min_samples=2,
        role="diversity",
        reported_from=20,
        bounds=(0.0, inf),
        summary="Mean pairwise feature distance over the real one; below .5 is collapse.",
    ),
    MetricDefinition(
        name="vendi_score",
        home="metrics.distribution.diversity:standardised_vendi_score",
        kind="features",
        better="higher",
        ideal=None,
        min_samples=2,
        role="diversity",
        reported_from=20,
        bounds=(1.0, inf),
        summary="Effective number of different samples.",
    ),
)

#: The measures that every report.json holds, computed or skipped, by name.
DEFINITIONS: Mapping[str, MetricDefinition] = MappingProxyType({entry.name: entry for entry in _TABLE})
#: Those and the describing ones.
ALL: Mapping[str, MetricDefinition] = MappingProxyType({entry.name: entry for entry in (*_TABLE, *_FURTHER)})
