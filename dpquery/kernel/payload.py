"""A published answer as text and back, without losing a bit.

What is stored is what was published: noisy cells and the law of their noise. No
exact value is ever in it.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from dpquery.errors import LedgerError
from dpquery.noise import intervals

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


def to_text(published: Published) -> str:
    """Return *published* as JSON."""
    data = {
        "version": 1,
        "columns": published.columns,
        "rows": [[_cell_to_json(cell) for cell in row] for row in published.rows],
        "estimates": {
            name: [None if e is None else intervals.to_json(e) for e in cells]
            for name, cells in published.estimates.items()
        },
        "notes": published.notes,
    }
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
            rows=[tuple(_cell_from_json(cell) for cell in row) for row in data["rows"]],
            estimates={
                name: [None if e is None else intervals.from_json(e) for e in cells]
                for name, cells in data["estimates"].items()
            },
            notes=tuple(data["notes"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        msg = "a stored answer cannot be read back"
        hint = "restore the ledger from a backup; nothing was charged"
        raise LedgerError(msg, code="DPQ559", hint=hint) from None


def _cell_to_json(cell: object) -> object:
    match cell:
        case None | bool() | int() | float() | str():
            return cell
        case dt.datetime():
            return {"timestamp": cell.isoformat()}
        case dt.date():
            return {"date": cell.isoformat()}
        case Decimal():
            return {"decimal": str(cell)}
        case _:
            msg = f"no JSON form for {type(cell).__name__}"
            raise TypeError(msg)


def _cell_from_json(cell: Any) -> object:  # noqa: ANN401 -- JSON
    match cell:
        case {"timestamp": str() as text}:
            return dt.datetime.fromisoformat(text)
        case {"date": str() as text}:
            return dt.date.fromisoformat(text)
        case {"decimal": str() as text}:
            return Decimal(text)
        case _:
            return cell


def bars(
    estimates: dict[str, list[Estimate | None]], confidence: float
) -> dict[str, Sequence[Any]]:
    """Return the intervals of all noisy columns."""
    return {
        name: [None if e is None else intervals.interval(e, confidence) for e in cells]
        for name, cells in estimates.items()
    }
