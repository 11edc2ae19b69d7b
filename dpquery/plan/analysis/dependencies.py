"""What follows from the unit: columns it determines, rows it can have.

These are hints (theory.md 1.6): they choose how much noise is needed. The limits
they lead to are enforced when the query runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from dpquery.plan.analysis.inner_joins import taken_apart
from dpquery.plan.analysis.sources import Sources, sources
from dpquery.plan.expressions import Call, ColumnRef, Literal, Window, conjuncts
from dpquery.plan.relations import (
    Filter,
    Group,
    Join,
    JoinKind,
    Listed,
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
from dpquery.plan.walk import columns, equated, is_private, made_column
from dpquery.policy.catalog import ROW_ID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.plan.expressions import Expression
    from dpquery.plan.relations import Owned

DEFAULT_ROWS_PER_UNIT = 100
"""Where the policy declares no ``max_rows_per_unit``: rather too much noise, which the
error bars show, than too little of heavy units, which nothing shows."""
ELEMENTS = 10
"""Elements that a list is taken to have where rows are unnested."""


def determined_by_unit(expressions: Sequence[Expression], source: Owned) -> bool:
    """Return whether each unit has one value of every expression."""
    known = sources(source.relation)
    units = {source.unit, *source.units}
    return _determined(expressions, known, units)


def _determined(
    expressions: Sequence[Expression], known: Sources, units: set[Expression]
) -> bool:
    fixed = {
        name
        for name, leaf in known.leaves.items()
        if isinstance(leaf, Scan) and _one_row(leaf)
    }
    fixed |= _public_partners(known, fixed)
    return all(
        column.relation in fixed or column in units or _is_unit(column, known)
        for expression in expressions
        for column in columns(known.expanded(expression))
    )


def _is_unit(column: ColumnRef, known: Sources) -> bool:
    """Return whether *column* of a private table is what its unit is called by."""
    leaf = known.leaves.get(column.relation)
    owner = leaf.table.owner if isinstance(leaf, Scan) else None
    return owner is not None and not owner.path and owner.column == column.name


def _public_partners(known: Sources, fixed: set[str]) -> set[str]:
    """Return public tables joined on their key to what the unit determines."""
    keys = {
        (name, leaf.table.key)
        for name, leaf in known.leaves.items()
        if isinstance(leaf, Scan) and leaf.table.public and leaf.table.key is not None
    }
    found = set()
    for pair in equated((*known.conditions, *known.matches)):
        for one, other in (pair, pair[::-1]):
            if (one.relation, one.name) in keys and other.relation in fixed:
                found.add(one.relation)
    return found


def rows_per_unit(relation: Relation) -> int:
    """
    Return how many rows one unit has, as far as the policy says.

    Along a foreign key the child has the rows, and a parent, found by its key, adds
    none. Of the tables that are left, the largest decides.
    """
    match relation:
        case Scan():
            return _rows(relation)
        case Listed() | Released():
            return 1
        case Filter() | Join():
            joined = _joined(relation)
            return max(
                min(rows_per_unit(leaf), _numbered(leaf, joined.conditions))
                for leaf in counted(relation)
            )
        case Project(child=child) | Sample(child=child):
            return rows_per_unit(child)
        case Top(child=child, count=count):
            return min(rows_per_unit(child), count)
        case Unnest(child=child):
            return rows_per_unit(child) * ELEMENTS
        case Group(child=child, keys=keys):
            known = sources(child)
            alone = _determined([each.expression for each in keys], known, set())
            return 1 if alone else rows_per_unit(child)
        case SetOperation(kind=kind, left=left, right=right):
            sides = rows_per_unit(left), rows_per_unit(right)
            return {
                SetKind.UNION: sum(sides),
                SetKind.INTERSECT: min(sides),
                SetKind.EXCEPT: sides[0],
            }[kind]
        case _:
            assert_never(relation)


def groups_per_unit(relation: Relation) -> int | None:
    """
    Return how many groups a unit's rows can be in: no more than it has rows.

    ``None`` where public rows may make several of one row, in a group each.
    """
    known = sources(relation)
    public = {name for name, leaf in known.leaves.items() if not is_private(leaf)}
    for pair in equated((*known.conditions, *known.matches)):
        for one, other in (pair, pair[::-1]):
            if other.relation not in public:
                public.discard(one.relation)
    return None if public else rows_per_unit(relation)


def counted(relation: Relation) -> list[Relation]:
    """
    Return what is joined, without public tables and parents of the others.

    A parent that an outer join keeps without its children has rows of its own.
    """
    joined = _joined(relation)
    private = [
        leaf
        for leaf in joined.leaves
        if not (isinstance(leaf, Scan) and leaf.table.public)
    ]
    keys = {(leaf.name, leaf.table.key) for leaf in private if isinstance(leaf, Scan)}
    parents = {
        one.relation
        for pair in equated(joined.conditions)
        for one, other in (pair, pair[::-1])
        if (one.relation, one.name) in keys and one.relation != other.relation
    }
    added_by_none = parents - joined.kept
    return [
        leaf
        for leaf in private
        if not (isinstance(leaf, Scan) and leaf.name in added_by_none)
    ] or joined.leaves


@dataclass(slots=True)
class _Joined:
    """The sides of all joins, the conditions on them, and what outer joins keep."""

    leaves: list[Relation]
    conditions: list[Expression]
    kept: set[str]


def _joined(relation: Relation) -> _Joined:
    inner = taken_apart(relation)
    found = _Joined([], list(inner.conditions), set())
    for leaf in inner.leaves:
        if not isinstance(leaf, Join):
            found.leaves.append(leaf)
            continue
        found.conditions.append(leaf.condition)
        sides = _joined(leaf.left), _joined(leaf.right)
        keeps = leaf.kind is not JoinKind.INNER, leaf.kind is JoinKind.FULL
        for side, kept in zip(sides, keeps, strict=True):
            found.leaves += side.leaves
            found.conditions += side.conditions
            found.kept |= side.kept
            if kept:
                found.kept |= {e.name for e in side.leaves if isinstance(e, Scan)}
    return found


def _numbered(leaf: Relation, conditions: Sequence[Expression]) -> int:
    """Return how many rows of a unit conditions on their numbers let through."""
    if not isinstance(leaf, Project):
        return _MANY
    known, most = sources(leaf.child), _MANY
    windows = {
        made_column(leaf.name, each): each.expression
        for each in leaf.columns
        if isinstance(each.expression, Window)
        and each.expression.function == "row_number"
        and _determined(each.expression.partition, known, set())
    }
    for part in (part for each in conditions for part in conjuncts(each)):
        match part:
            case Call(
                function="eq" | "le" | "lt",
                arguments=(ColumnRef() as column, Literal(value=int() as limit)),
            ) if column in windows:
                most = min(most, max(1, limit))
    return most


_MANY = 1 << 62


def _rows(scan: Scan) -> int:
    table = scan.table
    if table.owner is None or _one_row(scan):
        return 1
    return table.max_rows_per_unit or DEFAULT_ROWS_PER_UNIT


def _one_row(scan: Scan) -> bool:
    """Return whether a unit has one row of a private table, by its declared key."""
    owner = scan.table.owner
    return (
        owner is not None
        and not owner.path
        and owner.column in {scan.table.key, ROW_ID}
    )


def undeclared(relation: Relation) -> list[str]:
    """Return the private tables of which the policy says no ``max_rows_per_unit``."""
    return sorted(
        {
            scan.table.name
            for scan in _counted_scans(relation)
            if not _one_row(scan) and scan.table.max_rows_per_unit is None
        }
    )


def _counted_scans(relation: Relation) -> list[Scan]:
    """Return the private tables whose rows are counted, through derived tables."""
    found: list[Scan] = []
    for leaf in counted(relation):
        match leaf:
            case Scan() if not leaf.table.public:
                found.append(leaf)
            case Scan() | Listed() | Released():
                pass
            case SetOperation(left=left, right=right):
                found += _counted_scans(left) + _counted_scans(right)
            case (
                Project(child=child)
                | Group(child=child)
                | Sample(child=child)
                | Top(child=child)
                | Unnest(child=child)
            ):
                found += _counted_scans(child)
    return found


def rows_per_group(relation: Relation) -> int | None:
    """Return how many rows of one unit fall into one group, if the policy says."""
    leaves = counted(relation)
    declared = [_per_group(leaf) for leaf in leaves]
    if not any(declared):
        return None
    limits = zip(declared, leaves, strict=True)
    return max(limit or rows_per_unit(leaf) for limit, leaf in limits)


def _per_group(leaf: Relation) -> int | None:
    match leaf:
        case Scan(table=table):
            return table.max_rows_per_group
        case Project(child=child, distinct=False) | Sample(child=child):
            return rows_per_group(child)
        case _:
            return None
