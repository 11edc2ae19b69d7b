"""The points of each chart, as records in which the data is nothing but values."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from dpquery.display.layout import Axis, cut, dots
from dpquery.display.text import label, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dpquery.display.layout import Dot, Layout
    from dpquery.results import Interval, Release

MOST_BARS = 400
MOST_COLOURS = 6
MOST_PANELS = 24
"""Lines that are drawn; with more, each point is a bar."""
MOST_CHARTS = 12
LABEL = 42
"""Characters beside a bar, for all keys together."""


@dataclass(frozen=True, slots=True)
class Panel:
    """What one chart shows."""

    title: str
    key: str
    """The title of the other axis."""
    series: str | None
    """The title of what tells bars or lines of different colours apart."""
    axis: Axis
    records: list[dict[str, Any]]
    domain: tuple[float, float]

    @property
    def many(self) -> list[str]:
        """The different series, in order."""
        return list(dict.fromkeys(each["series"] for each in self.records))

    @property
    def single(self) -> bool:
        """Whether it is one number without a name."""
        return len(self.records) == 1 and self.records[0]["key"] == ""


Named: TypeAlias = "list[tuple[Dot, str, str]]"
"""Points with the name of their bar and of their colour."""
Bars: TypeAlias = "Mapping[str, Sequence[Interval | None]]"
"""The intervals of each noisy column."""


def panels(
    release: Release, layout: Layout, bars: Bars
) -> tuple[list[Panel], list[str]]:
    """Return a chart a column, and in words what of the answer is in none."""
    left_out: list[str] = []
    found = [
        _panel(release, layout, at, bars, left_out)
        for at in layout.values[:MOST_CHARTS]
    ]
    if len(layout.values) > MOST_CHARTS:
        left_out.append(f"the first {MOST_CHARTS} of {len(layout.values)} columns")
    return found, list(dict.fromkeys(left_out))


HARMLESS = str.maketrans("\"'`\\", "\u201d\u2032\u2032/")
"""Vega-Lite writes titles into expressions; a backslash would end their quotes."""


def heading(text: str) -> str:
    r"""
    Return a title that no expression can be broken out of: PIVOT names columns by data.

    >>> heading('n\\"')
    'n/\u201d'
    """
    return cut(printable(text)).translate(HARMLESS)


def _panel(
    release: Release, layout: Layout, at: int, bars: Bars, left_out: list[str]
) -> Panel:
    """Return the chart of the column *at*; *left_out* hears what is not drawn."""
    found = dots(release, layout, at, bars)
    title = heading(release.columns[at])
    keys = [heading(release.columns[key]) for key in layout.keys]
    if layout.along is not None:
        along = heading(release.columns[layout.along])
        placed = [dot for dot in found if dot.at is not None]
        pairs = {(dot.at, dot.keys) for dot in placed}
        few = len({dot.keys for dot in placed}) <= MOST_PANELS
        if few and len(pairs) == len(placed):
            if len(placed) < len(found):
                left_out.append(f"rows without {along}: {len(found) - len(placed)}")
            series = " · ".join(keys) or None
            named = [(dot, "", " · ".join(dot.keys)) for dot in placed]
            return _filled((title, along, series), layout.axis, named)
        keys = [along, *keys]
        cells = [label(row[layout.along]) for row in release.rows]
        found = [
            replace(dot, at=None, keys=(cut(cell), *dot.keys))
            for dot, cell in zip(found, cells, strict=True)
        ]
    if len(found) > MOST_BARS:
        left_out.append(f"rows after the first {MOST_BARS} of {len(found)}")
    return _named_bars(title, keys, found[:MOST_BARS])


def _named_bars(title: str, keys: Sequence[str], found: Sequence[Dot]) -> Panel:
    """Return bars by name; where a second key has few values, it colours them."""
    if len(keys) == 2 and _colours(found):  # noqa: PLR2004 -- keys of a pair
        named = [(dot, dot.keys[0], dot.keys[1]) for dot in found]
        return _filled((title, keys[0], keys[1]), Axis.NAMES, named)
    seen: dict[str, int] = {}
    named = []
    for row, dot in enumerate(found):
        parts = (cut(key, max(6, LABEL // len(dot.keys))) for key in dot.keys)
        name = " · ".join(parts) or ("" if len(found) == 1 else f"{row + 1}")
        seen[name] = seen.get(name, 0) + 1
        number = f" ({seen[name]})" if seen[name] > 1 else ""
        named.append((dot, name + number, ""))
    return _filled((title, " · ".join(keys), None), Axis.NAMES, named)


def _colours(found: Sequence[Dot]) -> bool:
    """Whether the second of two keys has few values, and no pair comes twice."""
    firsts, seconds = ({dot.keys[at] for dot in found} for at in (0, 1))
    return (
        1 < len(seconds) <= MOST_COLOURS
        and len(firsts) < len(found)
        and len({dot.keys for dot in found}) == len(found)
    )


def _filled(titles: tuple[str, str, str | None], axis: Axis, named: Named) -> Panel:
    """Return a chart's points as records, with infinite ends put to its edges."""
    ends = [(dot.value, dot.low, dot.high) for dot, _, _ in named]
    known = [e for each in ends for e in each if e is not None and math.isfinite(e)]
    domain = _domain(known, from_zero=axis is Axis.NAMES)
    records = [_record(dot, key, series, domain) for dot, key, series in named]
    return Panel(*titles, axis, records, domain)


NEAR = 2
"""Zero is on the scale of a line that is not further from it than twice its height."""


def _domain(known: Sequence[float], *, from_zero: bool) -> tuple[float, float]:
    """Return the ends of a scale, a twentieth of it beyond what is drawn."""
    low, high = min(known, default=0.0), max(known, default=1.0)
    reach = math.inf if from_zero else NEAR * (high - low)
    low, high = (
        (0.0 if 0 < low <= reach else low),
        (0.0 if -reach <= high < 0 else high),
    )
    if low == high:
        return low - abs(low) / 2 - 1, high + abs(high) / 2 + 1
    more = (high - low) / 20
    return (low - more if low else low), (high + more if high else high)


def _record(
    dot: Dot, key: str, series: str, domain: tuple[float, float]
) -> dict[str, Any]:
    """Return one point; ``right`` is where a text may begin."""
    low = None if dot.low is None else max(dot.low, domain[0])
    high = None if dot.high is None else min(dot.high, domain[1])
    return {
        "key": key if dot.at is None else dot.at,
        "name": key if dot.at is None else str(dot.at).removesuffix("T00:00:00"),
        "series": series,
        "value": dot.value,
        "low": low,
        "high": high,
        "below": dot.low == -math.inf,
        "above": dot.high == math.inf,
        "right": max((e for e in (dot.value, high) if e is not None), default=0.0),
        "text": dot.text,
    }
