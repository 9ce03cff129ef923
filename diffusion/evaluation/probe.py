"""How the losses of a denoiser are measured for membership inference."""

from dataclasses import dataclass

from gen.records import InputError

#: Noise levels t = phi / (pi/2) of the attack; 0 is data, 1 is noise.
LEVELS = tuple(round(0.1 * k, 1) for k in range(1, 10))


@dataclass(frozen=True, kw_only=True)
class Probe:
    """How losses are measured.

    Attributes:
        levels: noise levels t = phi / (pi/2), above 0 and below 1.
        draws: noises per level, averaged.
        variants: variations of each recording, averaged: those that training drew for its own recordings, and the
            same procedure for the others. 0 takes the recording's first window as it is.
        seed: of the noise and of the choice of recordings.
    """

    levels: tuple[float, ...] = LEVELS
    draws: int = 2
    variants: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.levels or not all(0 < level < 1 for level in self.levels):
            raise InputError(f"levels {self.levels}: expected numbers above 0 and below 1")
        if self.draws < 1 or self.variants < 0 or self.seed < 0:
            raise InputError(
                f"draws {self.draws}, variants {self.variants}, seed {self.seed}: expected at least 1, 0 and 0"
            )
