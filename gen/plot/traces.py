"""Signals in the cells: what is observed, what is reconstructed, the band and the overlay."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gen.leads import LeadError, canonical_leads, parse_leads
from gen.plot.layout import MM_PER_MV, MM_PER_S, Cell
from gen.records import EcgRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Observed = Collection[str] | np.ndarray | None
Band = tuple[np.ndarray, np.ndarray] | None


def observed_mask(record: EcgRecord, observed: Observed) -> np.ndarray:
    """Which samples were observed: (lead, time) bool.

    Args:
        record: the record that is drawn.
        observed: lead names, a boolean mask of the record's shape, or None for everything.

    Raises:
        ValueError: a lead that the record does not have, or a mask of another shape or type.
    """
    shape = record.signal_mv.shape
    if observed is None:
        return np.ones(shape, dtype=bool)
    if isinstance(observed, np.ndarray) and observed.dtype.kind not in "US":
        if observed.dtype != bool or observed.shape != shape:
            raise ValueError(
                f"the observed mask must be bool of shape {shape} (lead, time), got {observed.dtype} {observed.shape}"
            )
        return observed
    names = parse_leads(observed) if isinstance(observed, str) else canonical_leads(sorted(observed))
    for name in names:
        if name not in record.leads:
            raise LeadError(f"observed lead {name} is not in the record; it has {', '.join(record.leads)}")
    rows = np.array([lead in names for lead in record.leads])
    return np.broadcast_to(rows[:, None], shape)


def checked_band(record: EcgRecord, band: Band) -> Band:
    """Check the band and give it as two float arrays of the record's shape; raises ValueError if it does not fit."""
    if band is None:
        return None
    lower, upper = (np.asarray(edge, dtype=np.float64) for edge in band)
    for name, edge in (("lower", lower), ("upper", upper)):
        if edge.shape != record.signal_mv.shape:
            raise ValueError(
                f"the {name} edge of the band has shape {edge.shape}; expected {record.signal_mv.shape} (lead, time)"
            )
    if np.any(lower > upper):
        raise ValueError("the band must be (lower, upper), but its lower edge is above its upper edge somewhere")
    return lower, upper


def sample_window(cell: Cell, record: EcgRecord) -> slice:
    """Find the samples that a cell shows: those at times in [start, stop], the end included so that columns meet."""
    first = int(np.ceil(round(cell.start_s * record.fs_hz, 6)))
    last = int(np.floor(round(cell.stop_s * record.fs_hz, 6)))
    return slice(max(0, first), min(record.num_samples, last + 1))


def positions(cell: Cell, window: slice, fs_hz: float) -> np.ndarray:
    """Page position in mm of the samples of a window: (time,)."""
    return cell.x_mm + (np.arange(window.start, window.stop) / fs_hz - cell.start_s) * MM_PER_S


def zero_levels(record: EcgRecord, first_s: float, last_s: float) -> dict[str, float]:
    """Millivolt value put on the zero line of each lead: its median over the shown time.

    An amplifier's offset would push a trace off its row; the position knob of an electrocardiograph does the same.
    """
    window = slice(max(0, int(first_s * record.fs_hz)), max(1, int(np.ceil(last_s * record.fs_hz))))
    levels = {}
    for lead, row in zip(record.leads, record.signal_mv[:, window], strict=True):
        finite = row[np.isfinite(row)]
        levels[lead] = float(np.median(finite)) if finite.size else 0.0
    return levels


def zero_of(zeros: Mapping[str, float], cell: Cell, overlay: EcgRecord | None) -> float:
    """Millivolt on the zero line: the record's; of a lead that it lacks, the overlay's own."""
    if cell.lead in zeros or overlay is None:
        return zeros.get(cell.lead, 0.0)
    return zero_levels(overlay, cell.start_s, cell.stop_s).get(cell.lead, 0.0)


def split_trace(values: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One trace as two with NaN gaps: where ``mask`` holds, and elsewhere.

    The second is carried on to the neighbouring samples of the first, so that the drawn line has no hole.
    """
    rest = ~mask
    touching = rest.copy()
    touching[1:] |= rest[:-1]
    touching[:-1] |= rest[1:]
    return np.where(mask, values, np.nan), np.where(touching, values, np.nan)


def draw_line(
    axes: "Axes", xs: np.ndarray, ys: np.ndarray, *, colour: str, points: float, zorder: float, gid: str
) -> None:
    """One line; nothing is drawn when no sample is finite. A sample alone between gaps shows as a dot."""
    if not np.isfinite(ys).any():
        return
    axes.plot(
        xs, ys, color=colour, linewidth=points, solid_joinstyle="round", solid_capstyle="round", zorder=zorder, gid=gid
    )
    alone = np.isfinite(ys)
    alone[1:] &= ~np.isfinite(ys[:-1])
    alone[:-1] &= ~np.isfinite(ys[1:])
    if alone.any():
        axes.plot(xs[alone], ys[alone], ".", color=colour, markersize=1.5 * points, zorder=zorder)


def to_page(cell: Cell, values_mv: np.ndarray, zero_mv: float) -> np.ndarray:
    """Millivolt to page height in mm."""
    return cell.y_mm + cell.sign * (np.asarray(values_mv, dtype=np.float64) - zero_mv) * MM_PER_MV


#: A lead's name: how high it is, how wide a letter is beside that, and where it stands above the zero line at least.
NAME_MM, LETTER, NAME_LEVEL_MM = 3.5, 0.75, 8.0


def reach(
    cell: Cell, drawn: Sequence[tuple[EcgRecord, float]], band: Band = None, name_mm: float = NAME_MM
) -> tuple[float, float, float]:
    """How far a cell's traces reach, and where its name is free of them.

    Args:
        cell: the place.
        drawn: records that are drawn there, each with the millivolt on its zero line; the first one is the band's.
        band: lower and upper edge of the first record.
        name_mm: height of the name.

    Returns:
        Above and below the zero line, the name included, and the height of the middle of the name, all in mm.
    """
    high, low, at_name = 0.0, 0.0, 0.0
    name_s = (1.0 + LETTER * name_mm * len(cell.label) + 1.5) / MM_PER_S
    for number, (record, zero_mv) in enumerate(drawn):
        if cell.lead not in record.leads:
            continue
        row, window = record.leads.index(cell.lead), sample_window(cell, record)
        edges = [record.signal_mv[row, window]]
        edges += [edge[row, window] for edge in band] if band is not None and number == 0 else []
        for edge in edges:
            values = cell.sign * (np.asarray(edge, dtype=np.float64) - zero_mv) * MM_PER_MV
            finite = values[np.isfinite(values)]
            if finite.size:
                high, low = max(high, float(finite.max())), max(low, -float(finite.min()))
            start = values[: int(np.ceil(name_s * record.fs_hz))]
            start = start[np.isfinite(start)]
            at_name = max(at_name, float(start.max())) if start.size else at_name
    name = max(NAME_LEVEL_MM, at_name + 1.0 + name_mm / 2)
    return max(high, name + name_mm / 2), low, name


def leads_without_samples(record: EcgRecord, wanted: Sequence[str]) -> frozenset[str]:
    """Wanted leads that the record lacks, or has without a single finite sample."""
    empty = {lead for lead, row in zip(record.leads, record.signal_mv, strict=True) if not np.isfinite(row).any()}
    return frozenset(lead for lead in wanted if lead not in record.leads or lead in empty)
