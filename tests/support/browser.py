"""The page as users have it: its server as a process, and Debian's Chromium, driven by Playwright."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

WAIT_MS = 60_000


def chromium() -> str:
    """Where Chromium is; skips without it or without what drives it."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    for name in ("playwright", "gradio"):
        pytest.importorskip(name, reason=f"{name} is not installed (pip install -e .[dev])")
    return found


@contextmanager
def served(folder: Path, *options: str) -> Iterator[str]:
    """``physiogen web`` on a free port; its address. Everything it keeps lies in ``folder``."""
    words = [sys.executable, "-m", "gen.cli", "web", "--port", "0", *options]
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        try:
            line = server.stdout.readline()
            assert line.startswith("physiogen: http"), line
            yield line.split()[1]
        finally:
            server.terminate()
            server.wait(20)


@contextmanager
def browsing(executable: str) -> Iterator[Any]:
    """A browser, which downloads and asks as users' browsers do."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


class Guest:
    """One visitor: a page of a context of its own.

    Attributes:
        page: of Playwright.
        asked: addresses that the browser has asked for.
        faults: what the console called an error.
    """

    def __init__(self, browser: Any, address: str) -> None:
        self.context = browser.new_context(viewport={"width": 1400, "height": 1000}, accept_downloads=True)
        self.page = self.context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.asked: list[str] = []
        self.faults: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda said: self.faults.append(said.text) if said.type == "error" else None)
        self.page.goto(address)
        self.page.get_by_role("tab", name="Rebuild").wait_for()

    def enter(self, room: str) -> None:
        """Go to a room."""
        self.room = room.lower()
        self.page.get_by_role("tab", name=room, exact=True).click()

    def fill(self, label: str, text: str) -> None:
        """Fill in a field of the room."""
        self.panel().get_by_label(label, exact=True).fill(text)

    def panel(self) -> Any:
        """The room that is shown."""
        return self.page.get_by_role("tabpanel").locator("visible=true").last

    def give(self, *files: Path, label: str = "") -> None:
        """Upload files to the room's first place for files, or to that whose label begins so."""
        place = self.panel().locator(".block").filter(has_text=label) if label else self.panel()
        place.locator('input[type="file"]').first.set_input_files([str(file) for file in files])
        for file in files:
            self.panel().get_by_text(file.stem, exact=False).first.wait_for()

    def start(self) -> None:
        """Press the button."""
        self.page.locator(f"#start-{self.room}").click()

    def cancel(self) -> None:
        """Press the other button."""
        self.page.locator(f"#cancel-{self.room}").click()

    def state(self) -> Any:
        """Where the room says how far it is."""
        return self.page.locator(f"#state-{self.room}")

    def result(self) -> Any:
        """Where the room shows its result."""
        return self.page.locator(f"#result-{self.room}")

    def said(self, words: str) -> str:
        """Wait until the state holds these words; all of it."""
        self.state().get_by_text(words, exact=False).first.wait_for()
        return self.state().inner_text()

    def take(self, name: str, folder: Path) -> Path:
        """Download something of the result."""
        with self.page.expect_download() as download:
            self.result().get_by_role("link", name=name).click()
        path = folder / download.value.suggested_filename
        download.value.save_as(path)
        return path

    def line(self) -> list[str]:
        """Words of the command line that the result states."""
        import shlex

        return shlex.split(self.result().locator(".lines pre").first.inner_text().replace("\n", " "))[1:]

    def leave(self) -> None:
        """Close the page."""
        self.context.close()
