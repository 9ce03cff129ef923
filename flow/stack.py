"""Where the slices of a drawn heart lie, and how its stack is made from its mid slice.

A picture of one slice does not say how long a heart is. Its volume does: a ventricle of the usual outline
(`gen.simulate.cine.ventricle.profile`) whose mid slice has this area holds this volume at one length alone.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from flow.networks.cine_codec import Decoded
from flow.networks.objective import sample
from flow.networks.slice_codec import SliceCodec
from flow.networks.slices import SliceContext, SliceFlow
from gen.checkpoint import checkpoint_digest, model_config, save_checkpoint
from gen.cine import LV_CAVITY
from gen.precision import reduced_precision
from gen.simulate.cine import LEVEL_SHARES, MID_LEVEL, STACK_STEP_MM, stack_heights
from gen.simulate.cine.ventricle import length_of

#: Steps of the ODE of a slice: the mid one has said most of it.
STEPS = 4
#: Length of the cavity of hearts, mm: what a torn mid slice would make of it beyond that is not believed.
LENGTHS_MM = (55.0, 140.0)


def heart_length_mm(masks: np.ndarray, pixel_mm2: float, edv_ml: float) -> float:
    """Base to apex of the cavity at end-diastole.

    Args:
        masks: labels (frame, row, col) of the mid slice, the R peak first.
        pixel_mm2: area of a pixel.
        edv_ml: volume at end-diastole.
    """
    area = max(float((masks[0] == LV_CAVITY).sum()) * pixel_mm2, pixel_mm2)
    return float(np.clip(length_of(edv_ml, area, MID_LEVEL), *LENGTHS_MM))


def slice_shares(levels: str, length_mm: float) -> np.ndarray:
    """(slice,) heights, 0 base to 1 apex, base first, of a word of `LEVELS` in a heart of this length."""
    if levels in LEVEL_SHARES:
        return np.array(LEVEL_SHARES[levels])
    shares = 1.0 - stack_heights(length_mm, STACK_STEP_MM) / length_mm
    # A slice above the base looks like one below it and has no ventricle: what would be drawn there is a guess.
    return shares[shares >= 0.0]


@dataclass(frozen=True, eq=False)
class Slices:
    """Draws the slices of a heart.

    Attributes:
        codec: of slices.
        flow: to their latents.
    """

    codec: SliceCodec
    flow: SliceFlow

    def __post_init__(self) -> None:
        self.codec.eval()
        self.flow.eval()

    def save(self, folder: Path, codec_digest: str) -> None:
        """Write both into a pipeline folder, whose codec has this digest."""
        save_checkpoint(
            folder / "slice_codec", config={**model_config(self.codec), "codec_digest": codec_digest}, model=self.codec
        )
        digest = checkpoint_digest(folder / "slice_codec")
        config = {**model_config(self.flow), "slice_codec_digest": digest}
        save_checkpoint(folder / "slices", config=config, model=self.flow)

    @torch.no_grad()
    def draw(
        self,
        mid: torch.Tensor,
        figures: torch.Tensor,
        motion: torch.Tensor,
        shares: np.ndarray,
        noise: torch.Tensor,
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Frames (frame, row, col) 0..1 float32 and labels uint8 of slices of one heart.

        Args:
            mid: (channels, rows, columns) standardised anatomy of its mid slice.
            figures: (figures,) standardised.
            motion: (frame, motion_width) of its mid slice.
            shares: (slice,) heights.
            noise: (size,) standard normal, one for all slices of the heart.
        """
        count, device = len(shares), mid.device
        level = torch.from_numpy(np.asarray(shares, np.float32)).to(device)
        context = SliceContext(mid.expand(count, *mid.shape), figures.expand(count, -1), level)
        drawn = sample(self.flow, noise.to(device).expand(count, -1), context, steps=STEPS)
        out = []
        for anatomy in self.codec.restore(drawn.unflatten(1, self.flow.anatomy_shape)):
            with reduced_precision(device.type):
                out += pictures_of(self.codec.decode(anatomy[None], motion[None]))
        return out


def pictures_of(decoded: Decoded) -> list[tuple[np.ndarray, np.ndarray]]:
    """Frames (frame, row, col) 0..1 float32 and labels uint8 of each loop."""
    frames, masks = decoded.frames.clamp(0, 1).float().cpu().numpy(), decoded.masks().cpu().numpy()
    return list(zip(frames, masks, strict=True))
