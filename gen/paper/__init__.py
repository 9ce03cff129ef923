"""Pictures of ECGs on paper with pixel truth, for digitisers and classifiers that read pictures.

    page = lay_out("3x4+1", duration_s=record.duration_s)
    picture = draw(record, page, style)              # clean: exact geometry, anti-aliased
    picture = degrade(picture, "medium", generator)  # folds, perspective, stains, shadow, JPEG ...
    truth(picture)                                   # COCO-style: boxes, polylines, corners, homography, text

Geometry is ours, so that the truth is exact to a fraction of a pixel; what ink and paper look like is augraphy's and
OpenCV's.
"""

from gen.paper.degradation import DEGRADATIONS, degrade
from gen.paper.digitise import digitise
from gen.paper.drawing import Picture, draw
from gen.paper.layouts import PAPER_LAYOUTS, Page, lay_out
from gen.paper.style import Style, draw_style
from gen.paper.truth import CATEGORIES, lead_mask, truth

__all__ = [
    "CATEGORIES",
    "DEGRADATIONS",
    "PAPER_LAYOUTS",
    "Page",
    "Picture",
    "Style",
    "degrade",
    "digitise",
    "draw",
    "draw_style",
    "lay_out",
    "lead_mask",
    "truth",
]
