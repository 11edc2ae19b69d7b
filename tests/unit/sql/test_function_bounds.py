"""Bounds of every function hold what DuckDB computes, forward and back."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import random
from collections.abc import Iterator
from fractions import Fraction

import duckdb
import pytest

from dpquery.plan.analysis.bounds import Bounds, bounds, narrow
from dpquery.plan.analysis.function_bounds import FIXED, RULES
from dpquery.plan.analysis.preimages import PREIMAGES, column_within
from dpquery.plan.analysis.spans import number
from dpquery.plan.expressions import (
    Call,
    Cast,
    ColumnRef,
    Expression,
    Interval,
    Literal,
)
from dpquery.policy.catalog import SqlType
from dpquery.sql.functions import FUNCTIONS, Function, Parameter
from dpquery.sql.literals import interval_of
from dpquery.sql.lowering.expressions import lower

from .extremes import DATE, DOUBLE, INTEGER, TIME, TIMESTAMP, VARCHAR, constants

POSITIONED = {INTEGER, DOUBLE, DATE, TIMESTAMP}
SPAN = SqlType.INTERVAL
WINDOWS: list[dict[str, tuple[object, object]]] = [
    {
        "i": (low, high),
        "j": (second, last),
        "x": (low / 2, high / 2),
        "d": (dt.date(*start), dt.date(*end)),
        "s": (dt.datetime(*start), dt.datetime(*end)),
    }
    for low, high, second, last, start, end in (
        (-7, 12, 1, 5, (2023, 11, 28), (2025, 3, 2)),
        (1, 5, -9, -2, (2024, 2, 27), (2024, 3, 2)),
        (-90, -2, -7, 12, (1969, 6, 1), (1971, 6, 1)),
        (0, 0, 0, 0, (2000, 1, 1), (2000, 1, 1)),
        (3, 2000, 20, 300, (1, 1, 1), (9999, 12, 31)),
    )
]
KINDS = {
    "i": (INTEGER, "BIGINT"),
    "j": (INTEGER, "BIGINT"),
    "x": (DOUBLE, "DOUBLE"),
    "d": (DATE, "DATE"),
    "s": (TIMESTAMP, "TIMESTAMP"),
    "t": (VARCHAR, "VARCHAR"),
    "o": (TIME, "TIME"),
    "l": (SqlType.INTEGER_LIST, "BIGINT[]"),
}
COLUMNS = {name: ColumnRef("w", name, *kind) for name, kind in KINDS.items()}
ROWS = 200


def drawn(chance: random.Random, low: object, high: object) -> object:
    """Draw a value of a window, ends more often than others."""
    at = chance.choice([0.0, 1.0, None, None, None, None])
    part = chance.random() if at is None else at
    if isinstance(low, dt.date):
        assert isinstance(high, dt.date)
        return low + (high - low) * part
    assert isinstance(low, int | float)
    assert isinstance(high, int | float)
    value = low + (high - low) * part
    return round(value) if isinstance(low, int) else value


@pytest.fixture(scope="module")
def databases() -> list[duckdb.DuckDBPyConnection]:
    found = []
    columns = ", ".join(f"{name} {spelled}" for name, (_, spelled) in KINDS.items())
    chance = random.Random(7)  # noqa: S311 -- rows of a test
    for window in WINDOWS:
        connection = duckdb.connect()
        connection.execute("SET error_on_division_by_zero = false")
        connection.execute(f"CREATE TABLE w ({columns})")
        rows = []
        for _ in range(ROWS):
            values = [drawn(chance, *window[name]) for name in "ijxds"]
            texts = "".join(chance.choices("ab🙂 é,", k=chance.randrange(9)))
            clock = dt.time(chance.randrange(24), chance.randrange(60))
            listed = [chance.randrange(-9, 9) for _ in range(chance.randrange(4))]
            cells = [*values, texts, clock, listed]
            rows.append([None if chance.random() < 0.05 else each for each in cells])
        marks = ", ".join("?" for _ in KINDS)
        connection.executemany(f"INSERT INTO w VALUES ({marks})", rows)
        found.append(connection)
    return found


def environment(
    window: dict[str, tuple[object, object]],
) -> dict[tuple[str, str], Bounds]:
    return {
        ("w", name): Bounds(*(number(end) for end in ends))  # type: ignore[arg-type]
        for name, ends in window.items()
    }


# --- calls ------------------------------------------------------------------------


def arguments(parameter: Parameter) -> list[Expression]:
    if parameter.constant:
        found = constants(parameter)
        return found if parameter.one_of else found[:4]
    if parameter.types == frozenset({SqlType.VARCHAR_LIST}):
        return [Call("string_split", (COLUMNS["t"], Literal(",", VARCHAR)), VARCHAR)]
    if parameter.element:
        return [COLUMNS["i"], Literal(3, INTEGER)]
    if parameter.types == {SPAN}:
        spans = [Interval(months=5), Interval(days=-40), Interval(1, 2, 3_600_000_000)]
        between = Call("time_between", (COLUMNS["s"], COLUMNS["d"]), SPAN)
        return [*(Literal(each, SPAN) for each in spans), between]
    found = [each for each in COLUMNS.values() if each.type in parameter.types]
    if INTEGER in parameter.types:
        found += [Literal(3, INTEGER), Literal(-2, INTEGER)]
    if DATE in parameter.types:
        found.append(Literal(dt.date(2024, 2, 29), DATE))
    if SPAN in parameter.types:
        found.append(Call("time_between", (COLUMNS["s"], COLUMNS["d"]), SPAN))
    return found


def calls(function: Function) -> Iterator[Call]:
    most = len(function.parameters)
    for length in range(most - function.optional, most + 1):
        choices = [arguments(each) for each in function.parameters[:length]]
        found = list(itertools.product(*choices))
        for chosen in found[:: max(1, len(found) // 80)]:
            if function.check is None or function.check(chosen) is None:
                yield Call(function.name, chosen, function.result(chosen))


def values(
    connection: duckdb.DuckDBPyConnection, *expressions: Expression
) -> list[tuple[object, ...]]:
    items = ", ".join(lower(each).sql("duckdb") for each in expressions)
    return connection.execute(f"SELECT {items} FROM w").fetchall()


def position(value: object) -> Fraction | None:
    """Return where a value stands; ``None`` for NULL and what is not finite."""
    if isinstance(value, dt.timedelta):
        return Fraction(value // dt.timedelta(microseconds=1), 86_400_000_000)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return number(value)  # type: ignore[arg-type]


def within(at: Fraction, of: Bounds) -> bool:
    room = Fraction(1, 10**9) * max(1, abs(at))
    below = of.low is not None and at < of.low - room
    above = of.high is not None and at > of.high + room
    return not (below or above)


RESULTS = {
    name: function
    for name, function in FUNCTIONS.items()
    if any(call.type in POSITIONED for call in calls(function))
}
NO_BOUNDS = {
    *("tan", "cot", "cosh", "atanh", "gamma", "lgamma", "log", "julian"),
    *("list_extract", "list_min", "list_max", "list_sum", "list_avg", "strptime"),
}
"""Functions of numbers and dates whose sums need bounds of their own."""


@pytest.mark.parametrize("name", sorted(RESULTS))
def test_bounds_hold_every_value(
    databases: list[duckdb.DuckDBPyConnection], name: str
) -> None:
    bounded = 0
    for connection, window in zip(databases, WINDOWS, strict=True):
        env = environment(window)
        for call in calls(RESULTS[name]):
            found = bounds(call, env)
            bounded += found.low is not None or found.high is not None
            for (value,) in values(connection, call):
                at = position(value)
                assert at is None or within(at, found), (call, value, found)
    assert (bounded == 0) == (name in NO_BOUNDS)


def test_every_rule_is_of_a_function() -> None:
    operators = {"nullif", "coalesce"}
    assert set(RULES) | set(FIXED) <= set(FUNCTIONS) | operators
    assert set(PREIMAGES) <= set(FUNCTIONS)
    assert not NO_BOUNDS & (set(RULES) | set(FIXED))


# --- back through filters ---------------------------------------------------------


@pytest.mark.parametrize("name", sorted(PREIMAGES))
def test_filters_on_values_keep_what_narrows_their_column(
    databases: list[duckdb.DuckDBPyConnection], name: str
) -> None:
    narrowed = 0
    for connection in databases:
        for call in calls(FUNCTIONS[name]):
            columns = [c for c in call.arguments if isinstance(c, ColumnRef)]
            others = [c for c in call.arguments if isinstance(c, Call)]
            if len(columns) != 1 or others:
                continue
            rows = [
                (position(value), position(column))
                for value, column in values(connection, call, columns[0])
            ]
            seen = sorted(at for at, _ in rows if at is not None)
            if not seen:
                continue
            low, high = seen[len(seen) // 4], seen[3 * len(seen) // 4]
            result = Bounds(low, high)
            found = column_within(call, result).get(("w", columns[0].name))
            narrowed += found is not None
            for at, column in rows:
                if at is None or column is None or not low <= at <= high:
                    continue
                assert found is None or within(column, found), (call, at, column)
    assert narrowed > 0


X, DAY, STAMP = COLUMNS["x"], COLUMNS["d"], COLUMNS["s"]


def literal(value: object, type_: SqlType) -> Literal:
    return Literal(value, type_)  # type: ignore[arg-type]


def compared(name: str, left: Expression, right: object, type_: SqlType) -> Call:
    return Call(name, (left, literal(right, type_)), SqlType.BOOLEAN)


def day(year: int, month: int, day_: int) -> Fraction:
    return Fraction(dt.date(year, month, day_).toordinal())


MONTH = Call("date_trunc", (literal("month", VARCHAR), DAY), TIMESTAMP)
LATER = Call("plus_interval", (DAY, literal(interval_of(1, "month"), SPAN)), TIMESTAMP)
BY_HAND = [
    (compared("eq", Call("year", (DAY,), INTEGER), 2024, INTEGER),
     "d", day(2024, 1, 1), day(2024, 12, 31)),
    (compared("eq", Call("year", (STAMP,), INTEGER), 2024, INTEGER),
     "s", day(2024, 1, 1), day(2025, 1, 1)),
    (compared("ge", MONTH, dt.datetime(2024, 5, 1), TIMESTAMP), "d", day(2024, 5, 1),
     None),
    (compared("le", Call("abs", (X,), DOUBLE), 5, INTEGER), "x", -5, 5),
    (compared("lt", Call("add", (X, literal(1, INTEGER)), DOUBLE), 5, INTEGER),
     "x", None, 4),
    (compared("ge", Call("multiply", (literal(-2, INTEGER), X), DOUBLE), 6, INTEGER),
     "x", None, -3),
    (compared("lt", Call("subtract", (literal(9, INTEGER), X), DOUBLE), 5, INTEGER),
     "x", 4, None),
    (compared("lt", Call("negate", (X,), DOUBLE), 5, INTEGER), "x", -5, None),
    (compared("lt", LATER, dt.datetime(2024, 3, 31), TIMESTAMP), "d", None,
     day(2024, 3, 4) - Fraction(1, 86_400_000_000)),
    (compared("lt", Cast(STAMP, DATE), dt.date(2024, 3, 1), DATE), "s", None,
     day(2024, 3, 1)),
    (compared("gt", Cast(X, INTEGER), 7, INTEGER), "x", 7, None),
    (compared("lt", Call("days_between", (literal(dt.date(2024, 3, 1), DATE), DAY),
                         INTEGER), 7, INTEGER), "d", day(2024, 2, 24), None),
    (compared("le", Call("sqrt", (X,), DOUBLE), 3, INTEGER), "x", 0, 9),
    (Call("in", (Call("year", (DAY,), INTEGER), literal(2020, INTEGER),
                 literal(2022, INTEGER)), SqlType.BOOLEAN),
     "d", day(2020, 1, 1), day(2022, 12, 31)),
]  # fmt: skip


@pytest.mark.parametrize(("predicate", "name", "low", "high"), BY_HAND)
def test_what_a_filter_says(
    predicate: Call, name: str, low: Fraction | int | None, high: Fraction | int | None
) -> None:
    found = narrow({}, predicate)["w", name]
    assert (found.low, found.high) == (low, high)


FIELD = Call(
    "struct_extract",
    (ColumnRef("w", "z", SqlType.STRUCT, "STRUCT(a BIGINT)"), literal("a", VARCHAR)),
    INTEGER,
)


def test_fields_of_structs_are_narrowed_as_columns_are() -> None:
    env = narrow({}, compared("le", FIELD, 9, INTEGER))
    env = narrow(env, compared("ge", FIELD, 2, INTEGER))
    assert bounds(FIELD, env) == Bounds(Fraction(2), Fraction(9))
    assert bounds(FIELD, {}) == Bounds()
