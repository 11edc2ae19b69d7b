"""The rows that make functions raise, and all calls of a function on them."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator
from decimal import Decimal

import duckdb

from dpquery.engines.base import Limits
from dpquery.engines.lockdown import configuration, lock_down
from dpquery.plan.expressions import (
    Call,
    Case,
    Cast,
    ColumnRef,
    Expression,
    Interval,
    Literal,
)
from dpquery.policy.catalog import SqlType
from dpquery.policy.engine_types import sql_type
from dpquery.sql.functions import Function, Parameter
from dpquery.sql.lowering.expressions import lower

BOOLEAN, INTEGER, DECIMAL = SqlType.BOOLEAN, SqlType.INTEGER, SqlType.DECIMAL
DOUBLE, VARCHAR = SqlType.DOUBLE, SqlType.VARCHAR
DATE, TIMESTAMP, TIME = SqlType.DATE, SqlType.TIMESTAMP, SqlType.TIME

FLOATS = [
    *("NULL", "'nan'", "'inf'", "'-inf'", "-0.0", "0", "1", "-1", "0.5", "1e15"),
    *("-1e15", "9007199254740993", "9.3e18", "-9.3e18", "1e-30", "2", "8.5"),
]
_TEXTS = [
    *("NULL", "''", "' '", "'a'", "'ABC def'", "'%_'", "'\\'", "'12'", "'1e400'"),
    *("'-9223372036854775809'", "'nan'", "'2024-02-30'", "'true'", "'é'", "'ß'"),
    *("'日本語'", "'🙂👩‍👩‍👧'", "'e' || chr(769)", "chr(0)", "chr(8203)"),
    *("chr(1) || chr(7) || chr(27)", "repeat('x', 10000)", "repeat('🙂', 10000)"),
    *("repeat('a,b', 40000)", "repeat('e' || chr(769), 300)", "'infinity'"),
    *("'9999-12-31'", "'294247-01-10 04:00:54.775806'", "'[a-z]('", "''''", "'--'"),
    *("'25:61:00'", "'3 days'", "'İ'", "'a,b,,c'"),
]
_DAYS = [
    *("NULL", "'0001-01-01'", "'9999-12-31'", "'infinity'", "'-infinity'"),
    *("'5881580-07-10'", "'5877642-06-25 (BC)'", "'0001-12-31 (BC)'"),
    *("'2024-02-29'", "'1970-01-01'", "'10000-01-01'", "'20000-06-30'"),
]
_STAMPS = [
    *("NULL", "'infinity'", "'-infinity'", "'294247-01-10 04:00:54.775806'"),
    *("'290309-12-22 (BC) 00:00:00'", "'0001-01-01'", "'0001-06-01 (BC) 12:00:00'"),
    *("'9999-12-31 23:59:59.999999'", "'2024-02-29 23:59:59'", "'1970-01-01'"),
    "'20000-06-30 00:00:00.000001'",
]
BOUNDARIES: dict[str, list[str]] = {
    "BOOLEAN": ["NULL", "TRUE", "FALSE"],
    "TINYINT": ["NULL", "-128", "-1", "0", "1", "127"],
    "SMALLINT": ["NULL", "-32768", "0", "7", "32767"],
    "INTEGER": ["NULL", "-2147483648", "-1", "0", "1", "2147483647"],
    "BIGINT": [
        *("NULL", "-9223372036854775808", "-9223372036854775807", "-1", "0", "1"),
        *("9007199254740993", "9223372036854775807", "12", "31", "2024"),
    ],
    "HUGEINT": ["NULL", "-170141183460469231731687303715884105728", "0", "5"],
    "UTINYINT": ["NULL", "0", "255"],
    "UINTEGER": ["NULL", "0", "4294967295"],
    "UBIGINT": ["NULL", "0", "9223372036854775807", "18446744073709551615"],
    "UHUGEINT": ["NULL", "340282366920938463463374607431768211455", "3"],
    "DECIMAL(38,0)": ["NULL", "'" + "9" * 38 + "'", "'-" + "9" * 38 + "'", "0", "1"],
    "DECIMAL(38,38)": ["NULL", "'0." + "9" * 38 + "'", "'-0." + "0" * 37 + "1'", "0"],
    "DECIMAL(10,2)": ["NULL", "99999999.99", "-99999999.99", "0", "0.01", "-1.50"],
    "DOUBLE": [*FLOATS, "1.7976931348623157e308", "-1.7976931348623157e308", "5e-324"],
    "FLOAT": [*FLOATS, "3.4e38", "-3.4e38", "1e-45"],
    "VARCHAR": _TEXTS,
    "ENUM('', 'a', 'é🙂')": ["NULL", "''", "'a'", "'é🙂'"],
    "UUID": ["NULL", "'00000000-0000-0000-0000-000000000000'", "'" + "f" * 32 + "'"],
    "DATE": _DAYS,
    "TIMESTAMP": _STAMPS,
    "TIMESTAMP_S": ["NULL", "'2024-02-29 23:59:59'", "'0001-01-01'"],
    "TIMESTAMP_MS": ["NULL", "'2024-02-29 23:59:59'", "'0001-01-01'"],
    "TIMESTAMP_NS": ["NULL", "'2024-02-29 23:59:59'", "'2262-04-11'", "'1677-09-22'"],
    "TIME": ["NULL", "'00:00:00'", "'24:00:00'", "'23:59:59.999999'"],
    "BOOLEAN[]": ["NULL", "[]", "[NULL]", "[TRUE, NULL, FALSE]"],
    "BIGINT[]": [
        *("NULL", "[]", "[NULL]", "[1, NULL, 1, 2]", "range(10000)"),
        "[9223372036854775807, 9223372036854775807, -1]",
    ],
    "SMALLINT[3]": ["NULL", "[1, 2, NULL]"],
    "UBIGINT[]": ["NULL", "[18446744073709551615, 1]"],
    "DOUBLE[]": ["NULL", "[]", "['nan'::DOUBLE, 'inf', '-inf', -0.0, NULL, 1e308]"],
    "VARCHAR[]": ["NULL", "[]", "['', NULL, 'a', '🙂']", "[repeat('x', 10000)]"],
    "DATE[]": ["NULL", "[]", "['infinity'::DATE, NULL, '5881580-07-10']"],
    "TIMESTAMP[]": ["NULL", "[]", "['-infinity'::TIMESTAMP, NULL, '2024-02-29']"],
}
TABLES = {kind: f"v{index}" for index, kind in enumerate(BOUNDARIES)}
MOST_CALLS = 400
"""Combinations of arguments that one function is called with."""
FEW_CALLS = 60
"""The same for functions of many arguments: each reads all combinations of rows."""


def connect(threads: int) -> duckdb.DuckDBPyConnection:
    """Return a locked database with a table of boundary values for every type."""
    limits = Limits(memory="800MB", threads=threads)
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


def source_of(expression: Expression) -> str:
    """Return a FROM with every combination of the rows that an expression reads."""
    relations = sorted({each.relation for each in columns_of(expression)})
    tables = ", ".join(f'{each[1:]} AS "{each}"' for each in relations)
    return f" FROM {tables}" if tables else ""


def evaluate(database: duckdb.DuckDBPyConnection, *expressions: Expression) -> int:
    """Compute expressions on all combinations of rows; return how many there were."""
    counted = 0
    for expression in expressions:
        sql = lower(expression).sql("duckdb")
        source = source_of(expression)
        query = f"SELECT count(*), bit_xor(hash({sql})), count({sql}){source}"
        ((rows, _, _),) = database.execute(query).fetchall()
        if expression.type is BOOLEAN:
            database.execute(f"SELECT count(*){source} WHERE {sql}").fetchall()
        counted += rows
    return counted


def columns_of(expression: Expression) -> Iterator[ColumnRef]:
    if isinstance(expression, ColumnRef):
        yield expression
    elif isinstance(expression, Call):
        for each in expression.arguments:
            yield from columns_of(each)
    elif isinstance(expression, Case):
        for when, then in expression.branches:
            yield from columns_of(when)
            yield from columns_of(then)
        yield from columns_of(expression.otherwise)
    elif isinstance(expression, Cast):
        yield from columns_of(expression.operand)


# --- arguments --------------------------------------------------------------------

TEXTS = ["", "a", "%", "_%", "\\", "'", "[(", "é🙂", "x" * 256, ","]
PATTERNS = ["", "a", "(a|b)*c", "^.{1,9}$", r"(\w+)-(\d+)", "[^é]+", "(?i)x", "$|^"]
FORMATS = ["%Y-%m-%d", "%a %A %b %B %d %-d", "%H:%M:%S.%f %p %I %y %j", "%c %x %X %%"]
SPANS = [
    *(Interval(months=120_000), Interval(months=-120_000), Interval(days=3_660_000)),
    *(Interval(days=-3_660_000), Interval(microseconds=3_660_000 * 86_400_000_000)),
    *(Interval(1, 2, 3), Interval(days=1)),
]


def constants(parameter: Parameter) -> list[Expression]:
    if parameter.one_of is not None:
        return [Literal(each, VARCHAR) for each in sorted(parameter.one_of)]
    if VARCHAR in parameter.types:
        texts = {"pattern": PATTERNS + TEXTS, "format": FORMATS}.get(
            parameter.name, TEXTS
        )
        sound = [
            each
            for each in texts
            if (parameter.complaint is None or parameter.complaint(each) is None)
            and len(each) <= (parameter.longest or len(each))
        ]
        return [Literal(each, VARCHAR) for each in sound]
    if SqlType.INTERVAL in parameter.types:
        return [Literal(Interval(days=7), SqlType.INTERVAL)] + [
            Literal(Interval(months=m), SqlType.INTERVAL) for m in (1, 120_000)
        ]
    if DATE in parameter.types:
        return [
            Literal(each, DATE) for each in (dt.date(1, 1, 1), dt.date(9999, 12, 31))
        ]
    if parameter.at_most is None:
        numbers = (Decimal("-0.5"), Decimal(3), Decimal("1e300"))
        return [Literal(each, DOUBLE) for each in numbers]
    least, most = parameter.at_least, parameter.at_most
    chosen = sorted({least, 0, 1, 2, most} & set(range(least, most + 1)))
    return [Literal(each, INTEGER) for each in chosen]


def candidates(
    parameter: Parameter, alias: str, first: Expression | None
) -> list[Expression]:
    """Return the arguments that a parameter is tried with, after the first one."""
    if parameter.constant:
        return constants(parameter)
    types = parameter.types
    if first is not None and parameter.same:
        types = frozenset({first.type})
    if first is not None and parameter.element and first.type.element is not None:
        types = frozenset({first.type.element})
    kinds = [each for each in BOUNDARIES if sql_type(each)[0] in types]
    found: list[Expression] = [column(each, alias) for each in kinds]
    literal: dict[SqlType, list[Literal]] = {
        INTEGER: [Literal(0, INTEGER)],
        VARCHAR: [Literal("", VARCHAR)],
        DATE: [Literal(dt.date(9999, 12, 31), DATE)],
        TIMESTAMP: [Literal(dt.datetime.fromisoformat("0001-01-01"), TIMESTAMP)],
        SqlType.INTERVAL: [Literal(each, SqlType.INTERVAL) for each in SPANS],
    }
    found += [value for t, values in literal.items() if t in types for value in values]
    if SqlType.INTERVAL in types:
        ends = (column("TIMESTAMP", alias), column("DATE", alias.upper()))
        found.append(Call("time_between", ends, SqlType.INTERVAL))
    return found


def calls(function: Function) -> Iterator[Call]:
    """Yield calls with many kinds of arguments: all, or a regular sample of them."""
    shortest = len(function.parameters) - function.optional
    longest = len(function.parameters) + (1 if function.variadic else 0)
    for length in range(shortest, longest + 1):
        repeated = function.parameters[-1:] * max(0, length - len(function.parameters))
        parameters = (*function.parameters[:length], *repeated)
        found = list(_arguments(parameters))
        step = max(1, len(found) // (MOST_CALLS if length <= 3 else FEW_CALLS))
        if step > 1 and step % 2 == 0:
            step += 1  # an even step would skip every other choice of one argument
        for arguments in found[::step]:
            if function.check is None or function.check(arguments) is None:
                yield Call(function.name, arguments, function.result(arguments))


def _arguments(parameters: tuple[Parameter, ...]) -> Iterator[tuple[Expression, ...]]:
    for first in candidates(parameters[0], "a", None):
        rest = [
            candidates(each, alias, first)
            for each, alias in zip(parameters[1:], "bcdefg", strict=False)
        ]
        if len(parameters) > 3:
            rest = [each[3:6] if len(each) > 9 else each for each in rest]
        for others in itertools.product(*rest):
            yield (first, *others)
