"""What tables above the privacy boundary are, and how their rows are sent."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from dpquery.engines.column_text import column_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Row = tuple[Any, ...]

_BATCH = 100_000
"""Cells that are sent and loaded at once."""


@dataclass(frozen=True, slots=True)
class ReleasedColumn:
    """One column of a table above the boundary, or of an answer."""

    name: str
    type: str
    """A DuckDB type, e.g. ``DECIMAL(18,2)``; chosen by dpquery, never by analysts."""


@dataclass(frozen=True, slots=True)
class PublicTable:
    """A public table; the same name, columns and version are the same rows."""

    name: str
    columns: tuple[ReleasedColumn, ...]
    version: str
    rows: Sequence[Row] | Callable[[], Iterable[Row]]
    """The rows, or what reads them; called only when they have to be sent."""

    @property
    def key(self) -> tuple[object, ...]:
        """What tells this table from others."""
        return (self.name, self.columns, self.version)

    def read(self) -> Iterable[Row]:
        """Return the rows."""
        return self.rows() if callable(self.rows) else self.rows


def listed(columns: Sequence[ReleasedColumn]) -> dict[str, Any]:
    """Return a table without rows as a message says it."""
    return {"columns": [(each.name, each.type) for each in columns]}


def filled(columns: Sequence[ReleasedColumn], rows: Iterable[Row]) -> dict[str, Any]:
    """
    Return a table with rows as a message says it: batches, a text for each column.

    Raises:
        ValueError: the rows are of different lengths.
        TypeError: a value has no text.
    """
    batches = [
        [column_text(column) for column in zip(*batch, strict=True)]
        for batch in batched(rows, len(columns))
    ]
    return listed(columns) | {"batches": batches}


def batched(rows: Iterable[Row], width: int) -> Iterator[list[Row]]:
    """Yield *rows* in lists that are quick to send and small to hold."""
    remaining = iter(rows)
    while batch := list(islice(remaining, max(1, _BATCH // max(1, width)))):
        yield batch
