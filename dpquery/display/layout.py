"""What of an answer is drawn along what: keys, numbers, and the points of a chart."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from dpquery.display.text import is_number, label, missing, point, shown
from dpquery.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dpquery.results import Cell, Interval, Release

LARGEST = 1e250
"""What is larger is not drawn: a scale around it would overflow."""
LONGEST = 60
"""Characters of a label; a table has the rest."""


class Axis(StrEnum):
    """What kind of axis the cells of a column make."""

    NAMES = "names"
    NUMBERS = "numbers"
    TIMES = "times"


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns of an answer are drawn, by their positions."""

    values: tuple[int, ...]
    """Those with the numbers, each on a scale of its own."""
    axis: Axis
    along: int | None
    """The column of an axis of numbers or times."""
    keys: tuple[int, ...]
    """The other columns that tell rows apart."""


@dataclass(frozen=True, slots=True)
class Dot:
    """One number of an answer with its place in a chart; all texts are plain."""

    keys: tuple[str, ...]
    at: float | str | None
    """Where it is along an axis of numbers, or of times as ISO 8601."""
    value: float | None
    low: float | None
    """``None`` where there is no interval; it may be infinite."""
    high: float | None
    text: str
    """``41 ± 12``."""


def lay_out(
    release: Release, x: str | None = None, y: str | Sequence[str] | None = None
) -> Layout:
    """
    Choose what is drawn: *y* along *x*; without them, the columns decide.

    Raises:
        ConfigError: there is no such column, or no number in it (DPQ460).
    """
    asked = [y] if isinstance(y, str) else list(y or ())
    along = None if x is None else _position(release, x)
    values = [_position(release, name) for name in asked]
    for at in values:
        if release.rows and not _numeric(release, at):
            raise _undrawable(f"the column {label(release.columns[at])} has no numbers")
    values = values or [at for at in _values(release) if at != along]
    if not values:
        raise _undrawable("no column of this answer has numbers")
    keys = [
        at
        for at in range(len(release.columns))
        if at not in values
        and release.columns[at] not in release.noisy
        and (at < min(values) or not _numeric(release, at))
    ]
    if along is None:
        places = ((at, _axis(release, at)) for at in keys)
        along, axis = next((e for e in places if e[1] is not Axis.NAMES), (None, None))
    else:
        axis = _axis(release, along)
        keys = [along, *(at for at in keys if at != along)]
    if axis is None or axis is Axis.NAMES:
        return Layout(tuple(values), Axis.NAMES, None, tuple(keys))
    rest = tuple(at for at in keys if at != along)
    return Layout(tuple(values), axis, along, rest)


def dots(
    release: Release,
    layout: Layout,
    at: int,
    bars: Mapping[str, Sequence[Interval | None]],
) -> list[Dot]:
    """Return the points of the column *at*, one a row, in the answer's order."""
    name = release.columns[at]
    count = name in release.counts
    ends: Iterable[Interval | None] = bars.get(name) or [None] * len(release.rows)
    return [
        _dot(row, layout, row[at], bar, count=count)
        for row, bar in zip(release.rows, ends, strict=True)
    ]


def _dot(
    row: Sequence[Cell],
    layout: Layout,
    cell: Cell,
    bar: Interval | None,
    *,
    count: bool,
) -> Dot:
    found = point(cell, bar, count=count)
    if found is not None and not abs(found.value) <= LARGEST:
        found = None
    return Dot(
        keys=tuple(cut(label(row[key])) for key in layout.keys),
        at=None if layout.along is None else _place(row[layout.along]),
        value=None if found is None else found.value,
        low=None if found is None or bar is None else _drawn(found.low),
        high=None if found is None or bar is None else _drawn(found.high),
        text=shown(cell, bar, count=count),
    )


def cut(text: str, most: int = LONGEST) -> str:
    """
    Return the beginning of a long text.

    >>> cut("Ribeira Grande", 8)
    'Ribeira…'
    """
    return text if len(text) <= most else text[: most - 1] + "…"


def _drawn(end: float) -> float:
    """Return an end of an interval; one that is too far away is infinite."""
    return end if abs(end) <= LARGEST else math.copysign(math.inf, end)


def _place(cell: Cell) -> float | str | None:
    """Return where a cell is along an axis; times as they are on their clock."""
    match cell:
        case dt.datetime():
            return cell.replace(tzinfo=None).isoformat()
        case dt.date():  # without a time of day, JavaScript would take it for UTC
            return f"{cell.isoformat()}T00:00:00"
        case _:
            return None if missing(cell) else float(cell)


def _position(release: Release, name: str) -> int:
    if name in release.columns:
        return release.columns.index(name)
    names = ", ".join(map(label, release.columns))
    raise _undrawable(f"the answer has no column {label(name)}: it has {names}")


def _undrawable(message: str) -> ConfigError:
    hint = "name columns of the answer: release.plot(x=…, y=…)"
    return ConfigError(message, code="DPQ460", hint=hint)


def _cells(release: Release, at: int) -> list[Cell]:
    """Return what is not NULL in a column."""
    return [row[at] for row in release.rows if not missing(row[at])]


def _numeric(release: Release, at: int) -> bool:
    cells = _cells(release, at)
    return bool(cells) and all(map(is_number, cells))


def _values(release: Release) -> list[int]:
    """
    Return the columns that are drawn when nobody says which.

    Those with intervals; where there are none, as for public tables, all numbers but
    for those that come first.
    """
    columns = range(len(release.columns))
    noisy = [at for at in columns if release.columns[at] in release.noisy]
    if not release.rows:
        return noisy or list(columns[-1:])
    found = [at for at in noisy if _numeric(release, at)]
    if found:
        return found
    numbers = [at for at in columns if _numeric(release, at)]
    keyed = len(release.rows) > 1 and len(numbers) == len(columns) > 1
    return numbers[1:] if keyed else numbers


FEWEST = 3
GAPS = 3
"""Whole numbers are an axis when at least one in so many has a row."""


def _axis(release: Release, at: int) -> Axis:
    """Tell names from numbers and times; sparse whole numbers are names."""
    cells = _cells(release, at)
    if cells and all(isinstance(cell, dt.date) for cell in cells):
        return Axis.TIMES if len(set(cells)) > 1 else Axis.NAMES
    if not _numeric(release, at):
        return Axis.NAMES
    places = set(map(float, cells))
    if len(places) < FEWEST or max(map(abs, places)) > LARGEST:
        return Axis.NAMES
    whole = all(isinstance(cell, int | Decimal) and cell == int(cell) for cell in cells)
    if whole and max(places) - min(places) >= GAPS * len(places):
        return Axis.NAMES
    return Axis.NUMBERS
