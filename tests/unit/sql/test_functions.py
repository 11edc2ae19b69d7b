"""No allowed function raises on any row, whatever it holds, and each keeps its word."""

from __future__ import annotations

from itertools import islice

import duckdb
import pytest
from sqlglot import exp

from dpquery.plan.analysis.bounds import bounds
from dpquery.plan.expressions import Call, Literal
from dpquery.policy.catalog import SqlType
from dpquery.sql.functions import FAMILIES, FUNCTIONS, MAX_TEXT
from dpquery.sql.functions.forms import MAX_INPUT
from dpquery.sql.lowering.cost import MAX_LEVELS, MAX_NODES, cost
from dpquery.sql.lowering.expressions import ENGINE_TYPES, functions_of, lower

from .extremes import (
    VARCHAR,
    calls,
    connect,
    evaluate,
    source_of,
)

NAMES = sorted(FUNCTIONS)


@pytest.fixture(scope="module")
def database() -> duckdb.DuckDBPyConnection:
    return connect(threads=1)


@pytest.fixture(scope="module")
def parallel() -> duckdb.DuckDBPyConnection:
    return connect(threads=2)


def test_names_are_unique() -> None:
    assert sum(map(len, FAMILIES.values())) == len(FUNCTIONS)


@pytest.mark.parametrize("name", NAMES)
def test_no_function_raises_on_any_row(
    database: duckdb.DuckDBPyConnection, name: str
) -> None:
    rows = evaluate(database, *calls(FUNCTIONS[name]))
    assert rows >= 8


@pytest.mark.parametrize("name", NAMES)
def test_threads_change_no_result(
    database: duckdb.DuckDBPyConnection,
    parallel: duckdb.DuckDBPyConnection,
    name: str,
) -> None:
    for call in islice(calls(FUNCTIONS[name]), 0, None, 40):
        sql = lower(call).sql("duckdb")
        query = f"SELECT bit_xor(hash({sql})), count({sql}){source_of(call)}"
        assert database.execute(query).fetchall() == parallel.execute(query).fetchall()


@pytest.mark.parametrize("name", NAMES)
def test_results_are_of_the_declared_type(
    database: duckdb.DuckDBPyConnection, name: str
) -> None:
    for call in calls(FUNCTIONS[name]):
        sql = lower(call).sql("duckdb")
        query = f"SELECT typeof({sql}){source_of(call)} LIMIT 1"
        ((found,),) = database.execute(query).fetchall()
        assert found == ENGINE_TYPES[call.type], call


@pytest.mark.parametrize("name", NAMES)
def test_every_result_lies_within_its_bounds(
    database: duckdb.DuckDBPyConnection, name: str
) -> None:
    numeric = {SqlType.INTEGER, SqlType.DOUBLE}
    for call in calls(FUNCTIONS[name]):
        found = bounds(call, {})
        if call.type not in numeric or (found.low is None and found.high is None):
            continue
        sql = lower(call).sql("duckdb")
        low = "-inf" if found.low is None else repr(float(found.low))
        high = "inf" if found.high is None else repr(float(found.high))
        query = (
            f"SELECT count(*){source_of(call)} WHERE NOT isnan({sql}::DOUBLE)"
            f" AND NOT ({sql}::DOUBLE BETWEEN '{low}'::DOUBLE AND '{high}'::DOUBLE)"
        )
        assert database.execute(query).fetchall() == [(0,)], call


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, function in FUNCTIONS.items()
        if next(calls(function)).type is VARCHAR
    ],
)
def test_texts_are_cut_or_no_longer_than_what_they_are_made_of(
    database: duckdb.DuckDBPyConnection, name: str
) -> None:
    longest = 0
    for call in calls(FUNCTIONS[name]):
        sql = lower(call).sql("duckdb")
        texts = [
            lower(each).sql("duckdb") for each in call.arguments if each.type is VARCHAR
        ]
        given = ", ".join([f"coalesce(length({each}), 0)" for each in texts] or ["0"])
        query = (
            f"SELECT max(length({sql})), count(*) FILTER (WHERE length({sql}) >"
            f" greatest({MAX_TEXT}, {given})){source_of(call)}"
        )
        ((most, longer),) = database.execute(query).fetchall()
        longest = max(longest, most or 0)
        assert longer == 0, call
    if any(each in FUNCTIONS[name].misfit for each in ("cut at", "of the first 1024")):
        assert longest <= MAX_INPUT


@pytest.mark.parametrize("name", NAMES)
def test_functions_declare_what_they_call(
    database: duckdb.DuckDBPyConnection, name: str
) -> None:
    named: set[str] = set()
    signs = {"-", "+", "*", "/", "//"}
    found = list(calls(FUNCTIONS[name]))
    for call in found[:: max(1, len(found) // 60)]:
        sql = f"SELECT {lower(call).sql('duckdb')} AS x FROM t"
        ((tree,),) = database.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
        ((called,),) = database.execute(
            "SELECT list_distinct(json_extract_string(?, '$..function_name'))", [tree]
        ).fetchall()
        named |= {each for each in called if each}
        assert named <= functions_of([call]) | signs
    assert FUNCTIONS[name].engine <= named, "it declares more than it calls"


# --- size -------------------------------------------------------------------------


def nested(call: Call, levels: int) -> Call:
    """Put a call into itself, where the first argument of its own type stands."""
    for at, argument in enumerate(call.arguments):
        if argument.type is call.type and not isinstance(argument, Literal):
            inner = nested(call, levels - 1) if levels > 1 else argument
            before, after = call.arguments[:at], call.arguments[at + 1 :]
            return Call(call.function, (*before, inner, *after), call.type)
    return call


@pytest.mark.parametrize("name", NAMES)
def test_the_cost_of_an_expression_is_no_less_than_what_it_becomes(name: str) -> None:
    for call in islice(calls(FUNCTIONS[name]), 0, None, 29):
        twice = nested(call, 2)
        pieces = list(lower(twice).find_all(exp.Func, exp.Binary, exp.Column))
        assert cost(twice).nodes >= len(pieces)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_refused_is_not_too_deep_for_the_engine(
    database: duckdb.DuckDBPyConnection, name: str
) -> None:
    for call in islice(calls(FUNCTIONS[name]), 0, None, 29):
        for levels in (40, 20, 10, 5, 2, 1):
            deep = nested(call, levels)
            size = cost(deep)
            if size.levels <= MAX_LEVELS and size.nodes <= MAX_NODES:
                sql = lower(deep).sql("duckdb")
                database.execute(f"SELECT {sql}{source_of(deep)} LIMIT 1").fetchall()
                break
        else:
            pytest.fail(f"one {name} is too large already")
