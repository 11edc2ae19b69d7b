"""
Blocks of time: which there are, and which of them a release reads (theory.md 3.5).

A row of the dated table is in the block of its date. Rows without a date, or outside
the first and the last block, count nowhere. Rows of other private tables
have no date: together they are one more block, ``undated``.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

UNDATED = "undated"
"""The block of private rows without a date."""
MONTHS = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True, slots=True)
class Calendar:
    """The owner's blocks."""

    table: str
    """As the engine spells it."""
    column: str
    every: str
    """``day``, ``week``, ``month``, ``quarter`` or ``year``."""
    first: dt.date
    last: dt.date
    """The column's bounds."""
    cap: int | None = None
    """In how many blocks a unit counts: the first ones that it has rows in."""

    def start(self, day: dt.date) -> dt.date:
        """Return the first day of the block of *day*; weeks begin on Monday."""
        if self.every == "day":
            return day
        if self.every == "week":
            return day - dt.timedelta(days=day.weekday())
        months = MONTHS[self.every]
        return dt.date(day.year, (day.month - 1) // months * months + 1, 1)

    def after(self, start: dt.date) -> dt.date:
        """Return the first day of the block after the one that begins at *start*."""
        if self.every == "day":
            return start + dt.timedelta(days=1)
        if self.every == "week":
            return start + dt.timedelta(days=7)
        month = start.month - 1 + MONTHS[self.every]
        return dt.date(start.year + month // 12, month % 12 + 1, 1)

    def name(self, start: dt.date) -> str:
        """
        Return what the block that begins at *start* is called.

        >>> Calendar("t", "d", "quarter", dt.date.min, dt.date.max).name(
        ...     dt.date(2026, 4, 1)
        ... )
        '2026-Q2'
        """
        match self.every:
            case "week":
                year, week, _ = start.isocalendar()
                return f"{year}-W{week:02}"
            case "month":
                return f"{start:%Y-%m}"
            case "quarter":
                return f"{start.year}-Q{(start.month + 2) // 3}"
            case "year":
                return f"{start.year}"
            case _:
                return start.isoformat()

    def within(self, low: dt.date, high: dt.date) -> tuple[dt.date, dt.date]:
        """
        Return the first day of the first block, and that after the last one.

        They hold all days from *low* to *high* that are within the bounds; with none,
        the first block.
        """
        low = min(max(low, self.first), self.last)
        high = max(min(high, self.last), low)
        return self.start(low), self.after(self.start(high))

    def between(self, start: dt.date, end: dt.date) -> Iterator[str]:
        """Return the blocks from *start* up to the one that ends at *end*."""
        while start < end:
            yield self.name(start)
            start = self.after(start)
