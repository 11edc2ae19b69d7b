"""A column's values as the JSON text that DuckDB itself casts to the column's type.

Text is ten times smaller than Python's values and four times faster to load.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dpquery.cells import PLAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

_BY_TEXT = frozenset({"BIGNUM", "BIT", "JSON"})
"""Types that DuckDB does not read from JSON as themselves."""


def column_text(values: Sequence[Any]) -> str:
    """
    Return *values* as a JSON list.

    >>> column_text([dt.date(2024, 2, 29), None, float("inf")])
    '["2024-02-29",null,"inf"]'
    """
    if set(map(type, values)) <= PLAIN | {float}:
        with suppress(ValueError):  # a float that is no number
            return _dumps(values)
    return _dumps([_plain(value) for value in values])


def unnest(parameter: int, kind: str) -> str:
    """
    Return SQL for the rows of the text in *parameter* as values of type *kind*.

    >>> unnest(1, "BIGINT")
    'unnest($1::JSON::BIGINT[])'
    """
    if kind in _BY_TEXT:
        return f"unnest(${parameter}::JSON::VARCHAR[])::{kind}"
    return f"unnest(${parameter}::JSON::{kind}[])"


def _dumps(values: Sequence[Any]) -> str:
    return json.dumps(
        values, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )


def _plain(value: Any) -> object:  # noqa: ANN401 -- any value
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else repr(value)
        case dt.timedelta():
            seconds = f"{value.seconds} seconds {value.microseconds} microseconds"
            return f"{value.days} days {seconds}"
        case bytes():
            return "".join(f"\\x{byte:02X}" for byte in value)
        case list() | tuple():
            return [_plain(each) for each in value]
        case dict():
            return {str(key): _plain(each) for key, each in value.items()}
        case _:  # dates, times, decimals and UUIDs
            return str(value)
