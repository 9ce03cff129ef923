"""One PDF with trace and measurements: a page of ECG paper at true scale for every record.

    with MeasuredPages("ECGS.pdf") as pages:
        pages.add(record, parameters)            # what `metrics.measurement` found
    write_pdf(record, "ECG.pdf")                 # one record, measured here

Two lines above the grid say what was measured; a page of synthetic signals says that they are. Equal records give equal
files.
"""

from math import isfinite
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from gen.records import EcgRecord, InputError
from metrics.measurement.parameters import FAILURES, Parameters

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Fewer leads than this are drawn as one lead in rows of ten seconds.
FEW_LEADS = 3
#: What an A4 page holds of it.
_STRIP_S = 50.0
_DOT = " \N{MIDDLE DOT} "
_NOTICE = "measured by software, not for diagnosis"


def measured_page(record: EcgRecord, parameters: Parameters) -> "Figure":
    """The record on A4 paper with its measurements; of a long one the beginning, while the figures are of all of it.

    Raises:
        InputError: the record has no samples.
    """
    from gen.plot import plot_ecg

    notes = measured_lines(parameters)
    if len(record.leads) < FEW_LEADS:
        return plot_ecg(record, layout="strip", rhythm=record.leads[0], duration_s=_STRIP_S, notes=notes)
    rhythm = "II" if "II" in record.leads else record.leads[0]
    return plot_ecg(record, rhythm=rhythm, notes=notes)


def measured_lines(parameters: Parameters) -> tuple[str, str]:
    """What was measured, in two lines; a dash where something could not be."""
    p = parameters
    if p.failure is not None:
        reason = f"Not measured: {FAILURES[p.failure]}"
        return reason, _DOT.join(part for part in (_quality(p), _NOTICE) if part)
    first = [
        f"Rate {_number(p.hr_bpm)} bpm",
        f"PR {_number(p.pr_ms)} ms",
        f"QRS {_number(p.qrs_ms)} ms",
        f"QT {_number(p.qt_ms)} ms",
        f"QTc {_number(p.qtcb_ms)} (Bazett), {_number(p.qtcf_ms)} (Fridericia) ms",
        f"axis {_number(p.axis_deg)}\N{DEGREE SIGN}",
        f"Sokolow-Lyon {_number(p.sokolow_mv, 2)} mV",
        f"Cornell {_number(p.cornell_mv, 2)} mV",
    ]
    second = [
        f"Rhythm: {p.rhythm.words}",
        f"RR {_number(p.rr_ms)} ms, SDNN {_number(p.rr_sd_ms)} ms, RMSSD {_number(p.rmssd_ms)} ms",
        _quality(p),
        _NOTICE,
    ]
    return _DOT.join(first), _DOT.join(part for part in second if part)


def _number(value: float, decimals: int = 0) -> str:
    return f"{value:.{decimals}f}" if isfinite(value) else "\N{EN DASH}"


def _quality(p: Parameters) -> str:
    return f"quality {p.quality:.2f}" if isfinite(p.quality) else ""


class MeasuredPages:
    """A PDF that grows by a page a record; written in place (see `gen.files` for whole-or-nothing).

    Args:
        path: the file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._synthetic = 0

    def __enter__(self) -> Self:
        from matplotlib.backends.backend_pdf import PdfPages

        # matplotlib writes the time of day unless told not to.
        self._pdf = PdfPages(self.path, metadata={"CreationDate": None, "Title": "ECG with measurements"})
        return self

    def add(self, record: EcgRecord, parameters: Parameters) -> None:
        """Append a page.

        Raises:
            InputError: the record has no samples.
        """
        from gen.plot.files import house_style

        figure = measured_page(record, parameters)
        with house_style():
            self._pdf.savefig(figure)
        self._synthetic += record.synthetic

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._synthetic:
            facts = self._pdf.infodict()
            facts["Subject"] = "Synthetic: made or completed by software, not a recording for diagnosis"
            facts["Keywords"] = "synthetic"
        self._pdf.close()


def write_pdf(record: EcgRecord, path: str | Path) -> None:
    """Measure a record and write it as a PDF of one page.

    Raises:
        InputError: the record has no samples, or more than is measured at a time.
    """
    from gen.io.blocks import LONG_S, is_long
    from metrics.measurement.records import measure_records

    if is_long(record):
        raise InputError(
            f"{record.source_name}: {record.duration_s / 3600:.1f} h; a PDF of one page is made of up to "
            f"{LONG_S / 3600:g} h (physiogen measure --pdf makes a page an hour)"
        )
    with MeasuredPages(path) as pages:
        pages.add(record, measure_records([record])[0])
