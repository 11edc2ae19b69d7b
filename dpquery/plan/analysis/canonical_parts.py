"""What a block of the normal form is made of, and in which orders to look at it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import permutations, product
from math import factorial, prod
from typing import TYPE_CHECKING, assert_never

from dpquery.plan.expressions import Window
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
    SetOperation,
    Top,
    Unnest,
)
from dpquery.plan.walk import subexpressions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dpquery.plan.expressions import Expression

MOST_ORDERS = 6
"""Orders of leaves that are alike that are tried: all of three."""


@dataclass(slots=True)
class Parts:
    """What a block is made of, from left to right."""

    leaves: list[Relation] = field(default_factory=list)
    projects: list[Project] = field(default_factory=list)
    attached: list[Join | Unnest] = field(default_factory=list)
    conditions: list[Expression] = field(default_factory=list)


def taken_apart(relation: Relation) -> Parts:
    """Return the leaves of *relation*, and what is computed and asked of them."""
    parts = Parts()
    _add(relation, parts)
    return parts


def _add(relation: Relation, parts: Parts) -> None:
    match relation:
        case Filter(child=child, predicate=predicate):
            _add(child, parts)
            parts.conditions.append(predicate)
        case Join(kind=JoinKind.FULL):
            parts.leaves.append(relation)
        case Join(kind=JoinKind.INNER, lateral=False, left=left, right=right):
            _add(left, parts)
            _add(right, parts)
            parts.conditions.append(relation.condition)
        case Join(left=left):
            _add(left, parts)
            parts.attached.append(relation)
        case Unnest(child=child):
            _add(child, parts)
            parts.attached.append(relation)
        case Project(child=child, distinct=False, columns=columns) if not any(
            isinstance(part, Window)
            for each in columns
            for part in subexpressions(each.expression)
        ):
            _add(child, parts)
            parts.projects.append(relation)
        case (
            Scan() | Listed() | Released() | Sample() | Top() | Project() | Group()
        ) | SetOperation():
            parts.leaves.append(relation)
        case _:
            assert_never(relation)


def orders(texts: Sequence[str]) -> Iterator[tuple[int, ...]]:
    """Yield the places of leaves among all, sorted; alike ones in several orders."""
    alike: dict[str, list[int]] = {}
    for at, text in enumerate(texts):
        alike.setdefault(text, []).append(at)
    groups: list[Sequence[int]] = [alike[text] for text in sorted(alike)]
    tried = [groups]
    if prod(factorial(len(group)) for group in groups) <= MOST_ORDERS:
        tried = [[*each] for each in product(*map(permutations, groups))]
    for chosen in tried:
        in_order = [at for group in chosen for at in group]
        yield tuple(in_order.index(at) for at in range(len(texts)))
