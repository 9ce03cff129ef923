"""The page of the documentation that rebuilds leads in the browser, held in Chromium against the desktop."""

import hashlib
import io
import os
import tarfile
import threading
import urllib.request
from base64 import b64encode
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest
from browser import WAIT_MS, browsing, chromium

from gen.io import read
from gen.leads import LEADS_12
from gen.signals import resample
from gen.simulate import simulate
from vae.deploy.export import export, load

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "guide" / "in-the-browser.md").read_text()
VERSION = PAGE.split("onnxruntime-web@")[1].split("/")[0]
PACKAGE = f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz"
#: What of the package the page asks for.
FILES = ("ort.wasm.min.js", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
LEADS = ("II", "V1", "V5")


@pytest.fixture(scope="module")
def library() -> dict[str, bytes]:
    """Files of onnxruntime-web by name, from the registry once a machine; skips where that is out of reach."""
    kept = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / f"onnxruntime-web-{VERSION}"
    if not all((kept / name).is_file() for name in FILES):
        try:
            with urllib.request.urlopen(PACKAGE, timeout=60) as answer:
                packed = tarfile.open(fileobj=io.BytesIO(answer.read()))  # noqa: SIM115 - in memory
        except OSError as error:
            pytest.skip(f"{PACKAGE}: {error}")
        kept.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            member = packed.extractfile(f"package/dist/{name}")
            (kept / name).write_bytes(member.read())
    return {name: (kept / name).read_bytes() for name in FILES}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The documentation's folder as a server; the page in a bare frame."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "browser").symlink_to(ROOT / "docs" / "browser")
    (folder / "guide").mkdir()
    body = PAGE[PAGE.index('<div id="rebuild">') : PAGE.index("</script>\n\nRecorded") + len("</script>")]
    (folder / "guide" / "in-the-browser.html").write_text(f"<!doctype html><html lang=en><title>x</title>{body}")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/guide/in-the-browser.html"
    server.shutdown()


@pytest.fixture(scope="module")
def model(checkpoint, tmp_path_factory) -> Path:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    out = tmp_path_factory.mktemp("exported") / "wearable.onnx"
    export(checkpoint, out, leads=LEADS, seconds=2)
    return out


@pytest.fixture(scope="module")
def browser():
    with browsing(chromium()) as found:
        yield found


@pytest.fixture
def page(browser, site, library):
    with browser.new_context(accept_downloads=True) as context:
        found = context.new_page()
        found.set_default_timeout(WAIT_MS)
        asked = []

        def answer(route):
            asked.append(route.request.url)
            name = urlparse(route.request.url).path.rsplit("/", 1)[-1]
            kind = "application/wasm" if name.endswith(".wasm") else "text/javascript"
            headers = {"access-control-allow-origin": "*", "content-type": kind}
            route.fulfill(body=library[name], headers=headers)

        found.route("https://cdn.jsdelivr.net/**", answer)
        found.on("request", lambda request: asked.append(request.url))
        found.goto(site)
        yield found
        elsewhere = {urlparse(url).hostname for url in asked} - {"127.0.0.1", "cdn.jsdelivr.net", None}
        assert elsewhere == set(), "nothing else is asked for"


def said(page, words: str) -> str:
    page.get_by_text(words).wait_for()
    return page.locator("#rebuild-message").inner_text()


def test_the_library_is_the_pinned_one(library):
    stated = PAGE.split('integrity="')[1].split('"')[0]
    assert stated == "sha384-" + b64encode(hashlib.sha384(library[FILES[0]]).digest()).decode()


def test_the_strip_is_the_simulated_heart_that_it_says():
    words = {"heart_rate": 72, "statements": ["SR"]}
    (heart,) = simulate(range(1), seed=12, noise="light", fs_hz=250.0, conditions=words).records()
    strip = read(ROOT / "docs" / "browser" / "strip.csv", unit="mV")
    np.testing.assert_allclose(strip.signal_mv, heart.select(LEADS).signal_mv, atol=6e-4)  # written in whole microvolts


def test_a_strip_becomes_twelve_leads_as_on_the_desktop(page, model, tmp_path):
    page.get_by_role("button", name="or a simulated strip").click()
    assert "choose the model first" in said(page, "choose the model first")
    page.get_by_label("Model").set_input_files(model)
    assert "takes II, V1, V5 at 500 Hz, 2 s" in said(page, "takes II")
    page.get_by_role("button", name="or a simulated strip").click()
    said(page, "twelve leads in")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Save the twelve leads").click()
    saved = tmp_path / "twelve.csv"
    waiting.value.save_as(saved)
    assert saved.read_text().startswith("# synthetic:")
    found = read(saved, unit="mV")
    assert found.leads == LEADS_12
    assert found.fs_hz == 500
    strip = read(ROOT / "docs" / "browser" / "strip.csv", unit="mV")
    assert strip.leads == LEADS
    given = resample(strip.signal_mv[None], strip.fs_hz, 500.0)[:, :, :1000].astype(np.float32)
    ecg, _ = load(model, "onnx")([given])
    # Another windowed sinc at the beginning and end of the strip; between them the same to a microvolt or two.
    middle = slice(100, 900)
    np.testing.assert_allclose(found.signal_mv[:, middle], ecg[0][:, middle], atol=0.01)
    assert page.locator("#rebuild-paper polyline").count() == 12
    assert page.locator("#rebuild-paper polygon").count() == 9  # a band for each lead that was not recorded


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time,II,V1\n0,0,0\n.004,0,0\n", "lead V5 is missing (found: II, V1)"),
        ("II,V1,V5\n0,0,0\n0,0,0\n", "no column of times"),
        ("time,II,V1,V5\n0,0,0,0\n.004,0,0,0\n.008,0,0,0\n", "0.0 s; accepted: at least the 2.0 s"),
        ("time,II,V1,V5\n0,0,x,0\n.004,0,0,0\n", "line 2, column V1: x is no number"),
        ("hello", "no table of samples"),
    ],
)
def test_a_bad_strip_gets_one_line(page, model, tmp_path, text, words):
    (tmp_path / "strip.csv").write_text(text)
    page.get_by_label("Model").set_input_files(model)
    said(page, "takes II")
    page.get_by_label("Strip").set_input_files(tmp_path / "strip.csv")
    line = said(page, words)
    assert line.startswith("strip.csv: ")
    assert "\n" not in line
    assert page.locator("#rebuild-save").is_hidden()


def test_another_file_is_no_model(page, tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"\x08\x09" * 300)
    page.get_by_label("Model").set_input_files(tmp_path / "x.onnx")
    assert said(page, "not a model").startswith("x.onnx: not a model for a recorder; accepted: ")
