"""What subclasses of the binder may answer, the clock, and the limits on size."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlglot import exp, parse_one

from dpquery.errors import QueryRefused
from dpquery.plan.expressions import Call, Expression, Literal
from dpquery.plan.relations import Scan
from dpquery.plan.walk import column_of, subexpressions
from dpquery.policy.catalog import Catalog, SqlType
from dpquery.sql.expressions.binder import RowBinder
from dpquery.sql.expressions.scope import Named, Scope

NOON = dt.datetime(2026, 1, 31, 12, 30, 15, 999, tzinfo=dt.UTC)


@pytest.fixture
def scope(boundary_catalog: Catalog) -> Scope:
    table = boundary_catalog.tables["plain"]
    scan = Scan(table, "plain")
    columns = tuple((name, column_of(scan, name)) for name in table.columns)
    return Scope((Named("plain", columns),))


def bind(binder: RowBinder, sql: str) -> Expression:
    return binder.bind(parse_one(sql, read="duckdb"))


class Answering(RowBinder):
    """Answers what this version refuses."""

    def special(self, node: exp.Expr) -> Expression:
        return Literal(type(node).__name__, SqlType.VARCHAR)

    def in_query(self, node: exp.In) -> Expression:
        return Call("in_query", (self.bind(node.this),), SqlType.BOOLEAN)


SPECIAL = {
    "EXISTS (SELECT 1)": "Exists",
    "(SELECT 1)": "Subquery",
    "SUM(x)": "Sum",
    "COUNT(*)": "Count",
    "MEDIAN(x)": "Median",
    "SUM(x) OVER ()": "Window",
    "ROW_NUMBER() OVER (ORDER BY x)": "Window",
    "SUM(x) FILTER (WHERE x > 1)": "Filter",
}


@pytest.mark.parametrize("sql", SPECIAL)
def test_a_subclass_may_answer_more(scope: Scope, sql: str) -> None:
    found = bind(Answering(sql, scope), sql)
    assert found == Literal(SPECIAL[sql], SqlType.VARCHAR)
    inside = bind(Answering(sql, scope), f"CASE WHEN x > 1 THEN ({sql}) END")
    assert Literal(SPECIAL[sql], SqlType.VARCHAR) in subexpressions(inside)
    with pytest.raises(QueryRefused):
        bind(RowBinder(sql, scope), sql)


@pytest.mark.parametrize("sql", ["x IN (SELECT 1)", "x = ANY (SELECT 1)"])
def test_a_subclass_may_answer_lists_that_are_queries(scope: Scope, sql: str) -> None:
    found = bind(Answering(sql, scope), sql)
    assert isinstance(found, Call | Literal)
    with pytest.raises(QueryRefused) as refusal:
        bind(RowBinder(sql, scope), sql)
    assert refusal.value.code == "DPQ115"


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("current_date", dt.date(2026, 1, 31)),
        ("today()", dt.date(2026, 1, 31)),
        ("now()", dt.datetime(2026, 1, 31, 12, 30, 15)),
        ("current_timestamp", dt.datetime(2026, 1, 31, 12, 30, 15)),
        ("localtimestamp", dt.datetime(2026, 1, 31, 12, 30, 15)),
        ("current_time", dt.time(12, 30, 15)),
        ("current_date - INTERVAL 1 MONTH", dt.datetime(2025, 12, 31)),
        ("EXTRACT(year FROM now())", 2026),
    ],
)
def test_the_clock_is_frozen(scope: Scope, sql: str, value: object) -> None:
    for now in (
        NOON,
        NOON.replace(tzinfo=None),
        NOON.astimezone(dt.timezone(dt.timedelta(hours=-9))),
    ):
        found = bind(RowBinder(sql, scope, now=now), sql)
        assert isinstance(found, Literal)
        assert found.value == value


def test_age_counts_from_today(scope: Scope) -> None:
    found = bind(RowBinder("", scope, now=NOON), "age(d)")
    assert isinstance(found, Call)
    assert found.arguments[0] == Literal(dt.date(2026, 1, 31), SqlType.DATE)


def test_the_clock_is_not_read_without_a_moment(scope: Scope) -> None:
    with pytest.raises(QueryRefused) as refusal:
        bind(RowBinder("now()", scope), "now()")
    assert refusal.value.code == "DPQ106"


@pytest.mark.parametrize(
    "sql",
    [
        "nullif(" * 14 + "x" + ", 1)" * 14,
        "1 / (" * 16 + "x" + ")" * 16,
        "date_trunc('day', CAST(CAST(" * 9 + "d" + " AS VARCHAR) AS DATE))" * 9,
        "(" * 14 + "b" + " BETWEEN FALSE AND TRUE)" * 14,
        "split_part(" * 16 + "t" + ", 'a', 1)" * 16,
        "sqrt(" * 16 + "x" + ")" * 16,
    ],
)
def test_what_doubles_with_every_level_is_refused(scope: Scope, sql: str) -> None:
    with pytest.raises(QueryRefused) as refusal:
        bind(RowBinder(sql, scope), sql)
    assert refusal.value.code == "DPQ004"


@pytest.mark.parametrize(
    "sql",
    [
        "x / nullif(x / nullif(x, 0), 0) / 2",
        "date_trunc('month', date_trunc('week', d + INTERVAL 1 MONTH))",
        " + ".join(["x / y"] * 30),
        "CASE "
        + " ".join(f"WHEN x BETWEEN {n} AND {n + 1} THEN {n}" for n in range(99))
        + " END",
    ],
)
def test_what_people_write_is_not(scope: Scope, sql: str) -> None:
    assert bind(RowBinder(sql, scope), sql) is not None


@pytest.mark.parametrize("sql", ["l", "z", "d - s", "o", "[i, 1]", "INTERVAL 1 DAY"])
def test_some_values_are_never_released(scope: Scope, sql: str) -> None:
    binder = RowBinder(sql, scope)
    with pytest.raises(QueryRefused) as refusal:
        binder.releasable(parse_one(sql, read="duckdb"))
    assert refusal.value.code == "DPQ105"
    assert refusal.value.hint


@pytest.mark.parametrize("sql", ["i", "m", "t", "b", "d", "s", "z.p", "l[1]", "NULL"])
def test_others_are(scope: Scope, sql: str) -> None:
    binder = RowBinder(sql, scope)
    assert binder.releasable(parse_one(sql, read="duckdb")) is not None
