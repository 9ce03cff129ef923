"""The page in Chromium, with real files from upload to download: what is downloaded is what the command line gives."""

import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from browser import Guest

from gen.io import read_set

#: What axe-core may not find.
SERIOUS = ("serious", "critical")


def commanded(argv: list[str], folder: Path, files: list[Path] = ()) -> subprocess.CompletedProcess:
    """The command line in a folder of its own, beside copies of the files."""
    folder.mkdir(exist_ok=True)
    for file in files:
        (folder / file.name).write_bytes(file.read_bytes())
    words = [sys.executable, "-m", "gen.cli", *argv]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=280)


def contents(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def below(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder.parent)): file.read_bytes() for file in files}


def visits(home: Path) -> list[Path]:
    """Everything that visitors have on the server."""
    return list(home.glob("*/visitors/*/*"))


def settled(home: Path, count: int) -> bool:
    """Whether visitors come to have so many pieces of work, within a while."""
    for _ in range(300):
        if len(visits(home)) == count:
            return True
        time.sleep(0.1)
    return False


def test_generate(guest, tmp_path):
    guest.enter("Generate")
    guest.fill("Findings", "atrial fibrillation, gibberish")
    understood = guest.page.locator("#understood")
    understood.get_by_text("AFIB").wait_for()
    assert "gibberish" in understood.inner_text()
    guest.fill("Rate (bpm)", "110")
    guest.fill("How many", "2")
    guest.fill("Seed", "7")
    guest.start()
    paper = guest.result().locator("svg.ecg")
    paper.wait_for()
    assert "SYNTHETIC" in paper.inner_html()
    guest.result().get_by_text("Synthetic: made or completed").first.wait_for()
    guest.result().locator("table").wait_for()
    assert guest.result().locator("tbody tr").count() == 2
    taken = contents(guest.take("WFDB", tmp_path))
    done = commanded(guest.line(), tmp_path / "beside")
    assert done.returncode == 0
    assert taken == below(tmp_path / "beside" / "OUT")
    guest.result().get_by_role("button", name="Enlarge s7_0000001").click()
    guest.result().locator('svg.ecg[data-record="s7_0000001"]').wait_for()


def test_rebuild(guest, strip, tmp_path):
    guest.enter("Rebuild")
    guest.give(*strip)
    guest.fill("Leads to use", "II,V1,V5")
    guest.start()
    guest.result().locator("svg.ecg path.band").first.wait_for(state="attached")
    assert guest.result().locator("path.observed-V1").count() == 1
    assert guest.result().locator("path.observed-V2").count() == 0
    assert guest.result().locator("path.overlay-V2").count() == 1
    taken = contents(guest.take("WFDB", tmp_path))
    done = commanded(guest.line(), tmp_path / "beside", strip)
    assert done.returncode == 0
    assert taken == below(tmp_path / "beside" / "OUT")
    csv = guest.take("CSV", tmp_path)
    with zipfile.ZipFile(csv) as archive:
        archive.extractall(tmp_path / "csv")
    assert [record.synthetic for record in read_set(tmp_path / "csv" / "CSV")] == [True]


def test_measure(guest, strip, tmp_path):
    guest.enter("Measure")
    guest.give(*strip)
    guest.start()
    guest.result().locator('rect.wave[data-kind="QRS"]').first.wait_for(state="attached")
    assert "Synthetic:" not in guest.result().inner_text()
    taken = guest.take("Table (CSV)", tmp_path)
    done = commanded(guest.line(), tmp_path / "beside", strip)
    assert done.returncode == 0
    assert taken.read_bytes() == (tmp_path / "beside" / "PARAMS.csv").read_bytes()


def fill_twin(guest, strip, sets):
    guest.give(*strip)
    guest.fill("Findings of the twin", "left bundle branch block")
    guest.fill("Rate (bpm)", "95")
    guest.fill("How many", "1")


def fill_heart(guest, strip, sets):
    guest.give(*strip)
    guest.fill("Hearts drawn", "1")


def fill_benchmark(guest, strip, sets):
    for name, archive in sets.items():
        guest.give(archive, label=f"{name} records")


ROOMS = [
    ("Twin", fill_twin, "path.overlay-V1", "WFDB", "OUT"),
    ("Heart", fill_heart, "iframe.report", "Everything", "OUT"),
    pytest.param("Benchmark", fill_benchmark, "iframe.report", "JSON", "REPORT", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Two sets of simulated ECGs as archives."""
    from gen.io import write
    from gen.simulate import simulate

    folder = tmp_path_factory.mktemp("sets")
    found = {}
    for seed, name in enumerate(("Real", "Generated")):
        write(simulate(range(12), seed=seed, noise="light").records(), folder / name)
        with zipfile.ZipFile(folder / f"{name.lower()}.zip", "w") as archive:
            for file in sorted((folder / name).rglob("*")):
                archive.write(file, file.relative_to(folder))
        found[name] = folder / f"{name.lower()}.zip"
    return found


@pytest.mark.parametrize(("room", "fill", "shown", "link", "made"), ROOMS, ids=["twin", "heart", "benchmark"])
def test_further_rooms(guest, strip, sets, tmp_path, room, fill, shown, link, made):
    guest.enter(room)
    fill(guest, strip, sets)
    guest.start()
    guest.result().locator(shown).first.wait_for(state="attached", timeout=240_000)
    taken = guest.take(link, tmp_path)
    if room == "Benchmark":
        assert json.loads(taken.read_text())["metrics"]
        assert guest.line()[:3] == ["benchmark", "--real", "REAL/real/Real"]
        report = guest.page.frame_locator("iframe.report")
        report.get_by_role("heading", level=1).wait_for()
        return
    names = {Path(name).name for name in contents(taken)}
    assert names >= ({"metadata.csv", "00001_hr.gif"} if room == "Heart" else {"metadata.csv", "README.md"})


@pytest.mark.slow
@pytest.mark.parametrize(("room", "fill", "shown", "link", "made"), ROOMS[:2], ids=["twin", "heart"])
def test_further_rooms_give_the_commands_bytes(guest, strip, sets, tmp_path, room, fill, shown, link, made):
    guest.enter(room)
    fill(guest, strip, sets)
    guest.start()
    guest.result().locator(shown).first.wait_for(state="attached", timeout=240_000)
    taken = contents(guest.take(link, tmp_path))
    done = commanded(guest.line(), tmp_path / "beside", strip)
    assert done.returncode == 0, done.stderr
    assert taken == below(tmp_path / "beside" / made)


@pytest.mark.parametrize("room", ["Rebuild", "Generate", "Twin", "Heart", "Measure", "Benchmark"])
def test_nothing_serious_for_screen_readers(guest, room):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    guest.enter(room)
    if room == "Generate":
        guest.fill("Findings", "atrial fibrillation, gibberish")
        guest.fill("How many", "2")
        guest.start()
        guest.result().locator("table").wait_for()
    guest.page.wait_for_timeout(300)
    found = axe.Axe().run(guest.page).response["violations"]
    serious = [
        (each["id"], [node["html"][:120] for node in each["nodes"]]) for each in found if each["impact"] in SERIOUS
    ]
    assert serious == []


def test_calipers_and_layouts(guest, strip):
    guest.enter("Measure")
    guest.give(*strip)
    guest.start()
    paper = guest.result().locator(".ecg-scroll")
    paper.locator("svg.ecg").wait_for()
    guest.result().get_by_role("button", name="Calipers").click()
    reading = guest.result().locator(".ecg-reading")
    assert reading.inner_text() == "800 ms, 1.00 mV, 75 per min"  # 20 mm and 10 mm
    paper.focus()
    for _ in range(5):
        guest.page.keyboard.press("ArrowRight")
    guest.page.keyboard.press("ArrowDown")
    assert reading.inner_text() == "1000 ms, 0.90 mV, 60 per min"
    guest.result().get_by_role("button", name="True size").click()
    width = paper.locator("svg.ecg").evaluate("svg => svg.getBoundingClientRect().width")
    assert width == pytest.approx(297 / 25.4 * 96, abs=0.5)
    guest.result().get_by_label("Layout").select_option("cabrera")
    paper.locator('svg.ecg[aria-label*="cabrera"]').wait_for()
    assert paper.get_by_text("-aVR").count() == 1


@pytest.mark.parametrize(
    ("room", "name", "content", "start"),
    [
        ("Measure", "notes.csv", b"hello\nworld\n", ["measure", "notes.csv", "--out", "PARAMS.csv"]),
        ("Rebuild", "empty.edf", b"", ["reconstruct", "empty.edf", "--out", "OUT"]),
    ],
)
def test_a_bad_file_gives_the_commands_line(guest, tmp_path, home, room, name, content, start):
    file = tmp_path / name
    file.write_bytes(content)
    guest.enter(room)
    guest.give(file)
    guest.start()
    said = guest.said("physiogen:").splitlines()
    done = commanded(start, tmp_path / "beside", [file])
    assert done.returncode == 2
    assert said == [line for line in done.stderr.splitlines() if ": at work," not in line]
    assert settled(home, 0), "nothing is kept of what failed"


def test_what_is_refused_before_a_command_runs(guest, tmp_path):
    guest.enter("Measure")
    guest.start()
    assert guest.said("physiogen:") == "physiogen: nothing to work on; give a recording"
    with zipfile.ZipFile(tmp_path / "climbs.zip", "w") as archive:
        archive.writestr("../outside.csv", "1,2")
    guest.give(tmp_path / "climbs.zip")
    guest.start()
    assert "lies outside of it" in guest.said("climbs.zip")
    guest.enter("Generate")
    guest.fill("How many", "65")
    guest.start()
    assert guest.said("physiogen:") == "physiogen: -n 65: on the page up to 64; the command line takes more"


def test_cancel_leaves_nothing(guest, home):
    guest.enter("Generate")
    guest.fill("Findings", "sinus rhythm")
    guest.fill("How many", "64")
    guest.panel().get_by_text("More").click()
    guest.fill("Length (s)", "60")
    guest.start()
    guest.said("ECGs")  # its progress: it runs
    assert len(visits(home)) == 1
    guest.cancel()
    assert "Cancelled" in guest.said("Cancelled")
    assert settled(home, 0)
    assert guest.result().locator("svg").count() == 0


def test_visitors_are_apart(browser, address, guest, home, strip, tmp_path):
    other = Guest(browser, address)
    for each, leads in ((guest, None), (other, "II")):
        each.enter("Measure")
        each.give(*strip)
        if leads:
            each.panel().get_by_text("What the file does not say").click()
            each.fill("Leads", leads)
        each.start()
    for each in (guest, other):
        each.result().locator("svg.ecg").wait_for()
    assert guest.result().locator("path.observed-V1").count() == 1
    assert other.result().locator("path.observed-V1").count() == 0
    links = [each.result().get_by_role("link", name="Table").get_attribute("href") for each in (guest, other)]
    assert links[0] != links[1]
    assert settled(home, 2)
    uploads = sorted(home.glob("*/uploads/*/*"))
    assert {path.name for path in uploads} >= {file.name for file in strip}
    other.leave()
    assert settled(home, 1), "files of who leaves are removed"
    assert guest.page.request.get(address.rstrip("/") + links[1]).status == 404
    assert guest.page.request.get(address.rstrip("/") + links[0]).status == 200, "those of who stays are there"


def test_strange_names_and_addresses_are_refused(guest, address):
    ask = guest.page.request
    assert ask.get(address, headers={"Host": "example.org"}).status == 400
    assert ask.get(f"{address}take/nobody/wfdb").status == 404
    assert ask.get(f"{address}paper/nobody/0").text().startswith("physiogen: this result is no longer there")
    policy = ask.get(address).headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
