"""Names to tables and columns; folding is ASCII only, as in DuckDB."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpquery.errors import Place, QueryRefused
from dpquery.plan.analysis.privacy_unit import column_of
from dpquery.policy.catalog import fold

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dpquery.plan.expressions import ColumnRef
    from dpquery.plan.relations import Scan
    from dpquery.policy.catalog import Catalog, CatalogTable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like *name*, if one is alike at all."""
    close = difflib.get_close_matches(fold(name), [fold(each) for each in known], n=1)
    return next((each for each in known if close and fold(each) == close[0]), None)


def find_table(name: str, catalog: Catalog, place: Place | None) -> CatalogTable:
    """
    Return the table that *name* means.

    Raises:
        QueryRefused: the policy lists no such table.
    """
    for table in catalog.tables.values():
        if fold(table.name) == fold(name):
            return table
    close = nearest(name, catalog.tables)
    listed = ", ".join(catalog.tables)
    hint = f"did you mean {close}?" if close else f"the policy lists {listed}"
    msg = f"there is no table {name}"
    raise QueryRefused(msg, code="DPQ101", place=place, hint=hint)


@dataclass(frozen=True, slots=True)
class Named:
    """A scan under the name that the query gives it."""

    name: str
    scan: Scan


@dataclass(frozen=True, slots=True)
class Scope:
    """The tables that a SELECT can name, in the order of FROM."""

    tables: tuple[Named, ...]

    def column(
        self, name: str, qualifier: str | None, place: Place | None
    ) -> ColumnRef:
        """
        Return the column that ``qualifier.name`` or ``name`` means.

        Raises:
            QueryRefused: there is none, or more than one.
        """
        tables = self._qualified(qualifier, place)
        found = [
            column_of(each.scan, column)
            for each in tables
            for column in each.scan.table.columns
            if fold(column) == fold(name)
        ]
        if len(found) == 1:
            return found[0]
        if found:
            both = " or ".join(f"{each.name}.{name}" for each in tables[:2])
            msg = f"{name} could be a column of several tables"
            hint = f"say which: {both}"
            raise QueryRefused(msg, code="DPQ103", place=place, hint=hint)
        known = [column for each in tables for column in each.scan.table.columns]
        close = nearest(name, known)
        hint = f"did you mean {close}?" if close else "columns: " + ", ".join(known)
        where = f" in {qualifier}" if qualifier else ""
        msg = f"there is no column {name}{where}"
        raise QueryRefused(msg, code="DPQ102", place=place, hint=hint)

    def has(self, name: str) -> bool:
        """Return whether an unqualified *name* is a column of any table here."""
        return any(
            fold(column) == fold(name)
            for each in self.tables
            for column in each.scan.table.columns
        )

    def _qualified(
        self, qualifier: str | None, place: Place | None
    ) -> tuple[Named, ...]:
        if qualifier is None:
            return self.tables
        tables = tuple(t for t in self.tables if fold(t.name) == fold(qualifier))
        if tables:
            return tables
        names = [each.name for each in self.tables]
        msg = f"there is no table {qualifier} in FROM"
        close = nearest(qualifier, names)
        hint = f"did you mean {close}?" if close else "FROM has " + ", ".join(names)
        raise QueryRefused(msg, code="DPQ101", place=place, hint=hint)
