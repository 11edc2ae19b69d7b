"""A page of HTML: whole without a network, and nothing of the data is markup in it."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from dpquery.display import page
from dpquery.display.chart import COLOURS

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.results import Release

    Made = Callable[..., Release]

ASKED = page.Asked(
    "SELECT '<b>' AS k,\n  COUNT(*) AS n --\u202e",
    dt.datetime(2024, 2, 29, 13, 5, tzinfo=dt.UTC),
)
HOSTILE = "</svg></td><script>alert('&amp;')</script><img src=x onerror=alert(1)>"
EMPTY = {"meta", "path", "rect", "line"}
"""Elements that a parser sees without an end."""


class Reader(HTMLParser):
    """What a browser would see: elements with attributes, and texts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_page_says_all_that_belongs_to_an_answer(made: Made) -> None:
    rows = [("north", 41), (None, -3)]
    release = made(("k", "n"), rows, 12, counts=("n",), notes=("small ones missing",))
    text = page.report(release, ASKED)
    seen = Reader(text)
    assert seen.open == []
    words = "\n".join(seen.texts)
    for each in (
        *("SELECT '<b>' AS k,\n  COUNT(*) AS n --\\u202e", "41 ± 12", "0 ± 12", "NULL"),
        *(
            "small ones missing",
            "ε 0.2, δ 1e-10",
            "ε 2.8",
            "r_1",
            "2024-02-29 13:05 UTC",
        ),
    ):
        assert each in words
    assert ("td", {"class": "number"}) in seen.elements


def test_a_page_needs_no_network_and_no_script(made: Made) -> None:
    text = page.report(made(("k", "n"), [("a", 41), ("b", 3)], 12), ASKED)
    seen = Reader(text)
    kinds = {tag for tag, _ in seen.elements}
    assert "svg" in kinds
    assert kinds.isdisjoint(
        {"script", "link", "img", "iframe", "object", "use", "image"}
    )
    names = {name for _, attributes in seen.elements for name in attributes}
    assert names.isdisjoint({"src", "href", "xlink:href", "style", "srcset", "action"})
    assert [name for name in names if name.startswith("on")] == []
    addresses = set(re.findall(r"[a-z]+://[^\"'<\s]+", text))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, never loaded
    assert COLOURS[0].lower() in text.lower()


def test_the_policy_lets_the_style_sheet_in_and_nothing_else(made: Made) -> None:
    text = page.report(made(("k", "n"), [("a", 41)], 12), ASKED)
    (policy,) = (
        attributes["content"]
        for tag, attributes in Reader(text).elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    (style,) = re.findall(r"<style>(.*?)</style>", text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_nothing_of_the_data_is_markup(made: Made) -> None:
    rows = [(HOSTILE, HOSTILE, 41), ("a", "b", 3)]
    columns = (HOSTILE, f"{HOSTILE} 2", f"{HOSTILE} 3")
    release = made(columns, rows, 12, notes=(HOSTILE,))
    text = page.report(release, page.Asked(HOSTILE, ASKED.at))
    seen = Reader(text)
    assert seen.open == []
    assert {tag for tag, _ in seen.elements}.isdisjoint({"script", "img", "image"})
    assert "<script" not in text
    assert seen.texts.count(HOSTILE) >= 5
    tables = page.tables([release._repr_html_()])
    assert "<script" not in tables


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "no rows"),
        ([("a", None)], "There is no chart: no column of this answer has numbers."),
    ],
)
def test_an_answer_that_cannot_be_drawn_is_still_written(
    rows: list[tuple[object, ...]], words: str, made: Made
) -> None:
    text = page.report(made(("k", "n"), rows, 12), ASKED)
    assert words in text
    assert "<table>" in text


def test_a_drawing_is_shapes_and_texts_only() -> None:
    svg = (
        f'<svg xmlns="{page.SVG}" xmlns:xlink="http://www.w3.org/1999/xlink" '
        'onload="alert(1)" width="5"><script>alert(1)</script>'
        '<a xlink:href="https://example.org"><text>gone</text></a>'
        '<g style="x" class="y" fill="#000"><image href="x"/><text>&lt;b&gt;</text></g>'
        "<foreignObject><p xmlns='http://www.w3.org/1999/xhtml'>x</p></foreignObject>"
        "</svg>"
    )
    assert page.drawing(svg) == (
        f'<svg xmlns="{page.SVG}" width="5" role="img" '
        'aria-label="chart; the table has its numbers">'
        '<g fill="#000"><text>&lt;b&gt;</text></g></svg>'
    )
    for bad in ("<html/>", "no markup", f'<g xmlns="{page.SVG}"/>'):
        with pytest.raises(ValueError, match="no SVG"):
            page.drawing(bad)
