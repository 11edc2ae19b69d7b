"""Inner joins taken apart and put together again, so that they are judged at once.

The order of inner joins and filters has no meaning, so an equality in WHERE or in any
ON ties all the rows that it names. What is moved here stays above every leaf that it
reads.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dpquery.plan.expressions import TRUE, Expression, conjunction, conjuncts
from dpquery.plan.relations import Filter, Join, JoinKind, Owned, Relation
from dpquery.plan.walk import subqueries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True)
class InnerJoins:
    """What is joined, from left to right, and every condition on it."""

    leaves: tuple[Relation, ...]
    conditions: tuple[Expression, ...]


def taken_apart(relation: Relation) -> InnerJoins:
    """Return the leaves of inner joins and filters, and all of their conditions."""
    match relation:
        case Filter(child=child, predicate=predicate):
            inside = taken_apart(child)
            return InnerJoins(inside.leaves, (*inside.conditions, predicate))
        case Join(kind=JoinKind.INNER, lateral=False, left=left, right=right):
            one, other = taken_apart(left), taken_apart(right)
            return InnerJoins(
                one.leaves + other.leaves,
                (*one.conditions, *other.conditions, relation.condition),
            )
        case _:
            return InnerJoins((relation,), ())


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Inner joins with other leaves."""

    relation: Relation
    moved: tuple[Expression, ...]
    """Conditions with subqueries, which are left out: the unit that a subquery is tied
    to may come from a leaf that is joined later."""


def put_together(relation: Relation, leaves: Sequence[Relation]) -> Rebuilt:
    """Return *relation* with its leaves, in order, replaced by *leaves*."""
    return _rebuilt(relation, iter(leaves))


def _rebuilt(relation: Relation, leaves: Iterator[Relation]) -> Rebuilt:
    match relation:
        case Filter(child=child, predicate=predicate):
            inside = _rebuilt(child, leaves)
            kept, moved = _split(predicate)
            relation = inside.relation
            if kept != TRUE:
                relation = Filter(relation, kept)
            return Rebuilt(relation, inside.moved + moved)
        case Join(kind=JoinKind.INNER, lateral=False, left=left, right=right):
            one, other = _rebuilt(left, leaves), _rebuilt(right, leaves)
            kept, moved = _split(relation.condition)
            joined = replace(
                relation, left=one.relation, right=other.relation, condition=kept
            )
            return Rebuilt(joined, one.moved + other.moved + moved)
        case _:
            return Rebuilt(next(leaves), ())


def _split(condition: Expression) -> tuple[Expression, tuple[Expression, ...]]:
    parts = conjuncts(condition)
    moved = tuple(part for part in parts if any(subqueries(part)))
    if not moved:
        return condition, ()
    return conjunction([part for part in parts if part not in moved]), moved


def merged(relation: Relation, private: Sequence[Owned]) -> Owned:
    """Return what rows that are joined, and have one unit, know of it."""
    units = dict.fromkeys(unit for each in private for unit in each.units)
    keys = dict.fromkeys(key for each in private for key in each.owner_keys)
    first = private[0]
    return Owned(
        relation,
        first.unit,
        tuple(units),
        first.kind,
        tuple(keys),
        by_row=first.by_row,
    )


def attached_to(outer: Owned, inner: Owned) -> Owned:
    """Return *inner*, every row of which belongs to the unit of the *outer* row."""
    return replace(
        inner,
        unit=outer.unit,
        units=tuple(dict.fromkeys((*inner.units, *outer.units))),
        owner_keys=tuple(dict.fromkeys((*inner.owner_keys, *outer.owner_keys))),
        attached=True,
    )
