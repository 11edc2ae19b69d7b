"""Tables of FROM that are no names: VALUES, series, lists, laterals, samples."""

from __future__ import annotations

import calendar
import datetime as dt
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.expressions import ColumnRef, Expression, Literal
from dpquery.plan.relations import Listed, Relation, Sample, Unnest
from dpquery.policy.catalog import SqlType, fold
from dpquery.sql.expressions.scope import Named as NamedTable
from dpquery.sql.literals import as_type, common_type
from dpquery.sql.queries.rows import BlockBinder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.plan.expressions import Constant
    from dpquery.sql.queries.binder import QueryBinder
    from dpquery.sql.queries.bound import Block

MAX_LISTED = 10_000
"""Rows of constants in one query."""
ONE = Literal(1, SqlType.INTEGER)


def alias_name(node: exp.Expr) -> str:
    """Return the alias of a table; empty when it has none."""
    alias = node.args.get("alias")
    return alias.name if isinstance(alias, exp.TableAlias) else ""


def alias_columns(node: exp.Expr) -> tuple[str, ...]:
    """Return the names that an alias gives to columns: ``AS t(a, b)``."""
    alias = node.args.get("alias")
    if not isinstance(alias, exp.TableAlias):
        return ()
    return tuple(each.name for each in alias.args.get("columns") or [])


class TableBinder:
    """Binds the tables of one FROM that are no names."""

    def __init__(self, binder: QueryBinder, block: Block) -> None:
        self._binder = binder
        self._block = block

    def other(self, node: exp.Expr) -> tuple[Relation, list[tuple[str, Expression]]]:
        """
        Return constants, or a subquery that may read the row before it.

        Raises:
            QueryRefused: it is neither.
        """
        match node:
            case exp.Values():
                return self._values(node)
            case exp.Table(this=exp.GenerateSeries() as series):
                return self._listed(node, [[each] for each in self._series(series)])
            case exp.Unnest():
                return self._constants(node)
            case exp.Lateral(this=exp.Subquery(this=exp.Query() as query)):
                return self._lateral(node, query)
            case _:
                hint = "FROM takes tables of the policy; see `dpquery tables`"
                msg = "FROM takes the name of a table here"
                raise self._block.refusal(node, msg, "DPQ101", hint)

    def one_row(self) -> Relation:
        """Return what a SELECT without FROM reads: one row, and nothing in it."""
        name = self._binder.names.unique("row")
        return Listed(name, (ColumnRef(name, "col0", SqlType.INTEGER),), ((1,),))

    def renamed(
        self,
        node: exp.Expr,
        columns: Sequence[tuple[str, Expression]],
        names: tuple[str, ...],
    ) -> list[tuple[str, Expression]]:
        """Return *columns* with the first ones called *names* instead."""
        if len(names) > len(columns):
            msg = f"{len(names)} names for {len(columns)} columns"
            raise self._block.refusal(node, msg, "DPQ102")
        called = [*names, *(name for name, _ in columns[len(names) :])]
        return [(name, made) for name, (_, made) in zip(called, columns, strict=True)]

    # --- constants ---------------------------------------------------------------

    def _values(
        self, node: exp.Values
    ) -> tuple[Relation, list[tuple[str, Expression]]]:
        rows = []
        for each in node.expressions:
            cells = each.expressions if isinstance(each, exp.Tuple) else [each]
            rows.append([self._constant(cell) for cell in cells])
        return self._listed(node, rows)

    def _constant(self, node: exp.Expr) -> Literal:
        bound = BlockBinder(self._binder, self._block).bind(node)
        if not isinstance(bound, Literal):
            hint = "write constants, or use a table"
            raise self._block.refusal(
                node, "a constant is expected here", "DPQ107", hint
            )
        return bound

    def _constants(
        self, node: exp.Unnest
    ) -> tuple[Relation, list[tuple[str, Expression]]]:
        """Return the elements of a list that is written out."""
        (elements,) = node.expressions if len(node.expressions) == 1 else (node,)
        if not isinstance(elements, exp.Array):
            if isinstance(elements, exp.GenerateSeries):
                return self._listed(node, [[each] for each in self._series(elements)])
            hint = "put the table that has the list before it: FROM t, UNNEST(t.x)"
            msg = "this list belongs to no row"
            raise self._block.refusal(node, msg, "DPQ116", hint)
        return self._listed(node, [[self._constant(e)] for e in elements.expressions])

    def _listed(
        self, node: exp.Expr, rows: Sequence[Sequence[Literal]]
    ) -> tuple[Relation, list[tuple[str, Expression]]]:
        """Return rows of constants as a relation, each column of one type."""
        block = self._block
        if not rows or len({len(row) for row in rows}) != 1:
            msg = "rows of constants have equally many columns, and there is a row"
            raise block.refusal(node, msg, "DPQ105")
        if len(rows) > MAX_LISTED:
            msg = f"these are more than {MAX_LISTED:,} rows of constants"
            raise block.refusal(node, msg, "DPQ107", "use a public table")
        types = [common_type(list(column)) for column in zip(*rows, strict=True)]
        if None in types or SqlType.UNSUPPORTED in types:
            hint = "write all constants of a column in one type"
            msg = "a column of constants has no one type"
            raise block.refusal(node, msg, "DPQ105", hint)
        name = self._binder.names.called(alias_name(node), "values")
        columns = tuple(
            ColumnRef(name, f"col{at}", type_ or SqlType.VARCHAR)
            for at, type_ in enumerate(types)
        )
        cells = tuple(
            tuple(
                _value(as_type(cell, column.type))
                for cell, column in zip(row, columns, strict=True)
            )
            for row in rows
        )
        return Listed(name, columns, cells), [(each.name, each) for each in columns]

    def _series(self, node: exp.GenerateSeries) -> list[Literal]:
        """Return the elements of a series with constant ends."""
        start, end = (self._constant(node.args[key]) for key in ("start", "end"))
        step = node.args.get("step")
        exclusive = bool(node.args.get("is_end_exclusive"))
        made = BlockBinder(self._binder, self._block)
        by = ONE if step is None or isinstance(step, exp.Interval) else made.bind(step)
        found: list[Literal] = []
        days = _day_step(step)
        match start.value, end.value, by:
            case bool() | None, _, _:
                pass
            case int() as low, int() as high, Literal(value=int() as stride) if stride:
                found = _whole(low, high, stride, exclusive=exclusive)
            case dt.date(), dt.date(), _ if days is not None:
                found = _dates(start, end, days, exclusive=exclusive)
            case _:
                pass
        if not found:
            hint = "whole numbers, or dates with a step of days, weeks, months or years"
            msg = "this series cannot be written out"
            raise self._block.refusal(node, msg, "DPQ107", hint)
        return found

    # --- what reads the row before it --------------------------------------------

    def _lateral(
        self, node: exp.Lateral, query: exp.Query
    ) -> tuple[Relation, list[tuple[str, Expression]]]:
        block = None if self._block.empty else self._block
        bound = self._binder.query(query, self._block.environment, block)
        name = alias_name(node) or "lateral"
        found = self._binder.as_rows(bound, name, node, block)
        return found.relation, list(found.columns)

    def is_unnest(self, node: exp.Expr) -> bool:
        """Return whether *node* makes rows of a list that is a column before it."""
        elements = _elements(node)
        return elements is not None and elements.find(exp.Column) is not None

    def unnested(
        self, node: exp.Expr, names: tuple[str, ...]
    ) -> tuple[Relation, NamedTable]:
        """
        Return the rows before it, each once for every element of its own list.

        Raises:
            QueryRefused: it is no list of plain values, or more than that is asked.
        """
        block, elements = self._block, _elements(node)
        if elements is None or node.args.get("offset"):
            hint = "CROSS JOIN UNNEST(x) AS t(element)"
            msg = "positions of elements are not supported"
            raise block.refusal(node, msg, "DPQ116", hint)
        bound = BlockBinder(self._binder, block).bind(elements)
        of = bound.type.element
        if of is None:
            hint = "UNNEST takes a list, such as string_split(x, ',')"
            msg = f"{bound.type} is no list"
            raise block.refusal(node, msg, "DPQ105", hint)
        called = alias_name(node) or (names[0] if names else "unnest")
        name = self._binder.names.called(called, "unnest")
        column = ColumnRef(name, "element", of)
        keeps = bool(node.args.get("outer"))
        relation = Unnest(block.relation, name, bound, column, keeps)
        shown = names[-1] if names else "unnest"
        return relation, NamedTable(called, ((shown, column),))

    # --- samples -----------------------------------------------------------------

    def sampled(self, relation: Relation, sample: exp.TableSample) -> Relation:
        """
        Return the rows of a share of the units.

        Raises:
            QueryRefused: the sample is a number of rows, or of no constant size.
        """
        block = self._block
        method = str(sample.args.get("method") or "").upper()
        size = sample.args.get("percent")
        if size is None and method in {"BERNOULLI", "SYSTEM"}:
            size = sample.args.get("size")
        text = fold(block.environment.sql)
        share = _share(size)
        if (
            method not in {"", "BERNOULLI", "SYSTEM"}
            or share is None
            or "system" in text
        ):
            hint = "TABLESAMPLE BERNOULLI (10%): about a tenth of the units"
            msg = "samples are a share of the units, in per cent"
            place = block.place(sample) or block.place(sample.parent or sample)
            error = block.refusal(sample, msg, "DPQ133", hint)
            error.place = place
            raise error
        seed = sample.args.get("seed")
        number = int(seed.name) if isinstance(seed, exp.Literal) else 0
        return Sample(relation, share, number, block.place(sample))


def _elements(node: exp.Expr) -> exp.Expr | None:
    """Return the list that *node* makes rows of, if it does that."""
    inner = node.this if isinstance(node, exp.Lateral) else node
    elements: object = None
    if isinstance(inner, exp.Unnest) and len(inner.expressions) == 1:
        elements = inner.expressions[0]
    elif isinstance(inner, exp.Explode) and isinstance(node, exp.Lateral):
        named = isinstance(inner.this, exp.Kwarg)
        elements = inner.this.expression if named else inner.this
    return elements if isinstance(elements, exp.Expr) else None


def _share(size: exp.Expr | None) -> Fraction | None:
    if not isinstance(size, exp.Literal) or size.is_string:
        return None
    try:
        share = Fraction(Decimal(size.name)) / 100
    except ArithmeticError:
        return None
    return share if 0 < share <= 1 else None


def _value(expression: Expression) -> Constant:
    if not isinstance(expression, Literal):
        msg = "constants stay constants in another type"
        raise TypeError(msg)
    return expression.value


def _whole(low: int, high: int, stride: int, *, exclusive: bool) -> list[Literal]:
    end = high if exclusive else high + (1 if stride > 0 else -1)
    found = range(low, end, stride)[: MAX_LISTED + 1]
    return [Literal(each, SqlType.INTEGER) for each in found]


_DAYS = {
    "day": (1, 0),
    "week": (7, 0),
    "month": (0, 1),
    "quarter": (0, 3),
    "year": (0, 12),
}


def _day_step(step: exp.Expr | None) -> tuple[int, int] | None:
    """Return a step of dates as (days, months)."""
    if not isinstance(step, exp.Interval) or step.args.get("unit") is None:
        return (1, 0) if step is None else None
    days, months = _DAYS.get(fold(step.args["unit"].name).rstrip("s"), (0, 0))
    count = step.this.name if isinstance(step.this, exp.Literal) else ""
    if not (days or months) or not count.isdigit() or not int(count):
        return None
    return days * int(count), months * int(count)


def _dates(
    start: Literal, end: Literal, step: tuple[int, int], *, exclusive: bool
) -> list[Literal]:
    found: list[Literal] = []
    days, months = step
    first, last = start.value, end.value
    if not isinstance(first, dt.date) or not isinstance(last, dt.date):
        return found
    for at in range(MAX_LISTED + 1):
        month = first.month - 1 + at * months
        if first.year + month // 12 > dt.MAXYEAR:
            break
        year, month = first.year + month // 12, month % 12 + 1
        most = calendar.monthrange(year, month)[1]
        moved = first.replace(year=year, month=month, day=min(first.day, most))
        day = moved + dt.timedelta(days=at * days)
        if day > last or (exclusive and day == last):
            break
        found.append(Literal(day, start.type))
    return found
