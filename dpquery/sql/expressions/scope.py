"""Names to tables and columns; folding is ASCII only, as in DuckDB."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dpquery.errors import Place, QueryRefused
from dpquery.policy.catalog import fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dpquery.plan.expressions import Expression
    from dpquery.policy.catalog import Catalog, CatalogTable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like *name*, if one is alike at all."""
    close = difflib.get_close_matches(fold(name), [fold(each) for each in known], n=1)
    return next((each for each in known if close and fold(each) == close[0]), None)


def find_table(
    name: str, catalog: Catalog, place: Place | None, others: Iterable[str] = ()
) -> CatalogTable:
    """
    Return the table that *name* means; *others* can be named there too.

    Raises:
        QueryRefused: the policy lists no such table.
    """
    for table in catalog.tables.values():
        if fold(table.name) == fold(name):
            return table
    known = [*catalog.tables, *others]
    close = nearest(name, known)
    listed = ", ".join(known)
    hint = f"did you mean {close}?" if close else f"the policy lists {listed}"
    msg = f"there is no table {name}"
    raise QueryRefused(msg, code="DPQ101", place=place, hint=hint)


@dataclass(frozen=True, slots=True)
class Named:
    """A relation under the name that the query gives it."""

    name: str
    columns: tuple[tuple[str, Expression], ...]
    """What its columns are called, in order, and what they are in the plan."""

    def find(self, name: str) -> list[Expression]:
        """Return the columns that *name* means here."""
        return [made for called, made in self.columns if fold(called) == fold(name)]


@dataclass(frozen=True, slots=True)
class Scope:
    """The tables that a SELECT can name, in the order of FROM, and those around it."""

    tables: tuple[Named, ...]
    shared: Mapping[str, Expression] = field(default_factory=dict)
    """By folded name, columns that USING or NATURAL make one of two."""
    outer: Scope | None = None
    """The tables of the query around this one."""

    def column(
        self, name: str, qualifier: str | None, place: Place | None
    ) -> Expression:
        """
        Return the column that ``qualifier.name`` or ``name`` means.

        Raises:
            QueryRefused: there is none, or more than one.
        """
        scope: Scope | None = self
        while scope is not None:
            found = scope._own(name, qualifier, place)  # noqa: SLF001 -- a scope
            if found is not None:
                return found
            scope = scope.outer
        raise self._missing(name, qualifier, place)

    def has(self, name: str) -> bool:
        """Return whether an unqualified *name* is a column of any table here."""
        return any(each.find(name) for each in self.tables)

    def own_names(self) -> frozenset[str]:
        """Return the plan's names of what this scope, and not an outer one, reads."""
        return frozenset(
            getattr(made, "relation", "") for t in self.tables for _, made in t.columns
        )

    def stars(self) -> list[tuple[str, Expression]]:
        """Return the columns that ``*`` means: shared ones first, each once."""
        shown = [
            (next(c for t in self.tables for c, _ in t.columns if fold(c) == key), made)
            for key, made in self.shared.items()
        ]
        return shown + [
            (called, made)
            for table in self.tables
            for called, made in table.columns
            if fold(called) not in self.shared
        ]

    def table(self, qualifier: str) -> Named | None:
        """Return the table here that is called *qualifier*."""
        found = (t for t in self.tables if fold(t.name) == fold(qualifier))
        return next(found, None)

    def _own(
        self, name: str, qualifier: str | None, place: Place | None
    ) -> Expression | None:
        if qualifier is not None:
            table = self.table(qualifier)
            found = [] if table is None else table.find(name)
            if table is not None and not found:
                raise self._missing(name, qualifier, place)
        elif fold(name) in self.shared:
            return self.shared[fold(name)]
        else:
            found = [made for each in self.tables for made in each.find(name)]
        if len(found) > 1:
            both = [f"{t.name}.{name}" for t in self.tables if t.find(name)][:2]
            msg = f"{name} could be a column of several tables"
            hint = f"say which: {' or '.join(both)}"
            raise QueryRefused(msg, code="DPQ103", place=place, hint=hint)
        return found[0] if found else None

    def _missing(
        self, name: str, qualifier: str | None, place: Place | None
    ) -> QueryRefused:
        tables = self.tables
        if qualifier is not None:
            table = self.table(qualifier)
            if table is None:
                names = [each.name for each in self.tables]
                close = nearest(qualifier, names)
                hint = (
                    f"did you mean {close}?"
                    if close
                    else "FROM has " + ", ".join(names)
                )
                msg = f"there is no table {qualifier} in FROM"
                return QueryRefused(msg, code="DPQ101", place=place, hint=hint)
            tables = (table,)
        known = [called for each in tables for called, _ in each.columns]
        close = nearest(name, known)
        hint = f"did you mean {close}?" if close else "columns: " + ", ".join(known)
        where = f" in {qualifier}" if qualifier else ""
        msg = f"there is no column {name}{where}"
        return QueryRefused(msg, code="DPQ102", place=place, hint=hint)
