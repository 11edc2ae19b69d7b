"""What new columns keep of the unit: SELECT lists, groups and set operations.

Upholds the rules of theory.md 1.3 for DISTINCT, GROUP BY, windows and set operations:
rows are merged or compared within one unit only, which the columns themselves say, or
a key that finds the owner. The unit is then carried on in a hidden column.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dpquery.errors import QueryRefused
from dpquery.plan.expressions import ColumnRef, Expression, Window
from dpquery.plan.relations import Group, Named, Owned, Project, SetKind, SetOperation
from dpquery.plan.walk import made_column, subexpressions, with_operands

if TYPE_CHECKING:
    from dpquery.errors import Place
    from dpquery.plan.analysis.owner_paths import OwnerKey

UNIT = "__unit"
"""The hidden column that carries the unit through what makes new columns."""


def carried(relation: Project | Group, child: Owned) -> Owned:
    """
    Return the rows of *relation*, whose columns are computed from *child*'s.

    A hidden column for the unit is added where no column holds it.
    """
    made = relation.columns if isinstance(relation, Project) else relation.keys
    units: list[ColumnRef] = []
    keys: list[OwnerKey] = []
    for each in made:
        column = made_column(relation.name, each)
        if each.expression in {child.unit, *child.units}:
            units.append(column)
        keys += [
            (column, key) for held, key in child.owner_keys if held == each.expression
        ]
    unit = child.unit
    if not child.attached:
        hidden = Named(UNIT, child.unit)
        if not units:
            relation = _with_column(relation, hidden)
            units = [made_column(relation.name, hidden)]
        unit = units[0]
    return replace(
        child,
        relation=relation,
        unit=unit,
        units=tuple(units),
        owner_keys=tuple(keys),
    )


def _with_column(relation: Project | Group, hidden: Named) -> Project | Group:
    match relation:
        case Project(columns=columns):
            return replace(relation, columns=(*columns, hidden))
        case Group(keys=keys):
            return replace(relation, keys=(*keys, hidden))


def says_unit(made: tuple[Named, ...], child: Owned) -> bool:
    """Return whether rows that are equal in all of *made* have one unit."""
    found = {each.expression for each in made}
    keys = {column for column, _ in child.owner_keys}
    return child.attached or bool(found & ({child.unit, *child.units} | keys))


def windows_by_unit(expression: Expression, child: Owned) -> Expression:
    """
    Return *expression* with the unit in the partition of every window.

    Raises:
        QueryRefused: DPQ114, a partition does not say whose rows it has.
    """
    for each in subexpressions(expression):
        if isinstance(each, Window):
            partition = tuple(Named("", part) for part in each.partition)
            if not says_unit(partition, child):
                msg = "this window mixes rows of different units"
                hint = f"PARTITION BY a column that says which {child.kind} a row is of"
                raise QueryRefused(msg, code="DPQ114", place=each.place, hint=hint)
    return expression if child.attached else _by_unit(expression, child)


def _by_unit(expression: Expression, child: Owned) -> Expression:
    changed = with_operands(expression, lambda part: _by_unit(part, child))
    if not isinstance(changed, Window) or child.unit in changed.partition:
        return changed
    return replace(changed, partition=(*changed.partition, child.unit))


def combined(operation: SetOperation, left: Owned, right: Owned) -> Owned:
    """
    Return the set operation of rows of one kind, the unit last on both sides.

    Raises:
        QueryRefused: DPQ118, equal rows could belong to different units.
    """
    width = len(operation.columns)
    one, other = (_with_unit_last(each, width) for each in (left, right))
    units: list[ColumnRef] = []
    keys: list[OwnerKey] = []
    for at, column in enumerate(operation.columns):
        a = made_column(one.name, one.columns[at])
        b = made_column(other.name, other.columns[at])
        if a in left.units and b in right.units:
            units.append(column)
        mine = {key for held, key in left.owner_keys if held == a}
        theirs = {key for held, key in right.owner_keys if held == b}
        keys += [(column, key) for key in sorted(mine & theirs)]
    compared = operation.distinct or operation.kind is not SetKind.UNION
    if compared and not (left.attached or units or keys):
        raise merged_rows(operation.kind, left.kind, operation.place)
    columns, unit = operation.columns, left.unit
    if not left.attached:
        hidden = ColumnRef(operation.name, UNIT, left.unit.type)
        columns, unit = (*columns, hidden), hidden
        units.append(hidden)
    relation = replace(operation, left=one, right=other, columns=columns)
    return replace(
        left,
        relation=relation,
        unit=unit,
        units=tuple(units),
        owner_keys=tuple(keys),
    )


def _with_unit_last(side: Owned, width: int) -> Project:
    """Return a side whose columns are those asked for, and then the unit."""
    project = side.relation
    if not isinstance(project, Project):
        msg = "the sides of a set operation are SELECT lists"
        raise TypeError(msg)
    asked = project.columns[:width]
    if side.attached or len(project.columns) > width:
        return project
    held = next(e for e in asked if made_column(project.name, e) == side.unit)
    return replace(project, columns=(*asked, Named(UNIT, held.expression)))


def merged_rows(what: str, kind: str, place: Place | None) -> QueryRefused:
    """Return the refusal of what would make one row of several units' rows."""
    msg = f"{what} would merge rows of different {kind}s into one that nobody owns"
    hint = (
        f"keep the column that says which {kind} a row is of, or count values with\n"
        "COUNT(DISTINCT x)"
    )
    return QueryRefused(msg, code="DPQ118", place=place, hint=hint)
