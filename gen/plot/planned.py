"""What a page of one ECG shows and where, whatever it is drawn with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gen.leads import canonical_lead
from gen.plot.layout import Cell, PageLayout, page_layout
from gen.plot.traces import (
    Band,
    Observed,
    checked_band,
    leads_without_samples,
    observed_mask,
    reach,
    zero_levels,
    zero_of,
)
from gen.records import EcgRecord, InputError


@dataclass(frozen=True, eq=False)
class Planned:
    """A page before it is drawn.

    Attributes:
        record, overlay, band: see `gen.plot.plot_ecg`.
        mask: (lead, time) what was observed.
        zeros: lead -> millivolt on its zero line.
        end_s: where the page ends, in seconds of the recording.
        page: where everything goes.
    """

    record: EcgRecord
    overlay: EcgRecord | None
    mask: np.ndarray
    band: Band
    zeros: Mapping[str, float]
    end_s: float
    page: PageLayout

    def visible(self, cell: Cell) -> Cell:
        """The cell as far as there is something to show."""
        return _until(cell, self.end_s)

    def zero(self, cell: Cell) -> float:
        """Millivolt on the zero line of a cell."""
        return zero_of(self.zeros, self.visible(cell), self.overlay)

    def name_height(self, cell: Cell) -> float:
        """Where above its zero line the middle of a lead's name stands, in mm."""
        return _reached(self.visible(cell), self.record, self.overlay, self.band, self.zeros)[2]

    @property
    def missing(self) -> frozenset[str]:
        """Leads of the page that were not recorded."""
        return leads_without_samples(self.record, [cell.lead for cell in self.page.cells])


def planned(
    record: EcgRecord,
    *,
    layout: str,
    rhythm: str | None,
    observed: Observed,
    band: Band,
    overlay: EcgRecord | None,
    start_s: float,
    duration_s: float | None,
    notes: Sequence[str],
) -> Planned:
    """Lay a page out; arguments as for `gen.plot.plot_ecg`.

    Raises:
        InputError: the record has no samples at ``start_s``.
        ValueError: an unknown layout or lead, or arrays that do not fit the record.
    """
    shown_s = _shown_seconds(record, start_s, duration_s)
    rhythm = None if rhythm is None else canonical_lead(rhythm)
    if rhythm not in record.leads and len(record.leads) == 1:  # nothing else could stand in a row of ten seconds
        rhythm = None if rhythm is None else record.leads[0]
    mask, band = observed_mask(record, observed), checked_band(record, band)
    end_s = start_s + shown_s
    zeros = zero_levels(record, start_s, end_s)
    page = page_layout(
        layout,
        duration_s=shown_s,
        start_s=start_s,
        rhythm=rhythm,
        strip_lead=rhythm or record.leads[0],
        notes=len(notes),
        room=lambda cell: _reached(_until(cell, end_s), record, overlay, band, zeros)[:2],
    )
    return Planned(record, overlay, mask, band, zeros, end_s, page)


def _reached(
    cell: Cell, record: EcgRecord, overlay: EcgRecord | None, band: Band, zeros: Mapping[str, float]
) -> tuple[float, float, float]:
    others = [] if overlay is None or cell.lead not in overlay.leads else [overlay]
    level = zero_of(zeros, cell, overlay)
    return reach(cell, [(each, level) for each in (record, *others)], band)


def _shown_seconds(record: EcgRecord, start_s: float, duration_s: float | None) -> float:
    if record.num_samples == 0 or not 0 <= start_s < record.duration_s:
        raise InputError(
            f"{record.record_id}: nothing to draw at {start_s:g} s, the recording has {record.duration_s:g} s"
        )
    if duration_s is not None and not duration_s > 0:
        raise ValueError(f"duration_s must be above 0, got {duration_s}")
    left = record.duration_s - start_s
    return left if duration_s is None else min(left, duration_s)


def _until(cell: Cell, end_s: float) -> Cell:
    return cell if cell.stop_s <= end_s else replace(cell, stop_s=max(cell.start_s, end_s))
