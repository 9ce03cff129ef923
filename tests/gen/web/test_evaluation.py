"""``physiogen evaluate web``: many visitors at once get their own answers; what it needs is said."""

import pytest
from browser import chromium

from gen.evaluation.settings import Web
from gen.evaluations import silent
from gen.records import InputError


@pytest.mark.slow
@pytest.mark.timeout(1200)  # twenty commands, two at a time, on a machine that may be busy
def test_twenty_visitors_at_once(capsys):
    chromium()
    found = Web(repeats=1, visitors=20).run(silent).values
    crowd = found["20 visitors at once"]
    assert crowd["answers that failed"].value == 0
    assert crowd["answers mixed up"].value == 0
    assert crowd["peak memory"].value < 6
    assert found["when all have left"]["folders of visitors"].value == 0


def test_without_chromium(monkeypatch):
    pytest.importorskip("playwright", reason="playwright is not installed")
    monkeypatch.setattr("gen.evaluation.web.shutil.which", lambda name: None)
    with pytest.raises(InputError, match="chromium: not found"):
        Web().run(silent)
