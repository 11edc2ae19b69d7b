"""
What is answered raises on no row whatever (theory.md 1.4, threats.md 2, I6).

An error is one exact bit about somebody. So every query that the tests have anywhere,
and that is accepted, is run on boundary values: it must answer there, whatever it
answers.
"""

from __future__ import annotations

import datetime as dt
import re
from math import gcd
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from dpquery.engines.base import Statement
from dpquery.errors import EngineFailure, QueryRefused, SQLSyntaxError
from dpquery.kernel.measurement import statements_of
from dpquery.plan.program import BoundingMode
from dpquery.plan.rewrite import BoundingRules, compile_program
from dpquery.policy.catalog import SqlType
from dpquery.sql.lowering.relations import parameter
from dpquery.sql.queries.bind import bind

from .texts import questions, texts, typed_queries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dpquery.engines.duckdb import DuckDBEngine
    from dpquery.plan.program import Program
    from dpquery.policy.catalog import Catalog

    from .conftest import Opened

RULES = (
    BoundingRules(BoundingMode.NORM, norm=2, groups=4),
    BoundingRules(BoundingMode.TRUNCATE, norm=1, groups=2),
)
LEAST = {
    "clinic": 30,
    "bank": 15,
    "trade": 12,
    "shop": 140,
    "tpch-customer": 20,
    "tpch-supplier": 15,
}
"""Releases that are tried at least, by world."""
SHARE = 4
"""One in so many of the questions to types is asked each time."""

GIVEN: dict[SqlType, list[Any]] = {
    SqlType.BOOLEAN: [True, False, None],
    SqlType.INTEGER: [2**63 - 1, -(2**63), 0, 1, 2, None, 5],
    SqlType.DOUBLE: [float("nan"), float("inf"), -0.0, 1e308, 5e-324, None, 1.5],
    SqlType.VARCHAR: ["", "a", "x" * 20_000, "🙂", None, "1", "e\u0301"],
    SqlType.DATE: [dt.date.min, dt.date.max, None, dt.date(2024, 2, 29)],
    SqlType.TIMESTAMP: [
        dt.datetime(1, 1, 1),
        dt.datetime(9999, 12, 31, 23, 59, 59),
        None,
    ],
}
"""What earlier answers can hold that a later release reads."""


def programs(
    catalog: Catalog, found: Sequence[str], *, every: bool
) -> Iterator[tuple[str, Program]]:
    """Yield every text that is accepted, under one kind of bounds or all of them."""
    private = [name for name, table in catalog.tables.items() if not table.public]
    about = re.compile("|".join(private), re.IGNORECASE)
    for at, text in enumerate(each for each in found if about.search(each)):
        rules = RULES if every else RULES[at % 2 : at % 2 + 1]
        try:
            query = bind(text, catalog)
            for each in rules:
                yield text, compile_program(query, catalog, each)
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


def failures(
    here: Opened, found: Sequence[str], *, every: bool
) -> tuple[int, dict[tuple[str, str], str]]:
    """Return how many programs were run, and what failed."""
    failed, count = {}, 0
    for text, program in programs(here.catalog, found, every=every):
        count += len(program.releases)
        for kind, engine in (("rows", here.strange), ("nothing", here.empty)):
            for statement in statements(program, kind):
                complained = complaint(engine, statement)
                if complained is not None:
                    failed[text, kind] = complained
    return count, failed


@pytest.mark.parametrize("world", LEAST)
def test_accepted_queries_raise_on_no_row(
    opened: Callable[[str], Opened], world: str
) -> None:
    count, failed = failures(opened(world), texts(), every=False)
    assert failed == {}
    assert count >= LEAST[world]


@pytest.mark.parametrize("part", range(2))
def test_no_type_has_a_value_that_raises(
    opened: Callable[[str], Opened], part: int
) -> None:
    """Some questions to each column; ``long`` asks them all."""
    found = typed_queries()[part :: 2 * SHARE]
    count, failed = failures(opened("types"), found, every=False)
    assert failed == {}
    assert count >= len(found) / 3


def test_each_question_is_put_to_several_types() -> None:
    """The share walks through the questions: their number is no multiple of it."""
    assert gcd(len(questions()), SHARE) == 1


@pytest.mark.long
@pytest.mark.parametrize("world", [*LEAST, "types"])
def test_nothing_raises_however_it_is_bounded(
    opened: Callable[[str], Opened], world: str
) -> None:
    found = typed_queries() if world == "types" else texts()
    assert failures(opened(world), found, every=True)[1] == {}
