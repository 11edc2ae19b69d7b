"""What follows from the unit: columns it determines, rows it can have.

These are hints (theory.md 1.6): they choose how much noise is needed. The limits
they lead to are enforced when the query runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from dpquery.plan.relations import Filter, Join, Relation, Scan
from dpquery.plan.walk import columns, equated, predicates, scans
from dpquery.policy.catalog import ROW_ID

if TYPE_CHECKING:
    from dpquery.plan.expressions import Expression
    from dpquery.plan.relations import Owned

DEFAULT_ROWS_PER_UNIT = 100
"""Where the policy declares no ``max_rows_per_unit``: rather too much noise, which the
error bars show, than too little of heavy units, which nothing shows."""


def determined_by_unit(expressions: list[Expression], source: Owned) -> bool:
    """Return whether each unit has one value of every expression."""
    fixed = {
        scan.name
        for scan in scans(source.relation)
        if scan.table.owner is not None
        and not scan.table.owner.path
        and scan.table.key == scan.table.owner.column
    }
    fixed |= _public_partners(source.relation, fixed)
    return all(
        column.relation in fixed or column in source.units
        for expression in expressions
        for column in columns(expression)
    )


def _public_partners(relation: Relation, fixed: set[str]) -> set[str]:
    """Return public scans joined on their key to what the unit determines."""
    keys = {
        (scan.name, scan.table.key)
        for scan in scans(relation)
        if scan.table.public and scan.table.key is not None
    }
    found = set()
    conditions = (*predicates(relation), *_left_conditions(relation))
    for part in equated(conditions):
        for one, other in (part, part[::-1]):
            if (one.relation, one.name) in keys and other.relation in fixed:
                found.add(one.relation)
    return found


def _left_conditions(relation: Relation) -> list[Expression]:
    """Return the conditions of LEFT joins: a partner is still at most one by key."""
    match relation:
        case Scan():
            return []
        case Filter(child=child):
            return _left_conditions(child)
        case Join(left=left, kind="LEFT", condition=condition):
            return [*_left_conditions(left), condition]
        case Join(left=left, right=right):
            return _left_conditions(left) + _left_conditions(right)
        case _:
            assert_never(relation)


def rows_per_unit(relation: Relation) -> int:
    """
    Return how many rows one unit has, as far as the policy says.

    Along a foreign key the child has the rows, and a parent, found by its key, adds
    none. Of the tables that are left, the largest decides.
    """
    return max((_rows(scan) for scan in _counted(relation)), default=1)


def _counted(relation: Relation) -> list[Scan]:
    """Return the private scans that are not parents of others in *relation*."""
    private = [scan for scan in scans(relation) if not scan.table.public]
    parents = set()
    for pair in equated(predicates(relation)):
        for one, other in (pair, pair[::-1]):
            keys = {(s.name, s.table.key) for s in private}
            if (one.relation, one.name) in keys and one.relation != other.relation:
                parents.add(one.relation)
    return [scan for scan in private if scan.name not in parents] or private


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
            for scan in _counted(relation)
            if not _one_row(scan) and scan.table.max_rows_per_unit is None
        }
    )


def rows_per_group(relation: Relation) -> int | None:
    """Return how many rows of one unit fall into one group, if the policy says."""
    limits = [
        scan.table.max_rows_per_group or _rows(scan) for scan in _counted(relation)
    ]
    declared = any(scan.table.max_rows_per_group for scan in _counted(relation))
    return max(limits, default=1) if declared else None
