"""Relations as SQL: FROM, joins and WHERE; and what expressions read of other rows.

Rows and values are made of each other: a column can be a subquery, and a subquery has
columns. So this module and ``lower_expressions`` call each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from sqlglot import exp

from dpquery.plan.expressions import (
    TRUE,
    Expression,
    Subquery,
    SubqueryKind,
    conjuncts,
)
from dpquery.plan.relations import (
    Filter,
    Group,
    Join,
    JoinKind,
    Listed,
    Named,
    Project,
    Relation,
    Released,
    Sample,
    Scan,
    SetKind,
    SetOperation,
    Top,
    Unnest,
)
from dpquery.plan.walk import visible
from dpquery.sql.functions import binary, call, cast, number
from dpquery.sql.lowering import aggregates as lower_aggregates
from dpquery.sql.lowering import expressions as lower_expressions
from dpquery.sql.lowering.select import identifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.policy.catalog import CatalogTable

SCHEMA = "main"


@dataclass(slots=True)
class Source:
    """What stands in FROM and WHERE."""

    first: exp.Expr
    joins: list[exp.Join] = field(default_factory=list)
    filters: list[Expression] = field(default_factory=list)

    def select(self, items: Sequence[exp.Expr]) -> exp.Select:
        """Return a SELECT of *items* from here."""
        query = exp.Select(expressions=list(items)).from_(self.first, copy=False)
        if self.joins:
            query.set("joins", self.joins)
        if self.filters:
            made = [lower_expressions.lower(each) for each in self.filters]
            query.set(
                "where", exp.Where(this=lower_expressions.balanced(exp.And, made))
            )
        return query


def source(relation: Relation) -> Source:
    """
    Return *relation* as FROM, joins in order, and filters.

    A filter below a join may move above it: it reads the left side only, and every
    join here is INNER or keeps its left side.
    """
    match relation:
        case Filter(child=child, predicate=predicate):
            found = source(child)
            found.filters += conjuncts(predicate)
            return found
        case Join(lateral=True, left=left, right=right):
            found = source(left)
            found.joins.append(_join(_table(right), relation.kind, relation.condition))
            return found
        case Join(kind=JoinKind.INNER):
            return _inner(relation)
        case Join(kind=JoinKind.LEFT, left=left, right=right):
            found, other = source(left), source(right)
            table = _bracketed(other)
            found.joins.append(
                _join(table, JoinKind.LEFT, relation.condition, *other.filters)
            )
            return found
        case Join(kind=JoinKind.FULL, left=left, right=right):
            found = Source(_closed(left))
            found.joins.append(_join(_closed(right), JoinKind.FULL, relation.condition))
            return found
        case Unnest(child=child, name=name, keeps=keeps):
            found = source(child)
            kind = JoinKind.LEFT if keeps else JoinKind.INNER
            found.joins.append(_join(_elements(relation, name), kind, TRUE))
            return found
        case _:
            return Source(_table(relation))


def _inner(join: Join) -> Source:
    found, other = source(join.left), source(join.right)
    if any(each.args.get("side") == "FULL" for each in other.joins):
        found.joins.append(
            _join(_bracketed(other), JoinKind.INNER, join.condition, *other.filters)
        )
    elif other.joins:  # its condition may read tables that are joined after the first
        found.joins += [_join(other.first, JoinKind.INNER, TRUE), *other.joins]
        found.filters += [*conjuncts(join.condition), *other.filters]
    else:
        found.joins.append(_join(other.first, JoinKind.INNER, join.condition))
        found.filters += other.filters
    return found


def _join(
    to: exp.Expr, kind: JoinKind, condition: Expression, *more: Expression
) -> exp.Join:
    parts = [*conjuncts(condition), *more]
    made = [lower_expressions.lower(each) for each in parts]
    on = lower_expressions.balanced(exp.And, made) if made else exp.Boolean(this=True)
    join = exp.Join(this=to, on=on)
    join.set("kind" if kind is JoinKind.INNER else "side", kind.value)
    return join


def _bracketed(found: Source) -> exp.Expr:
    """Return joins as one table of FROM; their names can still be read."""
    if not found.joins:
        return found.first
    found.first.set("joins", found.joins)
    return exp.Subquery(this=found.first)


def _closed(relation: Relation) -> exp.Expr:
    """
    Return one side of a FULL join, its filters applied before the join.

    Names of joined tables can still be read: they are filtered by a join to one row.
    """
    found = source(relation)
    if not found.filters:
        return _bracketed(found)
    if not found.joins:
        star = Source(found.first, filters=found.filters).select([exp.Star()])
        return _derived(star, found.first.alias)
    one = _derived(exp.Select(expressions=[number(1)]), f"{found.first.alias}:kept")
    found.joins.append(_join(one, JoinKind.INNER, TRUE, *found.filters))
    return _bracketed(found)


def _one_row(name: str) -> exp.Values:
    """Return a table of one row, to be joined with for the sake of a condition."""
    row = exp.Tuple(expressions=[exp.Boolean(this=True)])
    alias = exp.TableAlias(this=identifier(name), columns=[identifier("one")])
    return exp.Values(expressions=[row], alias=alias)


def _table(relation: Relation) -> exp.Expr:
    """Return a relation that makes columns as one table of FROM."""
    match relation:
        case Scan(table=table, name=name):
            return table_of(table, name)
        case Listed():
            return _listed(relation)
        case Released(name=name):
            return _derived(_released(relation), name)
        case Project(name=name) | Group(name=name) | SetOperation(name=name):
            return _derived(query(relation), name)
        case Top(child=Project(name=name)):
            return _derived(query(relation), name)
        case Filter() | Top() | Join() | Unnest() | Sample():
            found = source(relation)
            if not found.joins:
                star = found.select([exp.Star()])
                return _derived(star, found.first.alias)
            msg = f"no table is made of {type(relation).__name__}"
            raise ValueError(msg)
        case _:
            assert_never(relation)


def table_of(table: CatalogTable, name: str) -> exp.Table:
    """Return a table of the policy under a name."""
    return exp.Table(
        this=identifier(table.name),
        db=identifier(SCHEMA),
        alias=exp.TableAlias(this=identifier(name)),
    )


def _derived(inner: exp.Query, name: str) -> exp.Subquery:
    return exp.Subquery(this=inner, alias=exp.TableAlias(this=identifier(name)))


def _listed(listed: Listed) -> exp.Expr:
    rows = [
        exp.Tuple(
            expressions=[
                lower_expressions.constant(value, column.type)
                for value, column in zip(row, listed.columns, strict=True)
            ]
        )
        for row in listed.rows
    ]
    columns = [identifier(column.name) for column in listed.columns]
    alias = exp.TableAlias(this=identifier(listed.name), columns=columns)
    return exp.Values(expressions=rows, alias=alias)


def parameter(input_name: str, at: int) -> str:
    """Return the name of the parameter that holds one column of an input."""
    return f"{input_name}_c{at}"


def _released(released: Released) -> exp.Select:
    """Return rows that are given when the statement runs, a list for each column."""
    items = []
    for at, column in enumerate(released.columns):
        type_ = lower_expressions.ENGINE_TYPES[column.type]
        given = exp.Placeholder(this=parameter(released.source, at))
        values = call("unnest", cast(given, f"{type_}[]"))
        items.append(exp.Alias(this=values, alias=identifier(column.name)))
    return exp.Select(expressions=items)


def _elements(unnest: Unnest, name: str) -> exp.Expr:
    values = call("unnest", lower_expressions.lower(unnest.elements))
    item = exp.Alias(this=values, alias=identifier(unnest.column.name))
    return _derived(exp.Select(expressions=[item]), name)


# --- queries -------------------------------------------------------------------------


def query(relation: Relation) -> exp.Query:
    """Return *relation* as a query with the columns that it makes."""
    match relation:
        case Project(child=Top() as top) if not relation.distinct:
            made = source(top.child).select(_items(relation.columns))
            return _first(made, top)
        case Project(child=child, columns=columns):
            made = source(child).select(_items(columns, distinct=relation.distinct))
            return made.distinct(copy=False) if relation.distinct else made
        case Group(child=child, keys=keys, aggregates=aggregates):
            items = [*_items(keys, distinct=True), *_items(aggregates)]
            made = source(child).select(items)
            by = [lower_aggregates.merged(key.expression) for key in keys]
            return made.group_by(*by, copy=False) if by else made
        case SetOperation(kind=kind, left=left, right=right, distinct=distinct):
            kinds = {
                SetKind.UNION: exp.Union,
                SetKind.INTERSECT: exp.Intersect,
                SetKind.EXCEPT: exp.Except,
            }
            merges = distinct or kind is not SetKind.UNION
            return kinds[kind](
                this=_side(left, merges=merges),
                expression=_side(right, merges=merges),
                distinct=distinct,
            )
        case Top(child=Project() as project):
            made = Source(_derived(query(project), project.name)).select([exp.Star()])
            return _first(made, relation)
        case _:
            return source(relation).select([number(1)])


def _side(project: Project, *, merges: bool) -> exp.Query:
    items = _items(project.columns, distinct=merges or project.distinct)
    made = source(project.child).select(items)
    return made.distinct(copy=False) if project.distinct else made


def _items(columns: Sequence[Named], *, distinct: bool = False) -> list[exp.Expr]:
    return [
        exp.Alias(
            this=lower_aggregates.merged(each.expression)
            if distinct
            else lower_expressions.lower(each.expression),
            alias=identifier(each.name),
        )
        for each in columns
    ]


def _first(made: exp.Select, top: Top) -> exp.Select:
    if top.order:
        made.set("order", exp.Order(expressions=lower_aggregates.ordered(top.order)))
    made.set("limit", exp.Limit(expression=number(top.count)))
    return made


# --- values of other rows ------------------------------------------------------------


def subquery(expression: Subquery) -> exp.Expr:
    """Return a subquery of an expression."""
    match expression.kind:
        case SubqueryKind.EXISTS:
            relation = expression.relation
            if _has_rows(relation):
                rows: exp.Query = source(relation).select([number(1)])
            else:
                rows = query(relation)
            return exp.Paren(this=exp.Exists(this=rows))
        case SubqueryKind.SCALAR:
            return exp.Subquery(this=_one_column(expression.relation))
        case SubqueryKind.ANY if expression.needle is not None:
            kind = lower_expressions.COMPARISONS[expression.comparison]
            inner = exp.Any(this=exp.Subquery(this=_one_column(expression.relation)))
            needle = lower_expressions.lower(expression.needle)
            return binary(kind, needle, inner)
        case _:
            msg = "ANY compares with something"
            raise ValueError(msg)


def _has_rows(relation: Relation) -> bool:
    """Return whether rows are read as they are, so that columns do not matter."""
    return isinstance(relation, Scan | Filter | Join | Listed | Released | Unnest)


def _one_column(relation: Relation) -> exp.Query:
    """Return a query with the first column of *relation*, the others left out."""
    if isinstance(relation, Project | Group | SetOperation | Top):
        shown = visible(relation)
        if len(shown) == 1:
            return query(relation)
    value = lower_expressions.lower(visible(relation)[0])
    return source(relation).select([value])
