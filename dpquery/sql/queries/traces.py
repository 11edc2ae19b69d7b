"""Which released number a cell of the answer is: hidden row numbers, carried upward.

A column that shows a released number as it is can have that number's error bar. Rows
are followed through SELECTs that neither merge nor make any.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.program import Cell
from dpquery.policy.catalog import fold
from dpquery.sql.lowering.select import identifier
from dpquery.sql.queries.clauses import is_aggregation
from dpquery.sql.queries.trees import ROW, released_column

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.sql.queries.bound import AnswerQuery


@dataclass(frozen=True, slots=True)
class Traced:
    """A query with hidden columns behind its own."""

    tree: exp.Query
    cells: tuple[Cell | None, ...]
    """For each column, what it shows."""
    rows: tuple[str, ...] = ()
    """The names of the hidden columns."""


def traced(answer: AnswerQuery, alias: Callable[[str], str]) -> Traced:
    """Return *answer* with the numbers of the released rows that it shows."""
    tree = answer.tree
    untraced = Traced(tree, (None,) * len(answer.names or ()))
    if answer.names is None or not isinstance(tree, exp.Select):
        return untraced
    if tree.args.get("distinct") or is_aggregation(tree):
        return untraced
    if answer.levels:
        return _released(answer, tree, alias("row"))
    return _through(answer, tree, alias)


def _released(answer: AnswerQuery, tree: exp.Select, name: str) -> Traced:
    """Trace a SELECT of released tables."""
    cells = tuple(_cell(answer, item) for item in tree.expressions)
    tree = _select(tree.copy())
    row = released_column(answer.table, ROW)
    tree.append("expressions", exp.Alias(this=row, alias=identifier(name)))
    return Traced(tree, cells, (name,))


def _cell(answer: AnswerQuery, item: exp.Expr) -> Cell | None:
    shown = item.unalias()
    if not isinstance(shown, exp.Column) or shown.table != answer.table:
        return None
    return Cell(answer.levels, shown.name, 0) if shown.name.startswith("a") else None


def _through(
    answer: AnswerQuery, tree: exp.Select, alias: Callable[[str], str]
) -> Traced:
    """Trace a SELECT of derived tables, each of which is traced."""
    known: dict[tuple[str, str], Cell] = {}
    rows: list[str] = []
    tree = _select(tree.copy())
    for called, inner in answer.sources:
        found = traced(inner, alias)
        table = _table(tree, called)
        if not found.rows or table is None:
            continue
        table.set("this", found.tree)
        renamed = [each.name for each in table.args["alias"].args.get("columns") or []]
        names = [*renamed, *(inner.names or ())[len(renamed) :]]
        for name, cell in zip(names, found.cells, strict=True):
            if cell is not None:
                moved = replace(cell, row=cell.row + len(rows))
                known[fold(called), fold(name)] = moved
        for name in found.rows:
            column = exp.Column(this=identifier(name), table=identifier(called))
            tree.append("expressions", exp.Alias(this=column, alias=identifier(name)))
        rows += found.rows
    shown = tree.expressions[: len(answer.names or ())]
    return Traced(tree, tuple(_known(each, known) for each in shown), tuple(rows))


def _table(tree: exp.Select, called: str) -> exp.Subquery | None:
    """Return the derived table of FROM that is called *called*, and nothing more."""
    nodes = [tree.args["from_"].this, *(j.this for j in tree.args.get("joins") or [])]
    for node in nodes:
        if isinstance(node, exp.Subquery) and called and node.alias == called:
            extra = node.args.get("pivots") or node.args.get("sample")
            outer = isinstance(node.parent, exp.Join) and node.parent.args.get("method")
            return None if extra or outer else node
    return None


def _known(item: exp.Expr, known: dict[tuple[str, str], Cell]) -> Cell | None:
    shown = item.unalias()
    if not isinstance(shown, exp.Column):
        return None
    if shown.table:
        return known.get((fold(shown.table), fold(shown.name)))
    found = [cell for (_, name), cell in known.items() if name == fold(shown.name)]
    return found[0] if len(found) == 1 else None


def _select(tree: exp.Expr) -> exp.Select:
    if not isinstance(tree, exp.Select):
        msg = "a copy of a SELECT is one"
        raise TypeError(msg)
    return tree
