"""One statement into a plan: releases of private rows, and one SELECT over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from sqlglot import exp

from dpquery.errors import QueryRefused
from dpquery.plan.program import Output, PostQuery, Query
from dpquery.plan.relations import Group, Relation
from dpquery.sql.literals import count_literal
from dpquery.sql.lowering.select import identifier
from dpquery.sql.parsing.dp_syntax import written
from dpquery.sql.parsing.parse import DEFAULT_DIALECT, as_query, parse
from dpquery.sql.queries.answers import AnswerBinder
from dpquery.sql.queries.binder import QueryBinder
from dpquery.sql.queries.bound import AnswerQuery, PublicQuery, RowsQuery
from dpquery.sql.queries.environment import environment_of
from dpquery.sql.queries.replicates import replicated
from dpquery.sql.queries.traces import traced
from dpquery.sql.queries.typed_answers import computed

if TYPE_CHECKING:
    import datetime as dt

    from dpquery.policy.catalog import Catalog
    from dpquery.sql.queries.environment import Environment


def bind(
    sql: str,
    catalog: Catalog,
    dialect: str = DEFAULT_DIALECT,
    now: dt.datetime | None = None,
) -> Query:
    """
    Return the plan of *sql*; ``current_date`` and the like are constants made of *now*.

    Raises:
        SQLSyntaxError: it is not one SELECT.
        QueryRefused: something in it is not on the allow-list.
    """
    try:
        node = as_query(parse(sql, dialect))
        environment = environment_of(sql, catalog)
        return _bound(node, QueryBinder(catalog, environment, now), environment)
    except RecursionError:
        msg = "the query is nested too deeply"
        raise QueryRefused(msg, code="DPQ004") from None


def _bound(node: exp.Query, binder: QueryBinder, environment: Environment) -> Query:
    bound = binder.query(node, environment)
    if isinstance(bound, PublicQuery):
        bound = AnswerBinder(binder, environment).public(bound)
    if isinstance(bound, RowsQuery):
        _refuse_rows(node, bound, environment)
    for place in written(node):
        if (place.line, place.column) not in binder.heard:
            msg = "these privacy parameters belong to no release"
            hint = "they go with the SELECT whose aggregates mix rows of several units"
            raise QueryRefused(msg, code="DPQ135", place=place, hint=hint)
    post = _post(bound, binder, environment)
    return Query(tuple(binder.boundaries), tuple(binder.inputs), post)


def _post(
    answer: AnswerQuery, binder: QueryBinder, environment: Environment
) -> PostQuery:
    """Return the last SELECT, with the rows that its cells come from."""
    found = traced(answer, binder.alias)
    again = replicated(answer, found, binder)
    if found.rows:
        _check_positions(found.tree, len(found.cells), environment)
        _in_order(found.tree, found.rows, len(found.cells))
    outputs = None
    if answer.names is not None:
        outputs = tuple(
            Output(name, cell)
            for name, cell in zip(answer.names, found.cells, strict=True)
        )
    return PostQuery(computed(found.tree, binder), outputs, len(found.rows), again)


def _check_positions(tree: exp.Query, shown: int, environment: Environment) -> None:
    """Refuse positions in ORDER BY that only the hidden columns would have."""
    order = tree.args.get("order")
    for each in [] if order is None else order.expressions:
        node = each.this
        if isinstance(node, exp.Literal) and not node.is_string:
            position = count_literal(node.name)
            if position is None or not 1 <= position <= shown:
                msg = f"ORDER BY {node.name[:20]} names no column of SELECT"
                place = environment.place(node)
                hint = f"1 to {shown}"
                raise QueryRefused(msg, code="DPQ102", place=place, hint=hint)


def _in_order(tree: exp.Query, rows: tuple[str, ...], shown: int) -> None:
    """
    Order by the released rows last: within ties, and where no order is asked for.

    They are in the order of their keys: never in one that private rows had a part in.
    """
    asked = tree.args.get("order")
    order = [] if asked is None else list(asked.expressions)
    if len(order) == 1 and _is_all(order[0].this):  # ALL stands alone, and is all
        order = [_positioned(order[0], at + 1) for at in range(shown)]
    order += [exp.Ordered(this=exp.Column(this=identifier(name))) for name in rows]
    tree.set("order", exp.Order(expressions=order))


def _is_all(node: exp.Expr) -> bool:
    return isinstance(node, exp.Var) and node.name.upper() == "ALL"


def _positioned(ordered: exp.Expr, position: int) -> exp.Expr:
    """Return an item of ORDER BY, with its direction, for another column."""
    made = ordered.copy()
    made.set("this", exp.Literal.number(str(position)))
    return made


def _refuse_rows(
    node: exp.Query, bound: RowsQuery, environment: Environment
) -> NoReturn:
    """Refuse what would list individuals, rows or groups of rows of one unit."""
    select = node.find(exp.Select) or node
    items = select.expressions or [select]
    place = environment.place(items[0])
    if _is_grouped(bound.relation):
        group = select.args.get("group")
        if group is not None:
            place = environment.place(group)
        msg = "a group for each unit would show individuals"
        hint = "aggregate once more: SELECT AVG(n) FROM (SELECT … GROUP BY …)"
        raise QueryRefused(msg, code="DPQ123", place=place, hint=hint)
    msg = "this would list rows of individuals"
    hint = (
        "ask for an aggregate, e.g. SELECT COUNT(*) …, or add GROUP BY; the\n"
        "columns can be looked at with `dpquery tables`"
    )
    raise QueryRefused(msg, code="DPQ122", place=place, hint=hint)


def _is_grouped(relation: Relation) -> bool:
    while hasattr(relation, "child"):
        if isinstance(relation, Group):
            return True
        relation = relation.child
    return False
