"""How a report is cited: what was measured by which version, on which sets, when."""

from metrics.report.entries import BenchmarkReport


def cite_as(report: BenchmarkReport) -> str:
    """A BibTeX entry of this report."""
    found = report.settings
    sets = found.get("sets", {})
    names = " against ".join(sets[key]["name"] for key in ("generated", "real") if key in sets) or "generated signals"
    digests = ", ".join(f"{key} {str(each.get('digest', ''))[:16] or 'none'}" for key, each in sets.items())
    created = str(found.get("created") or "")
    version = found.get("versions", {}).get("physiogen", "")
    note = f"physiogen {version}, preset {found.get('preset')}, seed {found.get('seed')}; digests: {digests}"
    lines = [f"title = {{Benchmark of {names}}}", f"year = {{{created[:4]}}}", f"note = {{{note}}}"]
    return "@misc{physiogen-benchmark,\n" + "".join(f"  {line},\n" for line in lines) + "}"
