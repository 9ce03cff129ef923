"""One picture of a record from first to last; what a worker process does."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gen.paper.degradation import degrade
from gen.paper.drawing import draw
from gen.paper.files import write_picture
from gen.paper.layouts import lay_out
from gen.paper.style import draw_style
from gen.randomness import record_generator
from gen.records import EcgRecord, InputError


@dataclass(frozen=True)
class PictureSettings:
    """What decides the pictures of a record; stands in the folder's plan."""

    layouts: tuple[str, ...]
    degrade: str
    number: int
    seed: int
    mm_per_s: float
    mm_per_mv: float
    width: int
    start_s: float


def make_picture(
    record: EcgRecord, out: Path, name: str, k: int, settings: PictureSettings, printed: Mapping[str, str]
) -> str | None:
    """Draw picture ``k`` of a record and write it; what is wrong with the record, in a line.

    Everything is drawn from the seed, the record's name and ``k``: pictures do not depend on each other.
    """
    import cv2

    cv2.setNumThreads(1)  # one process a picture: threads would wait for each other
    generator = record_generator(settings.seed, f"paper {record.record_id}", k)
    layout = settings.layouts[int(generator.integers(len(settings.layouts)))]
    try:
        page = lay_out(
            layout,
            duration_s=record.duration_s,
            start_s=settings.start_s,
            mm_per_s=settings.mm_per_s,
            mm_per_mv=settings.mm_per_mv,
            width=settings.width,
        )
        style = draw_style(generator, sex=record.patient.sex, age=record.patient.age, measured=printed)
        picture = degrade(draw(record, page, style), settings.degrade, generator)
    except InputError as error:
        text = str(error)
        return text if text.startswith(record.record_id) else f"{record.record_id}: {text}"
    write_picture(out, name, picture, {"seed": settings.seed, "picture": k, "measured": dict(printed)})
    return None
