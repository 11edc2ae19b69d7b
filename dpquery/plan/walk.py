"""Recursion over plans, written once."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from dpquery.plan.expressions import (
    Call,
    Case,
    Cast,
    ColumnRef,
    Expression,
    Literal,
    conjuncts,
)
from dpquery.plan.relations import Filter, Join, Relation, Scan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def operands(expression: Expression) -> tuple[Expression, ...]:
    """Return the direct parts of *expression*, in reading order."""
    match expression:
        case ColumnRef() | Literal():
            return ()
        case Call(arguments=arguments):
            return arguments
        case Case(branches=branches, otherwise=otherwise):
            return (*(part for branch in branches for part in branch), otherwise)
        case Cast(operand=operand):
            return (operand,)
        case _:
            assert_never(expression)


def subexpressions(expression: Expression) -> Iterator[Expression]:
    """Yield *expression* and everything in it, outermost first."""
    yield expression
    for part in operands(expression):
        yield from subexpressions(part)


def depth(expression: Expression) -> int:
    """Return how many operations are inside each other, 1 for a column."""
    return 1 + max(map(depth, operands(expression)), default=0)


def columns(expression: Expression) -> frozenset[ColumnRef]:
    """Return every column that *expression* reads."""
    return frozenset(
        each for each in subexpressions(expression) if isinstance(each, ColumnRef)
    )


def children(relation: Relation) -> tuple[Relation, ...]:
    """Return the relations that *relation* is made of."""
    match relation:
        case Scan():
            return ()
        case Filter(child=child):
            return (child,)
        case Join(left=left, right=right):
            return (left, right)
        case _:
            assert_never(relation)


def scans(relation: Relation) -> Iterator[Scan]:
    """Yield the scans of *relation*, left to right."""
    if isinstance(relation, Scan):
        yield relation
    for child in children(relation):
        yield from scans(child)


def optional_scans(relation: Relation) -> frozenset[str]:
    """Return the names of scans whose columns are NULL where a join found nothing."""
    match relation:
        case Scan():
            return frozenset()
        case Filter(child=child):
            return optional_scans(child)
        case Join(left=left, right=right, kind=kind):
            found = optional_scans(left) | optional_scans(right)
            inner = kind == "INNER"
            return found if inner else found | {scan.name for scan in scans(right)}
        case _:
            assert_never(relation)


def predicates(relation: Relation) -> Iterator[Expression]:
    """
    Yield conditions that hold for every row of *relation*.

    The condition of a LEFT join does not: rows without a partner are kept.
    """
    match relation:
        case Scan():
            return
        case Filter(child=child, predicate=predicate):
            yield from predicates(child)
            yield predicate
        case Join(left=left, right=right, kind=kind, condition=condition):
            yield from predicates(left)
            if kind == "INNER":
                yield from predicates(right)
                yield condition
        case _:
            assert_never(relation)


def equated(
    conditions: Iterable[Expression],
) -> Iterator[tuple[ColumnRef, ColumnRef]]:
    """Yield the pairs of columns that *conditions* say are equal."""
    for condition in conditions:
        for part in conjuncts(condition):
            match part:
                case Call(
                    function="eq", arguments=(ColumnRef() as one, ColumnRef() as other)
                ):
                    yield one, other
