"""What each preset computes, and how thoroughly."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gen.errors import InputError


@dataclass(frozen=True)
class Preset:
    """A choice of sections and of effort.

    Attributes:
        name: of the preset.
        sections: of the report, in order.
        halvings: random splits into halves behind every floor and interval of a quick feature measure.
        slow_halvings: the same for measures that take a second or more each.
        max_records: larger sets are thinned to this number (seeded).
        distance_records: records behind the distances of spectra and amplitudes.
        map: ``pca`` or ``tsne``.
        raw_network: also a network on the raw waveform, which takes minutes.
        thorough: also k = 3, MMD, aligned errors, a third extractor, and every panel of the page.
    """

    name: str
    sections: tuple[str, ...]
    halvings: int = 10
    slow_halvings: int = 4
    max_records: int = 10_000
    distance_records: int = 500
    map: str = "pca"
    raw_network: bool = True
    thorough: bool = True


_COMMON = ("features", "physics", "parameters", "waveform")
PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            Preset(
                "quick",
                ("paired", "features", "physics", "parameters", "waveform", "conditioning", "privacy"),
                halvings=8,
                slow_halvings=4,
                max_records=1000,
                distance_records=200,
                thorough=False,
            ),
            Preset("reconstruction", ("paired", *_COMMON, "retention", "privacy")),
            Preset("generation", (*_COMMON, "diversity", "conditioning", "privacy")),
            Preset("twin", ("identity", *_COMMON, "conditioning", "privacy")),
            Preset("cine", ("cine",)),
            Preset(
                "full",
                (
                    "paired",
                    *_COMMON,
                    "diversity",
                    "conditioning",
                    "identity",
                    "retention",
                    "utility",
                    "privacy",
                ),
                halvings=20,
                slow_halvings=6,
                map="tsne",
            ),
        )
    }
)


def preset(name: str) -> Preset:
    """The preset of this name.

    Raises:
        InputError: no such preset; the message lists the known ones.
    """
    if name not in PRESETS:
        raise InputError(f"--preset {name}: unknown; accepted: {', '.join(PRESETS)}")
    return PRESETS[name]
