"""Random databases with a question to each: small, and as unclean as real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from dpquery.plan.rewrite import BoundingRules

from .choices import Choices
from .clinic import Hints, Row, Rows, owners
from .questions import write_question
from .removal import Example

if TYPE_CHECKING:
    from dpquery.plan.program import BoundingMode

_PERSON = ["1", "1", "1", "1", "2", "2", "3", None]
_DOUBLES = [
    *("1", "0", "1", "2", "2.5", "-1.25", "19.9995", "1e-9", "1000", "-0.0"),
    *("1e300", "-1e300", "nan", "inf", "-inf", None),
]
_DATES = [
    *("2020-02-20", "2020-02-29", "2020-02-29", "2020-03-01", "2020-03-10"),
    *("2019-01-01", "20000-01-01", "0044-03-15 (BC)", "9999-12-31", "0001-01-01"),
    *("infinity", "-infinity", None),
]
_TIMES = [
    *("2020-02-20 23:59:59.999999", "2020-02-29 12:00:00", "2020-03-10 00:00:00"),
    *("20000-01-01 00:00:00", "infinity", "-infinity", None),
]
_TEXT = ["a", "b", "A", "", "ß'\"", "Ålesund 北", "x" * 300, "|", None]
_CODES = ["1", "1", "0", "2", "-7", None]
_POOLS: dict[str, list[list[str | None]]] = {
    "people": [
        ["1", "1", "2", "3", "4", None],
        ["f", "f", "m", "x", None],
        ["1998", "2000", "2003", "-2147483648", "2147483647", None],
        ["north", "north", "south", "Nørd", "nowhere", None],
        [*_DOUBLES, "10", "-10"],
    ],
    "visits": [
        _PERSON,
        _TEXT,
        ["50.00", "50.00", "0.00", "12.345", "99999999.99", "-99999999.99", None],
        _DATES,
        ["true", "true", "false", None],
        ["5", "5", "-3", "0", "9223372036854775807", "-9223372036854775808", None],
        _DOUBLES,
        ["0", "3", "9223372036854775807", "-9223372036854775808", None],
        _CODES,
    ],
    "bills": [_PERSON, ["1", "2", "3", "9", None], [*_DOUBLES, "1000"], _DATES],
    "exams": [
        ["1", "1", "2", "3", "4", "99", None],
        ["a", "a", "", "ß'\"", "other", None],
        [*_DOUBLES, "20"],
        ["6", "0", "32767", "-32768", None],
    ],
    "findings": [
        ["e1", "e1", "e2", "e3", "e9", None],
        ["100", "0", "33.3", "nan", "inf", "-3e38", "3e38", None],
        _TEXT,
        _TIMES,
    ],
    "sensors": [["lab", "lab", "", None], _DOUBLES, _CODES],
    "regions": [
        ["north", "south", "Nørd", "Nørd", None],
        ["N", "S", "", None],
        ["2", "0", "7", None],
    ],
    "codes": [_CODES, ["a", "b", "", None], _DOUBLES],
}
"""What the cells of each table hold; keys on the way to the owner are added after."""
_ASKED = 120
"""Bytes for a question; most need fewer."""
_ROWS = [3, 0, 1, 2, 3, 3, 4, 4, 5, 5, 6]
_COPIES = [1, 1, 1, 2, 5]
"""A row may come several times: that is how a unit becomes a heavy one."""


def make_rows(choices: Choices) -> Rows:
    """Choose all rows; only keys that lead to an owner are unique."""
    made: Rows = {}
    for table, cells in _POOLS.items():
        # the first of each comes often, so that rows meet and units are heavy
        pools = [pool + pool[:1] * (len(pool) // 2) for pool in cells]
        made[table] = []
        for _ in range(choices.one_of(_ROWS)):
            row = tuple(choices.one_of(pool) for pool in pools)
            made[table] += [row] * choices.one_of(_COPIES)
    made["visits"] = _numbered(made["visits"], "")
    made["exams"] = _numbered(made["exams"], "e")
    return made


def _numbered(without_keys: list[Row], prefix: str) -> list[Row]:
    """Put a unique key before each row, and NULL before every seventh."""
    return [
        (f"{prefix}{at}" if at % 7 else None, *row)
        for at, row in enumerate(without_keys, start=1)
    ]


def examples(mode: BoundingMode, norm: int) -> st.SearchStrategy[Example]:
    """Draw databases, each with a question and the rest of the rules."""

    def make(drawn: bytes) -> Example:
        question, rows = Choices(drawn[:_ASKED]), make_rows(Choices(drawn[_ASKED:]))
        sql, about_rows = write_question(question)
        per_unit = question.one_of([1, 2, 3, 4])
        per_group = question.one_of([None, *range(1, per_unit + 1)])
        rules = BoundingRules(mode, norm, question.one_of([1, 2, 3, 4]))
        numbers = [str(at) for at in range(len(rows["sensors"]))]
        removed = numbers if about_rows else owners(rows)
        return Example(rows, sql, rules, Hints(per_unit, per_group), removed)

    size = _ASKED + 320
    return st.binary(min_size=size, max_size=size).map(make)
