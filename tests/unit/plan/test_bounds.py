"""Bounds hold every value that DuckDB computes from values within the columns' own."""

from __future__ import annotations

import datetime as dt
import math
from fractions import Fraction
from typing import TYPE_CHECKING

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpquery.engines.base import Limits
from dpquery.engines.lockdown import configuration
from dpquery.plan.analysis.bounds import (
    UNBOUNDED,
    Bounds,
    bounds,
    decimals,
    environment,
    narrow,
    number,
)
from dpquery.plan.expressions import Call, Case, Cast, ColumnRef, Literal
from dpquery.policy.catalog import SqlType
from dpquery.sql.functions import FUNCTIONS
from dpquery.sql.literals import as_type
from dpquery.sql.lowering.expressions import lower

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from dpquery.plan.expressions import Expression
    from dpquery.plan.relations import Relation

    Expr = Callable[[str], Expression]
    Rel = Callable[[str], Relation]

BOOLEAN, INTEGER, DOUBLE = SqlType.BOOLEAN, SqlType.INTEGER, SqlType.DOUBLE
DATE, TIMESTAMP = SqlType.DATE, SqlType.TIMESTAMP

COLUMNS = {
    "i": ColumnRef("t", "i", INTEGER, "BIGINT"),
    "j": ColumnRef("t", "j", INTEGER, "INTEGER"),
    "x": ColumnRef("t", "x", DOUBLE, "DOUBLE"),
    "d": ColumnRef("t", "d", DATE, "DATE"),
    "s": ColumnRef("t", "s", TIMESTAMP, "TIMESTAMP"),
    "b": ColumnRef("t", "b", BOOLEAN, "BOOLEAN"),
}
FIRST, LAST = dt.date(2023, 11, 28), dt.date(2025, 3, 2)
ENV = {
    ("t", "i"): Bounds(Fraction(-7), Fraction(12)),
    ("t", "j"): Bounds(Fraction(1), Fraction(5)),
    ("t", "x"): Bounds(Fraction(-5, 2), Fraction(41, 4)),
    ("t", "d"): Bounds(number(FIRST), number(LAST)),
    ("t", "s"): Bounds(number(FIRST), number(LAST)),
}

quarters = st.integers(-10, 41).map(lambda n: n / 4)
rows = st.fixed_dictionaries(
    {
        "i": st.none() | st.integers(-7, 12),
        "j": st.none() | st.integers(1, 5),
        "x": st.none() | quarters,
        "d": st.none() | st.dates(FIRST, LAST),
        "s": st.none()
        | st.datetimes(
            dt.datetime.combine(FIRST, dt.time()), dt.datetime.combine(LAST, dt.time())
        ),
        "b": st.none() | st.booleans(),
    }
)

# --- random expressions -----------------------------------------------------------

leaves = st.sampled_from([COLUMNS["i"], COLUMNS["j"], COLUMNS["x"]]) | st.builds(
    Literal, st.integers(-3, 9), st.just(INTEGER)
)
dates = st.sampled_from([COLUMNS["d"], COLUMNS["s"]])


def called(name: str, *arguments: Expression) -> Call:
    return Call(name, arguments, FUNCTIONS[name].result(arguments))


def alike(name: str, *arguments: Expression) -> Call:
    return Call(name, tuple(as_type(each, DOUBLE) for each in arguments), DOUBLE)


def compared(name: str, left: Expression, right: Expression) -> Call:
    return Call(name, (left, right), BOOLEAN)


def extended(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    conditions = st.just(COLUMNS["b"]) | st.builds(
        compared, st.sampled_from(["lt", "le", "gt", "ge", "eq", "ne"]), inner, inner
    )
    whole = inner.filter(lambda each: each.type is INTEGER)
    return st.one_of(
        st.builds(
            called,
            st.sampled_from(["add", "subtract", "multiply", "divide", "modulo"]),
            inner,
            inner,
        ),
        st.builds(called, st.just("int_divide"), whole, whole),
        st.builds(
            called,
            st.sampled_from(
                ["negate", "abs", "sign", "floor", "ceil", "trunc", "round"]
            ),
            inner,
        ),
        st.builds(
            lambda each, digits: called("round", each, Literal(digits, INTEGER)),
            inner,
            st.integers(0, 3),
        ),
        st.builds(
            alike,
            st.sampled_from(["coalesce", "nullif", "least", "greatest"]),
            inner,
            inner,
        ),
        st.builds(
            lambda when, then, other: Case(
                ((when, as_type(then, DOUBLE)),), as_type(other, DOUBLE), DOUBLE
            ),
            conditions,
            inner,
            inner | st.just(Literal(None, DOUBLE)),
        ),
        st.builds(Cast, inner, st.sampled_from([INTEGER, DOUBLE])),
    )


numbers = st.recursive(leaves, extended, max_leaves=5)
parts = st.builds(
    called,
    st.sampled_from(
        [
            *("year", "quarter", "month", "week", "day", "dayofyear"),
            *("dayofweek", "isodow"),
        ]
    ),
    dates,
) | st.builds(
    called, st.sampled_from(["hour", "minute", "second"]), st.just(COLUMNS["s"])
)
truncations = st.builds(
    lambda unit, date: called("date_trunc", Literal(unit, SqlType.VARCHAR), date),
    st.sampled_from(["hour", "day", "week", "month", "quarter", "year"]),
    dates,
)


@pytest.fixture(scope="module")
def database() -> duckdb.DuckDBPyConnection:
    limits = Limits(memory="300MB", threads=1)
    connection = duckdb.connect(config=configuration(limits))
    connection.execute(
        "CREATE TABLE t (i BIGINT, j INTEGER, x DOUBLE, d DATE, s TIMESTAMP, b BOOLEAN)"
    )
    return connection


def evaluated(
    database: duckdb.DuckDBPyConnection,
    table: list[dict[str, object]],
    *expressions: Expression,
) -> list[tuple[object, ...]]:
    database.execute("DELETE FROM t")
    database.executemany(
        "INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)",
        [[row[name] for name in COLUMNS] for row in table],
    )
    items = ", ".join(lower(each).sql("duckdb") for each in expressions)
    return database.execute(f"SELECT {items} FROM t").fetchall()


def within(value: object, of: Bounds, slack: float = 0) -> bool:
    """Whether *value* lies in *of*, or is left out of every sum."""
    if isinstance(value, float) and not math.isfinite(value):
        return True
    at = number(value)  # type: ignore[arg-type]
    if at is None:
        return value is None
    room = Fraction(slack) * max(1, abs(at))
    return not (
        (of.low is not None and at < of.low - room)
        or (of.high is not None and at > of.high + room)
    )


@settings(derandomize=True, max_examples=300, deadline=None)
@given(numbers | parts, st.lists(rows, min_size=1, max_size=4))
def test_bounds_hold_every_value(
    database: duckdb.DuckDBPyConnection,
    expression: Expression,
    table: list[dict[str, object]],
) -> None:
    found = bounds(expression, ENV)
    for (value,) in evaluated(database, table, expression):
        assert within(value, found, slack=1e-12), (value, found)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(truncations, st.lists(rows, min_size=1, max_size=4))
def test_bounds_hold_every_truncated_date(
    database: duckdb.DuckDBPyConnection,
    expression: Expression,
    table: list[dict[str, object]],
) -> None:
    found = bounds(expression, ENV)
    assert found.closed
    for (value,) in evaluated(database, table, expression):
        assert within(value, found)


conditions = st.recursive(
    st.one_of(
        st.builds(
            compared,
            st.sampled_from(["lt", "le", "gt", "ge", "eq", "ne"]),
            leaves,
            leaves,
        ),
        st.builds(
            lambda items: Call("in", (COLUMNS["i"], *items), BOOLEAN),
            st.lists(
                st.builds(Literal, st.integers(-9, 9) | st.none(), st.just(INTEGER)),
                min_size=1,
                max_size=3,
            ),
        ),
        st.builds(
            compared,
            st.sampled_from(["lt", "ge", "eq"]),
            st.just(COLUMNS["d"]),
            st.builds(Literal, st.dates(FIRST, LAST), st.just(DATE)),
        ),
        st.just(COLUMNS["b"]),
    ),
    lambda inner: (
        st.builds(
            lambda name, sides: Call(name, tuple(sides), BOOLEAN),
            st.sampled_from(["and", "or"]),
            st.lists(inner, min_size=2, max_size=3),
        )
        | st.builds(lambda one: Call("not", (one,), BOOLEAN), inner)
    ),
    max_leaves=5,
)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(conditions, st.lists(rows, min_size=1, max_size=4))
def test_filters_narrow_to_no_less_than_what_they_keep(
    database: duckdb.DuckDBPyConnection,
    condition: Expression,
    table: list[dict[str, object]],
) -> None:
    narrowed = narrow(ENV, condition)
    names = ["i", "j", "x", "d"]
    columns = [COLUMNS[name] for name in names]
    for keep, *values in evaluated(database, table, condition, *columns):
        if keep:
            for name, value in zip(names, values, strict=True):
                assert within(value, narrowed["t", name]), (name, value)
    for name in names:
        inner, outer = narrowed["t", name], ENV["t", name]
        assert inner.low >= outer.low  # never wider than before


# --- single rules -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "low", "high"),
    [
        ("amount", -1000, 1000),
        ("amount + 5", -995, 1005),
        ("5 - amount", -995, 1005),
        ("-amount", -1000, 1000),
        ("amount * -2", -2000, 2000),
        ("amount / 4", -250, 250),
        ("amount / (amount + 2000)", -1, 1),
        ("amount / amount", None, None),
        ("amount % 7", -7, 7),
        ("ABS(amount) % 7", 0, 7),
        ("ABS(amount)", 0, 1000),
        ("ABS(amount + 1500)", 500, 2500),
        ("ABS(amount - 1500)", 500, 2500),
        ("ABS(order_id)", 0, None),
        ("SIGN(order_id)", -1, 1),
        ("FLOOR(amount / 3)", -334, 334),
        ("ROUND(amount / 3, 1)", -334, 334),
        ("COALESCE(amount, 2000)", -1000, 2000),
        ("NULLIF(amount, 0)", -1000, 1000),
        ("LEAST(amount, 10)", -1000, 10),
        ("LEAST(order_id, 10)", None, 10),
        ("GREATEST(order_id, 10)", 10, None),
        ("LEAST(GREATEST(order_id, 0), 100)", 0, 100),
        ("GREATEST(LEAST(order_id, 100), 0)", 0, 100),
        ("LEAST(order_id, amount)", None, None),
        ("GREATEST(amount, order_id)", None, None),
        ("CASE WHEN amount > 0 THEN amount END", 0, 1000),
        ("CASE WHEN amount > 0 THEN amount ELSE 0 END", 0, 1000),
        ("CASE WHEN express THEN 1 WHEN amount > 5 THEN 7 ELSE 3 END", 1, 7),
        ("CASE WHEN express THEN NULL ELSE amount END", -1000, 1000),
        ("COALESCE(NULL, amount)", -1000, 1000),
        ("LEAST(NULL, amount)", -1000, 1000),
        ("CASE WHEN order_id BETWEEN 1 AND 9 THEN order_id ELSE 0 END", 0, 9),
        ("IF(amount > 5, amount, 5)", 5, 1000),
        ("CAST(amount AS INTEGER)", -1000, 1000),
        ("CAST(amount / 3 AS INTEGER)", -334, 334),
        ("CAST(note AS INTEGER)", None, None),
        ("CAST(amount > 5 AS INTEGER)", 0, 1),
        ("LENGTH(note)", 0, None),
        ("YEAR(placed_on)", 2024, 2025),
        ("MONTH(placed_on)", 1, 12),
        ("QUARTER(placed_on)", 1, 4),
        ("DAY(placed_on)", 1, 31),
        ("WEEK(placed_on)", 1, 53),
        ("DAYOFYEAR(placed_on)", 1, 366),
        ("DAYOFWEEK(placed_on)", 0, 6),
        ("ISODOW(placed_on)", 1, 7),
        ("HOUR(paid_at)", 0, 23),
        ("MINUTE(paid_at)", 0, 59),
        ("SECOND(paid_at)", 0, 59),
    ],
)
def test_bounds_by_hand(
    expression: Expr, relation: Rel, sql: str, low: int | None, high: int | None
) -> None:
    found = bounds(expression(sql), environment(relation("orders")))
    assert (found.low, found.high) == (low, high)


@pytest.mark.parametrize(
    ("where", "low", "high"),
    [
        ("amount > 5", 5, 1000),
        ("5 < amount", 5, 1000),
        ("amount >= 5 AND amount < 9.5", 5, Fraction(19, 2)),
        ("amount = 7", 7, 7),
        ("7 = amount", 7, 7),
        ("amount <> 7", -1000, 1000),
        ("amount BETWEEN -3 AND 3", -3, 3),
        ("amount < 5 OR amount > 9", -1000, 1000),
        ("(amount > 1 AND amount < 2) OR amount = 5", 1, 5),
        ("amount > 5 OR express", -1000, 1000),
        ("NOT amount > 5", -1000, 1000),
        ("amount > 5000", 5000, 5000),
        ("amount < ABS(amount)", -1000, 1000),
        ("amount < order_id", -1000, 1000),
        ("amount < LEAST(order_id, 4)", -1000, 4),
        ("express AND (amount > 5 AND (amount < 6))", 5, 6),
    ],
)
def test_what_filters_say_about_columns(
    expression: Expr, relation: Rel, where: str, low: Fraction, high: Fraction
) -> None:
    env = environment(relation(f"orders WHERE {where}"))
    found = bounds(expression("amount"), env)
    assert (found.low, found.high) == (low, high)


def test_lists_narrow_unless_null_is_in_them(expression: Expr, relation: Rel) -> None:
    column = expression("order_id")
    env = environment(relation("orders WHERE order_id IN (4, 2, 8)"))
    assert bounds(column, env) == Bounds(Fraction(2), Fraction(8))
    env = environment(relation("orders WHERE order_id IN (4, NULL)"))
    assert bounds(column, env) == UNBOUNDED


WIDE, NARROW = (-1000, 1000), (1, 2)


@pytest.mark.parametrize(
    ("kind", "left", "right"),
    [
        ("JOIN", NARROW, NARROW),
        ("LEFT JOIN", WIDE, NARROW),  # without a partner, NULL is on the right
        ("FULL JOIN", WIDE, WIDE),
    ],
)
def test_joins_narrow_the_sides_that_they_do_not_keep(
    relation: Rel, kind: str, left: tuple[int, int], right: tuple[int, int]
) -> None:
    both = "a.amount BETWEEN 1 AND 2 AND b.amount BETWEEN 1 AND 2"
    on = f"a.customer_id = b.customer_id AND {both}"
    env = environment(relation(f"orders AS a {kind} orders AS b ON {on}"))
    assert env["orders", "amount"] == Bounds(*map(Fraction, left))
    assert env["orders_2", "amount"] == Bounds(*map(Fraction, right))


def test_two_readings_of_one_table_are_narrowed_apart(relation: Rel) -> None:
    env = environment(
        relation(
            "orders AS a JOIN orders AS b ON a.customer_id = b.customer_id"
            " WHERE b.amount > 5"
        )
    )
    assert env["orders", "amount"].low == -1000
    assert env["orders_2", "amount"].low == 5


@pytest.mark.parametrize(
    ("sql", "digits"),
    [
        ("order_id", 0),
        ("amount", 2),
        ("express", 0),
        ("amount + 1", 2),
        ("amount - 0.125", 3),
        ("amount * amount", 4),
        ("amount * 0.5", 3),
        ("amount / 2", None),
        ("order_id * 3", 0),
        ("ABS(amount)", 2),
        ("-amount", 2),
        ("LEAST(amount, 1.5)", 2),
        ("COALESCE(amount, 0)", 2),
        ("NULLIF(amount, 0)", 2),
        ("ROUND(amount)", 0),
        ("ROUND(amount / 3, 1)", 1),
        ("TRUNC(amount, -1)", 0),
        ("CAST(amount / 3 AS DECIMAL(10, 2))", 2),
        ("CAST(amount AS INTEGER)", 0),
        ("CAST(amount AS DOUBLE)", 2),
        ("CAST(note AS DOUBLE)", None),
        ("CASE WHEN express THEN amount ELSE 0.001 END", 3),
        ("CASE WHEN express THEN 1 END", 0),
        ("amount * 1e3", 2),
        ("YEAR(placed_on)", 0),
    ],
)
def test_decimals(expression: Expr, sql: str, digits: int | None) -> None:
    assert decimals(expression(sql)) == digits


@given(
    st.decimals(-1000, 1000, places=2),
    st.decimals(-10, 10, places=3),
)
@settings(derandomize=True, max_examples=50)
def test_decimals_hold_sums_and_products(one: Decimal, other: Decimal) -> None:
    parts = tuple(Literal(each, SqlType.DECIMAL) for each in (one, other))
    for name, value in (("add", one + other), ("multiply", one * other)):
        digits = decimals(called(name, *parts))
        assert digits is not None
        assert (Fraction(value) * 10**digits).denominator == 1


def test_dates_and_timestamps_share_a_line() -> None:
    noon = number(dt.datetime.fromisoformat("2024-01-02 12:00:00"))
    assert noon == number(dt.date(2024, 1, 2)) + Fraction(1, 2)
    assert number(float("nan")) is None
    assert number(float("inf")) is None
    assert number(None) is None


def test_hull_and_intersection() -> None:
    one, other = Bounds(Fraction(0), Fraction(5)), Bounds(Fraction(7), None)
    assert one.hull(other) == Bounds(Fraction(0), None)
    assert one.intersect(UNBOUNDED) == one
    assert one.intersect(other) == Bounds(Fraction(7), Fraction(7))  # empty
    assert not other.closed
