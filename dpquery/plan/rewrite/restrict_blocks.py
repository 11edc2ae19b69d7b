"""
Rows of the dated table, kept within the blocks that are debited (theory.md 3.5).

Which blocks a query needs is found by the analysis of bounds; that it reads no others
is enforced by a condition on every scan, so that a wrong bound loses rows and no
privacy.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from dpquery.plan.aggregates import with_expressions
from dpquery.plan.analysis.blocks import UNDATED
from dpquery.plan.analysis.bounds import environment
from dpquery.plan.expressions import (
    Call,
    ColumnRef,
    Expression,
    Literal,
    Ordering,
    Subquery,
    Window,
    conjunction,
)
from dpquery.plan.relations import Filter, Join, Named, Project, Relation, Scan
from dpquery.plan.walk import (
    column_of,
    made_column,
    optional_names,
    substituted,
    substituted_in,
    with_operands,
    with_parts,
)
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from fractions import Fraction

    from dpquery.plan.analysis.blocks import Calendar
    from dpquery.plan.analysis.bounds import Environment
    from dpquery.plan.program import AggregateQuery


_RANK = "block:rank"


def restrict_blocks(
    query: AggregateQuery, calendar: Calendar
) -> tuple[AggregateQuery, tuple[str, ...]]:
    """Return *query* within its blocks, and the blocks that it is debited to."""
    found = _Restriction(calendar)
    restricted = _changed(query, found.of_rows, found.of_expression)
    if found.made:  # where a table was read, a SELECT list is read
        column = partial(_found, found.made)
        restricted = _changed(
            restricted,
            partial(substituted_in, change=column),
            partial(substituted, change=column),
        )
    return restricted, tuple(sorted(found.blocks))


def _changed(
    query: AggregateQuery,
    of_rows: Callable[[Relation], Relation],
    of_expression: Callable[[Expression], Expression],
) -> AggregateQuery:
    keys = (replace(k, expression=of_expression(k.expression)) for k in query.keys)
    return replace(
        query,
        source=of_rows(query.source),
        keys=tuple(keys),
        aggregates=tuple(with_expressions(a, of_expression) for a in query.aggregates),
    )


def _found(made: Mapping[ColumnRef, ColumnRef], column: ColumnRef) -> ColumnRef:
    return made.get(column, column)


@dataclass(slots=True)
class _Restriction:
    """One pass over a query."""

    calendar: Calendar
    blocks: set[str] = field(default_factory=set)
    made: dict[ColumnRef, ColumnRef] = field(default_factory=dict)
    """Columns of tables that are read through a SELECT list now, and what they are."""

    def of_rows(self, relation: Relation) -> Relation:
        """Restrict what filters above say nothing of."""
        known = environment(relation)
        optional = optional_names(relation)
        # rows that an outer join leaves without a partner must not come from a filter
        sure = {at: span for at, span in known.items() if at[0] not in optional}
        return self._below(relation, sure)

    def of_expression(self, expression: Expression) -> Expression:
        """Restrict subqueries: nothing is known of their dates but what they say."""
        if isinstance(expression, Subquery):
            expression = replace(expression, relation=self.of_rows(expression.relation))
        return with_operands(expression, self.of_expression)

    def _below(self, relation: Relation, known: Environment) -> Relation:
        match relation:
            case Scan():
                return self._scan(relation, known)
            case Filter() | Join():
                below = partial(self._below, known=known)
                return with_parts(relation, below, self.of_expression)
            case _:  # which rows are chosen, grouped or ranked must not change
                return with_parts(relation, self.of_rows, self.of_expression)

    def _scan(self, scan: Scan, known: Environment) -> Relation:
        calendar, owner = self.calendar, scan.table.owner
        if owner is None:
            return scan
        first, end = calendar.within(calendar.first, calendar.last)
        if scan.table.name != calendar.table:
            self.blocks.add(UNDATED)
            if any(hop.table == calendar.table for hop in owner.path):
                self.blocks |= set(calendar.between(first, end))
            return scan
        if owner.path:
            self.blocks.add(UNDATED)
        span = known.get((scan.name, calendar.column))
        if span is not None and span.low is not None and span.high is not None:
            first, end = calendar.within(_day(span.low), _day(span.high))
        self.blocks |= set(calendar.between(first, end))
        within = _between(scan, calendar.column, first, end)
        if calendar.cap is None:
            return Filter(scan, within)
        ranked = _ranked(scan, calendar)
        for each in ranked.columns:
            self.made[column_of(scan, each.name)] = made_column(scan.name, each)
        most = Literal(calendar.cap, SqlType.INTEGER)
        number = ColumnRef(scan.name, _RANK, SqlType.INTEGER)
        first_ones = Call("le", (number, most), SqlType.BOOLEAN)
        return Filter(Filter(ranked, first_ones), within)


def _ranked(scan: Scan, calendar: Calendar) -> Project:
    """
    Return the rows with the number of their block among those of their unit.

    Only those of the first blocks are kept, as many as the cap says: a unit has a part
    in queries that are debited to one of these, and in no others, so that all of them
    together lose at most cap times what a block may lose. Which blocks they are depends
    on the unit's own rows only.
    """
    owner = scan.table.owner
    if owner is None or owner.path:
        msg = "a table with a cap says itself whose its rows are"
        raise ValueError(msg)
    inner = replace(scan, name=f"{scan.name}:all")
    first, end = calendar.within(calendar.first, calendar.last)
    date = column_of(inner, calendar.column)
    start = Call(
        "date_trunc", (Literal(calendar.every, SqlType.VARCHAR), date), date.type
    )
    rank = Window(
        "dense_rank",
        (),
        (column_of(inner, owner.column),),
        (Ordering(start, descending=False, nulls_first=False),),
        None,
        SqlType.INTEGER,
    )
    columns = [Named(name, column_of(inner, name)) for name in scan.table.columns]
    if owner.column not in scan.table.columns:
        columns.append(Named(owner.column, column_of(inner, owner.column)))
    rows = Filter(inner, _between(inner, calendar.column, first, end))
    return Project(rows, scan.name, (*columns, Named(_RANK, rank)))


def _day(position: Fraction) -> dt.date:
    """Return the day at a position on the line of dates."""
    last = dt.date.max.toordinal()
    return dt.date.fromordinal(min(max(math.floor(position), 1), last))


def _between(scan: Scan, column: str, first: dt.date, end: dt.date) -> Expression:
    date = column_of(scan, column)
    ends: tuple[dt.date, dt.date] = first, end
    if date.type is SqlType.TIMESTAMP:
        ends = tuple(dt.datetime(d.year, d.month, d.day) for d in ends)  # type: ignore[assignment]  # noqa: DTZ001
    low, high = (Literal(each, date.type) for each in ends)
    return conjunction(
        [
            Call("ge", (date, low), SqlType.BOOLEAN),
            Call("lt", (date, high), SqlType.BOOLEAN),
        ]
    )
