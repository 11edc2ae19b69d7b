"""
What is answered raises on no row whatever (theory.md 1.4, threats.md 2, I6).

An error is one exact bit about somebody. So every query that the tests have anywhere,
and that is accepted, is run on boundary values: it must answer there, whatever it
answers.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from dpquery.engines.base import Statement
from dpquery.errors import EngineFailure, QueryRefused, SQLSyntaxError
from dpquery.kernel.measurement import statements_of
from dpquery.plan.program import BoundingMode
from dpquery.plan.rewrite import BoundingRules, compile_program
from dpquery.policy.catalog import SqlType
from dpquery.sql.bind import bind
from dpquery.sql.lower_relations import parameter

from .texts import texts
from .worlds import worlds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dpquery.engines.duckdb import DuckDBEngine
    from dpquery.plan.program import Program
    from dpquery.policy.catalog import Catalog

    from .conftest import Opened

RULES = (
    BoundingRules(BoundingMode.NORM, norm=2, groups=4),
    BoundingRules(BoundingMode.TRUNCATE, norm=1, groups=2),
)
GIVEN: dict[SqlType, list[Any]] = {
    SqlType.BOOLEAN: [True, False, None],
    SqlType.INTEGER: [2**63 - 1, -(2**63), 0, 1, 2, None, 5],
    SqlType.DOUBLE: [float("nan"), float("inf"), -0.0, 1e308, 5e-324, None, 1.5],
    SqlType.VARCHAR: ["", "a", "x" * 20_000, "🙂", None, "1", "e\u0301"],
    SqlType.DATE: [dt.date.min, dt.date.max, None, dt.date(2024, 2, 29)],
    SqlType.TIMESTAMP: [dt.datetime.min, dt.datetime.max, None],
}
"""What earlier answers can hold that a later release reads."""


def programs(catalog: Catalog) -> Iterator[tuple[str, Program]]:
    """Yield every text that is accepted, as it would be answered."""
    for text in texts():
        try:
            query = bind(text, catalog)
            for rules in RULES:
                yield text, compile_program(query, catalog, rules)
        except (QueryRefused, SQLSyntaxError):
            continue


def statements(program: Program, kind: str) -> Iterator[Statement]:
    """Yield all that *program* reads, with some earlier answers of a *kind*."""
    types = {
        parameter(each.name, at): type_
        for each in program.inputs
        for at, (_, type_) in enumerate(each.columns)
    }
    for step in program.releases:
        for sql in statements_of(step).all:
            lengths = {len(GIVEN[type_]) for type_ in types.values()} or {0}
            given = {
                name: [each for at in range(max(lengths)) for each in _at(type_, at)]
                for name, type_ in types.items()
                if f"${name} " in f"{sql.text} ".replace(")", " ").replace(",", " ")
            }
            if kind == "nothing":
                given = {name: [] for name in given}
            yield Statement(sql.text, sql.tables, sql.functions, given)


def _at(type_: SqlType, at: int) -> list[Any]:
    values = GIVEN[type_]
    return [values[at % len(values)]]


def complaint(engine: DuckDBEngine, statement: Statement) -> str | None:
    """Return what goes wrong, with the driver's own words."""
    try:
        engine.execute(statement)
    except EngineFailure as failure:
        try:
            engine._current().cursor().execute(
                statement.sql, dict(statement.parameters) or None
            ).fetchall()
        except duckdb.Error as error:
            return str(error)
        return str(failure)
    return None


@pytest.mark.parametrize("world", worlds())
def test_accepted_queries_raise_on_no_row(
    opened: dict[str, Opened], world: str
) -> None:
    here, failed, count = opened[world], {}, 0
    for text, program in programs(here.catalog):
        count += 1
        for kind, engine in (("rows", here.strange), ("nothing", here.empty)):
            for statement in statements(program, kind):
                found = complaint(engine, statement)
                if found is not None:
                    failed[text, kind] = found
    assert count > LEAST[world]
    assert failed == {}


LEAST = dict.fromkeys(worlds(), 10)
"""Programs that are tried at least."""
