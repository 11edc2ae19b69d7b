"""What queries are bound to: rows below the boundary, answers above it, or either."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from dpquery.errors import QueryRefused
from dpquery.plan.analysis.privacy_unit import owners
from dpquery.plan.relations import Filter, Named, Relation, Unowned
from dpquery.plan.rewrite.fill_groups import matched
from dpquery.policy.catalog import fold
from dpquery.sql.expressions.scope import Named as NamedTable
from dpquery.sql.expressions.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlglot import exp

    from dpquery.errors import Place
    from dpquery.plan.expressions import ColumnRef, Expression
    from dpquery.plan.relations import Rows
    from dpquery.policy.catalog import Catalog
    from dpquery.sql.queries.environment import Environment


@dataclass(frozen=True, slots=True)
class RowsQuery:
    """A query whose rows are rows of units, or public rows, bound as a relation."""

    relation: Relation
    columns: tuple[tuple[str, ColumnRef], ...]
    """What its columns are called, and what they are in the plan."""


@dataclass(frozen=True, slots=True)
class AnswerQuery:
    """A query over released and public tables: SQL for the child process."""

    tree: exp.Query
    names: tuple[str, ...] | None
    """What its columns are called; ``None`` when only the engine knows."""
    sources: tuple[tuple[str, AnswerQuery], ...] = ()
    """The answers in its FROM, by alias."""
    levels: tuple[str, ...] = ()
    """The released tables whose rows it reads, one below the other, and no others."""
    table: str = ""
    """What they are called in its FROM."""


@dataclass(frozen=True, slots=True)
class PublicQuery:
    """A query that reads no private table; it is bound as what it is needed as."""

    node: exp.Query
    environment: Environment


Bound: TypeAlias = RowsQuery | AnswerQuery | PublicQuery


class Names:
    """Gives relations names that are unique in the plan."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._last: dict[str, int] = {}

    @property
    def taken(self) -> frozenset[str]:
        """The names in use."""
        return frozenset(self._taken)

    def forget(self, but: frozenset[str]) -> None:
        """Forget all names except these."""
        self._taken = set(but)
        self._last.clear()

    def unique(self, base: str) -> str:
        """Return *base*, or *base* with the first number that makes it unique."""
        key = fold(base)
        name, number = base, self._last.get(key, 1)
        while fold(name) in self._taken:  # the engine does not tell them apart
            number += 1
            name = f"{base}_{number}"
        self._taken.add(fold(name))
        self._last[key] = number
        return name

    def called(self, alias: str, otherwise: str) -> str:
        """Return a unique name after an alias, where that is a plain name."""
        return self.unique(alias if alias.isidentifier() else otherwise)


class Block:
    """The rows of one SELECT: FROM, joined and filtered as far as it is bound."""

    def __init__(
        self, catalog: Catalog, environment: Environment, outer: Block | None
    ) -> None:
        self._catalog = catalog
        self.environment = environment
        self.outer = outer
        self.tables: list[NamedTable] = []
        self.shared: dict[str, Expression] = {}
        self.distinct: tuple[Expression, ...] | None = None
        """What COUNT(*) counts the different values of, after SELECT DISTINCT."""
        self._relation: Relation | None = None
        self._rows: tuple[Relation, Rows] | None = None

    @property
    def relation(self) -> Relation:
        """What is joined so far."""
        if self._relation is None:
            msg = "FROM is not bound yet"
            raise ValueError(msg)
        return self._relation

    @relation.setter
    def relation(self, relation: Relation) -> None:
        self._relation = relation

    @property
    def empty(self) -> bool:
        """Whether nothing is joined yet."""
        return self._relation is None

    @property
    def scope(self) -> Scope:
        """What names of columns mean now."""
        around = None if self.outer is None else self.outer.scope
        return Scope(tuple(self.tables), dict(self.shared), around)

    @property
    def rows(self) -> Rows:
        """
        The rows with their owners; of public rows, those that private ones match.

        Whether the others can be left out is decided where the release is compiled.

        Raises:
            QueryRefused: they have none.
        """
        if self._rows is None or self._rows[0] is not self._relation:
            around = None if self.outer is None else self.outer.rows_around
            found = owners(matched(self.relation), self._catalog, around)
            self._rows = (self.relation, found)
        return self._rows[1]

    @property
    def rows_around(self) -> Rows | None:
        """The row that a subquery in this block stands in."""
        if self.empty:
            return None if self.outer is None else self.outer.rows_around
        rows = self.rows
        around = None if self.outer is None else self.outer.rows_around
        return around if isinstance(rows, Unowned) and around is not None else rows

    def filter(self, predicate: Expression) -> None:
        """Keep the rows for which *predicate* is true."""
        self.relation = Filter(self.relation, predicate)

    def add(self, name: str, columns: Iterable[tuple[str, Expression]]) -> NamedTable:
        """Put a table under a name into FROM."""
        named = NamedTable(name, tuple(columns))
        self.tables.append(named)
        return named

    def place(self, node: exp.Expr) -> Place | None:
        """Return where *node* stands in the analyst's text."""
        return self.environment.place(node)

    def refusal(
        self,
        node: exp.Expr,
        message: str,
        code: str = "DPQ100",
        hint: str | None = None,
    ) -> QueryRefused:
        """Return the error that refuses the query because of *node*."""
        return QueryRefused(message, code=code, place=self.place(node), hint=hint)


def pivoted_rows(block: Block, node: exp.Expr) -> QueryRefused:
    """Return the refusal of PIVOT below the boundary."""
    msg = "PIVOT of rows is not supported; PIVOT the answer"
    hint = "aggregate first, or count each value: COUNT(*) FILTER (WHERE x = 'a')"
    return block.refusal(node, msg, "DPQ116", hint)


def column_name(called: str, otherwise: str, taken: set[str]) -> str:
    """Return a name for a column that *taken* does not have yet, and take it."""
    plain = called.isidentifier() and not called.startswith("__")
    name, number = (called if plain else otherwise), 1
    while fold(name) in taken:  # the engine does not tell them apart
        number += 1
        name = f"{otherwise}_{number}"
    taken.add(fold(name))
    return name


def named_columns(columns: Sequence[tuple[str, Expression]]) -> tuple[Named, ...]:
    """Return columns under names that are unique, and plain where they can be."""
    names = plain_names([called for called, _ in columns])
    made = (expression for _, expression in columns)
    return tuple(Named(name, each) for name, each in zip(names, made, strict=True))


def plain_names(called: Sequence[str]) -> list[str]:
    """
    Return names for columns of the plan: unique, and as they are called if they can be.

    >>> plain_names(["c1", "COUNT(*)", "C1", "n"])
    ['c1', 'c1_2', 'c2_2', 'n']
    """
    taken: set[str] = set()
    return [column_name(name, f"c{at}", taken) for at, name in enumerate(called)]
