"""No operator raises on any row: comparisons, IN, choices, casts, lists, structs."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

import duckdb
import pytest

from dpquery.errors import QueryRefused
from dpquery.plan.aggregates import GridValue
from dpquery.plan.expressions import (
    NUMERIC,
    Call,
    Case,
    Cast,
    ColumnRef,
    Expression,
    Interval,
    Literal,
)
from dpquery.policy.catalog import Catalog, SqlType
from dpquery.policy.engine_types import sql_type
from dpquery.sql.literals import as_type, common_type, compared_type
from dpquery.sql.lowering.expressions import ENGINE_TYPES, lower
from dpquery.sql.lowering.values import on_grid, raw
from dpquery.sql.queries.bind import bind

from .extremes import (
    BOOLEAN,
    BOUNDARIES,
    DATE,
    DECIMAL,
    DOUBLE,
    INTEGER,
    TABLES,
    TIME,
    TIMESTAMP,
    VARCHAR,
    column,
    connect,
    evaluate,
)


@pytest.fixture(scope="module")
def database() -> duckdb.DuckDBPyConnection:
    return connect(threads=1)


PAIRS = list(itertools.product(BOUNDARIES, repeat=2))


def compared(name: str, left: Expression, right: Expression) -> Call | None:
    """Compare as the binder does; ``None`` where it refuses."""
    if left.type in NUMERIC and right.type in NUMERIC:
        return Call(name, (left, right), BOOLEAN)
    type_ = compared_type([left, right])
    if type_ is None:
        return None
    return Call(name, (as_type(left, type_), as_type(right, type_)), BOOLEAN)


@pytest.mark.parametrize(
    "name", ["eq", "ne", "lt", "le", "gt", "ge", "distinct", "not_distinct"]
)
def test_no_comparison_raises(database: duckdb.DuckDBPyConnection, name: str) -> None:
    found = [compared(name, column(a), column(b, "b")) for a, b in PAIRS]
    assert evaluate(database, *(each for each in found if each is not None)) > 1000


LITERALS = [
    *(Literal(n, INTEGER) for n in (0, -1, 300, 2**63 - 1, -(2**63 - 1))),
    *(Literal(Decimal(d), DECIMAL) for d in ("0.5", "-1.25", "9" * 38, "0.001")),
    Literal(Decimal("1e300"), DOUBLE),
    *(Literal(t, VARCHAR) for t in ("", "a", "é", "2024-02-29", "2024-02-29 10:00:00")),
    *(Literal(d, DATE) for d in (dt.date(1, 1, 1), dt.date(9999, 12, 31))),
    Literal(dt.datetime.fromisoformat("9999-12-31 23:59:59.999999"), TIMESTAMP),
    *(Literal(b, BOOLEAN) for b in (True, False)),
    Literal(dt.time.fromisoformat("23:59:59.999999"), TIME),
    Literal(None, SqlType.UNSUPPORTED),
]


def with_constants(kind: str) -> Iterator[tuple[Expression, Literal]]:
    for literal in LITERALS:
        if common_type([column(kind), literal]) is not None:
            yield column(kind), literal


@pytest.mark.parametrize("kind", BOUNDARIES)
def test_no_comparison_with_a_constant_raises(
    database: duckdb.DuckDBPyConnection, kind: str
) -> None:
    found = [
        compared(name, *sides)
        for value, literal in with_constants(kind)
        for sides in ((value, literal), (literal, value))
        for name in ("eq", "lt", "ge")
    ]
    assert evaluate(database, *(each for each in found if each is not None)) > 0


@pytest.mark.parametrize("kind", BOUNDARIES)
def test_no_list_raises(database: duckdb.DuckDBPyConnection, kind: str) -> None:
    value = column(kind)
    fitting = [literal for _, literal in with_constants(kind)]
    type_ = common_type([value, *fitting])
    if type_ is None:  # texts that are only dates
        fitting = [each for each in fitting if each.type is value.type or each.null]
        type_ = value.type
    assert fitting
    parts = tuple(as_type(each, type_) for each in (value, *fitting))
    assert evaluate(database, Call("in", parts, BOOLEAN)) == len(BOUNDARIES[kind])


@pytest.mark.parametrize("name", ["coalesce", "least", "greatest", "nullif"])
def test_no_choice_raises(database: duckdb.DuckDBPyConnection, name: str) -> None:
    found = []
    for a, b in PAIRS:
        parts = [column(a), column(b, "b")]
        type_ = common_type(parts)
        if type_ is not None:
            arguments = tuple(as_type(each, type_) for each in parts)
            found.append(Call(name, arguments, type_))
    for kind in BOUNDARIES:
        for value, literal in with_constants(kind):
            type_ = common_type([value, literal])
            assert type_ is not None
            arguments = tuple(as_type(each, type_) for each in (value, literal))
            found.append(Call(name, arguments, type_))
    assert evaluate(database, *found) > 1000


def test_no_case_raises(database: duckdb.DuckDBPyConnection) -> None:
    found = []
    for a, b in PAIRS:
        then, otherwise = column(a), column(b, "b")
        type_ = common_type([then, otherwise])
        if type_ is not None:
            branches = ((column("BOOLEAN", "c"), as_type(then, type_)),)
            found.append(Case(branches, as_type(otherwise, type_), type_))
    assert evaluate(database, *found) > 1000


TARGETS = [
    *("BOOLEAN", "BIGINT", "DOUBLE", "VARCHAR", "DATE", "TIMESTAMP", "TIME"),
    *("DECIMAL(12,3)", "DECIMAL(38,10)", "BIGINT[]", "VARCHAR[]", "DATE[]"),
]


@pytest.mark.parametrize("kind", BOUNDARIES)
def test_no_cast_raises(
    database: duckdb.DuckDBPyConnection, boundary_catalog: Catalog, kind: str
) -> None:
    name = TABLES[kind]
    allowed = 0
    for target in TARGETS:
        asked = f"CAST(v AS {target})"
        expression = bound(boundary_catalog, name, asked)
        if expression is not None:
            allowed += 1
            rows = evaluate(database, renamed(expression))
            assert rows == len(BOUNDARIES[kind])
    assert allowed >= 1


def bound(catalog: Catalog, name: str, asked: str) -> Expression | None:
    """Bind an expression of one table; ``None`` where it is refused."""
    try:
        query = bind(f"SELECT COUNT({asked}) FROM {name}", catalog)
    except QueryRefused:
        return None
    (count,) = query.boundaries[0].aggregates
    assert count.argument is not None  # type: ignore[union-attr]
    return count.argument  # type: ignore[union-attr]


def renamed(expression: Expression) -> Expression:
    """Return the expression over the table's alias in the tests."""
    match expression:
        case ColumnRef(relation=relation, name="v", type=type_, engine_type=spelled):
            return ColumnRef(f"a{relation}", "v", type_, spelled, expression.decimals)
        case Cast(operand=operand, type=type_):
            return Cast(renamed(operand), type_)
        case Call(function=function, arguments=arguments, type=type_):
            return Call(function, tuple(map(renamed, arguments)), type_)
        case _:
            return expression


@pytest.mark.parametrize("kind", [k for k in BOUNDARIES if sql_type(k)[0] in NUMERIC])
@pytest.mark.parametrize(
    "grid",
    [Fraction(1), Fraction(1, 100), Fraction(1, 10**9), Fraction(1000), Fraction(3, 7)],
)
def test_no_value_on_the_grid_raises_or_leaves_its_bounds(
    database: duckdb.DuckDBPyConnection, kind: str, grid: Fraction
) -> None:
    name = TABLES[kind]
    for low, high, centre in ((-5, 7, 0), (-(2**39), 2**39, 17), (0, 0, 0)):
        value = GridValue(column(kind), grid, low, high, centre)
        from_ = raw(value).sql("duckdb")
        steps = on_grid(value, lower(ColumnRef("s", "x", DOUBLE))).sql("duckdb")
        query = (
            f"SELECT min({steps}), max({steps}) FROM (SELECT {from_} AS x FROM"
            f' {name} AS "a{name}") AS s'
        )
        ((least, most),) = database.execute(query).fetchall()
        assert low - centre <= least <= most <= high - centre


# --- lists, structs and spans -----------------------------------------------------

LISTABLE = [k for k in BOUNDARIES if sql_type(k)[0].list_of is not None]


def test_no_list_of_columns_raises(database: duckdb.DuckDBPyConnection) -> None:
    found = []
    for a, b in itertools.product(LISTABLE, repeat=2):
        parts = [column(a), column(b, "b")]
        type_ = common_type(parts)
        if type_ is None or type_ is DECIMAL or type_.list_of is None:
            continue
        elements = tuple(as_type(each, type_) for each in parts)
        found.append(Call("list_value", elements, type_.list_of))
    assert evaluate(database, *found) > 1000
    for each in found:
        sql = lower(each).sql("duckdb")
        names = {c.relation for c in each.arguments if isinstance(c, ColumnRef)}
        if len(names) == 2:
            source = ", ".join(f'{name[1:]} AS "{name}"' for name in sorted(names))
            ((typed,),) = database.execute(
                f"SELECT typeof({sql}) FROM {source} LIMIT 1"
            ).fetchall()
            assert typed == ENGINE_TYPES[each.type]


@pytest.mark.parametrize(
    "kind", ["INTEGER", "HUGEINT", "UUID", "DECIMAL(38,0)", "FLOAT", "VARCHAR", "DATE"]
)
def test_no_field_raises(database: duckdb.DuckDBPyConnection, kind: str) -> None:
    type_ = {DECIMAL: DOUBLE}.get(sql_type(kind)[0], sql_type(kind)[0])
    spelled = f'STRUCT(f {kind}, "g h" STRUCT(i {kind}[]))'
    outer = ColumnRef("s", "v", SqlType.STRUCT, spelled)
    inner = Call("struct_extract", (outer, Literal("g h", VARCHAR)), SqlType.STRUCT)
    assert type_.list_of is not None
    for of, name, wanted in ((outer, "f", type_), (inner, "i", type_.list_of)):
        call = Call("struct_extract", (of, Literal(name, VARCHAR)), wanted)
        sql = lower(call).sql("duckdb")
        rows = database.execute(
            f"SELECT typeof({sql}), hash({sql}) FROM (SELECT {{'f': v, 'g h': {{'i':"
            f' [v, NULL]}}}}::{spelled} AS "v" FROM {TABLES[kind]} UNION ALL SELECT'
            ' NULL) AS "s"'
        ).fetchall()
        assert {found for found, _ in rows} == {ENGINE_TYPES[wanted]}


def test_no_comparison_of_spans_raises(database: duckdb.DuckDBPyConnection) -> None:
    between = Call(
        "time_between", (column("TIMESTAMP"), column("DATE", "b")), SqlType.INTERVAL
    )
    spans = [Literal(Interval(1, -2, 3), SqlType.INTERVAL), between]
    found = [
        Call(name, (between, other), BOOLEAN)
        for name in ("eq", "lt", "ge", "distinct")
        for other in spans
    ]
    found.append(Call("in", (between, *spans[:1]), BOOLEAN))
    assert evaluate(database, *found) > 100
