"""Bars with their intervals, drawn in text for a terminal of any width."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpquery.display.layout import dots, lay_out
from dpquery.display.text import label, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.display.layout import Dot, Layout
    from dpquery.results import Release

LEGIBLE = 28
"""What bars have of a line before keys are written out."""
NARROWEST = 10
SHORTEST = 4
GAP = "  "


@dataclass(frozen=True, slots=True)
class Pens:
    """The characters of a drawing."""

    bar: str = "█"
    line: str = "─"
    low: str = "├"
    high: str = "┤"
    value: str = "┼"
    both: str = "│"
    """An interval that is narrower than a character."""
    zero: str = "│"
    below: str = "◄"
    above: str = "►"


ASCII = Pens("#", "-", "|", "|", "+", "|", "|", "<", ">")


def draw(release: Release, width: int = 80, *, unicode: bool = True) -> str:
    """
    Return a block a column of numbers, a line a row: keys, bar with interval, number.

    The texts of keys are cut where they would leave no room, numbers never.

    Raises:
        ConfigError: there is no number to draw (DPQ460).
    """
    layout = lay_out(release)
    bars = release.intervals()
    blocks = (
        _block(release, layout, (at, dots(release, layout, at, bars)), width, unicode)
        for at in layout.values
    )
    return "\n".join(blocks)


def _block(
    release: Release,
    layout: Layout,
    drawn: tuple[int, list[Dot]],
    width: int,
    unicode: bool,  # noqa: FBT001 -- handed on
) -> str:
    """Return the lines of one column of numbers and its points."""
    at, found = drawn
    along = () if layout.along is None else (layout.along,)
    columns = [
        [label(release.columns[key]), *(label(row[key]) for row in release.rows)]
        for key in sorted((*along, *layout.keys))
    ]
    numbers = ["", *(dot.text for dot in found)]
    if not unicode:
        columns = [[_ascii(text) for text in column] for column in columns]
        numbers = [_ascii(text) for text in numbers]
    right = max(map(len, numbers))
    room = width - LEGIBLE - right - len(GAP) * (len(columns) + 1)
    sizes = _sizes([max(map(_wide, texts)) for texts in columns], room)
    ellipsis_ = "…" if unicode else "..."
    padded = [
        [_sized(text, size, ellipsis_) for text in texts]
        for texts, size in zip(columns, sizes, strict=True)
    ]
    rest = width - sum(sizes) - right - len(GAP) * (len(columns) + 1)
    name = printable(release.columns[at])
    marks = _drawn(found, max(NARROWEST, rest), Pens() if unicode else ASCII)
    lines = zip(*padded, [name if unicode else _ascii(name), *marks], strict=True)
    return "".join(
        GAP.join([*line, number.rjust(right)]).rstrip() + "\n"
        for line, number in zip(lines, numbers, strict=True)
    )


def _ascii(text: str) -> str:
    """Write *text* in ASCII, whatever it is."""
    known = text.replace(" ± ", " +/- ").replace("∞", "inf")
    return known.encode("ascii", "backslashreplace").decode("ascii")


def _wide(text: str) -> int:
    """Return how many columns of a terminal *text* takes."""
    from rich.cells import cell_len  # noqa: PLC0415 -- other formats do without

    return cell_len(text)


def _sizes(wanted: Sequence[int], room: int) -> list[int]:
    """
    Share *room* among columns: those that want little get it, the others as much.

    >>> _sizes([2, 40, 9], 30)
    [2, 19, 9]
    """
    sizes = list(wanted)
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    for done, at in enumerate(order):
        share = max(SHORTEST, room // (len(order) - done))
        sizes[at] = min(wanted[at], share)
        room -= sizes[at]
    return sizes


def _sized(text: str, size: int, ellipsis_: str) -> str:
    """Return *text* of this width, cut where it is too long."""
    from rich.cells import set_cell_size  # noqa: PLC0415 -- other formats do without

    if _wide(text) <= size:
        return set_cell_size(text, size)
    return set_cell_size(text, size - len(ellipsis_)) + ellipsis_


def _drawn(found: Sequence[Dot], width: int, pens: Pens) -> list[str]:
    """Return the bars, all on one scale that has zero on it."""
    ends = [e for dot in found for e in (dot.value, dot.low, dot.high)]
    known = [0.0, *(e for e in ends if e is not None and math.isfinite(e))]
    low, high = min(known), max(known)
    scale = Scale(low, high if high > low else low + 1, width)
    return [_bar(dot, scale, pens) for dot in found]


@dataclass(frozen=True, slots=True)
class Scale:
    """Numbers to characters."""

    low: float
    high: float
    width: int

    def place(self, value: float) -> float:
        """Return where *value* is, from 0 to the width; infinite ones at the edge."""
        part = (value - self.low) / (self.high - self.low)
        return min(max(part, 0.0), 1.0) * self.width

    def cell(self, value: float) -> int:
        """Return which character *value* falls on."""
        return min(int(self.place(value)), self.width - 1)


def _bar(dot: Dot, scale: Scale, pens: Pens) -> str:
    """Return one bar from zero, and its interval drawn over it."""
    cells = [" "] * scale.width
    if scale.low < 0 < scale.high:
        cells[scale.cell(0.0)] = pens.zero
    if dot.value is None:
        return "".join(cells)
    first, last = sorted((scale.place(0.0), scale.place(dot.value)))
    for at in range(scale.width):
        if first <= at + 0.5 < last:
            cells[at] = pens.bar
    if dot.low is not None and dot.high is not None:
        start, end = scale.cell(dot.low), scale.cell(dot.high)
        for at in range(start, end + 1):
            cells[at] = pens.line
        cells[scale.cell(dot.value)] = pens.value
        cells[start] = pens.low if dot.low > -math.inf else pens.below
        cells[end] = pens.high if dot.high < math.inf else pens.above
        if start == end:
            cells[start] = pens.both
    return "".join(cells)
