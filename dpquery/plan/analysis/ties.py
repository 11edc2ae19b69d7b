"""Whether joined rows belong to one unit, and the equalities that make sure of it.

Upholds the join rules of theory.md 1.3: private rows are joined only where a top-level
equality says that their units, or keys of the policy's ownership map, are equal; the
equality of the units is then added, so that a wrong policy cannot break locality.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpquery.errors import QueryRefused
from dpquery.plan.expressions import ColumnRef, Expression, equals
from dpquery.plan.walk import scans

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dpquery.errors import Place
    from dpquery.plan.analysis.owner_paths import Pair
    from dpquery.plan.relations import Owned, Relation


def tied(one: Owned, other: Owned, pairs: Iterable[Pair]) -> bool:
    """Return whether the query itself says that two rows have the same unit."""
    if one.unit == other.unit:
        return True
    return any(
        _same_owner(one, left, other, right)
        for pair in pairs
        for left, right in (pair, pair[::-1])
    )


def _same_owner(one: Owned, left: ColumnRef, other: Owned, right: ColumnRef) -> bool:
    if left in one.units and right in other.units:
        return True
    return bool(_keys(one, left) & _keys(other, right))


def _keys(of: Owned, column: ColumnRef) -> set[tuple[str, str]]:
    return {key for each, key in of.owner_keys if each == column}


def equal_units(one: Owned, other: Owned) -> list[Expression]:
    """Return the condition that two rows have one unit; none where it is given."""
    return [] if one.unit == other.unit else [equals(one.unit, other.unit)]


def ties(private: Sequence[Owned], pairs: Sequence[Pair]) -> list[Expression]:
    """
    Return the equalities of units that make every joined row single-owned.

    Raises:
        QueryRefused: DPQ110, some rows are joined on something else.
    """
    joined = [private[0]]  # in order: plans of one text are equal in all processes
    found: list[Expression] = []
    waiting = list(private[1:])
    while waiting:
        reached = (
            (each, partner)
            for each in waiting
            for partner in joined
            if tied(each, partner, pairs)
        )
        pair = next(reached, None)
        if pair is None:
            raise untied(waiting[0], place_of(waiting[0].relation))
        each, partner = pair
        found += equal_units(each, partner)
        joined.append(each)
        waiting.remove(each)
    return found


def place_of(relation: Relation) -> Place | None:
    """Return where the first table of *relation* stands in the analyst's text."""
    return next((scan.place for scan in scans(relation) if scan.place), None)


def same_kind(one: Owned, other: Owned, place: Place | None) -> None:
    """Refuse to put rows of two kinds of units side by side."""
    if one.kind != other.kind:
        msg = f"one table protects each {one.kind}, the other each {other.kind}"
        hint = "a row cannot belong to two kinds of unit; ask about one table at a time"
        raise QueryRefused(msg, code="DPQ113", place=place, hint=hint)


def untied(loose: Owned, place: Place | None) -> QueryRefused:
    """Return the refusal of a join that mixes rows of several units."""
    msg = f"this join would separate rows from their {loose.kind}"
    column = next(
        (f"{each.relation}.{each.name}" for each, _ in loose.owner_keys), None
    )
    along = f"\npolicy's foreign key ({column})" if column else " foreign key"
    hint = (
        f"add an equality of the {loose.kind} to the join's ON, or join along the"
        f"{along}, or declare one table `public` in the policy"
    )
    return QueryRefused(msg, code="DPQ110", place=place, hint=hint)
