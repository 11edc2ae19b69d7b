"""Cells as people read them: texts, and numbers rounded to what error bars can tell."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dpquery.results import Cell, Interval


def printable(text: str) -> str:
    r"""
    Spell out what would move the cursor, recolour the screen or hide.

    >>> printable("north\x1b[2J")
    'north\\x1b[2J'
    """
    return "".join(
        each
        if each.isprintable()
        else each.encode("unicode_escape", "surrogatepass").decode("ascii")
        for each in text
    )


def plain(cell: Cell) -> str:
    """Return the exact text of a cell: ISO 8601 for dates, all digits for numbers."""
    match cell:
        case bool():
            return "true" if cell else "false"
        case Decimal():
            return format(cell, "f")
        case dt.date():  # a datetime is a date
            return cell.isoformat()
        case _:
            return str(cell)


def missing(cell: Cell) -> bool:
    """Whether a cell is NULL; NaN and infinities have no place in text formats."""
    return cell is None or (
        isinstance(cell, float | Decimal) and not math.isfinite(cell)
    )


def is_number(cell: Cell) -> bool:
    """Whether a cell is a number to a reader; to Python, booleans are."""
    return isinstance(cell, int | float | Decimal) and not isinstance(cell, bool)


def short(value: float) -> str:
    """Write a number without error bar at a length that a person reads."""
    if value and not 1e-3 <= abs(value) < 1e15:  # noqa: PLR2004 -- a reader's range
        return f"{value:.4g}"
    text = f"{value + 0.0:.4f}"
    return text.rstrip("0").rstrip(".")


def label(cell: Cell) -> str:
    r"""
    Return a cell without error bar, as one line that hides nothing.

    >>> label(None), label(True), label(0.25), label("a\u202eb")
    ('NULL', 'true', '0.25', 'a\\u202eb')
    """
    if missing(cell):
        return "NULL"
    return printable(short(cell) if isinstance(cell, float) else plain(cell))


@dataclass(frozen=True, slots=True)
class Point:
    """A number as it is drawn, with its interval, which may be infinite."""

    value: float
    low: float
    high: float

    @property
    def half(self) -> float:
        """The longer side: an interval need not be symmetric (a ratio's is not)."""
        return max(self.value - self.low, self.high - self.value)


def point(cell: Cell, bar: Interval | None, *, count: bool = False) -> Point | None:
    """
    Return what is drawn for a cell; ``None`` for what is no number.

    A count below zero is drawn at zero and keeps its half width: whatever of its
    interval is possible lies within. Without *bar* the interval is the number.

    >>> from dpquery.results import Interval
    >>> point(-3, Interval(-15, 9), count=True)
    Point(value=0.0, low=0.0, high=12.0)
    """
    if missing(cell) or not is_number(cell):
        return None
    value = float(cell)
    low, high = (value, value) if bar is None else _ends(bar)
    if count and value < 0:
        low, high, value = low - value, high - value, 0.0
    return Point(value, max(0.0, low) if count else low, high)


def _ends(bar: Any) -> tuple[float, float]:  # noqa: ANN401 -- ends may be missing
    """Return the ends of an interval; one that is not known is infinite."""
    low = -math.inf if bar.low is None or math.isnan(bar.low) else float(bar.low)
    high = math.inf if bar.high is None or math.isnan(bar.high) else float(bar.high)
    return low, high


def shown(cell: Cell, bar: Interval | None, *, count: bool = False) -> str:
    """
    Return a cell as people see it, rounded to what its error bar can tell.

    The half width has two digits, and the number as many decimals; a *count* is not
    below zero.

    >>> from dpquery.results import Interval
    >>> shown(41.3, Interval(29.2, 53.4)), shown(0.5, Interval(0.469, 0.531))
    ('41 ± 12', '0.500 ± 0.031')
    >>> shown(123456, Interval(121562, 125350)), shown(30, Interval(21, 39))
    ('123500 ± 1900', '30 ± 9')
    >>> shown(-3, Interval(-15, 9), count=True), shown(-3, Interval(-15, 9))
    ('0 ± 12', '-3 ± 12')
    >>> shown(1.2345e20, Interval(1.2e20, 1.26e20)), shown(2.5e-7, Interval(0, 3e-7))
    ('1.234e20 ± 3.4e18', '2.5e-7 ± 2.5e-7')
    """
    found = point(cell, bar, count=count)
    if found is None:
        return label(cell)
    if bar is None:
        return label(max(cell, 0) if count else cell)
    # Not of what is drawn: that is cut at zero on one side.
    half = max(float(cell) - _ends(bar)[0], _ends(bar)[1] - float(cell))
    if not math.isfinite(half):
        return f"{short(found.value)} ± ∞"
    if half <= 0:
        return short(found.value)
    size = max(abs(float(cell)), half)  # a count keeps its width when it is drawn at 0
    return _with_half(found.value, half, size, _most_decimals(cell, half))


TOO_LONG = 1e15
TOO_SMALL = 1e-4
NEGLIGIBLE = 1e-9
"""An error bar that is smaller than this part of its number does not round it."""


def _with_half(value: float, half: float, size: float, most: int) -> str:
    """Return ``value ± half``, two digits of *half*, for a number of about *size*."""
    digits = 1 - math.floor(math.log10(half))
    if half < NEGLIGIBLE * size:
        return f"{short(value)} ± {_power(f'{half:.1e}')}"
    if not TOO_SMALL <= size < TOO_LONG:
        ahead = math.floor(math.log10(abs(value))) if value else 0
        number = f"{value:.{max(0, ahead + digits)}e}" if value else "0"
        return f"{_power(number)} ± {_power(f'{half:.1e}')}"
    digits = min(digits, most)
    places = max(0, digits)
    return f"{_rounded(value, digits):.{places}f} ± {_rounded(half, digits):.{places}f}"


def _most_decimals(cell: Cell, half: float) -> int:
    """Return how many decimals a number has to show: an integer none."""
    if isinstance(cell, int):
        return 0
    exponent = cell.as_tuple().exponent if isinstance(cell, Decimal) else None
    if isinstance(exponent, int) and exponent <= 0 and round(half, -exponent) > 0:
        return -exponent
    return 300


def _power(text: str) -> str:
    """Write ``1.0e+18`` as ``1.0e18``."""
    mantissa, _, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else text


def _rounded(value: float, digits: int) -> float:
    """Round without a minus before zero."""
    return round(value, digits) + 0.0
