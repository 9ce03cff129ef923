"""What a beat tells of findings: read off vectors whose findings are known, and used to choose among beats."""

import numpy as np
import pytest
import torch

from diffusion.beats.code import WIDTH
from diffusion.beats.draw import draw_beats
from diffusion.beats.findings import CANDIDATES, FEWEST, SHARPNESS, FindingsReader, choose, shown
from diffusion.conditions.condition import Condition
from gen.text import read_text, vocabulary

COUNT = 600


@pytest.fixture(scope="module")
def reader() -> FindingsReader:
    """Learned where the first component is LBBB, the second LVH, and one recording in a hundred has RVH."""
    vectors = np.random.default_rng(0).standard_normal((COUNT, WIDTH))
    codes = [
        {name for name, there in (("CLBBB", v[0] > 0.5), ("LVH", v[1] > 0), ("SR", True)) if there} for v in vectors
    ]
    for k in range(FEWEST - 1):
        codes[k].add("RVH")
    found = FindingsReader(WIDTH)
    found.fit(vectors, codes)
    return found


def test_findings_are_read_off_vectors(reader) -> None:
    vectors = np.random.default_rng(1).standard_normal((400, WIDTH))
    asked = reader.asked(Condition(text=read_text("left bundle branch block, no left ventricular hypertrophy")))
    assert asked == {vocabulary().id("CLBBB"): True, vocabulary().id("LVH"): False}
    likely = reader.log_likelihood(vectors, asked)
    assert (likely <= 0).all()
    right = (vectors[:, 0] > 0.5) & (vectors[:, 1] < 0)
    assert likely[right].mean() > likely[~right].mean() + 1
    alone = [reader.log_likelihood(vectors, {place: there}) for place, there in asked.items()]
    assert np.allclose(sum(alone), likely)


def test_what_was_not_learned_or_beats_do_not_show_is_not_asked(reader) -> None:
    for text in ("right ventricular hypertrophy", "sinus rhythm", "atrial fibrillation", "heart rate 80"):
        assert reader.asked(Condition(text=read_text(text))) == {}
    assert reader.asked(Condition()) == {}
    assert not {"AFIB", "SR", "PVC"} & shown()
    assert {"PACE", "LVH", "CLBBB"} <= shown()


def test_candidates_are_taken_by_their_likelihood() -> None:
    likely = np.log([0.1, 0.2, 0.3, 0.4])[:CANDIDATES]
    uniform = np.random.default_rng(2).random((20000, CANDIDATES))
    taken = np.bincount(choose(np.tile(likely, (20000, 1)), uniform), minlength=CANDIDATES) / 20000
    wanted = np.exp(SHARPNESS * likely)
    assert taken == pytest.approx(wanted / wanted.sum(), abs=0.015)


class Network:
    """Draws from the unit normal whatever is asked for."""

    def __init__(self, code) -> None:
        self.code = code

    def told(self, condition, form, reference):
        return None

    def predict(self, x, phi, told):
        return torch.zeros_like(x)


def test_drawn_beats_read_as_asked_for_more_often(reader, monkeypatch) -> None:
    from made_beats import fitted_code

    from diffusion.beats import draw
    from diffusion.beats.network import FORMS
    from diffusion.process.settings import Sampling

    code = fitted_code()
    code.findings = reader
    monkeypatch.setattr(draw, "fault", lambda shape, name: "")
    seeds = torch.arange(200, dtype=torch.int64)
    form, nothing = torch.full((200,), FORMS.index("own")), torch.full((200, WIDTH), torch.nan)
    settings = Sampling(steps=2)

    def share(text: str) -> float:
        known = [Condition(text=read_text(text))] * 200
        vectors, _ = draw_beats(Network(code), known, form, nothing, seeds, settings)
        return float((vectors[:, 0] > 0.5).mean())

    usual, asked, denied = share("normal ECG"), share("left bundle branch block"), share("no left bundle branch block")
    assert denied < usual - 0.15
    assert asked > usual + 0.2
