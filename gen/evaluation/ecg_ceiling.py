"""What simulated ECGs tell about their hearts, against real ceilings: ``physiogen evaluate ecg-ceiling -n 3000``."""

from gen.evaluation.settings import EcgCeiling
from gen.evaluations import Progress
from gen.results import Data, Results, Value
from gen.simulate.cine.ceiling import Information, measure

#: Names of the quantities in the results.
_SHOWN = {
    "lv_mass_g": "LV mass",
    "lv_edv_ml": "LV EDV",
    "lv_esv_ml": "LV ESV",
    "ef_outside_mi_lbbb": "EF outside infarct and LBBB",
}


def run(settings: EcgCeiling, progress: Progress) -> Results:
    """A line for each quantity; the notes name every ceiling that is broken."""
    found = measure(settings.number, settings.seed)
    broken = [name for name, each in found.items() if each.r2 > each.ceiling]
    return settings.results(
        {"share of variance (R²)": {_SHOWN[name]: _values(each) for name, each in found.items()}},
        data=[Data("simulated hearts")],
        n=settings.number,
        notes=[f"{_SHOWN[name]}: above the ceiling of real ECGs." for name in broken] or ["No ceiling is broken."],
    )


def _values(found: Information) -> dict[str, Value]:
    return {
        "ridge": Value.of(found.ridge, n=found.n),
        "boosted trees": Value.of(found.boosting, n=found.n),
        "best": Value.of(found.r2, n=found.n),
        "r of the best": Value.of(found.r, n=found.n),
        "another patient's ECG": Value.of(found.shuffled, n=found.n, better="reference"),
        "ceiling": Value(found.ceiling, n=found.n, better="reference"),
    }
