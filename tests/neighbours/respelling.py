"""A question written in another way that means the same."""

from __future__ import annotations

import random

import sqlglot
from sqlglot import exp

_TURNED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.EQ: exp.EQ,
    exp.NEQ: exp.NEQ,
    exp.LT: exp.GT,
    exp.GT: exp.LT,
    exp.LTE: exp.GTE,
    exp.GTE: exp.LTE,
}


_AROUND_SUBQUERIES = (
    *(exp.Exists, exp.Any, exp.All, exp.In, exp.Where, exp.Join, exp.Lateral),
    *(exp.Func, exp.Binary, exp.Paren, exp.Having),
)


class Respelling:
    """Chooses how one question is spelled."""

    def __init__(self, number: int) -> None:
        self._random = random.Random(number)  # noqa: S311 -- the same in every run

    def of(self, sql: str) -> str:
        """Return *sql* with other names, orders and line breaks."""
        tree = sqlglot.parse_one(sql, dialect="duckdb")
        self._rename(tree)
        tree = tree.transform(self._turned)
        for select in list(tree.find_all(exp.Select)):
            if self._half():
                _with_commas(select)
            if self._half():
                _without_between(select)
        if self._half():
            self._wrap(tree)
        text = tree.sql("duckdb", pretty=self._half(), normalize_functions="lower")
        return text.replace("SELECT", "select") if self._half() else text

    def _half(self) -> bool:
        return self._random.random() < 1 / 2

    def _rename(self, tree: exp.Expr) -> None:
        """
        Give tables other names, in the same order.

        Names decide between rows that are alike otherwise, where an order has ties.
        """
        names = {
            each.this.name
            for each in tree.find_all(exp.TableAlias)
            if isinstance(each.this, exp.Identifier)
        }
        prefix = self._random.choice(["Q", "t_", "x é "])
        for each in list(tree.find_all(exp.Identifier)):
            inside = each.parent
            table = isinstance(inside, exp.TableAlias | exp.Table) or (
                isinstance(inside, exp.Column) and each.arg_key == "table"
            )
            if table and each.name in names and each.arg_key in {"this", "table"}:
                each.replace(exp.to_identifier(prefix + each.name, quoted=True))

    def _turned(self, node: exp.Expr) -> exp.Expr:
        """Return a node with its sides exchanged, sometimes."""
        kind = _TURNED.get(type(node))
        if kind is not None and self._half() and not _keeps_sides(node):
            return kind(this=node.expression, expression=node.this)
        if isinstance(node, exp.And | exp.Or) and self._half():
            return type(node)(
                this=exp.paren(node.expression), expression=exp.paren(node.this)
            )
        if isinstance(node, exp.In) and node.expressions and self._half():
            node.set("expressions", node.expressions[::-1])
        return node

    def _wrap(self, tree: exp.Expr) -> None:
        """
        Read one table of the policy through a subquery.

        Not beside other tables, nor in a subquery: there the planner looks for the
        owner of the rows of a table, and finds it otherwise for those of a subquery.
        """
        tables = [
            each
            for each in tree.find_all(exp.Table)
            if each.alias
            and isinstance(each.parent, exp.From)
            and not each.parent.parent.args.get("joins")
            and not each.find_ancestor(*_AROUND_SUBQUERIES)
        ]
        if not tables:
            return
        table = self._random.choice(tables)
        rows = exp.select("*").from_(exp.to_identifier(table.name, quoted=True))
        alias = exp.to_identifier(table.alias, quoted=True)
        kept = {k: v for k, v in table.args.items() if v and k not in {"this", "alias"}}
        if not kept and not table.args["alias"].columns:
            table.replace(exp.Subquery(this=rows, alias=exp.TableAlias(this=alias)))


def _keeps_sides(node: exp.Expr) -> bool:
    """
    Return whether sides stay: ANY and ALL stand on the right.

    And limits are hints, found by the form of a condition: kinds of rows are taken for
    disjoint only where their constants stand on the right.
    """
    sides = (node.this, node.expression)
    fixed = any(isinstance(side, exp.Any | exp.All | exp.Tuple) for side in sides)
    return fixed or node.find_ancestor(exp.Filter) is not None


def _with_commas(select: exp.Select) -> None:
    """Write inner joins as a list in the opposite order, with their ON in WHERE."""
    joins, first = select.args.get("joins") or [], select.args.get("from_")
    plain = all(
        {k for k, v in join.args.items() if v} <= {"this", "on", "kind"}
        and join.args.get("kind") in {None, "", "INNER"}
        and join.args.get("on") is not None
        and isinstance(join.this, exp.Table | exp.Subquery)
        and not join.this.args.get("joins")
        for join in joins
    )
    if not joins or not plain or first is None or select.find(exp.Star) is not None:
        return
    tables = [first.this, *(join.this for join in joins)][::-1]
    conditions = [exp.paren(join.args["on"]) for join in joins]
    where = select.args.get("where")
    if where is not None:
        conditions.append(exp.paren(where.this))
    select.set("joins", [exp.Join(this=each) for each in tables[1:]])
    select.set("from_", exp.From(this=tables[0]))
    select.set("where", exp.Where(this=exp.and_(*conditions)))


def _without_between(select: exp.Select) -> None:
    """Write BETWEEN as the two comparisons that it is."""
    for each in list(select.find_all(exp.Between)):
        if each.args.get("symmetric"):
            continue
        value, low, high = each.this, each.args["low"], each.args["high"]
        above = exp.GTE(this=value, expression=low)
        below = exp.LTE(this=value.copy(), expression=high)
        each.replace(exp.paren(exp.And(this=below, expression=above)))
