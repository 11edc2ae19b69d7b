"""Which keys are public, and that their lists are what DuckDB would group by."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpquery.plan.analysis.bounds import Bounds, number
from dpquery.plan.analysis.partitions import (
    DOMAIN_LIMIT,
    RANGE_LIMIT,
    listed_groups,
    possible_values,
    truncated,
)
from dpquery.plan.expressions import Call, ColumnRef, Literal
from dpquery.plan.program import ListedKeys, PublicKeys
from dpquery.plan.relations import Filter, Scan
from dpquery.plan.render import expression_text
from dpquery.plan.walk import scans
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    from dpquery.plan.program import KeyDomain, ReleaseStep

    Compile = Callable[[str], ReleaseStep]


def listed(domain: KeyDomain | None) -> list[list[object]]:
    assert domain is not None
    found: list[list[object]] = []
    for source in domain.sources:
        assert isinstance(source, ListedKeys)
        assert len(source.keys) == 1
        found.append([value for (value,) in source.rows])
    return found


def domain_of(
    compile_step: Compile, key: str, rest: str = "orders"
) -> KeyDomain | None:
    return compile_step(
        f"SELECT {key} AS key, COUNT(*) FROM {rest} GROUP BY key"
    ).domain


MONTHS = [
    dt.datetime.fromisoformat(f"2024-{month:02}-01") for month in range(1, 13)
] + [
    dt.datetime.fromisoformat("2025-01-01"),
    dt.datetime.fromisoformat("2025-02-01"),
]


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("status", ["open", "paid"]),
        ("express", [False, True]),
        ("amount > 5", [False, True]),
        ("status = 'open'", [False, True]),
        ("note IS NULL", [False, True]),
        ("NOT express", [False, True]),
        ("year(placed_on)", [2024, 2025]),
        ("quarter(placed_on)", [1, 2, 3, 4]),
        ("dayofweek(placed_on)", [0, 1, 2, 3, 4, 5, 6]),
        ("hour(paid_at)", list(range(24))),
        ("date_trunc('month', placed_on)", MONTHS),
        ("date_trunc('month', paid_at)", MONTHS),
        ("date_trunc('year', paid_at)", [MONTHS[0], MONTHS[12]]),
        ("CAST(FLOOR(amount / 500) AS INTEGER)", [-2, -1, 0, 1, 2]),
        ("SIGN(amount)", [-1, 0, 1]),
        ("order_id % 3", [-2, -1, 0, 1, 2]),
        ("ABS(order_id) % 3", [0, 1, 2]),
        ("CASE WHEN amount > 5 THEN 'dear' ELSE 'cheap' END", ["dear", "cheap"]),
        ("CASE WHEN amount > 5 THEN 'dear' END", ["dear", None]),
        ("CASE WHEN express THEN status ELSE 'slow' END", ["open", "paid", "slow"]),
        ("CASE WHEN express THEN status ELSE note END", None),
        ("COALESCE(status, 'none')", ["open", "paid", "none"]),
        ("COALESCE(note, 'none')", None),
        ("COALESCE(status, NULL)", ["open", "paid", None]),
        ("note", None),
        ("UPPER(status)", None),
        ("order_id * 2", None),
        ("CAST(amount AS INTEGER)", None),  # 2,001 values
        ("placed_on", [dt.date(2024, 1, 30) + dt.timedelta(n) for n in range(370)]),
        (
            "CAST(paid_at AS DATE)",
            [dt.date(2024, 1, 30) + dt.timedelta(n) for n in range(370)],
        ),
        ("paid_at", None),
        ("date_trunc('hour', paid_at)", None),
    ],
)
def test_possible_values(
    compile_step: Compile, key: str, values: list[object] | None
) -> None:
    domain = domain_of(compile_step, key)
    if values is None:
        assert domain is None
    else:
        (found,) = listed(domain)
        assert found == values


def test_null_is_a_key_where_the_policy_lists_it(compile_step: Compile) -> None:
    assert listed(domain_of(compile_step, "city", "customers")) == [
        ["Oslo", "Bergen", None]
    ]


def test_filters_shorten_ranges(compile_step: Compile) -> None:
    where = "customers WHERE birth_year > 2000 AND birth_year <= 2003.5"
    assert listed(domain_of(compile_step, "birth_year", where)) == [[2001, 2002, 2003]]


@pytest.mark.parametrize(
    ("key", "where", "values"),
    [
        ("status", "status <> 'open'", ["paid"]),
        ("status", "status = 'open' OR status IS NULL", ["open"]),
        ("status", "status > 'b'", ["open", "paid"]),  # texts: in the engine's order
        ("quarter(placed_on)", "quarter(placed_on) > 2", [3, 4]),
        ("order_id % 3", "order_id % 3 NOT IN (0, 1)", [-2, -1, 2]),
        ("note", "note IN ('a', 'b')", ["a", "b"]),
        ("note", "note = 'a' OR note = 'c'", ["a", "c"]),
        ("note", "note = 'a' OR amount > 5", None),
        ("note", "note IN ('a', NULL)", ["a"]),
        ("note", "note = NULL", None),
        ("note", "note <> 'a'", None),
        ("status", "status = 'gone'", ["open", "paid"]),  # a list of none is no list
    ],
)
def test_what_conditions_say_of_keys(
    compile_step: Compile, key: str, where: str, values: list[object] | None
) -> None:
    domain = domain_of(compile_step, key, f"orders WHERE {where}")
    if values is None:
        assert domain is None
    else:
        assert listed(domain) == [values]


def test_an_interval_without_a_whole_number_is_not_public(
    compile_step: Compile,
) -> None:
    where = "customers WHERE birth_year > 2000.2 AND birth_year < 2000.8"
    assert domain_of(compile_step, "birth_year", where) is None


@pytest.mark.parametrize("unit", ["day", "week", "month", "quarter", "year"])
def test_the_last_days_of_the_calendar(compile_step: Compile, unit: str) -> None:
    key = f"date_trunc('{unit}', placed_on)"
    step = compile_step(
        f"SELECT {key} AS key, COUNT(*) FROM orders"
        " WHERE placed_on >= '9999-12-31' GROUP BY key"
    )
    assert step.keys[0].expression.type is SqlType.TIMESTAMP


def test_no_keys_is_one_group(compile_step: Compile) -> None:
    domain = compile_step("SELECT COUNT(*) FROM orders").domain
    assert domain is not None
    assert domain.sources == ()


def test_values_of_a_public_table(compile_step: Compile) -> None:
    domain = domain_of(compile_step, "kind")
    assert domain is not None
    (source,) = domain.sources
    assert isinstance(source, PublicKeys)
    assert isinstance(source.relation, Scan)
    assert source.relation.table.name == "products"
    assert [each.name for each in source.expressions] == ["category"]


JOINED = (
    "line_items AS i JOIN products AS p ON i.product_id = p.product_id"
    " JOIN orders AS o ON i.order_id = o.order_id"
)


def test_expressions_of_a_public_table(compile_step: Compile) -> None:
    domain = domain_of(compile_step, "UPPER(p.category) || '!'", JOINED)
    assert domain is not None
    (source,) = domain.sources
    assert isinstance(source, PublicKeys)
    assert [each.name for each in scans(source.relation)] == ["products"]


def test_keys_of_one_public_table_are_listed_together(compile_step: Compile) -> None:
    step = compile_step(
        "SELECT p.category, o.status, p.product_id, COUNT(*)"
        f" FROM {JOINED} GROUP BY ALL"
    )
    assert step.domain is not None
    table, values = step.domain.sources
    assert (table.keys, values.keys) == ((0, 2), (1,))


def test_two_readings_of_a_public_table_are_not(compile_step: Compile) -> None:
    step = compile_step(
        "SELECT a.category, b.category, COUNT(*) FROM orders AS o"
        " JOIN products AS a ON o.kind = a.category"
        " JOIN products AS b ON o.note = b.category GROUP BY ALL"
    )
    assert step.domain is not None
    assert [source.keys for source in step.domain.sources] == [(0,), (1,)]


def test_a_key_of_two_tables_is_not_public(compile_step: Compile) -> None:
    assert domain_of(compile_step, "p.category || o.note", JOINED) is None


def test_conditions_on_public_tables_shorten_their_list(compile_step: Compile) -> None:
    where = f"{JOINED} WHERE p.list_price > 5 AND o.express"
    domain = domain_of(compile_step, "p.category", where)
    assert domain is not None
    (source,) = domain.sources
    assert isinstance(source, PublicKeys)
    assert isinstance(source.relation, Filter)
    assert expression_text(source.relation.predicate) == "products.list_price > 5"


def test_a_key_equal_to_a_public_column_is_listed_from_it(
    compile_step: Compile,
) -> None:
    domain = domain_of(compile_step, "i.product_id", JOINED)
    assert domain is not None
    (source,) = domain.sources
    assert isinstance(source, PublicKeys)
    assert [expression_text(each) for each in source.expressions] == [
        "products.product_id"
    ]


@pytest.mark.parametrize(
    ("rest", "key", "values"),
    [
        ("(SELECT status AS s FROM orders) AS t", "s", ["open", "paid"]),
        ("(SELECT year(placed_on) AS y FROM orders) AS t", "y", [2024, 2025]),
        (
            (
                "(SELECT status AS s, customer_id FROM orders UNION ALL"
                " SELECT 'none', customer_id FROM customers) AS t"
            ),
            "s",
            ["open", "paid", "none"],
        ),
        ("(SELECT note AS s FROM orders) AS t", "s", None),
        (
            "customers AS c LEFT JOIN orders AS o ON o.customer_id = c.customer_id",
            "o.status",
            ["open", "paid", None],
        ),
        (
            "customers AS c LEFT JOIN orders AS o ON o.customer_id = c.customer_id",
            "COALESCE(o.status, 'none')",
            ["open", "paid", "none"],
        ),
        (
            "(SELECT customer_id, COUNT(*) AS n FROM orders GROUP BY customer_id) AS t",
            "n >= 3",
            [False, True],
        ),
    ],
)
def test_keys_of_derived_tables_and_outer_joins(
    compile_step: Compile, rest: str, key: str, values: list[object] | None
) -> None:
    domain = domain_of(compile_step, key, rest)
    if values is None:
        assert domain is None
    else:
        (found,) = listed(domain)
        assert set(found) == set(values)


@pytest.mark.parametrize(
    ("rest", "most"),
    [
        ("orders AS o JOIN (VALUES ('a'), ('b'), ('c')) AS v(w) ON o.note = v.w", 3),
        ("orders AS o JOIN products AS v(id, w) ON o.note = v.w", None),
    ],
)
def test_constants_are_counted_and_tables_are_not(
    compile_step: Compile, rest: str, most: int | None
) -> None:
    domain = domain_of(compile_step, "v.w", rest)
    assert domain is not None
    assert listed_groups(domain) == most


def test_one_private_key_makes_all_groups_private(compile_step: Compile) -> None:
    step = compile_step("SELECT status, note, COUNT(*) FROM orders GROUP BY ALL")
    assert step.domain is None
    assert step.withholds


def test_too_many_combinations_are_not_listed(compile_step: Compile) -> None:
    keys = "placed_on, dayofyear(placed_on)"
    step = compile_step(f"SELECT {keys}, COUNT(*) FROM orders GROUP BY ALL")
    assert DOMAIN_LIMIT < 370 * 366
    assert step.domain is None


# --- against DuckDB ---------------------------------------------------------------


@pytest.fixture(scope="module")
def database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


DAY = ColumnRef("t", "d", SqlType.DATE, "DATE")
UNITS = ["day", "week", "month", "quarter", "year"]


@settings(derandomize=True, max_examples=150, deadline=None)
@given(
    st.sampled_from(UNITS),
    st.dates(dt.date(1, 1, 1), dt.date(9999, 1, 1)),
    st.integers(0, 380),
)
def test_listed_dates_are_what_date_trunc_gives(
    database: duckdb.DuckDBPyConnection, unit: str, first: dt.date, days: int
) -> None:
    last = min(first + dt.timedelta(days), dt.date(9998, 12, 31)) if days else first
    last = max(first, last)
    env = {("t", "d"): Bounds(number(first), number(last))}
    key = Call("date_trunc", (Literal(unit, SqlType.VARCHAR), DAY), SqlType.TIMESTAMP)
    values = possible_values(key, {}, env)
    expected = database.execute(
        "SELECT DISTINCT date_trunc(?, d)::TIMESTAMP FROM"
        " (SELECT (?::DATE + CAST(range AS INTEGER)) AS d FROM range(?)) ORDER BY ALL",
        [unit, first, (last - first).days + 1],
    ).fetchall()
    assert values == [value for (value,) in expected]


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.sampled_from(UNITS), st.dates())
def test_truncated_is_date_trunc(
    database: duckdb.DuckDBPyConnection, unit: str, day: dt.date
) -> None:
    ((expected,),) = database.execute(
        "SELECT date_trunc(?, ?::DATE)::DATE", [unit, day]
    ).fetchall()
    assert truncated(unit, day) == expected


@given(st.fractions(-300, 300), st.fractions(0, 500))
@settings(derandomize=True, max_examples=100, deadline=None)
def test_listed_numbers_are_all_whole_numbers_of_the_interval(
    low: Fraction, length: Fraction
) -> None:
    column = ColumnRef("t", "i", SqlType.INTEGER, "BIGINT")
    values = possible_values(column, {}, {("t", "i"): Bounds(low, low + length)})
    expected = [n for n in range(-301, 802) if low <= n <= low + length]
    if length >= RANGE_LIMIT or not expected:
        assert values is None
    else:
        assert values == expected
