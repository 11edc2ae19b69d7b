from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from dpquery.cells import (
    column_from_json,
    column_to_json,
    from_json,
    numbers_only,
    size,
    to_json,
)
from dpquery.errors import LedgerError
from dpquery.kernel.payload import from_text, to_text

EAST = dt.timezone(dt.timedelta(hours=5, minutes=30))
CELLS: list[Any] = [
    None,
    True,
    0,
    -(2**200),
    0.1,
    -0.0,
    5e-324,
    1.7976931348623157e308,
    math.inf,
    -math.inf,
    "",
    "é\0\U0001f600\"'",
    dt.date(1, 1, 1),
    dt.datetime(9999, 12, 31, 23, 59, 59, 999999),
    dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
    dt.time(1, 2, 3, 4),
    dt.time(1, 2, tzinfo=EAST),
    dt.timedelta(days=-3, seconds=5, microseconds=7),
    Decimal("0.10"),
    Decimal("-12345678901234567890.0123456789"),
    Decimal("0E-10"),
    UUID(int=5),
    b"\x00\xff",
    b"",
    [],
    [1, None, [Decimal("1.50")]],
    {},
    {"a": 1, "date": dt.date(2024, 2, 29)},
    {1: "a", None: [b"x"]},
    {(1, dt.date(2024, 1, 1)): 2},
    {"cells": [1]},
]


def there_and_back(data: object) -> Any:  # noqa: ANN401 -- JSON
    return json.loads(json.dumps(data, allow_nan=False))


@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_a_cell_survives(cell: object) -> None:
    """``repr`` tells -0.0 from 0.0, 1 from True, and 0.10 from 0.1."""
    assert repr(from_json(there_and_back(to_json(cell)))) == repr(cell)


def test_what_is_no_number_survives() -> None:
    assert math.isnan(from_json(there_and_back(to_json(math.nan))))  # type: ignore[arg-type]


def test_tuples_become_lists() -> None:
    assert from_json(there_and_back(to_json((1, (2,))))) == [1, [2]]


def test_other_cells_have_no_form() -> None:
    for cell in (object(), 1j, {1}, [object()]):
        with pytest.raises(TypeError, match="no JSON form"):
            to_json(cell)


@pytest.mark.parametrize(
    "column",
    [[], [1, None, "a", True], [0.5, None, -0.0], [0.5, math.inf], CELLS],
    ids=["empty", "plain", "numbers", "no number", "all"],
)
def test_a_column_survives(column: list[object]) -> None:
    found = column_from_json(there_and_back(column_to_json(column)))
    assert repr(found) == repr(column)


def test_only_numbers_are_left() -> None:
    assert numbers_only([math.nan, (math.inf, 1.5), {"a": -math.inf, "b": "nan"}]) == [
        None,
        (None, 1.5),
        {"a": None, "b": "nan"},
    ]


def test_cells_are_counted_with_all_that_is_inside() -> None:
    assert size([]) == 0
    assert size([None, "text", [], [1, [2, 3]], {"a": (1, 2)}]) == 13


VERSION_1 = (
    '{"version":1,"columns":["k","d","t","x","n","s","b"],"rows":[[null,'
    '{"date":"2024-02-29"},{"timestamp":"2024-02-29T01:02:03.000004"},'
    '{"decimal":"0.10"},12345678901234567890123,"é",true]],"estimates":{},'
    '"notes":["kept"]}'
)


def test_answers_stored_by_the_first_version_can_be_read() -> None:
    published = from_text(VERSION_1)
    assert published.rows == [
        (
            None,
            dt.date(2024, 2, 29),
            dt.datetime(2024, 2, 29, 1, 2, 3, 4),
            Decimal("0.10"),
            12345678901234567890123,
            "é",
            True,
        )
    ]
    assert str(published.rows[0][3]) == "0.10"
    assert to_text(published) == VERSION_1


@pytest.mark.parametrize(
    "cell",
    [
        '{"decimal":"x"}',
        '{"date":"2024-13-01"}',
        '{"date":1}',
        '{"unknown":"x"}',
        '{"interval":[1e99,0,0]}',
        '{"map":[1]}',
        '{"map":[[{"map":[]},1]]}',
        "{}",
        '{"date":"2024-01-01","time":"00:00"}',
    ],
)
def test_a_damaged_cell_is_a_damaged_answer(cell: str) -> None:
    text = VERSION_1.replace("null", cell, 1)
    with pytest.raises(LedgerError) as caught:
        from_text(text)
    assert caught.value.code == "DPQ559"
