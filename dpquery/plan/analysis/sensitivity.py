"""How far one unit can move a released vector.

The limits follow theory.md 2.2: (A) for truncation to k groups, (B) for norm
clipping. The clip that enforces them is in the SQL; numbers here are exact integers
or rounded up, so that the clip is never looser than the noise assumes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, assert_never

from dpquery.plan.aggregates import (
    AdditiveMoment,
    Present,
    Product,
    Rows,
    Square,
    Total,
    Units,
)
from dpquery.plan.program import BoundingMode

if TYPE_CHECKING:
    from dpquery.plan.program import Bounding

CLIP_SLACK = 1e-12
"""A clip of a large limit aims this much below it, to cover the rounding of DOUBLE."""
CLIP_ROOM = 1
"""Sub-steps that the sensitivity has above the clip's limit. The clip aims at the
middle between the two: what should be exactly the limit is not rounded down below it,
and DOUBLE's rounding stays below half a sub-step up to ROOMY sub-steps."""
ROOMY = 1 << 40
LIMIT_CAP = float(1 << 52)
"""No limit is above this, so that DOUBLE holds every clipped integer exactly."""
SUB_STEPS = 1 << 10


def row_limit(
    rows: int, per_group: int | None, bounding: Bounding, cells: int = 1
) -> float:
    """
    Return the norm that a unit's row counts are clipped to, in rows.

    *rows* and *per_group* are the policy's hints. Under norm clipping the limit is
    the largest norm of a unit that keeps to them: at most *rows* rows, at most
    *per_group* of them in one group, in at most k groups; theory.md 2.2 (A) for
    ``sqrt(c·M)``. Under truncation it is the limit per group. Rows that are counted
    in *cells* of a group, each in one of them, have no larger norm.
    """
    if bounding.single_group:
        return float(rows)
    if bounding.mode is BoundingMode.TRUNCATE:
        return float(per_group or rows)
    if per_group is None:
        return float(rows)
    most = min(rows, per_group * bounding.groups * cells)
    if bounding.norm == 1:
        return float(most)
    return min(float(rows), math.sqrt(per_group * most))


def moment_limit(moment: AdditiveMoment, rows: float, bounding: Bounding) -> float:
    """Return the norm limit of one moment, in steps of its grid."""
    match moment:
        case Rows(most=most) | Present(most=most):
            limit = (
                rows
                if most is None
                else min(rows, _over_groups(most, bounding, bounding.groups))
            )
            return min(limit, LIMIT_CAP)
        case Total(group_bounds=(low, high)):
            most = max(abs(low), abs(high), 1)
            return min(_over_groups(most, bounding, bounding.groups), LIMIT_CAP)
        case Total(value=value):
            return min(rows * value.reach, LIMIT_CAP)
        case Square(reach=reach) | Product(reach=reach):
            return min(rows * reach, LIMIT_CAP)
        case Units(where=None):
            return _over_groups(1, bounding, bounding.full_units)
        case Units():
            return _over_groups(1, bounding, bounding.groups)
        case _:
            assert_never(moment)


def _over_groups(most: int, bounding: Bounding, k: int) -> float:
    """Return the norm of a unit that adds *most* to each of *k* groups."""
    if bounding.single_group or bounding.mode is BoundingMode.TRUNCATE:
        return float(most)
    return most * (math.sqrt(k) if bounding.norm == 2 else float(k))  # noqa: PLR2004


def distinct_sensitivity(
    per_group: int, in_all: int, reach: int, bounding: Bounding
) -> int:
    """
    Return Δ of the sizes of unions of which a unit keeps a few values.

    One unit changes the union of a group by at most the values that it keeps there,
    and always in one direction (theory.md 2.6): Δ₁ is all that it keeps, and Δ₂ at most
    ``sqrt(per group · all)``. Sums of values move by at most *reach* for each value.
    """
    if bounding.single_group or bounding.norm == 1:
        return in_all * reach
    return _ceil_sqrt(per_group * in_all * reach * reach)


def sub_steps(moment: AdditiveMoment, limit: float, bounding: Bounding) -> int:
    """
    Return into how many parts a step is cut, so that scaling down keeps digits.

    A unit in a hundred groups adds 0.28 to each of them, not 0; a unit with seven rows
    where one counts adds 0.999, not 0. A unit indicator that is not scaled, and a row
    that has many steps anyway, keep whole steps.
    """
    if isinstance(moment, Units) and bounding.single_group:
        return 1
    coarse = row_reach(moment) < SUB_STEPS
    return SUB_STEPS if coarse and limit * SUB_STEPS <= LIMIT_CAP else 1


def row_reach(moment: AdditiveMoment) -> int:
    """Return the largest absolute value that one row adds to a moment."""
    match moment:
        case Total(value=value):
            return value.reach
        case Square(reach=reach) | Product(reach=reach):
            return reach
        case _:
            return 1


def sensitivity(limit: int, bounding: Bounding) -> int:
    """
    Return Δ in sub-steps from the most that the clip lets through, rounded up.

    Under truncation a unit is in k groups, each within *limit*: Δ₂ = limit·√k and
    Δ₁ = limit·k (theory.md 2.2 A). Under norm clipping Δ is the limit itself (B).
    """
    if bounding.mode is BoundingMode.NORM or bounding.single_group:
        return limit
    k = bounding.groups
    return limit * k if bounding.norm == 1 else _ceil_sqrt(limit * limit * k)


def _ceil_sqrt(square: int) -> int:
    root = math.isqrt(square)
    return root if root * root == square else root + 1


def unit_weights(bounding: Bounding) -> tuple[tuple[int, int], ...]:
    """
    Return (groups g, weight in sub-steps) of a unit's indicator, for g = 1 … G.

    Theory.md 2.5: with g groups a unit weighs min(1, √(k/g)) in each, min(1, k/g)
    under the L1 norm, and nothing at all beyond the group cap G. The SQL computes
    the same weights.
    """
    if bounding.single_group:
        return ((1, 1),)
    if bounding.mode is BoundingMode.TRUNCATE:
        return tuple((g, SUB_STEPS) for g in range(1, bounding.groups + 1))
    if bounding.group_cap is None:
        msg = "unit weights are for releases that withhold groups, under a group cap"
        raise ValueError(msg)
    return tuple(
        (g, unit_weight(g, bounding)) for g in range(1, bounding.group_cap + 1)
    )


def unit_weight(groups: int, bounding: Bounding) -> int:
    """Return the weight, in sub-steps, of a unit with rows in *groups* groups."""
    k = bounding.full_units
    if groups <= k:
        return SUB_STEPS
    ratio = k / groups
    share = ratio if bounding.norm == 1 else math.sqrt(ratio)
    return math.floor(SUB_STEPS * share)
