"""One small database, and beside it the same without each unit in turn.

A *world* is a database in memory that is attached to one connection; which of them a
statement reads is chosen by ``USE``, so the statement itself is the product's own. In
every world but the first, rows are stored in the opposite order: what depends on an
order of rows shows as a change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .clinic import NAMES, ROW, UNIT, create_statements, without

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import duckdb

    from .clinic import Rows

MOST = 8
"""Worlds that are attached beside the first."""


@dataclass(frozen=True)
class World:
    """A database without some of the rows."""

    number: int
    gone: str | None = None
    """The unit that is gone; under row privacy, the number of a row."""
    kind: str = UNIT
    """Which kind of unit it is."""
    changed: frozenset[str] = frozenset()
    """The tables that have other rows than in the first world."""


class Worlds:
    """The databases of one connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._now: int | None = None
        self._read: tuple[str, list[duckdb.Statement]] = ("", [])
        """The last text and what it says: each is run in several worlds in turn."""
        self.all = World(0)
        self._without: list[World] = []
        self._stored: list[Rows] = [{} for _ in range(MOST + 1)]
        for number in range(MOST + 1):
            connection.execute(f"ATTACH ':memory:' AS w{number}")

    def fill(
        self, rows: Rows, people: Sequence[str | None], sensors: Sequence[str]
    ) -> None:
        """
        Store *rows*, and beside them what is left when somebody goes.

        Rows that nobody owns go together with the last of *people*: they count nowhere,
        so their going must change nothing more.
        """
        self._without = []
        self._store(0, rows)
        for at, person in enumerate(people):
            last = {None} if at == len(people) - 1 else set()
            self._add(rows, without(rows, {person} | last), person, UNIT)
        for sensor in sensors:
            left = [row for at, row in enumerate(rows[ROW]) if at != int(sensor)]
            self._add(rows, rows | {ROW: left}, sensor, ROW)

    def without(self, kind: str, tables: frozenset[str]) -> Iterator[World]:
        """Yield the worlds that lack a unit of *kind* in some of *tables*."""
        for world in self._without:
            if world.kind == kind and world.changed & tables:
                yield world

    def run(
        self, world: World, sql: str, parameters: Mapping[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a statement in one world."""
        self._use(world.number)
        if self._read[0] != sql:
            self._read = (sql, self._connection.extract_statements(sql))
        (statement,) = self._read[1]
        return self._connection.execute(statement, parameters or None).fetchall()

    def _add(self, rows: Rows, left: Rows, gone: str | None, kind: str) -> None:
        changed = frozenset(t for t in NAMES if len(left[t]) != len(rows[t]))
        world = World(len(self._without) + 1, gone, kind, changed)
        self._without.append(world)
        self._store(world.number, {table: left[table][::-1] for table in NAMES})

    def _use(self, number: int) -> None:
        if self._now != number:
            self._connection.execute(f"USE w{number}")
            self._now = number

    def _store(self, number: int, rows: Rows) -> None:
        """Make the tables anew that are not stored like this already."""
        stored = self._stored[number]
        new = {
            table: rows[table] for table in NAMES if stored.get(table) != rows[table]
        }
        if new:
            self._stored[number] = {}  # unless all of it succeeds
            self._use(number)
            self._connection.execute(";".join(create_statements(new)))
            self._stored[number] = {table: [*rows[table]] for table in NAMES}
