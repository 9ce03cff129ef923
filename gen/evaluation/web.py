"""The page in a browser: how soon it is there, how soon an ECG is, many visitors at once, and pictures of its rooms.

Chromium is driven by Playwright; the page is a server of its own. Every visitor asks for a seed of their own, so that
an answer that was meant for somebody else has the wrong name.
"""

import io
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from gen.evaluation.cost import command, watched
from gen.evaluation.settings import Web
from gen.evaluations import Progress
from gen.records import InputError
from gen.results import Node, Results, Value

_GIB = 2**30
_WAIT_MS = 300_000.0
_PAINT = "performance.getEntriesByName('first-contentful-paint').map(entry => entry.startTime)[0]"
#: Rooms, their fields (by label) and what is waited for; ``FILE`` is the recording, ``REAL`` and ``GENERATED`` sets.
_ROOMS: dict[str, tuple[dict[str, str], str]] = {
    "Generate": ({"Findings": "atrial fibrillation, left bundle branch block", "Rate (bpm)": "110"}, "table"),
    "Rebuild": ({"Recording": "FILE", "Leads to use": "II,V1,V5"}, "svg.ecg"),
    "Twin": (
        {"Recordings": "FILE", "Findings of the twin": "left bundle branch block", "Rate (bpm)": "95"},
        "path[class^=overlay]",
    ),
    "Heart": ({"Recording": "FILE"}, "iframe"),
    "Measure": ({"Recordings": "FILE"}, "svg.ecg"),
    "Benchmark": ({"Real records": "REAL", "Generated records": "GENERATED"}, "iframe"),
}


def run(settings: Web, progress: Progress) -> Results:
    """Measure; see `Web`."""
    browser_path = shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise InputError("playwright is not installed; accepted: pip install playwright") from error
    if browser_path is None:
        raise InputError("chromium: not found; accepted: Chromium on the PATH (apt-get install chromium)")
    values: dict[str, Node] = {}
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as place:
        browser = driver.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        with _served(Path(place)) as (address, server):
            progress("the page is up; waiting until its models are loaded")
            _until_warm(address)
            values["one visitor"] = _alone(settings, browser, address, progress)
            if settings.visitors:
                values[f"{settings.visitors} visitors at once"] = _crowd(settings, browser, address, server, progress)
            if settings.pictures is not None:
                _pictures(settings, browser, address, Path(place), progress)
            time.sleep(2)
            left = list(Path(place).glob("*/visitors/*"))
            values["when all have left"] = {"folders of visitors": Value(len(left), better="lower")}
        browser.close()
    return settings.results(values, n=max(1, settings.visitors))


@contextmanager
def _served(folder: Path) -> Iterator[tuple[str, int]]:
    """Address and process of a page whose files lie in ``folder``."""
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
    words = command("web", "--port", "0")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment) as run:
        assert run.stdout is not None
        try:
            line = run.stdout.readline()
            if not line.startswith("physiogen: http"):
                raise InputError("the page did not start; 'physiogen web' says why")
            yield line.split()[1], run.pid
        finally:
            run.terminate()
            run.wait(30)


def _until_warm(address: str) -> None:
    for _ in range(1200):
        with urllib.request.urlopen(f"{address}ready", timeout=60) as answer:
            if b"true" in answer.read():
                return
        time.sleep(0.5)
    raise InputError("the models of the page were not loaded within ten minutes")


def _open(browser: Any, address: str) -> tuple[Any, float]:
    """A page that can be used, and seconds until it could be."""
    page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
    page.set_default_timeout(_WAIT_MS)
    start = time.perf_counter()
    page.goto(address)
    page.get_by_role("tab", name="Generate").wait_for()
    return page, time.perf_counter() - start


def _ask(page: Any, number: int, seed: int) -> None:
    """Fill in the room that generates."""
    page.get_by_role("tab", name="Generate").click()
    panel = page.get_by_role("tabpanel").locator("visible=true").last
    for label, text in {"Findings": "sinus rhythm", "How many": str(number), "Seed": str(seed)}.items():
        panel.get_by_label(label, exact=True).fill(text)


def _alone(settings: Web, browser: Any, address: str, progress: Progress) -> dict[str, Value]:
    paints, usable, drawn = [], [], []
    for seed in range(settings.repeats):
        page, seconds = _open(browser, address)
        paints.append(page.evaluate(_PAINT) / 1000)
        usable.append(seconds)
        _ask(page, 1, seed)
        start = time.perf_counter()
        page.locator("#start-generate").click()
        page.locator(f'#result-generate svg.ecg[data-record^="s{seed}_"]').wait_for()
        drawn.append(time.perf_counter() - start)
        page.context.close()
        progress(f"first paint {paints[-1]:.2f} s, usable {usable[-1]:.2f} s, an ECG {drawn[-1]:.2f} s")
    names = {"first paint": paints, "page can be used": usable, "ECG on paper after Generate": drawn}
    return {
        f"{name}, {which}": Value(float(of(values)), n=len(values), unit="s", better="lower")
        for name, values in names.items()
        for which, of in (("median", np.median), ("slowest", max))
    }


def _crowd(settings: Web, browser: Any, address: str, server: int, progress: Progress) -> dict[str, Value]:
    """Everybody asks at the same time, each for another seed."""
    pages = []
    for seed in range(settings.visitors):
        page, _ = _open(browser, address)
        _ask(page, 2, 100 + seed)
        pages.append(page)
    progress(f"{len(pages)} visitors are there")
    start, seconds, failed, mixed = time.perf_counter(), [], 0, 0
    with watched(server) as memory:
        for page in pages:
            page.locator("#start-generate").click()
        for seed, page in enumerate(pages):
            try:
                page.locator("#result-generate table").wait_for()
            except Exception:  # whatever the browser says, this visitor has no answer
                failed += 1
                continue
            seconds.append(time.perf_counter() - start)
            names = page.locator("#result-generate tbody th, #result-generate tbody td:first-child").all_inner_texts()
            mixed += not all(name.startswith(f"s{100 + seed}_") for name in names)
    for page in pages:
        page.context.close()
    progress(f"the last has an answer after {max(seconds, default=0):.1f} s; {failed} failed, {mixed} mixed up")
    return {
        "answers that failed": Value(failed, n=len(pages), better="lower"),
        "answers mixed up": Value(mixed, n=len(pages), better="lower"),
        "the last has its ECGs after": Value(max(seconds, default=0.0), unit="s", better="lower"),
        "peak memory": Value(max(memory) / _GIB, unit="GiB", better="lower"),
    }


def _pictures(settings: Web, browser: Any, address: str, place: Path, progress: Progress) -> None:
    """A picture of every room with a result in it."""
    from PIL import Image

    assert settings.pictures is not None
    settings.pictures.mkdir(parents=True, exist_ok=True)
    files = {"FILE": list(settings.recordings), **_sets(place)}
    for room, (fields, shown) in _ROOMS.items():
        if "FILE" in fields.values() and not settings.recordings:
            continue
        page, _ = _open(browser, address)
        page.get_by_role("tab", name=room, exact=True).click()
        panel = page.get_by_role("tabpanel").locator("visible=true").last
        for label, text in fields.items():
            if text in files:
                field = panel.locator(".block").filter(has_text=label)
                field.locator('input[type="file"]').first.set_input_files([str(path) for path in files[text]])
                panel.get_by_text(files[text][0].stem, exact=False).first.wait_for()
            else:
                panel.get_by_label(label, exact=True).fill(text)
        page.locator(f"#start-{room.lower()}").click()
        page.locator(f"#result-{room.lower()} {shown}").first.wait_for(state="attached")
        page.wait_for_timeout(2500)
        picture = Image.open(io.BytesIO(page.screenshot(scale="css"))).convert("RGB").quantize(96)
        picture.save(settings.pictures / f"web-{room.lower()}.png", optimize=True)
        page.context.close()
        progress(f"{room}: drawn")


def _sets(place: Path) -> dict[str, list[Path]]:
    """Two small sets of simulated ECGs, a file each."""
    from gen.io import write
    from gen.simulate import simulate

    found = {}
    for seed, name in enumerate(("REAL", "GENERATED")):
        file = place / f"{name.lower()}.parquet"
        write(simulate(range(24), seed=seed, noise="light").records(), file)
        found[name] = [file]
    return found
