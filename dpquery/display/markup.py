"""Answers as HTML in which nothing of the data is markup."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from dpquery.display.text import is_number, missing, printable, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dpquery.results import Cell, Interval, Release


def text(words: str) -> str:
    r"""
    Return *words* as text of a page, one line that hides nothing.

    >>> text("<script>\u202e")
    '&lt;script&gt;\\u202e'
    """
    return html.escape(printable(words))


def table(
    columns: Sequence[str],
    rows: Sequence[tuple[Cell, ...]],
    bars: Mapping[str, Sequence[Interval | None]],
    counts: Sequence[str] = (),
) -> str:
    """Return a table, with the half width of its interval in every noisy cell."""
    cells = (dict.fromkeys(map(_side, column)) for column in zip(*rows, strict=True))
    sides = [next(filter(None, kinds), "") for kinds in cells] or [""] * len(columns)
    head = "".join(
        f'<th scope="col"{side}>{text(name)}</th>'
        for name, side in zip(columns, sides, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            _cell(cell, bars[name][at] if name in bars else None, name in counts)
            for name, cell in zip(columns, row, strict=True)
        )
        + "</tr>\n"
        for at, row in enumerate(rows)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>"


NUMBER = ' class="number"'


def _side(cell: Cell) -> str:
    """Return the mark of a number, by which a page can align it."""
    return "" if missing(cell) or not is_number(cell) else NUMBER


def _cell(cell: Cell, bar: Interval | None, count: bool) -> str:  # noqa: FBT001 -- of one
    """Return one cell, rounded to what its interval can tell."""
    return f"<td{_side(cell)}>{html.escape(shown(cell, bar, count=count))}</td>"


def spent(release: Release) -> str:
    """Say what an answer cost."""
    if release.replayed:
        return "replayed, nothing charged"
    delta = release.price.delta
    return f"ε {release.price.epsilon:.4g}" + (f", δ {delta:.2g}" if delta > 0 else "")


def notebook(release: Release) -> str:
    """Return a release as a notebook shows it: table, intervals, price and notes."""
    shown_as = table(release.columns, release.rows, release.intervals(), release.counts)
    notes = "".join(f"<br>{text(note)}" for note in release.notes)
    return (
        f"{shown_as}<small>{spent(release)} · ε {release.remaining.epsilon:.3g} left · "
        f"± is the 95 % interval{notes}</small>"
    )
