"""Charts of answers with their error bars; the only importer of Altair.

All that is of the data goes in as values of a data set with fixed field names, and
names as texts without quotes: nothing of it is read as an expression.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Literal

import altair as alt

from dpquery.display.layout import Axis, lay_out
from dpquery.display.panels import HARMLESS, MOST_CHARTS, heading, panels
from dpquery.display.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from altair.typing import ChartType

    from dpquery.display.layout import Layout
    from dpquery.display.panels import Panel
    from dpquery.results import Release

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
"""Okabe and Ito's: told apart with every kind of colour blindness."""
INK = "#222222"
PAPER = "#ffffff"

ROOMY = 50
"""Bars that are not narrow, and have their axis below them."""
MOST_LINES = 4
"""Lines with their bands in one chart; with more, each has a chart of its own."""
DENSE = 40
"""Points of a line that have error bars beside the band."""
LINE = 84
"""Characters in a line of the subtitle."""
MOST_SAID = 12


def chart(
    release: Release,
    x: str | None = None,
    y: str | Sequence[str] | None = None,
    confidence: float = 0.95,
    *,
    notes: bool = True,
) -> ChartType:
    """
    Return a chart of *release*, with its price and, with *notes*, what is to be known.

    Raises:
        ConfigError: there is no such column, or no number (DPQ460), or *confidence*
            is no probability.
    """
    layout = lay_out(release, x, y)
    bars = release.intervals(confidence)
    found, left_out = panels(release, layout, bars)
    said = [_priced(release, confidence if any(bars.values()) else None)]
    said += [f"not drawn: {each}" for each in left_out]
    said += release.notes if notes else []
    lines = [
        part
        for line in said
        for part in textwrap.wrap(printable(line).translate(HARMLESS), LINE)
    ]
    title = alt.Title(_heading(release, layout), subtitle=lines[:MOST_SAID])
    if not release.rows:
        return _styled(_nothing().properties(title=title))
    drawn = [_bars(e) if e.axis is Axis.NAMES else _lines(e) for e in found]
    whole = drawn[0] if len(drawn) == 1 else alt.vconcat(*drawn, spacing=28)
    return _styled(whole.properties(title=title))


def _heading(release: Release, layout: Layout) -> str:
    """Say what is drawn by what."""
    names = [release.columns[at] for at in layout.values[:MOST_CHARTS]]
    along = () if layout.along is None else (layout.along,)
    keys = [release.columns[at] for at in (*along, *layout.keys)]
    text = ", ".join(names) + (f" by {', '.join(keys)}" if keys else "")
    return heading(text)


def _priced(release: Release, confidence: float | None) -> str:
    """Say what it cost, and what the bars are if there are any."""
    cost = f"ε {release.price.epsilon:.4g}"
    if release.replayed:
        cost = "replayed, nothing charged"
    if confidence is None:
        return cost
    return f"{cost} · {100 * confidence:.6g} % intervals"


def _nothing() -> alt.Chart:
    """Say that there are no rows."""
    data = alt.InlineData(values=[{"text": "no rows: there is nothing to draw"}])
    mark = alt.Chart(data).mark_text(color=INK, fontSize=13)
    drawn: alt.Chart = mark.encode(text="text:N").properties(width=430, height=60)
    return drawn


def _styled(whole: Any) -> ChartType:  # noqa: ANN401 -- any kind of chart
    styled: ChartType = (
        whole.properties(background=PAPER, padding=12)
        .configure_title(
            anchor="start",
            fontSize=15,
            subtitleFontSize=12,
            subtitleColor="#555555",
            offset=12,
        )
        .configure_axis(
            labelFontSize=11,
            titleFontSize=12,
            titleFontWeight="normal",
            gridColor="#e4e4e4",
        )
        .configure_legend(labelFontSize=11, titleFontSize=12, labelLimit=220)
        .configure_view(stroke=None)
    )
    return styled


# --- from points to marks --------------------------------------------------------


def _bars(panel: Panel) -> ChartType:
    """Draw bars from zero, one below the other; one number alone is a point."""
    names = {each["key"] for each in panel.records}
    rows = len(names) * len(panel.many)
    axis = alt.Axis(labelLimit=260, labelPadding=8, ticks=False, domain=False)
    base = _based(panel).encode(
        # The heading names the key: a title here would run into long labels.
        y=alt.Y("key:N", sort=None, title=None, axis=None if panel.single else axis)
    )
    if len(panel.many) > 1:
        base = base.encode(yOffset=alt.YOffset("series:N", sort=None))
    if panel.single:
        mark = base.mark_point(filled=True, size=80, opacity=1, color=COLOURS[0])
    else:
        # NULL has no bar, but keeps its place among the others.
        mark = base.mark_bar(opacity=0.7, color=COLOURS[0], invalid=None)
    end: Literal["top", "bottom"] = "bottom" if rows <= ROOMY else "top"
    along = alt.X(
        "value:Q", title=panel.title, scale=_scale(panel), axis=alt.Axis(orient=end)
    )
    words = base.mark_text(align="left", dx=8, color=INK, fontSize=11)
    layers = [
        mark.encode(x=along, **_coloured(panel)),
        *_errors(base, "x"),
        words.encode(x=alt.X("right:Q"), text="text:N"),
    ]
    step = 22 if rows <= ROOMY else 15
    height = 44 if panel.single else max(36, rows * step)
    return alt.layer(*layers).properties(width=430, height=height)


def _lines(panel: Panel) -> ChartType:
    """Draw lines with bands, each in a chart of its own when there are many."""
    kind = "T" if panel.axis is Axis.TIMES else "Q"
    apart = len(panel.many) > MOST_LINES
    base = _based(panel, apart=apart).encode(
        x=alt.X(f"key:{kind}", title=panel.key, axis=_axis(panel, apart=apart)).scale(
            zero=False, nice=False, padding=10
        )
    )
    colour = {} if apart else _coloured(panel)
    value = alt.Y("value:Q", title=panel.title, scale=_scale(panel))
    band = base.mark_area(opacity=0.18, color=COLOURS[0])
    line = base.mark_line(color=COLOURS[0])
    dot = base.mark_point(filled=True, size=45, opacity=1, color=COLOURS[0])
    layers = [
        band.encode(y=alt.Y("low:Q"), y2="high:Q", **colour),
        line.encode(y=value, **colour),
    ]
    if len({each["key"] for each in panel.records}) <= DENSE:
        layers += [*_errors(base, "y"), dot.encode(y=value, **colour, **_shaped(panel))]
    if not apart:
        return alt.layer(*layers).properties(width=560, height=280)
    small = alt.layer(*layers, data=_data(panel)).properties(width=180, height=120)
    header = alt.Header(labelLimit=180, title=panel.series)
    return small.facet(alt.Facet("series:N", sort=None, header=header), columns=3)


HAS_BAR = "isValid(datum.low) && isValid(datum.high)"


def _errors(base: alt.Chart, side: str) -> list[alt.Chart]:
    """Return error bars with caps; one that is infinite ends in an arrow."""
    along, other = (alt.X, "x2") if side == "x" else (alt.Y, "y2")
    there = base.transform_filter(HAS_BAR)
    ends = {side: along("low:Q"), other: "high:Q"}
    marks = [there.mark_rule(color=INK, strokeWidth=1.3).encode(**ends)]
    arrows = ("triangle-left", "triangle-right")
    if side == "y":
        arrows = ("triangle-down", "triangle-up")
    for end, field, arrow in zip(
        ("low", "high"), ("below", "above"), arrows, strict=True
    ):
        cap = base.transform_filter(f"{HAS_BAR} && !datum.{field}")
        tick = cap.mark_tick(
            color=INK,
            thickness=1.3,
            size=8,
            orient="vertical" if side == "x" else "horizontal",
        )
        far = base.transform_filter(f"{HAS_BAR} && datum.{field}")
        head = far.mark_point(shape=arrow, filled=True, size=45, color=INK, opacity=1)
        marks += [each.encode(**{side: along(f"{end}:Q")}) for each in (tick, head)]
    return marks


def _data(panel: Panel) -> alt.InlineData:
    """Return the points; Altair's limit of 5,000 rows is for other kinds of data."""
    return alt.InlineData(values=panel.records)


def _based(panel: Panel, *, apart: bool = False) -> alt.Chart:
    """Return what the marks of a chart have in common; facets hand out the data."""
    tips = [alt.Tooltip("text:N", title=panel.title)]
    if not panel.single:
        tips.insert(0, alt.Tooltip("name:N", title=panel.key or "row"))
    if panel.series is not None:
        tips.insert(1, alt.Tooltip("series:N", title=panel.series))
    return (alt.Chart() if apart else alt.Chart(_data(panel))).encode(tooltip=tips)


def _axis(panel: Panel, *, apart: bool) -> alt.Axis:
    """Return an axis of numbers or times; years have no thousands."""
    few = 4 if apart else 10
    if panel.axis is Axis.NUMBERS:
        whole = all(float(each["key"]).is_integer() for each in panel.records)
        if whole:
            return alt.Axis(format="d", tickMinStep=1, tickCount=few, grid=False)
    return alt.Axis(grid=False, tickCount=few, labelOverlap=True)


def _scale(panel: Panel) -> alt.Scale:
    return alt.Scale(domain=list(panel.domain), nice=False, zero=False)


def _coloured(panel: Panel) -> dict[str, Any]:
    """Return the encoding that tells series apart; one alone needs none."""
    if panel.series is None:
        return {}
    scale = alt.Scale(range=COLOURS[: len(panel.many)], **_named(panel))
    return {"color": alt.Color("series:N", sort=None, scale=scale, **_legend(panel))}


def _shaped(panel: Panel) -> dict[str, Any]:
    """Return the encoding that tells lines apart in print, where colours are gone."""
    names = _named(panel)
    if not names or not 1 < len(panel.many) <= MOST_LINES:
        return {}
    scale = alt.Scale(**names)
    return {"shape": alt.Shape("series:N", sort=None, scale=scale, **_legend(panel))}


def _named(panel: Panel) -> dict[str, Any]:
    """
    Return the names of the series, which join the legends of colours and of shapes.

    Only if no expression could be broken out of with them: else they are data alone.
    """
    harmless = all(name == name.translate(HARMLESS) for name in panel.many)
    return {"domain": panel.many} if harmless else {}


def _legend(panel: Panel) -> dict[str, Any]:
    legend = alt.Legend(orient="top", symbolOpacity=1, columns=4)
    return {"title": panel.series, "legend": legend}
