"""Orders without ties, so that no result depends on how rows were read.

Upholds theory.md 1.4 (ii): what depends on an order inside a unit is computed in a
total order of the unit's own rows. Rows that are equal in every column that is read
may be exchanged, for then the results are the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dpquery.plan.expressions import (
    Cast,
    ColumnRef,
    Expression,
    Frame,
    Ordering,
    Window,
)
from dpquery.plan.relations import Named, Project
from dpquery.plan.walk import (
    columns,
    made_column,
    subexpressions,
    substituted,
    visible,
    with_operands,
)
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from collections.abc import Iterable

ROW_NUMBER = "__n"
"""The column that numbers the rows of a unit, where several windows need one order."""

_POSITIONS = frozenset(
    {"row_number", "ntile", "lag", "lead", "first_value", "last_value", "nth_value"}
)
"""Window functions whose value depends on which of two equal rows comes first."""
_OF_FRAME = frozenset({"first_value", "last_value", "nth_value"})
"""Those that look for a row in their frame."""
_ALL = Frame(rows=True, start=None, end=None)


def tie_breakers(of: Iterable[ColumnRef]) -> tuple[Ordering, ...]:
    """Return the rest of an order that tells all rows apart that *of* tells apart."""
    found: list[Ordering] = []
    for column in sorted(set(of), key=lambda each: (each.relation, each.name)):
        found.append(Ordering(column, descending=False, nulls_first=False))
        if column.type is SqlType.DOUBLE:  # 0.0 and -0.0 are equal, and print apart
            text = Cast(column, SqlType.VARCHAR)
            found.append(Ordering(text, descending=False, nulls_first=False))
    return tuple(found)


def is_positional(window: Window) -> bool:
    """Return whether ties of *window*'s order could change its value."""
    by_rows = window.frame is not None and window.frame.rows
    return window.function in _POSITIONS or by_rows


def positional(expressions: Iterable[Expression]) -> list[Window]:
    """Return the windows in *expressions* that need an order without ties."""
    return [
        each
        for expression in expressions
        for each in subexpressions(expression)
        if isinstance(each, Window) and is_positional(each)
    ]


def without_ties(project: Project, partition: tuple[Expression, ...]) -> Project:
    """
    Return *project* with orders that leave no ties.

    One window gets all columns that are read as tie-breakers. Several windows must
    break ties alike, so the rows of each *partition* are numbered first, once.
    """
    made = [each.expression for each in project.columns]
    windows = positional(made)
    if not windows:
        return project
    inside = _read(project)
    if len(set(windows)) == 1:
        return _extended(project, tie_breakers(inside))
    name = f"{project.name}:numbered"
    number = Window(
        "row_number", (), partition, tie_breakers(inside), None, SqlType.INTEGER
    )
    kept = {
        column: Named(f"c{at}", column)
        for at, column in enumerate(sorted(inside, key=lambda c: (c.relation, c.name)))
    }
    inner = Project(project.child, name, (*kept.values(), Named(ROW_NUMBER, number)))
    moved = {column: made_column(name, named) for column, named in kept.items()}
    outer = replace(
        project,
        child=inner,
        columns=tuple(
            replace(
                each, expression=substituted(each.expression, lambda c: moved.get(c, c))
            )
            for each in project.columns
        ),
    )
    last = made_column(name, inner.columns[-1])
    return _extended(outer, tie_breakers([last]))


def _read(project: Project) -> set[ColumnRef]:
    """Return the columns of the child that *project* reads."""
    inside = {column.relation for column in visible(project.child)}
    return {
        column
        for each in project.columns
        for column in columns(each.expression)
        if column.relation in inside
    }


def _extended(project: Project, more: tuple[Ordering, ...]) -> Project:
    def change(expression: Expression) -> Expression:
        changed = with_operands(expression, change)
        if not isinstance(changed, Window) or not is_positional(changed):
            return changed
        known = {*changed.partition, *(each.expression for each in changed.order)}
        rest = tuple(each for each in more if each.expression not in known)
        frame = changed.frame
        if frame is None and not changed.order and changed.function in _OF_FRAME:
            frame = _ALL  # an order alone would end the frame at the current row
        return replace(changed, order=changed.order + rest, frame=frame)

    return replace(
        project,
        columns=tuple(
            replace(each, expression=change(each.expression))
            for each in project.columns
        ),
    )
