"""A published answer as text and back, without losing a bit.

What is stored is what was published: noisy cells and the law of their noise. No
exact value is ever in it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dpquery.cells import from_json as cell_from_json
from dpquery.cells import to_json as cell_to_json
from dpquery.errors import LedgerError
from dpquery.noise import intervals
from dpquery.results import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.noise.intervals import Estimate


@dataclass(frozen=True, slots=True)
class Published:
    """Everything about an answer that its analyst may see."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    estimates: dict[str, list[Estimate | None]]
    """For each noisy column, a row's estimate with its noise."""
    notes: tuple[str, ...]
    floored: tuple[str, ...] = ()
    """Columns whose intervals begin at 0 at the lowest."""

    flags: tuple[tuple[str, ...], ...] = ()
    """For each row, what makes it doubtful; none at all where no row is."""

    def bars(self, confidence: float) -> dict[str, Sequence[Any]]:
        """Return the intervals of all noisy columns."""
        found = bars(self.estimates, confidence)
        for name in self.floored:
            found[name] = [
                bar and Interval(max(0.0, bar.low), max(0.0, bar.high))
                for bar in found[name]
            ]
        return found


def to_text(published: Published) -> str:
    """Return *published* as JSON."""
    data: dict[str, Any] = {
        "version": 1,
        "columns": published.columns,
        "rows": [[cell_to_json(cell) for cell in row] for row in published.rows],
        "estimates": {
            name: [None if e is None else intervals.to_json(e) for e in cells]
            for name, cells in published.estimates.items()
        },
        "notes": published.notes,
    }
    if published.floored:
        data["floored"] = published.floored
    if published.flags:
        data["flags"] = published.flags
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def from_text(text: str | None) -> Published:
    """
    Return what :func:`to_text` wrote.

    Raises:
        LedgerError: the stored answer is damaged.
    """
    try:
        data = json.loads(text or "")
        return Published(
            columns=tuple(data["columns"]),
            rows=[tuple(cell_from_json(cell) for cell in row) for row in data["rows"]],
            estimates={
                name: [None if e is None else intervals.from_json(e) for e in cells]
                for name, cells in data["estimates"].items()
            },
            notes=tuple(data["notes"]),
            floored=tuple(data.get("floored", ())),
            flags=tuple(tuple(each) for each in data.get("flags", ())),
        )
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError):
        msg = "a stored answer cannot be read back"
        hint = "restore the ledger from a backup; nothing was charged"
        raise LedgerError(msg, code="DPQ559", hint=hint) from None


def bars(
    estimates: dict[str, list[Estimate | None]], confidence: float
) -> dict[str, Sequence[Any]]:
    """Return the intervals of all noisy columns."""
    return {
        name: [None if e is None else intervals.interval(e, confidence) for e in cells]
        for name, cells in estimates.items()
    }
