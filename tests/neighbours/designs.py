"""Databases made by hand, each with a question, and what is noticed about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import duckdb

from dpquery.plan.program import BoundingMode
from dpquery.plan.rewrite import BoundingRules, compile_program
from dpquery.sql.queries.bind import bind

from .clinic import NAMES, ROW, Hints, Row, Rows, catalog, people
from .removal import Moved, Removal

if TYPE_CHECKING:
    from dpquery.plan.program import Program

    from .worlds import Worlds

NORM = BoundingRules(BoundingMode.NORM, 2, 1)
TRUNCATE = BoundingRules(BoundingMode.TRUNCATE, 2, 1)
LOW = Hints(1, 1)
MOST_SENSORS = 5


def row(table: str, **cells: str) -> Row:
    """Return a row of *table*; what is not said is NULL."""
    return tuple(cells.get(name) for name in NAMES[table])


def visit(number: int, person: str | None = "1", **cells: str) -> Row:
    """Return a visit of somebody, or of nobody."""
    known = {} if person is None else {"person": person}
    return row("visits", visit=str(number), **known, **cells)


def database(**tables: list[Row]) -> Rows:
    """Return all tables; those that are not given are empty."""
    return {name: tables.get(name, []) for name in NAMES}


@dataclass(frozen=True)
class Design:
    """A question about a database, under rules."""

    sql: str
    rows: Rows
    rules: BoundingRules = NORM
    hints: Hints = field(default=LOW)

    def program(self) -> Program:
        """Return the releases that answer the question."""
        known = catalog(self.hints)
        return compile_program(bind(self.sql, known), known, self.rules)


def moved(
    connection: duckdb.DuckDBPyConnection, worlds: Worlds, design: Design
) -> list[Moved]:
    """
    Return how far everything moves when anybody goes.

    Raises:
        AssertionError: a claim is false.
    """
    sensors = [str(at) for at in range(len(design.rows[ROW]))][:MOST_SENSORS]
    worlds.fill(design.rows, people(design.rows) or [None], sensors)
    return [
        each
        for step in design.program().releases
        for each in Removal(connection, worlds, step, {}).check()
    ]


Noticed = Callable[[Design, Callable[[], None]], str]
"""Returns what is noticed of a design when something is broken."""


def problem(
    connection: duckdb.DuckDBPyConnection, worlds: Worlds, design: Design
) -> str:
    """Return what is noticed; nothing, if all is well."""
    try:
        moved(connection, worlds, design)
    except (AssertionError, duckdb.Error) as error:
        return str(error)
    return ""
