"""Intervals of expressions, from declared bounds, filters and arithmetic.

Bounds decide how much noise a SUM needs. They are enforced by a clamp when the
query runs, so a wrong bound costs accuracy and never privacy (theory.md 0, D2).
Numbers are exact fractions; dates are days since year 1, timestamps fractions of
days.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from typing import TYPE_CHECKING, TypeAlias, assert_never

from dpquery.plan.analysis.dependencies import rows_per_unit
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


@dataclass(frozen=True, slots=True)
class Bounds:
    """A closed interval; an end that is ``None`` is not bounded."""

    low: Fraction | None = None
    high: Fraction | None = None

    @property
    def closed(self) -> bool:
        """Whether both ends are known."""
        return self.low is not None and self.high is not None

    def intersect(self, other: Bounds) -> Bounds:
        """Return what lies in both; the lower end wins when that is empty."""
        low = _most(max, self.low, other.low)
        high = _most(min, self.high, other.high)
        if low is not None and high is not None and high < low:
            high = low
        return Bounds(low, high)

    def hull(self, other: Bounds) -> Bounds:
        """Return the smallest interval that holds both."""
        low = None if None in (self.low, other.low) else _most(min, self.low, other.low)
        high = (
            None
            if None in (self.high, other.high)
            else _most(max, self.high, other.high)
        )
        return Bounds(low, high)


UNBOUNDED = Bounds()
Environment: TypeAlias = Mapping[tuple[str, str], Bounds]
"""Bounds of columns, by relation and name."""


def _most(
    choose: Callable[[Fraction, Fraction], Fraction],
    left: Fraction | None,
    right: Fraction | None,
) -> Fraction | None:
    """Choose among two ends, either of which may be missing."""
    if left is None or right is None:
        return right if left is None else left
    return choose(left, right)


def number(value: Constant) -> Fraction | None:
    """
    Return a constant as a position on the line of its type.

    >>> number(dt.date(1, 1, 2))
    Fraction(2, 1)
    >>> number("text") is None
    True
    """
    match value:
        case bool() | int() | Decimal():
            return Fraction(value)
        case float():
            return Fraction(value) if math.isfinite(value) else None
        case dt.datetime():
            clock = dt.timedelta(
                hours=value.hour,
                minutes=value.minute,
                seconds=value.second,
                microseconds=value.microsecond,
            )
            micros = clock // dt.timedelta(microseconds=1)
            return Fraction(value.toordinal()) + Fraction(micros, 86_400_000_000)
        case dt.date():
            return Fraction(value.toordinal())
        case str() | None:
            return None
        case _:
            assert_never(value)


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
    return _hull([Bounds(number(v), number(v)) for v in values if v is not None])


def _joined(
    left: Environment, right: Environment, kind: JoinKind, condition: Expression
) -> Environment:
    """Bound the columns of a join; what a LEFT join's condition says is of its right
    side, for rows without a partner have NULL there.
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
        case Call(function="in", arguments=(ColumnRef() as column, *items)):
            spans = (bounds(item, env) for item in items)
            return {(column.relation, column.name): reduce(Bounds.hull, spans)}
        case Call(function=comparison, arguments=(left, right)) if comparison in _SIDES:
            implied = _compared(left, comparison, right, env)
            return implied | _compared(right, _SIDES[comparison], left, env)
        case _:
            return {}


_SIDES = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq"}
"""Comparisons, and what they become when their sides are exchanged."""


def _compared(
    left: Expression, comparison: str, right: Expression, env: Environment
) -> dict[tuple[str, str], Bounds]:
    """Return what ``left comparison right`` says about a column on the left."""
    if not isinstance(left, ColumnRef):
        return {}
    other = bounds(right, env)
    match comparison:
        case "lt" | "le":
            other = Bounds(None, other.high)
        case "gt" | "ge":
            other = Bounds(other.low, None)
    return {} if other == UNBOUNDED else {(left.relation, left.name): other}


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
            return _hull([bounds(r, e) for r, e in results if not _is_null(r)])
        case Call(function=function, arguments=arguments):
            if function in FIXED:
                return Bounds(*map(Fraction, FIXED[function]))
            if expression.type is SqlType.BOOLEAN:
                return Bounds(Fraction(0), Fraction(1))
            if function == "coalesce":
                return _hull([bounds(a, env) for a in arguments if not _is_null(a)])
            if function in {"least", "greatest"}:
                valued = [each for each in arguments if not _is_null(each)]
                spans = [bounds(each, env) for each in valued]
                return _extreme(function, spans, [never_null(e) for e in valued])
            spans = [bounds(each, env) for each in arguments]
            if function == "modulo":
                return _remainder(*spans, whole=expression.type is SqlType.INTEGER)
            return _call(function, spans)
        case Aggregated(function=function, arguments=arguments):
            spans = [bounds(each, env) for each in arguments]
            return _aggregate(function, spans, env.get(ROWS, UNBOUNDED))
        case Window(function=function, arguments=arguments):
            spans = [bounds(each, env) for each in arguments]
            return _window(function, spans, env.get(ROWS, UNBOUNDED))
        case Subquery(kind=SubqueryKind.SCALAR, relation=relation):
            return bounds(visible(relation)[0], environment(relation))
        case Subquery() | InSample():
            return Bounds(Fraction(0), Fraction(1))
        case _:
            assert_never(expression)


ROWS = ("", "rows")
"""Where an environment keeps how many rows one unit has below a Group or a Project."""


def _aggregate(function: str, of: list[Bounds], rows: Bounds) -> Bounds:
    """Bound an aggregate of the rows of one unit."""
    match function, of:
        case (("count" | "count_distinct"), _):
            return Bounds(Fraction(0), rows.high)
        case "sum", [a]:
            return _product(a.hull(Bounds(Fraction(0), Fraction(0))), rows)
        case (("bool_or" | "bool_and"), _):
            return Bounds(Fraction(0), Fraction(1))
        case (("var_pop" | "var_samp" | "stddev_pop" | "stddev_samp"), [a]):
            return _spread(function, a)
        case _, [a, *_]:
            return a  # min, max, avg, median, …: between the values
        case _:
            return UNBOUNDED


def _spread(function: str, a: Bounds) -> Bounds:
    """Bound a variance by a quarter of the squared range, twice that for samples."""
    if a.low is None or a.high is None:
        return UNBOUNDED
    most = ((a.high - a.low) / 2) ** 2 * (2 if function.endswith("samp") else 1)
    if function.startswith("stddev"):
        most = a.high - a.low  # not below the root of twice a quarter of its square
    return Bounds(Fraction(0), most)


def _window(function: str, of: list[Bounds], rows: Bounds) -> Bounds:
    """Bound a window function over the rows of one unit."""
    match function, of:
        case (("row_number" | "rank" | "dense_rank"), _):
            return Bounds(Fraction(1), rows.high)
        case "ntile", [a]:
            return Bounds(Fraction(1), a.high)
        case (("percent_rank" | "cume_dist"), _):
            return Bounds(Fraction(0), Fraction(1))
        case (("lag" | "lead"), [a, _, default]):
            return a.hull(default)
        case (("lag" | "lead" | "first_value" | "last_value" | "nth_value"), [a, *_]):
            return a
        case _:
            return _aggregate(function, of, rows)


def _cast(operand: Expression, type_: SqlType, env: Environment) -> Bounds:
    """Bound a conversion: only numbers and times keep their place on the line."""
    inner = bounds(operand, env)
    match type_:
        case SqlType.INTEGER | SqlType.DATE if inner.closed:
            return _widened(inner)
        case SqlType.DOUBLE | SqlType.DECIMAL | SqlType.TIMESTAMP:
            return inner
        case _:
            return UNBOUNDED


def _widened(inner: Bounds) -> Bounds:
    """Return the whole numbers around an interval, however values are rounded."""
    low = None if inner.low is None else Fraction(math.floor(inner.low))
    high = None if inner.high is None else Fraction(math.ceil(inner.high))
    return Bounds(low, high)


FIXED: dict[str, tuple[int, int]] = {
    "sign": (-1, 1),
    "quarter": (1, 4),
    "month": (1, 12),
    "week": (1, 53),
    "day": (1, 31),
    "dayofyear": (1, 366),
    "dayofweek": (0, 6),
    "isodow": (1, 7),
    "hour": (0, 23),
    "minute": (0, 59),
    "second": (0, 59),
}
"""Functions with a fixed range, whatever their argument."""


def _call(function: str, of: list[Bounds]) -> Bounds:
    """Bound a function from the intervals of its arguments."""
    match function, of:
        case "add", [a, b]:
            return Bounds(_plus(a.low, b.low), _plus(a.high, b.high))
        case "subtract", [a, b]:
            return Bounds(_plus(a.low, _minus(b.high)), _plus(a.high, _minus(b.low)))
        case "negate", [a]:
            return Bounds(_minus(a.high), _minus(a.low))
        case "multiply", [a, b]:
            return _product(a, b)
        case "divide", [a, b]:
            return _quotient(a, b)
        case "int_divide", [a, b]:
            return _widened(_quotient(a, b))
        case "abs", [a]:
            return _absolute(a)
        case (("floor" | "ceil" | "round" | "trunc"), [a, *_]):
            return _widened(a)
        case "year", [a] if a.low is not None and a.high is not None:
            years = (dt.date.fromordinal(_day(end)).year for end in (a.low, a.high))
            return Bounds(*map(Fraction, years))
        case "date_trunc", [_, a]:
            # at most a year and a leap day before the value itself
            return Bounds(None if a.low is None else a.low - 366, a.high)
        case (("coalesce" | "if"), [*spans]):
            return reduce(Bounds.hull, spans)
        case "nullif", [a, _]:
            return a
        case ("length", _):
            return Bounds(Fraction(0), None)
        case _:
            return UNBOUNDED


def _is_null(expression: Expression) -> bool:
    return isinstance(expression, Literal) and expression.null


def _hull(spans: list[Bounds]) -> Bounds:
    """Return what holds all *spans*; anything, when there is none: all is NULL."""
    return reduce(Bounds.hull, spans) if spans else UNBOUNDED


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
        return _minus_all(_extreme("least", [_minus_all(each) for each in of], known))
    within = _hull(of)
    for each, is_known in zip(of, known, strict=True):
        if is_known:
            within = within.intersect(Bounds(None, each.high))
    return within


def _day(position: Fraction) -> int:
    """Return the ordinal of the day, within what Python's dates can hold."""
    return min(max(math.floor(position), 1), dt.date.max.toordinal())


def _minus_all(a: Bounds) -> Bounds:
    return Bounds(_minus(a.high), _minus(a.low))


def _plus(a: Fraction | None, b: Fraction | None) -> Fraction | None:
    return None if a is None or b is None else a + b


def _minus(a: Fraction | None) -> Fraction | None:
    return None if a is None else -a


def _product(a: Bounds, b: Bounds) -> Bounds:
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return UNBOUNDED
    corners = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
    return Bounds(min(corners), max(corners))


def _quotient(a: Bounds, b: Bounds) -> Bounds:
    if b.low is None or b.high is None or b.low <= 0 <= b.high:
        return UNBOUNDED
    return _product(a, Bounds(1 / b.high, 1 / b.low))


def _remainder(a: Bounds, b: Bounds, *, whole: bool) -> Bounds:
    """Bound a remainder: it is smaller than the divisor, and has a's sign."""
    reach = _absolute(b).high
    if reach is None:
        return UNBOUNDED
    if whole:
        reach = max(Fraction(0), reach - 1)
    low = Fraction(0) if a.low is not None and a.low >= 0 else -reach
    return Bounds(low, reach)


def _absolute(a: Bounds) -> Bounds:
    if a.low is not None and a.low >= 0:
        return a
    if a.high is not None and a.high <= 0:
        return _minus_all(a)
    if a.low is None or a.high is None:
        return Bounds(Fraction(0), None)
    return Bounds(Fraction(0), max(-a.low, a.high))


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
