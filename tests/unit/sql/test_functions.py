"""No allowed function raises on any row; on ordinary rows each is DuckDB's own."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import duckdb
import pytest

from dpquery.engines.base import Limits
from dpquery.engines.lockdown import configuration, lock_down
from dpquery.plan.aggregates import GridValue
from dpquery.plan.expressions import (
    NUMERIC,
    Call,
    Case,
    Cast,
    ColumnRef,
    Literal,
)
from dpquery.policy.build import sql_type
from dpquery.policy.catalog import SqlType
from dpquery.sql.bind import bind
from dpquery.sql.functions import ALIASES, FUNCTIONS, MAX_TEXT
from dpquery.sql.literals import as_type, common_type
from dpquery.sql.lower_expressions import functions_of, lower
from dpquery.sql.lower_values import on_grid, raw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dpquery.plan.expressions import Expression
    from dpquery.policy.catalog import Catalog
    from dpquery.sql.functions import Function, Parameter

BOOLEAN, INTEGER, DECIMAL = SqlType.BOOLEAN, SqlType.INTEGER, SqlType.DECIMAL
DOUBLE, VARCHAR = SqlType.DOUBLE, SqlType.VARCHAR
DATE, TIMESTAMP = SqlType.DATE, SqlType.TIMESTAMP

# --- the rows that make functions raise -------------------------------------------

FLOATS = [
    *("NULL", "'nan'", "'inf'", "'-inf'", "-0.0", "0", "1", "-1", "0.5", "1e15"),
    *("-1e15", "9007199254740993", "9.3e18", "-9.3e18", "1e-30"),
]
BOUNDARIES: dict[str, list[str]] = {
    "BOOLEAN": ["NULL", "TRUE", "FALSE"],
    "TINYINT": ["NULL", "-128", "-1", "0", "1", "127"],
    "SMALLINT": ["NULL", "-32768", "0", "7", "32767"],
    "INTEGER": ["NULL", "-2147483648", "-1", "0", "1", "2147483647"],
    "BIGINT": [
        *("NULL", "-9223372036854775808", "-9223372036854775807", "-1", "0", "1"),
        *("9007199254740993", "9223372036854775807"),
    ],
    "UTINYINT": ["NULL", "0", "255"],
    "UINTEGER": ["NULL", "0", "4294967295"],
    "DECIMAL(38,0)": ["NULL", "'" + "9" * 38 + "'", "'-" + "9" * 38 + "'", "0", "1"],
    "DECIMAL(38,38)": ["NULL", "'0." + "9" * 38 + "'", "'-0." + "0" * 37 + "1'", "0"],
    "DECIMAL(10,2)": ["NULL", "99999999.99", "-99999999.99", "0", "0.01", "-1.50"],
    "DOUBLE": [*FLOATS, "1.7976931348623157e308", "-1.7976931348623157e308", "5e-324"],
    "FLOAT": [*FLOATS, "3.4e38", "-3.4e38", "1e-45"],
    "VARCHAR": [
        *("NULL", "''", "' '", "'a'", "'ABC def'", "'%_'", "'\\'", "'12'", "'1e400'"),
        *("'-9223372036854775809'", "'nan'", "'2024-02-30'", "'true'", "'é'", "'ß'"),
        *("'日本語'", "'🙂👩‍👩‍👧'", "'e' || chr(769)", "chr(0)", "chr(8203)"),
        *("repeat('x', 100000)", "repeat('🙂', 300)", "'infinity'", "'9999-12-31'"),
        *("'294247-01-10 04:00:54.775806'", "'[a-z]('", "''''", "'--'"),
    ],
    "DATE": [
        *("NULL", "'0001-01-01'", "'9999-12-31'", "'infinity'", "'-infinity'"),
        *("'5881580-07-10'", "'5877642-06-25 (BC)'", "'0001-12-31 (BC)'"),
        *("'2024-02-29'", "'1970-01-01'", "'10000-01-01'"),
    ],
    "TIMESTAMP": [
        *("NULL", "'infinity'", "'-infinity'", "'294247-01-10 04:00:54.775806'"),
        *(
            "'290309-12-22 (BC) 00:00:00'",
            "'0001-01-01'",
            "'9999-12-31 23:59:59.999999'",
        ),
        *("'2024-02-29 23:59:59'", "'1970-01-01'"),
    ],
    "TIMESTAMP_S": ["NULL", "'2024-02-29 23:59:59'", "'0001-01-01'"],
    "TIMESTAMP_MS": ["NULL", "'2024-02-29 23:59:59'", "'0001-01-01'"],
    "TIMESTAMP_NS": ["NULL", "'2024-02-29 23:59:59'", "'2262-04-11'", "'1677-09-22'"],
}
TABLES = {kind: f"v{index}" for index, kind in enumerate(BOUNDARIES)}


@pytest.fixture(scope="module")
def database() -> duckdb.DuckDBPyConnection:
    limits = Limits(memory="500MB", threads=1)
    connection = duckdb.connect(config=configuration(limits))
    for kind, values in BOUNDARIES.items():
        rows = ", ".join(f"(({each})::{kind})" for each in values)
        connection.execute(
            f"CREATE TABLE {TABLES[kind]} AS SELECT * FROM (VALUES {rows}) t(v)"
        )
    lock_down(connection)
    return connection


def column(kind: str, alias: str = "a") -> ColumnRef:
    """Return the column of boundary values of one engine type."""
    type_, digits = sql_type(kind)
    return ColumnRef(f"{alias}{TABLES[kind]}", "v", type_, kind, digits)


def evaluate(database: duckdb.DuckDBPyConnection, *expressions: Expression) -> int:
    """Compute expressions on all combinations of rows; return how many there were."""
    counted = 0
    for expression in expressions:
        sql = lower(expression).sql("duckdb")
        relations = sorted({each.relation for each in _columns(expression)})
        source = ", ".join(f'{each[1:]} AS "{each}"' for each in relations)
        source = f" FROM {source}" if source else ""
        query = f"SELECT count(*), bit_xor(hash({sql})), count({sql}){source}"
        ((rows, _, _),) = database.execute(query).fetchall()
        if expression.type is BOOLEAN:
            database.execute(f"SELECT count(*){source} WHERE {sql}").fetchall()
        counted += rows
    return counted


def _columns(expression: Expression) -> Iterator[ColumnRef]:
    if isinstance(expression, ColumnRef):
        yield expression
    elif isinstance(expression, Call):
        for each in expression.arguments:
            yield from _columns(each)
    elif isinstance(expression, Case):
        for when, then in expression.branches:
            yield from _columns(when)
            yield from _columns(then)
        yield from _columns(expression.otherwise)
    elif isinstance(expression, Cast):
        yield from _columns(expression.operand)


TEXTS = ["", "a", "%", "_%", "\\", "'", "[(", "é🙂", "x" * 300]


def constants(parameter: Parameter) -> list[Expression]:
    if parameter.one_of is not None:
        return [Literal(each, VARCHAR) for each in sorted(parameter.one_of)]
    if VARCHAR in parameter.types:
        return [Literal(each, VARCHAR) for each in TEXTS]
    most = parameter.at_most if parameter.at_most is not None else 10
    return [Literal(each, INTEGER) for each in (0, 1, 2, most)]


def candidates(parameter: Parameter, alias: str) -> list[Expression]:
    if parameter.constant:
        return constants(parameter)
    kinds = [each for each in BOUNDARIES if sql_type(each)[0] in parameter.types]
    columns: list[Expression] = [column(each, alias) for each in kinds]
    literal = {
        INTEGER: Literal(0, INTEGER),
        VARCHAR: Literal("", VARCHAR),
        DATE: Literal(dt.date(9999, 12, 31), DATE),
        TIMESTAMP: Literal(dt.datetime.fromisoformat("0001-01-01"), TIMESTAMP),
    }
    return columns + [v for t, v in literal.items() if t in parameter.types]


def calls(function: Function) -> Iterator[Call]:
    shortest = len(function.parameters) - function.optional
    for length in range(shortest, len(function.parameters) + 1):
        choices = [
            candidates(parameter, alias)
            for parameter, alias in zip(function.parameters, "abc", strict=False)
        ][:length]
        for arguments in itertools.product(*choices):
            yield Call(function.name, arguments, function.result(arguments))


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_no_function_raises_on_any_row(
    database: duckdb.DuckDBPyConnection, name: str
) -> None:
    rows = evaluate(database, *calls(FUNCTIONS[name]))
    assert rows > 10


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_functions_declare_what_they_call(
    database: duckdb.DuckDBPyConnection, name: str
) -> None:
    call = next(calls(FUNCTIONS[name]))
    declared = functions_of([call])
    sql = f"SELECT {lower(call).sql('duckdb')} AS x FROM t"
    ((tree,),) = database.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
    ((named,),) = database.execute(
        "SELECT list_distinct(json_extract_string(?, '$..function_name'))", [tree]
    ).fetchall()
    assert {each for each in named if each} <= declared | {"-", "+", "*", "/"}


# --- operators with rules of their own --------------------------------------------

PAIRS = list(itertools.product(BOUNDARIES, repeat=2))


def compared(name: str, left: Expression, right: Expression) -> Call | None:
    """Compare as the binder does; ``None`` where it refuses."""
    if left.type in NUMERIC and right.type in NUMERIC:
        return Call(name, (left, right), BOOLEAN)
    type_ = common_type([left, right])
    if type_ is None:
        return None
    return Call(name, (as_type(left, type_), as_type(right, type_)), BOOLEAN)


@pytest.mark.parametrize("name", ["eq", "ne", "lt", "le", "gt", "ge"])
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


CASTS = [
    (kind, target)
    for kind in BOUNDARIES
    for target in (BOOLEAN, INTEGER, DOUBLE, VARCHAR, DATE, TIMESTAMP)
]


@pytest.mark.parametrize("kind", BOUNDARIES)
def test_no_cast_raises(
    database: duckdb.DuckDBPyConnection, boundary_catalog: Catalog, kind: str
) -> None:
    name = TABLES[kind]
    allowed = 0
    for target in (BOOLEAN, INTEGER, DOUBLE, VARCHAR, DATE, TIMESTAMP):
        if castable(boundary_catalog, name, target):
            allowed += 1
            assert evaluate(database, Cast(column(kind), target))
    assert allowed >= 2  # to itself and to text


def castable(catalog: Catalog, name: str, target: SqlType) -> bool:
    from dpquery.errors import QueryRefused  # noqa: PLC0415 -- one use

    try:
        bind(f"SELECT COUNT(CAST(v AS {target})) FROM {name}", catalog)
    except QueryRefused:
        return False
    return True


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


# --- ordinary values --------------------------------------------------------------

ORDINARY: dict[str, tuple[str, str]] = {
    "add": ("x + y", "x + y"),
    "subtract": ("x - y", "x - y"),
    "multiply": ("x * y", "x * y"),
    "divide": ("x / y", "x / y"),
    "int_divide": ("i // j", "i // j"),
    "modulo": ("i % j", "i % j"),
    "negate": ("-x", "-x"),
    "abs": ("abs(x)", "abs(x)"),
    "sign": ("sign(x)", "sign(x)"),
    "floor": ("floor(x)", "floor(x)"),
    "ceil": ("ceil(x)", "ceil(x)"),
    "trunc": ("trunc(x)", "trunc(x)"),
    "round": ("round(x)", "round(x)"),
    "lower": ("lower(t)", "lower(t)"),
    "upper": ("upper(t)", "upper(t)"),
    "trim": ("trim(t)", "trim(t)"),
    "ltrim": ("ltrim(t)", "ltrim(t)"),
    "rtrim": ("rtrim(t)", "rtrim(t)"),
    "length": ("length(t)", "length(t)"),
    "left": ("left(t, 3)", "left(t, 3)"),
    "right": ("right(t, 3)", "right(t, 3)"),
    "substring": ("substring(t, 2, 3)", "substring(t, 2, 3)"),
    "starts_with": ("starts_with(t, 'A')", "starts_with(t, 'A')"),
    "ends_with": ("ends_with(t, 'z')", "ends_with(t, 'z')"),
    "contains": ("contains(t, 'b')", "contains(t, 'b')"),
    "replace": ("replace(t, 'b', 'xy')", "replace(t, 'b', 'xy')"),
    "concat": ("t || '!'", "t || '!'"),
    "like": ("t LIKE '%b_'", "t LIKE '%b_'"),
    "ilike": ("t ILIKE '%B_'", "t ILIKE '%B_'"),
    "year": ("year(d)", "year(d)"),
    "quarter": ("quarter(d)", "quarter(d)"),
    "month": ("month(d)", "month(d)"),
    "week": ("week(d)", "week(d)"),
    "day": ("day(d)", "day(d)"),
    "dayofweek": ("dayofweek(d)", "dayofweek(d)"),
    "isodow": ("isodow(d)", "isodow(d)"),
    "dayofyear": ("dayofyear(d)", "dayofyear(d)"),
    "hour": ("hour(s)", "hour(s)"),
    "minute": ("minute(s)", "minute(s)"),
    "second": ("second(s)", "second(s)"),
    "date_trunc": ("date_trunc('week', d)", "date_trunc('week', d)::TIMESTAMP"),
}
MORE = [
    ("round(x, 1)", "round(x, 1)"),
    ("round(-x, 1)", "round(-x, 1)"),
    ("substring(t, 3)", "substring(t, 3)"),
    ("x % y", "x % y"),
    ("date_trunc('quarter', s)", "date_trunc('quarter', s)"),
    ("date_trunc('hour', s)", "date_trunc('hour', s)"),
    ("extract(year FROM s)", "extract(year FROM s)"),
    ("date_part('month', s)", "date_part('month', s)"),
    ("concat(t, NULL, 'z')", "concat(t, NULL, 'z')"),
    ("CASE WHEN x > 1 THEN i END", "CASE WHEN x > 1 THEN i END"),
    ("CASE t WHEN 'Abc' THEN 1 ELSE 2 END", "CASE t WHEN 'Abc' THEN 1 ELSE 2 END"),
    ("IF(x > 1, x, y)", "IF(x > 1, x, y)"),
    ("COALESCE(NULLIF(i, 7), 0)", "COALESCE(NULLIF(i, 7), 0)"),
    ("LEAST(x, y, 2)", "LEAST(x, y, 2)"),
    ("GREATEST(i, j)", "GREATEST(i, j)"),
    ("x BETWEEN 0 AND 3", "x BETWEEN 0 AND 3"),
    ("i IN (7, -7)", "i IN (7, -7)"),
    ("i NOT IN (7, NULL)", "i NOT IN (7, NULL)"),
    (
        "t IS NOT NULL AND NOT (x > 2 OR y < 2)",
        "t IS NOT NULL AND NOT (x > 2 OR y < 2)",
    ),
    ("(x > 2) IS TRUE", "(x > 2) IS TRUE"),
    ("(x > 2) IS NOT FALSE", "(x > 2) IS NOT FALSE"),
    ("CAST(x AS INTEGER)", "CAST(x AS BIGINT)"),
    ("CAST(i AS VARCHAR)", "CAST(i AS VARCHAR)"),
    ("CAST(d AS TIMESTAMP)", "CAST(d AS TIMESTAMP)"),
    ("CAST(s AS DATE)", "CAST(s AS DATE)"),
    ("CAST('2024-02-29' AS DATE) = d", "CAST('2024-02-29' AS DATE) = d"),
    ("m = 1.5", "m = 1.5"),
    ("m > 1", "m > 1"),
    ("m * 2", "(m * 2)::DOUBLE"),
]
ROWS = """
    (7, 2, 1.5, 2.25, 12.50, 'Abc', '2024-02-29', '2024-02-29 23:59:58'),
    (-7, 2, -2.5, 4.0, 1.50, ' bz ', '2021-01-03', '2021-01-03 00:00:00'),
    (8, -3, 3.75, -0.5, -0.01, 'aabbz', '1999-12-31', '1999-12-31 12:30:00'),
    (0, 5, 0.0, 1.0, 0, '', '2000-01-01', '2000-01-01 01:01:01.5'),
    (NULL, 1, NULL, 1.0, NULL, NULL, NULL, NULL)
"""


@pytest.fixture(scope="module")
def plain() -> duckdb.DuckDBPyConnection:
    limits = Limits(memory="300MB", threads=1)
    connection = duckdb.connect(config=configuration(limits))
    connection.execute(
        "CREATE TABLE plain (i BIGINT, j BIGINT, x DOUBLE, y DOUBLE, m DECIMAL(10,2),"
        f" t VARCHAR, d DATE, s TIMESTAMP); INSERT INTO plain VALUES {ROWS}"
    )
    return connection


@pytest.mark.parametrize(
    ("name", "asked", "own"),
    [
        *((name, *pair) for name, pair in ORDINARY.items()),
        *((asked, asked, own) for asked, own in MORE),
    ],
)
def test_on_ordinary_values_it_is_duckdb_s_own(
    plain: duckdb.DuckDBPyConnection,
    boundary_catalog: Catalog,
    name: str,
    asked: str,
    own: str,
) -> None:
    query = bind(f"SELECT COUNT({asked}) FROM plain", boundary_catalog)
    (count,) = query.boundaries[0].aggregates
    expression = count.argument  # type: ignore[union-attr]
    assert expression is not None
    if name in FUNCTIONS:
        assert expression.function == name
    lowered = lower(expression).sql("duckdb")
    rows = plain.execute(f"SELECT {lowered}, {own} FROM plain").fetchall()
    for ours, theirs in rows:
        if isinstance(ours, float):
            assert ours == pytest.approx(float(theirs))
        else:
            assert ours == theirs


def test_every_function_is_compared_with_duckdb() -> None:
    assert set(ORDINARY) == set(FUNCTIONS)
    assert set(ALIASES.values()) <= set(FUNCTIONS) | {"coalesce"}


@pytest.mark.parametrize("spelling", sorted(ALIASES))
def test_other_spellings_bind(boundary_catalog: Catalog, spelling: str) -> None:
    name = ALIASES[spelling]
    asked = ORDINARY.get(name, ("coalesce(t, 'x')", ""))[0]
    if "(" in asked:
        asked = f"{spelling}{asked[asked.index('(') :]}"
    else:
        asked = f"{spelling}(i, j)"
    query = bind(f"SELECT COUNT({asked}) FROM plain", boundary_catalog)
    (count,) = query.boundaries[0].aggregates
    assert count.argument.function == name  # type: ignore[union-attr]


def test_results_of_growing_functions_are_cut(
    database: duckdb.DuckDBPyConnection,
) -> None:
    text = column("VARCHAR")
    for call in (
        Call("concat", (text, text), VARCHAR),
        Call("replace", (text, *(Literal(t, VARCHAR) for t in ("x", "yyyy"))), VARCHAR),
    ):
        sql = lower(call).sql("duckdb")
        name = TABLES["VARCHAR"]
        ((longest,),) = database.execute(
            f'SELECT max(length({sql})) FROM {name} AS "a{name}"'
        ).fetchall()
        assert longest == MAX_TEXT
