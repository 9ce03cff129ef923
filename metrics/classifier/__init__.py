"""ECG classifier trained on PTB-XL: judge of labels, and default features of the distribution measures.

`metrics.classifier.model.Classifier` is the door; this module loads no torch.
"""

from typing import TYPE_CHECKING

from metrics import extractors

if TYPE_CHECKING:
    from metrics.classifier.model import ClassifierFeatures

#: Name of the default feature extractor.
EXTRACTOR = "ptbxl-classifier"


def features() -> "ClassifierFeatures":
    """Make the extractor `EXTRACTOR`: the shipped classifier's penultimate values."""
    from metrics.classifier.model import ClassifierFeatures

    return ClassifierFeatures()


if EXTRACTOR not in extractors.extractor_names():
    extractors.register(EXTRACTOR, features)
