"""Pages of HTML that need nothing else: no script, no font, no network.

Whatever of the data or the question is in a page is escaped text. A policy for its
content says the same to browsers: nothing may run or be loaded.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import io
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpquery.display import markup
from dpquery.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.results import Release

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff;
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .2rem .8rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid #ddd; unicode-bidi: plaintext; overflow-wrap: anywhere; }
thead th { border-bottom: 2px solid #888; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
td.number { white-space: nowrap; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f6f6f6;
  padding: .6rem .8rem; font-size: .85rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; }
dt { color: #555; } dd { margin: 0; overflow-wrap: anywhere; }
@page { margin: 15mm; }
@media print { body { margin: 0; max-width: none; font-size: 10pt; }
  tr, svg { break-inside: avoid; } thead { display: table-header-group; } }
"""

_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; "
    "form-action 'none'"
)
"""What a browser may do with a page: apply its one style sheet."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, and when its page was made."""

    sql: str
    at: dt.datetime


def report(release: Release, asked: Asked) -> str:
    """Return a page with the answer's chart, table and price, and what was asked."""
    table = markup.table(
        release.columns, release.rows, release.intervals(), release.counts
    )
    notes = "".join(f"<li>{markup.text(note)}</li>" for note in release.notes)
    parts = [
        "<h1>A noisy answer and its error bars</h1>",
        _lines("pre", asked.sql),
        _chart(release),
        "<h2>Table</h2>",
        table,
        f"<h2>Notes</h2><ul>{notes}</ul>" if notes else "",
        "<h2>Price</h2>",
        _facts(release, asked),
        "<h2>How the answer was made</h2>",
        _lines("pre", release.explain()),
    ]
    return _page("dpquery: a noisy answer", parts)


def tables(shown: Sequence[str]) -> str:
    """Return a page with tables alone."""
    return _page("dpquery", list(shown))


def _page(title: str, parts: Sequence[str]) -> str:
    body = "\n".join(part for part in parts if part)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{markup.text(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _lines(tag: str, text: str) -> str:
    """Return a text of several lines."""
    lines = "\n".join(markup.text(line) for line in text.splitlines())
    return f"<{tag}>{lines}</{tag}>"


def _facts(release: Release, asked: Asked) -> str:
    """Say what it cost, and how to find it again."""
    left = f"ε {release.remaining.epsilon:.3g}"
    if release.price.queries_left is not None:
        left += f"; about {release.price.queries_left} more queries like this"
    facts = {
        "price": markup.spent(release),
        "left": left,
        "release": release.id,
        "page made": asked.at.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "±": "half of the 95 % interval, which covers the noise, and nothing else",
    }
    items = "".join(
        f"<dt>{markup.text(name)}</dt><dd>{markup.text(fact)}</dd>"
        for name, fact in facts.items()
    )
    return f"<dl>{items}</dl>"


def _chart(release: Release) -> str:
    """
    Return the chart as SVG; where there is none, say why.

    The answer is paid for by now: a chart that fails is no reason to lose the table.
    """
    from dpquery.display import chart  # noqa: PLC0415 -- loads Altair

    try:
        sink = io.StringIO()
        chart.chart(release, notes=False).save(sink, format="svg")
        return drawing(sink.getvalue())
    except ConfigError as failure:
        return f"<p>There is no chart: {markup.text(failure.message)}.</p>"
    except ValueError:
        return "<p>There is no chart: the drawing library could not draw it.</p>"


SVG = "http://www.w3.org/2000/svg"
ELEMENTS = frozenset({"svg", "g", "path", "rect", "line", "text", "tspan"})
ATTRIBUTES = frozenset(
    {
        *("d", "x", "y", "x2", "y2", "dx", "dy", "width", "height", "viewBox"),
        *("transform", "fill", "opacity", "display", "version"),
        *("stroke", "stroke-width", "stroke-miterlimit", "stroke-dasharray"),
        *("text-anchor", "font-family", "font-size", "font-weight", "font-style"),
    }
)


def drawing(svg: str) -> str:
    """
    Return a drawing of shapes and texts only, whatever else *svg* has.

    >>> drawn = drawing(f'<svg xmlns="{SVG}"><script/><text y="1">a&lt;b</text></svg>')
    >>> drawn.partition("numbers")[2]
    '"><text y="1">a&lt;b</text></svg>'

    Raises:
        ValueError: it is no SVG.
    """
    try:
        root = ET.fromstring(svg)  # noqa: S314 -- of our own drawing library
    except ET.ParseError:
        raise ValueError("this is no SVG") from None
    if root.tag != f"{{{SVG}}}svg":
        raise ValueError("this is no SVG")
    _keep_shapes(root)
    root.set("role", "img")
    root.set("aria-label", "chart; the table has its numbers")
    ET.register_namespace("", SVG)
    return ET.tostring(root, encoding="unicode")


def _keep_shapes(element: ET.Element) -> None:
    """Drop all that draws nothing; screen readers have the table."""
    for name in set(element.attrib) - ATTRIBUTES:
        del element.attrib[name]
    for child in list(element):
        known = isinstance(child.tag, str) and child.tag.startswith(f"{{{SVG}}}")
        if known and child.tag.rpartition("}")[2] in ELEMENTS:
            _keep_shapes(child)
        else:
            element.remove(child)
