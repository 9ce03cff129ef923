"""ECG classifier trained on PTB-XL: judge of labels, and default features of the distribution measures.

`metrics.judges.classifier.model.Classifier` is the door; this module loads no torch.
"""

import os
from typing import TYPE_CHECKING

from gen.records import InputError
from metrics.distribution import extractors

if TYPE_CHECKING:
    from metrics.judges.classifier.model import ClassifierFeatures
    from metrics.judges.ecgfounder import EcgFounderFeatures

#: Name of the default feature extractor.
EXTRACTOR = "ptbxl-classifier"


def features() -> "ClassifierFeatures":
    """Make the extractor `EXTRACTOR`: the shipped classifier's penultimate values."""
    from metrics.judges.classifier.model import ClassifierFeatures

    return ClassifierFeatures()


def founder() -> "EcgFounderFeatures":
    """Make the extractor ``ecgfounder`` from the weights that the variable PHYSIOGEN_ECGFOUNDER names.

    Raises:
        InputError: the variable is not set, or the file is not the published 12-lead weights.
    """
    path = os.environ.get("PHYSIOGEN_ECGFOUNDER")
    if not path:
        raise InputError("ecgfounder: no weights; set PHYSIOGEN_ECGFOUNDER to the published 12-lead .pth file")
    from metrics.judges.ecgfounder import EcgFounderFeatures

    return EcgFounderFeatures(path)


for _name, _factory in ((EXTRACTOR, features), ("ecgfounder", founder)):
    if _name not in extractors.extractor_names():
        extractors.register(_name, _factory)
