"""``physiogen demo``: the installed jobs on simulated hearts, with figures against the known truth and one page.

Nothing is downloaded and no recording is needed. A package adds its own section by an entry point of the group
``gen.demos``: a callable ``(page, hearts, seed) -> lines for stdout``, which reaches its model by `gen.registry`.
"""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gen import registry
from gen.errors import InputError

if TYPE_CHECKING:
    from gen.page import Page
    from gen.records import EcgRecord

COHORT = 24
INPUT_SETS = (("I",), ("I", "II"), ("II", "V1", "V5"))
METHODS = {"default": "the shipped model", "least-squares": "population least squares"}
SCORED_HZ = 100.0
#: Sections as a reader would have them; further ones follow.
_ORDER = ("synthesize", "twin", "cmr", "measure", "benchmark")
#: What the contact sheet shows; one heart each.
DIAGNOSES = (
    *("NORM", "SBRAD", "STACH", "AFIB", "AFLT", "PVC"),
    *("1AVB", "3AVB", "CLBBB", "CRBBB", "LAFB", "WPW"),
    *("PACE", "LVH", "RVH", "IMI", "ASMI", "ISC_"),
)


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the page and the figures.")] = Path("physiogen-demo"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier demo in --out.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Names the simulated hearts.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Run every installed job on simulated hearts; figures and one page to look at.

    Example: physiogen demo --out DEMO

    All figures are measured against simulated truth, so they say how the suite works and not how well it does on
    patients; those figures are in the model cards.
    """
    target, table = out / "index.html", out / "figures.json"
    for there in (target, table):
        if there.exists() and not overwrite:
            raise InputError(f"{there}: exists; use --overwrite")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; --out takes a folder")
    from gen.files import write_json
    from gen.page import Page

    start = time.perf_counter()
    real = _real_record()
    page = Page(
        "physiogen demo",
        subtitle="Hearts that exist in software only" + (", and one recorded ECG" if real else ""),
        synthetic=True,
    )
    _tell(f"simulating {COHORT} hearts")
    hearts = _cohort(seed)
    lines: list[str] = []
    figures: dict[str, Any] = {"hearts": COHORT, "seed": seed, "truth": "simulated"}
    if "reconstruct" in registry.names("gen.pipelines"):
        figures["reconstruct"] = _reconstruction(page, hearts)
        if real is not None:
            _show_real(page, real)
        lines += _figure_lines(figures["reconstruct"])
    for name in sorted(registry.names("gen.demos"), key=lambda name: (_place(name), name)):
        _tell(name)
        lines += registry.get("gen.demos", name)(page, hearts, seed)
    _simulation(page, seed)
    _commands(page)
    out.mkdir(parents=True, exist_ok=True)
    write_json(table, figures)
    page.write(target)
    if json:
        import json as json_library

        typer.echo(json_library.dumps({**figures, "page": str(target)}))
        return
    typer.echo(f"{COHORT} simulated hearts, seed {seed}: the truth is known, and it is simulated truth")
    for line in lines:
        typer.echo(line)
    typer.echo(f"done in {time.perf_counter() - start:.0f} s; look at {target}")


def _place(name: str) -> int:
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


def _cohort(seed: int) -> "list[EcgRecord]":
    from gen.simulate import simulate

    return simulate(range(COHORT), seed=seed, noise="light").records()


# --- reconstruction --------------------------------------------------------------------------------------------------


def _reconstruction(page: "Page", hearts: "Sequence[EcgRecord]") -> list[dict[str, Any]]:
    """Add the section on reconstruction; returns one row per input set and method."""
    load = registry.get("gen.pipelines", "reconstruct")
    rows: list[dict[str, Any]] = []
    results: dict[tuple[str, ...], list[Any]] = {}
    for method in METHODS:
        pipeline = load(method=method)
        for leads in INPUT_SETS:
            _tell(f"rebuilding twelve leads from {','.join(leads)}, {METHODS[method]}")
            found = pipeline(hearts, leads=leads)
            rows.append({"leads": list(leads), "method": method, **_errors(hearts, found, leads)})
            if method == "default":
                results[leads] = found
    _show_reconstruction(page, hearts, results, rows)
    return rows


def _errors(hearts: "Sequence[EcgRecord]", results: Sequence[Any], leads: Sequence[str]) -> dict[str, float]:
    """MAE (mV) and Pearson's r on the independent leads that were not given, at 100 Hz."""
    import numpy as np

    from gen.leads import LEADS_8
    from gen.signals import pearson

    missing = [lead for lead in LEADS_8 if lead not in leads]
    truth = np.stack([heart.select(missing).at(SCORED_HZ).signal_mv for heart in hearts])
    rebuilt = np.stack([result.record.select(missing).at(SCORED_HZ).signal_mv for result in results])
    r = pearson(rebuilt, truth)
    found = {
        "mae_mv": float(np.abs(rebuilt - truth).mean()),
        "pearson_mean": float(np.nanmean(r)),
        "pearson_median": float(np.nanmedian(r)),
    }
    if results[0].bands:
        full_truth = np.stack([heart.select(missing).signal_mv for heart in hearts])
        rows = [results[0].record.leads.index(lead) for lead in missing]
        low, high = (np.stack([result.bands[90][side][rows] for result in results]) for side in (0, 1))
        found["inside_90_band"] = float(((full_truth >= low) & (full_truth <= high)).mean())
    return found


def _show_reconstruction(
    page: "Page",
    hearts: "Sequence[EcgRecord]",
    results: Mapping[tuple[str, ...], Sequence[Any]],
    rows: Sequence[Mapping[str, Any]],
) -> None:
    main = INPUT_SETS[-1]
    best = next(row for row in rows if row["method"] == "default" and tuple(row["leads"]) == main)
    page.heading("Twelve leads from a few")
    page.text(
        f"{len(hearts)} simulated hearts were recorded with all twelve leads; the model saw only some of them. "
        "Scored are those of I, II and V1 to V6 that it did not see, at 100 Hz, against the simulated truth; so each "
        "input is scored on leads of its own."
    )
    facts = {"mean absolute error from II, V1, V5 (mV)": best["mae_mv"], "Pearson's r, mean": best["pearson_mean"]}
    if "inside_90_band" in best:
        facts["true samples inside the 90 % band"] = best["inside_90_band"]
    page.facts(facts)
    page.table(
        ["input", "method", "MAE (mV)", "Pearson mean", "Pearson median"],
        [
            (",".join(r["leads"]), METHODS[r["method"]], r["mae_mv"], r["pearson_mean"], r["pearson_median"])
            for r in rows
        ],
        caption=f"Errors on the leads that were not given; n = {len(hearts)} simulated hearts",
    )
    chosen = _typical(hearts, results[main])
    page.heading("One heart, three inputs", level=3)
    for leads in INPUT_SETS:
        picture = _paper(hearts[chosen], results[leads][chosen])
        page.figure(picture, f"Input {', '.join(leads)} (black); rebuilt leads blue with their 90 % band; thin: truth.")


def _typical(hearts: "Sequence[EcgRecord]", results: Sequence[Any]) -> int:
    """The heart whose error is the median: neither the nicest nor the worst."""
    import numpy as np

    error = [np.abs(a.signal_mv - b.record.signal_mv).mean() for a, b in zip(hearts, results, strict=True)]
    return int(np.argsort(error)[len(error) // 2])


def _paper(truth: "EcgRecord", result: Any) -> str:
    from gen.plot.svg import ecg_svg

    return ecg_svg(
        result.record,
        observed=result.observed,
        band=result.bands.get(90),
        band_label="90 % band",
        overlay=truth,
        overlay_label="truth",
    )


def _real_record() -> Path | None:
    """A recording of PTB-XL's test fold where `PHYSIOGEN_DATA` holds the set."""
    import csv

    if not os.environ.get("PHYSIOGEN_DATA"):
        return None
    root = Path(os.environ["PHYSIOGEN_DATA"]) / "ptb-xl"
    table = root / "ptbxl_database.csv"
    if not table.is_file():
        return None
    with table.open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            file = root / f"{row.get('filename_hr')}.hea"
            if row.get("strat_fold") == "10" and file.is_file():
                return file
    return None


def _show_real(page: "Page", file: Path) -> None:
    from gen.io import read

    record = read(file)
    result = registry.load("reconstruct")(record, leads=INPUT_SETS[-1])
    page.heading("A recorded ECG", level=3)
    page.text(f"PTB-XL {record.record_id}, from the test fold: the model was not trained on this patient.")
    page.figure(_paper(record, result), "Input II, V1, V5 (black); rebuilt leads blue; thin: what was recorded.")


# --- the rest of the page --------------------------------------------------------------------------------------------


def _simulation(page: "Page", seed: int) -> None:
    from gen.plot import contact_sheet
    from gen.simulate import simulate

    _tell("drawing simulated ECGs")
    specifications = [{"statements": [code]} for code in DIAGNOSES]
    records = simulate(range(len(specifications)), seed=seed, noise="light", conditions=specifications).records()
    page.heading("Simulated ECGs")
    page.text("The hearts that all this runs on: patients with a known diagnosis, known fiducials and a report.")
    page.figure(contact_sheet(records, title="Simulated ECGs, one diagnosis each"), "Codes are SCP-ECG statements.")


def _commands(page: "Page") -> None:
    page.heading("Do it yourself")
    lines = ["physiogen data simulate -n 100 --seed 0 --out SIM"]
    if "reconstruct" in registry.names("gen.commands"):
        lines.append("physiogen reconstruct SIM --leads II,V1,V5 --out OUT --plot --samples 20")
    page.code("\n".join([*lines, "physiogen --help"]))


def _figure_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"{','.join(row['leads']):8s} -> twelve leads, {METHODS[row['method']]:24s}  "
        f"MAE {row['mae_mv']:.4f} mV  Pearson {row['pearson_mean']:.3f} (median {row['pearson_median']:.3f})"
        for row in rows
    ]


def _tell(text: str) -> None:
    typer.echo(text, err=True)
