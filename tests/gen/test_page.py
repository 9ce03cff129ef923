"""gen.page: one file, nothing outside it, nothing unescaped."""

import base64
import struct
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest

from gen.page import SYNTHETIC_TEXT, Page, format_value
from gen.records import EcgRecord, InputError

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="3"><rect width="4" height="3"/></svg>'
EVIL = "<script>alert('x')</script> & \"quoted\" {braces}"
VOID = {"meta", "img", "br", "link", "input", "hr"}


def png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


class Reader(HTMLParser):
    """Reads a page back: tags with attributes, and the text under each tag; refuses tags left open."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and data.strip():
            self.texts.setdefault(self._open[-1], []).append(data)

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def full_page() -> Page:
    page = Page("Report", subtitle="measured", synthetic=True)
    page.heading("One").text("First.\n\nSecond.").heading("Part", level=3).points(["a", "b"])
    page.heading("Two").table(["lead", "MSE"], [["V2", 0.031], ["V3", None]], caption="Errors")
    page.heading("Three").figure(png(), "A picture").code("make demo\nmake test").note("Careful.").facts(
        {"records": 330}
    )
    return page


def test_what_goes_in_can_be_read_out():
    read = Reader(full_page().html())
    assert read.texts["title"] == ["Report"]
    assert read.texts["h1"] == ["Report"]
    assert read.texts["h2"] == ["One", "Two", "Three"]
    assert read.texts["h3"] == ["Part"]
    assert read.texts["p"] == ["measured", SYNTHETIC_TEXT, "First.", "Second.", "Careful."]
    assert read.texts["li"] == ["a", "b"]
    assert read.texts["th"] == ["lead", "MSE"]
    assert read.texts["td"] == ["V2", "0.031", "V3", "–"]
    assert read.texts["caption"] == ["Errors"]
    assert read.texts["figcaption"] == ["A picture"]
    assert read.texts["code"] == ["make demo\nmake test"]
    assert (read.texts["dd"], read.texts["dt"]) == (["330"], ["records"])


def test_nothing_is_loaded_from_outside_and_nothing_runs():
    html = full_page().figure(SVG, "drawn").html()
    read = Reader(html)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in read.tags}
    for _, attributes in read.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/"))
    assert "url(" not in html
    assert "@import" not in html
    policy = [meta["content"] for meta in read.attributes("meta") if meta.get("http-equiv")]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_everything_is_escaped():
    page = Page(EVIL, subtitle=EVIL, synthetic=EVIL, language='"><b>')
    for level in (2, 2, 2, 3, 4):
        page.heading(EVIL, level)
    page.text(EVIL).points([EVIL]).code(EVIL).note(EVIL).facts({EVIL: EVIL}).table([EVIL], [[EVIL]], caption=EVIL)
    page.figure(png(), EVIL).figure(png(), "c", alt=EVIL)
    read = Reader(page.html())
    assert "script" not in {tag for tag, _ in read.tags}
    assert "b" not in {tag for tag, _ in read.tags}
    for tag in (
        "title",
        "h1",
        "h2",
        "h3",
        "h4",
        "p",
        "li",
        "code",
        "dt",
        "dd",
        "th",
        "td",
        "caption",
        "figcaption",
        "a",
    ):
        assert EVIL in read.texts[tag], tag
    assert [image["alt"] for image in read.attributes("img")] == [EVIL, EVIL]


def test_sections_are_listed_and_linked():
    read = Reader(full_page().html())
    links = [attrs["href"] for attrs in read.attributes("a")]
    assert links == [f"#{attrs['id']}" for attrs in read.attributes("h2")]
    assert read.texts["a"] == ["One", "Two", "Three"]
    assert not Reader(Page("x").heading("only").html()).attributes("nav")


def test_synthetic_banner():
    assert "synthetic" not in {attrs.get("class") for attrs in Reader(Page("x").html()).attributes("p")}
    read = Reader(Page("x", synthetic="Simulated hearts.").html())
    assert read.texts["p"] == ["Simulated hearts."]
    assert read.attributes("p")[0]["class"] == "synthetic"


@pytest.mark.parametrize(
    ("content", "kind"),
    [(png(), "png"), (SVG.encode(), "svg+xml"), (b"GIF89a....", "gif"), (b"\xff\xd8\xff\xe0", "jpeg"),
     (b'<?xml version="1.0"?>\n<!DOCTYPE svg>\n' + SVG.encode(), "svg+xml")],
)  # fmt: skip
def test_pictures_are_embedded_byte_for_byte(content, kind, tmp_path):
    path = tmp_path / "picture.bin"
    path.write_bytes(content)
    for source in (content, path, str(path)):
        (image,) = Reader(Page("x").figure(source, "c").html()).attributes("img")
        head, data = image["src"].split(",")
        assert head == f"data:image/{kind};base64"
        assert base64.b64decode(data, validate=True) == content


def test_svg_text_and_figures_are_pictures_too():
    from gen.plot import plot_ecg

    ecg = EcgRecord(np.zeros((1, 100)), 100, ("I",))
    read = Reader(Page("x").figure(SVG, "c").figure(plot_ecg(ecg, layout="strip"), "c", width="60%").html())
    first, second = read.attributes("img")
    assert base64.b64decode(first["src"].split(",")[1]).decode() == SVG
    assert second["src"].startswith("data:image/png")
    assert second["style"] == "width:60%"


def test_what_is_no_picture_is_refused(tmp_path):
    page = Page("x")
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(InputError, match=r"a\.txt: not a picture.*accepted: PNG, JPEG, GIF, SVG"):
        page.figure(tmp_path / "a.txt", "c")
    with pytest.raises(InputError, match=r"none\.png: cannot read the picture \(No such file"):
        page.figure(tmp_path / "none.png", "c")
    with pytest.raises(TypeError, match="got int"):
        page.figure(3, "c")
    with pytest.raises(ValueError, match="width must be"):
        page.figure(png(), "c", width='1px" onload="x')
    assert "<img" not in page.html()


def test_tables_check_their_rows_and_align_numbers():
    with pytest.raises(ValueError, match="row 1 of the table has 1 cells, the headers have 2"):
        Page("x").table(["a", "b"], [[1, 2], [3]])
    rows = [["V2", 0.5, "12 %", None, "−0.2"], ["V3", -2, "3 %", "1e-05", "4"], ["all", None, None, None, "x"]]
    heads = Reader(Page("x").table(["lead", "mse", "share", "p", "mixed"], rows).html()).attributes("th")
    assert [attrs.get("class") for attrs in heads] == [None, "number", "number", "number", None]
    assert Reader(Page("x").table(["a"], []).html()).texts["th"] == ["a"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (float("nan"), "–"), (np.float32("nan"), "–"), (0.0312345, "0.03123"), (np.float32(0.5), "0.5"),
     (12345, "12345"), (np.int64(7), "7"), (True, "yes"), (np.bool_(False), "no"), ("x", "x"),
     (1234567.0, "1234567"), (1e-5, "1e-05"), (float("inf"), "inf")],
)  # fmt: skip
def test_values_in_tables(value, shown):
    assert format_value(value) == shown


def test_levels_of_headings():
    for level in (0, 1, 5):
        with pytest.raises(ValueError, match="2, 3 or 4"):
            Page("x").heading("y", level)


def test_write_is_atomic_and_deterministic(tmp_path, monkeypatch):
    path = full_page().write(tmp_path / "new" / "report.html")
    assert path.read_text(encoding="utf-8") == full_page().html()

    def full_disk(*_):
        raise OSError("no space left")

    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(OSError, match="no space"):
        Page("other").write(path)
    assert path.read_text(encoding="utf-8") == full_page().html()
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
