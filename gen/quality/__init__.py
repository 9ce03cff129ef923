"""What is wrong with a recording: missing, flat or clipped leads, interference, wrong units, exchanged electrodes.

Two grades. A *reason* makes the verdict bad: the lead carries no usable signal, or the labels or the unit are wrong.
A *warning* (mains, drift, noise, suspected arm reversal) is ordinary life: such a record can be read with care. The
thresholds were set so that PTB-XL's training folds, which cardiologists could read, are rarely called bad.
"""

from gen.quality.electrodes import arms_reversed
from gen.quality.lead import LeadQuality
from gen.quality.report import QualityReport, bad_leads, quality_report

__all__ = ["LeadQuality", "QualityReport", "arms_reversed", "bad_leads", "quality_report"]
