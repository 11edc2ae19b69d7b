"""The last SELECT once more, for other draws of the noise: what of it is computed.

A column is taken to be computed from noisy numbers unless it surely is not. What says
which rows are shown, and in which order, is left out where that changes no cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.program import REPLICATES, Replicated
from dpquery.policy.catalog import fold
from dpquery.sql.lowering.select import identifier
from dpquery.sql.queries.clauses import is_aggregation
from dpquery.sql.queries.trees import (
    RELEASED,
    ROW,
    derived,
    released_column,
    released_table,
)
from dpquery.sql.queries.typed_answers import computed

if TYPE_CHECKING:
    from dpquery.sql.queries.binder import QueryBinder
    from dpquery.sql.queries.bound import AnswerQuery
    from dpquery.sql.queries.traces import Traced

_SMOOTH = (
    *(exp.Sum, exp.Avg, exp.Count, exp.Round, exp.Cast, exp.TryCast, exp.Nullif),
    *(exp.And, exp.Or, exp.Ln, exp.Log, exp.Exp, exp.Sqrt, exp.Pow),
)
_CHOOSES = ("order", "limit", "offset", "qualify")
"""What says which rows are shown after all cells are computed."""


def replicated(
    answer: AnswerQuery, found: Traced, binder: QueryBinder
) -> Replicated | None:
    """Return how the computed columns of *answer* are computed again, if it has any."""
    columns = _noisy(answer)
    if columns is not None:
        shown = (cell is not None for cell in found.cells)
        columns = tuple(n and not s for n, s in zip(columns, shown, strict=True))
        if not any(columns):
            return None
    levels = _rowwise(answer, outermost=True) if len(found.rows) == 1 else ()
    # two names: some of what is written for the engine has no names of tables
    every, number = (binder.alias(name) for name in ("each_replicate", "replicate"))
    loose = _loose(found.tree, rowwise=bool(levels))
    tree = _for_each(loose, every, number, binder)
    if tree is None:
        return None
    text, smooth = computed(tree, binder), _is_smooth(found.tree)
    return Replicated(text, every, number, columns, smooth, levels)


def _is_smooth(tree: exp.Query) -> bool:
    """Return whether no function in *tree* may have a kink, as ABS has at 0."""
    return all(isinstance(each, _SMOOTH) for each in tree.find_all(exp.Func))


def _for_each(
    tree: exp.Query, every: str, number: str, binder: QueryBinder
) -> exp.Select | None:
    """
    Return *tree* as it is for each replicate; ``None`` if it reads no released table.

    Every released table is the part of it that is of one replicate: a correlated
    subquery, which the engine computes for all replicates at once.
    """
    around, inside = (binder.alias(name) for name in ("replicates", "answer"))
    mine = released_column(around, every)
    columns = {
        each.name: [
            *(key.name for key in each.keys),
            *(f"a{at}" for at in range(len(each.aggregates))),
            ROW,
        ]
        for each in binder.boundaries
    }
    tables = [t for t in tree.find_all(exp.Table) if t.db == RELEASED]
    for table in tables:
        name = table.name
        theirs = exp.EQ(this=released_column(name, number), expression=mine)
        part = exp.Select(
            expressions=[released_column(name, each) for each in columns[name]],
            from_=exp.From(this=released_table(name, name)),
            where=exp.Where(this=theirs),
        )
        table.replace(derived(part, table.alias_or_name))
    if not tables:
        return None
    return exp.Select(
        expressions=[
            mine.copy(),
            exp.Column(this=exp.Star(), table=identifier(inside)),
        ],
        from_=exp.From(this=released_table(REPLICATES, around)),
        joins=[
            exp.Join(
                this=exp.Lateral(
                    this=exp.Subquery(this=tree),
                    alias=exp.TableAlias(this=identifier(inside)),
                )
            )
        ],
    )


def _loose(tree: exp.Query, *, rowwise: bool) -> exp.Query:
    """Return a copy of *tree* that shows all of its rows, in any order."""
    loose = tree.copy()
    distinct = loose.args.get("distinct")
    if not isinstance(distinct, exp.Distinct) or not distinct.args.get("on"):
        for clause in _CHOOSES:
            loose.set(clause, None)
    if rowwise:
        for select in loose.find_all(exp.Select):
            select.set("where", None)
    elif isinstance(loose, exp.Select) and not _has_window(loose):
        loose.set("having", None)
        if not _merges(loose):
            loose.set("where", None)
    return loose


def _has_window(select: exp.Select) -> bool:
    return any(each.find(exp.Window) is not None for each in select.expressions)


def _merges(select: exp.Select) -> bool:
    """Return whether rows of several tables, or several rows, meet in one."""
    merging = ("joins", "laterals", "distinct")
    return any(select.args.get(each) for each in merging) or is_aggregation(select)


def _rowwise(answer: AnswerQuery, *, outermost: bool) -> tuple[str, ...]:
    """
    Return the released tables of one row of which each row of *answer* is made.

    What says which rows the *outermost* SELECT shows is left out.
    """
    tree = answer.tree
    if not isinstance(tree, exp.Select) or answer.names is None:
        return ()
    merging: tuple[str, ...] = ("joins", "laterals", "distinct", "sample")
    merging += () if outermost else _CHOOSES[1:]
    if any(tree.args.get(each) for each in merging) or is_aggregation(tree):
        return ()
    where = tree.args.get("where")
    parts = [*tree.expressions, *([] if where is None else [where])]
    if any(part.find(exp.Window, exp.Query) is not None for part in parts):
        return ()
    if answer.levels:
        return answer.levels
    source = tree.args["from_"].this if tree.args.get("from_") else None
    if source is None or source.args.get("pivots") or source.args.get("sample"):
        return ()
    if len(answer.sources) != 1:
        return ()
    return _rowwise(answer.sources[0][1], outermost=False)


def _noisy(answer: AnswerQuery) -> tuple[bool, ...] | None:
    """Return which columns of *answer* may vary with the noise; ``None``: unknown."""
    if answer.names is None:
        return None
    tree = answer.tree
    shown = tree.expressions[: len(answer.names)]
    if not isinstance(tree, exp.Select) or len(shown) < len(answer.names):
        return (True,) * len(answer.names)
    if answer.levels:
        return tuple(_reads(each, answer.table) for each in shown)
    known: dict[str, dict[str, bool]] = {}
    for called, inner in answer.sources:
        flags = _noisy(inner)
        if inner.names is None or flags is None or _renamed(tree):
            return (True,) * len(answer.names)
        known[fold(called)] = dict(zip(map(fold, inner.names), flags, strict=True))
    names = [fold(name) for name in answer.names]
    return tuple(_varies(each, known, set(names[:at])) for at, each in enumerate(shown))


def _renamed(tree: exp.Select) -> bool:
    """Return whether a table of FROM has other names for its columns."""
    nodes = [tree.args["from_"].this] if tree.args.get("from_") else []
    nodes += [join.this for join in tree.args.get("joins") or []]
    aliases = (node.args.get("alias") for node in nodes)
    return any(alias is not None and alias.args.get("columns") for alias in aliases)


def _reads(item: exp.Expr, table: str) -> bool:
    """Return whether *item* reads an aggregate of the released *table*."""
    if item.find(exp.Query, exp.Window, exp.AggFunc) is not None:
        return True
    return any(
        column.table == table and column.name.startswith("a")
        for column in item.find_all(exp.Column)
    )


def _varies(item: exp.Expr, known: dict[str, dict[str, bool]], own: set[str]) -> bool:
    """
    Return whether *item* may vary, where the columns of *known* tables do or not.

    A column of none of them is one of a public table, unless one of the SELECT's *own*
    before it has its name.
    """
    inner = item.unalias()
    if inner.find(exp.Query, exp.Window, exp.AggFunc, exp.Anonymous) is not None:
        return True
    for column in inner.find_all(exp.Column):
        table, name = fold(column.table), fold(column.name)
        if table:
            places = [known[table]] if table in known else []
        else:
            places = [columns for columns in known.values() if name in columns]
            if not places and name in own:
                return True
        if any(columns.get(name, True) for columns in places):
            return True
    return False
