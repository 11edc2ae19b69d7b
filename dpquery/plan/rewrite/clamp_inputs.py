"""Values onto the integer grid and into their bounds (theory.md 2.1)."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

from dpquery.errors import Place, QueryRefused
from dpquery.plan.aggregates import GridValue
from dpquery.plan.analysis.bounds import Environment, bounds, decimals
from dpquery.plan.expressions import NUMERIC, ColumnRef, Expression, Literal
from dpquery.plan.render import expression_text
from dpquery.plan.walk import columns

if TYPE_CHECKING:
    from dpquery.policy.catalog import CatalogColumn

STEPS_WANTED = 1 << 26
"""A value without a grid of its own gets about this many steps: finer than any noise
that the policy could ask for (theory.md 2.1: at most a thousandth of σ)."""
WIDEST = Fraction(10) ** 30
"""Bounds beyond this drown every answer in noise, and leave DOUBLE's range."""
STEPS_LIMIT = 1 << 40
"""More steps than this are merged, so that sums of squares stay within integers."""


def grid_value(
    argument: Expression,
    env: Environment,
    grids: dict[tuple[str, str], CatalogColumn],
    place: Place | None,
    *,
    centred: bool,
) -> GridValue:
    """
    Return *argument* as an integer of known range.

    Centring at the middle of the bounds makes the reach (high - low)/2 instead of
    the larger absolute bound (theory.md 2.2).

    Raises:
        QueryRefused: *argument* has no finite bounds.
    """
    span = bounds(argument, env)
    if span.low is None or span.high is None:
        raise _unbounded(argument, env, place)
    if max(abs(span.low), abs(span.high)) > WIDEST:
        msg = f"the bounds of {expression_text(argument)} are wider than 1e30"
        hint = "bound it in the query, e.g. LEAST(GREATEST(…, 0), 100)"
        raise QueryRefused(msg, code="DPQ120", place=place, hint=hint)
    grid = _grid(argument, span.low, span.high, grids)
    low, high = math.floor(span.low / grid), math.ceil(span.high / grid)
    centre = (low + high) // 2 if centred else 0
    return GridValue(argument, grid, low, high, centre)


def _grid(
    argument: Expression,
    low: Fraction,
    high: Fraction,
    grids: dict[tuple[str, str], CatalogColumn],
) -> Fraction:
    """Return the step: the policy's, else the value's own decimals, else a fine one."""
    reach = max(abs(low), abs(high), Fraction(1, 10**12))
    declared = None
    if isinstance(argument, ColumnRef):
        column = grids.get((argument.relation, argument.name))
        declared = None if column is None else column.grid
    digits = decimals(argument)
    if declared is not None:
        grid = Fraction(declared)
    elif digits is not None:
        grid = Fraction(1, 10**digits)
    else:
        grid = Fraction(1)
        while reach / grid < STEPS_WANTED:
            grid /= 10
    while reach / grid > STEPS_LIMIT:
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
    else:
        names = ", ".join(f"{each.name}" for each in open_columns)
        first = open_columns[0].name
        hint = (
            f"declare `bounds` of {names} in the policy, or bound it in the query:\n"
            f"SUM(LEAST(GREATEST({first}, 0), 100)), or "
            f"WHERE {first} BETWEEN 0 AND 100"
        )

    return QueryRefused(msg, code="DPQ120", place=place, hint=hint)
