"""Cells of answers as JSON and back.

A cell that JSON has is itself; any other is an object with one key, its kind, as
``{"date": "2024-02-29"}``. Stored answers are kept for years in this form: a kind
never changes its meaning.
"""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

PLAIN = frozenset({type(None), bool, int, str})
"""Types that JSON has; so it has floats, but for those that are no number."""


def to_json(cell: object) -> object:
    """
    Return *cell* as JSON-ready data, bit for bit; tuples become lists.

    >>> to_json(dt.date(2024, 2, 29)), to_json([1, Decimal("0.10")])
    ({'date': '2024-02-29'}, [1, {'decimal': '0.10'}])

    Raises:
        TypeError: answers have no such cells.
    """
    match cell:
        case None | bool() | int() | str():
            return cell
        case float():
            return {"float": repr(cell)} if _is_no_number(cell) else cell
        case dt.datetime():  # before date, of which it is a subclass
            return {"timestamp": cell.isoformat()}
        case dt.date():
            return {"date": cell.isoformat()}
        case dt.time():
            return {"time": cell.isoformat()}
        case dt.timedelta():
            return {"interval": [cell.days, cell.seconds, cell.microseconds]}
        case Decimal():
            return {"decimal": str(cell)}
        case UUID():
            return {"uuid": str(cell)}
        case bytes():
            return {"bytes": cell.hex()}
        case list() | tuple():
            return [to_json(each) for each in cell]
        case dict():  # a struct or a map; a map's keys may be anything
            return {"map": [[to_json(k), to_json(v)] for k, v in cell.items()]}
        case _:
            msg = f"no JSON form for {type(cell).__name__}"
            raise TypeError(msg)


_READERS: dict[str, Callable[[Any], object]] = {
    "float": float,
    "timestamp": dt.datetime.fromisoformat,
    "date": dt.date.fromisoformat,
    "time": dt.time.fromisoformat,
    "interval": lambda parts: dt.timedelta(*parts),
    "decimal": Decimal,
    "uuid": UUID,
    "bytes": bytes.fromhex,
    "map": lambda pairs: {_key(key): from_json(value) for key, value in pairs},
}


def _key(data: Any) -> object:  # noqa: ANN401 -- JSON
    """Return the key of a map; lists cannot be keys, so it was a tuple."""
    return tuple(map(_key, data)) if isinstance(data, list) else from_json(data)


def from_json(data: Any) -> object:  # noqa: ANN401 -- JSON
    """
    Return the cell that :func:`to_json` wrote.

    >>> from_json({"interval": [1, 0, 5]})
    datetime.timedelta(days=1, microseconds=5)

    Raises:
        ValueError, TypeError, KeyError: it wrote no such thing.
    """
    if isinstance(data, list):
        return [from_json(each) for each in data]
    if isinstance(data, dict):
        ((kind, value),) = data.items()
        return _READERS[kind](value)
    return data


def column_to_json(cells: Sequence[Any]) -> object:
    """Return a column as JSON: a list, or an object when cells have kinds."""
    kinds = set(map(type, cells))
    if kinds <= PLAIN:
        return list(cells)
    if kinds <= PLAIN | {float} and not any(map(_is_no_number, cells)):
        return list(cells)
    return {"cells": [to_json(cell) for cell in cells]}


def column_from_json(data: Any) -> list[Any]:  # noqa: ANN401 -- JSON
    """
    Return the column that :func:`column_to_json` wrote.

    >>> column_from_json(column_to_json([1.5, None, b"a"]))
    [1.5, None, b'a']
    """
    if isinstance(data, list):
        return data
    return [from_json(cell) for cell in data["cells"]]


def numbers_only(cell: Any) -> Any:  # noqa: ANN401 -- any cell
    """
    Return *cell* with NULL for floats that are no number, also inside of it.

    >>> numbers_only([1.0, float("inf"), {"a": float("nan")}])
    [1.0, None, {'a': None}]
    """
    match cell:
        case float():
            return None if _is_no_number(cell) else cell
        case list():
            return [numbers_only(each) for each in cell]
        case tuple():
            return tuple(numbers_only(each) for each in cell)
        case dict():
            return {numbers_only(k): numbers_only(v) for k, v in cell.items()}
        case _:
            return cell


def _is_no_number(cell: object) -> bool:
    return type(cell) is float and not math.isfinite(cell)


def size(cells: Iterable[Any]) -> int:
    """
    Return how many cells *cells* are, with all that is inside of them.

    >>> size([1, [2, 3], {"a": [4]}])
    8
    """
    total = 0
    for cell in cells:
        total += 1
        if isinstance(cell, list | tuple):
            total += size(cell)
        elif isinstance(cell, dict):
            total += size(cell.keys()) + size(cell.values())
    return total
