"""Intervals of expressions, from declared bounds, filters and arithmetic.

Bounds decide how much noise a SUM needs. They are enforced by a clamp when the
query runs, so a wrong bound costs accuracy and never privacy (theory.md 0, D2).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from typing import TYPE_CHECKING, TypeAlias, assert_never

from dpquery.plan.analysis.aggregate_bounds import aggregate_bounds, window_bounds
from dpquery.plan.analysis.dependencies import rows_per_unit
from dpquery.plan.analysis.function_bounds import function_bounds
from dpquery.plan.analysis.preimages import column_within, field_of
from dpquery.plan.analysis.spans import (
    DAY_MICROSECONDS,
    UNBOUNDED,
    Bounds,
    hull,
    negated,
    number,
    widened,
)
from dpquery.plan.expressions import (
    Aggregated,
    Call,
    Case,
    Cast,
    ColumnRef,
    Constant,
    Expression,
    InSample,
    Literal,
    Subquery,
    SubqueryKind,
    Window,
    conjuncts,
)
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
from dpquery.plan.walk import children, visible
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.plan.relations import Named

__all__ = [
    "UNBOUNDED",
    "Bounds",
    "Environment",
    "bounds",
    "decimals",
    "deep_environment",
    "environment",
    "narrow",
    "never_null",
    "number",
]

Environment: TypeAlias = Mapping[tuple[str, str], Bounds]
"""Bounds of columns, by relation and name."""


def environment(relation: Relation) -> Environment:
    """Return the bounds of the columns that *relation* shows, narrowed by filters."""
    match relation:
        case Scan(table=table, name=name):
            return {
                (name, column.name): Bounds(*map(number, column.bounds))
                for column in table.columns.values()
                if column.bounds is not None
            }
        case Listed(columns=columns, rows=rows):
            return {
                (column.relation, column.name): _listed([row[at] for row in rows])
                for at, column in enumerate(columns)
            }
        case Released():
            return {}
        case Filter(child=child, predicate=predicate):
            return narrow(environment(child), predicate)
        case Sample(child=child) | Top(child=child) | Unnest(child=child):
            return environment(child)
        case Join(left=left, right=right, kind=kind, condition=condition):
            return _joined(environment(left), environment(right), kind, condition)
        case Project(child=child, name=name, columns=made):
            return _made(name, made, child)
        case Group(child=child, name=name):
            return _made(name, (*relation.keys, *relation.aggregates), child)
        case SetOperation(left=left, right=right, columns=columns):
            return _both(columns, environment(left), environment(right), relation)
        case _:
            assert_never(relation)


def deep_environment(relation: Relation) -> Environment:
    """Return the bounds of all columns in *relation*, those inside it too."""
    found: dict[tuple[str, str], Bounds] = {}
    for child in children(relation):
        found |= deep_environment(child)
    return found | dict(environment(relation))


def _listed(values: list[Constant]) -> Bounds:
    return hull([Bounds(number(v), number(v)) for v in values if v is not None])


def _joined(
    left: Environment, right: Environment, kind: JoinKind, condition: Expression
) -> Environment:
    """
    Bound the columns of a join.

    What a LEFT join's condition says is of its right side: rows without a partner have
    NULL there.
    """
    both = {**left, **right}
    match kind:
        case JoinKind.INNER:
            return narrow(both, condition)
        case JoinKind.LEFT:
            return {**narrow(both, condition), **left}
        case JoinKind.FULL:
            return both
        case _:
            assert_never(kind)


def _made(name: str, made: Sequence[Named], child: Relation) -> Environment:
    rows = Bounds(Fraction(0), Fraction(rows_per_unit(child)))
    env = {**environment(child), ROWS: rows}
    found = {(name, each.name): bounds(each.expression, env) for each in made}
    return {column: each for column, each in found.items() if each != UNBOUNDED}


def _both(
    columns: Sequence[ColumnRef],
    left: Environment,
    right: Environment,
    operation: SetOperation,
) -> Environment:
    sides = ((operation.left, left), (operation.right, right))
    found = {}
    for at, column in enumerate(columns):
        spans = [
            env.get((side.name, side.columns[at].name), UNBOUNDED)
            for side, env in sides
        ]
        found[column.relation, column.name] = reduce(Bounds.hull, spans)
    return found


def narrow(env: Environment, predicate: Expression) -> Environment:
    """Return *env* for the rows where *predicate* is true."""
    found = dict(env)
    for part in conjuncts(predicate):
        for name, bounds in _implied(part, env).items():
            found[name] = found.get(name, UNBOUNDED).intersect(bounds)
    return found


def _implied(part: Expression, env: Environment) -> dict[tuple[str, str], Bounds]:
    """Return the column bounds that one condition implies."""
    match part:
        case Call(function="or", arguments=options):
            each = [narrow({}, option) for option in options]
            shared = set.intersection(*(set(option) for option in each))
            return {
                name: reduce(Bounds.hull, (option[name] for option in each))
                for name in shared
            }
        case Call(function="in", arguments=(needle, *items)):
            spans = [bounds(item, env) for item in items]
            return column_within(needle, hull(spans))
        case Call(function=comparison, arguments=(left, right)) if comparison in _SIDES:
            implied = _compared(left, comparison, right, env)
            return implied | _compared(right, _SIDES[comparison], left, env)
        case _:
            return {}


_WHOLE = {SqlType.INTEGER, SqlType.DATE}
"""Types whose values are whole steps apart: below 5 is at most 4."""
_TIMES = {SqlType.DATE, SqlType.TIMESTAMP}
"""Types that are compared in microseconds, where one is a TIMESTAMP."""
_SIDES = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq"}
"""Comparisons, and what they become when their sides are exchanged."""


def _compared(
    left: Expression, comparison: str, right: Expression, env: Environment
) -> dict[tuple[str, str], Bounds]:
    """Return what ``left comparison right`` says about a column on the left."""
    other = bounds(right, env)
    low, high = other.low, other.high
    apart = _apart({left.type, right.type})
    match comparison:
        case "lt":
            other = Bounds(None, None if high is None else high - apart)
        case "le":
            other = Bounds(None, high)
        case "gt":
            other = Bounds(None if low is None else low + apart, None)
        case "ge":
            other = Bounds(low, None)
    return column_within(left, other)


def _apart(types: set[SqlType]) -> Fraction:
    """Return how far values of some types that differ are apart at least."""
    if types <= _WHOLE:
        return Fraction(1)
    return Fraction(1, DAY_MICROSECONDS) if types <= _TIMES else Fraction(0)


def bounds(expression: Expression, env: Environment) -> Bounds:
    """Return an interval that holds every value of *expression* that is not NULL."""
    match expression:
        case ColumnRef(type=SqlType.BOOLEAN):
            return Bounds(Fraction(0), Fraction(1))
        case ColumnRef(relation=relation, name=name):
            return env.get((relation, name), UNBOUNDED)
        case Literal(value=value):
            return Bounds(number(value), number(value))
        case Cast(operand=operand, type=type_):
            return _cast(operand, type_, env)
        case Case(branches=branches, otherwise=otherwise):
            results = [(then, narrow(env, when)) for when, then in branches]
            results.append((otherwise, env))
            return hull([bounds(r, e) for r, e in results if not _is_null(r)])
        case Call(function="struct_extract"):
            return env.get(field_of(expression) or ("", ""), UNBOUNDED)
        case Call(function=function, arguments=arguments):
            if expression.type is SqlType.BOOLEAN:
                return Bounds(Fraction(0), Fraction(1))
            if function == "coalesce":
                return hull([bounds(a, env) for a in arguments if not _is_null(a)])
            if function in {"least", "greatest"}:
                valued = [each for each in arguments if not _is_null(each)]
                spans = [bounds(each, env) for each in valued]
                return _extreme(function, spans, [never_null(e) for e in valued])
            return function_bounds(expression, [bounds(a, env) for a in arguments])
        case Aggregated(function=function, arguments=arguments):
            spans = [bounds(each, env) for each in arguments]
            return aggregate_bounds(function, spans, env.get(ROWS, UNBOUNDED))
        case Window(function=function, arguments=arguments):
            spans = [bounds(each, env) for each in arguments]
            return window_bounds(function, spans, env.get(ROWS, UNBOUNDED))
        case Subquery(kind=SubqueryKind.SCALAR, relation=relation):
            return bounds(visible(relation)[0], environment(relation))
        case Subquery() | InSample():
            return Bounds(Fraction(0), Fraction(1))
        case _:
            assert_never(expression)


ROWS = ("", "rows")
"""Where an environment keeps how many rows one unit has below a Group or a Project."""


def _cast(operand: Expression, type_: SqlType, env: Environment) -> Bounds:
    """Bound a conversion: only numbers and times keep their place on the line."""
    inner = bounds(operand, env)
    match type_:
        case SqlType.INTEGER | SqlType.DATE if inner.closed:
            return widened(inner)
        case SqlType.DOUBLE | SqlType.DECIMAL | SqlType.TIMESTAMP:
            return inner
        case _:
            return UNBOUNDED


def _is_null(expression: Expression) -> bool:
    return isinstance(expression, Literal) and expression.null


def never_null(expression: Expression) -> bool:
    """Return whether *expression* has a value on every row, as far as its form says."""
    match expression:
        case Literal():
            return not expression.null
        case Call(function="least" | "greatest" | "coalesce", arguments=arguments):
            return any(never_null(each) for each in arguments)
        case _:
            return False


def _extreme(function: str, of: list[Bounds], known: list[bool]) -> Bounds:
    """
    Bound LEAST or GREATEST, which skip NULLs in DuckDB.

    The least of several values is one of them, so it lies in their hull; and it is
    at most every argument that is never NULL.
    """
    if function == "greatest":
        return negated(_extreme("least", [negated(each) for each in of], known))
    within = hull(of)
    for each, is_known in zip(of, known, strict=True):
        if is_known:
            within = within.intersect(Bounds(None, each.high))
    return within


def decimals(expression: Expression) -> int | None:
    """
    Return how many digits after the point hold every value; ``None``: unknown.

    >>> cost = ColumnRef("t", "cost", SqlType.DECIMAL, "DECIMAL(10,2)", 2)
    >>> decimals(Call("multiply", (cost, cost), SqlType.DOUBLE))
    4
    """
    match expression:
        case ColumnRef(type=SqlType.INTEGER | SqlType.BOOLEAN):
            return 0
        case ColumnRef(type=SqlType.DECIMAL, decimals=digits):
            return digits
        case Literal(value=bool() | int() | None):
            return 0
        case Literal(value=Decimal() as value):
            return max(0, -int(value.as_tuple().exponent))
        case Cast(type=SqlType.INTEGER):
            return 0
        case Cast(operand=operand, type=SqlType.DOUBLE):
            return decimals(operand)
        case Case(branches=branches, otherwise=otherwise):
            return _largest(
                [decimals(each) for _, each in branches] + [decimals(otherwise)]
            )
        case Call(type=SqlType.INTEGER):
            return 0
        case Call(
            function="round" | "trunc" | "round_even",
            arguments=(_, Literal(value=int() as digits)),
        ):
            return max(0, digits)
        case Call(function="multiply", arguments=arguments):
            each_has = [decimals(each) for each in arguments]
            return None if None in each_has else sum(filter(None, each_has))
        case Call(function=function, arguments=arguments) if function in _EXACT:
            return _largest([decimals(each) for each in arguments])
        case _:
            return None


_EXACT = frozenset(
    {"add", "subtract", "negate", "abs", "coalesce", "nullif", "least", "greatest"}
)
"""Functions whose result has no more digits than its arguments."""


def _largest(digits: list[int | None]) -> int | None:
    return None if None in digits else max(each for each in digits if each is not None)
