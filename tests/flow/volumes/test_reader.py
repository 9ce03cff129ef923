"""Volumes of beating half ellipsoids, whose volume, ejection fraction and mass are known in closed form."""

from dataclasses import dataclass

import numpy as np
import pytest

from flow.volumes.reader import VolumeReader
from gen.cine import MYOCARDIAL_DENSITY, CineRecord, mask_mass_g, mask_volume_ml
from metrics.cine import ventricle_volumes

FRAMES, SIZE, PIXEL_MM, STEP_MM = 50, 96, 2.0, 2.0


@dataclass(frozen=True)
class Ellipsoid:
    """A half ellipsoid with its apex fixed: radius and length shrink to these shares, the wall keeps its volume."""

    radius_mm: float
    length_mm: float
    wall_mm: float
    radius_share: float
    length_share: float

    def axes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Inner radius, length and outer radius of every frame; end-systole in the middle frame."""
        c = np.sin(np.pi * np.arange(FRAMES) / FRAMES) ** 2
        radius = self.radius_mm * (1 - (1 - self.radius_share) * c)
        length = self.length_mm * (1 - (1 - self.length_share) * c)
        wall = ((self.radius_mm + self.wall_mm) ** 2 - self.radius_mm**2) * self.length_mm
        return radius, length, np.sqrt(radius**2 + wall / length)

    def volume_ml(self) -> np.ndarray:
        """(frame,) 2/3 pi a² L."""
        radius, length, _ = self.axes()
        return 2 / 3 * np.pi * radius**2 * length / 1000

    def mass_g(self) -> float:
        """Muscle between two half ellipsoids of the same length."""
        outer = 2 / 3 * np.pi * (self.radius_mm + self.wall_mm) ** 2 * self.length_mm / 1000
        return MYOCARDIAL_DENSITY * (outer - float(self.volume_ml()[0]))

    @property
    def ef(self) -> float:
        """1 - (share of the radius)² (share of the length)."""
        return 1 - self.radius_share**2 * self.length_share

    def slice_at(self, above_apex_mm: float) -> np.ndarray:
        """(frame, row, col) labels of a slice that stands still in the laboratory."""
        radius, length, outer = self.axes()
        place = (np.arange(SIZE) - (SIZE - 1) / 2) * PIXEL_MM
        r = np.hypot(place[:, None], place[None, :])
        # From the base (0) to the apex (1); above the base there is nothing.
        s = 1 - above_apex_mm / length
        shape = np.where(s >= 0, np.sqrt(np.clip(1 - s**2, 0, None)), 0.0)
        inside, wall = ((x * shape)[:, None, None] for x in (radius, outer))
        return np.where(r < inside, 1, np.where(r < wall, 2, 0)).astype(np.uint8)

    def stack(self) -> CineRecord:
        """Slices from base to apex, half a step above the base first."""
        heights = self.length_mm - STEP_MM * (np.arange(int(self.length_mm / STEP_MM) + 1) + 0.5)
        masks = np.stack([self.slice_at(h) for h in heights if h > 0])
        return CineRecord(
            frames=np.zeros(masks.shape, np.float32),
            spacing_mm=(PIXEL_MM, PIXEL_MM),
            slice_thickness_mm=STEP_MM,
            slice_positions_mm=STEP_MM * np.arange(len(masks)),
            masks=masks,
        )


def drawn(n: int, seed: int) -> list[Ellipsoid]:
    """Ellipsoids as different as hearts."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(n):
        radius = rng.uniform(20, 32)
        contraction = rng.uniform(0.5, 0.95)
        length = radius * rng.uniform(3.0, 3.4)
        out.append(Ellipsoid(radius, length, rng.uniform(6, 13), contraction, 1 - 0.35 * (1 - contraction)))
    return out


@pytest.mark.parametrize(("radius_share", "length_share"), [(0.7, 0.85), (0.9, 0.95), (0.5, 0.8)])
def test_a_stack_measures_an_ellipsoid_of_known_ef(radius_share: float, length_share: float) -> None:
    heart = Ellipsoid(25.0, 80.0, 9.0, radius_share, length_share)
    cine = heart.stack()
    found = ventricle_volumes(mask_volume_ml(cine)[None])
    assert found.edv_ml[0] == pytest.approx(heart.volume_ml()[0], rel=0.02)
    assert found.ef_percent[0] == pytest.approx(100 * heart.ef, abs=1.5)  # the base ends within a slice
    assert abs(int(found.es_frame[0]) - FRAMES // 2) <= 2  # the minimum is flat, pixels are not fine
    assert mask_mass_g(cine) == pytest.approx(heart.mass_g(), rel=0.03)


def test_one_slice_reads_ellipsoids_it_was_not_fitted_on() -> None:
    def masks_of(hearts: list[Ellipsoid]) -> np.ndarray:
        return np.stack([heart.slice_at(0.55 * heart.length_mm) for heart in hearts])

    fitted, unseen = drawn(80, 0), drawn(40, 1)
    curves = np.stack([heart.volume_ml() for heart in fitted])
    masses = np.array([heart.mass_g() for heart in fitted])
    reader = VolumeReader.fit(masks_of(fitted), PIXEL_MM**2, curves, masses)
    curve, mass = reader.read(masks_of(unseen), PIXEL_MM**2)
    found = ventricle_volumes(curve)
    truth = ventricle_volumes(np.stack([heart.volume_ml() for heart in unseen]))
    # Length is 3 to 3.4 radii, which a slice does not tell: 3.6 % of the volume, and as much of the mass.
    assert np.log(found.edv_ml / truth.edv_ml).std() < 0.06
    assert np.abs(found.ef_percent - 100 * np.array([heart.ef for heart in unseen])).mean() < 3.0
    assert np.log(mass / [heart.mass_g() for heart in unseen]).std() < 0.06
    # Volume goes with area to the power 3/2: what the R peak's area does not explain, the frame's own must.
    assert 1.0 < sum(reader.volume[1:]) < 1.9
