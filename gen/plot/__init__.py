"""ECG pictures at true paper scale (25 mm/s, 10 mm/mV), as PNG, SVG or PDF.

    from gen.plot import plot_ecg, save
    save(plot_ecg(record, layout="3x4"), "strip.pdf")

Importing this package does not import matplotlib; drawing does. pyplot is not used, and
matplotlib's settings are as they were afterwards.
"""

from gen.plot.ecg import plot_ecg
from gen.plot.files import render, save
from gen.plot.layout import LAYOUTS, MM_PER_MV, MM_PER_S
from gen.plot.sheet import contact_sheet

__all__ = ["LAYOUTS", "MM_PER_MV", "MM_PER_S", "contact_sheet", "plot_ecg", "render", "save"]
