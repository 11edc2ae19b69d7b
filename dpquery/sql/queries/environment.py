"""What names of tables mean at a place in the query: WITH, views, tables."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.errors import QueryRefused
from dpquery.policy.catalog import fold
from dpquery.sql.parsing.parse import as_query, parse, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dpquery.errors import Place
    from dpquery.policy.catalog import Catalog
    from dpquery.sql.queries.bound import AnswerQuery


@dataclass(eq=False, slots=True)
class NamedQuery:
    """A query that has a name: one of WITH, or a view of the policy."""

    name: str
    node: exp.Query
    environment: Environment
    """What names mean inside it."""
    columns: tuple[str, ...] = ()
    """``WITH t(a, b)``: what its columns are called instead."""
    answer: AnswerQuery | None = None
    """What it was bound to, if that is an answer: released once, read often."""
    private: bool | None = None
    """Whether it reads a private table, once somebody has asked."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The named queries that can be read at some place."""

    sql: str
    """The text that the nodes at this place were parsed from."""
    queries: Mapping[str, NamedQuery] = field(default_factory=dict)
    """By folded name."""
    view: str | None = None
    """The view of the policy whose text it is."""

    def place(self, node: exp.Expr) -> Place | None:
        """Return where *node* stands in the text, which may be a view's."""
        found = place_of(node, self.sql)
        if found is None or self.view is None:
            return found
        return replace(found, file=f"view {self.view}")

    def find(self, name: str) -> NamedQuery | None:
        """Return the named query that *name* means, before any table."""
        return self.queries.get(fold(name))

    def within(self, node: exp.Expr) -> Environment:
        """
        Return what names mean inside *node*, which may begin with WITH.

        Raises:
            QueryRefused: WITH RECURSIVE, or two queries of one name.
        """
        clause = node.args.get("with_")
        if clause is None:
            return self
        if clause.args.get("recursive"):
            msg = "a recursive WITH has no bounded price and is not answered"
            hint = "write the steps out, or compute them from the answer"
            place = self.place(clause)
            raise QueryRefused(msg, code="DPQ134", place=place, hint=hint)
        here = self
        own: set[str] = set()
        for cte in clause.expressions:
            name, node_ = cte.alias, cte.this
            if fold(name) in own or not isinstance(node_, exp.Query):
                msg = f"WITH has two queries called {name}"
                place = self.place(cte)
                hint = "give each a name of its own"
                raise QueryRefused(msg, code="DPQ103", place=place, hint=hint)
            own.add(fold(name))
            columns = tuple(each.name for each in cte.args["alias"].columns)
            named = NamedQuery(name, node_, here, columns)
            here = replace(here, queries={**here.queries, fold(name): named})
        return here


def environment_of(sql: str, catalog: Catalog) -> Environment:
    """Return what names mean at the top of *sql*; a view sees those before it."""
    views: dict[str, NamedQuery] = {}
    for name, text in catalog.views.items():
        inside = Environment(text, dict(views), name)
        views[fold(name)] = NamedQuery(name, as_query(parse(text)), inside)
    return Environment(sql, views)


def tables_in(
    node: exp.Expr, environment: Environment
) -> Iterator[tuple[exp.Table, Environment]]:
    """Yield the tables that *node* names, with what names mean at each place."""
    if isinstance(node, exp.Query):
        inside = environment.within(node)
        clause = node.args.get("with_")
        if clause is not None:
            for cte in clause.expressions:
                yield from tables_in(
                    cte.this, inside.queries[fold(cte.alias)].environment
                )
        environment = inside
    elif isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
        yield node, environment
    for child in node.iter_expressions():
        if not isinstance(child, exp.With):
            yield from tables_in(child, environment)


def reads_private(node: exp.Expr, environment: Environment, catalog: Catalog) -> bool:
    """Return whether a private table has any part in *node*."""
    private = {fold(t.name) for t in catalog.tables.values() if not t.public}
    for table, here in tables_in(node, environment):
        named = here.find(table.name) if not table.db else None
        if named is not None:
            if named.private is None:  # asked once: texts can name it 2^n times
                named.private = reads_private(named.node, named.environment, catalog)
            if named.private:
                return True
        elif fold(table.name) in private:
            return True
    return False
