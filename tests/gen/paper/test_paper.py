"""Pictures of paper ECGs: geometry in closed form, and truth that belongs to the pixels."""

import json
from itertools import pairwise

import numpy as np
import pytest

from gen.leads import LEADS_12
from gen.paper.geometry import Fold, Warp
from gen.paper.layouts import CABRERA, PAPER_LAYOUTS, lay_out
from gen.records import EcgRecord, InputError, Patient

cv2 = pytest.importorskip("cv2", reason="needs OpenCV (extra paper)")

from gen.paper import CATEGORIES, degrade, digitise, draw, draw_style, lead_mask, truth  # noqa: E402
from gen.paper.drawing import TOLERANCE_PX, simplified  # noqa: E402
from gen.paper.files import write_coco, write_picture  # noqa: E402
from gen.paper.style import Style  # noqa: E402
from gen.paper.truth import places, visible  # noqa: E402

FS = 500.0


@pytest.fixture(scope="module")
def record():
    """Low, round waves, so that no lead reaches another's row."""
    t = np.arange(5000) / FS
    beat = 0.45 * np.exp(-0.5 * (((t % 0.8) - 0.4) / 0.02) ** 2) + 0.12 * np.exp(
        -0.5 * (((t % 0.8) - 0.62) / 0.05) ** 2
    )
    eight = [
        scale * beat + 0.02 * np.sin(2 * np.pi * (0.3 + 0.1 * k) * t) for k, scale in enumerate(np.linspace(-1, 1, 8))
    ]
    leads = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
    return EcgRecord(np.array(eight), FS, leads, "waves", patient=Patient(age=61, sex="F"), synthetic=True)


@pytest.mark.parametrize("layout", PAPER_LAYOUTS)
@pytest.mark.parametrize("speed", [25.0, 50.0])
def test_columns_continue_in_time_and_fill_the_row(layout, speed):
    page = lay_out(layout, duration_s=10, mm_per_s=speed)
    plan = PAPER_LAYOUTS[layout]
    assert len(page.cells) == 12 + len(plan.strips)
    row = [cell for cell in page.cells if cell.row == 0]
    assert [cell.column for cell in row] == list(range(plan.columns))
    for left, right in pairwise(row):
        assert right.start_s == left.stop_s
        assert right.x == pytest.approx(left.x + left.width)
    assert row[-1].stop_s == pytest.approx(250 / speed)
    assert page.px_per_s * row[-1].stop_s == pytest.approx(250 * page.px_per_mm)
    assert {cell.lead for cell in page.cells} == set(LEADS_12)


def test_cabrera_turns_avr_round(record):
    page = lay_out("cabrera", duration_s=10)
    assert tuple(cell.label for cell in page.cells) == CABRERA
    traces = {trace.cell.lead: trace for trace in draw(record, page, Style()).traces}
    whole = record.to_12()
    avr = whole.lead("aVR")[: len(traces["aVR"].points)].astype(float)
    moved = -(traces["aVR"].points[:, 1] - traces["aVR"].cell.y) / page.px_per_mv
    np.testing.assert_allclose(moved, -avr, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"layout": "4x3"}, r"layout 4x3: accepted: 3x4, 3x4\+1"),
        ({"layout": "3x4", "mm_per_s": 30.0}, "25 or 50"),
        ({"layout": "3x4", "mm_per_mv": 7.0}, "5, 10, 20"),
        ({"layout": "6x2", "duration_s": 4.0}, "a column of 6x2 at 25 mm/s takes 5 s"),
        ({"layout": "3x4", "start_s": 8.0}, "2 s of signal"),
    ],
)
def test_what_no_sheet_can_show_is_refused(settings, said):
    with pytest.raises(InputError, match=said):
        lay_out(**({"duration_s": 10.0} | settings))


def test_a_warp_is_undone_exactly():
    matrix = np.array([[0.95, 0.03, 20], [-0.02, 0.97, 12], [2e-5, -1e-5, 1]])
    warp = Warp(matrix, (Fold(500.0, 6.0, 200.0), Fold(1200.0, -4.0, 150.0)))
    points = np.random.default_rng(0).uniform(0, 1300, (500, 2))
    np.testing.assert_allclose(warp.backward(warp.forward(points)), points, atol=1e-6)
    straight = Warp(np.eye(3), (Fold(500.0, 6.0, 200.0),)).forward(
        np.array([[500.0, 10.0], [600.0, 10.0], [701.0, 10.0]])
    )
    np.testing.assert_allclose(straight, [[500, 16], [600, 13], [701, 10]])


def test_what_is_left_out_of_a_line_lies_on_it(record):
    trace = draw(record, lay_out("12x1", duration_s=10), Style()).traces[5]
    runs = simplified(trace.points)
    assert len(runs) == 1
    assert len(runs[0]) < 0.5 * len(trace.points)
    drawn = np.interp(trace.points[:, 0], runs[0][:, 0], runs[0][:, 1])
    assert np.abs(drawn - trace.points[:, 1]).max() < 3 * TOLERANCE_PX


@pytest.mark.parametrize("layout", PAPER_LAYOUTS)
def test_a_digitiser_told_the_boxes_finds_the_signal(record, layout):
    picture = draw(record, lay_out(layout, duration_s=10), Style())
    told = truth(picture, "x.png")
    prints = [note["bbox"] for note in told["annotations"] if CATEGORIES[note["category_id"] - 1] == "text"]
    scored = 0
    for note in told["annotations"]:
        lead = CATEGORIES[note["category_id"] - 1]
        if lead not in LEADS_12:
            continue
        found = digitise(picture.pixels, note, told["paper"], prints=prints)
        first = note["first_sample"]
        shown = picture.record.lead(lead)[first : first + note["samples"]]
        assert np.abs(found - shown).mean() < 0.01
        if np.ptp(shown) > 0.2:
            assert np.corrcoef(found, shown)[0, 1] > 0.995
            scored += 1
    assert scored >= 8


def test_truth_says_which_samples_can_be_seen(record):
    holed = record.signal_mv.copy()
    holed[:, 200:300] = np.nan
    picture = draw(EcgRecord(holed, FS, record.leads), lay_out("3x4+1", duration_s=10), Style())
    assert visible(picture)["I"] == [[0, 200], [300, 1250]]
    assert visible(picture)["V4"] == [[3750, 5000]]
    assert visible(picture)["II"] == [[0, 200], [300, 5000]]
    where = places(picture)
    np.testing.assert_array_equal(
        np.isfinite(where[picture.record.leads.index("V4")]).all(axis=1).nonzero()[0][[0, -1]], [3750, 4999]
    )


def test_coco_holds_together(record):
    picture = draw(record, lay_out("3x4+3", duration_s=10), draw_style(np.random.default_rng(3), sex="F", age=61))
    told = json.loads(json.dumps(truth(picture, "x.png")))
    image = told["images"][0]
    assert (image["height"], image["width"]) == picture.pixels.shape[:2]
    numbers = {category["id"] for category in told["categories"]}
    assert len({note["id"] for note in told["annotations"]}) == len(told["annotations"])
    for note in told["annotations"]:
        x, y, width, height = note["bbox"]
        assert note["category_id"] in numbers
        assert note["image_id"] == image["id"]
        assert -1 <= x <= x + width <= image["width"] + 1
        assert -1 <= y <= y + height <= image["height"] + 1
        assert len(note["segmentation"][0]) >= 8
    assert told["info"]["synthetic_ecg"] is True
    words = [note["text"] for note in told["annotations"] if note.get("kind")]
    assert "SYNTHETIC ECG" in words
    assert {"I", "V6"} <= set(words)


def test_a_folder_s_list_is_every_picture_s_truth_without_its_polylines(record, tmp_path):
    holed = record.signal_mv.copy()
    holed[0] = np.nan
    holed[1, 2000:] = np.nan
    for name, one in (("a", record), ("b", EcgRecord(holed, FS, record.leads))):
        write_picture(tmp_path, name, draw(one, lay_out("3x4+1", duration_s=10), Style()), {})
    assert write_coco(tmp_path, ["a", "b"]) == 2
    listed = json.loads((tmp_path / "coco.json").read_text())["annotations"]
    expected = []
    for number, name in enumerate("ab", 1):
        for note in json.loads((tmp_path / f"{name}.json").read_text())["annotations"]:
            expected.append({**note, "id": len(expected) + 1, "image_id": number})
    assert any(note.get("polylines") for note in expected)
    for note in expected:
        note.pop("polylines", None)
    assert listed == expected


def test_names_of_leads_are_not_crossed(record):
    tall = EcgRecord(record.signal_mv * 4, FS, record.leads)
    picture = draw(tall, lay_out("3x4+1", duration_s=10), Style(thickness=1))
    points = np.concatenate([trace.points for trace in picture.traces])
    for text in picture.texts:
        if text.kind == "lead":
            left, top, right, bottom = text.box
            inside = (points[:, 0] > left) & (points[:, 0] < right) & (points[:, 1] > top) & (points[:, 1] < bottom)
            assert not inside.any(), text.text


def test_the_mask_is_the_trace_also_after_damage(record):
    pytest.importorskip("augraphy", reason="needs augraphy (extra paper)")
    clean = draw(record, lay_out("6x2", duration_s=10, width=900), Style(ink=(0, 0, 0)))
    mask = lead_mask(clean)
    assert set(np.unique(mask)) == set(range(13))
    dark = clean.pixels.mean(axis=2) < 90
    assert (dark & (mask > 0)).sum() > 0.9 * (mask > 0).sum()
    damaged = degrade(clean, "medium", np.random.default_rng(5))
    told = truth(damaged, "x.png")
    assert told["paper"]["homography"] != np.eye(3).tolist()
    moved = lead_mask(damaged) > 0
    # Ink is where the truth says, and no longer where it was.
    grey = damaged.pixels.mean(axis=2)
    assert grey[moved].mean() < 0.75 * np.median(grey[~moved])
    assert (
        grey[(mask > 0) & ~cv2.dilate(moved.astype(np.uint8), np.ones((9, 9))).astype(bool)].mean()
        > grey[moved].mean() + 20
    )


def test_damage_is_a_function_of_the_generator(record, tmp_path, monkeypatch):
    pytest.importorskip("augraphy", reason="needs augraphy (extra paper)")
    monkeypatch.chdir(tmp_path)
    clean = draw(record, lay_out("3x4", duration_s=10, width=700), Style())
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = (degrade(clean, "light", np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.pixels, again.pixels)
    assert (first.pixels != other.pixels).any()
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    heavy = [degrade(clean, "heavy", np.random.default_rng(seed)).pixels for seed in (4, 4)]
    np.testing.assert_array_equal(*heavy)
    assert not list(tmp_path.iterdir())  # pages of one set stay out of the next
    with pytest.raises(InputError, match="degrade burnt: accepted: none, light, medium, heavy"):
        degrade(clean, "burnt", np.random.default_rng(0))
