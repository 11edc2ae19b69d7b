"""Recursion over plans, written once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar, assert_never

from dpquery.plan.expressions import (
    Aggregated,
    Call,
    Case,
    Cast,
    ColumnRef,
    Expression,
    InSample,
    Literal,
    Subquery,
    Window,
    conjuncts,
)
from dpquery.plan.relations import (
    Filter,
    Group,
    Join,
    JoinKind,
    Listed,
    Named,
    Project,
    Relation,
    Released,
    Sample,
    Scan,
    SetOperation,
    Top,
    Unnest,
)
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dpquery.plan.expressions import Ordering

_Part = TypeVar("_Part", "Named", "Ordering")

# --- expressions -----------------------------------------------------------------


def operands(expression: Expression) -> tuple[Expression, ...]:
    """Return the direct parts of *expression*, in reading order; not of a subquery."""
    match expression:
        case ColumnRef() | Literal():
            return ()
        case Call(arguments=arguments) | Aggregated(arguments=arguments):
            return arguments
        case Case(branches=branches, otherwise=otherwise):
            return (*(part for branch in branches for part in branch), otherwise)
        case Cast(operand=operand):
            return (operand,)
        case Subquery(needle=needle):
            return () if needle is None else (needle,)
        case Window(arguments=arguments, partition=partition, order=order):
            return (*arguments, *partition, *(each.expression for each in order))
        case InSample(unit=unit):
            return (unit,)
        case _:
            assert_never(expression)


def with_operands(
    expression: Expression, change: Callable[[Expression], Expression]
) -> Expression:
    """Return *expression* with each of its direct parts changed."""
    match expression:
        case ColumnRef() | Literal():
            return expression
        case Call(arguments=arguments) | Aggregated(arguments=arguments):
            return replace(expression, arguments=tuple(map(change, arguments)))
        case Case(branches=branches, otherwise=otherwise):
            changed = tuple((change(when), change(then)) for when, then in branches)
            return replace(expression, branches=changed, otherwise=change(otherwise))
        case Cast(operand=operand):
            return replace(expression, operand=change(operand))
        case Subquery(needle=needle):
            return replace(
                expression, needle=None if needle is None else change(needle)
            )
        case Window(arguments=arguments, partition=partition, order=order):
            ordered = (replace(o, expression=change(o.expression)) for o in order)
            return replace(
                expression,
                arguments=tuple(map(change, arguments)),
                partition=tuple(map(change, partition)),
                order=tuple(ordered),
            )
        case InSample(unit=unit):
            return replace(expression, unit=change(unit))
        case _:
            assert_never(expression)


def subexpressions(expression: Expression) -> Iterator[Expression]:
    """Yield *expression* and everything in it, outermost first; no subqueries."""
    yield expression
    for part in operands(expression):
        yield from subexpressions(part)


def depth(expression: Expression) -> int:
    """Return how many operations are inside each other, 1 for a column."""
    return 1 + max(map(depth, operands(expression)), default=0)


def columns(expression: Expression) -> frozenset[ColumnRef]:
    """Return every column that *expression* reads, those of its subqueries' outer."""
    found: set[ColumnRef] = set()
    for each in subexpressions(expression):
        match each:
            case ColumnRef():
                found.add(each)
            case Subquery(relation=relation):
                found |= free_columns(relation)
    return frozenset(found)


def substituted(
    expression: Expression, change: Callable[[ColumnRef], Expression]
) -> Expression:
    """Return *expression* with each column changed, those inside subqueries too."""
    match expression:
        case ColumnRef():
            return change(expression)
        case Subquery(relation=relation):
            inside = substituted_in(relation, change)
            expression = replace(expression, relation=inside)
        case _:
            pass
    return with_operands(expression, lambda part: substituted(part, change))


def substituted_in(
    relation: Relation, change: Callable[[ColumnRef], Expression]
) -> Relation:
    """Return *relation* with each column that is read in it changed."""
    return with_parts(
        relation,
        lambda child: substituted_in(child, change),
        lambda part: substituted(part, change),
    )


def subqueries(expression: Expression) -> Iterator[Subquery]:
    """Yield the subqueries of *expression*, not those inside them."""
    for each in subexpressions(expression):
        if isinstance(each, Subquery):
            yield each


# --- relations -------------------------------------------------------------------


def children(relation: Relation) -> tuple[Relation, ...]:
    """Return the relations that *relation* is made of."""
    match relation:
        case Scan() | Listed() | Released():
            return ()
        case Join(left=left, right=right) | SetOperation(left=left, right=right):
            return (left, right)
        case (
            Filter(child=child)
            | Unnest(child=child)
            | Sample(child=child)
            | Top(child=child)
            | Project(child=child)
            | Group(child=child)
        ):
            return (child,)
        case _:
            assert_never(relation)


def with_parts(
    relation: Relation,
    change_child: Callable[[Relation], Relation],
    change: Callable[[Expression], Expression],
) -> Relation:
    """Return *relation* with its children and its own expressions changed."""
    return _with_expressions(_with_children(relation, change_child), change)


def _with_children(
    relation: Relation, change: Callable[[Relation], Relation]
) -> Relation:
    match relation:
        case Scan() | Listed() | Released():
            return relation
        case Join(left=left, right=right):
            return replace(relation, left=change(left), right=change(right))
        case SetOperation(left=left, right=right):
            return with_sides(relation, change(left), change(right))
        case (
            Filter(child=child)
            | Unnest(child=child)
            | Sample(child=child)
            | Top(child=child)
            | Project(child=child)
            | Group(child=child)
        ):
            return replace(relation, child=change(child))
        case _:
            assert_never(relation)


def _with_expressions(
    relation: Relation, change: Callable[[Expression], Expression]
) -> Relation:
    def changed(parts: tuple[_Part, ...]) -> tuple[_Part, ...]:
        return tuple(replace(p, expression=change(p.expression)) for p in parts)

    match relation:
        case Scan() | Listed() | Released() | Sample() | SetOperation():
            return relation
        case Filter(predicate=predicate):
            return replace(relation, predicate=change(predicate))
        case Join(condition=condition):
            return replace(relation, condition=change(condition))
        case Unnest(elements=elements):
            return replace(relation, elements=change(elements))
        case Top(order=order):
            return replace(relation, order=changed(order))
        case Project(columns=columns):
            return replace(relation, columns=changed(columns))
        case Group(keys=keys, aggregates=aggregates):
            return replace(relation, keys=changed(keys), aggregates=changed(aggregates))
        case _:
            assert_never(relation)


def with_sides(
    operation: SetOperation, left: Relation, right: Relation
) -> SetOperation:
    """
    Return a set operation of other sides.

    Raises:
        TypeError: a side is no SELECT list any more.
    """
    if isinstance(left, Project) and isinstance(right, Project):
        return replace(operation, left=left, right=right)
    msg = "the sides of a set operation are SELECT lists"
    raise TypeError(msg)


def expressions(relation: Relation) -> tuple[Expression, ...]:
    """Return the expressions that stand in *relation* itself."""
    match relation:
        case Scan() | Listed() | Released() | Sample() | SetOperation():
            return ()
        case Filter(predicate=condition) | Join(condition=condition):
            return (condition,)
        case Unnest(elements=elements):
            return (elements,)
        case Top(order=order):
            return tuple(each.expression for each in order)
        case Project(columns=named):
            return tuple(each.expression for each in named)
        case Group(keys=keys, aggregates=aggregates):
            return tuple(each.expression for each in (*keys, *aggregates))
        case _:
            assert_never(relation)


def relations(relation: Relation) -> Iterator[Relation]:
    """Yield *relation* and all that it is made of, left to right, subqueries too."""
    yield relation
    for child in children(relation):
        yield from relations(child)
    for expression in expressions(relation):
        for subquery in subqueries(expression):
            yield from relations(subquery.relation)


def scans(relation: Relation) -> Iterator[Scan]:
    """Yield the scans of *relation*, left to right; not those of subqueries."""
    if isinstance(relation, Scan):
        yield relation
    for child in children(relation):
        yield from scans(child)


def is_private(relation: Relation) -> bool:
    """Return whether any private row has a part in *relation*."""
    return any(
        isinstance(each, Scan) and not each.table.public for each in relations(relation)
    )


def column_of(scan: Scan, name: str) -> ColumnRef:
    """Return a reference to a column of *scan*, which need not be listed."""
    column = scan.table.columns.get(name)
    if column is None:  # rowid, under row privacy
        return ColumnRef(scan.name, name, SqlType.INTEGER, "BIGINT")
    return ColumnRef(
        scan.name, column.name, column.type, column.engine_type, column.decimals
    )


def made_column(relation: str, named: Named) -> ColumnRef:
    """Return a column that *relation* makes, with DECIMAL's digits, STRUCT's fields."""
    made = named.expression
    if made.type not in {SqlType.DECIMAL, SqlType.STRUCT}:
        return ColumnRef(relation, named.name, made.type)
    chosen = _chosen_from(made)
    if chosen is not None:
        return replace(chosen, relation=relation, name=named.name)
    digits = max((_decimals(each) for each in subexpressions(made)), default=0)
    return ColumnRef(relation, named.name, made.type, decimals=digits)


_CHOOSING = frozenset({"min", "max", "only", "first_value", "last_value", "nth_value"})
"""Functions whose value is one of the values of their first argument."""


def _chosen_from(made: Expression) -> ColumnRef | None:
    """Return the column whose values *made* has, and no others."""
    match made:
        case ColumnRef():
            return made
        case Aggregated(function=function, arguments=(of, *_)) if function in _CHOOSING:
            return _chosen_from(of)
        case Window(function=function, arguments=(of, *_)) if function in _CHOOSING:
            return _chosen_from(of)
        case Window(function="lag" | "lead", arguments=(of, _)):
            return _chosen_from(of)
        case _:
            return None


def _decimals(part: Expression) -> int:
    match part:
        case ColumnRef(decimals=digits):
            return digits
        case Literal(value=Decimal() as value):
            return max(0, -int(value.as_tuple().exponent))
        case _:
            return 0


def visible(relation: Relation) -> tuple[ColumnRef, ...]:
    """Return the columns that what stands around *relation* may read."""
    match relation:
        case Scan(table=table):
            return tuple(column_of(relation, name) for name in table.columns)
        case Listed(columns=own) | Released(columns=own) | SetOperation(columns=own):
            return own
        case Filter(child=child) | Sample(child=child) | Top(child=child):
            return visible(child)
        case Unnest(child=child, column=column):
            return (*visible(child), column)
        case Join(left=left, right=right):
            return visible(left) + visible(right)
        case Project(name=name, columns=named):
            return tuple(made_column(name, each) for each in named)
        case Group(name=name, keys=keys, aggregates=aggregates):
            return tuple(made_column(name, each) for each in (*keys, *aggregates))
        case _:
            assert_never(relation)


def names(relation: Relation) -> frozenset[str]:
    """Return the names of all that makes columns in *relation*, subqueries too."""
    return frozenset(
        each.name
        for each in relations(relation)
        if not isinstance(each, Filter | Join | Sample | Top)
    )


def free_columns(relation: Relation) -> frozenset[ColumnRef]:
    """Return the columns that *relation* reads of a row outside itself."""
    inside = names(relation)
    return frozenset(
        column
        for each in relations(relation)
        for expression in expressions(each)
        for column in columns(expression)
        if column.relation not in inside
    )


def optional_names(relation: Relation) -> frozenset[str]:
    """Return the names whose columns are NULL where an outer join found nothing."""
    match relation:
        case Join(left=left, right=right, kind=kind):
            found = optional_names(left) | optional_names(right)
            if kind is not JoinKind.INNER:
                found |= {column.relation for column in visible(right)}
            if kind is JoinKind.FULL:
                found |= {column.relation for column in visible(left)}
            return found
        case Filter(child=child) | Sample(child=child) | Top(child=child):
            return optional_names(child)
        case Unnest(child=child):
            return optional_names(child)
        case _:
            return frozenset()


def predicates(relation: Relation) -> Iterator[Expression]:
    """
    Yield conditions that hold for every row of *relation*.

    The condition of an outer join does not: rows without a partner are kept.
    """
    match relation:
        case Filter(child=child, predicate=predicate):
            yield from predicates(child)
            yield predicate
        case Sample(child=child) | Top(child=child) | Unnest(child=child):
            yield from predicates(child)
        case Join(left=left, kind=JoinKind.LEFT):
            yield from predicates(left)
        case Join(left=left, right=right, kind=JoinKind.INNER, condition=condition):
            yield from predicates(left)
            yield from predicates(right)
            yield condition


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
