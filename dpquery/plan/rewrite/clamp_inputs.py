"""Values onto the integer grid and into their bounds (theory.md 2.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from dpquery.errors import Place, QueryRefused
from dpquery.plan.aggregates import Clamp, GridValue
from dpquery.plan.analysis.bounds import (
    Bounds,
    Environment,
    bounds,
    decimals,
    environment,
)
from dpquery.plan.analysis.sources import Sources, sources
from dpquery.plan.expressions import (
    NUMERIC,
    TEMPORAL,
    ColumnRef,
    Expression,
    Literal,
)
from dpquery.plan.relations import Scan
from dpquery.plan.render import expression_text
from dpquery.plan.walk import columns
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from dpquery.plan.relations import Relation
    from dpquery.plan.rewrite.seek_profile import ProfileReader

STEPS_WANTED = 1 << 26
"""A value without a grid of its own gets about this many steps: finer than any noise
that the policy could ask for (theory.md 2.1: at most a thousandth of σ)."""
WIDEST = Fraction(10) ** 30
"""Bounds beyond this drown every answer in noise, and leave DOUBLE's range."""
STEPS_LIMIT = 1 << 40
"""More steps than this are merged, so that sums stay within integers."""
SQUARED_LIMIT = 1 << 18
"""Steps of a value that is squared: the sum of the squares of 65,536 rows is exact."""
DAY, SECOND = Fraction(1), Fraction(1, 86_400)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is known of the values that a release adds up."""

    env: Environment
    known: Sources
    profile: ProfileReader | None = None
    """Finds bounds where nobody has given any; ``None``: there have to be some."""

    def bounds(self, argument: Expression) -> Bounds:
        """Return the bounds of a value, as far as they are known or can be found."""
        span = bounds(argument, self.env)
        if span.closed or self.profile is None or argument.type in TEMPORAL:
            return span
        return self.profile.bounded(argument, self.env)

    def declared(self, argument: Expression) -> bool:
        """Return whether the bounds of a value are known without a profile."""
        return bounds(argument, self.env).closed


def inputs_of(relation: Relation, profile: ProfileReader | None = None) -> Inputs:
    """Return what is known of the values of *relation*."""
    return Inputs(environment(relation), sources(relation), profile)


def grid_value(
    argument: Expression,
    inputs: Inputs,
    place: Place | None,
    clamp: Clamp | None = None,
    *,
    centred: bool,
    most_steps: int = STEPS_LIMIT,
) -> GridValue:
    """
    Return *argument* as an integer of known range.

    Centring at the middle of the bounds makes the reach (high - low)/2 instead of
    the larger absolute bound (theory.md 2.2). Bounds that a profile has found are far
    from most values, and not centred.

    Raises:
        QueryRefused: *argument* has no finite bounds.
    """
    if clamp is not None and not clamp.per_group:
        span = bounds(argument, inputs.env)
        least = clamp.low if span.low is None else max(span.low, clamp.low)
        most = clamp.high if span.high is None else min(span.high, clamp.high)
        span = Bounds(min(least, most), max(least, most))
    else:
        span = inputs.bounds(argument)
    low, high = span.low, span.high
    if low is None or high is None:
        raise _unbounded(argument, inputs.env, place)
    if max(abs(low), abs(high)) > WIDEST:
        msg = f"the bounds of {expression_text(argument)} are wider than 1e30"
        hint = "bound it in the query, e.g. LEAST(GREATEST(…, 0), 100)"
        raise QueryRefused(msg, code="DPQ120", place=place, hint=hint)
    grid = _grid(argument, low, high, inputs.known, most_steps)
    first, last = math.floor(low / grid), math.ceil(high / grid)
    plain = GridValue(argument, grid, first, last, 0)
    if not centred or not inputs.declared(argument):
        return plain
    middle = (first + last) // 2
    found = inputs.profile
    if found is not None and most_steps == STEPS_LIMIT:
        middle = 0 if found.off_centre(plain, middle) else middle
    return replace(plain, centre=middle)


def group_value(
    argument: Expression, inputs: Inputs, clamp: Clamp
) -> tuple[GridValue, tuple[int, int]]:
    """
    Return *argument* for a sum that is bounded per group, and those bounds in steps.

    Single rows need no bounds of their own then; they are clamped only so that sums
    stay within integers.
    """
    reach = max(abs(clamp.low), abs(clamp.high))
    grid = _grid(argument, clamp.low, clamp.high, inputs.known, STEPS_LIMIT)
    steps = math.floor(clamp.low / grid), math.ceil(clamp.high / grid)
    row = max(1 << 20, 1 << math.ceil(reach / grid).bit_length() + 4)
    most = min(row, STEPS_LIMIT)
    return GridValue(argument, grid, -most, most, 0), steps


def _grid(
    argument: Expression,
    low: Fraction,
    high: Fraction,
    known: Sources,
    most_steps: int,
) -> Fraction:
    """Return the step: the policy's, else the value's own decimals, else a fine one."""
    if argument.type in TEMPORAL:
        return DAY if argument.type is SqlType.DATE else SECOND
    reach = max(abs(low), abs(high), Fraction(1, 10**12))
    made = known.expanded(argument)
    leaf = known.leaves.get(made.relation) if isinstance(made, ColumnRef) else None
    declared = None
    if isinstance(made, ColumnRef) and isinstance(leaf, Scan):
        column = leaf.table.columns.get(made.name)
        declared = None if column is None else column.grid
    digits = decimals(made)
    if declared is not None:
        grid = Fraction(declared)
    elif digits is not None:
        grid = Fraction(1, 10**digits)
    else:
        grid = Fraction(1)
        while reach / grid < STEPS_WANTED:
            grid /= 10
    while reach / grid > most_steps:
        grid *= 10
    return grid


def _unbounded(
    argument: Expression, env: Environment, place: Place | None
) -> QueryRefused:
    """Say which column lacks bounds and what would be accepted."""
    text = expression_text(argument)
    open_columns = [
        column
        for column in sorted(columns(argument), key=lambda each: each.name)
        if not bounds(column, env).closed
    ]
    msg = f"{text} has no bounds, so its sum could be anything"
    if not open_columns or isinstance(argument, Literal):
        hint = "bound it in the query, e.g. LEAST(GREATEST(…, 0), 100)"
    elif any(column.type not in NUMERIC for column in open_columns):
        hint = f"bound it in the query: LEAST(GREATEST({text}, 0), 100)"
        if argument.type in TEMPORAL:
            hint = f"bound it in the query: WHERE {text} BETWEEN '2020-01-01' AND …"
    else:
        names = ", ".join(f"{each.name}" for each in open_columns)
        first = open_columns[0].name
        hint = (
            f"declare `bounds` of {names} in the policy, or bound it in the query:\n"
            f"SUM(LEAST(GREATEST({first}, 0), 100)), or "
            f"WHERE {first} BETWEEN 0 AND 100"
        )
    return QueryRefused(msg, code="DPQ120", place=place, hint=hint)
