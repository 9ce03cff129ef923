"""Plots of the report: spectra, amplitude and parameter distributions, a map of the features. No pyplot."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import signal as sps

from gen.leads import LEADS_8
from metrics.statistics.arrays import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REAL, GENERATED = "#5b636d", "#0b53c1"
Pair = tuple[Array, Array, str]


def lead_names(count: int, leads: Sequence[str]) -> tuple[str, ...]:
    """Names of the leads that slow signals hold: the eight, or all."""
    return LEADS_8 if count == len(LEADS_8) else tuple(leads)


def spectra(real: npt.NDArray, fake: npt.NDArray, fs_hz: float, leads: Sequence[str]) -> "Figure":
    """Mean power spectrum (dB) of each lead; signals (n, lead, time)."""
    figure, axes = _grid(len(leads))
    for number, (place, lead) in enumerate(zip(axes, leads, strict=False)):
        for x, colour, name in ((real, REAL, "real"), (fake, GENERATED, "generated")):
            frequency, power = sps.welch(x[:, number], fs=fs_hz, nperseg=min(x.shape[-1], int(2 * fs_hz)))
            place.plot(frequency, 10 * np.log10(power.mean(axis=0) + 1e-9), color=colour, lw=1.2, label=name)
        place.set_title(lead, fontsize=9)
        place.set_xlim(0, 0.45 * fs_hz)
    _finish(figure, axes, "Hz", "dB (mV²/Hz)")
    return figure


def amplitudes(real: npt.NDArray, fake: npt.NDArray, leads: Sequence[str]) -> "Figure":
    """Histogram of the sample values of each lead, on a logarithmic scale."""
    figure, axes = _grid(len(leads))
    for number, (place, lead) in enumerate(zip(axes, leads, strict=False)):
        low, high = np.quantile(real[:, number], [0.0005, 0.9995])
        edges = np.linspace(low - 0.2, high + 0.2, 80)
        for x, colour, name in ((real, REAL, "real"), (fake, GENERATED, "generated")):
            share = np.histogram(x[:, number], edges)[0] / x[:, number].size
            place.stairs(np.maximum(share, 1e-7), edges, color=colour, lw=1.2, label=name)
        place.set_yscale("log")
        place.set_title(lead, fontsize=9)
    _finish(figure, axes, "mV", "share of samples")
    return figure


def parameters(found: Mapping[str, Pair]) -> "Figure":
    """Histograms of the measured ECG parameters."""
    figure, axes = _grid(len(found))
    for place, (name, (real, fake, unit)) in zip(axes, found.items(), strict=False):
        real, fake = real[np.isfinite(real)], fake[np.isfinite(fake)]
        both = np.concatenate([real, fake])
        if not len(both):
            continue
        low, high = np.quantile(both, [0.005, 0.995])
        edges = np.linspace(low, high if high > low else low + 1, 30)
        for x, colour, label in ((real, REAL, "real"), (fake, GENERATED, "generated")):
            if len(x):
                place.stairs(np.histogram(x, edges)[0] / len(x), edges, color=colour, lw=1.2, label=label)
        place.set_title(f"{name} ({unit})" if unit else name, fontsize=9)
    _finish(figure, axes, "", "share of records")
    return figure


def principal_components(real: Array, fake: Array) -> tuple[Array, Array]:
    """Both sets on the two main directions of the real one, (n, 2) and (m, 2)."""
    centre = real.mean(axis=0)
    directions = np.linalg.eigh((real - centre).T @ (real - centre))[1][:, -2:][:, ::-1]
    return (real - centre) @ directions, (fake - centre) @ directions


def feature_map(real: Array, fake: Array, method: str) -> "Figure":
    """Scatter of both sets on a map; far outliers are drawn at the rim."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 5.0), layout="constrained")
    place = figure.add_subplot()
    low, high = np.quantile(np.concatenate([real, fake]), [0.01, 0.99], axis=0)
    reach = 0.15 * (high - low) + 1e-9
    for x, colour, name in ((real, REAL, "real"), (fake, GENERATED, "generated")):
        shown = np.clip(x, low - reach, high + reach)
        place.scatter(shown[:, 0], shown[:, 1], s=9, alpha=0.55, color=colour, linewidths=0, label=name)
    place.set_xlabel(f"{method} 1")
    place.set_ylabel(f"{method} 2")
    place.legend(frameon=False)
    return figure


def _grid(count: int) -> "tuple[Figure, list[Axes]]":
    from matplotlib.figure import Figure

    columns = min(4, max(1, count))
    rows = -(-count // columns)
    figure = Figure(figsize=(2.6 * columns, 2.0 * rows + 0.4), layout="constrained")
    axes = [figure.add_subplot(rows, columns, number + 1) for number in range(count)]
    return figure, axes


def _finish(figure: "Figure", axes: "list[Axes]", across: str, up: str) -> None:
    for place in axes:
        place.tick_params(labelsize=7)
    if axes:
        axes[0].legend(fontsize=7, frameon=False)
    figure.supxlabel(across, fontsize=8)
    figure.supylabel(up, fontsize=8)
