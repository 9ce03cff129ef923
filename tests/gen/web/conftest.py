"""A server of the page, a browser, and a visitor who sees that nothing is asked of another machine."""

from urllib.parse import urlparse

import pytest
from browser import Guest, browsing, chromium, served


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Folder of everything that the server keeps."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def address(home):
    chromium()
    with served(home) as found:
        yield found
    assert list(home.iterdir()) == [], "the server leaves nothing behind"


@pytest.fixture(scope="module")
def browser():
    with browsing(chromium()) as found:
        yield found


@pytest.fixture
def guest(browser, address):
    found = Guest(browser, address)
    yield found
    found.leave()
    outside = [url for url in found.asked if urlparse(url).hostname not in ("127.0.0.1", None)]
    assert outside == [], "no request leaves the machine"
    assert [text for text in found.faults if "404" not in text] == []


@pytest.fixture(scope="module")
def strip(data_dir):
    """A recording of PTB-XL: header and signal."""
    header = data_dir("ptb-xl") / "records500" / "00000" / "00001_hr.hea"
    return [header, header.with_suffix(".dat")]
